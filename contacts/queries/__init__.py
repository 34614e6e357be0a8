"""Questions about contacts that read more than one table."""

from contacts.queries.addresses import addresses_of, addresses_of_each, at_addresses
from contacts.queries.audiences import (
    Sizes,
    Totals,
    audience_contacts,
    audience_sizes,
    examples,
    names_for,
    parts_of,
    reachable,
    segments_asking,
    totals,
)
from contacts.queries.counting import count_people
from contacts.queries.person import (
    activity_of,
    export_person,
    source_words,
    suppressions_of,
    timeline,
)
from contacts.queries.search import find_by_name, name_digest, name_digests
from contacts.queries.shop import (
    EXAMPLE_ADDRESS,
    FREE_MAIL,
    has_example_address,
    has_example_sender,
    links_stay_here,
    look_at,
    sender_domain,
)
from contacts.queries.states import (
    ChannelState,
    address_index_of,
    channel_state,
    derive_states,
    find_by_address,
    has_withdrawn,
    live_suppressions,
    newest_consent,
)

__all__ = [
    "EXAMPLE_ADDRESS",
    "FREE_MAIL",
    "ChannelState",
    "Sizes",
    "Totals",
    "activity_of",
    "address_index_of",
    "addresses_of",
    "addresses_of_each",
    "at_addresses",
    "audience_contacts",
    "audience_sizes",
    "channel_state",
    "count_people",
    "derive_states",
    "examples",
    "export_person",
    "find_by_address",
    "find_by_name",
    "has_example_address",
    "has_example_sender",
    "has_withdrawn",
    "links_stay_here",
    "live_suppressions",
    "look_at",
    "name_digest",
    "name_digests",
    "names_for",
    "newest_consent",
    "parts_of",
    "reachable",
    "segments_asking",
    "sender_domain",
    "source_words",
    "suppressions_of",
    "timeline",
    "totals",
]
