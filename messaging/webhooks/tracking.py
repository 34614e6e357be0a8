"""The address where the e-mail provider reports what became of our mails."""

from __future__ import annotations

from contextlib import suppress
from types import ModuleType

from django.conf import settings
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from messaging.services import events, facts
from messaging.webhooks import brevo, mailgun, postmark, resend, sendgrid, ses
from messaging.webhooks.checked import Call, Refused, Unreadable, is_too_big, say_once
from messaging.webhooks.sns import NotFetched

PROVIDERS: dict[str, ModuleType] = {module.NAME: module for module in (brevo, mailgun, postmark, resend, sendgrid, ses)}


@csrf_exempt  # the signature, or the password, is the proof
def tracking(request: HttpRequest, provider: str) -> HttpResponse:
    """Take in what the provider in use reports. 200 says that all of it is stored, also what is of no use.

    404 for any other provider, 413 above 1 MB, 401 or 403 without the proof, 400 where it cannot be read, and 503
    where Amazon must be asked and does not answer: all but the last two repeat themselves until it is put right.
    """
    if provider not in PROVIDERS or provider != settings.EMAIL_PROVIDER:
        raise Http404
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        if is_too_big(request.META.get("CONTENT_LENGTH") or "0"):
            return HttpResponse(status=413)
        return _taken_in(provider, Call(request.body, request.headers, timezone.now()))
    except Unreadable:
        return HttpResponse(status=400)
    except NotFetched:
        say_once("sns", "Amazon could not be asked about a call of its webhook")
        return HttpResponse(status=503)


def _taken_in(provider: str, call: Call) -> HttpResponse:
    module = PROVIDERS[provider]
    try:
        try:
            module.prove(call)
        except (TypeError, ValueError, AttributeError):  # a stranger's JSON, of another shape than is read here
            raise Unreadable from None
        found = module.read(call)
    except Refused as refusal:
        facts.note_refusal(provider, at=call.at)
        say_once(provider, "a call of the webhook of %s was refused: %s", provider, refusal.why)
        headers = {"WWW-Authenticate": 'Basic realm="webhook"'} if refusal.status == 401 else {}
        return HttpResponse(status=refusal.status, headers=headers)
    events.take_in(provider, found, at=call.at)
    with suppress(DatabaseError):  # it is for a page only, and all the rest is stored
        facts.note_call(provider, at=call.at)
    return HttpResponse()
