"""What only a browser shows: live preview, narrow screens, Content-Security-Policy (any error fails the test)."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from messaging.models import Message

pytestmark = pytest.mark.browser

PAGES = [
    "/admin/",
    reverse("admin:contacts_contact_changelist"),
    reverse("admin:contacts_contact_add"),
    reverse("admin:contacts_import_add"),
    reverse("admin:contacts_business_change", args=[1]),
    reverse("admin:campaigns_campaign_changelist"),
    reverse("admin:campaigns_campaign_add"),
    reverse("admin:messaging_message_changelist"),
    reverse("admin:messaging_outbox"),
]
LISTS = [
    "redemptions_offer",
    "redemptions_code",
    "redemptions_redemption",
    "redemptions_scan",
    "redemptions_device",
    "campaigns_campaign",
    "contacts_contact",
    "contacts_consentevent",
    "messaging_message",
    "messaging_providerevent",
]


def test_previews_what_is_typed_while_it_is_typed(shop, admin_page):
    admin_page.goto(reverse("admin:campaigns_campaign_add"))
    mail = admin_page.frame_locator("iframe[name=mail-preview]")

    admin_page.get_by_label("Subject", exact=False).first.fill("For you, ")
    admin_page.get_by_role("button", name="First name").click()
    admin_page.get_by_label("Plain words").check()
    admin_page.locator("#id_body").fill("The string lights are up, {{ first_name }}.")
    admin_page.locator("#id_offer").select_option(str(shop.offer.pk))

    expect(mail.get_by_text("The string lights are up, Maria.")).to_be_visible()
    expect(mail.get_by_alt_text("Coupon code")).to_be_visible()
    expect(admin_page.locator("[data-preview-subject]")).to_have_text("For you, Maria")
    expect(admin_page.locator("[data-checks]")).to_contain_text("1 person will get this")


def test_previews_a_text_with_its_size(shop, admin_page):
    admin_page.goto(reverse("admin:campaigns_campaign_add"))

    admin_page.locator("#id_channel").select_option("sms")
    admin_page.locator("#id_body").fill("Live music at 7")

    expect(admin_page.locator("[data-preview-bubble]")).to_contain_text("The Corner Bar: Live music at 7")
    expect(admin_page.locator("[data-preview-size]")).to_contain_text("1 part")
    expect(admin_page.locator("#id_subject")).to_be_hidden()


def test_leads_from_a_problem_to_its_input(shop, admin_page):
    admin_page.goto(reverse("admin:campaigns_campaign_add"))

    admin_page.get_by_role("button", name="Fix: The subject is empty").click()

    expect(admin_page.locator("#id_subject")).to_be_focused()


def test_follows_a_campaign_on_its_way(shop, admin_page):
    Message.objects.update(status=Message.Status.QUEUED)
    admin_page.goto(reverse("admin:campaigns_campaign_change", args=[shop.sending.pk]))
    expect(admin_page.locator("[data-progress-line]")).to_have_text("0 of 1 done")

    Message.objects.update(status=Message.Status.DELIVERED)

    expect(admin_page.locator("[data-progress-line]")).to_have_text("1 of 1 done")
    expect(admin_page.locator("[data-number=delivered]")).to_have_text("1")


def test_switches_the_words_with_the_channel(shop, admin_page):
    admin_page.goto(reverse("admin:campaigns_campaign_change", args=[shop.draft.pk]))
    expect(admin_page.get_by_label("To this e-mail address")).to_be_visible()

    admin_page.locator("#id_channel").select_option("sms")

    expect(admin_page.get_by_label("To this phone number")).to_be_visible()
    expect(admin_page.get_by_text("Your name and how to stop are added.")).to_be_visible()


def test_names_the_button_by_when_it_sends(shop, admin_page):
    admin_page.goto(reverse("admin:campaigns_campaign_review", args=[shop.draft.pk]))

    admin_page.get_by_label("Later").check()

    expect(admin_page.get_by_role("button", name="Schedule for 1 person")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 390])
def test_cuts_no_list_off(width, shop, admin_page):
    admin_page.set_viewport_size({"width": width, "height": 900})

    for name in LISTS:
        admin_page.goto(reverse(f"admin:{name}_changelist"))
        results = admin_page.locator(".results")
        assert results.count() == 0 or results.evaluate("node => node.scrollWidth <= node.clientWidth"), name


def test_closes_a_filter_with_escape(shop, admin_page):
    admin_page.goto(reverse("admin:contacts_contact_changelist"))
    admin_page.get_by_text("Source", exact=True).click()
    expect(admin_page.get_by_role("link", name="Import", exact=True)).to_be_visible()

    admin_page.keyboard.press("Escape")

    expect(admin_page.get_by_role("link", name="Import", exact=True)).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_fits_a_phone(scheme, direction, shop, admin_page):
    admin_page.set_viewport_size({"width": 390, "height": 844})
    admin_page.emulate_media(color_scheme=scheme)
    campaigns = [
        reverse(f"admin:campaigns_campaign_{page}", args=[pk])
        for page, pk in (
            ("change", shop.draft.pk),
            ("review", shop.draft.pk),
            ("change", shop.sending.pk),
            ("report", shop.sending.pk),
        )
    ]
    staged = reverse("admin:contacts_import_change", args=[shop.staged.pk])
    person = reverse("admin:contacts_contact_change", args=[shop.gone.pk])

    for url in [*PAGES, *campaigns, staged, person]:
        admin_page.goto(url)
        admin_page.evaluate(f"document.documentElement.dir = '{direction}'")
        assert admin_page.evaluate("document.documentElement.scrollWidth") <= 390, url
