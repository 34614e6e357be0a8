"""What the consent columns of a row, and the table it is in, say about a channel. No database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from django.utils.translation import gettext_noop

from contacts.channels import Channel
from contacts.importing.reading import columns
from contacts.importing.reading.presets import PRESETS
from contacts.importing.reading.sniff import TablePlan
from contacts.importing.reading.words import (
    STRENGTH,
    Claim,
    is_no,
    is_yes,
    read_instant,
    read_status,
    words_of_status,
)

MAX_EVIDENCE = 500  # characters
CHANNEL_PREFIX = {Channel.EMAIL: "email", Channel.SMS: "sms"}
ABOUT_E_MAIL = {Claim.BOUNCED, Claim.COMPLAINED, Claim.GRANTED, Claim.PENDING}
CLAIM_OF_MEANING = {
    "subscribed": Claim.GRANTED,
    "unsubscribed": Claim.REVOKED,
    "cleaned": Claim.BOUNCED,
    "nonsubscribed": Claim.NOT_GIVEN,
}
# Words for an account that works, not for somebody who agreed to be written to.
OF_AN_ACCOUNT = frozenset(["active", "aktiv", "activo", "actif", "attivo", "ativo", "actief", "confirmed", "accepted"])

# What a column of refusals says where there was none.
SAYS_NO_REFUSAL = frozenset(("never", "ok", "valid", "delivered", "not bounced", "not opted out", "not unsubscribed"))

Cells = dict[str, list[tuple[str, str]]]  # field -> (header, cell) of each of its columns that is filled


@dataclass(frozen=True, slots=True)
class ChannelClaim:
    """What a row says of one channel.

    `at`: when it happened, where the row tells; it may lie in the future. `evidence`: the headers and cells it was read
    from.
    """

    claim: Claim
    at: datetime | None
    evidence: str


@dataclass(slots=True)
class _Said:
    """What was gathered for one channel."""

    claims: list[Claim]
    at: dict[Claim, datetime]
    doubts: list[tuple[str, str, str]]  # header, cell, reason

    def add(self, claim: Claim, at: datetime | None) -> None:
        self.claims.append(claim)
        if at is not None:
            self.at[claim] = max(at, self.at.get(claim, at))


def read_claims(plan: TablePlan, cells: Cells) -> tuple[dict[Channel, ChannelClaim], list[tuple[str, str, str]]]:
    """Return what a row says of each channel, and what is doubtful: (header, cell, reason).

    Of several things said the strongest holds, a refusal above all. A channel of which nothing is said is left out.
    """
    claims, doubts = {}, []
    fields = set(plan.mapping.values())
    for channel in Channel:
        said = _Said([], {}, [])
        prefix = CHANNEL_PREFIX[channel]
        _hear_status(said, cells.get(f"{prefix}_status", ()))
        _hear_times(said, cells, prefix, counts_alone=bool(said.claims) or not _asks_status(plan, prefix))
        if main_channel(fields) == channel and plan.meaning in CLAIM_OF_MEANING:
            said.add(CLAIM_OF_MEANING[plan.meaning], said.at.get(CLAIM_OF_MEANING[plan.meaning]))
        _hear_person(said, cells.get("status", ()), is_main=main_channel(fields) == channel)
        doubts += [doubt for doubt in said.doubts if doubt not in doubts]
        if said.claims:
            claim = max(said.claims, key=STRENGTH.index)
            claims[channel] = ChannelClaim(claim, said.at.get(claim), _evidence(plan, cells, prefix))
    return claims, doubts


def main_channel(fields: set[str]) -> Channel:
    """Return the channel that a word about the person, or about the whole table, is about."""
    return Channel.SMS if "phone" in fields and "email" not in fields else Channel.EMAIL


@lru_cache(maxsize=512)
def _refusal_of(header: str) -> Claim | None:
    return columns.refusal_of(header)


def _hear_status(said: _Said, cells: Iterable[tuple[str, str]]) -> None:
    for header, cell in cells:
        refusal = _refusal_of(header)
        claim, at = _read_refusing(cell, refusal) if refusal else _read_agreeing(cell)
        if claim is not None:
            said.add(claim, at)
        if claim == Claim.UNKNOWN:
            said.doubts.append(
                (header, cell, gettext_noop("This word about consent is not understood, so it is not taken as a yes."))
            )


def _read_agreeing(cell: str) -> tuple[Claim | None, datetime | None]:
    claim = read_status(cell)
    if claim == Claim.UNKNOWN and (at := read_instant(cell)) is not None:
        return Claim.GRANTED, at
    return claim, None


def _read_refusing(cell: str, refusal: Claim) -> tuple[Claim | None, datetime | None]:
    """Read a cell of a column that asks for a refusal, such as `Opted out` or `Bounce reason`: filled means refused."""
    claim, words = read_status(cell), words_of_status(cell)
    if is_yes(cell):
        return refusal, None
    if claim in (None, Claim.NOT_GIVEN) or "soft" in words or words in SAYS_NO_REFUSAL:
        return None, None
    if refusal in (Claim.BOUNCED, Claim.COMPLAINED) or claim == Claim.UNKNOWN:
        return refusal, read_instant(cell)
    return claim, None


def _asks_status(plan: TablePlan, prefix: str) -> bool:
    """Whether a column says who agreed: then an empty cell of it is no yes, whatever time stands beside it."""
    return any(
        field == f"{prefix}_status" and _refusal_of(plan.header[at]) is None for at, field in plan.mapping.items()
    )


def _hear_times(said: _Said, cells: Cells, prefix: str, *, counts_alone: bool) -> None:
    has_agreed, agreed = _instant(said, cells.get(f"{prefix}_consent_at", ()))
    has_left, left = _instant(said, cells.get(f"{prefix}_unsubscribed_at", ()), is_certain=True)
    if has_agreed and counts_alone:
        said.add(Claim.GRANTED, agreed)
    if has_left and not (agreed is not None and left is not None and agreed > left):
        said.add(Claim.REVOKED, left)


def _instant(
    said: _Said, cells: Iterable[tuple[str, str]], *, is_certain: bool = False
) -> tuple[bool, datetime | None]:
    """Return whether the columns say that it happened, and when last.

    `is_certain`: something filled in means that it happened, even if nobody can tell when.
    """
    happened, last = False, None
    for header, cell in cells:
        if _says_nothing(cell):
            continue
        at = read_instant(cell)
        if at is None and not is_yes(cell):
            said.doubts.append(
                (header, cell, gettext_noop("This is not a time that can be told. Write it as 2024-05-31 14:30."))
            )
            happened = happened or is_certain
            continue
        happened, last = True, max(filter(None, (at, last)), default=None)
    return happened, last


def _says_nothing(cell: str) -> bool:
    """Whether a cell for a time says that it did not happen: blank, `no`, `never`, `0000-00-00`."""
    words = words_of_status(cell)
    return is_no(cell) or words == "never" or read_status(cell) is None or not cell.strip("0/-: ")


def _hear_person(said: _Said, cells: Iterable[tuple[str, str]], *, is_main: bool) -> None:
    """Hear one word about the person: a refusal holds for every channel, a yes for the main one alone."""
    for header, cell in cells:
        refusal = _refusal_of(header)
        claim, at = _read_refusing(cell, refusal) if refusal else (read_status(cell), None)
        if claim is None or (claim == Claim.GRANTED and (words_of_status(cell) in OF_AN_ACCOUNT or is_yes(cell))):
            continue
        if is_main or claim not in ABOUT_E_MAIL:
            said.add(claim, at)
        if claim == Claim.UNKNOWN:
            said.doubts.append(
                (header, cell, gettext_noop("This word about consent is not understood, so it is not taken as a yes."))
            )


def _evidence(plan: TablePlan, cells: Cells, prefix: str) -> str:
    names = ("status", "consent_at", "consent_note", "unsubscribed_at")
    told = [pair for name in names for pair in cells.get(f"{prefix}_{name}", ())] + list(cells.get("status", ()))
    source = PRESETS[plan.preset].label if plan.preset in PRESETS and plan.preset != "plain" else "File"
    if plan.meaning:
        source += f", {plan.name}"
    text = "; ".join(f"{header} {' '.join(cell.split())[:120]}" for header, cell in told)
    return f"{source}: {text}"[:MAX_EVIDENCE] if text else source[:MAX_EVIDENCE]
