"""Finding a contact by name, though names are stored encrypted."""

from __future__ import annotations

from django.db.models import QuerySet

from contacts.fields import keyed_hash
from contacts.models import Contact, NameIndex
from contacts.names import matches, search_terms, terms_of

CANDIDATES = 500  # decrypted and looked at, for one search


def name_digest(term: str) -> int:
    """Return the keyed hash of a term of a name as a signed 64-bit number."""
    return int.from_bytes(keyed_hash("name", term)[:8], "big", signed=True)


def name_digests(*names: str | None) -> set[int]:
    """Return what a contact of this name is found by."""
    return {name_digest(term) for term in terms_of(*names)}


def find_by_name(text: str, contacts: QuerySet[Contact] | None = None) -> list[int]:
    """Return the ids of the contacts each word of `text` begins a word of the name of, newest first, at most 500.

    The index finds candidates by the first six letters; their names are decrypted and compared.
    """
    terms = search_terms(text)
    if not terms:
        return []
    found = Contact.objects.all() if contacts is None else contacts
    for term in terms:
        found = found.filter(pk__in=NameIndex.objects.filter(digest=name_digest(term)).values("contact_id"))
    rows = found.order_by("-pk").values_list("pk", "first_name", "last_name")[:CANDIDATES]
    return [pk for pk, first, last in rows if matches(text, first, last)]
