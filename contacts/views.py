"""Pages a person reaches from a mail, without logging in."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from contacts.links import BadLink, Unsubscribe, read_unsubscribe_token
from contacts.models import Business, ChannelStatus, ConsentEvent
from contacts.queries import derive_states
from contacts.services import resubscribe, unsubscribe

UNDO_WORDING = "Undo on the unsubscribe page: I want to hear from you again."


@csrf_exempt  # mailbox providers post here without cookies; the token is the proof
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows the page and changes nothing, since mail scanners follow every link. POST unsubscribes (RFC 8058).

    Any body will do, and saying it twice is fine. Never a redirect.
    """
    link = _read(token)
    if request.method == "POST":
        one_click = request.POST.get("List-Unsubscribe") == "One-Click"
        unsubscribe(
            channel=link.channel,
            address_index=link.address_index,
            source=ConsentEvent.Source.ONE_CLICK if one_click else ConsentEvent.Source.UNSUBSCRIBE_PAGE,
            at=timezone.now(),
            reference=_reference(link),
            ip_address=request.META.get("REMOTE_ADDR"),
            user_agent=request.headers.get("User-Agent", "")[:300] or None,
        )
    return _page(request, token, link)


@csrf_exempt
@require_POST
def undo(request: HttpRequest, token: str) -> HttpResponse:
    """Take back an unsubscription by the person's own hand; bounces and complaints stay."""
    link = _read(token)
    resubscribe(
        channel=link.channel,
        address_index=link.address_index,
        source=ConsentEvent.Source.UNSUBSCRIBE_PAGE,
        at=timezone.now(),
        wording=UNDO_WORDING,
        ip_address=request.META.get("REMOTE_ADDR"),
        user_agent=request.headers.get("User-Agent", "")[:300] or None,
    )
    return _page(request, token, link)


def _read(token: str) -> Unsubscribe:
    try:
        return read_unsubscribe_token(token)
    except BadLink as error:
        raise Http404("No such page.") from error


def _reference(link: Unsubscribe) -> str:
    return f"message {link.message}" if link.message else ""


def _page(request: HttpRequest, token: str, link: Unsubscribe) -> HttpResponse:
    state = derive_states(link.channel, [link.address_index])[link.address_index].state
    response = render(
        request,
        "contacts/preferences.html",
        {
            "token": token,
            "business": Business.load().name,
            "channel": "e-mail" if link.channel == "email" else "text message",
            "subscribed": state == ChannelStatus.SUBSCRIBED,
            "can_undo": state == ChannelStatus.UNSUBSCRIBED,
        },
    )
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    response["Cache-Control"] = "no-store"
    return response
