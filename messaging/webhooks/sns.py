"""Amazon's notification service: who signed a call, and the answer to its question whether it is welcome.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from __future__ import annotations

import base64
import re
from urllib.parse import urlsplit

import requests
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from django.core.cache import cache

from messaging.webhooks.checked import Call, Refused, Unreadable, keys

TOPICS = "AWS_SNS_TOPIC_ARNS"
HOST = re.compile(r"sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?")
CERTIFICATE = re.compile(r"SimpleNotificationService-[0-9A-Za-z]+\.pem")
HASHES = {"1": SHA1, "2": SHA256}
SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
TIMEOUT_S = (3, 5)  # to connect, and for the answer; it hangs up itself after 15
MAX_FETCHED = 64 * 1024
KEEP_S = 24 * 3600  # a certificate

http = requests.Session()


class NotFetched(Exception):
    """Amazon did not answer, or not with what was asked for. The call should come again."""


def prove(call: Call) -> None:
    """Check topic and signature. Raises Refused, Unreadable, and NotFetched."""
    message, topics = call.fields, keys(TOPICS)
    if message.get("Type") not in SIGNED:
        raise Unreadable
    if message.get("TopicArn") not in topics:
        raise Refused("not a topic of AWS_SNS_TOPIC_ARNS")
    if not _is_signed(call, message):
        raise Refused("wrong signature")


def confirm(message: dict[str, str]) -> None:
    """Say that the calls of this topic are welcome. Raises Refused and NotFetched."""
    fetch(message.get("SubscribeURL", ""))


def _is_signed(call: Call, message: dict[str, str]) -> bool:
    algorithm = HASHES.get(message.get("SignatureVersion", ""))
    if algorithm is None:
        return False
    try:
        signature = base64.b64decode(message.get("Signature", ""), validate=True)
        signed = "".join(f"{name}\n{message[name]}\n" for name in SIGNED[message["Type"]] if name in message)
    except (ValueError, TypeError):
        return False
    certificate = _certificate(message.get("SigningCertURL", ""))
    if not certificate.not_valid_before_utc <= call.at <= certificate.not_valid_after_utc:
        return False
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey):
        return False
    try:
        key.verify(signature, signed.encode(), PKCS1v15(), algorithm())
    except InvalidSignature:
        return False
    return True


def _certificate(url: object) -> x509.Certificate:
    """Return Amazon's certificate: good because it comes from its own host, by https."""
    if not is_amazons(url) or not CERTIFICATE.fullmatch(str(url).split("/", 3)[-1]):
        raise Refused("no certificate's address")  # others of this host answer with what any customer wrote
    key = f"sns/certificate/{url}"
    pem: bytes | None = cache.get(key)
    try:
        certificate = x509.load_pem_x509_certificate(pem or (fetched := fetch(url)))
    except ValueError:
        raise NotFetched from None
    if pem is None:
        cache.set(key, fetched, KEEP_S)
    return certificate


def is_amazons(url: object) -> bool:
    """Whether an address is one of this service, and of nothing else: the call that names it is not trusted yet."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    # The name as a whole, so that neither a password nor a port nor a stray sign stands beside it.
    return parts.scheme == "https" and bool(HOST.fullmatch(parts.netloc)) and port is None


def fetch(url: object) -> bytes:
    """Return what one of Amazon's addresses answers, without following it elsewhere. Raises Refused and NotFetched."""
    if not is_amazons(url):
        raise Refused("an address that is not Amazon's")
    try:
        with http.get(str(url), timeout=TIMEOUT_S, allow_redirects=False, stream=True) as answer:
            body: bytes = answer.raw.read(MAX_FETCHED + 1, decode_content=True)
    except (requests.RequestException, OSError) as error:
        raise NotFetched from error
    if answer.status_code != 200 or len(body) > MAX_FETCHED:
        raise NotFetched
    return body
