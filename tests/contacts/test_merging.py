"""Two rows of one person: everything moves, nothing doubles, and no consent passes from one address to the other."""

import threading
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import connection

from campaigns.models import Campaign, Variant
from contacts.channels import Channel
from contacts.models import (
    Activity,
    AuditEvent,
    ChannelStatus,
    Confirmation,
    ConsentEvent,
    Contact,
    Import,
    ImportEntry,
    Suppression,
    Tag,
)
from contacts.queries import find_by_name
from contacts.services import (
    NotTwoContacts,
    merge,
    note_clicked,
    note_redeemed,
    record_consent,
    save_contact,
    unsubscribe,
)
from messaging.models import Message
from redemptions.models import Code, Offer
from redemptions.services import issue_codes

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def add(email: str | None = None, phone: str | None = None, *, agreed: bool = False, **fields) -> Contact:
    contact = save_contact(Contact(email=email, phone=phone, **fields))
    for channel in Channel:
        if agreed and (index := contact.address_index(channel)) is not None:
            record_consent(
                channel=channel,
                address_index=index,
                action=ConsentEvent.Action.GRANTED,
                source=ConsentEvent.Source.FORM,
                at=AT,
            )
    contact.refresh_from_db()
    return contact


def campaign_of(name: str = "Lunch", offer: Offer | None = None) -> Campaign:
    campaign = Campaign.objects.create(name=name, channel=Channel.EMAIL, offer=offer)
    Variant.objects.create(campaign=campaign, subject="Hi", body="Come")
    return campaign


def message_to(contact: Contact, campaign: Campaign, status: str = "accepted", **more) -> Message:
    return Message.objects.create(
        campaign=campaign,
        variant=campaign.variants.get(),
        contact=contact,
        channel=Channel.EMAIL,
        status=status,
        handed_at=AT if status != "queued" else None,
        **more,
    )


def test_fills_blanks_and_keeps_what_is_there():
    kept = add("maria@example.org", first_name="Maria", notes="Likes the patio")
    gone = add(None, "+12175550123", first_name="Mary", last_name="Kim", birthday=date(1990, 5, 4), notes="Vegan")

    merged = merge(kept.pk, gone.pk, at=AT)

    merged.refresh_from_db()
    assert (merged.email, merged.phone) == ("maria@example.org", "+12175550123")
    assert (merged.first_name, merged.last_name, merged.birthday) == ("Maria", "Kim", date(1990, 5, 4))
    assert merged.notes == "Likes the patio\n\nVegan"
    assert not Contact.objects.filter(pk=gone.pk).exists()


def test_state_and_time_zone_go_along():
    kept = add("maria@example.org", region="TX")
    gone = add(None, "+12175550123", region="CA", time_zone="America/Los_Angeles")

    merge(kept.pk, gone.pk, at=AT)

    merged = Contact.objects.get()
    assert (merged.region, merged.time_zone) == ("TX", "America/Los_Angeles")
    other = add("mary@example.org", region="NY")
    merge(merged.pk, other.pk, take=["region", "time_zone"], at=AT)
    merged = Contact.objects.get()
    assert (merged.region, merged.time_zone) == ("NY", "America/Los_Angeles")


def test_takes_the_values_that_were_chosen():
    kept = add("maria@example.org", first_name="Maria")
    gone = add("maria.kim@example.org", first_name="Mary")

    merge(kept.pk, gone.pk, take=["email"], at=AT)

    merged = Contact.objects.get()
    assert (merged.pk, merged.email, merged.first_name) == (kept.pk, "maria.kim@example.org", "Maria")
    assert Contact.objects.with_address(Channel.EMAIL, gone.email_index).get() == merged


def test_a_chosen_blank_takes_nothing_away():
    kept = add("maria@example.org", first_name="Maria")
    gone = add(None, "+12175550123")

    merge(kept.pk, gone.pk, take=["email", "first_name"], at=AT)

    assert (Contact.objects.get().email, Contact.objects.get().first_name) == ("maria@example.org", "Maria")


