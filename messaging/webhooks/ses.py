"""Amazon SES: one event a call, through a topic of the notification service that signs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from anymail.webhooks.amazon_ses import AmazonSESTrackingWebhookView

from messaging.incoming import EventType, Incoming
from messaging.webhooks import sns
from messaging.webhooks.checked import Call, Unreadable
from messaging.webhooks.reading import Raw, each, incoming, parser

NAME = "ses"

VIEW = parser(AmazonSESTrackingWebhookView)

prove = sns.prove


def read(call: Call) -> list[Incoming]:
    """Raises Unreadable; Refused and NotFetched where a topic asks whether it is welcome and cannot be answered."""
    message = call.fields
    if message["Type"] == "SubscriptionConfirmation":
        sns.confirm(message)
        return []
    if message["Type"] != "Notification":
        return []
    return each(NAME, [_event(message)], lambda raw: _read(raw, message, call))


def _event(message: Raw) -> Raw:
    """Return the event; an empty one where the topic only greets."""
    try:
        event = json.loads(message.get("Message", ""))
    except (ValueError, TypeError, RecursionError):
        return {}  # "Successfully validated SNS topic for Amazon SES event publishing."
    if not isinstance(event, dict):
        raise Unreadable
    return event


def _read(raw: Raw, message: Raw, call: Call) -> Iterator[Incoming]:
    kind = raw.get("eventType") or raw.get("notificationType")
    if not kind or kind == "Received":
        return
    for event in VIEW.esp_to_anymail_events(raw, message):
        yield incoming(
            NAME,
            event,
            raw=raw,
            at=call.at,
            identity=message.get("MessageId"),
            kind=_kind(raw, kind),
        )


def _kind(raw: Raw, kind: str) -> EventType | None:
    """Return what Anymail does not tell apart; None: as it says."""
    if kind == "DeliveryDelay":
        return EventType.DEFERRED
    if kind == "Complaint" and raw.get("complaint", {}).get("complaintFeedbackType") == "not-spam":
        return EventType.UNKNOWN  # the person took it out of the spam folder
    if kind == "Subscription":
        wishes = raw.get("subscription", {}).get("newTopicPreferences", {})
        return EventType.UNSUBSCRIBED if _opts_out(wishes) else EventType.SUBSCRIBED
    return None


def _opts_out(wishes: Any) -> bool:
    topics = wishes.get("topicSubscriptionStatus") or []
    return bool(wishes.get("unsubscribeAll")) or any(topic.get("subscriptionStatus") == "OptOut" for topic in topics)
