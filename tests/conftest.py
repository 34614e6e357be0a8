"""What every test stands on: no network beyond this machine, and a real browser where there is one."""

import ipaddress
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import hypothesis
import pytest
from django.core.cache import caches
from django.db import connection
from django.test import Client, TransactionTestCase
from django.utils import translation
from playwright._impl._driver import compute_driver_executable
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.emptying import Emptying
from tests.settings import SCRATCH_DIR

ROOT = Path(__file__).parent
CHROMIUM = shutil.which("/usr/bin/chromium") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
# Without what draws windows it is a fraction of the work; but it lets no page have a camera.
LIGHT_CHROMIUM = shutil.which("chromium-headless-shell") or CHROMIUM
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]


# How long an example takes says more about the machine's other work than about the code.
hypothesis.settings.register_profile("regulars", deadline=None)
hypothesis.settings.load_profile("regulars")


def why_no_browser() -> str | None:
    """Return what keeps a browser from starting on this machine, if anything does."""
    if CHROMIUM is None:
        return "no Chromium on this machine: browser tests are left out"
    node, _ = compute_driver_executable()
    driver = subprocess.run([node, "--version"], capture_output=True, text=True)
    if driver.returncode:
        return f"Playwright does not start on this machine, so browser tests are left out: {driver.stderr.strip()}"
    return None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--docs-shots", action="store_true", help="Write the pictures in docs/screens anew.")


# Programs that find the database by themselves: no fixture of theirs says so.
RUN_PROGRAMS = {"chaos", "config", "journeys", "races"}
# Asks a database only for what it was just given: words, looks, doors, and the wire. Has run on SQLite.
SAME_ON_EACH = {
    *(f"admin/test_{name}.py" for name in ("deal_form", "doors", "editing", "forms", "login", "roles")),
    *(f"admin/test_{name}.py" for name in ("settings_pages", "setup", "two_factor")),
    *(f"campaigns/test_{name}.py" for name in ("blocks", "links", "looks", "pictures", "rendering", "sms")),
    *(f"config/test_{name}.py" for name in ("deploy_files", "error_pages", "languages", "run", "settings")),
    *(f"contacts/importing/test_{name}.py" for name in ("files", "presets", "properties", "rows")),
    *(f"messaging/test_{name}.py" for name in ("dns", "providers", "text_sizes", "texts_out", "twilio_account")),
    *(f"messaging/bounces/test_{name}.py" for name in ("judging", "mailbox", "providers", "returned", "smtp")),
    *(f"messaging/events/test_{name}.py" for name in ("payloads", "proofs")),
    *(
        f"messaging/transports/test_{name}.py"
        for name in ("brevo", "contract", "mailgun", "many", "postmark", "resend")
    ),
    *(f"redemptions/test_{name}.py" for name in ("api_contract", "api_true", "coupon", "languages", "pages", "paper")),
    *(f"redemptions/test_{name}.py" for name in ("scanner_page", "wallet")),
    "chaos/test_judge.py",
}


def has_run_on_sqlite(item: pytest.Item) -> bool:
    """Say whether a test proves nothing more on another database."""
    path = item.path.relative_to(ROOT)
    fixtures: set[str] = set(getattr(item, "fixturenames", ()))
    asks = item.get_closest_marker("django_db") or fixtures & {"db", "transactional_db", "live_server"}
    knows_none = not asks and path.parts[0] not in RUN_PROGRAMS
    return knows_none or str(path) in SAME_ON_EACH or item.get_closest_marker("browser") is not None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if connection.vendor == "postgresql":
        config.hook.pytest_deselected(items=[item for item in items if has_run_on_sqlite(item)])
        items[:] = [item for item in items if not has_run_on_sqlite(item)]
    in_browser = [item for item in items if item.get_closest_marker("browser")]
    if in_browser and (reason := why_no_browser()):
        for item in in_browser:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def own_language() -> Iterator[None]:
    """Forget the language in which a test asked for a page: it stays with the thread."""
    yield
    translation.deactivate()


