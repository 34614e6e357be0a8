"""Who took personal data out, looked at it, erased it, or ended a block: only read here."""

from __future__ import annotations

from django.contrib import admin

from contacts.admin.base import ReadOnlyAdmin
from contacts.models import AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin[AuditEvent]):
    list_display = ("at", "action", "detail", "actor", "via")
    list_filter = ("action", "via")
    list_select_related = ("actor",)
    sortable_by = ()
    fields = ("at", "action", "detail", "reason", "actor", "via")
    empty_title = "Nothing to answer for yet"
    empty_text = (
        "Each time someone downloads contacts, looks at full addresses, erases or merges people, or ends a block, "
        "a line is added here for good."
    )
