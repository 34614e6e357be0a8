"""Amazon SES: Anymail's request, signed by botocore, over a connection of our own."""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cache
from typing import Any

import botocore.session
from anymail.backends import amazon_ses
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError
from django.conf import settings
from django.core.mail import EmailMessage

from messaging.transports.addresses import with_quick_addresses
from messaging.transports.base import Outcome, TransportError
from messaging.transports.http import Answer, KeptOpen, refusal

PATH = "/v2/email/outbound-emails"  # https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
SERVICE = "ses"

Payload = with_quick_addresses(amazon_ses.AmazonSESV2SendEmailPayload)

# https://docs.aws.amazon.com/ses/latest/APIReference-V2/CommonErrors.html, and those of SendEmail.
BUSY_CODES = frozenset(
    {"TooManyRequestsException", "Throttling", "ThrottlingException", "RequestThrottled", "LimitExceededException"}
)
STOP_CODES = frozenset(
    {
        "AccountSuspendedException",
        "ConfigurationSetDoesNotExistException",
        "IncompleteSignature",
        "MailFromDomainNotVerifiedException",
        "MessageRejected",  # an address that is not verified, for the most part
        "RequestExpired",  # this machine's clock
        "SendingPausedException",
    }
)


class Backend(amazon_ses.EmailBackend):  # type: ignore[misc]  # Anymail carries no types
    """Anymail's backend without boto3's client, which takes longer for a mail than all the rest, and repeats by itself.

    Keys come from where botocore looks for them: the AWS variables, its files, the machine's role.
    """

    client: KeptOpen | None

    def open(self) -> bool:
        """Get ready to connect; return whether that was new, in which case the caller closes."""
        if self.client is not None:
            return False
        self.url = f"{endpoint()}{PATH}"
        self.client = KeptOpen(self.url)
        return True

    def close(self) -> None:
        if self.client is not None:
            self.client.close()
            self.client = None

    def build_message_payload(self, message: EmailMessage, defaults: Any) -> Any:
        return Payload(message, defaults, self)

    def post_to_esp(self, payload: Any, message: EmailMessage) -> Any:
        """Return the decoded answer, `MessageId` in it. Raises TransportError."""
        payload.finalize_payload()
        content = payload.params["Content"]["Raw"]
        content["Data"] = b64encode(content["Data"]).decode()
        body = json.dumps(payload.params).encode()
        assert self.client is not None
        answer = self.client.request("POST", self.url, body=body, headers=signed(self.url, body))
        if not answer.is_good:
            raise from_answer(answer)
        try:
            return {"MessageId": str(json.loads(answer.body)["MessageId"])}
        except (ValueError, KeyError, TypeError):
            raise TransportError(Outcome.UNKNOWN, "unreadable answer") from None


def endpoint() -> str:
    """Return the address of SES in the region of the settings, or the one that takes its place."""
    region = settings.AWS_REGION
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return str(settings.EMAIL_API_URL).rstrip("/") or f"https://email.{region}.{suffix}"


def signed(url: str, body: bytes) -> dict[str, str]:
    """Return the headers of a request, its signature among them. Raises TransportError: STOP without keys."""
    request = AWSRequest("POST", url, headers={"Content-Type": "application/json"}, data=body)
    try:
        keys = _credentials().get_frozen_credentials()
    except BotoCoreError as error:
        raise TransportError(Outcome.BUSY, type(error).__name__) from None
    SigV4Auth(keys, SERVICE, settings.AWS_REGION).add_auth(request)
    return dict(request.headers.items())


@cache
def _credentials() -> Credentials:
    """Return the keys of this process; those of a role renew themselves. Raises TransportError: STOP without any."""
    try:
        found = botocore.session.Session().get_credentials()
    except BotoCoreError as error:
        raise TransportError(Outcome.STOP, type(error).__name__) from None
    if found is None:
        raise TransportError(Outcome.STOP, "no AWS keys")
    return found


def from_answer(answer: Answer) -> TransportError:
    """Sort a refusal by its name, where it has one."""
    code = answer.headers.get("x-amzn-ErrorType", "").partition(":")[0]
    if code in BUSY_CODES:
        return TransportError(Outcome.BUSY, code)
    if code in STOP_CODES:
        return TransportError(Outcome.STOP, code)
    return refusal(answer, code)
