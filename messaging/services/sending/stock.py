"""What a pump has at hand of one channel: messages it claimed, and those it composed."""

from __future__ import annotations

import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError
from django.utils.translation import gettext_noop

from campaigns import sms
from campaigns.models import Campaign, Variant
from campaigns.rendering import ContentError
from contacts.channels import Channel, deliverable
from contacts.models import Business
from messaging import rates, windows
from messaging.models import Message
from messaging.services import pacing, warming
from messaging.services.composing import Claimed, Composer, Guest, addressed
from messaging.services.sending import claiming, failing
from messaging.services.sending.handing import Caps, Row
from messaging.services.sending.leaving_out import leave_out
from messaging.transports import MergedEmail, Outbound, OutboundText, batch_limit

logger = logging.getLogger(__name__)

NO_SENDER = gettext_noop("The sender's address is missing. Set it under Business, then resume.")
CLAIM = 200  # messages claimed at a time
CLAIM_AHEAD_S = 10.0  # but no more than the provider's limits let through in this time
LOOK_AGAIN_S = 1.0  # for messages that came due, while calls are under way
SETTINGS_S = 5.0  # then what the owner set is read anew
LOAD = 32  # messages loaded at a time
COMPOSE_S = 0.01  # then finished calls are looked at again
BATCHES_ABOVE = 100_000  # people; smaller audiences are sent one by one, whatever is set
BATCH_CALLS = 4  # batch calls in flight
LAST_MINUTES = timedelta(minutes=2)  # of the hours for texts: too short for the way to the phone

Status, Reason = Message.Status, Message.Reason
Clock = Callable[[], datetime]


@dataclass(slots=True)
class Ready:
    """A composed call that waits to be handed over."""

    messages: list[Claimed]
    outbound: Outbound | MergedEmail

    @property
    def is_batch(self) -> bool:
        return isinstance(self.outbound, MergedEmail)

    @property
    def more_parts(self) -> int:
        """How many parts a text has beyond the first: providers count and limit parts."""
        return sms.measure(self.outbound.text).parts - 1 if isinstance(self.outbound, OutboundText) else 0

    def only(self, messages: Collection[Claimed]) -> Ready:
        """Return this call for some of its messages."""
        if not isinstance(self.outbound, MergedEmail) or len(messages) == len(self.messages):
            return Ready(list(messages), self.outbound)
        references = {str(message.reference) for message in messages}
        people = tuple(person for person in self.outbound.recipients if person.reference in references)
        return Ready(list(messages), replace(self.outbound, recipients=people))


