"""One channel's way from ready to recorded: hand over, send, record.

The thread that steps a lane is the only one that touches the database; the senders only talk to the provider. What is
handed over and not yet recorded never exceeds `SEND_CONCURRENCY` calls: that is what a sudden death leaves unknown.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from queue import SimpleQueue
from threading import Event
from uuid import UUID

from django.conf import settings
from django.db import transaction

from contacts.channels import Channel
from messaging.rates import Slots
from messaging.services import pacing
from messaging.services.composing import Claimed
from messaging.services.sending import failing, handing
from messaging.services.sending.steadily import steadily
from messaging.services.sending.stock import BATCH_CALLS, Clock, Ready, Stock
from messaging.services.sending.threads import NEVER_LATE, Answer, Job, Senders
from messaging.transports import Outcome, TransportError, transport_for

logger = logging.getLogger(__name__)

WAIT_S = 35.0  # for a slot that comes later than this, a worker does not stay: two a minute are waited for
SHORTEST_WAIT_S = 0.005  # between two questions for a slot
FREE_S = 0.25  # between two looks whether the provider asked everybody to wait, where nothing else limits it
REST_S = 0.1  # of which the share is taken in which there is nothing to do
LEAST_REST = 0.2  # without latency it is a fiftieth
PRAISE_S = 1.0  # between two notes that the provider is well


class Occupancy:
    """What sets the pace: the provider, which most calls wait for, or this process, which has always something to do.

    A call counts as under way while its thread waits for the interpreter, too; so it takes both to tell.
    """

    def __init__(self) -> None:
        self._calls = 0
        self._rest = 0.0  # its share of the time
        self._rested_s = 0.0
        self._rests_since: float | None = None
        self._began_at = time.monotonic()

    def look(self, calls: int) -> None:
        now = time.monotonic()
        self._calls = calls
        if self._rests_since is not None:
            self._rested_s += now - self._rests_since
            self._rests_since = None
        if (seconds := now - self._began_at) > REST_S:
            self._rest = self._rested_s / seconds
            self._rested_s, self._began_at = 0.0, now

    def rests(self) -> None:
        """Note that there is nothing to do until the next look."""
        self._rests_since = time.monotonic()

    @property
    def is_high(self) -> bool:
        """Whether most connections wait for the provider, and so does this process."""
        return self._calls > settings.SEND_CONCURRENCY / 2 and self._rest > LEAST_REST


class Lane:
    """What one pump does for one channel."""

    def __init__(
        self, channel: Channel, *, pump: UUID, clock: Clock, register: Callable[[], None], arrived: Event
    ) -> None:
        self.channel = channel
        self.stock = Stock(channel, pump=pump, clock=clock, register=register)
        self._pump = pump
        self._clock = clock
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self._senders = Senders(lambda: transport_for(channel), answers=self._answers, arrived=arrived)
        self._occupancy = Occupancy()
        self._batches = 0  # batch calls in flight
        self._late: deque[Job] = deque()
        self._finished: list[Answer] = []
        self._failures: Counter[int] = Counter()  # one after the other, by campaign
        self._sent: list[Claimed] = []  # accepted, and not yet noted
        self._asks_again_at = 0.0  # in seconds of time.monotonic: no slot is free, or the provider away, until then
        self._free_until = 0.0
        self._late_asks_at = 0.0
        self._owed = 0  # slots for further parts of a text that left: the next one waits for them
        self._praised_at = 0.0
        self._tolerance_s = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether there is something at hand or under way."""
        return bool(self.stock or self._late or self._finished or self._senders.busy)

    @property
    def is_worth_waiting(self) -> bool:
        """Whether calls are under way, or what is at hand, or was a moment ago, may go soon."""
        waits_s = self._waits_s
        return self._senders.busy > 0 or 0 < waits_s <= WAIT_S or (self.is_busy and not waits_s)

    @property
    def _waits_s(self) -> float:
        """Seconds until a slot may be free."""
        return max(0.0, self._asks_again_at - time.monotonic())

    def step(self, *, may_claim: bool, limit: int) -> bool:
        """Do what can be done now, without waiting for a provider; return whether anything was done."""
        self._occupancy.look(self._senders.busy - self._answers.qsize())
        did = self._step(may_claim=may_claim, limit=limit)
        if not did:
            self._occupancy.rests()
        return did

    def _step(self, *, may_claim: bool, limit: int) -> bool:
        self._collect()
        if self._has_next and self._exchange():  # senders first: while they are idle, nothing is under way
            return True
        did = may_claim and self.stock.wants_more and not self._is_blocked() and self.stock.claim(limit)
        did = self.stock.compose(is_enough=self._may_go_on) or did
        return self._exchange() or did

    @property
    def _has_next(self) -> bool:
        """Whether enough calls are composed to be handed over together."""
        return len(self.stock.ready) >= self._group

    def _may_go_on(self) -> bool:
        """Whether so many calls have ended that the next ones may be handed over."""
        self._let_senders_go_on()
        return self._has_next and self._answers.qsize() + len(self._finished) >= self._group

    def _let_senders_go_on(self) -> None:
        """Give up the interpreter for a moment: a sender that waits for it holds a connection. It costs a turn, so only
        where connections are what is short.
        """
        if self._occupancy.is_high:
            time.sleep(0)

    def _collect(self) -> None:
        while not self._answers.empty():
            answer = self._answers.get()
            self._senders.answered()
            self._batches -= answer.job.is_batch
            if answer.is_late:
                self._late.append(answer.job)
            else:
                self._finished += answer.parts()

    def _is_blocked(self) -> bool:
        """Whether the provider asked everybody to wait, is away, or has no slot now."""
        if self._waits_s:
            return True
        if wait_s := pacing.blocked_for(self.channel):
            self._asks_again_at = time.monotonic() + wait_s
        return wait_s > 0

    # --- Hand over and record ---

    def _exchange(self) -> bool:
        """Record what is finished and hand over what is ready, in one transaction; then let the senders have it."""
        is_away = any(answer.error and answer.error.outcome == Outcome.BUSY for answer in self._finished)
        calls = [] if is_away else self._next_calls()
        if not (calls or self.stock.settled or is_away or self._should_record()):
            return self._retry_late()
        finished, self._finished = self._finished, []
        for answer in finished:
            self._count(answer)
        settled, self.stock.settled = self.stock.settled, []
        messages, at = [message for ready, _ in calls for message in ready.messages], self._clock()
        outcome = failing.sort(finished, at=at)

        @transaction.atomic
        def record_and_hand_over() -> set[int]:
            self._lock_counted(messages)  # people first, then messages, as everywhere
            handing.record(settled + outcome.rows, pump=self._pump, at=at)
            for not_before, pks in outcome.back.items():
                failing.put_back(pks, pump=self._pump, at=at, not_before=not_before)
            if outcome.untried:
                failing.put_back_untried(outcome.untried, pump=self._pump, at=at)
            return self._hand_over(messages, at)

        handed = steadily(record_and_hand_over)
        self._submit(calls, handed)
        self._let_senders_go_on()
        self._settle(finished, at)
        self._retry_late()
        return True

    @property
    def _group(self) -> int:
        """As many calls are handed over at a time where there are more to come: each turn costs a transaction.

        While the provider sets the pace, no sender waits for others. Half of the calls is the most that never has to be
        waited for: where fewer are free, more than half are under way, and that is when the provider sets the pace.
        """
        return 1 if self._occupancy.is_high else int(max(1, settings.SEND_CONCURRENCY // 2))

    def _should_record(self) -> bool:
        """Whether finished calls are to be written down now, and not together with the next hand-over."""
        waits_for_others = self.stock.ready and self._senders.busy and not self._waits_s
        return len(self._finished) >= (self._group if waits_for_others else 1)

    def _next_calls(self) -> list[tuple[Ready, float]]:
        """Take calls for which a sender and a slot are free, each with its slot (of time.monotonic)."""
        ready = self.stock.ready
        free = min(settings.SEND_CONCURRENCY - self._senders.busy - len(self._late), len(ready))
        waits_for_others = self._senders.busy and len(ready) > free
        if free < 1 or self._waits_s > 0 or (free < self._group and waits_for_others):
            return []
        next_ones = self._up_to(free)
        wanted = sum(len(call.messages) + call.more_parts for call in next_ones)
        if not wanted:
            return []
        slots = self._reserve(wanted + self._owed)
        now = time.monotonic()  # the hand-over that follows takes its time, and moves no slot
        paid = min(self._owed, len(slots.waits))
        self._owed, waits = self._owed - paid, slots.waits[paid:]
        calls: list[tuple[Ready, float]] = []
        used = 0
        for call in next_ones:
            room = min(len(call.messages), len(waits) - used)
            if room < 1:
                break
            slot = now + waits[used + room - 1]
            used += room + call.more_parts  # of its further parts, those without a slot are owed
            ready.popleft()
            calls.append((call.only(call.messages[:room]), slot))
            if room < len(call.messages):  # of a batch, so many as there are slots
                ready.appendleft(call.only(call.messages[room:]))
                break
        if not calls:
            self._asks_again_at = now + max(SHORTEST_WAIT_S, slots.retry_in_s)
        self._tolerance_s = slots.tolerance_s
        self._owed += max(0, used - len(waits))
        return calls

    def _reserve(self, wanted: int) -> Slots:
        """Take slots. Where there are no limits, it is only looked now and then whether everybody is to wait."""
        if not self.stock.is_limited and time.monotonic() < self._free_until:
            return Slots((0.0,) * wanted)
        slots = pacing.reserve(self.channel, wanted, limits=self.stock.limits)
        if slots.waits and not self.stock.is_limited:
            self._free_until = time.monotonic() + FREE_S
        return slots

    def _up_to(self, free: int) -> list[Ready]:
        """Return the next calls there is room for, of batches no more than a few."""
        calls, batches = [], self._batches
        for ready in list(self.stock.ready)[:free]:
            batches += ready.is_batch
            if ready.is_batch and batches > BATCH_CALLS:
                break
            calls.append(ready)
        return calls

    def _hand_over(self, messages: Collection[Claimed], at: datetime) -> set[int]:
        """Hand over what may be. Who gets two messages at once is counted one by one: the second sees the first."""
        handed: set[int] = set()
        caps = self.stock.caps
        waiting = list(messages)
        while waiting:
            seen: set[int | None] = set()
            now: list[Claimed] = []
            later: list[Claimed] = []
            for message in waiting:
                (later if message.contact_id in seen else now).append(message)
                seen.add(message.contact_id)
            wanted = [(m.pk, m.contact.index) for m in now if m.contact and m.contact.index]
            handed |= handing.hand_over(self.channel, wanted, pump=self._pump, caps=caps, at=at)
            waiting = later
        return handed

    def _lock_counted(self, messages: Collection[Claimed]) -> None:
        """Lock the people whose messages are counted."""
        counted = {m.contact_id for m in messages if m.contact and (self.stock.caps or m.contact.fewer_messages)}
        if counted:
            handing.lock_people([pk for pk in counted if pk])

    def _submit(self, calls: Iterable[tuple[Ready, float]], handed: set[int]) -> None:
        """Give the senders what was handed over, each message once."""
        refused: list[Claimed] = []
        for ready, slot in calls:
            refused += [message for message in ready.messages if message.pk not in handed]
            kept = [message for message in ready.messages if message.pk in handed]
            handed -= {message.pk for message in kept}
            if kept:
                not_after = slot + self._tolerance_s if self.stock.is_limited else NEVER_LATE
                self._send(Job(kept, ready.only(kept).outbound, slot, not_after))
        if refused:
            self.stock.leave_out(refused)

    def _send(self, job: Job) -> None:
        self._batches += job.is_batch
        self._senders.submit(job)

    def _retry_late(self) -> bool:
        """Get new slots for calls whose slot had passed: they are handed over, and must go."""
        did, limits = False, self.stock.limits
        while self._late and time.monotonic() >= self._late_asks_at:
            job = self._late[0]
            slots = pacing.reserve(self.channel, len(job.messages), horizon_s=WAIT_S, limits=limits, urgent=True)
            now = time.monotonic()
            if len(slots.waits) < len(job.messages):
                self._late_asks_at = now + max(SHORTEST_WAIT_S, slots.retry_in_s)
                if slots.retry_in_s > WAIT_S:
                    self._put_back_late()
                break
            job.not_before = now + slots.waits[-1]
            job.not_after = job.not_before + slots.tolerance_s
            self._send(self._late.popleft())
            did = True
        return did

    # --- What came of it ---

    def _settle(self, finished: list[Answer], at: datetime) -> None:
        """Draw the consequences: for who got something, for who was refused, and for all who use the provider."""
        good = [answer for answer in finished if answer.is_good]
        self._sent += [message for answer in good for message in answer.job.messages]
        if good and time.monotonic() > self._praised_at + PRAISE_S:
            self._praised_at = time.monotonic()
            pacing.succeeded(self.channel)
        refusals = [(answer, answer.error) for answer in finished if answer.error is not None]
        away_s = steadily(lambda: failing.settle(refusals, channel=self.channel, at=at))
        if away_s:
            self._free_until = 0.0
            self._asks_again_at = time.monotonic() + away_s
            self._praised_at = 0.0  # what goes well next is news
            self.let_go()

    def _count(self, answer: Answer) -> None:
        """Count failures one after the other, and stop the campaign that gets nowhere."""
        first = answer.job.messages[0]
        campaign_id = first.campaign_id
        if answer.is_good:
            self._failures[campaign_id] = 0
            return
        if answer.mishap:
            logger.error("message %s: %s while it was sent", first.pk, answer.mishap)
        error = answer.error or TransportError(Outcome.UNKNOWN, answer.mishap)
        if not failing.counts(answer, error):
            return
        self._failures[campaign_id] += 1
        if self.stock.has(campaign_id) and failing.stops(error, self._failures[campaign_id]):
            steadily(lambda: failing.stop_campaign(campaign_id, self.channel, error))
            self.stock.forget(campaign_id)
            self._failures[campaign_id] = 0

    def let_go(self) -> None:
        """Put back what is claimed and was not sent for sure."""
        self._put_back_late()
        self.stock.let_go()

    def _put_back_late(self) -> None:
        while self._late:
            pks = [message.pk for message in self._late[0].messages]
            failing.put_back_untried(pks, pump=self._pump, at=self._clock())
            self._late.popleft()

    def let_go_of_what_must_wait(self) -> None:
        """Put back what is claimed where no slot comes soon: it may be cancelled, and others may have it then."""
        if self._waits_s > WAIT_S:
            self.let_go()

    @property
    def sent(self) -> tuple[Claimed, ...]:
        """The messages that were accepted, and not yet told of."""
        return tuple(self._sent)

    def told_of(self, sent: Collection[Claimed]) -> None:
        """Forget these: the first that were accepted."""
        del self._sent[: len(sent)]

    def close(self) -> None:
        """Close the connections; calls under way are not waited for."""
        self._senders.close()
