"""The bounce classifier, measured on what others have labelled, mails and responses: precision and recall of "hard".

A hard verdict suppresses an address for good, so a wrong one loses a guest; a missing one costs reputation.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.measuring import Report
from messaging.bounces import judge, read_returned
from messaging.incoming import EventType

CORPUS = Path(__file__).resolve().parent.parent / "tests" / "wire" / "bounces"
HALVES = ("develop", "held out")
CLASSES = ("hard", "soft", "sender", "nothing")
FOUND = ("hard", "soft", "sender", "delayed", "nothing")


# What Sisimai's reasons mean in ours, by its own description of each. Empty where that covers both: a mailbox may be
# suspended for now or for good, a server that accepts nothing is gone or busy, `filtered` is "almost the same as
# UserUnknown", and `suppressed` is the sender's own list.
SISIMAI = {
    **dict.fromkeys(("userunknown", "hostunknown", "hasmoved"), "hard"),
    **dict.fromkeys(("mailboxfull", "systemfull", "systemerror", "mailererror", "networkerror", "expired"), "soft"),
    **dict.fromkeys(("toomanyconn", "speeding"), "soft"),
    **dict.fromkeys(("blocked", "badreputation", "requireptr", "authfailure", "securityerror"), "sender"),
    **dict.fromkeys(("failedstarttls", "norelaying", "rejected", "policyviolation", "spamdetected"), "sender"),
    **dict.fromkeys(("contenterror", "virusdetected", "mesgtoobig", "exceedlimit"), "sender"),
    **dict.fromkeys(("notcompliantrfc", "syntaxerror"), "sender"),
    **dict.fromkeys(("vacation", "feedback", "delivered"), "nothing"),
    **dict.fromkeys(("suspend", "notaccept", "filtered", "suppressed", "onhold", "undefined"), ""),
}
HARD_FLAG = {"userunknown", "hostunknown", "hasmoved", "notaccept"}  # what Sisimai itself flags as a hard bounce


@dataclass(frozen=True, slots=True)
class Case:
    """One mail or response: what its source says of it, and what the classifier finds.

    `labeller` is whose word `label` is. `wanted`, `final` and `flag` (Sisimai's own: hard or soft) may be empty.
    """

    source: str
    file: str
    label: str
    wanted: str
    final: str
    half: str
    disputed: str
    found: str
    labeller: str
    flag: str = ""


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
    """Classify every mail of the corpus. Where its own source does not say, Sisimai's verdict on it is the label."""
    verdicts = {(row["source"], row["file"]): row for row in _rows(CORPUS / "sisimai" / "mails.csv")}
    disputed = _disputed()
    found = []
    for labels in sorted(CORPUS.glob("*/labels.csv")):
        for row in _rows(labels):
            key = (labels.parent.name, row["file"])
            verdict = {} if row["wanted"] else verdicts.get(key, {})
            said = {"label": verdict["label"], "wanted": meaning(verdict["label"])} if verdict else {}
            labeller, kind = (
                "Sisimai" if verdict else "a test suite",
                found_in((labels.parent / row["file"]).read_bytes()),
            )
            found.append(
                Case(
                    **{**row, **said},
                    source=key[0],
                    disputed=disputed.get(key, ""),
                    found=kind,
                    labeller=labeller,
                    flag=verdict.get("flag", ""),
                )
            )
    return found


def meaning(reasons: str) -> str:
    """Return what Sisimai's reasons for one mail mean; the worst, and nothing certain where one of them is not."""
    kinds = {SISIMAI[reason] for reason in reasons.split()}
    return next((kind for kind in ("hard", "", "sender", "soft", "nothing") if kind in kinds), "")


def responses() -> list[Case]:
    """Classify every response of a server; `source` says where Sisimai has it from."""
    disputed = _disputed()
    return [
        Case(
            source=row["where"],
            file=row["response"],
            label=row["label"],
            wanted=SISIMAI[row["label"]],
            final="",
            half=row["half"],
            disputed=disputed.get(("sisimai", row["response"]), ""),
            found=judge(diagnostic=row["response"]).verdict.value,
            labeller="Sisimai",
            flag="hard" if row["label"] in HARD_FLAG else "soft",
        )
        for row in _rows(CORPUS / "sisimai" / "responses.csv")
    ]


def _disputed() -> dict[tuple[str, str], str]:
    return {(row["source"], row["file"]): row["why"] for row in _rows(CORPUS / "disputed.csv")}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def score(some: Iterable[Case]) -> Score:
    """Return the score of "hard" over the mails of which the source says whether they are."""
    pairs = [(case.wanted == "hard", case.found == "hard") for case in some if case.wanted]
    counted = Counter(pairs)
    return Score(counted[True, True], counted[False, True], counted[True, False], len(pairs))


def by_flag(some: Iterable[Case]) -> list[Case]:
    """Return the cases as Sisimai's own flag labels them, where its reasons alone do not decide."""
    return [replace(case, wanted=case.flag, disputed="") for case in some if case.flag]


def run() -> Report:
    mails, lines = cases(), responses()
    return Report("no database", [], ["\n".join(_lines(mails, lines))])


def _lines(mails: list[Case], said: list[Case]) -> list[str]:
    sources = sorted({case.source for case in mails})
    labellers = sorted({case.labeller for case in mails})
    versions = sorted({case.source.split(" ")[0] for case in said})
    lines = [
        f"{len(mails)} returned mails and {len(said)} responses of servers:",
        "",
        '| | that say | precision of "hard" | recall of "hard" |',
        "|---|---|---|---|",
        _row("mails, as labelled", mails),
        _row("mails, undisputed", _undisputed(mails)),
        *(_row(f"mails, half: {half}", [case for case in mails if case.half == half]) for half in HALVES),
        *(_row(f"mails labelled by {who}", [case for case in mails if case.labeller == who]) for who in labellers),
        *(_row(f"mails of {source}", [case for case in mails if case.source == source]) for source in sources),
        _row("mails, by Sisimai's own flag", by_flag(mails)),
        _row("responses, as labelled", said),
        _row("responses, undisputed", _undisputed(said)),
        *(_row(f"responses, half: {half}", [case for case in said if case.half == half]) for half in HALVES),
        *(
            _row(f"responses of Sisimai {name}", [case for case in said if case.source.startswith(name)])
            for name in versions
        ),
        _row("responses, by Sisimai's own flag", by_flag(said)),
        _row("all, as labelled", [*mails, *said]),
        _row("all, undisputed", _undisputed([*mails, *said])),
        "",
        *_confusion("mails", mails),
        "",
        *_confusion("responses", said),
        "",
        *_finality(mails),
        *(f"- missed or wrong: {case.source}: {case.file}, {_why(case)}" for case in [*mails, *said] if _is_off(case)),
    ]
    return [lines[0], *(f"  {line}".rstrip() for line in lines[1:])]


def _undisputed(some: Iterable[Case]) -> list[Case]:
    return [case for case in some if not case.disputed]


def _row(name: str, some: Collection[Case]) -> str:
    found = score(some)
    return (
        f"| {name} | {found.total} | {found.precision:.3f} ({found.right} of {found.right + found.wrong}) "
        f"| {found.recall:.3f} ({found.right} of {found.right + found.missed}) |"
    )


def _confusion(name_of_all: str, every: Collection[Case]) -> list[str]:
    counted = Counter((case.wanted, case.found) for case in every)
    return [
        f"| {name_of_all} labelled, found: | {' | '.join(FOUND)} |",
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
    return f"labelled {case.label} by {case.labeller}, found {case.found}{reason}"
