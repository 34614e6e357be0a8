"""Send: one worker against a loop that renders the same words, draws the same image and hands over the same bytes.

The loop by hand keeps no ledger: nothing is planned, claimed, looked at again or recorded, so nobody may stop it, and
whoever starts it twice sends twice.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from email.header import Header
from email.utils import formatdate
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.utils import timezone

from benchmarks.child import describe_database, scratch_url
from benchmarks.driver import Database
from benchmarks.measuring import Report, Sample, Stopwatch, compare, timed
from benchmarks.people import person
from campaigns import services as campaigns
from campaigns.models import Campaign
from campaigns.queries import content_of, shop_of, variant_of
from campaigns.rendering import Compiled, Deal, Person, Rendered
from contacts.channels import Channel, deliverable
from contacts.fields import decrypt
from contacts.links import Unsubscribe, unsubscribe_url
from contacts.models import Business, ChannelStatus, Contact
from messaging.models import Message
from messaging.services import finish_done, plan_due, send_due
from messaging.transports.email import QR_CID, EmailTransport
from redemptions import links, qr
from redemptions.codes import display
from redemptions.models import Offer
from redemptions.services import create_offer

SUBJECT = "{{ first_name }}, lunch is on us this week"
PREHEADER = "20 % off from Monday to Friday, for regulars."
BODY = """Hi {{ first_name | default: "there" }},

we have missed you at {{ business_name }}! Come by for lunch this week and bring this mail:

{{ deal }}

The menu is at https://corner-bar.example/menu, and the kitchen is open from noon to three. Tell a friend.

