"""Pages of the admin over a big shop: how long each takes to answer, and how many queries it asks.

Every list is opened, its first page, the thousandth and the last, searched, and filtered by every choice of every
filter; then the front page, the pages of a campaign, the reports and their files. The slowest choice stands for a
filter. The time is that of the whole answer in the process of the server, with nobody else there; a browser comes on
top.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from benchmarks.big_shop import NAMED, RARE_NAME, Shop, fill
from benchmarks.child import describe_database
from benchmarks.measuring import Report, Timing
from benchmarks.segments import timed_ms

SLOW_MS = 500
DEEP = 1000  # the page that is opened of long lists
# What is typed into the search of a list, where it has one; the rarest and the most frequent thing of contacts.
SEARCHES: dict[str, tuple[str, ...]] = {
    "contacts.contact": (NAMED, RARE_NAME, "a.guest.00012@example.org", "+12175550123"),
    "contacts.suppression": ("a.guest.00012@example.org",),
    "redemptions.code": ("4711", "0123456789ABCDEFGHJKMNPQRS"),
    "redemptions.redemption": ("T0004711",),
}
ANYTHING = ("even",)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who may see everything, and opens each page some times."""

    client: Client
    rounds: int

    def open(self, page: str, view: str, ask: Callable[[], Any]) -> Timing:
        """Ask once to warm up, counting the queries, and then for the time."""
        with CaptureQueriesContext(connection) as captured:
            answered(ask(), page)
        queries = len(captured)  # the next request forgets them
        took = [timed_ms(lambda: answered(ask(), page))[0] for _ in range(self.rounds)]
        return Timing(page, view, median(took), max(took), queries)

    def get(self, page: str, url: str, view: str = "") -> Timing:
        return self.open(page, view, lambda: self.client.get(url))


def answered(response: Any, page: str) -> Any:
    """Read an answer to its end, and make sure that it is one."""
    if response.status_code != 200:
        raise RuntimeError(f"{page} answered {response.status_code}")
    if response.streaming:
        for _ in response.streaming_content:
            pass
    return response


def run(*, rows: int, rounds: int) -> Report:
    shop = fill(rows)
    call_command("collectstatic", interactive=False, verbosity=0)
    timings = measured(shop, rounds)
    slow = [f"{one.page}, {one.view or 'open'} {one.ms:.0f} ms" for one in timings if one.ms > SLOW_MS]
    notes = [
        f"Pages over {rows:,} contacts, each opened {rounds} times after a first: the median.",
        f"Above {SLOW_MS} ms: {'; '.join(slow) or 'none'}.",
    ]
    return Report(describe_database(), [], notes, timings)


def measured(shop: Shop, rounds: int) -> list[Timing]:
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(User.objects.create_superuser("visitor"))
    visitor = Visitor(client, rounds)
    timings = [visitor.get(name, url) for name, url in pages(shop)]
    for model_admin in admin.site._registry.values():
        timings += lists(visitor, model_admin)
    return timings


# --- Pages ------------------------------------------------------------------------------------------------------------


