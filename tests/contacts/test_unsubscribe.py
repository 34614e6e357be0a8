"""The way out: a page that shows, a POST that acts, and links nobody can forge."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from contacts.channels import Channel
from contacts.fields import keyed_hash
from contacts.links import BadLink, Unsubscribe, read_unsubscribe_token, unsubscribe_token
from contacts.models import ChannelStatus, Confirmation, ConsentEvent, Contact, SignupForm, Suppression
from contacts.services import record_consent, refresh_statuses, signup, suppress
from messaging.services.confirming import waiting

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
ADDRESS = "maria@example.org"


@pytest.fixture
def maria(db) -> Contact:
    contact = Contact.objects.create(email=ADDRESS, first_name="Maria")
    record_consent(
        channel=Channel.EMAIL,
        address_index=contact.email_index,
        action=ConsentEvent.Action.GRANTED,
        source=ConsentEvent.Source.FORM,
        at=AT,
    )
    contact.refresh_from_db()
    return contact


@pytest.fixture
def path(maria) -> str:
    return f"/u/{unsubscribe_token(Unsubscribe(Channel.EMAIL, maria.email_index, message=7))}"


def status_of(contact: Contact) -> str:
    return Contact.objects.get(pk=contact.pk).email_status


@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_changes_nothing(client, maria, path, method):
    answer = getattr(client, method)(path + "?List-Unsubscribe=One-Click")

    assert answer.status_code == 200
    assert status_of(maria) == ChannelStatus.SUBSCRIBED
    assert not Suppression.objects.exists()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"),
        ("", "application/x-www-form-urlencoded"),
        ("something else", "text/plain"),
        (
            '--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
        ),
    ],
)
def test_a_post_of_any_shape_acts_at_once_without_cookie_or_redirect(maria, path, body, content_type):
    strict_client = Client(enforce_csrf_checks=True)

    answer = strict_client.post(path, data=body, content_type=content_type)

    assert answer.status_code == 200
    assert status_of(maria) == ChannelStatus.UNSUBSCRIBED
    assert not answer.cookies


def test_one_click_is_remembered_with_its_message(client, maria, path):
    client.post(path, {"List-Unsubscribe": "One-Click"})

    event = maria.consent_events.get(action=ConsentEvent.Action.REVOKED)
    assert (event.source, event.reference) == (ConsentEvent.Source.ONE_CLICK, "message 7")


def test_saying_it_twice_adds_nothing(client, maria, path):
    client.post(path)
    client.post(path)

    assert Suppression.objects.count() == 1
    assert maria.consent_events.filter(action=ConsentEvent.Action.REVOKED).count() == 1


def test_works_after_the_contact_is_gone(client, maria, path):
    index = maria.email_index
    maria.delete()

    assert client.post(path).status_code == 200
    assert Suppression.objects.get().address_index == index


def test_the_word_of_someone_who_bounced_is_kept(client, maria, path):
    suppress(channel=Channel.EMAIL, address_index=maria.email_index, reason=Suppression.Reason.BOUNCED, at=AT)

    client.post(path)
    Suppression.objects.update(lifted_at=AT)

    maria.refresh_from_db()
    refresh_statuses(maria)
    assert status_of(maria) == ChannelStatus.UNSUBSCRIBED


@pytest.mark.parametrize("reason", [Suppression.Reason.COMPLAINED, Suppression.Reason.BOUNCED])
def test_what_comes_after_an_opt_out_binds_beside_it(client, maria, path, reason):
    client.post(path)

    suppress(channel=Channel.EMAIL, address_index=maria.email_index, reason=reason, at=AT)
    client.post(f"{path}/undo")

    assert status_of(maria) == ChannelStatus.SUPPRESSED
    assert [block.reason for block in Suppression.objects.filter(lifted_at=None)] == [reason]


def test_what_waits_to_be_confirmed_is_asked_no_more(client, maria, path):
    form = SignupForm.objects.create(name="Table", slug="table")
    suppress(channel=Channel.EMAIL, address_index=maria.email_index, reason=Suppression.Reason.UNSUBSCRIBED, at=AT)
    signup.request(
        form=form,
        addresses={Channel.EMAIL: ADDRESS},
        source=ConsentEvent.Source.FORM,
        at=timezone.now(),
        details={"first_name": "Maria"},
    )
    asked = Confirmation.objects.get(is_muted=False)

    client.post(path)

    asked.refresh_from_db()
    assert asked.details is None
    assert not waiting(Channel.EMAIL, timezone.now()).exists()
    with pytest.raises(signup.NotConfirmed):
        signup.confirm(confirmation_id=asked.pk, source=ConsentEvent.Source.FORM, at=timezone.now())


def test_undo_brings_the_person_back(client, maria, path):
    client.post(path)

    page = client.post(f"{path}/undo")

    assert "You are back on the list" in page.content.decode()
    assert status_of(maria) == ChannelStatus.SUBSCRIBED


def test_undo_does_not_lift_a_complaint(client, maria, path):
    suppress(channel=Channel.EMAIL, address_index=maria.email_index, reason=Suppression.Reason.COMPLAINED, at=AT)

    client.post(f"{path}/undo")

    assert status_of(maria) == ChannelStatus.SUPPRESSED


def test_undo_by_link_scanners_is_not_possible(client, maria, path):
    client.post(path)

    assert client.get(f"{path}/undo").status_code == 405
    assert status_of(maria) == ChannelStatus.UNSUBSCRIBED


def test_the_page_says_nothing_about_the_person(client, maria, path):
    page = client.get(path)

    assert ADDRESS not in page.content.decode()
    assert "Maria" not in page.content.decode()
    assert page["Referrer-Policy"] == "no-referrer"
    assert page["X-Robots-Tag"] == "noindex"


@pytest.mark.parametrize("token", ["x", "AAAA", "é", "a" * 84, "preview"])
def test_a_forged_token_is_not_found(client, db, token):
    assert client.get(f"/u/{token}").status_code == 404
    assert client.post(f"/u/{token}").status_code == 404


@given(
    channel=st.sampled_from(list(Channel)),
    index=st.binary(min_size=32, max_size=32),
    message=st.integers(min_value=0, max_value=2**63 - 1),
    position=st.integers(min_value=0, max_value=60),
)
def test_a_token_says_what_was_put_in_and_no_bit_can_be_changed(channel, index, message, position):
    link = Unsubscribe(channel, index, message)
    token = unsubscribe_token(link)

    assert read_unsubscribe_token(token) == link
    other = "A" if token[position] != "A" else "B"
    with pytest.raises(BadLink):
        read_unsubscribe_token(token[:position] + other + token[position + 1 :])


def test_a_suppression_of_an_unknown_address_waits_for_it(db):
    suppress(
        channel=Channel.EMAIL,
        address_index=keyed_hash("email", ADDRESS),
        reason=Suppression.Reason.UNSUBSCRIBED,
        at=AT,
    )

    assert Suppression.objects.filter(lifted_at=None).count() == 1
