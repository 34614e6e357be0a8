"""From a due campaign to one Message row per person, in chunks that can be stopped and taken up again.

A chunk is the next 5,000 contacts by number, of whom those in the audience get a row. It is one transaction: rows,
codes and the campaign's position are there together or not at all, so a worker may be killed at any time. Contacts are
counted off, not people of the audience, so that a chunk takes about as long for every question.

The question was frozen at launch; who answers it is found when their chunk is planned. Who joins the audience later is
not in it; who leaves it later is left out by the last look before the message is handed over.

One worker plans a campaign at a time, and the others go on sending meanwhile: most of a chunk is the database's work.
Every foreign key is a constraint. Of 41 us a row on PostgreSQL 15 the four of them take 20 (the contact 8, the others 4
each; of 48 us a code, two take 11), so a million rows would be there 20 s sooner without them. Nobody would get a mail
sooner, and a contact erased, or a campaign or deal deleted, amid a chunk would leave rows that point nowhere.
"""

from __future__ import annotations

import json
import logging
import uuid
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models.expressions import DatabaseDefault

from campaigns.models import Campaign
from campaigns.queries import people_of, variant_of
from campaigns.services import NotPossible
from contacts.models import Contact
from contacts.sentences import kept
from contacts.stopping import asked_to_stop
from messaging.models import Message
from messaging.services import control, warming
from messaging.services.starting import start_due
from redemptions.services import issue_codes

logger = logging.getLogger(__name__)

NOT_PLANNED = kept("Something went wrong here while its messages were made (%(kind)s). Resume to try once more.")
CHUNK = 5000  # contacts; half a second, and with a code for each a whole one
SQLITE_CHUNK = 500  # everybody else waits for a transaction there: some 40 ms

# What the rows of a chunk differ in.
ARRAY_ROWS = (
    "SELECT gen_random_uuid() AS reference, person, code FROM unnest(%s::bigint[], %s::bigint[]) AS a(person, code)"
)
JSON_ROWS = """SELECT json_extract(value, '$[0]') AS reference, json_extract(value, '$[1]') AS person,
    json_extract(value, '$[2]') AS code FROM json_each(%s)"""


def plan_due(*, at: datetime) -> int:
    """Start the campaigns that are due and plan one chunk of each; return how many contacts were looked at.

    Sending goes on between chunks. Zero means that nothing is left to plan, or that other workers are at it. Ends early
    where the worker is to stop.
    """
    start_due(at=at)
    unplanned = Campaign.objects.filter(status=Campaign.Status.SENDING, planned_at=None).order_by("pk")
    looked_at = 0
    for campaign_id in unplanned.values_list("pk", flat=True):
        if asked_to_stop():
            break
        looked_at += _plan_or_pause(campaign_id, at)
    return looked_at


def _plan_or_pause(campaign_id: int, at: datetime) -> int:
    """Plan a chunk; where that fails, pause this campaign with the reason: the others go on."""
    try:
        return plan_chunk(campaign_id, at=at)
    except Exception as error:
        if connection.in_atomic_block and connection.needs_rollback:
            raise
        kind = type(error).__name__
        logger.error("campaign %s cannot be planned: %s", campaign_id, kind)
        with suppress(NotPossible):
            control.pause(Campaign.objects.get(pk=campaign_id), reason=NOT_PLANNED % {"kind": kind})
        return 0


def plan_chunk(campaign_id: int, *, at: datetime) -> int:
    """Plan the next people of a campaign; return how many contacts were looked at. 0: done, or in other hands."""
    try:
        return _plan_chunk(campaign_id, at)
    except (IntegrityError, OperationalError) as error:
        # Somebody in the chunk was erased or merged before it was committed: found by a foreign key, or a deadlock.
        logger.warning("a chunk of campaign %s is planned again: %s", campaign_id, type(error).__name__)
        return _plan_chunk(campaign_id, at)


def _plan_chunk(campaign_id: int, at: datetime) -> int:
    """Plan the next chunk in one transaction.

    The campaign's row is locked, so that who pauses or cancels it waits for the chunk, and finds its rows. A row for
    somebody who has one already meets `message_once_per_campaign_contact_and_channel` and is skipped.
    """
    size = CHUNK if connection.vendor == "postgresql" else min(CHUNK, SQLITE_CHUNK)
    with transaction.atomic():
        campaign = (
            Campaign.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
            .select_related("offer")
            .filter(pk=campaign_id, status=Campaign.Status.SENDING, planned_at=None)
            .first()
        )
        if campaign is None:
            return 0
        contacts = Contact.objects.filter(pk__gt=campaign.plan_position).order_by("pk").values_list("pk", flat=True)
        last = contacts[size - 1 : size].first()
        people = people_of(campaign, at=at).filter(pk__gt=campaign.plan_position)
        if last is not None:
            people = people.filter(pk__lte=last)
        chosen = list(people.order_by("pk").values_list("pk", flat=True))
        if chosen:
            _make_rows(campaign, chosen, at)
            warming.put_in_order(campaign, chosen, start=campaign.starts_at or at)
        if last is None:
            campaign.planned_at = at
        campaign.plan_position = last or max([campaign.plan_position, *chosen])
        campaign.save(update_fields=["plan_position", "planned_at"])
    return len(chosen) if last is None else size


def _make_rows(campaign: Campaign, people: list[int], at: datetime) -> None:
    """Insert a queued row for each: a new `Message`, but for the columns in which they differ.

    By one statement: objects for bulk_create, and what is repeated in each of their rows, take three times as long.
    """
    codes = issue_codes(offer=campaign.offer, contact_ids=people) if campaign.offer else {}
    same = _columns_of(
        Message(campaign=campaign, variant=variant_of(campaign), channel=campaign.channel, not_before=at, status_at=at)
    )
    if connection.vendor == "postgresql":
        rows = ARRAY_ROWS
        values: list[Any] = [people, [codes.get(person) for person in people]]
    else:
        rows = JSON_ROWS
        values = [json.dumps([[uuid.uuid4().hex, person, codes.get(person)] for person in people])]
    marks = ", ".join(["%s"] * len(same))
    with connection.cursor() as cursor:
        # WHERE true: SQLite would read ON CONFLICT as a condition of a join.
        cursor.execute(
            f"INSERT INTO {Message._meta.db_table} "  # noqa: S608 - names of our own
            f"(reference, contact_id, code_id, {', '.join(same)}) "
            f"SELECT reference, person, code, {marks} FROM ({rows}) AS planned WHERE true ON CONFLICT DO NOTHING",
            [*same.values(), *values],
        )


def _columns_of(message: Message) -> dict[str, Any]:
    """Return the columns that rows made together share, with their values; what the database fills in is left to it."""
    return {
        str(field.column): field.get_db_prep_save(value, connection)
        for field in Message._meta.concrete_fields
        if field.name not in {"id", "reference", "contact", "code"}
        and not isinstance(value := getattr(message, field.attname), DatabaseDefault)
    }
