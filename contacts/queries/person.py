"""Everything about one person: the story the contact's page tells, and the file they may ask for."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.channels import Channel
from contacts.days import birthday_text
from contacts.models import Activity, Address, Confirmation, ConsentEvent, Contact, ImportEntry, Suppression
from contacts.queries.addresses import addresses_of, at_addresses
from contacts.queries.states import channel_state
from contacts.records import TimelineEntry, all_records
from contacts.sentences import said

EVENT_KINDS = {
    ConsentEvent.Action.GRANTED: "ok",
    ConsentEvent.Action.REVOKED: "bad",
    ConsentEvent.Action.REQUESTED: "warn",
}
IMPORTED = {
    ImportEntry.Kind.CREATED: gettext_lazy("Added by an import"),
    ImportEntry.Kind.UPDATED: gettext_lazy("Updated by an import"),
    ImportEntry.Kind.UNCHANGED: gettext_lazy("In an import, nothing new"),
}
EXPORT_VERSION = 1


def source_words(source: str) -> str:
    """Return the words for how an address came to be blocked; what is no known source is shown as it is."""
    return str(ConsentEvent.Source(source).label) if source in ConsentEvent.Source.values else source


# --- The story ---


def timeline(contact: Contact, limit: int) -> list[TimelineEntry]:
    """Return what happened to a contact, newest first, at most `limit` entries. The queries do not grow with them."""
    addresses = addresses_of(contact)
    entries = [
        *_consent_entries(contact, addresses, limit),
        *_suppression_entries(contact, addresses, limit),
        *_import_entries(contact, limit),
        *_confirmation_entries(contact, addresses, limit),
    ]
    for records in all_records():
        entries += records.timeline(contact, addresses, limit)
    return sorted(entries, key=lambda entry: entry.at, reverse=True)[:limit]


def about(contact: Contact, addresses: Collection[Address]) -> Q:
    """Return the condition for rows that are the contact's, or nobody's and about one of its addresses."""
    return Q(contact=contact) | (Q(contact=None) & at_addresses(addresses))


def _consent_entries(contact: Contact, addresses: Collection[Address], limit: int) -> list[TimelineEntry]:
    events = ConsentEvent.objects.filter(about(contact, addresses)).select_related("actor")
    events = events.defer("ip_address", "user_agent", "evidence")
    return [
        TimelineEntry(
            at=event.at,
            kind=EVENT_KINDS[ConsentEvent.Action(event.action)],
            what=event.get_action_display(),
            channel=event.get_channel_display(),
            how=_joined(event.get_source_display(), event.version, event.reference, _by(event.actor)),
            detail=event.wording,
        )
        for event in events[:limit]
    ]


def _suppression_entries(contact: Contact, addresses: Collection[Address], limit: int) -> list[TimelineEntry]:
    entries = []
    blocks = Suppression.objects.filter(at_addresses(addresses)).select_related("lifted_by").order_by("-pk")
    for block in blocks[:limit]:
        name = block.get_reason_display().lower()
        channel = block.get_channel_display()
        kind = "quiet" if block.lifted_at else "bad"
        is_former = contact.address_index(Channel(block.channel)) != bytes(block.address_index)
        how = _joined(source_words(block.source), _("a former address") if is_former else "")
        blocked = _("Not written to any more: %(why)s") % {"why": name}
        entries.append(TimelineEntry(block.created_at, kind, blocked, channel, how))
        if block.lifted_at:
            ended, why = _("Block ended: %(why)s") % {"why": name}, said(block.lifted_because)
            entries.append(TimelineEntry(block.lifted_at, "info", ended, channel, _by(block.lifted_by), why))
    return entries


def _import_entries(contact: Contact, limit: int) -> list[TimelineEntry]:
    entries = contact.import_entries.select_related("run").defer(
        "before", "run__plan", "run__samples", "run__file_name"
    )
    return [
        TimelineEntry(
            at=entry.run.started_at or entry.run.created_at,
            kind="quiet",
            what=str(IMPORTED[ImportEntry.Kind(entry.kind)]),
            how=_("Import %(number)s") % {"number": entry.run_id},
        )
        for entry in entries.order_by("-pk")[:limit]
    ]


def _confirmation_entries(contact: Contact, addresses: Collection[Address], limit: int) -> list[TimelineEntry]:
    asked = Confirmation.objects.filter(about(contact, addresses)).select_related("form")
    asked = asked.defer("details", "ip_address", "user_agent")
    return [
        TimelineEntry(
            at=confirmation.created_at,
            kind="quiet" if confirmation.confirmed_at else "warn",
            what=_("Signed up, and confirmed it") if confirmation.confirmed_at else _("Signed up, not confirmed"),
            channel=confirmation.get_channel_display(),
            how=_joined(
                _("Form “%(name)s”") % {"name": confirmation.form.name} if confirmation.form else "",
                _how_asked(confirmation),
            ),
        )
        for confirmation in asked[:limit]
    ]


def _how_asked(confirmation: Confirmation) -> str:
    if confirmation.is_muted:
        return _("not asked to confirm: on the list already, asked lately, or not to be written to")
    return "" if confirmation.sent_at else _("the confirmation was not sent yet")


def _by(actor: Model | None) -> str:
    return _("by %(who)s") % {"who": actor} if actor else ""


def _joined(*parts: str) -> str:
    return " · ".join(filter(None, parts))


def suppressions_of(contact: Contact) -> QuerySet[Suppression]:
    """Return the blocks on the addresses the contact has now, lifted ones too, newest first."""
    own = [(channel, index) for channel in Channel if (index := contact.address_index(channel)) is not None]
    return Suppression.objects.filter(at_addresses(own)).order_by("-pk")


def activity_of(contact: Contact) -> Activity:
    """Return the contact's numbers; zeros where nothing happened yet."""
    return Activity.objects.filter(contact=contact).first() or Activity(contact_id=contact.pk)


