"""Joining by one's own hand: somebody asks, the address answers, and only then may it be written to.

What a stranger types is kept aside until the address is confirmed, and then fills blanks only.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import IntegrityError, models, transaction

from contacts.channels import Channel
from contacts.fields import keyed_hash
from contacts.models import (
    Address,
    ChannelStatus,
    Confirmation,
    ConsentEvent,
    Contact,
    ContactTag,
    SignupForm,
    stored_address,
)
from contacts.queries import ChannelState, derive_states
from contacts.records import Welcome, all_records
from contacts.services.consent import by_the_person, drop_pending, end_by_their_word, pending, record_consent
from contacts.services.merging import merge
from contacts.services.people import index_names, lock_contacts, save_contact

EXPIRES_AFTER = timedelta(days=7)
ASK_AGAIN_AFTER = timedelta(minutes=10)
ASK_WHO_LEFT_AFTER = timedelta(days=1)
KEEP_UNCONFIRMED = timedelta(days=30)
# A restaurant's guests share one address on its Wi-Fi.
PER_VISITOR = ((timedelta(minutes=10), 30), (timedelta(days=1), 200))
PER_ADDRESS = ((timedelta(hours=1), 3), (timedelta(days=1), 6))

TYPED = ("first_name", "last_name", "birthday", "postal_code")


class TooMany(Exception):
    """This visitor, or this address, has asked too often. Says nothing of whether the address is known."""


class NotConfirmed(Exception):
    """A confirmation that does nothing, for a `reason`."""

    class Reason(models.TextChoices):
        EXPIRED = "expired", "The link is too old, or of no use any more"
        USED = "used", "The link was used before, and the person has unsubscribed since"
        BLOCKED = "blocked", "The shop cannot write to this address"

    def __init__(self, reason: Reason, form: SignupForm | None = None) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.form = form


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where a request came from, as far as it is known: the evidence of a consent."""

    ip_address: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """Somebody whose address is confirmed; `newly`: by this very act."""

    contact: Contact
    form: SignupForm | None
    channel: Channel
    newly: bool


def request(
    *,
    form: SignupForm,
    addresses: Mapping[Channel, str],
    source: ConsentEvent.Source,
    at: datetime,
    details: Mapping[str, str] | None = None,
    visitor: Visitor | None = None,
) -> None:
    """Note that somebody wants to join, and have each address asked to confirm.

    Nothing is sent to an address that is on the list, that was asked a moment ago, or that nobody may write to; nor to
    a number that has left, unless it asks by a text of its own. A mail address that has left is asked once a day. The
    caller cannot tell. `details` are texts by the name of a contact's field.

    Raises AddressError and TooMany.
    """
    visitor = visitor or Visitor()
    stored = {channel: stored_address(channel, text) for channel, text in addresses.items()}
    with transaction.atomic():
        _refuse_too_many(stored, visitor, at)
        lock_contacts((channel, index) for channel, (_, index) in stored.items())
        asked = [
            _ask(form, channel, address, index, _typed(stored, channel, details or {}), source, visitor, at)
            for channel, (address, index) in stored.items()
        ]
        _forget_unanswered(at)
        if any(asked):
            transaction.on_commit(_tell_that_a_confirmation_waits)


def _typed(stored: Mapping[Channel, tuple[str, bytes]], channel: Channel, details: Mapping[str, str]) -> str:
    others = [address for other, (address, _) in stored.items() if other != channel]
    typed = {name: details[name] for name in TYPED if details.get(name)}
    return json.dumps(typed | ({"other": others[0]} if others else {}))


def _ask(
    form: SignupForm,
    channel: Channel,
    address: str,
    index: bytes,
    typed: str,
    source: ConsentEvent.Source,
    visitor: Visitor,
    at: datetime,
) -> bool:
    """Write the confirmation of one address; return whether it is to be sent."""
    state = derive_states(channel, [index])[index]
    contact = _find_or_make(channel, address, index, source) if _may_be_asked(channel, state, source) else None
    if contact and _was_asked(channel, index, state, source, at):  # behind the lock: of two at once, one is sent
        contact = None
    wording, version = form.wording(channel), form.wording_version
    Confirmation.objects.create(
        form=form,
        contact=contact,
        channel=channel,
        address_index=index,
        wording=wording,
        version=version,
        details=typed if contact else None,
        ip_address=visitor.ip_address,
        ip_index=visitor_index(visitor),
        user_agent=visitor.user_agent,
        is_muted=contact is None,
        created_at=at,
        expires_at=at + EXPIRES_AFTER,
    )
    if contact is None:
        return False
    record_consent(
        channel=channel,
        address_index=index,
        action=ConsentEvent.Action.REQUESTED,
        source=source,
        at=at,
        wording=wording,
        version=version,
        ip_address=visitor.ip_address,
        user_agent=visitor.user_agent,
    )
    return True


