"""What a file says people agreed to, held against what they said themselves.

A file never resurrects: an opt-out, a bounce or a complaint that is known here stays, whatever the file says. A file
may take people off: who opted out or bounced elsewhere is not written to from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from contacts.channels import Channel
from contacts.fields import key_id
from contacts.importing.book import Person
from contacts.importing.counts import Counts
from contacts.importing.rows import Candidate, ChannelClaim
from contacts.importing.words import Claim
from contacts.models import ChannelStatus, ConsentEvent, Contact, Import, Suppression
from contacts.queries import ChannelState, derive_states
from contacts.services.inserting import insert_rows

KEPT_AWAY = {ChannelStatus.UNSUBSCRIBED, ChannelStatus.SUPPRESSED}
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


@dataclass(slots=True)
class _Word:
    """A consent event to be written once the contact has a row."""

    contact: Contact
    channel: Channel
    address_index: bytes
    action: ConsentEvent.Action
    at: datetime
    wording: str
    evidence: str
    reference: str


@dataclass(slots=True)
class Consents:
    """The states of a chunk's addresses, as they change row by row, and what is to be written."""

    record: Import
    counts: Counts
    at: datetime
    states: dict[Channel, dict[bytes, ChannelState]]
    kept_away: dict[Channel, set[bytes]]
    words: list[_Word] = field(default_factory=list)
    suppressions: list[Suppression] = field(default_factory=list)

    @classmethod
    def load(cls, record: Import, counts: Counts, candidates: list[Candidate], at: datetime) -> Consents:
        states = {
            channel: derive_states(channel, {index for c in candidates if (index := c.index(channel)) is not None})
            for channel in Channel
        }
        kept_away = {
            channel: {index for index, state in states[channel].items() if state.state in KEPT_AWAY}
            for channel in Channel
        }
        return cls(record, counts, at, states, kept_away)

    def apply(self, person: Person, candidate: Candidate, reference: str) -> None:
        """Take a row's word on each channel, and set the contact's statuses to what comes out."""
        for channel in Channel:
            index = candidate.index(channel)
            if index is None or person.contact.address_index(channel) != index:
                continue
            person.was_kept_away |= index in self.kept_away[channel]
            state = self._hear(person, candidate, channel, index, reference)
            self.states[channel][index] = state
            name = f"{channel.value}_status"
            if getattr(person.contact, name) != state.state:
                person.consent_changed = True
                setattr(person.contact, name, state.state)

    def _hear(
        self, person: Person, candidate: Candidate, channel: Channel, index: bytes, reference: str
    ) -> ChannelState:
        state, said = self.states[channel][index], candidate.claims.get(channel)
        if said is not None and said.claim in BLOCKS:
            return self._block(person, channel, index, said, reference)
        if state.state not in OPEN:
            return state
        attested = self.record.consent_email if channel == Channel.EMAIL else self.record.consent_sms
        if said is not None and said.claim == Claim.GRANTED:
            at, wording, evidence = said.at or self._attested_at, attested or FROM_COLUMNS, said.evidence
        elif said is None and attested:
            at, wording, evidence = self._attested_at, attested, ""
        else:  # the row says no, not yet, or something nobody understands: what is said of the whole file is not theirs
            return state
        at = min(at, self.at)  # nobody agrees in the future: such a grant would outlast an opt-out
        granted = ConsentEvent.Action.GRANTED
        self.words.append(_Word(person.contact, channel, index, granted, at, wording, evidence, reference))
        self._count(channel, +1)
        return ChannelState(ChannelStatus.SUBSCRIBED, "", at)

    def _block(
        self, person: Person, channel: Channel, index: bytes, said: ChannelClaim, reference: str
    ) -> ChannelState:
        """Keep an address away that opted out or bounced elsewhere, unless the person came back here after that."""
        state, reason = self.states[channel][index], BLOCKS[said.claim]
        revoked = reason == Suppression.Reason.UNSUBSCRIBED
        if revoked and state.state == ChannelStatus.SUBSCRIBED and _came_back(channel, index, said.at):
            return state
        at = min(said.at or self.at, self.at)
        if revoked and not state.withdrawn and state.state != ChannelStatus.UNSUBSCRIBED:
            action, evidence = ConsentEvent.Action.REVOKED, said.evidence
            self.words.append(_Word(person.contact, channel, index, action, at, FROM_COLUMNS, evidence, reference))
        if state.state in KEPT_AWAY:
            return state
        if state.state == ChannelStatus.SUBSCRIBED and self._forget_grant(channel, index):
            self._count(channel, -1)
        self.suppressions.append(
            Suppression(channel=channel, address_index=index, reason=reason, source=reference[:80], created_at=at)
        )
        self.counts.opted_out += 1
        blocked = ChannelStatus.UNSUBSCRIBED if revoked else ChannelStatus.SUPPRESSED
        return ChannelState(blocked, reason, at, revoked)

    def _forget_grant(self, channel: Channel, index: bytes) -> bool:
        """Whether an earlier row of this chunk had granted it; the later refusal wins and takes the grant away."""
        granted = ConsentEvent.Action.GRANTED
        kept = [
            word for word in self.words if (word.channel, word.address_index, word.action) != (channel, index, granted)
        ]
        forgotten, self.words = len(kept) < len(self.words), kept
        return forgotten

    @property
    def _attested_at(self) -> datetime:
        return self.record.consent_at or self.record.created_at

    def _count(self, channel: Channel, step: int) -> None:
        if channel == Channel.EMAIL:
            self.counts.subscribed_email += step
        else:
            self.counts.subscribed_sms += step

    def write(self) -> None:
        """Write what was heard; the contacts have their rows by now."""
        insert_rows(
            ConsentEvent,
            EVENT_COLUMNS,
            (
                (
                    word.contact.pk,
                    word.channel.value,
                    word.address_index,
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
                for word in self.words
            ),
        )
        Suppression.objects.bulk_create(self.suppressions, ignore_conflicts=True)


def _came_back(channel: Channel, index: bytes, since: datetime | None) -> bool:
    """Whether the person agreed by their own act here after `since`; what files said does not count."""
    if since is None:
        return False
    acts = ConsentEvent.objects.filter(
        channel=channel, address_index=index, action=ConsentEvent.Action.GRANTED, at__gt=since
    )
    return acts.exclude(source=ConsentEvent.Source.IMPORT).exists()
