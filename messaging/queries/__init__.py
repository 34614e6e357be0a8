"""What was sent and what came of it: counts, reports, the live page, and what waits for a person's word."""

from messaging.queries.accounting import Figures
from messaging.queries.caps import caps_check, caps_in_use, provider_name
from messaging.queries.checklist import full_checklist
from messaging.queries.clicks import Clicks, LinkClicks, clicked_counts, clicks_of, link_target
from messaging.queries.counts import Progress, audience_sizes, progress
from messaging.queries.facts import complaint_of, facts_of
from messaging.queries.latest import (
    CampaignResult,
    begun_in,
    latest_results,
    latest_sent,
    result_of,
    results_of,
)
from messaging.queries.live import Live, Provider, left_to_send, live, moment_words, pace_line
from messaging.queries.machine import OUTBOX_PERMISSIONS, outbox, outbox_item, worker_alive
from messaging.queries.report import Point, Report, VariantResult, report_of
from messaging.queries.results import (
    attributed,
    lines_of,
    redeemed_counts,
    redemptions_by_day,
    redemptions_by_location,
    redemptions_of,
    unsubscribed_after,
)
from messaging.queries.setup import SETUP_PERMISSION, SetUp, set_up
from messaging.queries.spans import Span, last_days
from messaging.queries.unsettled import retriable, still_agreed, undecided, undecided_counts, unknown_page
from messaging.queries.warm_up import Warmth, is_new_sender, warm_up_of, warmth

__all__ = [
    "OUTBOX_PERMISSIONS",
    "SETUP_PERMISSION",
    "CampaignResult",
    "Clicks",
    "Figures",
    "LinkClicks",
    "Live",
    "Point",
    "Progress",
    "Provider",
    "Report",
    "SetUp",
    "Span",
    "VariantResult",
    "Warmth",
    "attributed",
    "audience_sizes",
    "begun_in",
    "caps_check",
    "caps_in_use",
    "clicked_counts",
    "clicks_of",
    "complaint_of",
    "facts_of",
    "full_checklist",
    "is_new_sender",
    "last_days",
    "latest_results",
    "latest_sent",
    "left_to_send",
    "lines_of",
    "link_target",
    "live",
    "moment_words",
    "outbox",
    "outbox_item",
    "pace_line",
    "progress",
    "provider_name",
    "redeemed_counts",
    "redemptions_by_day",
    "redemptions_by_location",
    "redemptions_of",
    "report_of",
    "result_of",
    "results_of",
    "retriable",
    "set_up",
    "still_agreed",
    "undecided",
    "undecided_counts",
    "unknown_page",
    "unsubscribed_after",
    "warm_up_of",
    "warmth",
    "worker_alive",
]
