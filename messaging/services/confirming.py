"""Asking people who signed up whether it was them. A mail with the shop's own words and a link, or a text.

The same discipline as for campaigns: `handed_at` is written, and committed, before the provider is called. What was
handed over with no answer is never repeated by itself; the person can ask again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import override

from campaigns import sms
from campaigns.queries import look_of, shop_of
from campaigns.rendering import CONTROL, layout, look_values, shop_values
from contacts.channels import AddressError, Channel, deliverable
from contacts.fields import DecryptionError, keyed_hash
from contacts.links import confirmation_url
from contacts.models import Business, Confirmation, Suppression
from contacts.services import suppress
from contacts.stopping import asked_to_stop
from messaging.services import pacing
from messaging.services.composing import sender_of
from messaging.services.sending import retry_delay_s
from messaging.transports import (
    Outbound,
    OutboundEmail,
    OutboundText,
    Outcome,
    Transport,
    TransportError,
    transport_for,
)

logger = logging.getLogger(__name__)

BATCH = 20
MAX_ATTEMPTS = 12  # about ten hours; afterwards the person will have given up too
TURN_S = 3.0  # the longest wait for a slot; a worker has other things to do
FOR_S = 5.0  # at a time: campaigns are under way meanwhile
NO_TURN = timedelta(seconds=30)
NO_SENDER = timedelta(minutes=10)  # until the owner has typed in the sender's address

Clock = Callable[[], datetime]


def confirm_due(*, clock: Clock, batch: int = BATCH) -> int:
    """Send the confirmations that wait, up to `batch` of each channel; return how many were looked at."""
    until = time.monotonic() + FOR_S
    return sum(_send_channel(channel, clock, batch, until) for channel in Channel)


def waiting(channel: Channel, at: datetime) -> QuerySet[Confirmation]:
    """Return the confirmations to be sent now, the oldest first."""
    kept_away = Suppression.objects.filter(
        channel=channel, address_index=OuterRef("address_index"), lifted_at=None
    ).exclude(reason__in=Suppression.THEIR_WORD)
    return Confirmation.objects.filter(
        ~Exists(kept_away),
        Q(not_before=None) | Q(not_before__lte=at),
        channel=channel,
        is_muted=False,
        handed_at=None,
        confirmed_at=None,
        expires_at__gt=at,
        attempts__lt=MAX_ATTEMPTS,
    ).order_by("pk")


def _send_channel(channel: Channel, clock: Clock, batch: int, until: float) -> int:
    due = list(waiting(channel, clock()).values_list("pk", flat=True)[:batch])
    if not due:
        return 0
    business = Business.load()
    if channel == Channel.EMAIL and not business.from_email:
        logger.warning("%s confirmations wait: the business has no sender address", len(due))
        Confirmation.objects.filter(pk__in=due).update(not_before=clock() + NO_SENDER)
        return 0
    try:
        with transport_for(channel) as transport:
            _send_all(due, channel, business, transport, clock, until)
    except TransportError as error:  # the connection itself: nothing was handed over
        _put_off(due, error, clock())
    return len(due)


def _send_all(
    due: list[int], channel: Channel, business: Business, transport: Transport, clock: Clock, until: float
) -> None:
    """Send one by one, each at the next free slot of the provider: people wait for these."""
    for position, pk in enumerate(due):
        if asked_to_stop() or time.monotonic() > until:
            return
        if not pacing.wait_turn(channel, at_most_s=TURN_S):
            Confirmation.objects.filter(pk__in=due[position:]).update(not_before=clock() + NO_TURN)
            return
        error = _send_one(pk, channel, business, transport, clock)
        if error and error.outcome == Outcome.BUSY:
            pacing.failed(channel, error.retry_after_s)
        if error and error.outcome in {Outcome.STOP, Outcome.BUSY}:
            _put_off(due[position + 1 :], error, clock())
            return
        if error and error.outcome == Outcome.UNKNOWN:  # it took its time; campaigns wait
            return


def _send_one(
    pk: int, channel: Channel, business: Business, transport: Transport, clock: Clock
) -> TransportError | None:
    """Send one; return the provider's refusal, if any, after it was recorded. Other errors cost this one only.

    They are named in the log by their kind alone: libraries put addresses into their texts.
    """
    try:
        row = Confirmation.objects.select_related("contact", "form").get(pk=pk)
        outbound = compose(row, business)
        if outbound is None or not _hand_over(row, clock()):
            return None
        transport.send(outbound)
    except TransportError as error:
        _record_failure(pk, channel, error, clock())
        return error
    except (DecryptionError, AddressError, Confirmation.DoesNotExist) as error:
        logger.error("confirmation %s cannot be sent: %s", pk, type(error).__name__)
        Confirmation.objects.filter(pk=pk).update(attempts=MAX_ATTEMPTS)
        return None
    except Exception as error:
        logger.error("confirmation %s not sent: %s", pk, type(error).__name__)
        Confirmation.objects.filter(pk=pk).update(attempts=MAX_ATTEMPTS)
        return None
    Confirmation.objects.filter(pk=pk).update(sent_at=clock())
    return None


def _hand_over(row: Confirmation, at: datetime) -> bool:
    """Mark the row as handed over, if it still waits: of two workers, one goes on."""
    return bool(waiting(Channel(row.channel), at).filter(pk=row.pk).order_by().update(handed_at=at))


def _record_failure(pk: int, channel: Channel, error: TransportError, at: datetime) -> None:
    logger.warning("confirmation %s not accepted: %s", pk, error)
    row = Confirmation.objects.defer("details", "ip_address", "user_agent").get(pk=pk)
    if error.suppress:
        suppress(
            channel=channel,
            address_index=bytes(row.address_index),
            reason=Suppression.Reason(error.suppress),
            at=at,
            source=error.code,
        )
    if error.outcome in {Outcome.BUSY, Outcome.RETRY, Outcome.STOP}:
        _put_off([pk], error, at)


def _put_off(pks: list[int], error: TransportError, at: datetime) -> None:
    """Not sent, for sure: try again later."""
    for row in Confirmation.objects.filter(pk__in=pks).only("attempts"):
        delay = timedelta(seconds=retry_delay_s(row.attempts, error.retry_after_s))
        Confirmation.objects.filter(pk=row.pk).update(handed_at=None, attempts=row.attempts + 1, not_before=at + delay)


def compose(row: Confirmation, business: Business) -> Outbound | None:
    """Return what one person gets, in the shop's words and language; None where the contact has another address now."""
    channel = Channel(row.channel)
    contact = row.contact
    if contact is None or contact.address_index(channel) != bytes(row.address_index):
        return None
    to = contact.address(channel)
    assert to is not None
    reference = str(UUID(bytes=keyed_hash("confirmation-reference", str(row.pk))[:16]))
    if channel == Channel.SMS:
        return OutboundText(reference=reference, to=to, text=text_of(business))
    with override(settings.LANGUAGE_CODE):
        subject = _("Please confirm: news from %(shop)s") % {"shop": business.name}
    subject = " ".join(CONTROL.sub(" ", subject).split())
    values = {
        "shop": shop_values(shop_of(business)),
        "look": look_values(look_of()),
        "url": confirmation_url(row.pk),
        "wording": row.wording,
        "subject": subject,
    }
    return OutboundEmail(
        reference=reference,
        to=deliverable(to),
        from_email=sender_of(business),
        reply_to=business.reply_to,
        subject=subject,
        text=layout("confirm.txt", settings.LANGUAGE_CODE).render(**values),
        html=layout("confirm.html", settings.LANGUAGE_CODE).render(**values),
    )


def text_of(business: Business) -> str:
    """Return the text that asks; in one part for a name of up to 37 letters."""
    name = sms.plain(sms.fold(business.name))
    with override(settings.LANGUAGE_CODE):
        words = _(
            "%(shop)s: Reply YES to get our offers by text. Msg frequency varies. Msg&data rates may apply. "
            "Reply STOP to end, HELP for help."
        )
    return words % {"shop": name}