class Stock:
    """Claims and composes ahead of the calls. `settled` is what needs no call, and is to be recorded."""

    def __init__(self, channel: Channel, *, pump: UUID, clock: Clock, register: Callable[[], None]) -> None:
        self.channel = channel
        self.ready: deque[Ready] = deque()
        self.settled: list[Row] = []
        self.taken = 0  # how many were claimed
        self.is_empty = False  # the last claim found nothing
        self._pump = pump
        self._clock = clock
        self._register = register  # called before anything is claimed
        self._unread: deque[int] = deque()  # claimed, and not loaded yet
        self._claimed: deque[Claimed] = deque()
        self._put_off: dict[datetime, list[int]] = defaultdict(list)  # by when their hours begin
        self._campaigns: dict[int, Campaign] = {}
        self._variants: dict[int, Variant] = {}
        self._claims_again_at = 0.0  # in seconds of time.monotonic
        self._read_settings()

    def _read_settings(self) -> None:
        self._settings_read_at = time.monotonic()
        self._business = Business.load()
        self._own_hours = windows.daily(self._business.texts_from, self._business.texts_until)
        self._composer = Composer(self._business)
        provider = pacing.settings_of(self.channel)
        self.caps = Caps.of(provider)
        self.limits = rates.parse(provider.rate)
        self._allowed = warming.allowance(self.channel, self._business, at=self._clock())
        self.is_limited = bool(self.limits)
        # A batch takes as many slots at once: with limits by the second or minute it would never get them.
        is_even = bool(self.limits.s or self.limits.m)
        self._batch = batch_limit(self.channel) if provider.uses_batches and not is_even else 0

    def __bool__(self) -> bool:
        return bool(self._unread or self._claimed or self.ready or self.settled)

    def has(self, campaign_id: int) -> bool:
        """Whether this campaign was being sent when it was last looked for some to claim."""
        return campaign_id in self._campaigns

    # --- Claim ---

    def look_again(self) -> None:
        """Look for due messages at the next step, though there were none a moment ago."""
        self._claims_again_at = 0.0

    @property
    def wants_more(self) -> bool:
        few = len(self._unread) + len(self._claimed) + len(self.ready) < settings.SEND_CONCURRENCY
        return few and time.monotonic() >= self._claims_again_at

    def claim(self, limit: int) -> bool:
        """Claim the next messages, up to `limit` in all; return whether there were any."""
        if time.monotonic() > self._settings_read_at + SETTINGS_S:
            self._read_settings()
        size = self._claim_size(limit - self.taken)
        if size < 1 or not self._has_sender():
            return False
        at = self._clock()
        self._campaigns = {campaign.pk: campaign for campaign in claiming.going(self.channel)}
        pks: list[int] = []
        if turns := self._turns():
            self._register()
            pks = claiming.claim(turns, pump=self._pump, at=at, limit=size, allowed=self._allowed)
        self.is_empty = not pks
        if not pks:
            self._claims_again_at = time.monotonic() + LOOK_AGAIN_S
            return False
        self.taken += len(pks)
        held = self._held()  # somebody put them back meanwhile, and they were claimed once more
        self._unread.extend(pk for pk in pks if pk not in held)
        return True

    def _held(self) -> set[int]:
        composed = {message.pk for ready in self.ready for message in ready.messages}
        return composed | set(self._unread) | {message.pk for message in self._claimed}

    def _has_sender(self) -> bool:
        """Whether the shop has an address to send from; where it was taken away, its campaigns pause."""
        if self.channel == Channel.EMAIL and not self._business.from_email:
            failing.stop_channel(self.channel, NO_SENDER)
            return False
        return True

    def _claim_size(self, limit: int) -> int:
        size = min(limit, self._batch * BATCH_CALLS if self._batch else CLAIM)
        while size > 4 and rates.seconds_for(self.limits, size) > CLAIM_AHEAD_S:
            size //= 2
        return size

    def _turns(self) -> list[Campaign]:
        """Return the campaigns, another one first each time: the one who comes last gets what is left.

        While a domain warms up, those wholly planned: who agreed last goes first, and may be planned last.
        """
        campaigns = [campaign for campaign in self._campaigns.values() if campaign.planned_at or not self._allowed]
        first = (self._pump.int + self.taken) % len(campaigns) if campaigns else 0
        return campaigns[first:] + campaigns[:first]

    # --- Compose ---

    def compose(self, *, is_enough: Callable[[], bool] = lambda: False) -> bool:
        """Compose some messages, until it is enough; return whether there were any."""
        did = False
        if self._unread and not self._claimed:
            self._load()
        until = time.monotonic() + COMPOSE_S
        while self._claimed and len(self.ready) < settings.SEND_CONCURRENCY:
            if did and (time.monotonic() > until or is_enough()):
                break
            did = True
            campaign = self._campaigns.get(self._claimed[0].campaign_id)
            if campaign is not None and self._goes_in_batches(self._claimed[0], campaign):
                self._compose_batch(campaign)
            else:
                self._compose_one(self._claimed.popleft(), campaign)
        self._put_back_put_off()
        return did

    def _put_back_put_off(self) -> None:
        """Put back whom texts may not reach at this hour: a whole town in one statement."""
        while self._put_off:
            opens, pks = next(iter(self._put_off.items()))
            failing.put_back(pks, pump=self._pump, at=self._clock(), not_before=opens)
            del self._put_off[opens]

    def _load(self) -> None:
        """Load some of what is claimed; not all at once, since finished calls wait meanwhile."""
        size = self._batch or LOAD
        pks = [self._unread.popleft() for _ in range(min(size, len(self._unread)))]
        loaded = claiming.load(pks, pump=self._pump, channel=self.channel, at=self._clock())
        if missing := {message.variant_id for message in loaded} - self._variants.keys():
            self._variants |= claiming.variants_of(missing)
        self._claimed.extend(loaded)

    def _goes_in_batches(self, message: Claimed, campaign: Campaign) -> bool:
        """Whether a message shares its call with others. One that was tried before goes alone: it may be to blame."""
        return self._batch > 0 and (campaign.size_at_launch or 0) > BATCHES_ABOVE and not message.attempts

    def _compose_one(self, message: Claimed, campaign: Campaign | None) -> None:
        try:
            if not self._may_be_composed(message, campaign):
                return
            outbound = self._outbound(message)
        except ContentError as error:
            self.settled.append(Row(message.pk, Status.FAILED, Reason.TOO_LONG if error.is_too_long else Reason.RENDER))
        except DatabaseError:
            raise
        except Exception as error:  # costs this one only; named by its kind: libraries put addresses into their texts
            logger.error("message %s not composed: %s", message.pk, type(error).__name__)
            self.settled.append(Row(message.pk, Status.FAILED, Reason.ERROR))
        else:
            self.ready.append(Ready([message], outbound))

    def _may_be_composed(self, message: Claimed, campaign: Campaign | None) -> bool:
        if campaign is None:  # it stopped since the claim
            self.leave_out([message])
            return False
        contact = message.contact
        if contact is None or not contact.to:
            self.settled.append(Row(message.pk, Status.SKIPPED, Reason.ERASED))
            return False
        return self.channel != Channel.SMS or self._is_open(message, campaign)

    def _is_open(self, message: Claimed, campaign: Campaign) -> bool:
        """Whether this person may be texted at this hour; where not, put the message off to when they may."""
        at, contact = self._clock(), message.contact
        assert contact is not None
        places = self._places_of(contact)
        try:
            opens = windows.next_open(places, at, self._own_hours)
            if opens <= at and windows.closes_at(places, at, self._own_hours) - at < LAST_MINUTES:
                opens = windows.next_open(places, windows.closes_at(places, at, self._own_hours), self._own_hours)
        except windows.NeverOpen:
            self.settled.append(Row(message.pk, Status.SKIPPED, Reason.NO_HOURS))
            return False
        if opens <= at:
            return True
        ends = campaign.offer.ends_at if campaign.offer else None
        if ends and ends <= opens:
            self.settled.append(Row(message.pk, Status.SKIPPED, Reason.TOO_LATE))
        else:
            self._put_off[opens].append(message.pk)
        return False

    def _outbound(self, message: Claimed) -> Outbound:
        contact = message.contact
        assert contact is not None
        to, index = contact.to, contact.index
        assert to is not None
        assert index is not None
        outbound = self._composer.compose(
            campaign=self._campaigns[message.campaign_id],
            variant=self._variants[message.variant_id],
            person=addressed(contact),
            to=deliverable(to) if self.channel == Channel.EMAIL else to,
            address_index=index,
            code=message.code,
            reference=message.reference,
            message_id=message.pk,
        )
        return self._timed(outbound, contact) if isinstance(outbound, OutboundText) else outbound

    def _timed(self, outbound: OutboundText, contact: Guest) -> OutboundText:
        """Say until when this person may be texted, and that it is to be known what becomes of the text."""
        at = self._clock()
        left = windows.closes_at(self._places_of(contact), at, self._own_hours) - at
        return replace(outbound, open_until_s=time.monotonic() + left.total_seconds(), is_tracked=True)

    def _places_of(self, contact: Guest) -> frozenset[windows.Place]:
        return windows.places_of(
            contact.to or "",
            contact.postal_code,
            self._business.timezone,
            region=contact.region,
            time_zone=contact.time_zone,
        )

    def _compose_batch(self, campaign: Campaign) -> None:
        """Compose one call for the next people of this campaign, all of one variant; who fits into none goes alone."""
        group: list[Claimed] = []
        variant = self._claimed[0].variant_id
        for message in list(self._claimed):
            if len(group) == self._batch:
                break
            if (message.campaign_id, message.variant_id, message.attempts) == (campaign.pk, variant, 0):
                self._claimed.remove(message)
                group.append(message)
        left = {str(message.reference): message for message in group}
        known = [message for message in group if message.contact]
        try:
            batches = self._composer.compose_batch(campaign, self._variants[variant], known)
        except Exception as error:  # alone, each shows whether it is to blame
            logger.error("a batch of campaign %s not composed: %s", campaign.pk, type(error).__name__)
            batches = []
        for merged in batches:
            self.ready.append(Ready([left.pop(person.reference) for person in merged.recipients], merged))
        for message in left.values():
            self._compose_one(message, campaign)

    # --- Put back ---

    def leave_out(self, messages: Iterable[Claimed]) -> None:
        """Record why these are not sent, or put them back."""
        leave_out([message.pk for message in messages], pump=self._pump, caps=self.caps, at=self._clock())

    def forget(self, campaign_id: int) -> None:
        """Drop what is at hand of a campaign; its rows are back in the queue."""
        self._campaigns.pop(campaign_id, None)
        self._claimed = deque(message for message in self._claimed if message.campaign_id != campaign_id)
        self.ready = deque(ready for ready in self.ready if ready.messages[0].campaign_id != campaign_id)

    def let_go(self) -> None:
        """Put back what is claimed and not handed over."""
        if self._unread or self._claimed or self.ready:
            self._unread.clear()
            self._claimed.clear()
            self.ready.clear()
            self.taken -= claiming.release(self._pump, at=self._clock(), channel=self.channel)
            self.look_again()
