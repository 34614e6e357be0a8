"""What was sent and what came of it: counts, reports, the live page, and what waits for a person's word."""

from messaging.queries.caps import caps_check
from messaging.queries.counts import Progress, audience_sizes, progress
from messaging.queries.latest import CampaignResult, latest_results, result_of
from messaging.queries.live import Live, Provider, left_to_send, live
from messaging.queries.machine import OUTBOX_PERMISSIONS, outbox, outbox_item, worker_alive
from messaging.queries.results import (
    attributed,
    redeemed_counts,
    redemptions_by_day,
    redemptions_by_location,
    redemptions_of,
    unsubscribed_after,
)
from messaging.queries.unsettled import retriable, still_agreed, undecided, unknown_page

__all__ = [
    "OUTBOX_PERMISSIONS",
    "CampaignResult",
    "Live",
    "Progress",
    "Provider",
    "attributed",
    "audience_sizes",
    "caps_check",
    "latest_results",
    "left_to_send",
    "live",
    "outbox",
    "outbox_item",
    "progress",
    "redeemed_counts",
    "redemptions_by_day",
    "redemptions_by_location",
    "redemptions_of",
    "result_of",
    "retriable",
    "still_agreed",
    "undecided",
    "unknown_page",
    "unsubscribed_after",
    "worker_alive",
]
