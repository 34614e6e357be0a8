"""A campaign that hurts the shop's name is stopped, and says why; one that begins to is marked.

Mailbox providers and carriers judge a sender by these shares, and some for good. Each has a floor: of twenty guests,
one wrong address says nothing.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count

from campaigns.models import Campaign
from campaigns.services import NotPossible
from contacts.channels import Channel
from contacts.sentences import kept
from messaging.incoming import EventType, Verdict
from messaging.models import Message, ProviderEvent
from messaging.services import control, facts
from messaging.services.sending.failing import stop_channel
from messaging.texts import FAULTS, Fault

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Level:
    """Reached where so many, and so large a share of what was handed over, are concerned."""

    count: int
    share: float

    def is_reached(self, count: int, of: int) -> bool:
        return count >= self.count and count >= self.share * of


# Amazon SES looks at an account from 5 % of bounces on and stops it from 10 %; complaints: 0.1 % and 0.5 %. Gmail and
# Yahoo want complaints below 0.1 %, and never 0.3 %.
HARD, HARD_WARN = Level(10, 0.08), Level(10, 0.04)
COMPLAINTS, COMPLAINTS_WARN = Level(3, 0.001), Level(2, 0.0008)
SENDERS = Level(5, 0.02)
FILTERED = Level(3, 0.02)

# Of the codes in `messaging.texts`: no text gets through; this one was taken for spam; carriers take no more today; or
# no more at this speed.
ACCOUNT_CODES = frozenset(map(str, FAULTS[Fault.ACCOUNT]))
FILTERED_CODE = "30007"
DAY_CODES = frozenset({"30023", "30027"})
BUSY_CODES = frozenset(map(str, FAULTS[Fault.SENDER] + FAULTS[Fault.BUSY])) - DAY_CODES - {FILTERED_CODE}
AGAIN = 1.5  # a campaign that somebody resumed is stopped once more when the count has grown by half

Status, Reason = Message.Status, Message.Reason
REPORTED = frozenset({Reason.SENDERS_FAULT, Reason.NOT_THIS_TIME})  # failed, after the provider had taken it
WENT_OUT = (Status.ACCEPTED, Status.DELIVERED, Status.BOUNCED, Status.COMPLAINED)


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is wrong: `what` names it for the machine, `words` for the owner."""

    what: str
    count: int
    words: str
    stops: bool = True
    stops_channel: bool = False


def is_bad(event: ProviderEvent) -> bool:
    """Whether a report is one to look at the campaign for."""
    return event.event_type == EventType.COMPLAINED or event.verdict in {Verdict.HARD, Verdict.SENDER}


def look_at(campaign: Campaign, *, at: datetime) -> None:
    """Pause a campaign that goes badly, or note that it begins to: in the fact `alarm.campaign.<id>`.

    Its detail has `level` (`stop` or `warn`), `what`, `words`, and under `seen` the counts somebody decided about.
    """
    found = list(alarms_of(campaign))
    if not found:
        return
    name = f"alarm.campaign.{campaign.pk}"
    seen: dict[str, int] = facts.read(name).get("seen", {})
    stopping = [alarm for alarm in found if alarm.stops]
    news = [alarm for alarm in stopping if alarm.count >= AGAIN * seen.get(alarm.what, 0)]
    if news:
        _stop(campaign, news[0])
    campaign.refresh_from_db(fields=["status"])
    if news or campaign.status == Campaign.Status.PAUSED:  # while it is paused, the count that is decided about grows
        seen = seen | {alarm.what: alarm.count for alarm in stopping}
    worst = (news or stopping or found)[0]
    detail: dict[str, Any] = {"level": "stop" if worst.stops else "warn", "what": worst.what, "words": worst.words}
    facts.note(name, False, {**detail, "seen": seen}, at=at)


def _stop(campaign: Campaign, alarm: Alarm) -> None:
    if alarm.stops_channel:
        stop_channel(Channel(campaign.channel), alarm.words)
    try:
        control.pause(campaign, reason=alarm.words)
        logger.warning("campaign %s was stopped: %s", campaign.pk, alarm.what)
    except NotPossible:
        logger.info("campaign %s goes badly, and is not being sent any more: %s", campaign.pk, alarm.what)


# --- Why a campaign was stopped, or soon is: kept in English, read in the reader's language ---------------------------

