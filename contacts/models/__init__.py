"""Who may be reached. The ground floor: no other app is known here."""

from contacts.models.consent import ConsentEvent, Suppression
from contacts.models.files import FilePart, StoredFile
from contacts.models.forms import Confirmation, SignupForm
from contacts.models.imports import UNDO_FOR, ColumnMemory, Import, ImportEntry, ImportProblem
from contacts.models.look import Look
from contacts.models.people import (
    KEPT_AWAY,
    Activity,
    Address,
    ChannelStatus,
    Contact,
    ContactQuerySet,
    ContactTag,
    FormerAddress,
    NameIndex,
    Segment,
    Tag,
    stored_address,
)
from contacts.models.shop import AuditEvent, Business, Canary, validate_timezone
from contacts.models.sign_in import AuthenticatorApp, RecoveryCodes, Role
from contacts.models.work import BackgroundWork, Job

__all__ = [
    "KEPT_AWAY",
    "UNDO_FOR",
    "Activity",
    "Address",
    "AuditEvent",
    "AuthenticatorApp",
    "BackgroundWork",
    "Business",
    "Canary",
    "ChannelStatus",
    "ColumnMemory",
    "Confirmation",
    "ConsentEvent",
    "Contact",
    "ContactQuerySet",
    "ContactTag",
    "FilePart",
    "FormerAddress",
    "Import",
    "ImportEntry",
    "ImportProblem",
    "Job",
    "Look",
    "NameIndex",
    "RecoveryCodes",
    "Role",
    "Segment",
    "SignupForm",
    "StoredFile",
    "Suppression",
    "Tag",
    "stored_address",
    "validate_timezone",
]