# --- The file ---


def export_person(contact: Contact) -> dict[str, Any]:
    """Return everything that is known of a contact, for JSON; times are `datetime`, days `date`, money `Decimal`.

    {
      "version": 1,
      "id", "email", "phone", "first_name", "last_name", "birthday", "postal_code", "region", "time_zone", "notes",
      "source", "fewer_messages", "created_at", "updated_at",
      "tags": [NAME, ...],
      "channels": {"email": {"state", "reason", "since"}, "sms": {...}},
      "activity": {"last_sent_at", "last_clicked_at", "last_redeemed_at", "redemptions", "spend"},
      "consent": [{"channel", "action", "source", "at", "recorded_at", "wording", "version", "evidence", "reference",
                   "import", "by", "ip_address", "user_agent"}, ...],
      "suppressions": [{"channel", "reason", "source", "created_at", "lifted_at", "lifted_because"}, ...],
      "imports": [{"import", "at", "did", "before"}, ...],
      "confirmations": [{"form", "channel", "wording", "version", "details", "ip_address", "user_agent", "created_at",
                         "sent_at", "confirmed_at", "expires_at"}, ...],
      and a section for each thing the apps above keep: "codes", "redemptions", "refused_scans", "messages",
      "provider_events", "texts"
    }
    """
    addresses = addresses_of(contact)
    events = ConsentEvent.objects.filter(about(contact, addresses)).select_related("actor")
    blocks = Suppression.objects.filter(at_addresses(addresses))
    asked = Confirmation.objects.filter(about(contact, addresses)).select_related("form")
    data = {
        "version": EXPORT_VERSION,
        **_fields(contact),
        "tags": [tag.name for tag in contact.tags.all()],
        "channels": {channel.value: _state(contact, channel) for channel in Channel},
        "activity": _activity(contact),
        "consent": [_consent(event) for event in events.order_by("pk")],
        "suppressions": [{name: getattr(block, name) for name in _BLOCK_FIELDS} for block in blocks.order_by("pk")],
        "imports": [_import(entry) for entry in contact.import_entries.select_related("run").order_by("pk")],
        "confirmations": [_confirmation(row) for row in asked.order_by("pk")],
    }
    for records in all_records():
        data |= records.export(contact, addresses)
    return data


_OWN_FIELDS = (
    "email",
    "phone",
    "first_name",
    "last_name",
    "birthday",
    "postal_code",
    "region",
    "time_zone",
    "notes",
    "source",
    "fewer_messages",
    "created_at",
    "updated_at",
)
_BLOCK_FIELDS = ("channel", "reason", "source", "created_at", "lifted_at", "lifted_because")
_ACTIVITY_FIELDS = ("last_sent_at", "last_clicked_at", "last_redeemed_at", "redemptions", "spend")
_CONSENT_FIELDS = (
    "channel",
    "action",
    "source",
    "at",
    "recorded_at",
    "wording",
    "version",
    "evidence",
    "reference",
    "ip_address",
    "user_agent",
)
_CONFIRMATION_FIELDS = (
    "channel",
    "wording",
    "version",
    "details",
    "ip_address",
    "user_agent",
    "created_at",
    "sent_at",
    "confirmed_at",
    "expires_at",
)


def _fields(contact: Contact) -> dict[str, Any]:
    fields = {name: getattr(contact, name) for name in _OWN_FIELDS}
    return {"id": contact.pk, **fields, "birthday": birthday_text(contact.birthday) or None}


def _state(contact: Contact, channel: Channel) -> dict[str, Any]:
    state = channel_state(contact, channel)
    return {"state": state.state.value, "reason": state.reason or None, "since": state.since}


def _activity(contact: Contact) -> dict[str, Any]:
    activity = activity_of(contact)
    return {name: getattr(activity, name) for name in _ACTIVITY_FIELDS}


def _consent(event: ConsentEvent) -> dict[str, Any]:
    by = event.actor.get_username() if event.actor else None
    return {**{name: getattr(event, name) for name in _CONSENT_FIELDS}, "import": event.import_run_id, "by": by}


def _import(entry: ImportEntry) -> dict[str, Any]:
    at = entry.run.started_at or entry.run.created_at
    return {"import": entry.run_id, "at": at, "did": entry.kind, "before": entry.before}


def _confirmation(row: Confirmation) -> dict[str, Any]:
    form = row.form.name if row.form else None
    return {"form": form, **{name: getattr(row, name) for name in _CONFIRMATION_FIELDS}}
