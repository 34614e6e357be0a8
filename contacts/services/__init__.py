"""Everything that writes the contacts app's tables, the importer aside.

Locks are taken in one order, so that of two who write about the same person the second waits, and none locks the other
out: the rows of contacts first, lower numbers first (`lock_contacts`), and then everything else: suppressions,
confirmations, jobs, and what the apps above keep. A job locks its own row before its people; others wait for the row
of an export only, and an export locks nobody.
"""

from contacts.services.activity import (
    note_clicked,
    note_nobody_clicked,
    note_order_value,
    note_redeemed,
    note_sent,
    note_taken_back,
)
from contacts.services.audit import audit
from contacts.services.consent import record_consent, resubscribe, suppress, suppress_many, unsubscribe
from contacts.services.demo import add_demo_contacts, remove_demo_contacts
from contacts.services.erasing import erase, erase_address, erase_all
from contacts.services.files import (
    append_pieces,
    delete_file,
    delete_private_files,
    read_file,
    write_private_file,
)
from contacts.services.leases import wake
from contacts.services.lifting import ReasonTooShort, block, lift
from contacts.services.merging import NotTwoContacts, merge
from contacts.services.people import (
    find_or_make_tag,
    index_names,
    note_former_addresses,
    refresh_statuses,
    save_contact,
)
from contacts.services.preferences import may_undo_on_page, set_fewer_messages, start_again
from contacts.services.shop import WrongKey, ensure_canary, save_business, save_look, verify_canary
from contacts.services.sign_in import (
    EXTRAS,
    SEEN_AT,
    SIGNED_IN_AT,
    Enrolment,
    end_sessions,
    enrolment,
    extras_of,
    finish_enrolment,
    has_second_factor,
    locked_places,
    make_recovery_codes,
    note_failed_sign_in,
    note_new_name,
    note_sign_in,
    note_sign_out,
    open_sessions,
    recovery_codes_left,
    role_of,
    save_person,
    sign_in_link,
    start_enrolment,
    stop_enrolment,
    too_many_from,
    turn_off_second_factor,
    unlock,
    verify_second_factor,
    wait_words,
)

__all__ = [
    "EXTRAS",
    "SEEN_AT",
    "SIGNED_IN_AT",
    "Enrolment",
    "NotTwoContacts",
    "ReasonTooShort",
    "WrongKey",
    "add_demo_contacts",
    "append_pieces",
    "audit",
    "block",
    "delete_file",
    "delete_private_files",
    "end_sessions",
    "enrolment",
    "ensure_canary",
    "erase",
    "erase_address",
    "erase_all",
    "extras_of",
    "find_or_make_tag",
    "finish_enrolment",
    "has_second_factor",
    "index_names",
    "lift",
    "locked_places",
    "make_recovery_codes",
    "may_undo_on_page",
    "merge",
    "note_clicked",
    "note_failed_sign_in",
    "note_former_addresses",
    "note_new_name",
    "note_nobody_clicked",
    "note_order_value",
    "note_redeemed",
    "note_sent",
    "note_sign_in",
    "note_sign_out",
    "note_taken_back",
    "open_sessions",
    "read_file",
    "record_consent",
    "recovery_codes_left",
    "refresh_statuses",
    "remove_demo_contacts",
    "resubscribe",
    "role_of",
    "save_business",
    "save_contact",
    "save_look",
    "save_person",
    "set_fewer_messages",
    "sign_in_link",
    "start_again",
    "start_enrolment",
    "stop_enrolment",
    "suppress",
    "suppress_many",
    "too_many_from",
    "turn_off_second_factor",
    "unlock",
    "unsubscribe",
    "verify_canary",
    "verify_second_factor",
    "wait_words",
    "wake",
    "write_private_file",
]
