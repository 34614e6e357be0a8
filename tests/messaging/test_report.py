"""The report of a campaign: each number is the same on every page and in every file, for the same days."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisConnectionError

from campaigns.admin.report import _lines, charts_of, files_of
from campaigns.models import Campaign, Link, Variant
from campaigns.queries import variant_of
from contacts.models import Business, ConsentEvent, Contact
from messaging.models import Click, Message
from messaging.queries import Span, progress, redemptions_by_location, remembered, report_of, results_of
from messaging.queries.accounting import Question, grouped, totals
from messaging.queries.latest import latest_sent
from messaging.queries.spans import days_between, hours_between, last_days, local_moment
from messaging.queries.trends import days_before, given_by_day, given_in
from redemptions.models import Redemption
from redemptions.services import amend
from tests.admin.conftest import write_draft
from tests.admin.test_accounting import Till

CHICAGO = ZoneInfo("America/Chicago")
AUTUMN = datetime(2026, 10, 31, 23, tzinfo=UTC)  # the clock goes back at 07:00 UTC on November 1st
SPRING = datetime(2026, 3, 7, 23, tzinfo=UTC)  # the clock goes forward at 08:00 UTC on March 8th
Status = Message.Status
ALWAYS = Span(CHICAGO)


@pytest.fixture(autouse=True)
def in_chicago(db):
    Business.load()
    Business.objects.update(timezone="America/Chicago")


@pytest.fixture
def till():
    return Till()


def begun(offer=None, at=AUTUMN) -> Campaign:
    campaign = write_draft(offer=offer)
    Campaign.objects.filter(pk=campaign.pk).update(
        status="sent", audience={}, starts_at=at, launched_at=at, begun_at=at, planned_at=at
    )
    campaign.refresh_from_db()
    return campaign


def send(campaign, status="delivered", *, handed, landed=None, code=None, contact=None, variant=None):
    return Message.objects.create(
        campaign=campaign,
        variant=variant or variant_of(campaign),
        contact=contact,
        channel="email",
        code=code,
        status=status,
        reason="gave_up" if status == Status.FAILED else "",
        handed_at=handed,
        status_at=landed or handed,
    )


# --- Agreement --------------------------------------------------------------------------------------------------------

moments = st.integers(0, 4 * 24 * 60)  # minutes from the beginning
messages = st.tuples(st.sampled_from(["accepted", "delivered", "bounced", "complained", "failed"]), moments, moments)
clicks = st.tuples(st.integers(0, 9), moments, st.sampled_from(["", "", "fast"]))
kinds = st.sampled_from(["redeemed", "redeemed", "conflict"])
lines = st.tuples(kinds, moments, st.none() | st.integers(1, 9999), st.none() | moments)
days = st.none() | st.integers(-1, 5)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.sampled_from([AUTUMN, SPRING]),
    st.lists(messages, max_size=10),
    st.lists(clicks, max_size=12),
    st.lists(lines, max_size=8),
    days,
    days,
)
def test_every_number_is_the_same_everywhere(begin, sent, clicked, redeemed, first, last):
    with transaction.atomic():
        story = Story(begin, sent, clicked, redeemed)
        for span in (ALWAYS, story.span(first, last)):
            for by in ("day", "hour"):
                story.check(report_of(story.campaign, span, by=by), by)
        story.check_until_now()
        transaction.set_rollback(True)


def on_the_clock(at, by):
    local = at.astimezone(CHICAGO)
    return local.date() if by == "day" else datetime(local.year, local.month, local.day, local.hour)  # noqa: DTZ001


class Story:
    """Rows as the engine and the tills leave them, and the same counted by hand."""

    def __init__(self, begin, sent, clicked, redeemed):
        self.begin, self.till = begin, Till()
        self.campaign = begun(self.till.offer, begin)
        self.link = Link.objects.create(variant=variant_of(self.campaign), position=1, url="https://bar.example/")
        self.carrier = send(self.campaign, handed=begin - timedelta(days=9), code=self.till.code)
        self.rows = [self.carrier] + [
            send(self.campaign, status, handed=None if status == "failed" else self.at(handed), landed=self.at(landed))
            for status, handed, landed in sent
        ]
        for number, minutes, machine in clicked:
            message = self.rows[number % len(self.rows)]
            Click.objects.create(message=message, link=self.link, machine=machine, at=self.at(minutes))
        for kind, minutes, order, back in redeemed:
            cents = None if order is None else Decimal(order) / 100
            line = self.till.give(cents, cents and cents / 2, at=self.at(minutes), kind=kind)
            if back is not None and kind == "redeemed":
                self.till.take_back(line, at=self.at(max(back, minutes)))

    def at(self, minutes):
        return self.begin + timedelta(minutes=minutes)

    def span(self, first, last):
        day = self.begin.astimezone(CHICAGO).date()
        if first is not None and last is not None:
            first, last = sorted((first, last))
        return Span(CHICAGO, *(None if end is None else day + timedelta(days=end) for end in (first, last)))

    def check(self, report, by):
        span = report.span

        def within(moment):
            local = moment.astimezone(CHICAGO).date()
            return (span.first is None or local >= span.first) and (span.last is None or local <= span.last)

        took = {"accepted", "delivered", "bounced", "complained"}
        sent = sum(row.status in took and within(row.handed_at) for row in self.rows)
        delivered = sum(row.status in {"delivered", "complained"} and within(row.status_at) for row in self.rows)
        people = {click.message_id for click in Click.objects.filter(machine="") if within(click.at)}
        kept = [line for line in Redemption.objects.all() if within(line.at)]
        net = sum(-1 if line.kind == "voided" else 1 for line in kept)
        worth = Decimal(0)
        for line in kept:
            order = (line.reverses or line).order_value or Decimal(0)
            worth += -order if line.reverses else order

        assert (report.sent, report.delivered, report.clicked, report.redeemed) == (sent, delivered, len(people), net)
        assert sum(figures.order_value for figures in report.money) == worth
        for step in ("sent", "delivered", "clicked", "redeemed"):
            assert sum(getattr(point, step) for point in report.points) == getattr(report, step)
        assert sum(place.given for place in report.locations) == net
        assert sum(variant.redeemed for variant in report.variants) == net
        assert sum(variant.sent for variant in report.variants) == sent
        # As a file, and as accounting has it.
        assert sum(row[-1] for row in _lines(self.campaign, span)) == net
        assert sum(row[5] or 0 for row in _lines(self.campaign, span)) == worth
        ledger = totals(Question(first=span.first, last=span.last, campaign=self.campaign.pk).lines(CHICAGO))
        assert sum(figures.given for figures in ledger) == net
        for chart in charts_of(report, by):
            for number, name in enumerate(chart.series):
                total = getattr(report, name.lower())
                assert sum(row.values[number] for row in chart.rows) == total
        # Days of the clock, without gaps and none twice, each with what happened then.
        moments = [point.moment for point in report.points]
        assert moments == sorted(set(moments))
        happened = self.happened(within)
        for step, times in happened.items():
            expected: Counter[datetime] = Counter()
            for at, count in times:
                expected[on_the_clock(at, by)] += count
            assert {point.moment: getattr(point, step) for point in report.points if getattr(point, step)} == {
                moment: count for moment, count in expected.items() if count
            }
        if span.first and span.last:
            assert sum(count for _day, count in given_by_day(span)) == given_in(span) == net

    def happened(self, within):
        """Return when each thing of the chart happened, counted by hand."""
        took = {"accepted", "delivered", "bounced", "complained"}
        first: dict[int, datetime] = {}
        for click in Click.objects.filter(machine=""):
            if within(click.at):
                first[click.message_id] = min(click.at, first.get(click.message_id, click.at))
        return {
            "sent": [(row.handed_at, 1) for row in self.rows if row.status in took and within(row.handed_at)],
            "delivered": [
                (row.status_at, 1)
                for row in self.rows
                if row.status in {"delivered", "complained"} and within(row.status_at)
            ],
            "clicked": [(at, 1) for at in first.values()],
            "redeemed": [
                (line.at, -1 if line.kind == "voided" else 1) for line in Redemption.objects.all() if within(line.at)
            ],
        }

    def check_until_now(self):
        report, now, (result,) = report_of(self.campaign, ALWAYS), progress(self.campaign), results_of([self.campaign])
        assert now.redeemed == report.redeemed == result.redeemed
        assert now.sent == report.sent == result.sent
        assert now.delivered == report.delivered == result.delivered
        assert report.clicked == result.clicked
        assert sum(now.counts.values()) == report.audience == result.audience
        assert (report.bounced, report.complained) == (now.counts["bounced"], now.counts["complained"])
        assert sum(count for _name, count in redemptions_by_location(self.campaign)) == report.redeemed
        (full,) = results_of([self.campaign], in_full=True)
        assert [one.order_value for one in full.money] == [one.order_value for one in report.money]


# --- Days -------------------------------------------------------------------------------------------------------------


def test_a_day_is_as_long_as_the_clock_says():
    long, short = Span(CHICAGO, date(2026, 11, 1), date(2026, 11, 1)), Span(CHICAGO, date(2026, 3, 8), date(2026, 3, 8))

    for span, length, hours in ((long, 25, 24), (short, 23, 23)):  # the hour that comes twice is one on the clock
        assert span.start
        assert span.end
        assert span.end.astimezone(UTC) - span.start.astimezone(UTC) == timedelta(hours=length)
        found = list(hours_between(span.start, span.end - timedelta(minutes=1), CHICAGO))
        assert len(found) == len(set(found)) == hours


@pytest.mark.parametrize("zone", ["America/Chicago", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"])
@pytest.mark.parametrize("begin", [AUTUMN, SPRING, datetime(2026, 4, 4, 14, tzinfo=UTC)])
def test_counts_by_the_quarter_of_an_hour_what_is_of_one_day_and_hour(zone, begin, till):
    zone, at = ZoneInfo(zone), [begin + timedelta(minutes=7 * number, microseconds=number) for number in range(60)]
    for moment in at:
        till.give("1.00", at=moment)

    for by in ("hour", "day"):
        found = {one.group: one.given for one in grouped(Question().lines(zone), by, zone)}
        assert found == Counter(local_moment(moment, by, zone) for moment in at)
    assert {one.group for one in grouped(Question().lines(zone), "day", zone)} == {
        moment.astimezone(zone).date() for moment in at
    }


def test_the_days_before_are_as_many():
    span = last_days(30, CHICAGO, at=AUTUMN)

    assert (span.first, span.last) == (date(2026, 10, 2), date(2026, 10, 31))
    assert (days_before(span).first, days_before(span).last) == (date(2026, 9, 2), date(2026, 10, 1))
    assert len(list(days_between(date(2026, 10, 2), date(2026, 10, 31)))) == 30


def test_fills_the_days_on_which_nothing_happened():
    campaign = begun()
    for day in (0, 3):
        send(campaign, handed=AUTUMN + timedelta(days=day))

    report = report_of(campaign, ALWAYS)

    assert [(point.moment.day, point.sent) for point in report.points] == [(31, 1), (1, 0), (2, 0), (3, 1)]


# --- Parts ------------------------------------------------------------------------------------------------------------


def test_counts_a_person_once_at_the_first_click():
    campaign = begun()
    link = Link.objects.create(variant=variant_of(campaign), position=1, url="https://bar.example/")
    message = send(campaign, handed=AUTUMN)
    for day in (1, 1, 2):
        Click.objects.create(message=message, link=link, at=AUTUMN + timedelta(days=day))

    report = report_of(campaign, ALWAYS)

    assert (report.clicked, report.clicks.links[0].clicks) == (1, 3)
    assert Counter({point.moment.day: point.clicked for point in report.points})[1] == 1


def test_tells_wordings_apart():
    till = Till()
    campaign = begun(till.offer)
    other = Variant.objects.create(campaign=campaign, name="B", subject="Other", body="Other")
    send(campaign, handed=AUTUMN)
    message = send(campaign, handed=AUTUMN, code=till.code, variant=other)
    till.give("10.00", at=AUTUMN + timedelta(hours=1))
    ConsentEvent.objects.create(
        channel="email",
        address_index=bytes(32),
        action="revoked",
        source="one_click",
        at=AUTUMN,
        reference=f"message {message.pk}",
    )

    found = report_of(campaign, ALWAYS).variants

    assert [(one.name, one.sent, one.redeemed, one.unsubscribed) for one in found] == [("A", 1, 0, 0), ("B", 1, 1, 1)]


@pytest.mark.parametrize("reference", ["message", "message x", "message 1 2", "import 3 line 12", ""])
def test_takes_no_other_reference_for_a_message(reference):
    campaign = begun()
    send(campaign, handed=AUTUMN)
    ConsentEvent.objects.create(
        channel="email", address_index=bytes(32), action="revoked", source="one_click", at=AUTUMN, reference=reference
    )

    assert report_of(campaign, ALWAYS).unsubscribed == 0


def test_counts_who_left_once_and_within_the_days():
    campaign = begun()
    message = send(campaign, handed=AUTUMN, contact=Contact.objects.create(email="one@example.org"))
    for day in (0, 2):
        ConsentEvent.objects.create(
            channel="email",
            address_index=bytes(32),
            action="revoked",
            source="unsubscribe_page",
            at=AUTUMN + timedelta(days=day),
            reference=f"message {message.pk}",
        )

    assert report_of(campaign, ALWAYS).unsubscribed == 1
    assert report_of(campaign, Span(CHICAGO, date(2026, 11, 1), date(2026, 11, 1))).unsubscribed == 0
    (result,) = results_of([campaign], in_full=True)
    assert result.unsubscribed == 1


def test_keeps_currencies_apart():
    till = Till()
    campaign = begun(till.offer)
    send(campaign, handed=AUTUMN, code=till.code)
    till.give("10.00", "1.00", at=AUTUMN)
    till.give("20.00", "2.00", at=AUTUMN, currency="EUR")

    report = report_of(campaign, ALWAYS)
    (places,) = [chart for chart in files_of(report, "day") if chart.what == "locations"]

    assert [(one.currency, one.order_value) for one in report.money] == [("EUR", Decimal(20)), ("USD", Decimal(10))]
    assert report.redeemed == sum(row.values[0] for row in places.rows) == 2


def test_remembers_when_many_messages_went_until_one_of_them_moves_on(monkeypatch):
    monkeypatch.setattr("messaging.queries.report.REMEMBERED_FROM", 2)
    campaign = begun()
    first, *_rest = [send(campaign, "accepted", handed=AUTUMN + timedelta(hours=number)) for number in range(3)]
    with CaptureQueriesContext(connection) as asked:
        before = report_of(campaign, ALWAYS)
    with CaptureQueriesContext(connection) as remembered:
        assert report_of(campaign, ALWAYS, by="hour").sent == before.sent == 3
    assert len(remembered) == len(asked) - 2

    Message.objects.filter(pk=first.pk).update(status="delivered", status_at=AUTUMN + timedelta(days=1))

    after = report_of(campaign, ALWAYS)
    assert (before.delivered, after.sent, after.delivered) == (0, 3, 1)
    day = AUTUMN.astimezone(CHICAGO).date() + timedelta(days=1)
    assert [point.delivered for point in after.points if point.moment == day] == [1]
    assert report_of(campaign, Span(CHICAGO, day, day)).delivered == 1


def test_asks_no_more_of_many_redemptions(django_assert_max_num_queries):
    till = Till()
    campaign = begun(till.offer)
    send(campaign, handed=AUTUMN, code=till.code)
    for number in range(30):
        till.give("10.00", at=AUTUMN + timedelta(hours=number))

    with django_assert_max_num_queries(14):
        report_of(campaign, ALWAYS)


def test_asks_no_more_of_many_campaigns(django_assert_num_queries):
    campaigns = [begun() for _ in range(4)]

    with django_assert_num_queries(5):
        results_of(campaigns, in_full=True)


def asked_the_ledger(ask):
    """Return what was asked for, and whether lines of the ledger were read for it."""
    with CaptureQueriesContext(connection) as captured:
        found = ask()
    return found, any('FROM "redemptions_redemption"' in query["sql"] for query in captured)


@pytest.mark.parametrize(
    "ask",
    [
        lambda campaign: results_of([campaign])[0].redeemed,
        lambda campaign: results_of([campaign], in_full=True)[0].redeemed,
        lambda campaign: report_of(campaign, ALWAYS).redeemed,
        lambda campaign: progress(campaign).redeemed,
    ],
    ids=["results", "money", "report", "progress"],
)
def test_a_long_ledger_is_read_again_only_where_it_changed(ask, till, monkeypatch):
    campaign = begun(till.offer)
    send(campaign, handed=AUTUMN, code=till.code)
    line = till.give("10.00", at=AUTUMN + timedelta(hours=1))
    assert asked_the_ledger(lambda: ask(campaign)) == (1, True)
    assert asked_the_ledger(lambda: ask(campaign)) == (1, True)  # short: it is counted each time

    monkeypatch.setattr(remembered, "LONG", 1)
    assert asked_the_ledger(lambda: ask(campaign)) == (1, True)
    assert asked_the_ledger(lambda: ask(campaign)) == (1, False)
    other = till.give("10.00", at=AUTUMN + timedelta(hours=2))
    assert asked_the_ledger(lambda: ask(campaign)) == (2, True)
    till.take_back(line, at=AUTUMN + timedelta(hours=3))
    assert asked_the_ledger(lambda: ask(campaign)) == (1, True)
    amend(redemption=other, device=till.device, at=other.at, order_value=Decimal(20))
    assert asked_the_ledger(lambda: ask(campaign)) == (1, True)


def test_a_long_ledger_is_counted_where_the_cache_is_away(till, monkeypatch):
    campaign = begun(till.offer)
    send(campaign, handed=AUTUMN, code=till.code)
    till.give("10.00", at=AUTUMN + timedelta(hours=1))
    monkeypatch.setattr(remembered, "LONG", 1)

    def away(*_args, **_options):
        raise RedisConnectionError

    monkeypatch.setattr(cache, "get", away)
    monkeypatch.setattr(cache, "set", away)

    assert progress(campaign).redeemed == 1


def test_the_latest_results_are_of_what_was_sent():
    sent = [begun(at=AUTUMN + timedelta(days=number)) for number in range(2)]
    for campaign in sent:
        send(campaign, handed=AUTUMN)
    for number in range(12):  # begun, and cancelled before anything left
        send(begun(at=AUTUMN + timedelta(days=9 + number)), "failed", handed=None, landed=AUTUMN)

    assert [result.campaign for result in latest_sent(5)] == [sent[1], sent[0]]
    assert [result.campaign for result in latest_sent(1)] == [sent[1]]


def test_a_deal_of_two_campaigns_counts_for_the_last_that_carried_it(till):
    first, second = (begun(till.offer) for _ in range(2))
    send(first, handed=AUTUMN, code=till.code)
    send(second, handed=AUTUMN + timedelta(days=2), code=till.code)
    till.give("10.00", at=AUTUMN + timedelta(days=1))
    line = till.give("20.00", at=AUTUMN + timedelta(days=3))
    till.give("30.00", at=AUTUMN + timedelta(days=4))
    till.take_back(line, at=AUTUMN + timedelta(days=5))

    for in_full in (False, True):
        found = results_of([first, second], in_full=in_full)
        assert [result.redeemed for result in found] == [1, 1]
    assert [[one.order_value for one in result.money] for result in found] == [[Decimal(10)], [Decimal(30)]]
    assert [result.redeemed for result in results_of([second])] == [1]
