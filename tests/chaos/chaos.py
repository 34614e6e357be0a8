"""One run: a campaign goes out while its machinery is killed at random moments; then it is judged."""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.models import Count
from django.utils import timezone
from django_q.models import OrmQ, Schedule
from django_q.tasks import async_task

from campaigns.models import Campaign
from campaigns.services import Draft, NotPossible, save_draft
from contacts.channels import Channel
from contacts.models import ChannelStatus, ConsentEvent, Contact
from contacts.services import unsubscribe
from messaging import services
from messaging.models import Message
from messaging.queries import undecided
from tests.chaos.judge import Row, Story, Verdict, judge, read_calls
from tests.chaos.machinery import Cluster, ProviderProcess, free_port

FAULTS = ("429", "500", "hang", "drop")
KILLS = ("another", "first", "database", "provider", "everything")
CLOCK_S = 1.0  # the minute of the queue's clock
PAUSE_S = 1.5
BETWEEN_S = 2.0  # from one thing to the next, at most, where nothing moves meanwhile
STALL_S = 40.0
Status = Message.Status


class Stalled(AssertionError):
    """Nothing moved for a long time, although everything was started again."""


@dataclass
class Run:
    """`kills` at moments that depend on the seed alone, measured by how far the campaign is."""

    people: int
    kills: int
    seed: int
    environment: dict[str, str]
    folder: Path
    clusters: int = 1
    with_people: bool = False  # who pause, resume and opt out meanwhile
    with_sabotage: bool = False
    kinds: Sequence[str] = KILLS
    latency_s: tuple[float, float] = (0.002, 0.02)

    notes: list[str] = field(default_factory=list)
    pauses: list[tuple[datetime, datetime]] = field(default_factory=list)
    stopped: dict[int, datetime] = field(default_factory=dict)
    in_flight_of_one: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.provider = ProviderProcess(self.folder / "provider.log", self.seed, free_port(), self.latency_s)
        environment = self.environment | {
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "DATABASE_URL": self.environment["TEST_DATABASE_URL"],
            "EMAIL_PROVIDER": "sendgrid",
            "SENDGRID_API_KEY": "none",
            "EMAIL_API_URL": f"{self.provider.url}/v3/",
            "QR_IMAGES": "hosted",
            "CHAOS_DIR": str(self.folder),
            "CHAOS_SABOTAGE": "yes" if self.with_sabotage else "",
        }
        self.machines = [Cluster(environment, self.folder / f"cluster{number}.log") for number in range(self.clusters)]

    def __call__(self) -> Verdict:
        """Send to everybody, kill, wait until all is settled, judge. Raises Violation and Stalled."""
        contacts = add_people(self.people)
        started = time.monotonic()
        with self.running():
            self.campaign = services.launch(draft(), at=timezone.now())
            self.play(sorted(self.moments(), key=lambda moment: moment[0]))
        self.notes.append(f"{self.people} people in {time.monotonic() - started:.0f} s")
        listed = undecided(self.campaign).values_list("pk", flat=True)
        calls = read_calls(self.provider.log)
        return judge(ledger(self.campaign), calls, self.story(contacts), listed=listed)

    def story(self, contacts: list[int]) -> Story:
        processes = settings.WORKERS * self.clusters
        in_flight = self.kills * getattr(settings, "SEND_CONCURRENCY", 1) * processes
        return Story(frozenset(contacts), in_flight, self.stopped, self.pauses)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Keep it all running for the block; whatever ends the block or the tests, nothing stays behind."""
        before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        try:
            self.provider.start()
            for machine in self.machines:
                machine.start()
            yield
        finally:
            for machine in self.machines:
                machine.stop()
            self.provider.stop()
            signal.signal(signal.SIGTERM, before)

    # --- What happens when ---

    def moments(self) -> Iterator[tuple[float, Callable[[], None]]]:
        """Yield what is done, and how much of the campaign must be out by then."""
        rounds = -(-self.kills // len(self.kinds))
        kinds = [kind for _ in range(rounds) for kind in self.chance.sample(self.kinds, len(self.kinds))]
        for kind in kinds[: self.kills]:
            yield self.chance.uniform(0.02, 0.9), getattr(self, f"kill_{kind}")
            yield self.chance.uniform(0.02, 0.9), self.spoil
        if self.with_people:
            yield 0.01, self.pause_a_while  # early: what else is done takes its time, and mail goes out meanwhile
            for _ in range(5):
                yield self.chance.uniform(0.02, 0.3), self.opt_out

    def play(self, moments: list[tuple[float, Callable[[], None]]]) -> None:
        """Do what is due, one thing at a time, while mail goes out or fails to, until all is done."""
        moved = acted = time.monotonic()
        ticked, before, seen = 0.0, None, 0
        while not (self.is_done() and not moments):
            progress = self.provider.lines()
            goes_on = progress > seen or time.monotonic() - acted > BETWEEN_S
            if moments and (self.is_done() or (goes_on and progress >= moments[0][0] * self.people)):
                moments.pop(0)[1]()
                acted, seen = time.monotonic(), self.provider.lines()
            if time.monotonic() - ticked > CLOCK_S:
                ticked = time.monotonic()
                self.clock()
            if (state := self.states()) != before:
                before, moved = state, time.monotonic()
            if time.monotonic() - moved > STALL_S or sum(machine.starts for machine in self.machines) > self.may_start:
                raise Stalled(f"{state} after {time.monotonic() - moved:.0f} s, logs in {self.folder}")
            time.sleep(0.05)

    @property
    def may_start(self) -> int:
        """Return how often clusters start at most: one that ends by itself has another fault than its kills."""
        return self.clusters + self.kills

    def is_done(self) -> bool:
        return Campaign.objects.filter(pk=self.campaign.pk, status=Campaign.Status.SENT).exists()

    def states(self) -> dict[str, int]:
        """Count the states, and look how many messages one claim has on their way."""
        messages = Message.objects.filter(campaign=self.campaign).order_by()
        on_their_way = messages.filter(status=Status.SENDING, handed_at__isnull=False).values("claim")
        for found in on_their_way.annotate(count=Count("pk")):
            self.in_flight_of_one = max(self.in_flight_of_one, found["count"])
        return dict(messages.values_list("status").annotate(Count("pk")))

    def clock(self) -> None:
        """Let a minute pass in a second: what is put off is due, the clock calls, a stopped campaign is resumed."""
        Message.objects.filter(status=Status.QUEUED, not_before__gt=timezone.now()).update(not_before=timezone.now())
        if OrmQ.objects.count() < 50 and not OrmQ.objects.filter(lock__lt=timezone.now()).count() > 2:
            for name in Schedule.objects.filter(func__startswith="messaging.").values_list("func", flat=True):
                async_task(name)
        for machine in self.machines:
            machine.revive()
        if Campaign.objects.filter(pk=self.campaign.pk, status=Campaign.Status.PAUSED).exists():
            self.resume()

    def resume(self) -> None:
        """Do what a person does who reads that the campaign stopped itself."""
        with contextlib.suppress(NotPossible):
            services.resume(self.campaign, at=timezone.now())
            self.notes.append("resumed after it had stopped itself")

    # --- Kills ---

    def kill_another(self) -> None:
        self.notes.append(f"killed {self.chance.choice(self.machines).kill_another(self.chance)}")

    def kill_first(self) -> None:
        machine = self.chance.choice(self.machines)
        self.notes.append(f"killed {machine.kill_first()}")
        machine.first.wait()
        machine.start()

    def kill_everything(self) -> None:
        machine = self.chance.choice(self.machines)
        self.notes.append(f"killed {machine.kill_everything()}")
        machine.first.wait()
        machine.start()

    def kill_database(self) -> None:
        """Cut a connection of the workers; SQLite has none, so somebody holds its lock for a while."""
        if connection.vendor == "sqlite":
            threading.Thread(target=hold_lock, args=(str(connection.settings_dict["NAME"]),)).start()
            self.notes.append("held the database's lock for a second")
            return
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            self.notes.append(f"cut {len(cursor.fetchall())} connections of the database")

    def kill_provider(self) -> None:
        self.provider.stop()
        time.sleep(self.chance.uniform(0.1, 1))
        self.provider.start()
        self.notes.append("killed the provider")

    def spoil(self) -> None:
        answer, count = self.chance.choice(FAULTS), self.chance.randint(1, 6)
        self.provider.spoil(answer, count)
        self.notes.append(f"{count} x {answer}")

    # --- People ---

    def pause_a_while(self) -> None:
        try:
            services.pause(self.campaign)
        except NotPossible as error:  # it has paused itself
            self.notes.append(str(error))
            self.resume()
            services.pause(self.campaign)
        start = timezone.now()
        time.sleep(PAUSE_S)
        self.pauses.append((start, timezone.now()))
        services.resume(self.campaign, at=timezone.now())
        self.notes.append("paused and resumed")

    def opt_out(self) -> None:
        """Have one who waits unsubscribe, as the link in a mail of last week does it."""
        waiting = Message.objects.filter(campaign=self.campaign, status__in=Message.PENDING, handed_at=None)
        if not (people := list(waiting.values_list("contact", flat=True))):
            self.notes.append("nobody waits any more who could opt out")
            return
        contact = Contact.objects.get(pk=self.chance.choice(people))
        index = contact.address_index(Channel.EMAIL)
        assert index is not None
        source = ConsentEvent.Source.ONE_CLICK
        unsubscribe(channel=Channel.EMAIL, address_index=index, source=source, at=timezone.now())
        self.stopped[contact.pk] = timezone.now()
        self.notes.append(f"contact {contact.pk} opted out")


def add_people(count: int) -> list[int]:
    people = Contact.objects.bulk_create(
        Contact(
            email=f"guest{number}@example.org",
            first_name=f"Guest{number}",
            email_status=ChannelStatus.SUBSCRIBED,
            sms_status=ChannelStatus.UNSUBSCRIBED,
        )
        for number in range(count)
    )
    return [contact.pk for contact in people]


def draft() -> Campaign:
    words = Draft(name="Lunch", channel=Channel.EMAIL, subject="Hi {{ first_name }}", body="Come, {{ first_name }}")
    return save_draft(words)


def ledger(campaign: Campaign) -> list[Row]:
    fields = ("pk", "reference", "contact_id", "status", "reason", "handed_at")
    return [
        Row(pk, str(reference), contact, status, reason, handed_at)
        for pk, reference, contact, status, reason, handed_at in Message.objects.filter(campaign=campaign).values_list(
            *fields
        )
    ]


def hold_lock(path: str) -> None:
    with contextlib.closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as neighbour:
        neighbour.execute("BEGIN IMMEDIATE")
        time.sleep(1)
        neighbour.execute("ROLLBACK")