def test_the_address_that_stays_keeps_its_own_state():
    """The kept address never agreed, the dropped one did: no consent passes over."""
    kept = add("maria@example.org")
    gone = add("maria.kim@example.org", agreed=True)

    merge(kept.pk, gone.pk, at=AT)

    assert Contact.objects.get().email_status == ChannelStatus.NONE


def test_an_opt_out_of_the_dropped_address_does_not_bind_the_kept_one_and_stays_with_its_address():
    kept = add("maria@example.org", agreed=True)
    gone = add("maria.kim@example.org", agreed=True)
    unsubscribe(channel=Channel.EMAIL, address_index=gone.email_index, source=ConsentEvent.Source.ONE_CLICK, at=AT)

    merge(kept.pk, gone.pk, at=AT)

    assert Contact.objects.get().email_status == ChannelStatus.SUBSCRIBED
    assert bytes(Suppression.objects.get(lifted_at=None).address_index) == gone.email_index
    again = add("maria.kim@example.org")
    assert again.email_status == ChannelStatus.UNSUBSCRIBED


def test_a_phone_that_moves_takes_its_state_along():
    kept = add("maria@example.org", agreed=True)
    gone = add(None, "+12175550123", agreed=True)
    unsubscribe(channel=Channel.SMS, address_index=gone.phone_index, source=ConsentEvent.Source.KEYWORD, at=AT)

    merge(kept.pk, gone.pk, at=AT)

    merged = Contact.objects.get()
    assert (merged.email_status, merged.sms_status) == (ChannelStatus.SUBSCRIBED, ChannelStatus.UNSUBSCRIBED)


def test_joins_tags_and_adds_numbers_up():
    lunch, dinner = Tag.objects.create(name="Lunch"), Tag.objects.create(name="Dinner")
    kept, gone = add("maria@example.org"), add(None, "+12175550123", fewer_messages=True)
    kept.tags.set([lunch])
    gone.tags.set([lunch, dinner])
    note_redeemed(kept.pk, at=AT, order_value=Decimal("10.50"))
    note_redeemed(gone.pk, at=AT + timedelta(days=1), order_value=Decimal("2.00"))
    note_clicked(gone.pk, at=AT)

    merge(kept.pk, gone.pk, at=AT)

    merged, activity = Contact.objects.get(), Activity.objects.get()
    assert set(merged.tags.all()) == {lunch, dinner}
    assert merged.fewer_messages is True
    assert (activity.redemptions, activity.spend) == (2, Decimal("12.50"))
    assert (activity.last_redeemed_at, activity.last_clicked_at) == (AT + timedelta(days=1), AT)


def test_moves_consent_imports_and_confirmations():
    kept, gone = add("maria@example.org"), add(None, "+12175550123", agreed=True)
    both, one = (Import.objects.create(file_name="x", file_sha256="0") for _ in range(2))
    ImportEntry.objects.create(run=both, contact=kept, kind="created", left=bytes(32))
    ImportEntry.objects.create(run=both, contact=gone, kind="created", left=bytes(32))
    ImportEntry.objects.create(run=one, contact=gone, kind="created", left=bytes(32))
    Confirmation.objects.create(
        contact=gone, channel=Channel.SMS, address_index=gone.phone_index, wording="Yes", version="1", expires_at=AT
    )

    merge(kept.pk, gone.pk, at=AT)

    assert set(ConsentEvent.objects.values_list("contact_id", flat=True)) == {kept.pk}
    assert Confirmation.objects.get().contact == kept
    entries = set(ImportEntry.objects.values_list("run_id", "contact_id", "left"))
    assert entries == {(both.pk, kept.pk, None), (one.pk, kept.pk, None)}  # no undo takes the merged one for untouched


def test_is_found_by_both_names_that_stayed():
    kept, gone = add("maria@example.org", first_name="Maria"), add(None, "+12175550123", last_name="Kim")

    merge(kept.pk, gone.pk, at=AT)

    assert find_by_name("maria kim") == [kept.pk]


