"""Erasing: the person is unreadable in every column of every table, and can never be written to again."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from cryptography.fernet import InvalidToken
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from encrypted_model_fields.fields import CRYPTER

from campaigns.models import Campaign, Variant
from contacts.channels import Channel
from contacts.fields import keyed_hash
from contacts.models import (
    AuditEvent,
    ChannelStatus,
    Confirmation,
    ConsentEvent,
    Contact,
    Import,
    ImportEntry,
    ImportProblem,
    Job,
    NameIndex,
    SignupForm,
    StoredFile,
    Suppression,
)
from contacts.queries import derive_states
from contacts.services import (
    append_pieces,
    block,
    erase,
    erase_address,
    erase_all,
    lift,
    merge,
    note_redeemed,
    record_consent,
    save_contact,
    signup,
    suppress,
)
from messaging.models import InboundText, Message, ProviderEvent
from messaging.services import receive_text, send_due
from messaging.transports import outbox
from redemptions.models import Code, Device, Location, Offer, Redemption, Scan
from redemptions.services import issue_codes

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = AT + timedelta(days=3)
EMAIL, PHONE = "Quinella.Vex@example.org", "+12175550123"
NEEDLES = [
    "quinella",
    "zzyzx",
    "vex@",
    "2175550123",
    "555-0123",
    "5550123",
    "62999",
    "menominee",
    "1984-02-29",
    "203.0.113.77",
]


@pytest.fixture(autouse=True)
def own_outbox(settings, tmp_path):
    settings.OUTBOX_DIR = tmp_path / "outbox"


def texts_of_every_table() -> Iterator[tuple[str, str]]:
    """Yield every value of every column of every table, decrypted where it is encrypted, with the column's name."""
    for table in connection.introspection.table_names():
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT * FROM "{table}"')
            columns = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for column, value in zip(columns, row, strict=True):
                    yield f"{table}.{column}", readable(value)


def readable(value: object) -> str:
    text = bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)
    try:
        return CRYPTER.decrypt(text.encode()).decode()
    except (InvalidToken, UnicodeEncodeError):
        return text


def leaks() -> set[str]:
    return {column for column, text in texts_of_every_table() if any(needle in text.casefold() for needle in NEEDLES)}


@pytest.fixture
def owner(db) -> User:
    return User.objects.create_user("owner")


@pytest.fixture
def campaign(db) -> Campaign:
    offer = Offer.objects.create(name="20 % off lunch", value=20)
    campaign = Campaign.objects.create(
        name="Brunch", channel=Channel.EMAIL, offer=offer, status=Campaign.Status.SENDING, audience={}, starts_at=AT
    )
    Variant.objects.create(campaign=campaign, subject="Hi {{ first_name }}", body="Come, {{ first_name }}")
    return campaign


def add_person(email: str = EMAIL, phone: str | None = PHONE) -> Contact:
    contact = save_contact(
        Contact(
            email=email,
            phone=phone,
            first_name="Quinella",
            last_name="Zzyzx",
            birthday=date(1984, 2, 29),
            postal_code="62999",
            region="MI",
            time_zone="America/Menominee",
            notes="Quinella likes the patio",
        )
    )
    for channel in Channel:
        if (index := contact.address_index(channel)) is not None:
            record_consent(
                channel=channel,
                address_index=index,
                action=ConsentEvent.Action.GRANTED,
                source=ConsentEvent.Source.FORM,
                at=AT - timedelta(days=30),
                wording="Yes, send me news.",
                ip_address="203.0.113.77",
                user_agent="Quinella's phone",
            )
    contact.refresh_from_db()
    return contact


