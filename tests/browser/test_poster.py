"""The poster in a real browser: what warns on the screen stays off the paper."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from contacts.models import SignupForm

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_warns_on_the_screen_and_not_on_paper(admin_page: Page, live_server: Any, settings: Any) -> None:
    settings.PUBLIC_BASE_URL = live_server.url  # this computer
    form = SignupForm.objects.create(name="Table card", slug="table", title="Join us")
    warning = admin_page.get_by_text("the link leads to this computer only")

    admin_page.goto(f"/admin/contacts/signupform/{form.pk}/poster/")
    expect(warning).to_be_visible()

    admin_page.emulate_media(media="print")
    expect(warning).to_be_hidden()
    expect(admin_page.get_by_role("heading", name="Join us")).to_be_visible()
