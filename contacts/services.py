"""Everything that writes the contacts app's tables, the importer aside."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q

from contacts.channels import Channel
from contacts.fields import DecryptionError, key_id
from contacts.models import Business, Canary, ChannelStatus, ConsentEvent, Contact, Import, Suppression, Tag
from contacts.queries import derive_states, has_withdrawn

if TYPE_CHECKING:
    from django.contrib.auth.models import User

CANARY = "regulars canary"


class WrongKey(Exception):
    """The keys in the environment are not those the database was written with. The message says which."""


def ensure_canary() -> None:
    """Write the canary into a database that has none."""
    Canary.objects.get_or_create(pk=1, defaults={"secret": CANARY, "index_key_id": key_id()})


def verify_canary() -> None:
    """Prove that ENCRYPTION_KEY and INDEX_KEY are the keys of this database; a database without canary passes.

    Raises WrongKey.
    """
    try:
        canary = Canary.objects.filter(pk=1).first()
    except DecryptionError as error:
        raise WrongKey(
            "ENCRYPTION_KEY is not the key this database was written with. Put the old key back, "
            "alone or after a comma behind the new one."
        ) from error
    if canary and canary.index_key_id != key_id():
        raise WrongKey(
            "INDEX_KEY is not the key this database was written with: no address would be found, and people "
            "who opted out would be written to. Put the old key back."
        )


def save_contact(contact: Contact) -> Contact:
    """Save a contact that was typed in or changed, and bring its statuses in line with its addresses."""
    with transaction.atomic():
        contact.save()
        refresh_statuses(contact)
    return contact


def refresh_statuses(contact: Contact) -> None:
    """Recompute both statuses from the events and suppressions of the contact's addresses.

    The row is locked, and its addresses are read behind the lock: of two writers, the second sees what the first one
    added, and which address the contact has by now.
    """
    with transaction.atomic():
        locked = Contact.objects.select_for_update().only(*Contact.INDEX_FIELDS.values()).get(pk=contact.pk)
        for channel in Channel:
            index = locked.address_index(channel)
            state = ChannelStatus.ABSENT if index is None else derive_states(channel, [index])[index].state
            setattr(contact, f"{channel.value}_status", state)
        contact.save(update_fields=["email_status", "sms_status", "updated_at"])


def record_consent(
    *,
    channel: Channel,
    address_index: bytes,
    action: ConsentEvent.Action,
    source: ConsentEvent.Source,
    at: datetime,
    wording: str = "",
    reference: str = "",
    actor: User | None = None,
    ip_address: str | None = None,
    user_agent: str | None = None,
) -> ConsentEvent:
    """Append what a person agreed to or withdrew, and update the contact that has the address, if any."""
    with transaction.atomic():
        contact = Contact.objects.with_address(channel, address_index).first()
        event = ConsentEvent.objects.create(
            contact=contact,
            channel=channel,
            address_index=address_index,
            action=action,
            source=source,
            at=at,
            wording=wording,
            reference=reference,
            actor=actor,
            ip_address=ip_address,
            user_agent=user_agent,
        )
        if contact:
            refresh_statuses(contact)
    return event


def suppress(
    *, channel: Channel, address_index: bytes, reason: Suppression.Reason, at: datetime, source: str = ""
) -> bool:
    """Make an address unreachable on a channel; return whether it was reachable before.

    The unique constraint decides between two that come at once; the loser changes nothing.
    """
    with transaction.atomic():
        before = Suppression.objects.filter(channel=channel, address_index=address_index, lifted_at=None).exists()
        Suppression.objects.bulk_create(
            [
                Suppression(
                    channel=channel, address_index=address_index, reason=reason, source=source[:80], created_at=at
                )
            ],
            ignore_conflicts=True,
        )
        if contact := Contact.objects.with_address(channel, address_index).first():
            refresh_statuses(contact)
    return not before


def unsubscribe(
    *,
    channel: Channel,
    address_index: bytes,
    source: ConsentEvent.Source,
    at: datetime,
    reference: str = "",
    actor: User | None = None,
    ip_address: str | None = None,
    user_agent: str | None = None,
) -> bool:
    """Take an address off a channel at once; return False where it was off already. Saying it twice adds nothing.

    The person's word is recorded beside a bounce or a complaint too: it stands when those are lifted.
    """
    with transaction.atomic():
        newly = suppress(
            channel=channel,
            address_index=address_index,
            reason=Suppression.Reason.UNSUBSCRIBED,
            at=at,
            source=source.value,
        )
        if not has_withdrawn(channel, address_index):
            record_consent(
                channel=channel,
                address_index=address_index,
                action=ConsentEvent.Action.REVOKED,
                source=source,
                at=at,
                reference=reference,
                actor=actor,
                ip_address=ip_address,
                user_agent=user_agent,
            )
    return newly


def resubscribe(
    *,
    channel: Channel,
    address_index: bytes,
    source: ConsentEvent.Source,
    at: datetime,
    wording: str,
    ip_address: str | None = None,
    user_agent: str | None = None,
) -> bool:
    """Undo an opt-out by the person's own act; bounces and complaints stay. Return whether anything was lifted."""
    with transaction.atomic():
        lifted = Suppression.objects.filter(
            channel=channel, address_index=address_index, lifted_at=None, reason__in=Suppression.OPT_OUTS
        ).update(lifted_at=at, lifted_because=f"by the person: {source.label}")
        if lifted:
            record_consent(
                channel=channel,
                address_index=address_index,
                action=ConsentEvent.Action.GRANTED,
                source=source,
                at=at,
                wording=wording,
                ip_address=ip_address,
                user_agent=user_agent,
            )
    return bool(lifted)


