"""The scanner as an app: put on the home screen, opened without network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from redemptions.links import qr_payload
from redemptions.models import Code, Redemption
from tests.browser.scanner.conftest import FILM, enter, expect_result, expect_status, set_up, until
from tests.wire.camera import film, scene

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def app(camera_browser: Browser, new_context: Callable[..., BrowserContext], enrol_token: str) -> Page:
    """Return a page that its service worker looks after."""
    phone = new_context(camera_browser, service_workers="allow", permissions=["camera"])
    page = set_up(phone.new_page(), enrol_token)
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    until(page, "navigator.serviceWorker.controller?.state === 'activated'")
    return page


def test_can_be_installed(app: Page):
    devtools = app.context.new_cdp_session(app)

    trouble = devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]
    manifest = devtools.send("Page.getAppManifest")

    # A private window, which a test's is, can install nothing.
    assert [error["errorId"] for error in trouble if error["errorId"] != "in-incognito"] == []
    assert manifest["errors"] == []


def test_opens_and_reads_without_network(app: Page, code: Code):
    app.context.set_offline(True)
    app.reload()
    expect(app.locator("#device")).to_have_text("Bar phone · Main St")
    film(FILM, scene(qr_payload(code.token)))

    app.locator("#start").click()

    expect_result(app, "unsure", "Not confirmed", "This phone has no network.")
    app.on("dialog", lambda dialog: dialog.accept())
    app.reload()
    expect_status(app, "1 not confirmed")
    app.context.set_offline(False)
    expect_status(app, "All sent")
    assert Redemption.objects.count() == 1


def test_keeps_files_and_no_answers(app: Page, code: Code):
    enter(app, code.token)
    expect_result(app, "good", "Redeemed")

    kept: dict[str, list[str]] = app.evaluate("""(async () => {
        const found = {};
        for (const name of await caches.keys()) {
            const requests = await (await caches.open(name)).keys();
            found[name] = requests.map(({ url }) => new URL(url).pathname);
        }
        return found;
    })()""")

    (files,) = kept.values()
    assert "/scan/" in files
    assert "/static/redemptions/vendor/zxing_reader.wasm" in files
    assert [file for file in files if not file.startswith(("/static/redemptions/", "/scan/"))] == []


def test_leaves_the_rest_of_the_site_alone(app: Page, code: Code, live_server: Any):
    app.goto(f"/r/{code.token}")

    assert app.evaluate("navigator.serviceWorker.controller") is None
