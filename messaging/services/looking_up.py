"""Asking the provider what became of messages nobody answered for. It finds out; it never sends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Q, QuerySet

from campaigns.models import Campaign
from campaigns.queries import person_of
from campaigns.rendering import ContentError
from contacts.channels import Channel
from contacts.fields import DecryptionError
from contacts.models import Business
from contacts.stopping import asked_to_stop
from messaging.models import Message
from messaging.services.composing import Composer
from messaging.services.settling import settle_unknown
from messaging.transports import Outbound, Outcome, Transport, TransportError, transport_for

logger = logging.getLogger(__name__)

CAN_SAY = "twilio"  # the only provider that can be asked
AFTER = (timedelta(minutes=1), timedelta(minutes=10))  # the hand-over; when each look-up is due
FOR_S = 10.0  # then the rest waits for the next run
LIMIT = 20  # a run; at a second each, the clock's other tasks do not wait long

Clock = Callable[[], datetime]


def look_up_unknown(*, clock: Clock) -> int:
    """Ask Twilio for texts whose outcome is not known, those handed over last first; return how many were found.

    Each is asked for twice. What is not found stays unknown: a list that lacks it proves nothing. Calls the provider:
    not to be used inside a transaction.
    """
    if settings.SMS_PROVIDER != CAN_SAY:
        return 0
    pks = list(due(clock()).values_list("pk", flat=True)[:LIMIT])
    if not pks:
        return 0
    composer, found, until = Composer(Business.load()), 0, time.monotonic() + FOR_S
    with transport_for(Channel.SMS) as transport:
        for pk in pks:
            if asked_to_stop() or time.monotonic() > until:
                break
            try:
                found += _look_up(pk, composer, transport, clock)
            except TransportError as error:  # the provider is away; nobody's look-up is spent
                logger.warning("message %s was not looked up: %s", pk, error)
                break
            except Exception as error:  # costs this one its turn; named by its kind: texts may hold numbers
                logger.error("message %s was not looked up: %s", pk, type(error).__name__)
                Message.objects.filter(pk=pk).update(look_ups=F("look_ups") + 1)
    return found


def due(at: datetime) -> QuerySet[Message]:
    """Return the texts to be asked for now. By campaign, as the index is: unknown ones are few among many."""
    waits = Q()
    for look_ups, wait in enumerate(AFTER):
        waits |= Q(look_ups=look_ups, handed_at__lte=at - wait)
    campaigns = Campaign.objects.filter(channel=Channel.SMS, begun_at__isnull=False)
    return Message.objects.filter(
        waits,
        campaign__in=campaigns.values("pk"),
        status=Message.Status.UNKNOWN,
        provider__in=("", CAN_SAY),  # empty where the worker died
    ).order_by("-handed_at")


def _look_up(pk: int, composer: Composer, transport: Transport, clock: Clock) -> bool:
    """Ask for one and settle it, or note that it was asked for. Raises TransportError."""
    message = Message.objects.only("reference", "handed_at", "look_ups").get(pk=pk)
    assert message.handed_at is not None
    outbound = _compose(pk, composer)
    if provider_id := _ask(transport, outbound, message.handed_at):
        return settle_unknown(message.reference, provider_id=provider_id, at=clock())
    # Two that look at once count once: the second look must come when it is due.
    asked = Message.objects.filter(pk=pk, status=Message.Status.UNKNOWN, look_ups=message.look_ups)
    asked.update(look_ups=message.look_ups + 1)
    return False


def _ask(transport: Transport, outbound: Outbound | None, since: datetime) -> str | None:
    try:
        return transport.look_up(outbound, since=since) if outbound else None
    except TransportError as error:
        if error.outcome != Outcome.REFUSED:
            raise
        return None  # the question itself: asked for this one alone, it would keep all others from their turn


def _compose(pk: int, composer: Composer) -> Outbound | None:
    """Return the words as they were sent, to be compared; None where nobody can tell any more."""
    full = Message.objects.select_related("campaign__offer", "variant", "contact", "code")
    try:
        message = full.get(pk=pk)
        contact = message.contact
        to, index = (contact.phone, contact.address_index(Channel.SMS)) if contact else (None, None)
        if contact is None or to is None or index is None:
            return None
        return composer.compose(
            campaign=message.campaign,
            variant=message.variant,
            person=person_of(contact),
            to=to,
            address_index=index,
            code=message.code,
            reference=message.reference,
            message_id=message.pk,
        )
    except (DecryptionError, ContentError) as error:
        logger.warning("message %s cannot be composed again: %s", pk, type(error).__name__)
        return None
