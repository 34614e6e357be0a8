"""What Twilio sends us: texts that come in, and receipts of those that went out."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from twilio.request_validator import RequestValidator
from twilio.twiml.messaging_response import MessagingResponse

from messaging.services import receive_text

MAX_BYTES = 64 * 1024

View = Callable[[HttpRequest], HttpResponse]


def from_twilio(view: View) -> View:
    """Let through what Twilio signed: 404 where texts do not go by Twilio, 403 without its signature, 413 if too big.

    Twilio signs the address it was given, so it is put together from PUBLIC_BASE_URL: what a request says of itself
    behind a proxy is another one.
    """

    @wraps(view)
    def checked(request: HttpRequest) -> HttpResponse:
        if settings.SMS_PROVIDER != "twilio":
            raise Http404
        if not (request.META.get("CONTENT_LENGTH") or "0").isdigit():
            return HttpResponse(status=400)
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES:
            return HttpResponse(status=413)
        return view(request) if is_signed(request) else HttpResponse(status=403)

    return checked


def is_signed(request: HttpRequest) -> bool:
    """Whether Twilio signed this very address and these fields for this very account."""
    url = f"{settings.PUBLIC_BASE_URL}{request.get_full_path()}"
    signature = request.headers.get("X-Twilio-Signature", "")
    valid = RequestValidator(settings.TWILIO_AUTH_TOKEN).validate(url, request.POST, signature)
    account = request.POST.get("AccountSid", settings.TWILIO_ACCOUNT_SID)
    return bool(valid) and account == settings.TWILIO_ACCOUNT_SID


@csrf_exempt  # the signature is the proof
@require_POST
@from_twilio
def twilio_inbound(request: HttpRequest) -> HttpResponse:
    """Take one text in and answer it in TwiML; an empty answer sends nothing."""
    sender, provider_id = request.POST.get("From", ""), request.POST.get("MessageSid") or request.POST.get("SmsSid")
    if not sender or not provider_id:
        return HttpResponse(status=400)
    answer = receive_text(
        provider="twilio",
        provider_id=provider_id,
        sender=sender,
        body=request.POST.get("Body", ""),
        provider_says=request.POST.get("OptOutType", ""),
        at=timezone.now(),
    )
    response = MessagingResponse()
    if answer:
        response.message(answer)
    return HttpResponse(str(response), content_type="text/xml")
