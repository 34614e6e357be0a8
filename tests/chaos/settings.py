"""The product's own settings in a hurry: what takes a minute in a shop takes seconds here."""

import os
from pathlib import Path

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS, Q_CLUSTER

VAR_DIR = Path(os.environ["CHAOS_DIR"])
PUMP_SILENT_S = 3
PROVIDER_TIMEOUT_S = (2, 2)
Q_CLUSTER |= {"poll": 0.2, "guard_cycle": 0.2}
INSTALLED_APPS += ["tests.chaos.rigging.Rigging"]