def pages(shop: Shop) -> Iterable[tuple[str, str]]:
    """Yield what to call each page that is no list, and its address."""

    def campaign(name: str, one: Any = shop.lunch) -> str:
        return reverse(f"admin:campaigns_campaign_{name}", args=[one.pk])

    begun = timezone.localdate(shop.lunch.begun_at)
    first_days = urlencode({"first": begun, "last": begun, "by": "hour"})
    reports, ledger = reverse("admin:messaging_reports"), reverse("admin:redemptions_report")
    compared = urlencode({"id": [one.pk for one in shop.newest]}, doseq=True)
    yield "Dashboard", reverse("admin:index")
    yield "Campaign, draft", campaign("change", shop.draft)
    yield "Campaign, new", reverse("admin:campaigns_campaign_add")
    yield "Review and send", campaign("review", shop.draft)
    yield "Running campaign", campaign("change", shop.going)
    yield "Its progress, asked each second", campaign("progress", shop.going)
    yield "Campaign that is over", campaign("change")
    yield "Unknown outcomes", campaign("unknown")
    yield "Report, by day", campaign("report")
    yield "Report, first day by hour", f"{campaign('report')}?{first_days}"
    yield "Report, a chart as CSV", f"{campaign('report_csv')}?what=guests"
    yield "Report, redemptions as CSV", campaign("report_csv")
    yield "Reports, 30 days", reports
    yield "Reports, all days", f"{reports}?first=&last="
    yield "Reports as CSV, all days", f"{reverse('admin:messaging_reports_file')}?first=&last="
    yield "Compare six campaigns", f"{reverse('admin:messaging_reports_compare')}?{compared}"
    for by in ("day", "hour", "location", "deal", "device"):
        yield f"Redemptions report, by {by}", f"{ledger}?by={by}"
    yield "Redemptions report of a campaign", f"{ledger}?by=day&campaign={shop.lunch.pk}"
    yield "Redemptions report as CSV", f"{reverse('admin:redemptions_report_file', args=['csv'])}?by=day"
    for days in (7, 90):
        yield f"What looks odd, {days} days", f"{reverse('admin:redemptions_signals')}?days={days}"
    yield "Sending set-up", reverse("admin:messaging_setup")
    yield "Outbox", reverse("admin:messaging_outbox")


# --- Lists ------------------------------------------------------------------------------------------------------------


def lists(visitor: Visitor, model_admin: Any) -> list[Timing]:
    """Open a list in every way there is, and the pages of its first row."""
    opts = model_admin.opts
    name, route = str(opts.verbose_name_plural).capitalize(), f"admin:{opts.app_label}_{opts.model_name}"
    url = reverse(f"{route}_changelist")
    first = visitor.client.get(url, follow=True)
    change_list = getattr(first, "context_data", {}).get("cl")
    if change_list is None:  # a list of one row leads straight to it
        return [visitor.get(name, first.redirect_chain[-1][0], "first row")] if first.redirect_chain else []
    timings = [visitor.get(name, url, "first page")]
    last = change_list.paginator.num_pages
    if last > DEEP:
        timings.append(visitor.get(name, f"{url}?p={DEEP}", f"page {DEEP:,}"))
    if last > 1:
        timings.append(visitor.get(name, f"{url}?p={last}", "last page"))
    timings += searches(visitor, model_admin, name, url)
    timings += filters(visitor, change_list, name, url)
    if change_list.result_list:
        row = change_list.url_for_result(change_list.result_list[0])
        timings.append(visitor.get(name, row, "first row"))
        history = reverse(f"{route}_history", args=[change_list.result_list[0].pk])
        timings.append(visitor.get(name, history, "history"))
    return timings


def searches(visitor: Visitor, model_admin: Any, name: str, url: str) -> Iterable[Timing]:
    """Search; of several words the slowest. What may not stand in an address is posted, and led to its list."""
    client, label = visitor.client, f"{model_admin.opts.app_label}.{model_admin.opts.model_name}"
    words = SEARCHES.get(label, ANYTHING)
    if hasattr(model_admin, "search_view"):
        asks = [lambda word=word: client.post(f"{url}search/", {"text": word}, follow=True) for word in words]
    elif model_admin.search_fields:
        asks = [lambda word=word: client.get(url, {"q": word}) for word in words]
    else:
        return []
    return [slowest(visitor.open(name, "search", ask) for ask in asks)]


def filters(visitor: Visitor, change_list: Any, name: str, url: str) -> Iterable[Timing]:
    """Filter by each choice; yield the slowest choice of each filter."""
    for spec in change_list.filter_specs:
        choices = [choice["query_string"] for choice in spec.choices(change_list)][1:]
        if choices:
            title = f"filter {spec.title}"
            yield slowest(visitor.get(name, f"{url}{choice}", title) for choice in choices[:12])


def slowest(timings: Iterable[Timing]) -> Timing:
    return max(timings, key=lambda timing: timing.ms)
