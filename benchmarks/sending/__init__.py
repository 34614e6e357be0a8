"""Send: workers of the product against loops that render the same words and make the same calls, over the same number
of connections, in as many processes.

What is sent is planned before; a round sends it once by the product and once by each loop, and makes sure that the
provider was told the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from benchmarks.child import describe_database, scratch_url
from benchmarks.measuring import Comparison, Report, Sample, compare
from benchmarks.people import person
from benchmarks.sending import by_hand
from campaigns import services as campaigns
from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.models import ChannelStatus, Contact
from messaging.models import Message, ProviderSettings
from messaging.services import plan_due
from redemptions.models import Offer
from redemptions.services import create_offer

SUBJECT = "{{ first_name }}, lunch is on us this week"
PREHEADER = "20 % off from Monday to Friday, for regulars."
BODY = """Hi {{ first_name | default: "there" }},

we have missed you at {{ business_name }}! Come by for lunch this week and bring this mail:

{{ deal }}

The menu is at https://corner-bar.example/menu, and the kitchen is open from noon to three. Tell a friend.

See you soon,
your team at {{ business_name }}
"""
TEXT = 'Hi {{ first_name | default: "there" }}, lunch is on us this week. Show this code:'

SMTP_REPLIES = 4  # of a mail: sender, recipient, data, content
ENOUGH_S = 20.0  # of a round where the provider's latency sets the pace: starting and ending weigh little then
OFFICE_HOUR = 19  # in UTC; between ten and three all over the country, so that texts may go out
NUMBERS = count(1)
WORKER = "import django; django.setup(); from benchmarks.sending.worker import main; main()"
FRESH = {"claim": None, "claimed_at": None, "handed_at": None, "attempts": 0, "reason": "", "provider_id": ""}


def office_clock() -> Callable[[], datetime]:
    """Return a clock that runs, and starts at an hour at which texts may be sent."""
    start = time.monotonic()
    noon = timezone.now().replace(hour=OFFICE_HOUR, minute=0, second=0, microsecond=0)
    return lambda: noon + timedelta(seconds=time.monotonic() - start)


def add_people(start: int, stop: int) -> None:
    Contact.objects.bulk_create(
        [
            Contact(
                email=address,
                phone=f"+1{re.sub(r'[^0-9]', '', phone)}",
                first_name=name.partition(" ")[0],
                last_name=name.partition(" ")[2],
                email_status=ChannelStatus.SUBSCRIBED,
                sms_status=ChannelStatus.SUBSCRIBED,
            )
            for name, address, phone, _ in map(person, range(start, stop))
        ],
        batch_size=5_000,
    )


def launch_campaign(channel: Channel = Channel.EMAIL) -> Campaign:
    """Launch a campaign with a deal of its own to everybody, and plan all of it."""
    at = office_clock()()
    offer = create_offer(
        name="20 % off lunch", type=Offer.Type.PERCENT, value=Decimal(20), terms="One per table. Not with other deals."
    )
    draft = campaigns.Draft(
        name=f"Lunch {next(NUMBERS)}",
        channel=channel,
        subject=SUBJECT if channel == Channel.EMAIL else "",
        preheader=PREHEADER if channel == Channel.EMAIL else "",
        body=BODY if channel == Channel.EMAIL else TEXT,
        offer=offer,
    )
    campaign = campaigns.launch(campaigns.save_draft(draft), at=at)
    while plan_due(at=at):
        pass
    campaign.refresh_from_db()
    return campaign


# --- Rounds -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the table: how slow the provider is, and how many processes send."""

    provider: str
    latency_ms: float
    processes: int

    @property
    def connections_allow(self) -> float:
        """Messages a second that this many connections carry at most."""
        if not self.latency_ms:
            return float("inf")
        replies = SMTP_REPLIES if self.provider == "smtp" else 1
        return float(settings.SEND_CONCURRENCY * self.processes / replies / (self.latency_ms / 1000))

    def __str__(self) -> str:
        return f"{self.provider}, {self.latency_ms:g} ms, {self.processes} process{'es' * (self.processes > 1)}"


