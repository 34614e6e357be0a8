"""The bounce classifier, measured on returned mails that others have labelled: precision and recall of "hard".

A hard verdict suppresses an address for good, so a wrong one loses a guest; a missing one costs reputation.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import Report
from messaging.bounces import read_returned
from messaging.incoming import EventType

CORPUS = Path(__file__).resolve().parent.parent / "tests" / "wire" / "bounces"
HALVES = ("develop", "held out")
CLASSES = ("hard", "soft", "sender", "nothing")
FOUND = ("hard", "soft", "sender", "delayed", "nothing")


@dataclass(frozen=True, slots=True)
class Case:
    """One mail: what its source says of it, and what the classifier finds. `wanted` and `final` may be empty."""

    source: str
    file: str
    label: str
    wanted: str
    final: str
    half: str
    disputed: str
    found: str


@dataclass(frozen=True, slots=True)
class Score:
    """How often "hard" was right (precision), and how much of it was found (recall), over so many mails."""

    right: int
    wrong: int
    missed: int
    total: int

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong or 1)

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed or 1)


def found_in(mail: bytes) -> str:
    """Return the worst a mail says of anybody: `hard`, `sender`, `soft`, `delayed` or `nothing`."""
    kinds = {
        "delayed" if returned.type == EventType.DEFERRED else returned.judgement.verdict.value
        for returned in read_returned(mail)
    }
    return next((kind for kind in ("hard", "sender", "soft", "delayed") if kind in kinds), "nothing")


def cases() -> list[Case]:
    """Classify the whole corpus."""
    disputed = {(row["source"], row["file"]): row["why"] for row in _rows(CORPUS / "disputed.csv")}
    return [
        Case(
            **row,
            source=labels.parent.name,
            disputed=disputed.get((labels.parent.name, row["file"]), ""),
            found=found_in((labels.parent / row["file"]).read_bytes()),
        )
        for labels in sorted(CORPUS.glob("*/labels.csv"))
        for row in _rows(labels)
    ]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def score(some: Iterable[Case]) -> Score:
    """Return the score of "hard" over the mails of which the source says whether they are."""
    pairs = [(case.wanted == "hard", case.found == "hard") for case in some if case.wanted]
    counted = Counter(pairs)
    return Score(counted[True, True], counted[False, True], counted[True, False], len(pairs))


def run() -> Report:
    all_cases = cases()
    return Report("no database", [], ["\n".join(_lines(all_cases))])


def _lines(every: list[Case]) -> list[str]:
    undisputed = [case for case in every if not case.disputed]
    sources = sorted({case.source for case in every})
    lines = [
        f"{len(every)} returned mails, {len(undisputed)} with an undisputed label:",
        "",
        '| | mails that say | precision of "hard" | recall of "hard" |',
        "|---|---|---|---|",
        _row("all, as labelled", every),
        _row("all, undisputed", undisputed),
        *(_row(f"half: {half}", [case for case in undisputed if case.half == half]) for half in HALVES),
        *(_row(source, [case for case in undisputed if case.source == source]) for source in sources),
        "",
        *_confusion(every),
        "",
        *_finality(every),
        *(f"- missed or wrong: {case.source}/{case.file}, {_why(case)}" for case in every if _is_off(case)),
    ]
    return [lines[0], *(f"  {line}".rstrip() for line in lines[1:])]


def _row(name: str, some: Collection[Case]) -> str:
    found = score(some)
    return (
        f"| {name} | {found.total} | {found.precision:.3f} ({found.right} of {found.right + found.wrong}) "
        f"| {found.recall:.3f} ({found.right} of {found.right + found.missed}) |"
    )


def _confusion(every: Collection[Case]) -> list[str]:
    counted = Counter((case.wanted, case.found) for case in every)
    return [
        f"| labelled, found: | {' | '.join(FOUND)} |",
        f"|---|{'---|' * len(FOUND)}",
        *(f"| {name} | {' | '.join(str(counted[name, found]) for found in FOUND)} |" for name in CLASSES),
    ]


def _finality(every: Collection[Case]) -> list[str]:
    counted = Counter((case.final, case.found not in {"delayed", "nothing"}) for case in every)
    gave_up, goes_on = counted["yes", True] + counted["yes", False], counted["no", True] + counted["no", False]
    return [
        f"- of {gave_up} whose server gave up, {counted['yes', True]} are found failed; "
        f"of {goes_on} whose server goes on trying, {counted['no', True]}",
    ]


def _is_off(case: Case) -> bool:
    return bool(case.wanted) and (case.wanted == "hard") != (case.found == "hard")


def _why(case: Case) -> str:
    reason = f" (disputed: {case.disputed})" if case.disputed else ""
    return f"labelled {case.label}, found {case.found}{reason}"
