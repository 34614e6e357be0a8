"""What is kept about people here, for the contact's page, its export, its erasure and its merge."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext as _

from contacts.channels import Channel, normalise
from contacts.models import Address, Contact
from contacts.records import Records, TimelineEntry
from contacts.services.traces import Needles, matching
from messaging.models import Click, InboundText, Message, ProviderEvent
from messaging.services import wake
from messaging.transports import outbox

Status = Message.Status
SENT_OR_GOING = (Status.SENDING, *Message.MAY_HAVE_ARRIVED)
KINDS = {
    Status.QUEUED: "quiet",
    Status.SENDING: "info",
    Status.ACCEPTED: "info",
    Status.DELIVERED: "ok",
    Status.BOUNCED: "bad",
    Status.COMPLAINED: "bad",
    Status.FAILED: "bad",
    Status.SKIPPED: "warn",
    Status.UNKNOWN: "warn",
    Status.CANCELLED: "quiet",
}
MEANINGS = {
    InboundText.Meaning.STOP: "bad",
    InboundText.Meaning.START: "ok",
    InboundText.Meaning.JOIN: "ok",
    InboundText.Meaning.HELP: "info",
    InboundText.Meaning.DOUBT: "warn",
    InboundText.Meaning.REVIEW: "quiet",
}
GONE = "(erased)"


class MessagingRecords(Records):
    """Messages with what became of them, clicks, and the texts that came in."""

    def timeline(self, contact: Contact, addresses: Collection[Address], limit: int) -> list[TimelineEntry]:
        """Return messages, clicks of people (a scanner's are none) and texts. Three queries."""
        messages = Message.objects.filter(contact=contact).select_related("campaign").order_by("-id")
        clicks = Click.objects.filter(message__contact=contact, machine=Click.Machine.NONE)
        clicks = clicks.select_related("message__campaign").order_by("-id")
        return [
            *map(_message_entry, messages[:limit]),
            *map(_click_entry, clicks[:limit]),
            *map(_text_entry, _texts_from(addresses).order_by("-id")[:limit]),
        ]

    def export(self, contact: Contact, addresses: Collection[Address]) -> dict[str, Any]:
        """Return `messages`, `clicks`, `provider_events` with what the provider wrote, and `texts`."""
        messages = Message.objects.filter(contact=contact).select_related("campaign").order_by("pk")
        clicks = Click.objects.filter(message__contact=contact).select_related("link").order_by("pk")
        events = ProviderEvent.objects.filter(message__contact=contact).order_by("pk")
        return {
            "messages": [_message(message) for message in messages],
            "clicks": [_click(click) for click in clicks],
            "provider_events": [_event(event) for event in events],
            "texts": [
                {"received_at": text.received_at, "meaning": text.meaning, "body": text.body, "answer": text.answer}
                for text in _texts_from(addresses).order_by("pk")
            ],
        }

    def erase(self, contacts: Sequence[Contact], addresses: Collection[Address]) -> None:
        """Empty the texts that came in and the providers' reports, and delete the files of the outbox.

        The messages stay as numbers of their campaigns. The files go once the erasure is committed.
        """
        _texts_from(addresses).update(sender="", body=GONE, answer=None)
        known = [contact.pk for contact in contacts if contact.pk]
        ProviderEvent.objects.filter(message__contact__in=known).update(payload="{}")
        messages = Message.objects.filter(contact__in=known).order_by()
        references = [str(reference) for reference in messages.values_list("reference", flat=True)]
        spellings = [spelling for contact in contacts for spelling in _spellings(contact)]
        _empty_loose_events(_Spelled(contacts, addresses, spellings))
        transaction.on_commit(lambda: outbox.remove(references=references, addresses=spellings))

    def merge(self, kept: Contact, gone: Contact) -> None:
        """Give `kept` the messages of `gone`, but for campaigns that wrote to both: there each keeps what it is.

        Of such a pair at most one is sent: where one has arrived, may have, or is on its way, the other one that waits
        is cancelled, and where both wait, that of `gone`. All are locked: none is claimed between the look and the end.
        """
        messages = Message.objects.select_for_update().filter(contact__in=[kept.pk, gone.pk]).order_by("pk")
        rows = list(messages.values_list("pk", "contact_id", "campaign_id", "channel", "status"))
        own = {(campaign, channel): pk for pk, contact, campaign, channel, _ in rows if contact == kept.pk}
        free, spare = [], []
        for pk, contact, campaign, channel, status in rows:
            if contact == kept.pk:
                continue
            pair = own.get((campaign, channel))
            if pair is None:
                free.append(pk)
            else:
                spare += [pk, pair] if status in SENT_OR_GOING else [pk]
        Message.objects.filter(pk__in=free).update(contact=kept)
        Message.objects.filter(pk__in=spare, status=Status.QUEUED).update(status=Status.CANCELLED, status_at=Now())

    def confirmation_requested(self) -> None:
        """Wake the worker, which sends it."""
        wake()

    def in_use(self, contact_ids: Collection[int]) -> set[int]:
        return set(Message.objects.filter(contact__in=contact_ids).order_by().values_list("contact_id", flat=True))


def _texts_from(addresses: Collection[Address]) -> QuerySet[InboundText]:
    """Return the texts that came from these numbers."""
    numbers = [index for channel, index in addresses if channel == Channel.SMS]
    return InboundText.objects.filter(sender_index__in=numbers)


def _spellings(contact: Contact) -> list[str]:
    """Return the contact's addresses as entered and as mail servers take them."""
    found = [(channel, address) for channel in Channel if (address := contact.address(channel))]
    return [spelling for channel, address in found for spelling in (address, normalise(channel, address))]


class _Spelled(Needles):
    """Addresses, looked for as they are spelled too: what a provider wrote has no form of its own."""

    def __init__(self, contacts: Sequence[Contact], addresses: Collection[Address], spellings: list[str]) -> None:
        super().__init__(contacts, addresses)
        self.spellings = [spelling.casefold() for spelling in spellings]

    def are_in(self, text: str) -> bool:
        plain = text.casefold()
        return any(spelling in plain for spelling in self.spellings) or super().are_in(text)


def _empty_loose_events(needles: Needles) -> None:
    """Empty the reports that belong to no message and name one of the addresses. Reads all of those once."""
    loose = ProviderEvent.objects.filter(message=None).only("payload")
    found = list(matching(loose, needles, "payload"))
    ProviderEvent.objects.filter(pk__in=found).update(payload="{}")


def _message_entry(message: Message) -> TimelineEntry:
    status = Status(message.status)
    why = f": {message.get_reason_display()}" if message.reason else ""
    return TimelineEntry(
        at=message.handed_at or message.status_at,
        kind=KINDS[status],
        what=f"{status.label}{why}",
        channel=str(Channel(message.channel).label),
        how=_("Campaign “%(name)s”") % {"name": message.campaign.name},
        url=reverse("admin:messaging_message_change", args=[message.pk]),
    )


def _click_entry(click: Click) -> TimelineEntry:
    return TimelineEntry(
        at=click.at,
        kind="ok",
        what=_("Clicked a link"),
        channel=str(Channel(click.message.channel).label),
        how=_("Campaign “%(name)s”") % {"name": click.message.campaign.name},
    )


def _text_entry(text: InboundText) -> TimelineEntry:
    how = ""
    if text.meaning != InboundText.Meaning.REVIEW:
        how = _("understood as: %(meaning)s") % {"meaning": text.get_meaning_display()}
    return TimelineEntry(
        at=text.received_at,
        kind=MEANINGS[InboundText.Meaning(text.meaning)],
        what=_("Texted you"),
        channel=str(Channel.SMS.label),
        how=how,
        detail=text.body,
        url=reverse("admin:messaging_inboundtext_change", args=[text.pk]),
    )


def _message(message: Message) -> dict[str, Any]:
    return {
        "id": message.pk,
        "campaign": message.campaign.name,
        "channel": message.channel,
        "status": message.status,
        "reason": message.reason,
        "code": message.code_id,
        "provider": message.provider,
        "provider_id": message.provider_id,
        "created_at": message.created_at,
        "handed_at": message.handed_at,
        "status_at": message.status_at,
    }


def _click(click: Click) -> dict[str, Any]:
    return {
        "message": click.message_id,
        "at": click.at,
        "link": click.link.url if click.link else "",
        "machine": click.machine,
    }


def _event(event: ProviderEvent) -> dict[str, Any]:
    return {
        "message": event.message_id,
        "provider": event.provider,
        "type": event.event_type,
        "reject_reason": event.reject_reason,
        "verdict": event.verdict,
        "code": event.code,
        "occurred_at": event.occurred_at,
        "payload": event.payload,
    }