def write_about(contact: Contact, campaign: Campaign, owner: User) -> Message:
    """Leave a trace of the person in every table that may hold one."""
    assert contact.email_index is not None
    assert contact.phone_index is not None
    ConsentEvent.objects.create(
        contact=contact,
        channel=Channel.EMAIL,
        address_index=contact.email_index,
        action=ConsentEvent.Action.GRANTED,
        source=ConsentEvent.Source.ADMIN,
        at=AT,
        wording="Quinella said yes at the bar",
        evidence=json.dumps({"signed": "Quinella Zzyzx"}),
    )
    block(channel=Channel.EMAIL, address_index=contact.email_index, reason="Quinella asked for a pause", at=AT)
    lift(Suppression.objects.get(), actor=owner, reason="Quinella wants mails again", at=AT)
    block(channel=Channel.SMS, address_index=contact.phone_index, reason="Quinella was rude by text", at=AT)
    record = Import.objects.create(
        file_name="list.csv",
        file_sha256="0" * 64,
        started_at=AT,
        plan=json.dumps([{"header": ["Quinella", EMAIL]}]),
        samples=json.dumps({"created": [{"email": EMAIL.lower(), "name": "Quinella"}]}),
    )
    ImportEntry.objects.create(
        run=record, contact=contact, kind="updated", before=json.dumps({"last_name": ["Quinella", "x"]})
    )
    staged = Import.objects.create(file_name="new.csv", file_sha256="1" * 64)
    ImportEntry.objects.create(run=staged, kind="created", email_index=contact.email_index)
    for cells in (["Quinella", EMAIL.upper(), "bad"], ["Quinella", "", "(217) 555-0123"]):
        ImportProblem.objects.create(
            run=record, kind="problem", line=3, column="birthday", value="x", reason="?", cells=json.dumps(cells)
        )
    Confirmation.objects.create(
        form=SignupForm.objects.create(name="Table", slug="table"),
        channel=Channel.EMAIL,
        address_index=contact.email_index,
        wording="Yes",
        version="1",
        details=json.dumps({"first_name": "Quinella"}),
        ip_address="203.0.113.77",
        expires_at=LATER,
    )
    export = StoredFile.objects.create()
    append_pieces(export, [EMAIL.encode()])
    Job.objects.create(
        kind=Job.Kind.EXPORT,
        status=Job.Status.DONE,
        selection={"ids": [contact.pk]},
        last_contact_id=contact.pk,
        result=export,
        finished_at=AT,
    )
    return send_to(contact, campaign)


def send_to(contact: Contact, campaign: Campaign) -> Message:
    assert campaign.offer is not None
    code = Code.objects.get(pk=issue_codes(offer=campaign.offer, contact_ids=[contact.pk])[contact.pk])
    message = Message.objects.create(
        campaign=campaign,
        variant=campaign.variants.get(),
        contact=contact,
        channel=Channel.EMAIL,
        code=code,
        status=Message.Status.DELIVERED,
        handed_at=AT,
        address_index=contact.email_index,
    )
    payload = json.dumps({"email": EMAIL, "ip": "203.0.113.77"})
    for key, linked in (("1", message), ("2", None)):
        ProviderEvent.objects.create(
            provider="sendgrid", event_key=key, event_type="delivered", message=linked, payload=payload, occurred_at=AT
        )
    InboundText.objects.create(
        provider="twilio", provider_id="SM1", sender=PHONE, sender_index=contact.phone_index, body="Quinella here"
    )
    device = Device.objects.create(name="Till", location=Location.objects.create(name="Main"))
    redemption = Redemption.objects.create(
        entry_no=1,
        code=code,
        offer=campaign.offer,
        location=device.location,
        device=device,
        at=AT,
        order_value=Decimal("20.00"),
        discount=Decimal("4.00"),
        note="Quinella's party",
    )
    Scan.objects.create(
        device=device,
        location=device.location,
        key="k",
        fingerprint=bytes(32),
        code=code,
        result=Scan.Result.ACCEPTED,
        redemption=redemption,
        at=AT,
    )
    note_redeemed(contact.pk, at=AT, order_value=Decimal("20.00"))
    return message


def test_leaves_nothing_readable_in_any_table(campaign, owner):
    contact = add_person()
    write_about(contact, campaign, owner)
    before = leaks()

    erase(contact, at=LATER, actor=owner)

    assert len(before) >= 20  # the search does find what is there
    assert leaks() == set()
    assert not StoredFile.objects.exists()  # packed, so the search cannot look into it


