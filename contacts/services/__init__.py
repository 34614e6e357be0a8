"""Everything that writes the contacts app's tables, the importer aside."""

from contacts.services.activity import note_clicked, note_redeemed, note_sent
from contacts.services.audit import audit
from contacts.services.consent import record_consent, resubscribe, suppress, unsubscribe
from contacts.services.demo import add_demo_contacts, remove_demo_contacts
from contacts.services.erasing import erase, erase_address, erase_all
from contacts.services.files import append_pieces, delete_file, read_file, store_file
from contacts.services.leases import wake
from contacts.services.lifting import ReasonTooShort, block, lift
from contacts.services.merging import NotTwoContacts, merge
from contacts.services.people import find_or_make_tag, index_names, refresh_statuses, save_contact
from contacts.services.preferences import may_undo_on_page, set_fewer_messages, start_again
from contacts.services.shop import WrongKey, ensure_canary, save_business, verify_canary

__all__ = [
    "NotTwoContacts",
    "ReasonTooShort",
    "WrongKey",
    "add_demo_contacts",
    "append_pieces",
    "audit",
    "block",
    "delete_file",
    "ensure_canary",
    "erase",
    "erase_address",
    "erase_all",
    "find_or_make_tag",
    "index_names",
    "lift",
    "may_undo_on_page",
    "merge",
    "note_clicked",
    "note_redeemed",
    "note_sent",
    "read_file",
    "record_consent",
    "refresh_statuses",
    "remove_demo_contacts",
    "resubscribe",
    "save_business",
    "save_contact",
    "set_fewer_messages",
    "start_again",
    "store_file",
    "suppress",
    "unsubscribe",
    "verify_canary",
    "wake",
]
