"""The loops by hand: the same words, images and requests as the product's, and no ledger.

Nothing is claimed, looked at again or recorded, so nobody may stop such a loop, and started twice it sends twice. `raw`
writes its requests itself, to a socket that is kept open. `library` has them made by the libraries the product uses
(Anymail's payload over urllib3; Django's mail over smtplib).
"""

from __future__ import annotations

import base64
import json
import os
import smtplib
import socket
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.header import Header
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings

from campaigns.models import Campaign
from campaigns.queries import content_of, shop_of, variant_of
from campaigns.rendering import Compiled, Deal, Person, Rendered
from contacts.channels import Channel, deliverable
from contacts.fields import decrypt
from contacts.links import Unsubscribe, unsubscribe_url
from contacts.models import Business
from messaging.links import redirects_of
from messaging.services.composing import list_id_of
from messaging.transports.base import OutboundEmail
from messaging.transports.email import QR_CID, build
from messaging.transports.ses import PATH as SES_PATH
from messaging.transports.ses import signed
from messaging.transports.text import LONGEST_VALIDITY_S
from redemptions import links, qr
from redemptions.codes import display

ROWS = """SELECT m.id, m.reference, c.email, c.email_index, c.phone, c.phone_index, c.first_name, c.last_name,
        k.token, k.typed, k.image_reference
    FROM messaging_message m JOIN contacts_contact c ON c.id = m.contact_id JOIN redemptions_code k ON k.id = m.code_id
    WHERE m.campaign_id = %s AND m.id <= %s ORDER BY m.id"""


@dataclass(frozen=True, slots=True)
class Note:
    """A message, ready to be written into a request; `to` is an address or a number."""

    reference: str
    to: str
    link: str
    list_id: str
    rendered: Rendered
    png: bytes | None
    business: Business

    @property
    def headers(self) -> dict[str, str]:
        return {
            "List-Unsubscribe": f"<{self.link}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "List-Id": self.list_id,
        }

    @property
    def sender(self) -> str:
        return f"{self.business.from_name} <{self.business.from_email}>"


class Writer:
    """Makes notes of rows; its words are parsed once."""

    def __init__(self, campaign: Campaign) -> None:
        assert campaign.offer is not None
        self.channel, self.offer, self.business = Channel(campaign.channel), campaign.offer, Business.load()
        variant = variant_of(campaign)
        self.compiled = Compiled(content_of(campaign, variant), has_deal=True, utm=campaign.utm_campaign)
        self.positions = {link.url: link.position for link in variant.links.all()}
        self.list_id = list_id_of(self.business)
        self.inline = settings.QR_IMAGES == "inline" and self.channel == Channel.EMAIL

    def note(self, row: Sequence[Any]) -> Note:
        number, reference, email, email_index, phone, phone_index, first_name, last_name, token, typed, image = row
        by_mail = self.channel == Channel.EMAIL
        address, index = (email, email_index) if by_mail else (phone, phone_index)
        code = decrypt(token)
        link = unsubscribe_url(Unsubscribe(self.channel, bytes(index), number))
        rendered = self.compiled.render(
            shop=shop_of(self.business),
            person=Person(decrypt(first_name), decrypt(last_name)),
            deal=Deal(
                name=self.offer.name,
                terms=self.offer.terms,
                ends=self.offer.valid_until(self.business.zone),
                code=display(decrypt(typed)),
                coupon_url=links.coupon_url(code),
                qr_src=f"cid:{QR_CID}" if self.inline else links.qr_image_url(image),
            ),
            unsubscribe_url=link,
            redirects=redirects_of(number, self.positions) if self.positions else None,
        )
        to = deliverable(decrypt(address)) if by_mail else decrypt(address)
        png = qr.png(links.qr_payload(code)) if self.inline else None
        return Note(str(uuid.UUID(str(reference))), to, link, self.list_id, rendered, png, self.business)


Send = Callable[[Note], None]