@dataclass(slots=True)
class Found:
    """What one run of some workers came to."""

    sample: Sample
    start: float  # in seconds of time.monotonic, which all processes share
    end: float
    memory_mb: list[int] = field(default_factory=list)
    split: dict[str, float] = field(default_factory=dict)


def run(*, provider: str, latencies_ms: Sequence[float], processes: Sequence[int], people: int, rounds: int) -> Report:
    add_people(0, people)
    channel = Channel.SMS if provider == "twilio" else Channel.EMAIL
    ProviderSettings.objects.update_or_create(channel=channel, provider=provider, defaults={"rate": ""})
    campaign = launch_campaign(channel)
    comparisons: list[Comparison] = []
    notes: list[str] = []
    at_once: dict[int, float] = {}  # the rate without latency, by number of processes
    for setting in [Setting(provider, latency, number) for latency in latencies_ms for number in processes]:
        compared, found = one_setting(campaign, setting, people, rounds)
        comparisons += compared
        at_once.setdefault(setting.processes, compared[0].product_rate)
        notes.append(f"{setting}: {limits_of(setting, compared[0].product_rate, at_once)}; {memory_of(found)}")
    notes += more_about(campaign, provider, people)
    return Report(describe_database(), comparisons, notes)


def one_setting(campaign: Campaign, setting: Setting, people: int, rounds: int) -> tuple[list[Comparison], list[Found]]:
    number = min(people, int(setting.connections_allow * ENOUGH_S)) if setting.latency_ms else people
    names = {loop: name for loop, (name, _) in by_hand.loops_of(setting.provider).items()}
    one_round(campaign, setting, min(number, 50), names)  # warm
    done = [one_round(campaign, setting, number, names) for _ in range(rounds)]
    comparisons = [
        compare(
            f"{setting}, beside {name}",
            "messages",
            [(found["product"].sample, found[loop].sample) for found in done],
        )
        for loop, name in names.items()
    ]
    return comparisons, [found["product"] for found in done]


def one_round(campaign: Campaign, setting: Setting, number: int, loops: dict[str, str]) -> dict[str, Found]:
    """Send to `number` people by the product and by each loop; make sure that they said the same."""
    last = queue_again(campaign, number)
    found, proofs = {}, {}
    for loop in ("product", *loops):
        expect(setting)
        found[loop] = run_workers(campaign, setting, loop, number, last=last)
        proofs[loop] = proof(setting)
    assert Message.objects.filter(campaign=campaign, status=Message.Status.ACCEPTED).count() == number, loops
    assert all(said == proofs["product"] for said in proofs.values()), f"not the same was sent: {proofs}"
    assert proofs["product"][0] == number, proofs
    return found


def queue_again(campaign: Campaign, number: int) -> int:
    """Have the first `number` messages wait, and the others out of the way; return the last one's id."""
    messages = Message.objects.filter(campaign=campaign)
    last = list(messages.order_by("pk").values_list("pk", flat=True)[:number])[-1]
    messages.filter(pk__gt=last).update(status=Message.Status.CANCELLED)
    messages.filter(pk__lte=last).update(
        **FRESH, status=Message.Status.QUEUED, not_before=datetime(2020, 1, 1, tzinfo=UTC)
    )
    return last


def run_workers(
    campaign: Campaign,
    setting: Setting,
    loop: str,
    number: int,
    *,
    last: int = 0,
    is_split: bool = False,
    environment: dict[str, str] | None = None,
) -> Found:
    """Start processes, let them go together, and wait until each has found nothing more to do.

    A loop by hand sends the messages up to the id `last`.
    """
    options = {
        "campaign": campaign.pk,
        "loop": loop,
        "provider": setting.provider,
        "of": setting.processes,
        "url": scratch_url(),
        "last": last,
        "split": is_split,
    }
    environment = os.environ | {"DATABASE_URL": scratch_url()} | (environment or {})
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, json.dumps(options | {"share": share})],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for share in range(setting.processes)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n", "a worker did not start; what it said stands above"
    said = [json.loads(told) for told in let_go(workers)]
    start, end = min(one["start"] for one in said), max(one["end"] for one in said)
    split = {part: sum(one["split"].get(part, 0.0) for one in said) for one in said for part in one["split"]}
    cpu_s = sum(one["cpu_s"] for one in said)
    memory_mb = [size for one in said for size in one["memory_mb"]]
    return Found(Sample(number, end - start, cpu_s), start, end, memory_mb, split)


