"""Questions about contacts that read more than one table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max

from contacts.channels import Channel, normalise
from contacts.fields import keyed_hash
from contacts.models import ChannelStatus, ConsentEvent, Contact, ContactQuerySet, ContactTag, Suppression


@dataclass(frozen=True, slots=True)
class ChannelState:
    """One channel of one contact. `reason` and `since` are empty where nothing happened yet."""

    state: ChannelStatus
    reason: str = ""
    since: datetime | None = None


def audience_contacts(audience: dict[str, Any]) -> ContactQuerySet:
    """Return the contacts a saved question asks for, whether or not they may be written to.

    `audience` is a Segment's rules: `{"all": [{"tag": ID}, ...]}`, every rule must hold; none means everybody.
    """
    contacts = Contact.objects.all()
    for rule in audience.get("all", []):
        # IN (subquery) and not EXISTS: as fast on PostgreSQL, several times faster on SQLite.
        contacts = contacts.filter(pk__in=ContactTag.objects.filter(tag_id=rule["tag"]).values("contact_id"))
    return contacts


def reachable(audience: dict[str, Any], channel: Channel) -> ContactQuerySet:
    """Return those in the audience who may be sent marketing on `channel` now."""
    return audience_contacts(audience).subscribed(channel)


def address_index_of(text: str) -> tuple[Channel, bytes]:
    """Return channel and blind index of an e-mail address or phone number, however it is written.

    Raises AddressError where the text is neither.
    """
    channel = Channel.EMAIL if "@" in text else Channel.SMS
    return channel, keyed_hash(channel.value, normalise(channel, text))


def find_by_address(text: str) -> Contact | None:
    """Return the contact with this address. Raises AddressError."""
    return Contact.objects.with_address(*address_index_of(text)).first()


def live_suppressions(channel: Channel, indexes: Iterable[bytes]) -> dict[bytes, Suppression]:
    """Return the suppression in force for each of these addresses that has one. One query."""
    found = Suppression.objects.filter(channel=channel, address_index__in=list(indexes), lifted_at=None)
    return {bytes(suppression.address_index): suppression for suppression in found}


def newest_consent(channel: Channel, indexes: Iterable[bytes]) -> dict[bytes, dict[str, datetime]]:
    """Return for each address the time of its newest event of each action. One query."""
    events = (
        ConsentEvent.objects.filter(channel=channel, address_index__in=list(indexes))
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

    The newest revocation beats any older or simultaneous grant, and a suppression beats both.
    """
    wanted = list(indexes)
    suppressions = live_suppressions(channel, wanted)
    consents = newest_consent(channel, wanted)
    return {index: _derive(suppressions.get(index), consents.get(index, {})) for index in wanted}


def has_withdrawn(channel: Channel, index: bytes) -> bool:
    """Whether the newest word of this address is a withdrawal. One query."""
    return _withdrawn(newest_consent(channel, [index]).get(index, {}))


def _withdrawn(newest: dict[str, datetime]) -> bool:
    granted, revoked = newest.get(ConsentEvent.Action.GRANTED), newest.get(ConsentEvent.Action.REVOKED)
    return revoked is not None and (granted is None or revoked >= granted)


def _derive(suppression: Suppression | None, newest: dict[str, datetime]) -> ChannelState:
    if suppression:
        opted_out = suppression.reason in Suppression.OPT_OUTS
        state = ChannelStatus.UNSUBSCRIBED if opted_out else ChannelStatus.SUPPRESSED
        return ChannelState(state, suppression.reason, suppression.created_at)
    if _withdrawn(newest):
        revoked = newest[ConsentEvent.Action.REVOKED]
        return ChannelState(ChannelStatus.UNSUBSCRIBED, Suppression.Reason.UNSUBSCRIBED, revoked)
    if granted := newest.get(ConsentEvent.Action.GRANTED):
        return ChannelState(ChannelStatus.SUBSCRIBED, "", granted)
    if requested := newest.get(ConsentEvent.Action.REQUESTED):
        return ChannelState(ChannelStatus.PENDING, "", requested)
    return ChannelState(ChannelStatus.NONE)


def channel_state(contact: Contact, channel: Channel) -> ChannelState:
    """Return one channel of one contact, with its reason and since when. Two queries."""
    index = contact.address_index(channel)
    return ChannelState(ChannelStatus.ABSENT) if index is None else derive_states(channel, [index])[index]


@dataclass(frozen=True, slots=True)
class Totals:
    """The five numbers of the front page."""

    contacts: int
    email_subscribed: int
    email_unsubscribed: int
    sms_subscribed: int
    sms_unsubscribed: int


def totals() -> Totals:
    """Count contacts by channel status. Two queries, each over one index."""
    email = dict(Contact.objects.order_by().values_list("email_status").annotate(Count("id")))
    sms = dict(Contact.objects.order_by().values_list("sms_status").annotate(Count("id")))
    return Totals(
        contacts=sum(email.values()),
        email_subscribed=email.get(ChannelStatus.SUBSCRIBED, 0),
        email_unsubscribed=email.get(ChannelStatus.UNSUBSCRIBED, 0),
        sms_subscribed=sms.get(ChannelStatus.SUBSCRIBED, 0),
        sms_unsubscribed=sms.get(ChannelStatus.UNSUBSCRIBED, 0),
    )
