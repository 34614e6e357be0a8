"""What Twilio sends us: texts that come in, and reports of what became of those that went out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import wraps
from typing import Concatenate, ParamSpec
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from twilio.request_validator import RequestValidator
from twilio.twiml.messaging_response import MessagingResponse

from messaging.incoming import Incoming
from messaging.services import events, facts, receive_text
from messaging.transports.twilio_reports import report

MAX_BYTES = 64 * 1024
PROVIDER = "twilio"

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def from_twilio(view: View[P]) -> View[P]:
    """Let through what Twilio signed: 404 where texts do not go by Twilio, 403 without its signature, 413 if too big.

    Twilio signs the address it was given, so it is put together from PUBLIC_BASE_URL: what a request says of itself
    behind a proxy is another one.
    """

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if settings.SMS_PROVIDER != PROVIDER:
            raise Http404
        if not (request.META.get("CONTENT_LENGTH") or "0").isdigit():
            return HttpResponse(status=400)
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES:
            return HttpResponse(status=413)
        if not is_signed(request):
            facts.note_refusal(PROVIDER, at=timezone.now())
            return HttpResponse(status=403)
        return view(request, *args, **kwargs)

    return checked


def is_signed(request: HttpRequest) -> bool:
    """Whether Twilio signed this very address and these fields for this very account."""
    url = f"{settings.PUBLIC_BASE_URL}{request.get_full_path()}"
    signature = request.headers.get("X-Twilio-Signature", "")
    tokens = (settings.TWILIO_AUTH_TOKEN, *settings.TWILIO_OTHER_AUTH_TOKENS)
    valid = any(RequestValidator(token).validate(url, request.POST, signature) for token in tokens if token)
    account = request.POST.get("AccountSid", settings.TWILIO_ACCOUNT_SID)
    return valid and account == settings.TWILIO_ACCOUNT_SID


@csrf_exempt  # the signature is the proof
@require_POST
@from_twilio
def twilio_inbound(request: HttpRequest) -> HttpResponse:
    """Take one text in and answer it in TwiML; an empty answer sends nothing."""
    sender, provider_id = request.POST.get("From", ""), request.POST.get("MessageSid") or request.POST.get("SmsSid")
    if not sender or not provider_id:
        return HttpResponse(status=400)
    at = timezone.now()
    answer = receive_text(
        provider=PROVIDER,
        provider_id=provider_id,
        sender=sender,
        body=request.POST.get("Body", ""),
        provider_says=request.POST.get("OptOutType", ""),
        at=at,
    )
    with suppress(DatabaseError):  # it is for a page only; what the text asked for is done
        facts.note_call(PROVIDER, at=at)
    response = MessagingResponse()
    if answer:
        response.message(answer)
    return HttpResponse(str(response), content_type="text/xml")


@csrf_exempt  # the signature is the proof
@require_POST
@from_twilio
def twilio_status(request: HttpRequest, message: UUID) -> HttpResponse:
    """Take in what became of one text. The address names our message: Twilio reports to it, whatever it answered."""
    at = timezone.now()
    event = report_of(request.POST, message, at)
    if event is None:
        return HttpResponse(status=400)
    events.take_in(PROVIDER, [event], at=at)
    return HttpResponse(status=204)


def report_of(fields: QueryDict, reference: UUID, at: datetime) -> Incoming | None:
    """Return one report in the form of all providers; None: it lacks what makes one.

    Reports bear no time of their own, so `at` is when they came; they may be late, double, and in any order.
    """
    sid = fields.get("MessageSid") or fields.get("SmsSid") or ""
    status = fields.get("MessageStatus") or fields.get("SmsStatus") or ""
    if not sid or not status:
        return None
    code, to = fields.get("ErrorCode", ""), fields.get("To", "")
    return report(sid=sid, status=status, code=code, to=to, reference=reference, at=at, payload=fields.dict())
