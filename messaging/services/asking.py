"""Asking Twilio about texts it took and never reported on: a report that is lost is not sent again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.stopping import asked_to_stop
from messaging.models import Message
from messaging.services import events
from messaging.transports import Outcome, TransportError
from messaging.transports.text import TwilioTransport

logger = logging.getLogger(__name__)

ANSWERS = "twilio"
AFTER, UNTIL = timedelta(days=1), timedelta(days=4)  # the hand-over; carriers report within hours
ASKED = 3  # in `look_ups`, which reaches two for texts that were unknown
FOR_S = 10.0
LIMIT = 20  # a run; at a second each, the clock's other tasks do not wait long

Clock = Callable[[], datetime]


def ask_about_silent(*, clock: Clock) -> int:
    """Ask about texts that were sent a day ago and of which nothing was heard since, each once; return how many.

    Calls the provider: not to be used inside a transaction.
    """
    if settings.SMS_PROVIDER != ANSWERS:
        return 0
    silent = list(due(clock()).only("reference", "provider_id")[:LIMIT])
    if not silent:
        return 0
    asked, until = 0, time.monotonic() + FOR_S
    with TwilioTransport() as transport:
        for message in silent:
            if asked_to_stop() or time.monotonic() > until:
                break
            try:
                found = transport.ask(message.provider_id, reference=message.reference, at=clock())
            except TransportError as error:
                logger.warning("message %s was not asked about: %s", message.pk, error)
                if error.outcome != Outcome.REFUSED:  # it is away; nobody's question is spent
                    break
                found = None
            if found:
                events.take_in(ANSWERS, [found], at=clock())
            Message.objects.filter(pk=message.pk).update(look_ups=ASKED)
            asked += 1
    return asked


def due(at: datetime) -> QuerySet[Message]:
    """Return the texts to be asked about now, those that wait longest first. By campaign, as the index is."""
    campaigns = Campaign.objects.filter(channel=Channel.SMS, begun_at__gt=at - 2 * UNTIL)
    silent = Message.objects.filter(
        campaign__in=campaigns.values("pk"),
        status=Message.Status.ACCEPTED,
        provider=ANSWERS,
        handed_at__gt=at - UNTIL,
        handed_at__lte=at - AFTER,
        look_ups__lt=ASKED,
    )
    return silent.exclude(provider_id="").order_by("handed_at", "pk")