def let_go(workers: Sequence[subprocess.Popen[str]]) -> Iterator[str]:
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        told, _ = worker.communicate()
        assert worker.returncode == 0, "a worker failed; what it said stands above"
        yield told


# --- What there is to say beside the rates ----------------------------------------------------------------------------


def limits_of(setting: Setting, rate: float, at_once: dict[int, float]) -> str:
    """Say what part of the limit is reached: what the connections carry, or what the processors do without latency."""
    limit = min(setting.connections_allow, at_once[setting.processes])
    if not setting.latency_ms:
        return f"{rate:,.0f}/s, with {settings.SEND_CONCURRENCY} connections for each process"
    allowed = f"the connections allow {setting.connections_allow:,.0f}/s"
    return (
        f"{rate / limit:.0%} of what is possible ({allowed}; without latency it is {at_once[setting.processes]:,.0f}/s)"
    )


def memory_of(found: Sequence[Found]) -> str:
    sizes = [size for one in found for size in one.memory_mb]
    return f"a worker's memory {min(sizes)} MB at the start, {max(sizes)} MB at most"


def more_about(campaign: Campaign, provider: str, people: int) -> Iterator[str]:
    """Yield how the processor time of a message is split, and what an image within the mail costs."""
    setting = Setting(provider, 0, 1)
    per_message: dict[str, float] = {}
    for images in ("hosted", "inline") if provider != "twilio" else ("hosted",):
        queue_again(campaign, people)
        expect(setting, keep=False)
        found = run_workers(campaign, setting, "product", people, environment={"QR_IMAGES": images})
        per_message[images] = found.sample.cpu_ms or 0.0
    if "inline" in per_message:
        yield (
            f"{provider}: processor time of a mail {per_message['hosted']:.2f} ms with a hosted QR image, "
            f"{per_message['inline']:.2f} ms with one inside"
        )
    queue_again(campaign, people)
    expect(setting, keep=False)
    found = run_workers(campaign, setting, "product", people, is_split=True)
    rest = (found.sample.cpu_s or 0.0) - sum(found.split.values())
    parts = sorted((found.split | {"the rest": rest}).items(), key=lambda part: -part[1])
    split = ", ".join(f"{part} {seconds / people * 1000:.2f}" for part, seconds in parts)
    yield f"{provider}: processor time of a message, in ms, watched, which costs some itself: {split}"


# --- The provider and its proofs --------------------------------------------------------------------------------------


def expect(setting: Setting, *, keep: bool = True) -> None:
    """Have the provider forget everything, and be this slow."""
    if setting.provider == "outbox":
        for path in (settings.OUTBOX_DIR / "email").glob("*.eml"):
            path.unlink()
        return
    body = json.dumps({"delay_ms": setting.latency_ms, "keep": keep}).encode()
    request = urllib.request.Request(f"{os.environ['BENCH_PROVIDER_URL']}/control", data=body, method="PUT")
    urllib.request.urlopen(request, timeout=60).close()


def proof(setting: Setting) -> tuple[int, str, str]:
    """Return how many messages the provider was given, a digest over what they say, and one of them to look at."""
    if setting.provider == "outbox":
        return proof_of_files(settings.OUTBOX_DIR / "email")
    with urllib.request.urlopen(f"{os.environ['BENCH_PROVIDER_URL']}/summary", timeout=60) as answer:
        summary = json.load(answer)
    assert summary["most"] <= settings.SEND_CONCURRENCY * setting.processes, summary
    return summary["messages"], summary["digest"], summary["example"]


def proof_of_files(folder: Path) -> tuple[int, str, str]:
    from benchmarks.provider import mime_mail

    mails = sorted(mime_mail(path.read_bytes()) for path in folder.glob("*.eml"))
    return len(mails), hashlib.sha256("\n".join(mails).encode()).hexdigest(), "".join(mails[:1])
