"""Plan: rows and codes for everybody, against a loop that makes the same rows by the driver alone.

The loop by hand locks nothing and keeps no position: whoever cancels the campaign is not waited for, two of them make
each other's work twice, and one that was stopped begins anew. Its secrets are made by the same functions.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any

from django.db import connection
from django.utils import timezone

from benchmarks.child import describe_database, scratch_url
from benchmarks.driver import Database
from benchmarks.importing import peak_mb
from benchmarks.measuring import Comparison, Report, Sample, compare, percentile, timed
from benchmarks.segments import timed_ms
from campaigns import services as campaigns
from campaigns.models import Campaign
from campaigns.queries import variant_of
from contacts.channels import Channel
from contacts.fields import encrypt, encrypt_many, key_id, keyed_hash
from messaging.models import Message
from messaging.services import planning, starting
from redemptions.codes import new_token, new_typed_code
from redemptions.models import Code, Offer, image_reference
from redemptions.services import create_offer

CHUNK = 5000
NUMBERS = count(1)

CODE = """INSERT INTO redemptions_code (offer_id, index_key_id, used, max_uses, is_test,
        contact_id, token, token_index, typed, typed_index, image_reference)"""
MESSAGE = """INSERT INTO messaging_message (campaign_id, variant_id, channel, not_before, status_at, status, reason,
        attempts, look_ups, provider, provider_id, reference, contact_id, code_id)"""


def run(*, rows: int, rounds: int) -> Report:
    """Plan for `rows` people, without a deal and with one."""
    fill(rows)
    database, before = Database(scratch_url()), peak_mb()
    steps = Steps([], [])
    comparisons = [measured(database, rows, rounds, steps, has_deal=has_deal) for has_deal in (False, True)]
    database.close()
    memory = f"peak memory {steps.peaks_mb[-1]:.0f} MB, {before:.0f} MB of it before the first row"
    return Report(describe_database(), comparisons, [f"Planning for {rows:,} people: {memory}."])


@dataclass(frozen=True, slots=True)
class Steps:
    """How long each chunk took, and the peak memory after each loop."""

    took_ms: list[float]
    peaks_mb: list[float]


def measured(database: Database, rows: int, rounds: int, steps: Steps, *, has_deal: bool) -> Comparison:
    steps.took_ms.clear()
    pairs = [one_round(database, rows, steps, has_deal=has_deal) for _ in range(rounds)]
    slow = f"{percentile(steps.took_ms, 0.95):.0f} ms for 95 in 100, {max(steps.took_ms):.0f} ms at most"
    whole = ", ".join(f"{product.wall_s:.1f} s" for product, _ in pairs)
    what = f"Planning for {rows:,} people, {'a code each' if has_deal else 'without a deal'}"
    return compare(what, "people", pairs, [f"{whole}; a chunk takes {slow}"])


def one_round(database: Database, rows: int, steps: Steps, *, has_deal: bool) -> tuple[Sample, Sample]:
    """Plan a campaign, then the same by hand, each into empty tables, and make sure that both made the same."""
    campaign = launched(has_deal=has_deal)
    product = timed(lambda: plan(campaign, steps))
    steps.peaks_mb.append(peak_mb())
    check(campaign, product.units, rows)
    campaign = launched(has_deal=has_deal)
    hand = timed(lambda: plan_by_hand(database, campaign))
    check(campaign, hand.units, rows)
    return product, hand


def launched(*, has_deal: bool) -> Campaign:
    """Empty the tables, and return a campaign to everybody that has begun, with a deal of its own."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("TRUNCATE redemptions_code, messaging_message CASCADE")
        else:
            cursor.execute("DELETE FROM messaging_message")
            cursor.execute("DELETE FROM redemptions_code")
    name, at = f"Lunch {next(NUMBERS)}", timezone.now()
    offer = create_offer(name=name, type=Offer.Type.PERCENT, value=Decimal(20)) if has_deal else None
    draft = campaigns.Draft(name=name, channel=Channel.EMAIL, subject="Lunch", body="Come for lunch.", offer=offer)
    campaign = campaigns.launch(campaigns.save_draft(draft), at=at)
    Campaign.objects.exclude(pk=campaign.pk).update(status=Campaign.Status.CANCELLED)
    starting.start_due(at=at)
    return campaign


