"""How each provider is reached, and what a request to it says, in one form for all."""

import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.policy import default as modern
from email.utils import formataddr
from typing import Any
from uuid import UUID

import pytest

from contacts.channels import Channel
from messaging.transports import MergedEmail, MergedRecipient, OutboundEmail, TransportError, transport_for
from tests.wire.provider import Received

MAIL = OutboundEmail(
    reference="0ab9af66-5ac1-4ddc-a49b-f011b4ae3fee",
    to="maria@example.org",
    from_email='"The Corner Bar" <hello@corner-bar.example>',
    subject="Crème brûlée on us",
    text="plain: crème brûlée",
    html='<p>rich: crème brûlée</p><img src="cid:coupon-qr@inline">',
    headers={
        "List-Unsubscribe": "<https://x.example/u/token>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": "<list.corner-bar.example>",
    },
    reply_to="boss@corner-bar.example",
)
PNG = b"\x89PNG\r\n\x1a\n\x00\xff"
SENDER = "The Corner Bar <hello@corner-bar.example>"


@dataclass(frozen=True)
class Arrived:
    """A mail as the provider understands it. `raw` is what it was asked with, the mail inside it decoded."""

    raw: bytes
    to: list[str]
    sender: str
    reply_to: str
    subject: str
    text: str
    html: str
    headers: dict[str, str]
    metadata: dict[str, Any]
    images: list[tuple[str, bytes]] = field(default_factory=list)
    tracking: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wire:
    """One provider: the settings that lead to `url`, how its requests are read, and the id in its good answer.

    `says_ids`: its answer holds the id, so that one without is no good answer.
    """

    name: str
    anymail: Callable[[str], dict[str, str]]
    read: Callable[[Received], Arrived]
    id_of: Callable[[Received], str]
    no_tracking: dict[str, Any] = field(default_factory=dict)
    says_ids: bool = True
    takes_images: bool = True
    read_part: Callable[[dict[str, Any], bytes], Arrived] | None = None
    people_at_once: int = 0
    ids_of_many: Callable[[Received], list[str]] = lambda call: call.ids

    def read_all(self, call: Received) -> list[Arrived]:
        """Return each person's mail from a request for many."""
        assert self.read_part
        mails = call.batch if call.kind != "sendgrid" else of_sendgrids_people(call)
        assert mails is not None
        return [self.read_part(mail, call.body) for mail in mails]

    def point_at(self, settings, url: str) -> None:
        settings.EMAIL_PROVIDER, settings.AWS_REGION, settings.EMAIL_API_URL = self.name, "us-east-1", url
        settings.ANYMAIL = self.anymail(url)


