"""A provider on this machine, and the transport pointed at it."""

from collections.abc import Iterator

import pytest

from messaging.transports import ses
from tests.wire.provider import Provider, provider


@pytest.fixture(autouse=True)
def impatient(settings, monkeypatch) -> Iterator[None]:
    """Wait half a second for an answer, without the proxies and the keys of this machine."""
    settings.PROVIDER_TIMEOUT_S = (0.5, 0.5)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    ses._credentials.cache_clear()
    yield
    ses._credentials.cache_clear()


@pytest.fixture
def server(settings, wire) -> Iterator[Provider]:
    """The provider that `wire` names."""
    with provider() as server:
        wire.point_at(settings, server.url)
        yield server
