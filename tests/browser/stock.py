"""Shops to look at in a browser: one that has just opened, one with something on every page, one with a crowd."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import connection
from django_q.models import OrmQ, Schedule, Task
from PIL import Image

from benchmarks.people import FIRST, LAST, person
from campaigns.blocks.starters import STARTERS
from campaigns.models import Campaign, Template, Variant
from campaigns.rendering import logo_size
from campaigns.services import Draft, keep_picture, save_draft, with_blocks
from contacts.channels import Channel
from contacts.importing import ask_check, ask_run, finish_here, stage
from contacts.links import Unsubscribe, confirmation_token, unsubscribe_token
from contacts.models import (
    AuditEvent,
    Confirmation,
    ConsentEvent,
    Contact,
    Import,
    Job,
    Role,
    Segment,
    SignupForm,
    Suppression,
    Tag,
)
from contacts.services import audit, index_names, record_consent, save_contact, save_look, save_person, signup, suppress
from messaging.models import Message, ProviderEvent
from messaging.services import send_test
from redemptions.models import Code, Device, Location, Offer, Redemption, Scan, Staff
from redemptions.services import create_offer, enrol_device_start, issue_codes, issue_sheet, set_pin
from tests.messaging.busy import Busy, busy_shop

CROWD = 100_000
SEED = 1_000  # those who are made one by one; the rest are copies under other addresses
LONG = "Bartholomew-Maximilian Featherstonehaugh-Cholmondeley von und zu Hohenlohe-Langenburg"


@dataclass(frozen=True)
class Shop:
    """What there is to look at; the rows a page's address needs."""

    busy: Busy
    contact: Contact
    twin: Contact
    form: SignupForm
    confirmation: Confirmation
    uploaded: Import
    checked: Import
    done: Import
    job: Job
    suppression: Suppression
    mail: Campaign
    text: Campaign
    invited: User
    codes: dict[str, Code]

    @property
    def preferences(self) -> str:
        index = self.contact.address_index(Channel.EMAIL)
        assert index is not None
        return f"/u/{unsubscribe_token(Unsubscribe(Channel.EMAIL, index))}"

    @property
    def confirming(self) -> str:
        return f"/join/confirm/{confirmation_token(self.confirmation.pk)}"


def full_shop(at: datetime) -> Shop:
    """Fill every table: the demo, a good month, and one of each of what neither has."""
    call_command("demo", stdout=io.StringIO())
    busy = busy_shop(at, guests=60)
    _look(at)
    contact, twin = _people(at)
    form = SignupForm.objects.create(
        name="Table card", slug="table", asks_phone=True, asks_birthday=True, keyword="join"
    )
    signup.request(form=form, addresses={Channel.EMAIL: "nina@example.org"}, source=ConsentEvent.Source.FORM, at=at)
    tag = Tag.objects.get()
    Segment.objects.create(name="Lunch people", rules={"all": [{"tag": tag.pk}]})
    uploaded, checked, done = (_import(at, upto=step) for step in ("upload", "check", "run"))
    job = Job.objects.create(
        kind=Job.Kind.TAG, status=Job.Status.DONE, selection={"ids": [contact.pk]}, options={"tag": tag.pk}
    )
    suppress(channel=Channel.SMS, address_index=bytes(32), reason=Suppression.Reason.MANUAL, at=at)
    audit(AuditEvent.Action.EXPORTED, detail="2 contacts")
    mail = _mail(busy.offer)
    text = save_draft(Draft(name="Quiz night", channel=Channel.SMS, body="Quiz tonight at 8, {{ first_name }}!"))
    Template.objects.create(name="Our new menu", blocks=mail.variants.get().blocks)
    send_test(mail, to="boss@example.org")
    _machine(at)
    return Shop(
        busy=busy,
        contact=contact,
        twin=twin,
        form=form,
        confirmation=Confirmation.objects.get(),
        uploaded=uploaded,
        checked=checked,
        done=done,
        job=job,
        suppression=Suppression.objects.latest("pk"),
        mail=mail,
        text=text,
        invited=save_person(User(username="nina", first_name="Nina"), role=Role.MARKETER, extras=()),
        codes=_codes(busy, contact, at),
    )


def crowd(at: datetime) -> None:
    """Make a hundred thousand contacts. Copies made by the database take a second, not a minute."""
    rows = []
    for number in range(SEED):
        _, email, _, _ = person(number)
        status = "unsubscribed" if number % 10 == 3 else "subscribed"
        first, last = FIRST[number % len(FIRST)], LAST[number % len(LAST)]
        rows.append(Contact(email=email, first_name=first, last_name=last, email_status=status, source="import"))
    index_names(Contact.objects.bulk_create(rows), are_new=True)
    named = [field.column for field in Contact._meta.concrete_fields if not field.primary_key]
    taken = ["randomblob(32)" if name == "email_index" else f'"{name}"' for name in named]
    into, values = ", ".join(f'"{name}"' for name in named), ", ".join(taken)
    copies = f"WITH RECURSIVE copy(n) AS (VALUES(1) UNION ALL SELECT n + 1 FROM copy WHERE n < {CROWD // SEED - 1})"
    with connection.cursor() as cursor:
        table = Contact._meta.db_table
        cursor.execute(f"{copies} INSERT INTO {table} ({into}) SELECT {values} FROM {table}, copy")
    assert Contact.objects.count() == CROWD
    save_draft(Draft(name="To everyone", channel=Channel.EMAIL, subject="Hello", body="Come by."))


