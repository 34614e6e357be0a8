"""Calls as each provider makes them, with keys of our own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from django.test import Client

PAYLOADS = Path(__file__).parents[2] / "wire" / "payloads"
SENDGRID_KEY = ec.generate_private_key(ec.SECP256R1())
MAILGUN_KEY = "key-0123456789"
RESEND_SECRET = b"a secret of the Svix kind"
PASSWORD = "regulars:a long word"
TOPIC = "arn:aws:sns:us-east-1:123456789012:mail"
SNS_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CERTIFICATE_URL = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123.pem"


def payloads(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text())


def public_key(private: ec.EllipticCurvePrivateKey = SENDGRID_KEY) -> str:
    der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


KEYS = {
    "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY": [public_key()],
    "MAILGUN_WEBHOOK_SIGNING_KEY": [MAILGUN_KEY],
    "RESEND_WEBHOOK_SECRET": [f"whsec_{base64.b64encode(RESEND_SECRET).decode()}"],
    "WEBHOOK_SECRET": [PASSWORD],
    "AWS_SNS_TOPIC_ARNS": [TOPIC],
}


@dataclass
class Sent:
    """One call, ready to be made, again and again."""

    provider: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def post(self, client: Client, **changes: Any) -> Any:
        path = f"/webhooks/{changes.pop('provider', self.provider)}/tracking/"
        body = changes.pop("body", self.body)
        kind = changes.pop("content_type", "application/json")
        return client.post(path, body, content_type=kind, headers=self.headers | changes.pop("headers", {}))


def sendgrid(*events: Any, at: datetime, key: ec.EllipticCurvePrivateKey = SENDGRID_KEY) -> Sent:
    body, time = json.dumps(events).encode(), str(int(at.timestamp()))
    signature = key.sign(time.encode() + body, ec.ECDSA(SHA256()))
    return Sent(
        "sendgrid",
        body,
        {
            "X-Twilio-Email-Event-Webhook-Timestamp": time,
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        },
    )


def mailgun(event: Any, *, at: datetime, token: str = "", key: str = MAILGUN_KEY) -> Sent:
    time, token = str(int(at.timestamp())), token or uuid.uuid4().hex
    signature = hmac.new(key.encode(), f"{time}{token}".encode(), hashlib.sha256).hexdigest()
    block = {"timestamp": time, "token": token, "signature": signature}
    return Sent("mailgun", json.dumps({**event, "signature": block}).encode())


def resend(event: Any, *, at: datetime, name: str = "", secret: bytes = RESEND_SECRET) -> Sent:
    body, time, name = json.dumps(event).encode(), str(int(at.timestamp())), name or f"msg_{uuid.uuid4().hex}"
    made = hmac.new(secret, f"{name}.{time}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(made).decode()}"
    return Sent("resend", body, {"svix-id": name, "svix-timestamp": time, "svix-signature": signature})


def with_password(provider: str, event: Any, password: str = PASSWORD) -> Sent:
    value = base64.b64encode(password.encode()).decode()
    return Sent(provider, json.dumps(event).encode(), {"Authorization": f"Basic {value}"})


# --- Amazon -----------------------------------------------------------------------------------------------------------

CANONICAL = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}


def ses(event: Any, *, at: datetime, version: str = "2", key: rsa.RSAPrivateKey = SNS_KEY, **changes: Any) -> Sent:
    """Sign one event as Amazon's notification service does."""
    message = {
        "Type": "Notification",
        "MessageId": str(uuid.uuid4()),
        "TopicArn": TOPIC,
        "Subject": "Amazon SES Email Event Notification",
        "Message": event if isinstance(event, str) else json.dumps(event),
        "Timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE_URL,
    } | changes
    names = CANONICAL.get(message["Type"], CANONICAL["Notification"])
    signed = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    signature = key.sign(signed.encode(), PKCS1v15(), SHA1() if version == "1" else SHA256())
    message["Signature"] = base64.b64encode(signature).decode()
    return Sent("ses", json.dumps(message).encode(), {"x-amz-sns-message-type": message["Type"]})


def certificate(*, at: datetime, key: rsa.RSAPrivateKey = SNS_KEY, for_: timedelta = timedelta(days=365)) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(at - timedelta(days=400)).not_valid_after(at + for_)
    return built.sign(key, SHA256()).public_bytes(Encoding.PEM)


def now() -> datetime:
    return datetime.now(UTC)