BY_SENDER = kept(
    "%(count)s of %(of)s were turned away because of the sender or the content, not because of the guests. "
    "Find out why, then resume."
)
BY_SENDER_WITH_CODE = kept(
    "%(count)s of %(of)s were turned away because of the sender or the content (code %(code)s), not because of the "
    "guests. Find out why, then resume."
)
NO_SUCH_MAILBOX = kept(
    "%(count)s of %(of)s mails came back because the address does not work. Providers block senders for that. Where is "
    "this list from? Then resume."
)
NO_SUCH_MAILBOXES = kept(
    "%(count)s of %(of)s mails came back because the address does not work. At %(most)s this campaign stops by itself."
)
NO_SUCH_NUMBER = kept(
    "%(count)s of %(of)s texts failed because the number does not work. Providers block senders for that. Where is "
    "this list from? Then resume."
)
NO_SUCH_NUMBERS = kept(
    "%(count)s of %(of)s texts failed because the number does not work. At %(most)s this campaign stops by itself."
)
MANY_COMPLAINTS = kept(
    "%(count)s of %(of)s people marked this mail as spam. Mailbox providers soon sort out all your mail for that. "
    "Look at it, then resume."
)
SOME_COMPLAINTS = kept("%(count)s of %(of)s people marked this mail as spam. At three this campaign stops by itself.")
BAD_ACCOUNT = kept(
    "Twilio refuses texts because of your account or its registration (%(code)s). Put that right, then resume."
)
FILTERED_AS_SPAM = kept(
    "%(count)s of %(of)s texts were filtered by carriers as spam (30007). Change the words, then resume."
)
FULL_DAY = kept("The carriers take no more texts of yours today (%(code)s). Resume after midnight, Pacific time.")
TOO_FAST = kept(
    "Twilio takes no more texts at this speed (%(code)s). Set a lower rate under Providers and rates, then resume."
)


def alarms_of(campaign: Campaign) -> Iterator[Alarm]:
    """Yield what is wrong with a campaign, the worst first. Two queries, three for texts."""
    counts = Counter[tuple[str, str]]()
    rows = Message.objects.filter(campaign=campaign, status__in=(*WENT_OUT, Status.FAILED)).order_by()
    for status, reason, count in rows.values_list("status", "reason").annotate(Count("pk")):
        counts[status, reason] = count
    of = sum(count for (status, reason), count in counts.items() if status != Status.FAILED or reason in REPORTED)
    if campaign.channel == Channel.SMS:
        yield from _of_texts(campaign, of)
    yield from _of_senders(campaign, counts, of)
    yield from _of_addresses(campaign, counts, of)
    if campaign.channel == Channel.EMAIL:
        yield from _of_complaints(sum(counts[key] for key in counts if key[0] == Status.COMPLAINED), of)


def _of_senders(campaign: Campaign, counts: Counter[tuple[str, str]], of: int) -> Iterator[Alarm]:
    count = counts[Status.BOUNCED, Reason.SENDERS_FAULT] + counts[Status.FAILED, Reason.SENDERS_FAULT]
    if not SENDERS.is_reached(count, of):
        return
    reports = ProviderEvent.objects.filter(message__campaign=campaign, verdict=Verdict.SENDER).exclude(code="")
    common = reports.order_by().values_list("code").annotate(times=Count("pk")).order_by("-times", "code").first()
    said = {"count": count, "of": of, "code": common[0] if common else ""}
    yield Alarm("sender", count, (BY_SENDER_WITH_CODE if common else BY_SENDER) % said)


def _of_addresses(campaign: Campaign, counts: Counter[tuple[str, str]], of: int) -> Iterator[Alarm]:
    count = counts[Status.BOUNCED, Reason.NO_SUCH_ADDRESS]
    worst, bad = (
        (NO_SUCH_MAILBOX, NO_SUCH_MAILBOXES) if campaign.channel == Channel.EMAIL else (NO_SUCH_NUMBER, NO_SUCH_NUMBERS)
    )
    if HARD.is_reached(count, of):
        yield Alarm("hard", count, worst % {"count": count, "of": of})
    elif HARD_WARN.is_reached(count, of):
        yield Alarm("hard", count, bad % {"count": count, "of": of, "most": "8 %"}, stops=False)


def _of_complaints(count: int, of: int) -> Iterator[Alarm]:
    if COMPLAINTS.is_reached(count, of):
        yield Alarm("complaints", count, MANY_COMPLAINTS % {"count": count, "of": of})
    elif COMPLAINTS_WARN.is_reached(count, of):
        yield Alarm("complaints", count, SOME_COMPLAINTS % {"count": count, "of": of}, stops=False)


def _of_texts(campaign: Campaign, of: int) -> Iterator[Alarm]:
    """Look at what Twilio names by code: what no other text of the account would get past either, first."""
    known = {FILTERED_CODE, *ACCOUNT_CODES, *DAY_CODES, *BUSY_CODES}
    rows = ProviderEvent.objects.filter(message__campaign=campaign, code__in=known).order_by()
    counts = Counter(dict(rows.values_list("code").annotate(Count("message", distinct=True))))
    for code in sorted(ACCOUNT_CODES & counts.keys()):
        yield Alarm(code, counts[code], BAD_ACCOUNT % {"code": code}, stops_channel=True)
    if FILTERED.is_reached(counts[FILTERED_CODE], of):
        count = counts[FILTERED_CODE]
        yield Alarm("filtered", count, FILTERED_AS_SPAM % {"count": count, "of": of})
    for code in sorted(DAY_CODES & counts.keys()):
        yield Alarm(code, counts[code], FULL_DAY % {"code": code})
    for code in sorted(BUSY_CODES & counts.keys()):
        yield Alarm(code, counts[code], TOO_FAST % {"code": code})
