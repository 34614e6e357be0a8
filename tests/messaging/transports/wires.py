"""How each provider is reached, and what a request to it says, in one form for all."""

import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default as modern
from email.utils import formataddr
from typing import Any
from uuid import UUID

import pytest

from contacts.channels import Channel
from messaging.transports import OutboundEmail, TransportError, transport_for
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


def from_sendgrid(request: Received) -> Arrived:
    mail = strictly(request.body)
    (person,) = mail["personalizations"]
    known = {**mail["custom_args"], **person["custom_args"]}
    return Arrived(
        raw=request.body,
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


def from_mailgun(request: Received) -> Arrived:
    fields = request.form
    images = [(part.get_filename(), part.get_payload(decode=True)) for name, part in request.parts if name == "inline"]
    names = [name for name, _ in request.parts]
    assert len(set(names)) == len(names)
    return Arrived(
        raw=request.body,
        to=[fields["to"]],
        sender=fields["from"],
        reply_to=fields.get("h:Reply-To", ""),
        subject=fields["subject"],
        text=fields["text"],
        html=fields["html"],
        headers={name[2:]: value for name, value in fields.items() if name.startswith("h:") and name != "h:Reply-To"},
        metadata={name[2:]: value for name, value in fields.items() if name.startswith("v:")},
        images=images,
        tracking={name: value for name, value in fields.items() if "tracking" in name},
    )


def from_postmark(request: Received) -> Arrived:
    mail = strictly(request.body)
    return Arrived(
        raw=request.body,
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


def from_brevo(request: Received) -> Arrived:
    mail = strictly(request.body)
    headers = mail["headers"]
    return Arrived(
        raw=request.body,
        to=[to["email"] for to in mail["to"]],
        sender=formataddr((mail["sender"]["name"], mail["sender"]["email"])),
        reply_to=mail.get("replyTo", {}).get("email", ""),
        subject=mail["subject"],
        text=mail["textContent"],
        html=mail["htmlContent"],
        metadata=json.loads(headers.pop("X-Mailin-custom")),
        headers=headers,
    )


def from_resend(request: Received) -> Arrived:
    mail = strictly(request.body)
    headers = mail["headers"]
    return Arrived(
        raw=request.body,
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


SES = Wire("ses", lambda url: {}, from_ses, lambda call: f"0100{call.sid[2:]}-000000")
SENDGRID = Wire(
    "sendgrid",
    lambda url: {"SENDGRID_API_KEY": "SG.key", "SENDGRID_API_URL": f"{url}/v3/"},
    from_sendgrid,
    lambda call: call.json["personalizations"][0]["custom_args"]["anymail_id"],
    no_tracking={"click_tracking": {"enable": False}, "open_tracking": {"enable": False}},
    says_ids=False,
)
MAILGUN = Wire(
    "mailgun",
    lambda url: {
        "MAILGUN_API_KEY": "key-1",
        "MAILGUN_API_URL": f"{url}/v3",
        "MAILGUN_SENDER_DOMAIN": "mg.corner-bar.example",
    },
    from_mailgun,
    lambda call: f"<2026.{call.sid}@mg.example.com>",
    no_tracking={"o:tracking-clicks": "no", "o:tracking-opens": "no"},
)
POSTMARK = Wire(
    "postmark",
    lambda url: {
        "POSTMARK_SERVER_TOKEN": "token-1",
        "POSTMARK_API_URL": url,
        "POSTMARK_MESSAGE_STREAM": "broadcast",
    },
    from_postmark,
    lambda call: str(UUID(call.sid[2:])),
    no_tracking={"TrackOpens": False, "TrackLinks": "None"},
)
BREVO = Wire(
    "brevo",
    lambda url: {"BREVO_API_KEY": "xkeysib-1", "BREVO_API_URL": f"{url}/v3/"},
    from_brevo,
    lambda call: f"<2026.{call.sid}@smtp-relay.mailin.example>",
    takes_images=False,
)
RESEND = Wire(
    "resend",
    lambda url: {"RESEND_API_KEY": "re_1", "RESEND_API_URL": url},
    from_resend,
    lambda call: str(UUID(call.sid[2:])),
)
WIRES = (SES, MAILGUN, POSTMARK, BREVO, SENDGRID, RESEND)


def sent(mail: OutboundEmail = MAIL) -> str:
    """Send over a connection of its own."""
    with transport_for(Channel.EMAIL) as transport:
        return transport.send(mail)


def failure(mail: OutboundEmail = MAIL) -> TransportError:
    with pytest.raises(TransportError) as caught:
        sent(mail)
    assert "maria" not in repr(caught.value)
    return caught.value