def loops_of(provider: str) -> dict[str, tuple[str, Callable[[], Send]]]:
    """Return the loops there are: what it is called, and what connects one thread of it."""
    raw = {
        "sendgrid": raw_sendgrid,
        "ses": raw_ses,
        "twilio": raw_twilio,
        "smtp": raw_smtp,
        "outbox": lambda: write_files(settings.OUTBOX_DIR / "email"),
    }
    found = {"raw": ("a raw socket" if provider != "outbox" else "one format string", raw[provider])}
    if provider == "sendgrid":
        found["library"] = ("Anymail's payload over urllib3", anymail_over_urllib3)
    if provider == "smtp":
        found["library"] = ("Django's mail over smtplib", django_over_smtplib)
    return found


# --- HTTP -------------------------------------------------------------------------------------------------------------


def raw_http(url: str, make: Callable[[Note], tuple[bytes, dict[str, str]]], status: bytes) -> Send:
    """Return a function that posts what `make` makes of a note: body and headers."""
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(note: Note) -> None:
        body, headers = make(note)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {address.path} HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        head_back, _, rest = connection.recv(65536).partition(b"\r\n\r\n")
        length = int(head_back.partition(b"Content-Length: ")[2].split(b"\r")[0])
        while len(rest) < length:
            rest += connection.recv(65536)
        assert head_back.startswith(b"HTTP/1.1 " + status), head_back

    return send


def raw_sendgrid() -> Send:
    url = f"{settings.EMAIL_API_URL}mail/send"
    headers = {
        "Host": urlsplit(url).netloc,
        "Authorization": f"Bearer {settings.ANYMAIL['SENDGRID_API_KEY']}",
        "Content-Type": "application/json",
    }
    return raw_http(url, lambda note: (json.dumps(sendgrid_payload(note)).encode(), headers), b"202")


def sendgrid_payload(note: Note) -> dict[str, Any]:
    payload = {
        "personalizations": [{"to": [{"email": note.to}]}],
        "from": {"email": note.business.from_email, "name": note.business.from_name},
        "subject": note.rendered.subject,
        "headers": note.headers,
        "content": [
            {"type": "text/plain", "value": note.rendered.text},
            {"type": "text/html", "value": note.rendered.html},
        ],
        "custom_args": {"message": note.reference},
        "tracking_settings": {"click_tracking": {"enable": False}, "open_tracking": {"enable": False}},
    }
    if note.png is not None:
        payload["attachments"] = [
            {
                "content": base64.b64encode(note.png).decode(),
                "type": "image/png",
                "filename": "coupon.png",
                "disposition": "inline",
                "content_id": QR_CID,
            }
        ]
    return payload


def anymail_over_urllib3() -> Send:
    from anymail.backends.sendgrid import EmailBackend, SendGridPayload
    from urllib3 import HTTPConnectionPool

    backend = EmailBackend()
    address = urlsplit(f"{settings.EMAIL_API_URL}mail/send")
    assert address.hostname
    pool = HTTPConnectionPool(address.hostname, address.port, maxsize=1, timeout=30)

    def send(note: Note) -> None:
        payload = SendGridPayload(build(outbound(note), provider="sendgrid"), backend.send_defaults, backend)
        body = payload.serialize_data()
        headers = dict(payload.headers)
        answer = pool.urlopen("POST", address.path, body=body.encode(), headers=headers, retries=False)
        assert answer.status == 202

    return send


def outbound(note: Note) -> OutboundEmail:
    return OutboundEmail(
        reference=note.reference,
        to=note.to,
        from_email=note.sender,
        subject=note.rendered.subject,
        text=note.rendered.text,
        html=note.rendered.html,
        headers=note.headers,
        qr_png=note.png,
    )


def raw_ses() -> Send:
    """Sign as the product does: a signature cannot be had for less by hand than by botocore's few hashes."""
    url = f"{settings.EMAIL_API_URL.rstrip('/')}{SES_PATH}"

    def make(note: Note) -> tuple[bytes, dict[str, str]]:
        mime = eml(note, {"X-Metadata": json.dumps({"message": note.reference})}, has_id=False)
        raw = {"Data": base64.b64encode(mime.encode()).decode()}
        request = {"Content": {"Raw": raw}, "Destination": {"ToAddresses": [note.to]}}
        body = json.dumps(request).encode()
        return body, signed(url, body)

    return raw_http(url, make, b"200")