def test_keeps_the_numbers(campaign, owner):
    contact = add_person()
    message = write_about(contact, campaign, owner)

    erase(contact, at=LATER, actor=owner)

    message.refresh_from_db()
    code = Code.objects.get()
    assert (message.status, message.contact, message.code) == (Message.Status.DELIVERED, None, code)
    assert (code.contact, code.max_uses) == (None, 1)
    line = Redemption.objects.get()
    assert (line.entry_no, line.order_value, line.discount, line.note) == (1, Decimal(20), Decimal(4), "")
    assert ProviderEvent.objects.count() == 2
    assert InboundText.objects.count() == 1


def test_keeps_what_was_agreed_and_when_by_the_hash_of_the_address(campaign, owner):
    contact = add_person()
    write_about(contact, campaign, owner)
    index = contact.email_index

    erase(contact, at=LATER, actor=owner)

    kept = ConsentEvent.objects.filter(channel=Channel.EMAIL, address_index=index).order_by("pk")
    assert [(event.source, event.action, event.at, event.wording) for event in kept] == [
        ("form", "granted", AT - timedelta(days=30), "Yes, send me news."),
        ("admin", "granted", AT, ""),
    ]
    assert {(event.contact, event.ip_address, event.user_agent, event.evidence) for event in kept} == {
        (None, None, None, None)
    }


def test_blocks_each_address_and_keeps_the_block_that_was_there(campaign, owner):
    contact = add_person()
    write_about(contact, campaign, owner)

    erase(contact, at=LATER, actor=owner)

    live = {(row.channel, row.reason) for row in Suppression.objects.filter(lifted_at=None)}
    assert live == {("email", "erased"), ("sms", "erased"), ("sms", "manual")}


def test_a_person_added_again_is_not_written_to(db):
    contact = add_person()
    erase(contact, at=LATER)

    again = save_contact(Contact(email=EMAIL, phone=PHONE))
    record_consent(
        channel=Channel.EMAIL,
        address_index=again.email_index,
        action=ConsentEvent.Action.GRANTED,
        source=ConsentEvent.Source.IMPORT,
        at=LATER + timedelta(days=1),
    )

    again.refresh_from_db()
    assert (again.email_status, again.sms_status) == (ChannelStatus.SUPPRESSED, ChannelStatus.SUPPRESSED)


def test_blocks_an_address_the_person_had_before_unless_it_is_somebody_elses_by_now(db):
    contact = add_person()
    first, second = contact.email_index, keyed_hash("email", "other@example.org")
    contact.email = "other@example.org"
    save_contact(contact)
    record_consent(
        channel=Channel.EMAIL,
        address_index=second,
        action=ConsentEvent.Action.GRANTED,
        source=ConsentEvent.Source.FORM,
        at=AT,
    )
    contact.email = "third@example.org"
    save_contact(contact)
    heir = save_contact(Contact(email="other@example.org"))

    erase(contact, at=LATER)

    blocked = {bytes(index) for index in Suppression.objects.values_list("address_index", flat=True)}
    assert first in blocked
    assert second not in blocked
    heir.refresh_from_db()
    assert heir.email_status == ChannelStatus.SUBSCRIBED


def test_an_erasure_outlasts_the_bounce_before_it(owner):
    contact = add_person(phone=None)
    index = contact.email_index
    suppress(channel=Channel.EMAIL, address_index=index, reason=Suppression.Reason.BOUNCED, at=AT)

    erase(contact, at=LATER)
    assert derive_states(Channel.EMAIL, [index])[index].reason == Suppression.Reason.ERASED
    lift(Suppression.objects.get(reason="bounced"), actor=owner, reason="The mailbox works again", at=LATER)

    again = save_contact(Contact(email=EMAIL))
    assert again.email_status == ChannelStatus.SUPPRESSED
    assert not ConsentEvent.objects.filter(source=ConsentEvent.Source.ADMIN).exists()


