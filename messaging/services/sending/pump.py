"""One run of a worker that sends: a lane for each channel, stepped by one thread."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from django.conf import settings
from django.db import DatabaseError
from django.db.models import F

from contacts.channels import Channel
from contacts.services import note_sent
from contacts.stopping import asked_to_stop
from messaging.models import Pump, Tally
from messaging.services.sending import claiming
from messaging.services.sending.lanes import Lane
from messaging.services.sending.steadily import steadily
from messaging.services.sending.stock import Clock

logger = logging.getLogger(__name__)

SIGN_S = 5.0  # between two signs of life
IDLE_S = 0.02  # between two looks where every call is under way, and no answer comes
DRAIN_S = 40.0  # above the longest call of a provider
TALLY_S = 10  # seconds of a row
NO_LIMIT = 1_000_000_000


class PumpRun:
    """Sends what is due, from `with` to its end. Any number may run at once, on any number of machines.

    Between two calls of `run` the calls to the providers go on; leaving waits for them, and puts back the rest.
    """

    def __init__(self, *, clock: Clock) -> None:
        self.id = uuid.uuid4()
        self.clock = clock
        self._lanes: list[Lane] = []
        self._broken: list[Lane] = []
        self._arrived = threading.Event()  # an answer of a provider
        self._signed_at = 0.0
        self._sign_s = min(SIGN_S, settings.PUMP_SILENT_S / 4)
        self._is_registered = False

    def __enter__(self) -> Self:
        self._lanes = [self._lane(channel) for channel in Channel]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._drain()
        finally:
            for lane in self._lanes:
                lane.close()

    def _lane(self, channel: Channel) -> Lane:
        return Lane(channel, pump=self.id, clock=self.clock, register=self._register, arrived=self._arrived)

    @property
    def taken(self) -> int:
        """How many messages were claimed so far."""
        return sum(lane.stock.taken for lane in self._lanes)

    @property
    def is_busy(self) -> bool:
        """Whether calls are under way, or what is at hand may go soon."""
        return any(lane.is_worth_waiting for lane in self._lanes)

    @property
    def has_more_than_it_can(self) -> bool:
        """Whether another worker would make it faster: there is more to do, and no limit holds it up."""
        return any(not lane.stock.is_empty and lane.stock.taken > 0 and not lane.stock.limits for lane in self._lanes)

    def run(self, *, until: float, limit: int = NO_LIMIT) -> int:
        """Send until this time (of `time.monotonic`), until nothing is due, or until `limit` of each channel are
        claimed; return how many were claimed meanwhile. Zero: nothing is due now.
        """
        before = self.taken
        for lane in self._lanes:
            lane.stock.look_again()
        while time.monotonic() < until and not asked_to_stop():
            was_busy = self.is_busy  # a pause of the provider may end during the step, which then saw it still
            if steadily(lambda: self._step(may_claim=True, limit=limit)):
                continue
            if not (was_busy or self.is_busy):
                break
            self._rest()
        for lane in self._lanes:
            steadily(lane.let_go_of_what_must_wait)
        return self.taken - before

    def _rest(self) -> None:
        """Wait for an answer, or a moment."""
        self._arrived.wait(IDLE_S)
        self._arrived.clear()

    def _step(self, *, may_claim: bool, limit: int = NO_LIMIT) -> bool:
        did = False
        for lane in self._lanes:
            did = self._step_lane(lane, may_claim=may_claim, limit=limit) or did
        if time.monotonic() > self._signed_at + self._sign_s:
            self._sign()
        return did

    def _step_lane(self, lane: Lane, *, may_claim: bool, limit: int) -> bool:
        """Step a lane; where it breaks, it claims no more in this run, and the other one goes on."""
        try:
            return lane.step(may_claim=may_claim and lane not in self._broken, limit=limit)
        except DatabaseError:
            raise
        except Exception as error:
            logger.error("%s messages stop in this run: %s", lane.channel.label, type(error).__name__)
            self._broken.append(lane)
            lane.let_go()
            return False

    # --- Signs of life ---

    def _register(self) -> None:
        if not self._is_registered:
            self._write_sign(self.clock())
            self._is_registered, self._signed_at = True, time.monotonic()

    def _write_sign(self, at: datetime) -> None:
        seen = {"seen_at": at}
        Pump.objects.update_or_create(pk=self.id, defaults=seen, create_defaults={**seen, "started_at": at})

    def _sign(self) -> None:
        """Say that this pump is alive, and tell what it sent."""
        self._signed_at = time.monotonic()
        if self._is_registered:
            at = self.clock()
            self._write_sign(at)
            self._tell(at)

    def _tell(self, at: datetime) -> None:
        """Note who got something, and how many; what was noted twice, because the database went away, does no harm."""
        told = [(lane, lane.sent) for lane in self._lanes]
        sent = [message for _, messages in told for message in messages]
        if not sent:
            return
        note_sent(sorted({message.contact_id for message in sent if message.contact_id}), at=at)
        bucket = datetime.fromtimestamp(at.timestamp() // TALLY_S * TALLY_S, UTC)
        for campaign_id, count in sorted(Counter(message.campaign_id for message in sent).items()):
            tally, _ = Tally.objects.get_or_create(campaign_id=campaign_id, at=bucket)
            Tally.objects.filter(pk=tally.pk).update(sent=F("sent") + count)
        for lane, messages in told:
            lane.told_of(messages)

    # --- The end ---

    def _drain(self) -> None:
        """Put back what was not handed over, wait for the calls under way, record them, and sign off."""
        until = time.monotonic() + DRAIN_S
        while time.monotonic() < until:
            for lane in self._lanes:
                steadily(lane.let_go)
            if not any(lane.is_busy for lane in self._lanes):
                break
            if not steadily(lambda: self._step(may_claim=False)):
                self._rest()
        if not self._is_registered:
            return
        steadily(self._sign)
        steadily(lambda: claiming.release(self.id, at=self.clock()))
        if not any(lane.is_busy for lane in self._lanes):
            steadily(lambda: Pump.objects.filter(pk=self.id).delete())


def send_due(*, clock: Callable[[], datetime], batch: int = NO_LIMIT) -> int:
    """Send what is due, up to `batch` of each channel; return how many messages were claimed. Zero: nothing is due."""
    with PumpRun(clock=clock) as pump:
        pump.run(until=float("inf"), limit=batch)
        return pump.taken
