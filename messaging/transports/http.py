"""One HTTP connection to a provider, kept open, and what the provider's answers mean."""

from __future__ import annotations

import gzip
import os
import ssl
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import SplitResult, unquote, urlsplit

from django.conf import settings
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy
from urllib3.util import make_headers, wait_for_read

from messaging.transports.base import Outcome, TransportError
from messaging.transports.exchange import exchange, request_bytes

NO_SUCH_ACCOUNT = frozenset({401, 402, 403, 404, 405})
MUST_NOT_REPEAT = frozenset({400, 413, 415, 422})
TOO_MANY = 429
DAY_S = 24 * 3600
USUAL_PORTS = {"http": 80, "https": 443}
USER_AGENT = "regulars"  # there are providers that turn away who names none
DECODERS: dict[str, Callable[[bytes], bytes]] = {  # none is asked for; a proxy may compress all the same
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; the names of `headers` are found in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300


class KeptOpen:
    """A connection to the host of `url`, made at the first request and kept; for one thread.

    HTTPS_PROXY, HTTP_PROXY and NO_PROXY are looked up once, here: requests does it at every call, which is a quarter of
    a send. REQUESTS_CA_BUNDLE names other certificates to trust.
    """

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        assert address.hostname, "a provider's address names a host"
        self._origin = f"{address.scheme}://{address.netloc}"
        self._host = host_header(address)
        self._connect_s, self._read_s = settings.PROVIDER_TIMEOUT_S
        self._forwards = False  # by a proxy that wants the whole address
        self._proxy_headers: dict[str, str] = {}
        self._connection = self._prepared(address.scheme, address.hostname, address.port)

    def _prepared(self, scheme: str, host: str, port: int | None) -> HTTPConnection:
        proxy = urlsplit(select_proxy(self._origin, get_environ_proxies(self._origin)) or "")
        if proxy.hostname and proxy.scheme != "http":
            raise TransportError(Outcome.STOP, "proxy must be http")
        if proxy.username:
            login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
            self._proxy_headers = dict(make_headers(proxy_basic_auth=login))
        if scheme == "http":
            self._forwards = bool(proxy.hostname)
            port = (proxy.port or 80) if proxy.hostname else port
            return HTTPConnection(proxy.hostname or host, port, timeout=self._connect_s)
        if not proxy.hostname:
            return HTTPSConnection(host, port, timeout=self._connect_s, context=tls_context())
        tunnel = HTTPSConnection(proxy.hostname, proxy.port or 80, timeout=self._connect_s, context=tls_context())
        tunnel.set_tunnel(host, port or 443, headers=self._proxy_headers)  # a proxy that must not read along
        return tunnel

    def request(self, method: str, url: str, *, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Ask once; a connection the server has closed meanwhile is made anew before anything is written.

        Raises TransportError: STOP where the request cannot be written, as with an odd key; BUSY where there was no
        connection, UNKNOWN where no whole answer came.
        """
        assert url.startswith(f"{self._origin}/"), "a provider is one host"
        target = url if self._forwards else url[len(self._origin) :]
        headers = {"User-Agent": USER_AGENT, **headers, **(self._proxy_headers if self._forwards else {})}
        try:
            request = request_bytes(method, target, host=self._host, headers=headers, body=body)
        except ValueError as error:  # its text may hold the key
            raise TransportError(Outcome.STOP, type(error).__name__) from None
        self._connect()
        try:
            return self._ask(request)
        except (HTTPException, OSError, EOFError, zlib.error) as error:
            self.close()
            raise TransportError(Outcome.UNKNOWN, type(error).__name__) from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._connection.close()

    def _connect(self) -> None:
        if self._connection.sock is not None and not wait_for_read(self._connection.sock, timeout=0.0):
            return  # what is readable now is the server's goodbye
        self._connection.close()
        try:
            self._connection.connect()
            self._connection.sock.settimeout(self._read_s)
        except (HTTPException, OSError, UnicodeError) as error:
            self._connection.close()
            raise not_connected(error) from None

    def _ask(self, request: bytes) -> Answer:
        reply = exchange(self._connection.sock, request)
        if not reply.keeps_open:
            self.close()
        decode = DECODERS.get(reply.headers.get("Content-Encoding", "").lower(), bytes)
        return Answer(reply.status, reply.headers, decode(reply.body))


def host_header(address: SplitResult) -> str:
    """Return what a request to this address says under Host: no port where it is the usual one."""
    host = (address.hostname or "").encode("idna").decode()
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{address.port}" if address.port not in {None, USUAL_PORTS.get(address.scheme)} else host


@cache
def tls_context() -> ssl.SSLContext:
    """Return what all connections of this process trust: reading the certificates takes longer than a handshake."""
    context = ssl.create_default_context(cafile=os.environ.get("REQUESTS_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH)
    context.set_alpn_protocols(["http/1.1"])
    return context


def not_connected(error: BaseException) -> TransportError:
    """Nothing was sent. Time mends it, unless it is a certificate."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return TransportError(Outcome.STOP, "certificate")
    return TransportError(Outcome.BUSY, type(error).__name__)


def refusal(answer: Answer, code: str = "") -> TransportError:
    """Sort an answer that is none of the good ones. 5xx may come from anywhere on the way: it leaves all open."""
    status = answer.status
    code = code or str(status)
    if status == TOO_MANY:
        return TransportError(Outcome.BUSY, code, retry_after_s=retry_after_s(answer.headers))
    if status in NO_SUCH_ACCOUNT or 300 <= status < 400:
        return TransportError(Outcome.STOP, code)
    if status in MUST_NOT_REPEAT:
        return TransportError(Outcome.REFUSED, code)
    return TransportError(Outcome.UNKNOWN, code)


def retry_after_s(headers: Mapping[str, str]) -> int:
    """Return what Retry-After asks for, a number of seconds or a date (RFC 9110, 10.2.3): 0 to a day."""
    value = headers.get("Retry-After", "").strip()
    try:
        wait_s = int(value) if value.isdecimal() else parsedate_to_datetime(value).timestamp() - time.time()
    except ValueError:
        return 0
    return round(min(max(wait_s, 0), DAY_S))