def _look(at: datetime) -> None:
    """Choose a colour that is hard to read, by day and on buttons, and a logo."""
    drawn = io.BytesIO()
    Image.new("RGB", (900, 240), "#3c2a10").save(drawn, "PNG")
    picture = keep_picture(drawn.getvalue())
    save_look(accent="#e0a020", logo=picture.name, logo_size=logo_size(picture.width, picture.height), at=at)


def _people(at: datetime) -> tuple[Contact, Contact]:
    """Return somebody with the longest name and everything, and somebody like them."""
    contact = save_contact(
        Contact(
            email=f"{'long.' * 11}name@a-mail-service-with-a-long-name.example", phone="+12175550199", notes="Rioja"
        )
    )
    Contact.objects.filter(pk=contact.pk).update(first_name=LONG[:40], last_name=LONG[40:80])
    index = contact.address_index(Channel.EMAIL)
    assert index is not None
    record_consent(
        channel=Channel.EMAIL,
        address_index=index,
        action=ConsentEvent.Action.GRANTED,
        source=ConsentEvent.Source.FORM,
        at=at,
        wording="Send me news and deals.",
    )
    twin = save_contact(Contact(email="bart@example.org", first_name="Bart", last_name="Featherstonehaugh"))
    contact.refresh_from_db()
    return contact, twin


def _import(at: datetime, *, upto: str) -> Import:
    content = f"email,first name,{upto}\nnew-{upto}@example.org,Nina,1\nnot an address,Bad,2\n".encode()
    record = stage(io.BytesIO(content), name=f"{'a-very-long-name-of-a-file-' * 4}{upto}.csv", at=at)
    if upto != "upload":
        ask_check(record)
        finish_here(record, clock=lambda: at)
    if upto == "run":
        record.refresh_from_db()
        ask_run(record, at=at)
        finish_here(record, clock=lambda: at)
    return Import.objects.get(pk=record.pk)


def _mail(offer: Offer) -> Campaign:
    starter = next(starter for starter in STARTERS if starter.key != "empty")
    draft = Draft(
        name="New menu with a long name, as somebody may well write it one day",
        channel=Channel.EMAIL,
        subject="{{ first_name }}, the new menu is here",
        mode=Variant.Mode.BLOCKS,
        offer=offer,
    )
    return save_draft(with_blocks(draft, starter.blocks()))


def _codes(busy: Busy, contact: Contact, at: datetime) -> dict[str, Code]:
    """Return a coupon of each kind a guest may hold, and the rows of the till that go with them."""
    fresh = Code.objects.get(pk=issue_codes(offer=busy.offer, contact_ids=[contact.pk])[contact.pk])
    over = create_offer(name="Spring deal", type=Offer.Type.ITEM, ends_at=at - timedelta(days=3))
    sheet = issue_sheet(offer=busy.offer, count=3, name="Flyers, spring")
    redemption = Redemption.objects.filter(kind=Redemption.Kind.REDEEMED).latest("pk")
    assert redemption.device
    assert redemption.code
    Scan.objects.create(
        device=redemption.device,
        location=redemption.location,
        key="k1",
        fingerprint=bytes(32),
        code=redemption.code,
        result=Scan.Result.ACCEPTED,
        redemption=redemption,
        at=redemption.at,
    )
    set_pin(staff=Staff(name="Sam", location=Location.objects.first()), pin="4711")
    enrol_device_start(name="Bar phone", location_name="Main Street", profile=Device.Profile.SCANNER, at=at)
    Code.objects.filter(pk=redemption.code.pk).update(used=1)
    ended = sheet.codes.all()[1]
    Code.objects.filter(pk=ended.pk).update(offer=over)
    return {"fresh": fresh, "used": redemption.code, "over": ended}


def _machine(at: datetime) -> None:
    message = Message.objects.filter(status=Message.Status.DELIVERED).latest("pk")
    ProviderEvent.objects.create(
        provider="sendgrid", event_key="1", event_type="delivered", message=message, payload="{}", occurred_at=at
    )
    common: dict[str, Any] = {"func": "messaging.tasks.work", "started": at, "stopped": at}
    Task.objects.create(id="a" * 32, name="work-well", success=True, **common)
    Task.objects.create(id="b" * 32, name="work-badly", success=False, result="OSError", **common)
    Schedule.objects.get_or_create(name="work", defaults={"func": "messaging.tasks.work"})
    OrmQ.objects.create(key="regulars", payload="", lock=at)
    Group.objects.get_or_create(name="Friends of the house")
