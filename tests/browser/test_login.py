"""Signing in, as it looks: on a laptop and a phone, light and dark, with the keyboard alone."""

import base64
import time
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django_otp.oath import totp
from playwright.sync_api import expect

from contacts.models import AuthenticatorApp, Business, Role
from contacts.services import end_sessions, finish_enrolment, save_person, start_enrolment
from messaging import services
from tests.admin.conftest import add_contact, write_draft

pytestmark = pytest.mark.browser

PASSWORD = "rosemary-salt-42"


def person(name, role, *extras):
    user = save_person(User(username=name, first_name=name.title()), role=role, extras=extras)
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture
def olga(transactional_db):
    return person("olga", Role.OWNER)


@pytest.fixture
def as_olga(olga, browser_context, live_server):
    client = Client()
    client.force_login(olga)
    cookie = client.cookies["sessionid"].value
    browser_context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
    return browser_context.new_page()


def code_of(user, confirmed=True, step=0):
    key = base64.b32decode(AuthenticatorApp.objects.get(user=user, confirmed=confirmed).key)
    return f"{totp(key, drift=step):06d}"


def has_no_overflow(page):
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def fits(page):
    """Look at a page wide and narrow: it never scrolls sideways."""
    for width, height in ((390, 844), (1280, 860)):
        page.set_viewport_size({"width": width, "height": height})
        assert has_no_overflow(page), width


def test_signs_in_with_the_keyboard_alone(olga, page):
    start_enrolment(olga)
    finish_enrolment(olga, code_of(olga, confirmed=False, step=-1))
    page.goto("/admin/")
    expect(page.get_by_label("Name")).to_be_focused()
    fits(page)

    page.keyboard.type("olga")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("the code your app shows now")

    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Code from your app").fill(code_of(olga, step=1 if time.time() % 30 > 25 else 0))
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


def test_sets_a_second_factor_up(as_olga, olga):
    page = as_olga
    page.goto("/admin/sign-in/")
    fits(page)

    page.get_by_role("button", name="Set it up").click()
    expect(page.get_by_alt_text("QR code for the authenticator app")).to_be_visible()
    fits(page)
    page.get_by_label("Code from your app").fill(code_of(olga, confirmed=False))
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    fits(page)


def test_lets_somebody_in_by_a_link(as_olga, page, live_server, settings):
    settings.PUBLIC_BASE_URL = live_server.url
    as_olga.goto("/admin/auth/user/add/")
    as_olga.get_by_label("Sign-in name").fill("nina")
    as_olga.get_by_label("Name:", exact=True).fill("Nina")
    fits(as_olga)
    as_olga.get_by_role("button", name="Save", exact=True).click()
    link = as_olga.get_by_label("Link").input_value()
    fits(as_olga)
    as_olga.goto("/admin/auth/user/")
    fits(as_olga)
    as_olga.goto(f"/admin/auth/user/{User.objects.get(username='nina').pk}/change/")
    fits(as_olga)
    end_sessions(User.objects.get(username="olga"), at=timezone.now())

    page.goto(link)
    fits(page)
    page.get_by_label("New password", exact=False).first.fill("basil-pepper-77")
    page.get_by_label("confirmation").fill("basil-pepper-77")
    page.keyboard.press("Enter")
    page.get_by_label("Name").fill("nina")
    page.get_by_label("Password").fill("basil-pepper-77")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


def test_a_second_person_approves(as_olga):
    nina = person("nina", Role.MARKETER, "campaigns.send_campaign")
    Business.load()
    Business.objects.update(
        approval_above=1, postal_address="1 Real Street, Springfield", from_email="hello@ouzel-bar.com"
    )
    for name in ("ana", "bo"):
        add_contact(f"{name}@ouzel-bar.com", first_name=name)
    campaign = write_draft()
    services.ask_approval(campaign, at=timezone.now(), by=nina, starts_at=timezone.now() + timedelta(hours=2))

    as_olga.goto("/admin/")
    fits(as_olga)
    as_olga.get_by_role("link", name="Look at it").click()
    fits(as_olga)
    as_olga.get_by_role("button", name="Approve and send to 2 people").click()

    expect(as_olga.get_by_text("Approved: it goes to 2 people.")).to_be_visible()
    as_olga.goto("/admin/contacts/auditevent/")
    fits(as_olga)


def test_says_that_somebody_is_locked_out(olga, browser, live_server):
    """In a context of its own: Chromium reports the status 429 as an error of the page."""
    for _attempt in range(6):
        Client().post("/admin/login/", {"username": "olga", "password": "wrong"})
    context = browser.new_context(base_url=live_server.url, locale="en-US")
    page = context.new_page()
    page.goto("/admin/")
    page.get_by_label("Name").fill("olga")
    page.get_by_label("Password").fill(PASSWORD)

    with page.expect_response("**/admin/login/**") as answer:
        page.keyboard.press("Enter")

    assert answer.value.status == 429
    expect(page.get_by_text("Wait 15 minutes")).to_be_visible()
    fits(page)
    context.close()