def test_ending_an_erasure_takes_the_persons_word_and_leaves_a_complaint(owner):
    contact = add_person(phone=None)
    suppress(channel=Channel.EMAIL, address_index=contact.email_index, reason=Suppression.Reason.COMPLAINED, at=AT)
    erase(contact, at=LATER)

    lift(Suppression.objects.get(reason="erased"), actor=owner, reason="Came by and asked for our mails", at=LATER)

    assert ConsentEvent.objects.get(source=ConsentEvent.Source.ADMIN).wording == "Came by and asked for our mails"
    assert save_contact(Contact(email=EMAIL)).email_status == ChannelStatus.SUPPRESSED


def text_from(number: str) -> InboundText:
    receive_text(provider="twilio", provider_id="SM1", sender=number, body="My address is 5 Elm Street", at=AT)
    return InboundText.objects.get()


@pytest.mark.parametrize("how", ["edited", "merged", "edited and merged"])
def test_reaches_the_texts_of_a_number_the_person_has_no_more(how, db):
    contact = save_contact(Contact(phone="+12175550142", first_name="Ann"))
    text = text_from("+12175550142")
    kept = contact
    if "edited" in how:
        contact.phone = "+12175550143"
        save_contact(contact)
    if "merged" in how:
        kept = save_contact(Contact(phone="+12175550144", first_name="Ann"))
        kept = merge(kept.pk, contact.pk, at=AT)

    erase(kept, at=LATER)

    text.refresh_from_db()
    assert "Elm" not in text.body
    assert derive_states(Channel.SMS, [text.sender_index])[text.sender_index].reason == Suppression.Reason.ERASED


def test_leaves_the_texts_of_a_former_number_to_whoever_has_it_by_now(db):
    contact = save_contact(Contact(phone="+12175550142"))
    contact.phone = "+12175550143"
    save_contact(contact)
    heir = save_contact(Contact(phone="+12175550142"))
    text = text_from("+12175550142")

    erase(contact, at=LATER)

    text.refresh_from_db()
    assert "Elm" in text.body
    assert heir.sms_status == ChannelStatus.NONE


@pytest.mark.parametrize(
    ("address", "cell"), [("ann@example.org", "Ann@Example.org"), ("+12175550142", "217-555-0142")]
)
def test_reaches_the_rows_of_files_with_an_address_the_person_has_no_more(address, cell, db):
    field = "email" if "@" in address else "phone"
    contact = save_contact(Contact(**{field: address}))
    record = Import.objects.create(file_name="x.csv", file_sha256="2" * 64)
    ImportProblem.objects.create(
        run=record, kind="review", line=1, column="c", value="x", reason="?", cells=json.dumps([cell, "not a day"])
    )
    loose = ProviderEvent.objects.create(
        provider="x", event_key="1", event_type="bounced", payload=json.dumps({"to": cell}), occurred_at=AT
    )
    setattr(contact, field, "ann2@example.org" if field == "email" else "+12175550143")
    save_contact(contact)

    erase(contact, at=LATER)

    loose.refresh_from_db()
    assert loose.payload == "{}"
    assert not ImportProblem.objects.exists()


def test_takes_the_address_out_of_what_was_typed_beside_another_one(db):
    form = SignupForm.objects.create(name="Both", slug="both", asks_phone=True)
    signup.request(
        form=form,
        addresses={Channel.EMAIL: "ann@example.org", Channel.SMS: PHONE},
        source=ConsentEvent.Source.FORM,
        at=AT,
        details={"first_name": "Ann"},
    )

    erase_address(PHONE, at=LATER)

    assert leaks() == set()
    left = Confirmation.objects.get()
    assert (left.channel, left.details) == (Channel.EMAIL, '{"first_name": "Ann"}')


def test_erases_many_in_as_many_statements_as_two(db):
    def statements(people: int) -> int:
        contacts = [add_person(f"guest{people}-{number}@example.org", None) for number in range(people)]
        with CaptureQueriesContext(connection) as captured:
            erase_all(contacts, at=LATER)
        return len([query for query in captured if "auditevent" not in query["sql"]])

    assert statements(20) == statements(2)


