"""What is known of an address: who has it, and what its events and suppressions add up to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max

from contacts.channels import Channel, normalise
from contacts.fields import keyed_hash
from contacts.models import ChannelStatus, ConsentEvent, Contact, Import, Suppression


@dataclass(frozen=True, slots=True)
class ChannelState:
    """One channel of one contact. `reason` and `since` are empty where nothing happened yet.

    `withdrawn`: the person's own newest word is a withdrawal, whatever else blocks the address. `blocks`: the reasons
    of the suppressions in force, the strongest first.
    """

    state: ChannelStatus
    reason: str = ""
    since: datetime | None = None
    withdrawn: bool = False
    blocks: tuple[str, ...] = ()

    @property
    def has_left(self) -> bool:
        """Whether the address is off the channel, by a block or by the person's word."""
        return self.withdrawn or bool(self.blocks)

    @property
    def may_rejoin(self) -> bool:
        """Whether a fresh word of the person is all that is missing."""
        return self.state != ChannelStatus.SUBSCRIBED and set(self.blocks) <= set(Suppression.THEIR_WORD)


def address_index_of(text: str) -> tuple[Channel, bytes]:
    """Return channel and blind index of an e-mail address or phone number, however it is written.

    Raises AddressError where the text is neither.
    """
    channel = Channel.EMAIL if "@" in text else Channel.SMS
    return channel, keyed_hash(channel.value, normalise(channel, text))


def find_by_address(text: str) -> Contact | None:
    """Return the contact with this address. Raises AddressError."""
    return Contact.objects.with_address(*address_index_of(text)).first()


def live_suppressions(channel: Channel, indexes: Iterable[bytes]) -> dict[bytes, list[Suppression]]:
    """Return the suppressions in force, the strongest first, for each of these addresses that has one. One query."""
    found = Suppression.objects.filter(channel=channel, address_index__in=list(indexes), lifted_at=None)
    result: dict[bytes, list[Suppression]] = {}
    for suppression in sorted(found, key=lambda suppression: -suppression.strength):
        result.setdefault(bytes(suppression.address_index), []).append(suppression)
    return result


def newest_consent(channel: Channel, indexes: Iterable[bytes]) -> dict[bytes, dict[str, datetime]]:
    """Return for each address the time of its newest event of each action. One query.

    What an import granted does not count once the import is undone; what it withdrew does.
    """
    undone = Import.objects.filter(undone_at__isnull=False).values("pk")
    events = (
        ConsentEvent.objects.filter(channel=channel, address_index__in=list(indexes))
        .exclude(action=ConsentEvent.Action.GRANTED, import_run__in=undone)
        .order_by()
        .values("address_index", "action")
        .annotate(newest=Max("at"))
    )
    result: dict[bytes, dict[str, datetime]] = {}
    for event in events:
        result.setdefault(bytes(event["address_index"]), {})[event["action"]] = event["newest"]
    return result


def derive_states(channel: Channel, indexes: Iterable[bytes]) -> dict[bytes, ChannelState]:
    """Return the state of each address: what its suppression and its consent events add up to. Two queries.

    The newest revocation beats any older or simultaneous grant, a suppression beats both, and of several suppressions
    the strongest is named.
    """
    wanted = list(indexes)
    suppressions = live_suppressions(channel, wanted)
    consents = newest_consent(channel, wanted)
    return {index: _derive(suppressions.get(index, []), consents.get(index, {})) for index in wanted}


def has_withdrawn(channel: Channel, index: bytes) -> bool:
    """Whether the newest word of this address is a withdrawal. One query."""
    return _withdrawn(newest_consent(channel, [index]).get(index, {}))


def _withdrawn(newest: dict[str, datetime]) -> bool:
    granted, revoked = newest.get(ConsentEvent.Action.GRANTED), newest.get(ConsentEvent.Action.REVOKED)
    return revoked is not None and (granted is None or revoked >= granted)


def _derive(suppressions: list[Suppression], newest: dict[str, datetime]) -> ChannelState:
    withdrawn = _withdrawn(newest)
    if suppressions:
        strongest, blocks = suppressions[0], tuple(suppression.reason for suppression in suppressions)
        opted_out = strongest.reason in Suppression.OPT_OUTS
        state = ChannelStatus.UNSUBSCRIBED if opted_out else ChannelStatus.SUPPRESSED
        return ChannelState(state, strongest.reason, strongest.created_at, withdrawn, blocks)
    if withdrawn:
        revoked = newest[ConsentEvent.Action.REVOKED]
        return ChannelState(ChannelStatus.UNSUBSCRIBED, Suppression.Reason.UNSUBSCRIBED, revoked, withdrawn)
    if granted := newest.get(ConsentEvent.Action.GRANTED):
        return ChannelState(ChannelStatus.SUBSCRIBED, "", granted)
    if requested := newest.get(ConsentEvent.Action.REQUESTED):
        return ChannelState(ChannelStatus.PENDING, "", requested)
    return ChannelState(ChannelStatus.NONE)


def channel_state(contact: Contact, channel: Channel) -> ChannelState:
    """Return one channel of one contact, with its reason and since when. Two queries."""
    index = contact.address_index(channel)
    return ChannelState(ChannelStatus.ABSENT) if index is None else derive_states(channel, [index])[index]