def check(campaign: Campaign, planned: int, rows: int) -> None:
    messages = Message.objects.filter(campaign=campaign, status=Message.Status.QUEUED)
    assert planned == messages.count() == rows, (planned, messages.count())
    if campaign.offer:
        last = messages.select_related("code").latest("pk")
        assert last.code is not None
        assert last.code.contact_id == last.contact_id
        assert last.code.token_index == keyed_hash("code", last.code.token)
        assert Code.objects.filter(offer=campaign.offer).count() == rows


def plan(campaign: Campaign, steps: Steps) -> int:
    while True:
        ms, looked_at = timed_ms(lambda: planning.plan_due(at=timezone.now()))
        if not looked_at:
            return Message.objects.filter(campaign=campaign).count()
        steps.took_ms.append(ms)


# --- By hand ----------------------------------------------------------------------------------------------------------


def plan_by_hand(database: Database, campaign: Campaign) -> int:
    made, now = 0, database.moment(timezone.now())
    shared = [campaign.pk, variant_of(campaign).pk, campaign.channel, now, now, "queued", "", 0, 0, "", ""]
    for people in pages(database):
        with database.transaction():
            codes = codes_by_hand(database, campaign.offer_id, people) if campaign.offer_id else [None] * len(people)
            if database.is_sqlite:
                rows = ((*shared, uuid.uuid4().hex, *pair) for pair in zip(people, codes, strict=True))
                database.run_many(f"{MESSAGE} VALUES ({marks(14)})", rows)
            else:
                source = "unnest(%s::bigint[], %s::bigint[]) AS pair"
                sql = f"{MESSAGE} SELECT {marks(11)}, gen_random_uuid(), pair.* FROM {source}"
                database.rows(sql, [*shared, people, codes])
        made += len(people)
    return made


def pages(database: Database) -> Iterator[list[int]]:
    last = 0
    sql = "SELECT id FROM contacts_contact WHERE id > %s AND email_status = 'subscribed' ORDER BY id LIMIT %s"
    while people := [row[0] for row in database.rows(sql, [last, CHUNK])]:
        yield people
        last = people[-1]


def codes_by_hand(database: Database, offer_id: int, people: list[int]) -> list[int]:
    """Make a code for each; return their numbers in the order of the people."""
    tokens, typed = [new_token() for _ in people], [new_typed_code() for _ in people]
    columns: list[list[Any]] = [
        people,
        encrypt_many(tokens),
        [keyed_hash("code", token) for token in tokens],
        encrypt_many(typed),
        [keyed_hash("typed", code) for code in typed],
        [image_reference() for _ in people],
    ]
    shared = [offer_id, key_id(), 0, 1, False]
    if database.is_sqlite:
        database.run_many(f"{CODE} VALUES ({marks(11)})", ((*shared, *row) for row in zip(*columns, strict=True)))
        sql = "SELECT id FROM redemptions_code WHERE offer_id = %s AND contact_id BETWEEN %s AND %s ORDER BY contact_id"
        return [row[0] for row in database.rows(sql, [offer_id, people[0], people[-1]])]
    arrays = "%s::bigint[], %s::text[], %s::bytea[], %s::text[], %s::bytea[], %s::text[]"
    sql = f"{CODE} SELECT {marks(5)}, made.* FROM unnest({arrays}) AS made RETURNING contact_id, id"
    numbers = dict(database.rows(sql, [*shared, *columns]))
    return [numbers[person] for person in people]


def marks(number: int) -> str:
    return ", ".join(["%s"] * number)


# --- People -----------------------------------------------------------------------------------------------------------


def fill(rows: int) -> None:
    """Write `rows` contacts of the width of real ones, all subscribed; their addresses repeat, the indexes do not."""
    is_sqlite, secret = connection.vendor == "sqlite", encrypt("a.guest.00000@example.org")
    index = "CAST(printf('%%032d', n) AS blob)" if is_sqlite else "sha256(n::text::bytea)"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO contacts_contact (email, email_index, first_name, last_name, index_key_id, email_status,
                sms_status, source, fewer_messages, is_demo, created_at, updated_at)
            WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %s)
            SELECT %s, {index}, %s, %s, 'bench', 'subscribed', 'absent', 'import', false, false,
                CURRENT_TIMESTAMP, CURRENT_TIMESTAMP
            FROM numbers""",
            [rows, secret, secret, secret],
        )
        cursor.execute("ANALYZE" if is_sqlite else "VACUUM ANALYZE")