def test_leaves_everybody_else_alone(campaign, owner):
    other = save_contact(Contact(email="ann@example.org", first_name="Ann", notes="Regular"))
    record = Import.objects.create(file_name="x.csv", file_sha256="2" * 64)
    problem = ImportProblem.objects.create(
        run=record, kind="problem", line=1, column="c", value="v", reason="?", cells='["ann@example.org", "2175550199"]'
    )
    contact = add_person()

    erase(contact, at=LATER)

    other.refresh_from_db()
    assert (other.email, other.notes) == ("ann@example.org", "Regular")
    assert ImportProblem.objects.filter(pk=problem.pk).exists()
    assert set(NameIndex.objects.values_list("contact_id", flat=True)) == {other.pk}


def test_deletes_the_persons_files_in_the_outbox_and_no_others(campaign, owner, django_capture_on_commit_callbacks):
    contact = add_person()
    message = write_about(contact, campaign, owner)
    outbox.write(Channel.EMAIL, f"{message.reference}.eml", b"Subject: x\n\nby its reference")
    outbox.write(Channel.EMAIL, "aaaaaaaa-0001.eml", f"Subject: Please confirm\nTo: {EMAIL.lower()}\n\nHi".encode())
    outbox.write(Channel.SMS, "aaaaaaaa-0002.txt", f"To: {PHONE}\n\nHi".encode())
    outbox.write(Channel.SMS, "aaaaaaaa-0003.txt", b"To: +12175550199\n\nabout +12175550123")
    outbox.write(Channel.EMAIL, "aaaaaaaa-0004.eml", b"To: not.quinella.vex@example.org\n\nHi")

    with django_capture_on_commit_callbacks(execute=True):
        erase(contact, at=LATER)

    assert {item.name for item in outbox.items()} == {"aaaaaaaa-0003.txt", "aaaaaaaa-0004.eml"}


def test_writes_an_audit_line_that_names_nobody(owner):
    contact = add_person()
    number = contact.pk

    erase(contact, at=LATER, actor=owner)

    line = AuditEvent.objects.get()
    assert (line.action, line.detail, line.actor, line.reason) == ("erased", f"contact {number}", owner, "")


def test_erasing_somebody_who_is_gone_changes_nothing(owner):
    contact = add_person()
    twin = Contact.objects.get(pk=contact.pk)
    erase(contact, at=LATER)

    erase(twin, at=LATER)

    assert AuditEvent.objects.count() == 1


@pytest.mark.parametrize("address", ["quinella.vex@EXAMPLE.org", "(217) 555-0123"])
def test_remembers_an_address_without_a_contact_and_forgets_what_is_known_of_it(address, db):
    channel = Channel.EMAIL if "@" in address else Channel.SMS
    index = keyed_hash(channel, EMAIL.lower() if channel == Channel.EMAIL else PHONE)
    record = Import.objects.create(file_name="x.csv", file_sha256="2" * 64)
    ImportProblem.objects.create(
        run=record, kind="review", line=1, column="c", value=address, reason="?", cells=json.dumps([address])
    )
    InboundText.objects.create(
        provider="twilio", provider_id="SM1", sender=PHONE, sender_index=keyed_hash("sms", PHONE), body="Quinella here"
    )
    stranger = Message.objects.count()

    assert erase_address(address, at=LATER) is None

    assert Suppression.objects.get().reason == Suppression.Reason.ERASED
    assert bytes(Suppression.objects.get().address_index) == index
    assert not ImportProblem.objects.exists()
    assert Message.objects.count() == stranger
    if channel == Channel.SMS:
        assert leaks() == set()


def test_erasing_a_stranger_leaves_messages_without_a_contact_alone(campaign, owner):
    contact = add_person()
    message = write_about(contact, campaign, owner)
    Contact.objects.filter(pk=contact.pk).delete()
    event = message.events.get()

    erase_address("nobody@example.org", at=LATER)

    event.refresh_from_db()
    assert EMAIL in event.payload


# --- The database's own guard ---


