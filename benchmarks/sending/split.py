"""Processor time of a send, split among its parts, each thread's for itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import encrypted_model_fields.fields
from django.conf import settings
from django.db import connection

from campaigns.rendering import Compiled
from messaging.transports import email, http, smtp, text
from redemptions import qr


class CpuSplit:
    """`seconds` by part. Nested parts count once: the inner one's time is taken from the outer one's."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()
        self._local = threading.local()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the places that matter. It costs something itself, so it is no part of what is compared."""
        with ExitStack() as stack:
            for owner, name, part in places():
                stack.enter_context(patch.object(owner, name, self._watched(getattr(owner, name), part)))
            stack.enter_context(connection.execute_wrapper(self._execute))
            yield

    def _watched(self, original: Callable[..., Any], part: str) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            return self._run(part, original, *args, **kwargs)

        return watched

    def _execute(self, execute: Callable[..., Any], *args: Any) -> Any:
        return self._run("database", execute, *args)

    def _run(self, part: str, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        inner = self._local.__dict__.setdefault("inner", [])
        inner.append(0.0)
        start = time.thread_time()
        try:
            return work(*args, **kwargs)
        finally:
            took = time.thread_time() - start
            own = took - inner.pop()
            if inner:
                inner[-1] += took
            with self._lock:
                self.seconds[part] = self.seconds.get(part, 0.0) + own


def places() -> Iterator[tuple[Any, str, str]]:
    """Yield object, name and part of what is watched."""
    yield encrypted_model_fields.fields, "decrypt_str", "decrypt"
    yield Compiled, "render", "render"
    yield qr, "png", "QR image"
    yield email.EmailTransport, "send", "build"  # and within it:
    yield http.KeptOpen, "request", "HTTP"
    if settings.EMAIL_PROVIDER == "smtp":
        yield smtp._Smtp, "sendmail", "SMTP"
    if settings.SMS_PROVIDER == "twilio":
        yield text.TwilioTransport, "send", "build"
