"""Who got what: the provider's own log against the ledger. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

AMBIGUOUS = ("500", "drop", "hang")  # answers after which nobody can know
WHY_UNKNOWN = ("outcome_unknown", "worker_died")


class Violation(AssertionError):
    """The ledger and the provider do not agree; the message lists each case by id."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the ledger."""

    id: int
    reference: str
    contact_id: int
    status: str
    reason: str = ""
    handed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One message in a request as the provider saw it: whether it took it, and what it answered."""

    reference: str
    taken: bool
    answer: str


@dataclass(frozen=True, slots=True)
class Story:
    """What was done to the machinery while it ran.

    `in_flight` is how many messages all kills together may have caught on their way. `stopped` says when people opted
    out, `pauses` when the campaign stood still, from the moment that was certain to the moment it was taken back.
    """

    audience: frozenset[int]
    in_flight: int
    stopped: Mapping[int, datetime] = field(default_factory=dict)
    pauses: Sequence[tuple[datetime, datetime]] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it. `unknown` lists each message nobody knows about: its id, its reason, whether it was taken."""

    states: dict[str, int]
    taken: int
    ambiguous: int
    unknown: list[tuple[int, str, bool]]


def read_calls(log: Path) -> list[Call]:
    """Read the provider's log; a line cut short by a kill was never answered and never counted."""
    whole = log.read_text().rpartition("\n")[0]
    return [
        Call(reference, taken == "1", answer)
        for _, reference, taken, answer in (line.split() for line in whole.splitlines())
    ]


def judge(rows: Sequence[Row], calls: Iterable[Call], story: Story, *, listed: Iterable[int]) -> Verdict:
    """Return what came of it. Raises Violation where anybody is lost, doubled or unaccounted for.

    `listed` are the messages that the product shows its owner as not known.
    """
    calls = list(calls)
    taken = Counter(call.reference for call in calls if call.taken)
    ambiguous = sum(call.answer in AMBIGUOUS for call in calls)
    unknown = [(row.id, row.reason, bool(taken[row.reference])) for row in rows if row.status == "unknown"]
    wrongs = [*_people(rows, story), *_states(rows, taken, story), *_strangers(rows, taken), *_moments(rows, story)]
    wrongs += [f"message {pk} is unknown, and listed nowhere" for pk in {pk for pk, _, _ in unknown} - set(listed)]
    if len(unknown) > story.in_flight + ambiguous:
        wrongs.append(f"{len(unknown)} unknown, though {story.in_flight} were in flight and {ambiguous} had no answer")
    if wrongs:
        raise Violation("\n".join([f"{len(wrongs)} wrong:", *wrongs[:50]]))
    return Verdict(dict(Counter(row.status for row in rows)), taken.total(), ambiguous, unknown)


def _people(rows: Sequence[Row], story: Story) -> Iterator[str]:
    """Each of the audience once, and nobody else."""
    found = Counter(row.contact_id for row in rows)
    yield from (f"contact {person} is lost" for person in story.audience - found.keys())
    yield from (f"contact {person} was never in the audience" for person in found.keys() - story.audience)
    yield from (f"contact {person} has {number} messages" for person, number in found.items() if number > 1)


def _states(rows: Sequence[Row], taken: Counter[str], story: Story) -> Iterator[str]:
    """What the ledger says of each message against how often the provider took it."""
    for row in rows:
        times = taken[row.reference]
        if times > 1:
            yield f"message {row.id} ({row.status}) was taken {times} times"
        if row.status == "accepted":
            if times == 0:
                yield f"message {row.id} is accepted, but the provider never took it"
        elif row.status == "unknown":
            if row.reason not in WHY_UNKNOWN:
                yield f"message {row.id} is unknown for the reason '{row.reason}'"
        elif times:
            yield f"message {row.id} is {row.status}, but the provider took it"
        elif row.status != "skipped" or row.contact_id not in story.stopped:
            yield f"message {row.id} is left {row.status} ({row.reason})"


def _strangers(rows: Sequence[Row], taken: Counter[str]) -> Iterator[str]:
    known = {row.reference for row in rows}
    yield from (f"the provider took {reference}, which no message is" for reference in taken.keys() - known)


def _moments(rows: Sequence[Row], story: Story) -> Iterator[str]:
    """Nobody is handed over after an opt-out, nor while the campaign stands still."""
    for row in rows:
        if row.handed_at is None:
            continue
        if (stopped_at := story.stopped.get(row.contact_id)) and row.handed_at > stopped_at:
            yield f"message {row.id} was handed over after its contact had opted out"
        if any(start < row.handed_at < end for start, end in story.pauses):
            yield f"message {row.id} was handed over while the campaign was paused"
