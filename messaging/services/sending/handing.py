"""The two statements of the engine: hand over, and record. Both take many rows, and may be repeated harmlessly."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection

from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.models import ChannelStatus, Contact, Suppression
from messaging.models import Message, ProviderSettings
from redemptions.models import Offer

DAY, MONTH = timedelta(days=1), timedelta(days=30)
FEWER_MEANS = MONTH  # to whoever asked for fewer messages, one in this time, of either channel

Status, Reason = Message.Status, Message.Reason
MAY_HAVE_ARRIVED = ", ".join(f"'{status.value}'" for status in (Status.SENDING, *Message.MAY_HAVE_ARRIVED))


@dataclass(frozen=True, slots=True)
class Caps:
    """How many messages of a channel one person may get in a day and in thirty; 0: as many as there are."""

    day: int = 0
    month: int = 0

    @classmethod
    def of(cls, settings: ProviderSettings) -> Caps:
        return cls(settings.per_person_day, settings.per_person_month)

    def __bool__(self) -> bool:
        return bool(self.day or self.month)


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a message. With `provider` where the provider took it."""

    pk: int
    status: Message.Status
    reason: str = ""
    provider: str = ""
    provider_id: str = ""


def hand_over(
    channel: Channel, wanted: Sequence[tuple[int, bytes]], *, pump: UUID, caps: Caps, at: datetime
) -> set[int]:
    """Mark messages as handed over that still may be; return their ids. `wanted`: id, and index of the address.

    The last look at consent, suppression, campaign, deal and how often. One statement: an opt-out that commits before
    it stops the message, one that commits after it came too late. Repeated with the same `at` it answers the same: a
    commit whose answer was lost costs nobody a message.
    """
    moment = _moment(at)
    values: list[Any] = [part for pair in wanted for part in pair]
    values += [moment, _uuid(pump), moment, _moment(at - FEWER_MEANS)]
    values += [_moment(at - DAY), caps.day] if caps.day else []
    values += [_moment(at - MONTH), caps.month] if caps.month else []
    values += [moment]
    with connection.cursor() as cursor:
        cursor.execute(_hand_over_sql(channel, len(wanted), bool(caps.day), bool(caps.month)), values)
        return {pk for (pk,) in cursor.fetchall()}


def lock_people(contact_ids: Collection[int]) -> None:
    """Let one pump at a time count what these people got: of two campaigns, the second sees what the first one sent."""
    people = Contact.objects.select_for_update(no_key=True).filter(pk__in=contact_ids).order_by("pk")
    list(people.values_list("pk"))


@lru_cache(maxsize=512)
def _hand_over_sql(channel: Channel, rows: int, has_day: bool, has_month: bool) -> str:
    """Return the statement of `hand_over`; names and states come from the models, values are parameters.

    It is written by hand: putting it together by the ORM took a third of the time a mail takes.
    """
    message, contact, suppression = Message._meta.db_table, Contact._meta.db_table, Suppression._meta.db_table
    campaign, offer = Campaign._meta.db_table, Offer._meta.db_table
    earlier = f"""FROM {message} AS earlier
                WHERE earlier.contact_id = person.id AND earlier.id <> m.id
                  AND earlier.status IN ({MAY_HAVE_ARRIVED}) AND earlier.handed_at > %s"""
    cap = f"(SELECT COUNT(*) {earlier} AND earlier.channel = '{channel.value}') < %s"
    return f"""
        WITH wanted (message_id, address_index) AS (VALUES {", ".join(["(%s, %s)"] * rows)})
        UPDATE {message} AS m SET handed_at = %s, address_index = wanted.address_index, attempts = attempts + 1
        FROM wanted
        WHERE m.id = wanted.message_id AND m.claim = %s AND m.status = '{Status.SENDING.value}'
          AND (m.handed_at IS NULL OR m.handed_at = %s)
          AND EXISTS (
            SELECT 1 FROM {contact} AS person
            WHERE person.id = m.contact_id AND person.{Contact.INDEX_FIELDS[channel]} = wanted.address_index
              AND person.{channel.value}_status = '{ChannelStatus.SUBSCRIBED.value}'
              AND (NOT person.fewer_messages OR NOT EXISTS (SELECT 1 {earlier}))
              {"AND " + cap if has_day else ""} {"AND " + cap if has_month else ""})
          AND EXISTS (
            SELECT 1 FROM {campaign} AS campaign LEFT JOIN {offer} AS offer ON offer.id = campaign.offer_id
            WHERE campaign.id = m.campaign_id AND campaign.status = '{Campaign.Status.SENDING.value}'
              AND (offer.id IS NULL OR (
                offer.status = '{Offer.Status.ACTIVE.value}' AND (offer.ends_at IS NULL OR offer.ends_at > %s))))
          AND NOT EXISTS (
            SELECT 1 FROM {suppression} AS suppression
            WHERE suppression.channel = '{channel.value}' AND suppression.address_index = wanted.address_index
              AND suppression.lifted_at IS NULL)
        RETURNING id
    """  # noqa: S608 - nothing in it comes from outside


def record(rows: Sequence[Row], *, pump: UUID, at: datetime) -> None:
    """Write down what became of messages this pump held. One statement.

    Where `recover` took the pump for dead meanwhile, what it knows still settles what became unknown.
    """
    if not rows:
        return
    values: list[Any] = []
    for row in rows:
        values += [row.pk, row.status.value, row.reason, row.provider, row.provider_id[:200]]
    with connection.cursor() as cursor:
        cursor.execute(_record_sql(len(rows)), [*values, _moment(at), _uuid(pump)])


@lru_cache(maxsize=512)
def _record_sql(rows: int) -> str:
    values = ", ".join(["(%s, %s, %s, %s, %s)"] * rows)
    return f"""
        WITH done (message_id, status, reason, provider, provider_id) AS (VALUES {values})
        UPDATE {Message._meta.db_table} AS m
        SET status = done.status, reason = done.reason, provider = done.provider, provider_id = done.provider_id,
            status_at = %s
        FROM done
        WHERE m.id = done.message_id AND m.claim = %s AND (
            m.status = '{Status.SENDING.value}'
            OR (m.status = '{Status.UNKNOWN.value}' AND m.reason = '{Reason.WORKER_DIED.value}'))
    """  # noqa: S608 - nothing in it comes from outside


def _moment(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)


def _uuid(value: UUID) -> Any:
    return Message._meta.get_field("claim").get_db_prep_value(value, connection)