def _may_be_asked(channel: Channel, state: ChannelState, source: ConsentEvent.Source) -> bool:
    """Whether an address may be asked to confirm. Anybody may fill in a form; a text comes from its own number."""
    by_itself = source == ConsentEvent.Source.KEYWORD
    return state.may_rejoin and (channel == Channel.EMAIL or by_itself or not state.has_left)


def _was_asked(channel: Channel, index: bytes, state: ChannelState, source: ConsentEvent.Source, at: datetime) -> bool:
    """Whether it was asked a moment ago and may still answer; of who has left, whether it was asked today at all."""
    if not state.has_left or source == ConsentEvent.Source.KEYWORD:
        return pending(channel, index, at).filter(created_at__gt=at - ASK_AGAIN_AFTER).exists()
    asked = Confirmation.objects.filter(channel=channel, address_index=index, is_muted=False, confirmed_at=None)
    return asked.filter(created_at__gt=at - ASK_WHO_LEFT_AFTER).exists()


def _forget_unanswered(at: datetime) -> None:
    """Delete what nobody answered for a month, and what was typed beside what can be answered no more."""
    unanswered = Confirmation.objects.filter(confirmed_at=None)
    unanswered.filter(expires_at__lt=at - KEEP_UNCONFIRMED).delete()
    unanswered.filter(expires_at__lte=at, details__isnull=False).update(details=None)


def _find_or_make(channel: Channel, address: str, index: bytes, source: ConsentEvent.Source) -> Contact:
    """Return the contact with this address, locked; of two that make it at once, the second finds the first one's."""
    mine = Contact.objects.with_address(channel, index).select_for_update()
    if found := mine.first():
        return found  # type: ignore[no-any-return]
    try:
        with transaction.atomic():
            return save_contact(Contact(source=source.value, **{Contact.ADDRESS_FIELDS[channel]: address}))
    except IntegrityError:
        return mine.get()  # type: ignore[no-any-return]


def _refuse_too_many(stored: Mapping[Channel, tuple[str, bytes]], visitor: Visitor, at: datetime) -> None:
    """Count rows, which all processes see. Raises TooMany."""
    counted = [(Confirmation.objects.filter(channel=c, address_index=i), PER_ADDRESS) for c, (_, i) in stored.items()]
    if index := visitor_index(visitor):
        counted.append((Confirmation.objects.filter(ip_index=index), PER_VISITOR))
    for rows, limits in counted:
        for window, most in limits:
            if rows.filter(created_at__gt=at - window).count() >= most:
                raise TooMany


def visitor_index(visitor: Visitor) -> bytes | None:
    """Return the keyed hash of the visitor's network: one address of IPv4, a /64 of IPv6, which is one household."""
    if not visitor.ip_address:
        return None
    address = ipaddress.ip_address(visitor.ip_address)
    prefix = 64 if address.version == 6 else 32
    return keyed_hash("ip", str(ipaddress.ip_network((address, prefix), strict=False)))


def _tell_that_a_confirmation_waits() -> None:
    for records in all_records():
        records.confirmation_requested()


# --- The answer ---


def confirm(
    *, confirmation_id: int, source: ConsentEvent.Source, at: datetime, visitor: Visitor | None = None
) -> Joined:
    """Take somebody on the list whose address answered. A second time changes nothing and says the same.

    The contact and then the row are locked: of two answers at once, the second finds the first one's work. Ends what
    the person's own word ends, fills in what they typed where nothing is known yet, and gives the form's tag.

    Raises NotConfirmed.
    """
    visitor = visitor or Visitor()
    with transaction.atomic():
        contacts = lock_contacts(_addresses_in(confirmation_id))
        row = _locked(confirmation_id, at)
        channel, index = Channel(row.channel), bytes(row.address_index)
        contact = contacts.get((channel, index))
        if contact is None:
            raise NotConfirmed(NotConfirmed.Reason.EXPIRED, row.form)
        newly = row.confirmed_at is None
        if newly:
            _take_on_the_list(row, contact, source, at, visitor)
            contact = _join_with_other_address(row, contact, at)
        elif contact.status(channel) != ChannelStatus.SUBSCRIBED:
            raise NotConfirmed(NotConfirmed.Reason.USED, row.form)
    contact.refresh_from_db(fields=["email_status", "sms_status"])
    return Joined(contact=contact, form=row.form, channel=channel, newly=newly)