See you soon,
your team at {{ business_name }}
"""
WARM_PEOPLE = 5
LABELS = {"outbox": "outbox", "sendgrid": "SendGrid's API on this machine"}

MAILS = """SELECT m.id, m.reference, c.email, c.email_index, c.first_name, c.last_name, k.token, k.typed
    FROM messaging_message m JOIN contacts_contact c ON c.id = m.contact_id JOIN redemptions_code k ON k.id = m.code_id
    WHERE m.campaign_id = %s ORDER BY m.id"""


def run(*, people: int, rounds: int) -> Report:
    database = Database(scratch_url())
    add_people(0, WARM_PEOPLE)
    one_round(database)
    add_people(WARM_PEOPLE, people // 10)
    notes = [f"milliseconds by the clock for one mail: {split_of_a_message()}"]
    add_people(people // 10, people)
    pairs = [one_round(database) for _ in range(rounds)]
    database.close()
    what = f"Mail with a QR image to {people:,} people, {LABELS[settings.EMAIL_PROVIDER]}"
    return Report(describe_database(), [compare(what, "mails", pairs, notes)])


def add_people(start: int, stop: int) -> None:
    Contact.objects.bulk_create(
        [
            Contact(
                email=email,
                phone=f"+1{re.sub(r'[^0-9]', '', phone)}",
                first_name=name.partition(" ")[0],
                last_name=name.partition(" ")[2],
                email_status=ChannelStatus.SUBSCRIBED,
                sms_status=ChannelStatus.SUBSCRIBED,
            )
            for name, email, phone, _ in map(person, range(start, stop))
        ]
    )


def one_round(database: Database) -> tuple[Sample, Sample]:
    """Send a campaign, then the same mails by hand, and make sure that they were the same."""
    campaign = launch_campaign()
    product = timed(lambda: send_campaign(campaign))
    product_proof = proof_of_outbox(settings.OUTBOX_DIR / "email") if is_outbox() else proof_of_provider()
    folder = settings.SCRATCH_DIR / "by-hand"
    hand = timed(lambda: send_by_hand(database, campaign, folder))
    hand_proof = proof_of_outbox(folder) if is_outbox() else proof_of_provider()
    assert product.units == hand.units == product_proof[0], (product.units, hand.units, product_proof)
    assert product_proof == hand_proof, "the two loops do not send the same mails"
    return product, hand


def is_outbox() -> bool:
    return bool(settings.EMAIL_PROVIDER == "outbox")


# --- The product ------------------------------------------------------------------------------------------------------

NUMBERS = count(1)


def launch_campaign() -> Campaign:
    """Launch a campaign with a deal of its own to everybody."""
    at = timezone.now()
    name = f"Lunch {next(NUMBERS)}"
    offer = create_offer(
        name="20 % off lunch", type=Offer.Type.PERCENT, value=Decimal(20), terms="One per table. Not with other deals."
    )
    draft = campaigns.Draft(
        name=name, channel=Channel.EMAIL, subject=SUBJECT, preheader=PREHEADER, body=BODY, offer=offer
    )
    return campaigns.launch(campaigns.save_draft(draft), at=at)


def send_campaign(campaign: Campaign) -> int:
    """Do what one worker does, until nothing is left; return how many mails the provider took."""
    while plan_due(at=timezone.now()) + send_due(clock=timezone.now):
        pass
    finish_done(at=timezone.now())
    return Message.objects.filter(campaign=campaign, status=Message.Status.ACCEPTED).count()


def split_of_a_message() -> str:
    """Send once more with a stopwatch at the places that matter; not part of the rounds, which it would slow down."""
    campaign, watch = launch_campaign(), Stopwatch()

    def watched(execute: Callable[..., Any], *args: Any) -> Any:
        with watch.running("SQL"):
            return execute(*args)

    planning = timed(lambda: plan_everything(watch))
    with ExitStack() as stack:
        stack.enter_context(connection.execute_wrapper(watched))
        stack.enter_context(watch.watching(Compiled, "__init__", "parsing the words, once a batch (python-liquid)"))
        stack.enter_context(watch.watching(Compiled, "render", "filling the words (python-liquid)"))
        stack.enter_context(watch.watching(qr, "png", "QR image (qrcode)"))
        handing_over = "email, Django's mail" if is_outbox() else "Anymail, requests"
        stack.enter_context(watch.watching(EmailTransport, "send", f"handing over ({handing_over})"))
        with watch.running("the rest (Django's ORM, decrypting)"):
            sent = send_campaign(campaign)
    assert sent == planning.units, (sent, planning.units)
    proof_of_outbox(settings.OUTBOX_DIR / "email") if is_outbox() else proof_of_provider()
    return watch.split(sent)


def plan_everything(watch: Stopwatch) -> int:
    planned = 0
    with watch.running("planning, the code included"):
        while step := plan_due(at=timezone.now()):
            planned += step
    return planned


# --- By hand ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mail:
    reference: str
    to: str
    link: str
    rendered: Rendered
    png: bytes


Send = Callable[[Mail, Business], None]


def send_by_hand(database: Database, campaign: Campaign, folder: Path) -> int:
    rows, business = database.rows(MAILS, [campaign.pk]), Business.load()
    compiled = Compiled(content_of(campaign, variant_of(campaign)), has_deal=True)
    with write_by_hand(folder) if is_outbox() else post_by_hand() as send:
        for row in rows:
            send(compose_by_hand(row, compiled, business, campaign.offer), business)
    return len(rows)


def compose_by_hand(row: Sequence[Any], compiled: Compiled, business: Business, offer: Offer | None) -> Mail:
    number, reference, email, index, first_name, last_name, token, typed = row
    assert offer is not None
    code = decrypt(token)
    link = unsubscribe_url(Unsubscribe(Channel.EMAIL, bytes(index), number))
    deal = Deal(
        name=offer.name,
        terms=offer.terms,
        ends=offer.valid_until(business.zone),
        code=display(decrypt(typed)),
        coupon_url=links.coupon_url(code),
        qr_src=f"cid:{QR_CID}",
    )
    rendered = compiled.render(
        shop=shop_of(business),
        person=Person(decrypt(first_name), decrypt(last_name)),
        deal=deal,
        unsubscribe_url=link,
    )
    to = deliverable(decrypt(email))
    return Mail(str(uuid.UUID(str(reference))), to, link, rendered, qr.png(links.qr_payload(code)))


@contextmanager
def write_by_hand(folder: Path) -> Iterator[Send]:
    """Write files, built with one format string."""
    folder.mkdir(exist_ok=True, mode=0o700)

    def send(mail: Mail, business: Business) -> None:
        descriptor = os.open(folder / f"{mail.reference}.eml", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(eml(mail, business).encode())

    yield send


def eml(mail: Mail, business: Business) -> str:
    subject, outer, inner = mail.rendered.subject, f"={mail.reference}=", f"=={mail.reference}="
    return f"""\
