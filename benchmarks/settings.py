"""The product's own settings; only the files and the database that a run makes are put aside, to be thrown away."""

import os
from pathlib import Path

from config.settings import *  # noqa: F403
from config.settings import DATABASES

SCRATCH_DIR = Path(os.environ["BENCH_SCRATCH_DIR"])
OUTBOX_DIR = SCRATCH_DIR / "outbox"
STATIC_ROOT = SCRATCH_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns where it finds none

IS_SQLITE = DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"
DATABASES["default"]["TEST"] = {
    "NAME": str(SCRATCH_DIR / "scratch.sqlite3") if IS_SQLITE else f"regulars_bench_{os.getpid()}"
}