def test_moves_messages_but_for_campaigns_that_wrote_to_both():
    kept, gone = add("maria@example.org"), add("mary@example.org")
    lunch, dinner = campaign_of("Lunch"), campaign_of("Dinner")
    moved = message_to(gone, dinner)
    own, spare = message_to(kept, lunch), message_to(gone, lunch)

    merge(kept.pk, gone.pk, at=AT)

    owners = dict(Message.objects.values_list("pk", "contact_id"))
    assert owners == {moved.pk: kept.pk, own.pk: kept.pk, spare.pk: None}
    assert set(Message.objects.values_list("status", flat=True)) == {"accepted"}


@pytest.mark.parametrize(
    ("own", "other", "after"),
    [
        ("queued", "queued", ["queued", "cancelled"]),
        ("accepted", "queued", ["accepted", "cancelled"]),
        ("queued", "delivered", ["cancelled", "delivered"]),
        ("queued", "sending", ["cancelled", "sending"]),
        ("sending", "queued", ["sending", "cancelled"]),
    ],
)
def test_one_person_gets_a_campaign_once(own, other, after):
    kept, gone = add("maria@example.org"), add("mary@example.org")
    lunch = campaign_of()
    claim = {"claim": uuid.uuid4(), "claimed_at": AT}
    first, second = message_to(kept, lunch, own, **claim), message_to(gone, lunch, other, **claim)

    merge(kept.pk, gone.pk, at=AT)

    assert [Message.objects.get(pk=message.pk).status for message in (first, second)] == after


def test_moves_codes_and_keeps_the_redeemed_one_of_two():
    kept, gone = add("maria@example.org"), add("mary@example.org")
    lunch, dinner = (Offer.objects.create(name=name, value=20) for name in ("Lunch", "Dinner"))
    own = issue_codes(offer=lunch, contact_ids=[kept.pk])[kept.pk]
    used = issue_codes(offer=lunch, contact_ids=[gone.pk])[gone.pk]
    free = issue_codes(offer=dinner, contact_ids=[gone.pk])[gone.pk]
    Code.objects.filter(pk=used).update(used=1)

    merge(kept.pk, gone.pk, at=AT)

    owners = dict(Code.objects.values_list("pk", "contact_id"))
    assert owners == {own: None, used: kept.pk, free: kept.pk}
    assert not Code.objects.exclude(revoked_at=None).exists()  # the till honours both


def test_keeps_its_own_code_where_neither_or_both_were_used():
    kept, gone = add("maria@example.org"), add("mary@example.org")
    lunch = Offer.objects.create(name="Lunch", value=20)
    own = issue_codes(offer=lunch, contact_ids=[kept.pk])[kept.pk]
    spare = issue_codes(offer=lunch, contact_ids=[gone.pk])[gone.pk]

    merge(kept.pk, gone.pk, at=AT)

    assert dict(Code.objects.values_list("pk", "contact_id")) == {own: kept.pk, spare: None}


def test_writes_an_audit_line_by_numbers():
    owner = User.objects.create_user("owner")
    kept, gone = add("maria@example.org"), add("mary@example.org")

    merge(kept.pk, gone.pk, at=AT, actor=owner)

    line = AuditEvent.objects.get()
    assert (line.action, line.actor) == (AuditEvent.Action.MERGED, owner)
    assert line.detail == f"contact {gone.pk} into contact {kept.pk}"


@pytest.mark.parametrize("same", [True, False])
def test_refuses_what_are_not_two_contacts(same):
    kept = add("maria@example.org")

    with pytest.raises(NotTwoContacts):
        merge(kept.pk, kept.pk if same else kept.pk + 1000, at=AT)

    assert Contact.objects.filter(pk=kept.pk).exists()
    assert not AuditEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_merges_at_once_crosswise_leave_one_contact():
    first, second = add("maria@example.org", agreed=True), add(None, "+12175550123", agreed=True)
    refused, errors = [], []

    def run(kept: int, gone: int) -> None:
        try:
            merge(kept, gone, at=AT)
        except NotTwoContacts:
            refused.append(kept)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in [(first.pk, second.pk), (second.pk, first.pk)]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert errors == []
    assert len(refused) == 1
    survivor = Contact.objects.get()
    assert (survivor.email, survivor.phone) == ("maria@example.org", "+12175550123")
    assert (survivor.email_status, survivor.sms_status) == ("subscribed", "subscribed")
