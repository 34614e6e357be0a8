"""What a file says people agreed to, held against what they said themselves.

A file never resurrects: an opt-out, a bounce or a complaint that is known here stays, whatever the file says. A file
may take people off: who opted out or bounced elsewhere is not written to from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from contacts.channels import Channel
from contacts.fields import key_id
from contacts.importing.book import Book, Person
from contacts.importing.counts import Counts
from contacts.importing.reading.rows import Candidate, ChannelClaim
from contacts.importing.reading.words import Claim
from contacts.models import KEPT_AWAY, ChannelStatus, ConsentEvent, Contact, Import, Suppression
from contacts.queries import ChannelState, derive_states
from contacts.services import suppress_many
from contacts.services.inserting import insert_rows

OPEN = {ChannelStatus.NONE, ChannelStatus.PENDING}
FROM_COLUMNS = "Taken from the consent columns of the imported file."
EVENT_COLUMNS = (
    "contact",
    "channel",
    "address_index",
    "index_key_id",
    "action",
    "source",
    "at",
    "wording",
    "version",
    "evidence",
    "reference",
    "import_run",
    "actor",
    "ip_address",
    "user_agent",
)
BLOCKS = {
    Claim.BOUNCED: Suppression.Reason.BOUNCED,
    Claim.COMPLAINED: Suppression.Reason.COMPLAINED,
    Claim.BLOCKED: Suppression.Reason.MANUAL,
    Claim.REVOKED: Suppression.Reason.UNSUBSCRIBED,
}
Address = tuple[Channel, bytes]


@dataclass(slots=True)
class _Word:
    """A consent event to be written once the contact has a row; nobody may have the address."""

    contact: Contact | None
    address: Address
    action: ConsentEvent.Action
    at: datetime
    wording: str
    evidence: str
    reference: str


@dataclass(slots=True)
class Consents:
    """The states of a chunk's addresses as they change row by row, and what is to be written.

    `granted` are the addresses this file subscribed, in this chunk or an earlier one.
    """

    record: Import
    counts: Counts
    at: datetime
    states: dict[Address, ChannelState]
    kept_away: set[Address]
    granted: set[Address]
    words: list[_Word] = field(default_factory=list)
    blocks: list[tuple[Channel, bytes, Suppression.Reason, datetime, str]] = field(default_factory=list)

    @classmethod
    def load(cls, record: Import, counts: Counts, candidates: list[Candidate], at: datetime) -> Consents:
        states: dict[Address, ChannelState] = {}
        granted: set[Address] = set()
        for channel in Channel:
            indexes = {index for c in candidates if (index := c.index(channel)) is not None}
            found = derive_states(channel, indexes)
            states |= {(channel, index): state for index, state in found.items()}
            granted |= _granted_before(
                record, channel, {i for i, state in found.items() if state.state == ChannelStatus.SUBSCRIBED}
            )
        kept_away = {address for address, state in states.items() if state.state in KEPT_AWAY}
        return cls(record, counts, at, states, kept_away, granted)

    def take_over(self, book: Book) -> None:
        """Take over what an earlier chunk of a check found: none of it was written."""
        for address in list(self.states):
            person = book.owner(*address)
            if person and person.entry and (said := (person.entry.states or {}).get(address[0].value)):
                status, granted_here = ChannelStatus(said[0]), said[1]
                if self.states[address].state != status:
                    self.states[address] = ChannelState(status)
                if granted_here:
                    self.granted.add(address)

    def is_erased(self, candidate: Candidate) -> bool:
        """Whether the row is about somebody who was erased: not even their name may come back by a file."""
        addresses = [(channel, index) for channel in Channel if (index := candidate.index(channel)) is not None]
        return any(self.states[address].reason == Suppression.Reason.ERASED for address in addresses)

    def apply(self, book: Book, person: Person, candidate: Candidate, reference: str) -> None:
        """Take a row's word on each channel, and set the statuses of those it is about to what comes out."""
        for channel in Channel:
            index = candidate.index(channel)
            if index is not None and person.contact.address_index(channel) == index:
                person.was_kept_away |= (channel, index) in self.kept_away
                self._settle(person, (channel, index), candidate.claims.get(channel), reference)
                continue
            # The address was left out, being another contact's or unlike the known one; a refusal holds all the same.
            index = candidate.left_out_index if channel == Channel.SMS and index is None else index
            said = candidate.claims.get(channel)
            if index is not None and said is not None and said.claim in BLOCKS:
                self._settle(book.owner(channel, index), (channel, index), said, reference)

    def _settle(self, person: Person | None, address: Address, said: ChannelClaim | None, reference: str) -> None:
        before = len(self.blocks)
        state = self._hear(person.contact if person else None, address, said, reference)
        newly = len(self.blocks) > before and self.states[address].state not in KEPT_AWAY
        if newly and not (person and person.opted_out):
            self.counts.opted_out += 1
        if newly and person:
            person.opted_out = True
        self.states[address] = state
        name = f"{address[0].value}_status"
        if person and getattr(person.contact, name) != state.state:
            person.consent_changed = True
            setattr(person.contact, name, state.state)

    def _hear(
        self, contact: Contact | None, address: Address, said: ChannelClaim | None, reference: str
    ) -> ChannelState:
        state = self.states[address]
        if said is not None and said.claim in BLOCKS:
            return self._block(contact, address, said, reference)
        if state.state not in OPEN:
            return state
        attested = self.record.consent_email if address[0] == Channel.EMAIL else self.record.consent_sms
        if said is not None and said.claim == Claim.GRANTED:
            at, wording, evidence = said.at or self._attested_at, attested or FROM_COLUMNS, said.evidence
        elif said is None and attested:
            at, wording, evidence = self._attested_at, attested, ""
        else:  # the row says no, not yet, or something nobody understands: what is said of the whole file is not theirs
            return state
        at = min(at, self.at)  # nobody agrees in the future: such a grant would outlast an opt-out
        self.words.append(_Word(contact, address, ConsentEvent.Action.GRANTED, at, wording, evidence, reference))
        self.granted.add(address)
        self._count(address[0], +1)
        return ChannelState(ChannelStatus.SUBSCRIBED, "", at)

    def _block(self, contact: Contact | None, address: Address, said: ChannelClaim, reference: str) -> ChannelState:
        """Keep an address away that opted out or bounced elsewhere, unless the person came back here after that."""
        state, reason = self.states[address], BLOCKS[said.claim]
        revoked = reason == Suppression.Reason.UNSUBSCRIBED
        if revoked and state.state == ChannelStatus.SUBSCRIBED and _came_back(address, said.at):
            return state
        at = min(said.at or self.at, self.at)
        if revoked and not state.withdrawn and state.state != ChannelStatus.UNSUBSCRIBED:
            action = ConsentEvent.Action.REVOKED
            self.words.append(_Word(contact, address, action, at, FROM_COLUMNS, said.evidence, reference))
        self.blocks.append((*address, reason, at, reference[:80]))
        if state.state == ChannelStatus.SUPPRESSED or (revoked and state.state == ChannelStatus.UNSUBSCRIBED):
            return state
        if address in self.granted:  # the later refusal wins over an earlier row of the same file
            self.granted.discard(address)
            self.words = [
                word for word in self.words if (word.address, word.action) != (address, ConsentEvent.Action.GRANTED)
            ]
            self._count(address[0], -1)
        blocked = ChannelStatus.UNSUBSCRIBED if revoked else ChannelStatus.SUPPRESSED
        return ChannelState(blocked, reason, at, revoked)

    @property
    def _attested_at(self) -> datetime:
        return self.record.consent_at or self.record.created_at

    def _count(self, channel: Channel, step: int) -> None:
        if channel == Channel.EMAIL:
            self.counts.subscribed_email += step
        else:
            self.counts.subscribed_sms += step

    def states_of(self, contact: Contact) -> dict[str, tuple[str, bool]]:
        """Return the status of each channel, and whether this file granted it: what a check carries on."""
        found = {}
        for channel in Channel:
            index = contact.address_index(channel)
            if index is not None and (state := self.states.get((channel, index))):
                found[channel.value] = (state.state.value, (channel, index) in self.granted)
        return found

    def write(self) -> None:
        """Write what was heard; the contacts have their rows by now."""
        insert_rows(ConsentEvent, EVENT_COLUMNS, map(self._row, self.words))
        suppress_many(self.blocks)

    def _row(self, word: _Word) -> tuple[object, ...]:
        channel, index = word.address
        return (
            word.contact.pk if word.contact else None,
            channel.value,
            index,
            key_id(),
            word.action.value,
            ConsentEvent.Source.IMPORT.value,
            word.at,
            word.wording,
            "",
            word.evidence or None,
            word.reference,
            self.record.pk,
            self.record.created_by_id,
            None,
            None,
        )


def _granted_before(record: Import, channel: Channel, indexes: set[bytes]) -> set[Address]:
    """Return those of the addresses that an earlier chunk of this import subscribed."""
    if not indexes or not record.position:
        return set()
    events = ConsentEvent.objects.filter(
        channel=channel, address_index__in=indexes, action=ConsentEvent.Action.GRANTED, import_run=record
    )
    return {(channel, bytes(index)) for index in events.values_list("address_index", flat=True)}


def _came_back(address: Address, since: datetime | None) -> bool:
    """Whether the person agreed by their own act here after `since`; what files said does not count."""
    if since is None:
        return False
    channel, index = address
    acts = ConsentEvent.objects.filter(
        channel=channel, address_index=index, action=ConsentEvent.Action.GRANTED, at__gt=since
    )
    return acts.exclude(source=ConsentEvent.Source.IMPORT).exists()
