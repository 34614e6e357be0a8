"""What was sent and what came of it: counts, reports, the live page, and what waits for a person's word."""

from messaging.queries.caps import caps_check, caps_in_use, provider_name
from messaging.queries.checklist import full_checklist
from messaging.queries.clicks import Clicks, LinkClicks, clicked_counts, clicks_of, link_target
from messaging.queries.counts import Progress, audience_sizes, progress
from messaging.queries.facts import complaint_of, facts_of
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
from messaging.queries.setup import SETUP_PERMISSION, SetUp, set_up
from messaging.queries.unsettled import retriable, still_agreed, undecided, unknown_page
from messaging.queries.warm_up import Warmth, is_new_sender, warm_up_of, warmth

__all__ = [
    "OUTBOX_PERMISSIONS",
    "SETUP_PERMISSION",
    "CampaignResult",
    "Clicks",
    "LinkClicks",
    "Live",
    "Progress",
    "Provider",
    "SetUp",
    "Warmth",
    "attributed",
    "audience_sizes",
    "caps_check",
    "caps_in_use",
    "clicked_counts",
    "clicks_of",
    "complaint_of",
    "facts_of",
    "full_checklist",
    "is_new_sender",
    "latest_results",
    "left_to_send",
    "link_target",
    "live",
    "outbox",
    "outbox_item",
    "progress",
    "provider_name",
    "redeemed_counts",
    "redemptions_by_day",
    "redemptions_by_location",
    "redemptions_of",
    "result_of",
    "retriable",
    "set_up",
    "still_agreed",
    "undecided",
    "unknown_page",
    "unsubscribed_after",
    "warm_up_of",
    "warmth",
    "worker_alive",
]
