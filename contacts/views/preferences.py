"""The page every message leads to: what a person gets, and how to get less, nothing, or all of it again."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from contacts import services
from contacts.channels import Channel, mask_email, mask_phone
from contacts.links import BadLink, Unsubscribe, read_unsubscribe_token
from contacts.models import ChannelStatus, ConsentEvent, Contact
from contacts.queries import derive_states
from contacts.views.visitors import page, visitor_of

UNDO_WORDING = gettext_lazy("Undo on the unsubscribe page: I want to hear from you again.")


@dataclass(frozen=True, slots=True)
class Other:
    """The person's other channel, as the page shows it."""

    is_email: bool
    masked: str
    subscribed: bool
    can_undo: bool


@csrf_exempt  # mailbox providers post here without cookies; the token is the proof
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows the page and changes nothing, since mail scanners follow every link. POST unsubscribes (RFC 8058).

    Any body will do, and saying it twice is fine. Never a redirect.
    """
    link = _read(token)
    if request.method == "POST":
        one_click = request.POST.get("List-Unsubscribe") == "One-Click"
        source = ConsentEvent.Source.ONE_CLICK if one_click else ConsentEvent.Source.UNSUBSCRIBE_PAGE
        _unsubscribe(request, link.channel, link.address_index, source, link)
    return _page(request, token, link)


@csrf_exempt
@require_POST
def undo(request: HttpRequest, token: str) -> HttpResponse:
    """Take back an unsubscription by the person's own hand; bounces and complaints stay."""
    link = _read(token)
    _resubscribe(request, link.channel, link.address_index)
    return _page(request, token, link, done="back")


@csrf_exempt
@require_POST
def fewer(request: HttpRequest, token: str) -> HttpResponse:
    """At most one message a month, from now on."""
    return _set_fewer(request, token, fewer=True)


@csrf_exempt
@require_POST
def every(request: HttpRequest, token: str) -> HttpResponse:
    """All messages again."""
    return _set_fewer(request, token, fewer=False)


@csrf_exempt
@require_POST
def stop_other(request: HttpRequest, token: str) -> HttpResponse:
    """Unsubscribe the other channel of the same person."""
    link = _read(token)
    if address := _other_address(link):
        channel, index = address
        _unsubscribe(request, channel, index, ConsentEvent.Source.UNSUBSCRIBE_PAGE, link)
    return _page(request, token, link)


@csrf_exempt
@require_POST
def undo_other(request: HttpRequest, token: str) -> HttpResponse:
    """Take back what was done on this page to the other channel, and nothing else: a STOP is lifted by text alone."""
    link = _read(token)
    address = _other_address(link)
    if address and services.may_undo_on_page(*address):
        _resubscribe(request, *address)
    return _page(request, token, link)


def _set_fewer(request: HttpRequest, token: str, *, fewer: bool) -> HttpResponse:
    link = _read(token)
    services.set_fewer_messages(channel=link.channel, address_index=link.address_index, fewer=fewer)
    return _page(request, token, link, done="fewer" if fewer else "every")


def _read(token: str) -> Unsubscribe:
    try:
        return read_unsubscribe_token(token)
    except BadLink as error:
        raise Http404("No such page.") from error


def _unsubscribe(
    request: HttpRequest, channel: Channel, index: bytes, source: ConsentEvent.Source, link: Unsubscribe
) -> None:
    visitor = visitor_of(request)
    services.unsubscribe(
        channel=channel,
        address_index=index,
        source=source,
        at=timezone.now(),
        reference=f"message {link.message}" if link.message else "",
        ip_address=visitor.ip_address,
        user_agent=visitor.user_agent,
    )


def _resubscribe(request: HttpRequest, channel: Channel, index: bytes) -> None:
    visitor = visitor_of(request)
    services.resubscribe(
        channel=channel,
        address_index=index,
        source=ConsentEvent.Source.UNSUBSCRIBE_PAGE,
        at=timezone.now(),
        wording=str(UNDO_WORDING),  # in the language of the page it was read on
        ip_address=visitor.ip_address,
        user_agent=visitor.user_agent,
    )


def _contact(link: Unsubscribe) -> Contact | None:
    contact: Contact | None = Contact.objects.with_address(link.channel, link.address_index).first()
    return contact


def _other_address(link: Unsubscribe) -> tuple[Channel, bytes] | None:
    contact = _contact(link)
    other = Channel.SMS if link.channel == Channel.EMAIL else Channel.EMAIL
    index = contact.address_index(other) if contact else None
    return None if index is None else (other, index)


def _other(contact: Contact | None, link: Unsubscribe) -> Other | None:
    """Return the other channel where there is something to decide about it."""
    channel = Channel.SMS if link.channel == Channel.EMAIL else Channel.EMAIL
    address = contact.address(channel) if contact else None
    index = contact.address_index(channel) if contact else None
    if address is None or index is None:
        return None
    subscribed = derive_states(channel, [index])[index].state == ChannelStatus.SUBSCRIBED
    can_undo = not subscribed and services.may_undo_on_page(channel, index)
    masked = mask_email(address) if channel == Channel.EMAIL else mask_phone(address)
    return Other(channel == Channel.EMAIL, masked, subscribed, can_undo) if subscribed or can_undo else None


def _page(request: HttpRequest, token: str, link: Unsubscribe, *, done: str = "") -> HttpResponse:
    """Show where things stand; `done` is what was just asked for here."""
    state = derive_states(link.channel, [link.address_index])[link.address_index].state
    contact = _contact(link)
    context = {
        "token": token,
        "is_email": link.channel == Channel.EMAIL,
        "subscribed": state == ChannelStatus.SUBSCRIBED,
        "can_undo": state == ChannelStatus.UNSUBSCRIBED,
        "done": done,
        "known": contact is not None,
        "fewer": bool(contact and contact.fewer_messages),
        "other": _other(contact, link),
    }
    return page(request, "preferences", context)
