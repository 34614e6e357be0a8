"""What messaging and redemptions know about a person: told, taken out, left when others are asked for."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from campaigns.models import Campaign, Link, Variant
from contacts.channels import Channel
from contacts.models import AuditEvent, ConsentEvent, Contact, Import, ImportEntry, SignupForm, Suppression, Tag
from contacts.queries import export_person, timeline
from contacts.records import all_records
from contacts.services import note_redeemed, record_consent, save_contact, signup, suppress
from messaging.models import Click, InboundText, Message, ProviderEvent
from messaging.records import MessagingRecords
from messaging.services import receive_text
from redemptions.models import Code, Device, Location, Offer, Redemption, Scan
from redemptions.records import RedemptionRecords
from redemptions.services import issue_codes

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def maria() -> Contact:
    contact = save_contact(Contact(email="maria@example.org", phone="+12175550123", first_name="Maria"))
    record_consent(
        channel=Channel.EMAIL,
        address_index=contact.email_index,
        action=ConsentEvent.Action.GRANTED,
        source=ConsentEvent.Source.FORM,
        at=AT - timedelta(days=9),
        wording="Yes, send me news.",
        ip_address="203.0.113.77",
    )
    contact.refresh_from_db()
    return contact


@pytest.fixture
def other() -> Contact:
    return save_contact(Contact(email="ann@example.org", phone="+12175550188", first_name="Ann"))


def give(contact: Contact) -> Code:
    """Let a contact get a mail, click, come by twice and write a text."""
    offer = Offer.objects.create(name="20 % off lunch", value=20)
    code = Code.objects.get(pk=issue_codes(offer=offer, contact_ids=[contact.pk])[contact.pk])
    campaign = Campaign.objects.create(name="Lunch", channel=Channel.EMAIL, offer=offer)
    variant = Variant.objects.create(campaign=campaign, subject="Hi", body="Come")
    message = Message.objects.create(
        campaign=campaign,
        variant=variant,
        contact=contact,
        channel=Channel.EMAIL,
        code=code,
        status=Message.Status.DELIVERED,
        handed_at=AT,
        provider="sendgrid",
    )
    ProviderEvent.objects.create(
        provider="sendgrid",
        event_key="1",
        event_type="delivered",
        message=message,
        payload='{"email": "maria@example.org"}',
        occurred_at=AT,
    )
    link = Link.objects.create(variant=variant, position=1, url="https://x.example")
    Click.objects.create(message=message, link=link, at=AT + timedelta(hours=1))
    Click.objects.create(message=message, link=link, at=AT, machine=Click.Machine.FAST)
    device = Device.objects.create(name="Till", location=Location.objects.create(name="Main"))
    redemption = Redemption.objects.create(
        entry_no=1,
        code=code,
        offer=offer,
        location=device.location,
        device=device,
        at=AT + timedelta(hours=2),
        order_value="20.00",
    )
    scans = {"device": device, "location": device.location, "fingerprint": bytes(32), "code": code}
    Scan.objects.create(key="1", result="accepted", redemption=redemption, at=redemption.at, **scans)
    Scan.objects.create(key="2", result="refused", reason="already_redeemed", at=AT + timedelta(hours=3), **scans)
    InboundText.objects.create(
        provider="twilio",
        provider_id="SM1",
        sender=contact.phone,
        sender_index=contact.phone_index,
        body="See you at 7",
        received_at=AT + timedelta(hours=4),
    )
    note_redeemed(contact.pk, at=redemption.at, order_value=redemption.order_value)
    return code


def test_both_apps_are_asked():
    kinds = {type(records) for records in all_records()}

    assert {MessagingRecords, RedemptionRecords} <= kinds


def test_tells_one_story_newest_first(maria):
    give(maria)

    told = [(entry.what, entry.how) for entry in timeline(maria, 100)]

    assert told == [
        ("Texted you", ""),
        ("Refused at the till: 20 % off lunch", "Already used · Main"),
        ("Redeemed: 20 % off lunch", "Main · R-000001 · order 20.00 USD"),
        ("Clicked a link", "Campaign “Lunch”"),
        ("Delivered", "Campaign “Lunch”"),
        ("Agreed", "Sign-up form"),
    ]


def test_says_of_a_taken_back_redemption_that_it_was(maria):
    give(maria)
    first = Redemption.objects.get()
    Redemption.objects.create(
        entry_no=2,
        kind="voided",
        reverses=first,
        code=first.code,
        offer=first.offer,
        location=first.location,
        at=AT + timedelta(hours=5),
    )

    assert timeline(maria, 1)[0].what == "Taken back: 20 % off lunch"


def test_gives_as_many_lines_as_are_asked_for(maria):
    give(maria)

    assert [entry.what for entry in timeline(maria, 2)] == ["Texted you", "Refused at the till: 20 % off lunch"]


def test_tells_nothing_of_somebody_else(maria, other):
    give(maria)

    assert timeline(other, 100) == []
    assert export_person(other)["messages"] == export_person(other)["texts"] == export_person(other)["codes"] == []


def test_a_contact_without_a_number_has_no_texts():
    contact = save_contact(Contact(email="nina@example.org"))
    InboundText.objects.create(provider="x", provider_id="1", sender="", sender_index=bytes(32), body="Hi")

    assert timeline(contact, 100) == []


def test_knows_which_contacts_something_hangs_on(maria, other):
    give(maria)

    assert MessagingRecords().in_use([maria.pk, other.pk]) == {maria.pk}
    assert RedemptionRecords().in_use([maria.pk, other.pk]) == {maria.pk}


# --- Export ---


def test_exports_everything_about_a_person(maria):
    code = give(maria)
    maria.tags.add(Tag.objects.create(name="Lunch"))
    record = Import.objects.create(file_name="list.csv", file_sha256="0", started_at=AT)
    ImportEntry.objects.create(run=record, contact=maria, kind="created")
    suppress(channel=Channel.SMS, address_index=maria.phone_index, reason=Suppression.Reason.BOUNCED, at=AT)

    data = export_person(Contact.objects.get(pk=maria.pk))

    assert (data["version"], data["id"], data["email"], data["phone"]) == (
        1,
        maria.pk,
        "maria@example.org",
        "+12175550123",
    )
    assert data["tags"] == ["Lunch"]
    assert data["channels"]["email"]["state"] == "subscribed"
    assert (data["channels"]["sms"]["state"], data["channels"]["sms"]["reason"]) == ("suppressed", "bounced")
    assert (data["activity"]["redemptions"], str(data["activity"]["spend"])) == (1, "20.00")
    consent = data["consent"][0]
    assert (consent["source"], consent["wording"], consent["ip_address"], consent["at"]) == (
        "form",
        "Yes, send me news.",
        "203.0.113.77",
        AT - timedelta(days=9),
    )
    assert [block["reason"] for block in data["suppressions"]] == ["bounced"]
    assert data["imports"] == [{"import": record.pk, "at": AT, "did": "created", "before": None}]
    assert [(line["campaign"], line["status"]) for line in data["messages"]] == [("Lunch", "delivered")]
    assert data["provider_events"][0]["payload"] == '{"email": "maria@example.org"}'
    assert [(click["link"], click["machine"]) for click in data["clicks"]] == [
        ("https://x.example", ""),
        ("https://x.example", "fast"),
    ]
    assert [text["body"] for text in data["texts"]] == ["See you at 7"]
    assert [(line["receipt"], line["location"]) for line in data["redemptions"]] == [("R-000001", "Main")]
    assert [line["reason"] for line in data["refused_scans"]] == ["already_redeemed"]
    assert [line["code"] for line in data["codes"]] == [code.typed_display]


def test_tells_and_exports_what_was_said_before_the_number_was_a_contacts():
    receive_text(provider="twilio", provider_id="1", sender="+12175550143", body="STOP", at=AT)
    contact = save_contact(Contact(phone="+12175550143"))

    data = export_person(contact)

    assert [(event["action"], event["source"]) for event in data["consent"]] == [("revoked", "keyword")]
    assert [text["body"] for text in data["texts"]] == ["STOP"]
    assert "Withdrew" in {entry.what for entry in timeline(contact, 100)}


def test_tells_and_exports_what_hangs_on_a_former_address(maria):
    give(maria)
    suppress(channel=Channel.SMS, address_index=maria.phone_index, reason=Suppression.Reason.BOUNCED, at=AT)
    maria.phone = "+12175550143"
    save_contact(maria)

    data = export_person(maria)

    assert [text["body"] for text in data["texts"]] == ["See you at 7"]
    assert [block["reason"] for block in data["suppressions"]] == ["bounced"]
    assert data["channels"]["sms"]["state"] == "none"
    (entry,) = (entry for entry in timeline(maria, 100) if "bounced" in entry.what)
    assert entry.how == "a former address"


def test_exports_a_sign_up_that_was_not_asked_to_confirm(maria):
    form = SignupForm.objects.create(name="Table", slug="table")
    signup.request(
        form=form,
        addresses={Channel.EMAIL: "maria@example.org"},
        source=ConsentEvent.Source.FORM,
        at=AT,
        visitor=signup.Visitor("192.0.2.7", "Mozilla"),
    )

    (row,) = export_person(maria)["confirmations"]

    assert (row["form"], row["ip_address"], row["user_agent"]) == ("Table", "192.0.2.7", "Mozilla")


def test_keeps_the_secret_of_a_code(maria):
    code = give(maria)

    text = json.dumps(export_person(maria), default=str)

    assert code.token not in text
    assert code.image_reference not in text


def export(*arguments):
    out = StringIO()
    call_command("export_contact", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_prints_one_json_object(maria):
    give(maria)

    data = json.loads(export("Maria@Example.org"))

    assert data["id"] == maria.pk
    assert data["messages"][0]["handed_at"] == "2026-11-20T12:00:00+00:00"
    line = AuditEvent.objects.get()
    assert (line.action, line.via, line.detail) == ("exported_one", "command", f"contact {maria.pk}")


def test_the_command_writes_a_file_only_its_owner_reads(maria, tmp_path):
    path = tmp_path / "maria.json"

    answer = json.loads(export("(217) 555-0123", "--output", str(path), "--json"))

    assert answer == {"id": maria.pk, "file": str(path)}
    assert json.loads(path.read_text())["first_name"] == "Maria"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("address", ["nobody@example.org", "Maria"])
def test_the_command_says_where_there_is_nobody(address, maria):
    with pytest.raises(CommandError) as refused:
        export(address)

    assert address not in str(refused.value)
    assert not AuditEvent.objects.exists()
