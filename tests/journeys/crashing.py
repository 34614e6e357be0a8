"""The product's web application, which ends itself once, as `kill -9` ends it: where CRASH_WHEN says.

`before_commit`: a redemption is written and not committed. `after_commit`: it is committed and not answered. The file
CRASH_MARK says that it has happened.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from django.db import connection

from config.wsgi import application as product

WHEN, MARK = os.environ["CRASH_WHEN"], Path(os.environ["CRASH_MARK"])


def crash_once() -> None:
    try:
        MARK.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    result = execute(sql, params, many, context)
    if WHEN == "before_commit" and sql.startswith('INSERT INTO "redemptions_scan"'):
        crash_once()
    return result


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    with connection.execute_wrapper(watch):
        answer = list(product(environ, start_response))
    if WHEN == "after_commit" and environ["PATH_INFO"] == "/api/v1/redemptions":
        crash_once()
    return answer
