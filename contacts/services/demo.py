"""Invented people who agreed to everything, for a first look."""

from __future__ import annotations

from datetime import datetime

from contacts.channels import Channel
from contacts.models import ConsentEvent, Contact, Suppression, Tag
from contacts.queries import at_addresses
from contacts.services.consent import record_consent
from contacts.services.people import find_or_make_tag, index_names


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
        index_names([contact])
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
    """Delete the demo contacts with all that hangs on them; return how many.

    What was said of an address that somebody typed in stays: it is a real person's, and an opt-out binds.
    """
    demo = Contact.objects.filter(is_demo=True)
    invented = ConsentEvent.objects.filter(contact__in=demo, source=ConsentEvent.Source.DEMO)
    addresses = at_addresses(
        (Channel(channel), bytes(index)) for channel, index in invented.values_list("channel", "address_index")
    )
    ConsentEvent.objects.filter(addresses).delete()
    Suppression.objects.filter(addresses).delete()
    count = demo.count()
    Tag.objects.filter(contacttag__contact__in=demo).exclude(contacttag__contact__is_demo=False).delete()
    demo.delete()
    return count