def one_value(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON, provided that no name comes twice."""
    assert len({name.lower() for name, _ in pairs}) == len(pairs)
    return dict(pairs)


def strictly(body: bytes) -> Any:
    return json.loads(body, object_pairs_hook=one_value)


def from_mime(raw: bytes, to: list[str] | None = None) -> Arrived:
    mail = message_from_bytes(raw, policy=modern)
    assert len({name.lower() for name in mail.keys()}) == len(mail)  # noqa: SIM118 - a mail has names many times
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    return Arrived(
        raw=raw,
        to=to or [mail["To"]],
        sender=mail["From"],
        reply_to=mail["Reply-To"] or "",
        subject=mail["Subject"],
        text=text.get_content().rstrip("\n"),
        html=html.get_content().rstrip("\n"),
        headers={name: mail[name].strip() for name in MAIL.headers if name in mail},
        metadata=json.loads(mail["X-Metadata"] or "{}"),
        images=[(part["Content-ID"].strip("<>"), part.get_content()) for part in mail.walk() if part["Content-ID"]],
    )


def from_ses(request: Received) -> Arrived:
    return from_mime(request.mime, strictly(request.body)["Destination"]["ToAddresses"])


def from_sendgrid(mail: dict[str, Any], raw: bytes) -> Arrived:
    (person,) = mail["personalizations"]
    known = {**mail.get("custom_args", {}), **person["custom_args"]}
    return Arrived(
        raw=raw,
        to=[to["email"] for to in person["to"]],
        sender=formataddr((mail["from"]["name"], mail["from"]["email"])),
        reply_to="".join(address["email"] for address in mail.get("reply_to_list", [])),
        subject=mail["subject"],
        text=next(part["value"] for part in mail["content"] if part["type"] == "text/plain"),
        html=next(part["value"] for part in mail["content"] if part["type"] == "text/html"),
        headers=mail["headers"],
        metadata={name: value for name, value in known.items() if name != "anymail_id"},
        images=[(part["content_id"], b64decode(part["content"])) for part in mail.get("attachments", [])],
        tracking=mail["tracking_settings"],
    )


def from_mailgun(fields: dict[str, str], raw: bytes) -> Arrived:
    return Arrived(
        raw=raw,
        to=[fields["to"]],
        sender=fields["from"],
        reply_to=fields.get("h:Reply-To", ""),
        subject=fields["subject"],
        text=fields["text"],
        html=fields["html"],
        headers={name[2:]: value for name, value in fields.items() if name.startswith("h:") and name != "h:Reply-To"},
        metadata={name[2:]: value for name, value in fields.items() if name.startswith("v:")},
        tracking={name: value for name, value in fields.items() if "tracking" in name},
    )


def from_mailguns_form(request: Received) -> Arrived:
    images = [(part.get_filename(), part.get_payload(decode=True)) for name, part in request.parts if name == "inline"]
    names = [name for name, _ in request.parts]
    assert len(set(names)) == len(names)
    return replace(from_mailgun(request.form, request.body), images=images)


def from_postmark(mail: dict[str, Any], raw: bytes) -> Arrived:
    return Arrived(
        raw=raw,
        to=[mail["To"]],
        sender=mail["From"],
        reply_to=mail.get("ReplyTo", ""),
        subject=mail["Subject"],
        text=mail["TextBody"],
        html=mail["HtmlBody"],
        headers=one_value([(header["Name"], header["Value"]) for header in mail["Headers"]]),
        metadata=mail["Metadata"],
        images=[
            (part["ContentID"].removeprefix("cid:"), b64decode(part["Content"])) for part in mail.get("Attachments", [])
        ],
        tracking={name: value for name, value in mail.items() if "Track" in name},
    )


def from_brevo(mail: dict[str, Any], raw: bytes) -> Arrived:
    headers = mail["headers"]
    return Arrived(
        raw=raw,
        to=[to["email"] for to in mail["to"]],
        sender=formataddr((mail["sender"]["name"], mail["sender"]["email"])),
        reply_to=mail.get("replyTo", {}).get("email", ""),
        subject=mail["subject"],
        text=mail["textContent"],
        html=mail["htmlContent"],
        metadata=json.loads(headers.pop("X-Mailin-custom")),
        headers=headers,
    )


def from_resend(mail: dict[str, Any], raw: bytes) -> Arrived:
    headers = mail["headers"]
    return Arrived(
        raw=raw,
        to=mail["to"],
        sender=mail["from"],
        reply_to="".join(mail.get("reply_to", [])),
        subject=mail["subject"],
        text=mail["text"],
        html=mail["html"],
        metadata=json.loads(headers.pop("X-Metadata")),
        headers=headers,
        images=[(part["content_id"], b64decode(part["content"])) for part in mail.get("attachments", [])],
    )


def in_json(read: Callable[[dict[str, Any], bytes], Arrived]) -> Callable[[Received], Arrived]:
    return lambda request: read(strictly(request.body), request.body)


def of_sendgrids_people(request: Received) -> list[dict[str, Any]]:
    """Return SendGrid's mail for each of its people, their values filled in."""
    mail = strictly(request.body)
    return [
        {
            **mail,
            "subject": substituted(mail["subject"], person["substitutions"]),
            "content": [
                {**part, "value": substituted(part["value"], person["substitutions"])} for part in mail["content"]
            ],
            "headers": person["headers"],
            "personalizations": [person],
        }
        for person in mail["personalizations"]
    ]


def substituted(text: str, values: dict[str, str]) -> str:
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text


SES = Wire("ses", lambda url: {}, from_ses, lambda call: f"0100{call.sid[2:]}-000000")
SENDGRID = Wire(
    "sendgrid",
    lambda url: {"SENDGRID_API_KEY": "SG.key", "SENDGRID_API_URL": f"{url}/v3/"},
    in_json(from_sendgrid),
    lambda call: call.json["personalizations"][0]["custom_args"]["anymail_id"],
    no_tracking={"click_tracking": {"enable": False}, "open_tracking": {"enable": False}},
    says_ids=False,
    read_part=from_sendgrid,
    people_at_once=500,
    ids_of_many=lambda call: [person["custom_args"]["anymail_id"] for person in call.json["personalizations"]],
)
MAILGUN = Wire(
    "mailgun",
    lambda url: {
        "MAILGUN_API_KEY": "key-1",
        "MAILGUN_API_URL": f"{url}/v3",
        "MAILGUN_SENDER_DOMAIN": "mg.corner-bar.example",
    },
    from_mailguns_form,
    lambda call: f"<2026.{call.sid}@mg.example.com>",
    no_tracking={"o:tracking-clicks": "no", "o:tracking-opens": "no"},
    read_part=from_mailgun,
    people_at_once=500,
    ids_of_many=lambda call: [f"<2026.{call.sid}@mg.example.com>"] * len(call.people),
)
POSTMARK = Wire(
    "postmark",
    lambda url: {
        "POSTMARK_SERVER_TOKEN": "token-1",
        "POSTMARK_API_URL": url,
        "POSTMARK_MESSAGE_STREAM": "broadcast",
    },
    in_json(from_postmark),
    lambda call: str(UUID(call.sid[2:])),
    no_tracking={"TrackOpens": False, "TrackLinks": "None"},
    read_part=from_postmark,
    people_at_once=100,
)
BREVO = Wire(
    "brevo",
    lambda url: {"BREVO_API_KEY": "xkeysib-1", "BREVO_API_URL": f"{url}/v3/"},
    in_json(from_brevo),
    lambda call: f"<2026.{call.sid}@smtp-relay.mailin.example>",
    takes_images=False,
    read_part=from_brevo,
    people_at_once=100,
)
RESEND = Wire(
    "resend",
    lambda url: {"RESEND_API_KEY": "re_1", "RESEND_API_URL": url},
    in_json(from_resend),
    lambda call: str(UUID(call.sid[2:])),
    read_part=from_resend,
    people_at_once=100,
)
WIRES = (SES, MAILGUN, POSTMARK, BREVO, SENDGRID, RESEND)
TAKE_MANY = (MAILGUN, POSTMARK, BREVO, SENDGRID, RESEND)
BATCH = MergedEmail(
    from_email=MAIL.from_email,
    subject="Hi -1-, crème brûlée on us",
    text="Come, -1-: -2- 100 %",
    html='<p>Crème brûlée, -3-: <a href="-2-">-4-</a> 100 %</p>',
    reply_to=MAIL.reply_to,
    recipients=tuple(
        MergedRecipient(
            reference=str(UUID(int=number + 1)),
            to=f"guest{number}@example.org",
            values={
                "-1-": f"Zoë & {number}",
                "-2-": f"https://x.example/c/{number}?a=1%20b",
                "-3-": f"Zoë &amp; {number}",
                "-4-": f"code-{number}",
            },
            headers={**MAIL.headers, "List-Unsubscribe": f"<https://x.example/u/{number}>"},
        )
        for number in range(4)
    ),
)


def sent_to_many(merged: MergedEmail = BATCH) -> list[str | TransportError]:
    """Send one request for many over a connection of its own."""
    with transport_for(Channel.EMAIL) as transport:
        return transport.send_batch(merged)


def sent(mail: OutboundEmail = MAIL) -> str:
    """Send over a connection of its own."""
    with transport_for(Channel.EMAIL) as transport:
        return transport.send(mail)


def failure(mail: OutboundEmail = MAIL) -> TransportError:
    with pytest.raises(TransportError) as caught:
        sent(mail)
    assert "maria" not in repr(caught.value)
    return caught.value
