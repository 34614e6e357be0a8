"""How long a worker waits for its next messages where a million are queued."""

from __future__ import annotations

import time
import uuid

from django.db import connection

from benchmarks.child import describe_database
from benchmarks.measuring import Report, percentile
from benchmarks.sending import add_people, launch_campaign, office_clock
from campaigns.models import Campaign
from campaigns.queries import variant_of
from messaging.models import Message
from messaging.services.sending import claiming
from messaging.services.sending.stock import CLAIM

CLAIMS = 200

NUMBERS = {
    "sqlite": "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows})",
    "postgresql": "WITH numbers (n) AS (SELECT generate_series(1, {rows}))",
}
REFERENCE = {"sqlite": "lower(hex(randomblob(16)))", "postgresql": "gen_random_uuid()"}


def run(*, rows: int) -> Report:
    add_people(0, 1)  # to nobody, nothing can be launched
    campaigns = [launch_campaign() for _ in range(2)]
    for campaign in campaigns:
        queue(campaign, rows // len(campaigns))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as PostgreSQL does by itself after so many new rows
    took_ms = [one_claim(campaigns) for _ in range(CLAIMS)]
    assert Message.objects.filter(status=Message.Status.SENDING).count() == CLAIMS * CLAIM
    note = (
        f"{CLAIM} of {rows:,} queued messages of two campaigns are claimed within {percentile(took_ms, 0.5):.1f} ms "
        f"(half of {CLAIMS} claims) and {percentile(took_ms, 0.99):.1f} ms (99 of 100); loading them is not counted"
    )
    return Report(describe_database(), [], [note])


def queue(campaign: Campaign, rows: int) -> None:
    """Queue messages to nobody: for a claim it makes no difference."""
    variant = variant_of(campaign)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""{NUMBERS[connection.vendor].format(rows=rows)}
            INSERT INTO messaging_message (reference, campaign_id, variant_id, channel, status, reason, attempts,
                not_before, look_ups, provider, provider_id, status_at, created_at)
            SELECT {REFERENCE[connection.vendor]}, %s, %s, 'email', 'queued', '', 0,
                '2020-01-01 00:00:00', 0, '', '', '2020-01-01 00:00:00', '2020-01-01 00:00:00' FROM numbers""",
            [campaign.pk, variant.pk],
        )
    Campaign.objects.filter(pk=campaign.pk).update(status=Campaign.Status.SENDING)


def one_claim(campaigns: list[Campaign]) -> float:
    at = office_clock()()
    start = time.perf_counter()
    claimed = claiming.claim(campaigns, pump=uuid.uuid4(), at=at, limit=CLAIM)
    took_ms = (time.perf_counter() - start) * 1000
    assert len(claimed) == CLAIM
    return took_ms