# --- Network ----------------------------------------------------------------------------------------------------------


class NetworkRefused(RuntimeError):
    """A test reached for the network. Not an OSError, which the code under test may rightly catch."""


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in {"localhost", ""}


def refuse_beyond_loopback(host: Any) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name is not None and not is_loopback(name):
        raise NetworkRefused(f"A test reached for {name}: fake the provider, or serve it on 127.0.0.1.")


@pytest.fixture(autouse=True, scope="session")
def only_loopback() -> Iterator[None]:
    """Refuse look-ups and connections beyond this machine; sockets in the file system stay allowed."""
    look_up, connect, connect_ex = socket.getaddrinfo, socket.socket.connect, socket.socket.connect_ex

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        refuse_beyond_loopback(host)
        return look_up(host, *args, **kwargs)

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            refuse_beyond_loopback(address[0])
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            refuse_beyond_loopback(address[0])
        return connect_ex(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        yield


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    """Forget what a test counted: a throttle that one has filled would refuse the next."""
    yield
    for cache in caches.all(initialized_only=True):
        cache.clear()


# --- Database ---------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True, scope="session")
def empty_quickly() -> Iterator[None]:
    """Leave what every database holds where it is after each test that wrote for good."""
    emptying = Emptying(TransactionTestCase._fixture_teardown)  # type: ignore[attr-defined]  # Django's own, without a type
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: emptying(case))
        yield


# --- Processes --------------------------------------------------------------------------------------------------------


@pytest.fixture
def process_environment(transactional_db: None) -> dict[str, str]:
    """Return the environment with which a process of its own (a worker, a command) uses this test's database."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{database['NAME']}"
    else:
        user, password = quote(database["USER"] or "", safe=""), quote(database["PASSWORD"] or "", safe="")
        place = quote(database["HOST"] or "localhost", safe="")
        url = f"postgres://{user}:{password}@{place}:{database['PORT'] or 5432}/{database['NAME']}"
    return os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "TEST_DATABASE_URL": url}


# --- Browser ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start one Chromium for the whole run."""
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's synchronous calls run inside an event loop, which Django takes for asynchronous code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        # Chromium keeps its profile and sockets here, and nothing of it outlives the run.
        patch.setenv("TMPDIR", str(SCRATCH_DIR))
        browser = playwright.chromium.launch(executable_path=LIGHT_CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def browser_context(browser: Browser, live_server: Any) -> Iterator[BrowserContext]:
    """Return a fresh context at the live server's address; fail the test on any error a page reports.

    A refused script, style or image is such an error, so this watches the Content-Security-Policy too.
    """
    errors: list[str] = []

    def note_message(message: ConsoleMessage) -> None:
        address = message.location.get("url", "")
        # Chromium asks for /favicon.ico by itself, at a time of its own, where a page names no icon.
        # A refused scan is an answer (409), which Chromium reports as a failure to load.
        refused_scan = "/api/v1/" in address and "409 (Conflict)" in message.text
        if message.type == "error" and not refused_scan and not address.endswith("/favicon.ico"):
            errors.append(f"{message.text} ({address})")

    def note_error(error: Any) -> None:
        errors.append(str(getattr(error, "error", error)))

    context = browser.new_context(base_url=live_server.url, locale="en-US")
    context.on("console", note_message)
    context.on("weberror", note_error)
    yield context
    context.close()
    assert errors == []


@pytest.fixture
def page(browser_context: BrowserContext) -> Page:
    """Return a page of nobody in particular."""
    return browser_context.new_page()


@pytest.fixture
def admin_page(browser_context: BrowserContext, admin_client: Client, live_server: Any) -> Page:
    """Return a page with a superuser signed in."""
    cookie = admin_client.cookies["sessionid"]
    browser_context.add_cookies([{"name": "sessionid", "value": cookie.value, "url": live_server.url}])
    return browser_context.new_page()