@pytest.mark.parametrize(
    "change", [{"wording": "other words"}, {"action": "revoked"}, {"at": LATER}, {"reference": ""}]
)
def test_the_database_refuses_any_other_change_of_consent(change, db):
    add_person()

    with pytest.raises(DatabaseError, match="added, never changed"), transaction.atomic():
        ConsentEvent.objects.update(**change)

    assert ConsentEvent.objects.filter(wording="Yes, send me news.", action="granted").count() == 2


def test_the_database_lets_words_be_emptied(db):
    add_person()

    ConsentEvent.objects.update(wording="")

    assert set(ConsentEvent.objects.values_list("wording", flat=True)) == {""}


# --- While a campaign is on its way ---


def test_a_message_that_waits_is_left_out(campaign, owner):
    contact = add_person(phone=None)
    message = Message.objects.create(
        campaign=campaign, variant=campaign.variants.get(), contact=contact, channel=Channel.EMAIL
    )

    erase(contact, at=LATER)
    send_due(clock=lambda: LATER)

    message.refresh_from_db()
    assert (message.status, message.reason) == (Message.Status.SKIPPED, Message.Reason.ERASED)
    assert outbox.items() == []


def erase_each(contacts: list[Contact]) -> None:
    for contact in reversed(contacts):
        erase(contact, at=LATER)


@pytest.mark.django_db(transaction=True)
def test_erasing_while_the_worker_sends_sends_once_or_leaves_out(campaign):
    """Both at once, many times: each message went before the erasure, or is left out; none hangs, none fails."""
    contacts = [add_person(f"guest{number}@example.org", None) for number in range(12)]
    for contact in contacts:
        Message.objects.create(
            campaign=campaign, variant=campaign.variants.get(), contact=contact, channel=Channel.EMAIL
        )
    errors: list[BaseException] = []

    def run(work) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=run, args=[lambda: send_due(clock=lambda: LATER)]),
        threading.Thread(target=run, args=[lambda: erase_each(contacts)]),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert errors == []
    assert not Contact.objects.exists()
    states = set(Message.objects.values_list("status", "reason"))
    assert states <= {("accepted", ""), ("skipped", "erased"), ("queued", "")}
    assert Suppression.objects.filter(reason="erased").count() == 12


# --- The commands ---


def run_json(*arguments):
    out = StringIO()
    call_command(*arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_the_command_erases_by_address(db):
    number = add_person().pk

    answer = run_json("erase_contact", "QUINELLA.vex@example.org", "--yes")

    assert answer == {"id": number, "erased": True, "suppressed": True}
    assert not Contact.objects.exists()
    assert AuditEvent.objects.get().via == "command"
    shown = run_json("contact", "show", EMAIL)
    assert (shown["id"], shown["email"]["state"], shown["email"]["reason"]) == (None, "absent", "erased")


def test_the_command_erases_nobody_without_being_told_to(db):
    add_person()

    with pytest.raises(CommandError, match="--yes"):
        call_command("erase_contact", EMAIL)

    assert Contact.objects.exists()


def test_the_command_refuses_what_is_no_address(db):
    with pytest.raises(CommandError, match="not a phone number") as refused:
        call_command("erase_contact", "Quinella", "--yes")

    assert "Quinella" not in str(refused.value)


def test_the_command_blocks_an_address_nobody_has(db):
    assert run_json("erase_contact", EMAIL, "--yes") == {"id": None, "erased": False, "suppressed": True}
    assert Suppression.objects.get().reason == Suppression.Reason.ERASED


def test_every_encrypted_model_is_known_to_this_test():
    """A new table with personal columns belongs into `write_about`; this list says which are there."""
    from contacts.fields import EncryptedMixin

    encrypted = {
        model.__name__
        for model in apps.get_models()
        if any(isinstance(field, EncryptedMixin) for field in model._meta.concrete_fields)
    }
    covered = {
        "Code",
        "Confirmation",
        "ConsentEvent",
        "Contact",
        "FilePart",
        "Import",
        "ImportEntry",
        "ImportProblem",
        "InboundText",
        "ProviderEvent",
    }
    assert encrypted - covered <= {"Canary", "AuthenticatorApp"}  # nothing about a guest