def raw_twilio() -> Send:
    account = settings.TWILIO_ACCOUNT_SID
    url = f"{settings.TWILIO_API_URL}/2010-04-01/Accounts/{account}/Messages.json"
    secret = base64.b64encode(f"{account}:{settings.TWILIO_AUTH_TOKEN}".encode()).decode()
    headers = {
        "Host": urlsplit(url).netloc,
        "Authorization": f"Basic {secret}",
        "Content-Type": "application/x-www-form-urlencoded",
    }

    def make(note: Note) -> tuple[bytes, dict[str, str]]:
        form = {
            "To": note.to,
            "Body": note.rendered.text,
            "From": settings.TWILIO_PHONE_NUMBER,
            "SmartEncoded": "true",
            "StatusCallback": f"{settings.PUBLIC_BASE_URL}/webhooks/twilio/status/{note.reference}/",
            "ValidityPeriod": LONGEST_VALIDITY_S,  # the product's ends with the hours for texts, and so changes
        }
        return urlencode(form).encode(), headers

    return raw_http(url, make, b"201")


# --- Mail as it travels -----------------------------------------------------------------------------------------------


def raw_smtp() -> Send:
    connection = socket.create_connection((settings.EMAIL_HOST, settings.EMAIL_PORT), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(data: bytes) -> None:
        connection.sendall(data)
        assert connection.recv(4096)[:1] in b"23"

    assert connection.recv(4096).startswith(b"220")
    ask(b"EHLO localhost\r\n")

    def send(note: Note) -> None:
        ask(f"MAIL FROM:<{note.business.from_email}>\r\n".encode())
        ask(f"RCPT TO:<{note.to}>\r\n".encode())
        ask(b"DATA\r\n")
        content = eml(note, {}).replace("\n", "\r\n").replace("\r\n.", "\r\n..")
        ask(content.encode() + b"\r\n.\r\n")

    return send


def django_over_smtplib() -> Send:
    connection = smtplib.SMTP(settings.EMAIL_HOST, settings.EMAIL_PORT, timeout=30)

    def send(note: Note) -> None:
        mail: Any = build(outbound(note), provider="smtp").message()  # Any: Django's as_bytes takes more than its stub
        connection.sendmail(note.business.from_email, [note.to], mail.as_bytes(linesep="\r\n"))

    return send


def write_files(folder: Path) -> Send:
    """Write files, built with one format string."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def send(note: Note) -> None:
        descriptor = os.open(folder / f"{note.reference}.eml", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(eml(note, {}).encode())

    return send


def eml(note: Note, more: dict[str, str], *, has_id: bool = True) -> str:
    """Return the mail, as the email package would write it."""
    subject, outer, inner = note.rendered.subject, f"={note.reference}=", f"=={note.reference}="
    domain = note.business.from_email.rpartition("@")[2]
    headers = {
        "MIME-Version": "1.0",
        "Subject": subject if subject.isascii() else Header(subject, "utf-8").encode(),
        "From": note.sender,
        "To": note.to,
        "Date": formatdate(),
        **note.headers,
        **({"Message-ID": f"<{note.reference}@{domain}>"} if has_id else {}),
        **more,
    }
    lines = "".join(f"{name}: {value}\n" for name, value in headers.items())
    words = f"""\
--{inner}
{text_part("plain", note.rendered.text)}
--{inner}
{text_part("html", note.rendered.html)}
--{inner}--
"""
    if note.png is None:
        return f'Content-Type: multipart/alternative;\n boundary="{inner}"\n{lines}\n{words}'
    return f"""\
Content-Type: multipart/related;
 boundary="{outer}"
{lines}
--{outer}
Content-Type: multipart/alternative;
 boundary="{inner}"
MIME-Version: 1.0

{words}
--{outer}
Content-Type: image/png
MIME-Version: 1.0
Content-Transfer-Encoding: base64
Content-ID: <{QR_CID}>
Content-Disposition: inline; filename="coupon.png"

{base64.encodebytes(note.png).decode()}
--{outer}--
"""


def text_part(kind: str, text: str) -> str:
    return f"""\
Content-Type: text/{kind}; charset="utf-8"
MIME-Version: 1.0
Content-Transfer-Encoding: {"7bit" if text.isascii() else "8bit"}

{text}"""
