"""Going on where the database went away for a moment."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

logger = logging.getLogger(__name__)

FOR_S = 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0

Result = TypeVar("Result")


def steadily(operation: Callable[[], Result]) -> Result:
    """Do it, and again over a new connection where the old one broke, for up to a minute.

    The operation must be one that may be repeated. Raises what the last try raised.
    """
    give_up_at, pause_s = time.monotonic() + FOR_S, FIRST_PAUSE_S
    while True:
        try:
            return operation()
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block or time.monotonic() > give_up_at:
                raise
            logger.warning("the database went away: %s", type(error).__name__)
        connection.close()
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