Content-Type: multipart/related;
 boundary="{outer}"
MIME-Version: 1.0
Subject: {subject if subject.isascii() else Header(subject, "utf-8").encode()}
From: {business.from_name} <{business.from_email}>
To: {mail.to}
Date: {formatdate()}
List-Unsubscribe: 
 <{mail.link}>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
Message-ID: <{mail.reference}@{business.from_email.rpartition("@")[2]}>

--{outer}
Content-Type: multipart/alternative;
 boundary="{inner}"
MIME-Version: 1.0

--{inner}
{text_part("plain", mail.rendered.text)}
--{inner}
{text_part("html", mail.rendered.html)}
--{inner}--

--{outer}
Content-Type: image/png
MIME-Version: 1.0
Content-Transfer-Encoding: base64
Content-ID: <{QR_CID}>
Content-Disposition: inline; filename="coupon.png"

{base64.encodebytes(mail.png).decode()}
--{outer}--
"""  # noqa: W291 - the space is how the email package folds


def text_part(kind: str, text: str) -> str:
    return f"""\
Content-Type: text/{kind}; charset="utf-8"
MIME-Version: 1.0
Content-Transfer-Encoding: {"7bit" if text.isascii() else "8bit"}

{text}"""


@contextmanager
def post_by_hand() -> Iterator[Send]:
    """Post to the provider over one connection that is kept open."""
    address = urlsplit(settings.EMAIL_API_URL)
    provider = http.client.HTTPConnection(address.netloc, timeout=30)
    headers = {"Authorization": f"Bearer {settings.ANYMAIL['SENDGRID_API_KEY']}", "Content-Type": "application/json"}

    def send(mail: Mail, business: Business) -> None:
        body = json.dumps(payload(mail, business)).encode()
        provider.request("POST", f"{address.path}mail/send", body=body, headers=headers)
        answer = provider.getresponse()
        answer.read()
        assert answer.status == 202

    yield send
    provider.close()


def payload(mail: Mail, business: Business) -> dict[str, Any]:
    return {
        "personalizations": [{"to": [{"email": mail.to}]}],
        "from": {"email": business.from_email, "name": business.from_name},
        "subject": mail.rendered.subject,
        "headers": {
            "List-Unsubscribe": f"<{mail.link}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        "content": [
            {"type": "text/plain", "value": mail.rendered.text},
            {"type": "text/html", "value": mail.rendered.html},
        ],
        "attachments": [
            {
                "content": base64.b64encode(mail.png).decode(),
                "type": "image/png",
                "filename": "coupon.png",
                "disposition": "inline",
                "content_id": QR_CID,
            }
        ],
        "custom_args": {"message": mail.reference},
        "tracking_settings": {"click_tracking": {"enable": False}, "open_tracking": {"enable": False}},
    }


# --- Proofs -----------------------------------------------------------------------------------------------------------


def proof_of_outbox(folder: Path) -> tuple[int, object]:
    """Return number and contents of the mails in a folder, without date and boundaries, and empty it."""
    mails = {}
    for path in folder.glob("*.eml"):
        mail = re.sub(r"(?m)^Date: .*$", "Date:", path.read_text())
        for number, boundary in enumerate(re.findall(r'boundary="([^"]+)"', mail)):
            mail = mail.replace(f"--{boundary}", f"--{number}").replace(f'"{boundary}"', f'"{number}"')
        mails[path.name] = mail
        path.unlink()
    return len(mails), mails


def proof_of_provider() -> tuple[int, object]:
    """Return number and digest of the mails the provider was given since the last time."""
    provider = http.client.HTTPConnection(urlsplit(settings.EMAIL_API_URL).netloc, timeout=60)
    provider.request("GET", "/v3/summary")
    summary = json.loads(provider.getresponse().read())
    provider.close()
    return summary["mails"], summary["digest"]
