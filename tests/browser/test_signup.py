"""Joining as a guest does: with a phone, and without JavaScript; and the poster on the table."""

import io
import re

import pytest
import zxingcpp
from django.urls import reverse
from PIL import Image
from playwright.sync_api import expect

from contacts.channels import Channel
from contacts.links import Unsubscribe, unsubscribe_token
from contacts.models import ChannelStatus, Confirmation, ConsentEvent, Contact, SignupForm
from contacts.services import record_consent
from messaging import tasks
from redemptions.models import Offer, WelcomeDeal

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def outbox(settings, tmp_path):
    settings.OUTBOX_DIR = tmp_path / "outbox"
    return settings.OUTBOX_DIR


@pytest.fixture
def form(transactional_db) -> SignupForm:
    form = SignupForm.objects.create(
        name="Table",
        slug="table",
        title="Join our regulars",
        intro="A free coffee today, and news once in a while.",
        asks_phone=True,
        asks_birthday=True,
        keyword="join",
    )
    WelcomeDeal.objects.create(form=form, offer=Offer.objects.create(name="Free coffee", type=Offer.Type.ITEM))
    return form


@pytest.fixture
def phone(browser, live_server):
    """A phone that runs no script."""
    context = browser.new_context(base_url=live_server.url, viewport=PHONE, java_script_enabled=False, locale="en-US")
    yield context.new_page()
    context.close()


def test_a_guest_joins_and_gets_the_deal(form, phone, outbox, settings, live_server, shot):
    settings.PUBLIC_BASE_URL = live_server.url
    phone.goto("/join/table")
    phone.get_by_label("E-mail", exact=True).fill("nina@example.org")
    phone.get_by_label("Yes, send me news and offers by e-mail.").check()
    phone.get_by_label("First name").fill("Nina")
    phone.get_by_role("button", name="Sign me up").click()
    expect(phone.get_by_role("heading", name="Nearly done")).to_be_visible()

    tasks.work()
    (mail,) = (outbox / "email").glob("*.eml")
    link = re.search(r"/join/confirm/[\w-]{38}", mail.read_text().replace("=\n", "")).group()
    phone.goto(link)
    phone.get_by_role("button", name="Yes, sign me up").click()

    expect(phone.get_by_role("heading", name="Thank you, you are on the list")).to_be_visible()
    assert Contact.objects.get().email_status == ChannelStatus.SUBSCRIBED
    phone.get_by_role("link", name="Open my deal").click()
    expect(phone.get_by_role("heading", name="Show this at the till")).to_be_visible()


def test_shows_mistakes_beside_the_field(form, phone):
    phone.goto("/join/table")
    phone.get_by_label("E-mail", exact=True).fill("nina@example.org")
    phone.get_by_role("button", name="Sign me up").click()

    expect(phone.get_by_text("Tick the box below it")).to_be_visible()
    expect(phone.get_by_label("E-mail", exact=True)).to_have_value("nina@example.org")
    assert not Confirmation.objects.exists()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_a_phone_and_hides_the_trap(form, page, scheme, shot):
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme=scheme)
    page.goto("/join/table")

    trap = page.locator("[name=website]").bounding_box()
    assert trap["x"] + trap["width"] < 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for _ in range(30):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.name") != "website"
    if scheme == "light":
        shot(page, "join", **PHONE)


def test_decides_on_the_preference_page(transactional_db, phone):
    maria = Contact.objects.create(email="maria@example.org", phone="+12175550123")
    for channel in Channel:
        index = maria.address_index(channel)
        assert index is not None
        record_consent(
            channel=channel,
            address_index=index,
            action=ConsentEvent.Action.GRANTED,
            source=ConsentEvent.Source.FORM,
            at=maria.updated_at,
        )
    phone.goto(f"/u/{unsubscribe_token(Unsubscribe(Channel.EMAIL, maria.email_index))}")

    phone.get_by_role("button", name="Fewer messages").click()
    phone.get_by_role("button", name="Send me all of them again").click()
    phone.get_by_role("button", name="Also stop text messages").click()
    expect(phone.get_by_role("heading", name="No more text messages")).to_be_visible()
    phone.get_by_role("button", name="Undo: send me text messages again").click()
    phone.get_by_role("button", name="Unsubscribe").click()
    expect(phone.get_by_role("heading", name="You are unsubscribed")).to_be_visible()
    phone.get_by_role("button", name="Subscribe me again").click()

    expect(phone.get_by_role("heading", name="You are back on the list")).to_be_visible()
    maria.refresh_from_db()
    assert (maria.email_status, maria.sms_status) == (ChannelStatus.SUBSCRIBED, ChannelStatus.SUBSCRIBED)
    assert not maria.fewer_messages


@pytest.mark.parametrize("paper", ["letter", "a4", "a5"])
def test_the_poster_is_one_sheet_and_can_be_scanned(form, admin_page, paper):
    admin_page.goto(reverse("admin:contacts_signupform_poster", args=[form.pk]) + f"?paper={paper}")
    expect(admin_page.get_by_role("button", name="Print")).to_be_visible()

    sheet = Image.open(io.BytesIO(admin_page.screenshot(full_page=True)))
    pdf = admin_page.pdf(prefer_css_page_size=True, print_background=True)

    assert [code.text for code in zxingcpp.read_barcodes(sheet)] == ["http://testserver/join/table"]
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1


def test_the_form_page_fits_a_phone(form, admin_page):
    admin_page.set_viewport_size(PHONE)
    for page in ("change", "poster"):
        admin_page.goto(reverse(f"admin:contacts_signupform_{page}", args=[form.pk]))
        assert admin_page.evaluate("document.documentElement.scrollWidth") <= 390, page