def _addresses_in(confirmation_id: int) -> set[Address]:
    """Return the address a confirmation asks, and the other one that was typed with it."""
    row = Confirmation.objects.filter(pk=confirmation_id, is_muted=False).only(*_ASKED, "details").first()
    if row is None:
        return set()
    other = _other_address(row)
    return {(Channel(row.channel), bytes(row.address_index))} | ({other} if other else set())


_ASKED = ("channel", "address_index")


def _other_address(row: Confirmation) -> Address | None:
    """Return the address of the other channel that was typed into the same form, if any."""
    channel = Channel.SMS if row.channel == Channel.EMAIL else Channel.EMAIL
    typed = json.loads(row.details or "{}").get("other")
    return (channel, stored_address(channel, typed)[1]) if typed else None


def _locked(confirmation_id: int, at: datetime) -> Confirmation:
    """Return the row, locked, if it is confirmed or may still be. Raises NotConfirmed."""
    rows = Confirmation.objects.select_for_update(of=("self",)).select_related("form")
    row = rows.filter(pk=confirmation_id, is_muted=False).first()
    if row is None or (row.confirmed_at is None and row.expires_at <= at):
        raise NotConfirmed(NotConfirmed.Reason.EXPIRED, row.form if row else None)
    return row


def _take_on_the_list(
    row: Confirmation, contact: Contact, source: ConsentEvent.Source, at: datetime, visitor: Visitor
) -> None:
    channel, index = Channel(row.channel), bytes(row.address_index)
    state = derive_states(channel, [index])[index]
    if not (state.may_rejoin or state.state == ChannelStatus.SUBSCRIBED):
        raise NotConfirmed(NotConfirmed.Reason.BLOCKED, row.form)
    end_by_their_word(channel=channel, address_index=index, at=at, because=by_the_person(source))
    record_consent(
        channel=channel,
        address_index=index,
        action=ConsentEvent.Action.GRANTED,
        source=source,
        at=at,
        wording=row.wording,
        version=row.version,
        reference=f"confirmation {row.pk}",
        ip_address=visitor.ip_address,
        user_agent=visitor.user_agent,
    )
    Confirmation.objects.filter(pk=row.pk).update(confirmed_at=at, details=None)
    drop_pending(channel=channel, address_index=index, at=at)
    _fill_blanks(contact, json.loads(row.details or "{}"))
    if row.form and row.form.tag_id:
        ContactTag.objects.bulk_create([ContactTag(contact=contact, tag_id=row.form.tag_id)], ignore_conflicts=True)


def _fill_blanks(contact: Contact, typed: dict[str, Any]) -> None:
    filled = [name for name in TYPED if typed.get(name) and not getattr(contact, name)]
    for name in filled:
        setattr(contact, name, date.fromisoformat(typed[name]) if name == "birthday" else typed[name])
    if filled:
        contact.save(update_fields=[*filled, "updated_at"])
        index_names([contact])


def _join_with_other_address(row: Confirmation, contact: Contact, at: datetime) -> Contact:
    """Make one contact of two addresses that were typed into one form, once both of them have answered.

    Not before: a stranger could tie somebody's address to a phone of his own.
    """
    address = _other_address(row)
    if address is None or contact.address(address[0]):
        return contact
    channel, index = address
    answered = Confirmation.objects.filter(
        form=row.form, channel=channel, address_index=index, created_at=row.created_at, confirmed_at__isnull=False
    )
    other = Contact.objects.with_address(channel, index).first() if answered.exists() else None
    if other is None or other.address(Channel(row.channel)):
        return contact
    first, second = sorted((contact.pk, other.pk))
    return merge(first, second, at=at)


def confirm_by_text(*, address_index: bytes, at: datetime) -> Joined | None:
    """Confirm what a phone number was asked last; None where it was asked nothing that may still be answered."""
    waiting = pending(Channel.SMS, address_index, at).order_by("-pk").values_list("pk", flat=True).first()
    if waiting is None:
        return None
    try:
        return confirm(confirmation_id=waiting, source=ConsentEvent.Source.KEYWORD, at=at)
    except NotConfirmed:
        return None


def welcome(joined: Joined, *, at: datetime) -> Welcome | None:
    """Give what the form promises, if anything; the same again for a second call."""
    if joined.form is None:
        return None
    given = (records.welcome(joined.contact, joined.form, at) for records in all_records())
    return next((gift for gift in given if gift), None)


# --- The form itself ---


def save_form(form: SignupForm) -> SignupForm:
    """Save a sign-up form; other words make another version, so that each consent names what was shown."""
    with transaction.atomic():
        before = SignupForm.objects.select_for_update().filter(pk=form.pk).first() if form.pk else None
        if before:
            changed = any(before.wording(channel) != form.wording(channel) for channel in Channel)
            form.version = before.version + changed
        form.save()
    return form