def find_or_make_tag(name: str) -> Tag:
    """Return the tag of this name in any case, making it where it is new."""
    return Tag.objects.filter(name__iexact=name).first() or Tag.objects.create(name=name[:100])


def save_business(business: Business) -> Business:
    business.save()
    return business


def add_demo_contacts(people: list[dict[str, str]], *, tag_name: str, wording: str, at: datetime) -> list[Contact]:
    """Add invented people who agreed to everything; one known already is left alone."""
    tag = find_or_make_tag(tag_name)
    made = []
    for person in people:
        contact = Contact(**person, source="demo", is_demo=True)
        contact.clean()
        indexes = {channel: index for channel in Channel if (index := contact.address_index(channel)) is not None}
        if any(Contact.objects.with_address(channel, index).exists() for channel, index in indexes.items()):
            continue
        contact.save()
        contact.tags.add(tag)
        for channel, index in indexes.items():
            record_consent(
                channel=channel,
                address_index=index,
                action=ConsentEvent.Action.GRANTED,
                source=ConsentEvent.Source.DEMO,
                at=at,
                wording=wording,
            )
        made.append(contact)
    return made


def remove_demo_contacts() -> int:
    """Delete the demo contacts with all that hangs on them; return how many."""
    demo = Contact.objects.filter(is_demo=True)
    ConsentEvent.objects.filter(contact__in=demo).delete()
    indexes = [index for pair in demo.values_list("email_index", "phone_index") for index in pair if index]
    Suppression.objects.filter(Q(address_index__in=indexes)).delete()
    count = demo.count()
    Tag.objects.filter(contacttag__contact__in=demo).exclude(contacttag__contact__is_demo=False).delete()
    demo.delete()
    return count


def cancel_import(run: Import) -> bool:
    """Give up an import that is not running; its upload is deleted. Return False where it runs or is done by now."""
    stopped = Import.objects.filter(pk=run.pk, status__in=(Import.Status.CHECKED, Import.Status.FAILED))
    done = bool(stopped.update(status=Import.Status.CANCELLED, upload=None))
    run.refresh_from_db()
    return done
