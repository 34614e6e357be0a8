"""The scanner speaks the phone's language: online, on the home screen, and without network."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from redemptions.codes import new_token
from redemptions.models import Code, Redemption
from tests.browser.scanner.conftest import (
    PATIENCE_MS,
    enter,
    expect_result,
    expect_status,
    until,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def phone(browser: Browser, new_context: Callable[..., BrowserContext], enrol_token: str) -> Page:
    """Return the page of a phone in Spanish, which its service worker looks after."""
    page = new_context(browser, locale="es-MX", service_workers="allow").new_page()
    page.goto(f"/scan/#enrol={enrol_token}")
    expect(page.locator("#device")).to_have_text("Bar phone · Main St", timeout=PATIENCE_MS)
    return page


def test_redeems_and_refuses_in_spanish(phone: Page, code: Code):
    expect(phone.locator("html")).to_have_attribute("lang", "es")
    expect(phone.get_by_role("button", name="Escanear con la cámara")).to_be_visible()
    expect(phone.get_by_role("button", name="Canjear")).to_be_visible()

    enter(phone, code.token)
    expect_result(phone, "good", "Canjeado", "20 % de descuento")
    phone.get_by_role("button", name="Siguiente").click()
    enter(phone, code.token)

    expect_result(phone, "amber", "Ya se usó", "Usted lo canjeó hace")
    expect(phone.locator("#today")).to_have_text("Hoy: 1 canjeados, 1 rechazados", timeout=PATIENCE_MS)
    assert Redemption.objects.count() == 1


def test_shows_the_servers_own_words_in_spanish(phone: Page):
    enter(phone, new_token())

    expect_result(phone, "bad", "Código desconocido", "Ese código no existe. Revíselo e intente de nuevo.")


def test_speaks_spanish_without_network(phone: Page, code: Code):
    phone.evaluate("navigator.serviceWorker.ready.then(() => null)")
    until(phone, "navigator.serviceWorker.controller?.state === 'activated'")

    phone.context.set_offline(True)
    phone.reload()
    expect(phone.locator("#device")).to_have_text("Bar phone · Main St", timeout=PATIENCE_MS)
    expect(phone.locator("html")).to_have_attribute("lang", "es")
    enter(phone, code.token)

    expect_result(phone, "unsure", "Sin confirmar", "Este teléfono no tiene red.")
    phone.context.set_offline(False)
    expect_status(phone, "Todo enviado")
