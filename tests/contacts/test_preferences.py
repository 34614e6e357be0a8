"""Less, nothing, or all of it again: what a person decides on the page every mail leads to."""

from datetime import UTC, datetime, timedelta

import pytest

from contacts.channels import Channel
from contacts.links import Unsubscribe, unsubscribe_token
from contacts.models import ChannelStatus, ConsentEvent, Contact, Suppression
from contacts.services import record_consent, suppress, unsubscribe

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def maria(db) -> Contact:
    contact = Contact.objects.create(email="maria@example.org", phone="+12175550123", first_name="Maria")
    for channel in Channel:
        index = contact.address_index(channel)
        assert index is not None
        record_consent(
            channel=channel,
            address_index=index,
            action=ConsentEvent.Action.GRANTED,
            source=ConsentEvent.Source.FORM,
            at=AT,
        )
    contact.refresh_from_db()
    return contact


@pytest.fixture
def path(maria) -> str:
    return f"/u/{unsubscribe_token(Unsubscribe(Channel.EMAIL, maria.email_index, message=7))}"


def now(contact) -> Contact:
    return Contact.objects.get(pk=contact.pk)


def text(answer) -> str:
    return answer.content.decode()


def test_shows_both_channels_and_no_address_in_full(client, maria, path):
    html = text(client.get(path))

    assert "Stop e-mails" in html
    assert "Also stop text messages" in html
    assert "…0123" in html
    assert "2175550123" not in html
    assert "maria@" not in html


@pytest.mark.parametrize("action", ["undo", "fewer", "every", "other", "other/undo"])
def test_link_scanners_change_nothing(client, maria, path, action):
    before = now(maria)

    assert client.get(f"{path}/{action}").status_code == 405
    assert client.get(path).status_code == 200

    after = now(maria)
    assert (after.fewer_messages, after.email_status, after.sms_status) == (
        before.fewer_messages,
        before.email_status,
        before.sms_status,
    )


@pytest.mark.parametrize("action", ["undo", "fewer", "every", "other", "other/undo"])
def test_a_forged_token_does_nothing(client, maria, path, action):
    token = path[3:]
    forged = token[:10] + ("A" if token[10] != "A" else "B") + token[11:]

    assert client.post(f"/u/{forged}/{action}").status_code == 404


def test_fewer_messages_and_back(client, maria, path):
    html = text(client.post(f"{path}/fewer"))
    assert now(maria).fewer_messages
    assert "At most one a month" in html
    assert now(maria).email_status == ChannelStatus.SUBSCRIBED

    html = text(client.post(f"{path}/every"))
    assert not now(maria).fewer_messages
    assert "Fewer messages" in html


def test_stops_the_other_channel_alone(client, maria, path):
    html = text(client.post(f"{path}/other"))

    assert now(maria).sms_status == ChannelStatus.UNSUBSCRIBED
    assert now(maria).email_status == ChannelStatus.SUBSCRIBED
    assert "Stop e-mails" in html
    event = maria.consent_events.get(action=ConsentEvent.Action.REVOKED)
    assert (event.channel, event.source, event.reference) == ("sms", "unsubscribe_page", "message 7")
    assert event.ip_address == "127.0.0.1"


def test_undoes_the_other_channel(client, maria, path):
    client.post(f"{path}/other")

    html = text(client.post(f"{path}/other/undo"))

    assert now(maria).sms_status == ChannelStatus.SUBSCRIBED
    assert "Also stop text messages" in html


def test_a_stop_is_not_lifted_from_a_mail(client, maria, path):
    unsubscribe(
        channel=Channel.SMS,
        address_index=maria.phone_index,
        source=ConsentEvent.Source.KEYWORD,
        at=AT + timedelta(days=1),
        reason=Suppression.Reason.STOPPED,
    )

    html = text(client.post(f"{path}/other/undo"))

    assert now(maria).sms_status == ChannelStatus.UNSUBSCRIBED
    assert "text message" not in html


def test_undo_makes_no_consent_that_never_was(client, maria, path):
    ConsentEvent.objects.filter(channel="sms").delete()

    client.post(f"{path}/other")
    client.post(f"{path}/other/undo")

    assert now(maria).sms_status == ChannelStatus.UNSUBSCRIBED


def test_does_not_speak_of_a_channel_nobody_agreed_to(client, maria, path):
    suppress(channel=Channel.SMS, address_index=maria.phone_index, reason=Suppression.Reason.INVALID, at=AT)

    assert "text message" not in text(client.get(path))


def test_works_after_the_contact_is_gone(client, maria, path):
    maria.delete()

    for action in ("", "/fewer", "/every", "/other", "/other/undo", "/undo"):
        assert client.post(f"{path}{action}").status_code == 200
    assert "Fewer messages" not in text(client.get(path))
