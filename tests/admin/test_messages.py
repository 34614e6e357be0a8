"""The message tables and the outbox."""

import pytest
from django.urls import reverse

from contacts.channels import Channel
from messaging.models import InboundText
from messaging.queries import outbox
from messaging.services import send_test
from tests.admin.conftest import staff_client, write_draft

OUTBOX = reverse("admin:messaging_outbox")


@pytest.fixture
def mail(shop):
    """Return the name of a test mail in the outbox."""
    send_test(shop.draft, to="boss@example.com")
    return outbox(1)[0].name


def test_lists_and_shows_the_outbox(mail, admin_client):
    listed = admin_client.get(OUTBOX).content.decode()
    shown = admin_client.get(reverse("admin:messaging_outbox_item", args=[mail])).content.decode()

    assert mail in listed
    assert "The patio is open" in shown
    assert "Unsubscribe" in shown


def test_frames_a_mail_in_a_sandbox(mail, admin_client):
    framed = admin_client.get(reverse("admin:messaging_outbox_html", args=[mail]))

    assert "data:image/png;base64," in framed.content.decode()
    assert "sandbox" in framed["Content-Security-Policy"]
    assert framed["X-Frame-Options"] == "SAMEORIGIN"


def test_shows_a_text_of_the_outbox(db, admin_client):
    send_test(write_draft(channel=Channel.SMS, body="Live music at 7"), to="+12175550123")

    shown = admin_client.get(reverse("admin:messaging_outbox_item", args=[outbox(1)[0].name])).content.decode()

    assert "Live music at 7" in shown


@pytest.mark.parametrize("name", ["nothing.eml", "..", "%2e%2e%2fsettings.py", "0123456789abcdef.eml"])
def test_knows_no_other_files(name, db, admin_client):
    assert admin_client.get(f"{OUTBOX}{name}/").status_code == 404


def test_opens_the_outbox_to_those_who_may_see_messages(mail):
    stranger = staff_client("messaging.view_message")  # but no full addresses
    reader = staff_client("messaging.view_message", "contacts.reveal_contact")

    for page in (OUTBOX, f"{OUTBOX}{mail}/", f"{OUTBOX}{mail}/html/"):
        assert stranger.get(page).status_code == 403
        assert reader.get(page).status_code == 200


@pytest.mark.parametrize("table", ["message", "providerevent", "inboundtext"])
def test_only_reads_what_providers_said(table, shop, admin_client):
    assert admin_client.get(reverse(f"admin:messaging_{table}_add")).status_code == 403


def test_masks_people_in_the_messages(shop, admin_client):
    html = admin_client.get(reverse("admin:messaging_message_changelist")).content.decode()

    assert "m…@example.com" in html
    assert "maria@example.com" not in html


def test_marks_texts_as_read(shop, admin_client):
    text = InboundText.objects.get()

    page = admin_client.post(
        reverse("admin:messaging_inboundtext_changelist"),
        {"action": "mark_as_read", "_selected_action": [text.pk]},
        follow=True,
    )

    text.refresh_from_db()
    assert text.handled_at is not None
    assert "1 text marked as read." in page.content.decode()
