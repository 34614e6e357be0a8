"""The redemptions report and its files: what was given, taken back and in conflict, and the same sums everywhere."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.models import Variant
from contacts.channels import Channel
from contacts.models import Contact
from messaging.admin.accounting import BY, LIMITS
from messaging.models import Message
from messaging.queries.accounting import HEADER, Question, export_rows, grouped, totals
from redemptions.models import Code, Device, EntryCounter, Location, Offer, Redemption, Scan, Staff
from redemptions.services import VoidReason, issue_codes, void
from tests.admin.conftest import staff_client, write_draft

CHICAGO = ZoneInfo("America/Chicago")
REPORT = "/admin/redemptions/redemption/report/"
NOON = datetime(2026, 11, 20, 18, tzinfo=UTC)  # in Chicago
MONEY = ("order_value", "discount")
ALL = {"first": "", "last": "", "by": "day"}


class Till:
    """Writes lines as the services do, without their rules."""

    def __init__(self, name="Main St"):
        self.offer = Offer.objects.create(name="20 % off lunch", value=20)
        self.location = Location.objects.create(name=name)
        self.device = Device.objects.create(name="Bar phone", location=self.location)
        self.staff = Staff.objects.create(name="Ann")
        self.contact = Contact.objects.create(email="maria.kovacs@example.com", first_name="Maria")
        pk = issue_codes(offer=self.offer, contact_ids=[self.contact.pk])[self.contact.pk]
        self.code = Code.objects.get(pk=pk)
        Code.objects.update(max_uses=1000)

    def give(self, order=None, discount=None, *, at=NOON, kind="redeemed", decision="honoured", **values):
        """Write a line, and the scan behind it where it was made without network."""
        counter, _ = EntryCounter.objects.get_or_create(pk=1)
        counter.last_entry_no += 1
        counter.save()
        if kind == "conflict":
            values = {"conflict": "already_redeemed", "is_offline": True} | values
        values = {
            "code": self.code,
            "offer": self.offer,
            "device": self.device,
            "location": values.get("device", self.device).location,
            "staff": self.staff,
            "recorded_at": at,
        } | values
        line = Redemption.objects.create(
            entry_no=counter.last_entry_no, kind=kind, at=at, order_value=order, discount=discount, **values
        )
        if line.is_offline:
            self.scan(line, decision)
        return line

    def scan(self, line, decision):
        Scan.objects.create(
            device=line.device,
            location=line.location,
            key=f"offline-{line.entry_no}",
            fingerprint=bytes(32),
            code=line.code,
            result="accepted" if line.kind == "redeemed" else "conflict",
            reason=line.conflict,
            redemption=line,
            scanned_at=line.at,
            at=line.recorded_at,
            is_offline=True,
            decision=decision,
            skew_ms=0,
        )

    def take_back(self, line, at=NOON):
        return void(redemption=line, reason=VoidReason.DUPLICATE, at=at).reversal


@pytest.fixture
def till(db):
    return Till()


@pytest.fixture
def evening(till):
    """Three given, one of them taken back, one in conflict; one order nobody typed."""
    till.give("42.50", "8.50", receipt_no="A-17")
    till.give()
    till.take_back(till.give("10.00", "2.00"))
    till.give("20.00", "4.00", kind="conflict")
    return till


def read_csv(content):
    return list(csv.DictReader(content.decode("utf-8-sig").splitlines()))


def download(client, file_format="csv", **question):
    return b"".join(client.get(f"/admin/redemptions/redemption/report.{file_format}", ALL | question).streaming_content)


# --- Sums -------------------------------------------------------------------------------------------------------------


def test_counts_what_was_taken_back_against_what_was_given(evening):
    (found,) = totals(Question().lines(CHICAGO))

    assert (found.redeemed, found.conflicts, found.taken_back, found.given) == (3, 1, 1, 3)
    assert (found.order_value, found.discount) == (Decimal("62.50"), Decimal("12.50"))
    assert found.unrecorded == 1


def test_keeps_currencies_apart(till):
    till.give("10", "2")
    till.give("30", "6", currency="EUR")

    assert [(one.currency, one.discount) for one in totals(Question().lines(CHICAGO))] == [
        ("EUR", Decimal(6)),
        ("USD", Decimal(2)),
    ]


@pytest.mark.parametrize("by", BY)
def test_comes_to_the_same_however_it_is_grouped(by, evening):
    evening.give("5", "1", at=NOON - timedelta(days=40))

    (whole,), parts = totals(Question().lines(CHICAGO)), grouped(Question().lines(CHICAGO), by, CHICAGO)

    assert sum(part.given for part in parts) == whole.given == 4
    assert sum(part.discount for part in parts) == whole.discount
    assert sum(part.order_value for part in parts) == whole.order_value


def test_groups_by_days_of_the_shop(till):
    till.give(at=datetime(2026, 12, 1, 5, 59, tzinfo=UTC))
    till.give(at=datetime(2026, 12, 1, 6, tzinfo=UTC))

    def labels(by):
        return [part.label for part in grouped(Question().lines(CHICAGO), by, CHICAGO)]

    assert labels("day") == ["Tue, Dec. 1, 2026", "Mon, Nov. 30, 2026"]
    assert labels("week") == ["Week of Nov. 30, 2026"]
    assert labels("month") == ["December 2026", "November 2026"]


def test_takes_both_days_whole(till):
    for moment in ("2026-11-20T05:59Z", "2026-11-20T06:00Z", "2026-11-22T05:59Z", "2026-11-22T06:00Z"):
        till.give(at=datetime.fromisoformat(moment))

    chosen = Question(first=date(2026, 11, 20), last=date(2026, 11, 21)).lines(CHICAGO)

    assert [line.entry_no for line in chosen] == [2, 3]


def by_label(by):
    return [(part.label, part.given) for part in grouped(Question().lines(CHICAGO), by, CHICAGO)]


def test_keeps_devices_of_one_name_apart(till, admin_client):
    airport = Location.objects.create(name="Airport")
    there, twin, other = (
        Device.objects.create(name=name, location=airport) for name in ("bar phone", "Bar phone", "Door")
    )
    for device in (till.device, there, there, twin, other):
        till.give(device=device)
    till.take_back(till.give(device=there))

    assert by_label("device") == [
        (f"bar phone, Airport, no. {there.pk}", 2),
        (f"Bar phone, Airport, no. {twin.pk}", 1),
        ("Bar phone, Main St", 1),
        ("Door", 1),
    ]
    page = admin_client.get(REPORT, ALL | {"by": "device", "device": there.pk}).content.decode()
    assert f'<option value="{there.pk}" selected>bar phone, Airport, no. {there.pk}</option>' in page
    assert f'<option value="{till.device.pk}">Bar phone, Main St</option>' in page


def test_keeps_deals_and_campaigns_of_one_name_apart(till, admin_client):
    again = Offer.objects.create(name="20 % off lunch", value=10)
    campaigns = [write_draft(offer=offer) for offer in (till.offer, again)]
    till.give()
    till.take_back(till.give(offer=again))

    assert by_label("deal") == [(f"20 % off lunch, no. {till.offer.pk}", 1), (f"20 % off lunch, no. {again.pk}", 0)]
    page = admin_client.get(REPORT, ALL).content.decode()
    for row in (till.offer, again, *campaigns):
        assert f'<option value="{row.pk}">{row}, no. {row.pk}</option>' in page


def test_names_what_belongs_to_no_deal_and_nobody(till):
    till.give(kind="conflict", conflict="unknown_code", code=None, offer=None, staff=None)

    assert by_label("deal") == [("Unknown code", 1)]
    assert by_label("staff") == [("—", 1)]


@pytest.mark.parametrize("name", ["deal", "location", "device", "campaign"])
def test_asks_for_one_of_each_kind(name, evening, admin_client):
    evening.give("1", "1")
    campaign = write_draft(offer=evening.offer)
    line = Redemption.objects.order_by("entry_no").first()
    rows = {"deal": evening.offer, "location": evening.location, "device": evening.device, "campaign": campaign}
    elsewhere = Device.objects.create(name="Door", location=Location.objects.create(name="Airport"))
    lunch = Code.objects.create(
        offer=Offer.objects.create(name="Soup", type="item"), token_index=bytes(32), typed_index=b"1" * 32
    )
    Redemption.objects.create(
        entry_no=99, code=lunch, offer=lunch.offer, device=elsewhere, location=elsewhere.location, at=NOON
    )
    Message.objects.create(
        campaign=campaign,
        variant=Variant.objects.get(campaign=campaign),
        contact=evening.contact,
        channel=Channel.EMAIL,
        code=evening.code,
        status=Message.Status.DELIVERED,
        handed_at=line.at - timedelta(hours=1),
    )

    found = read_csv(download(admin_client, **{name: rows[name].pk}))

    assert [row["entry_no"] for row in found] == ["1", "2", "3", "4", "5", "6", ""]
    assert {row["campaign"] for row in found} == {"Patio opener", ""}


# --- Files ------------------------------------------------------------------------------------------------------------


def test_writes_a_line_for_each_entry_and_their_sum(evening, admin_client):
    rows = read_csv(download(admin_client))

    assert [row["event"] for row in rows] == ["redeemed", "redeemed", "redeemed", "voided", "conflict", "total"]
    first, unknown, _, back, conflict, total = rows
    assert (first["local_time"], first["time_zone"]) == ("2026-11-20 12:00:00-06:00", "America/Chicago")
    assert first["utc_time"] == "2026-11-20 18:00:00+00:00"
    assert (first["location"], first["device"], first["staff"]) == ("Main St", "Bar phone", "Ann")
    assert (first["order_value"], first["discount"], first["till_receipt_no"]) == ("42.50", "8.50", "A-17")
    assert (unknown["order_value"], unknown["discount"]) == ("", "")  # not recorded is not zero
    assert (back["reverses_entry_no"], back["reason"]) == ("3", "duplicate")
    assert (back["order_value"], back["discount"]) == ("-10.00", "-2.00")
    assert (conflict["offline"], conflict["override"], conflict["conflict"]) == ("yes", "yes", "already_redeemed")
    assert (total["order_value"], total["discount"], total["currency"]) == ("62.50", "12.50", "USD")
    assert total["note"] == ("3 redeemed, 1 in conflict, 1 taken back: 3 given; the discount of 1 not recorded")
    assert total["time_zone"] == "America/Chicago"


def test_says_what_was_given_without_network_and_not_what_waited_for_it(till, admin_client):
    till.give()
    till.give(is_offline=True)
    till.give(is_offline=True, decision="undecided")

    assert [row["offline"] for row in read_csv(download(admin_client))] == ["no", "yes", "no", ""]


def test_asks_no_more_for_a_long_file(till, django_assert_num_queries):
    for number in range(30):
        till.give(is_offline=number % 2 == 0)

    with django_assert_num_queries(2):
        assert len(list(export_rows(Question().lines(CHICAGO), CHICAGO))) == 31


def test_names_no_guest(evening, admin_client):
    text = download(admin_client).decode()

    assert "Maria" not in text
    assert "example.com" not in text
    assert evening.code.token not in text
    assert evening.code.typed not in text


def test_writes_dates_and_amounts_that_a_spreadsheet_can_count(evening, admin_client):
    sheet = openpyxl.load_workbook(io.BytesIO(download(admin_client, "xlsx"))).active
    header, first, *_, total = sheet.iter_rows(values_only=True)

    row = dict(zip(header, first, strict=True))
    assert header == HEADER
    assert isinstance(row["local_time"], datetime)
    assert str(row["local_time"]) == "2026-11-20 12:00:00"
    assert (row["discount"], row["deal_value"], row["entry_no"]) == (8.5, 20, 1)
    column = HEADER.index("discount")
    amounts: list[Any] = [row[column] for row in sheet.iter_rows(2, sheet.max_row - 1, values_only=True)]
    assert sum(amount or 0 for amount in amounts) == total[column] == 12.5
    formats = {sheet.cell(row, HEADER.index(name) + 1).number_format for row in (2, 7) for name in MONEY}
    assert formats == {"0.00"}
    assert sheet.cell(2, 1).number_format == "General"


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_runs_no_formula(file_format, till, admin_client):
    till.give(note="=1+1", receipt_no="@SUM(A1)")
    Offer.objects.update(name="+cmd|' /C calc'!A0")

    content = download(admin_client, file_format)

    if file_format == "csv":
        row = read_csv(content)[0]
    else:
        header, cells, _ = openpyxl.load_workbook(io.BytesIO(content)).active.iter_rows(values_only=True)
        row = dict(zip(header, cells, strict=True))
    assert (row["note"], row["till_receipt_no"], row["deal"]) == ("'=1+1", "'@SUM(A1)", "'+cmd|' /C calc'!A0")


money = st.none() | st.decimals(Decimal("0.01"), Decimal(500), places=2)
line = st.tuples(money, st.sampled_from(["redeemed", "conflict"]), st.booleans(), st.integers(0, 60))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(line, max_size=8), first=st.integers(0, 60), span=st.integers(0, 60))
def test_the_file_comes_to_what_the_page_says(lines, first, span, till):
    Scan.objects.all().delete()
    Redemption.objects.filter(reverses__isnull=False).delete()
    Redemption.objects.all().delete()
    for amount, kind, is_back, days in lines:
        given_line = till.give(
            amount, amount and (amount / 2).quantize(Decimal("0.01")), kind=kind, at=NOON + timedelta(days=days)
        )
        if is_back:
            till.take_back(given_line, at=NOON + timedelta(days=days + 1))
    start = (NOON + timedelta(days=first)).date()
    chosen = Question(first=start, last=start + timedelta(days=span)).lines(CHICAGO)

    rows = list(export_rows(chosen, CHICAGO))

    page = totals(chosen)
    assert len(rows) == chosen.count() + len(page)
    if rows:
        of = dict(zip(HEADER, rows[-1], strict=True))
        assert [(of["order_value"], of["discount"])] == [(one.order_value, one.discount) for one in page]
        assert of["note"].startswith(f"{page[0].redeemed} redeemed, {page[0].conflicts} in conflict")
    else:
        assert page == []


# --- The page ---------------------------------------------------------------------------------------------------------


def test_shows_the_sums_and_the_files(evening, admin_client):
    html = admin_client.get(REPORT, ALL).content.decode()

    for words in ("12.50 USD", "62.50 USD", "Of 1 nobody typed the order", "5 entries", "America/Chicago"):
        assert words in html
    assert "report.csv?first=&amp;last=&amp;campaign=&amp;deal=&amp;location=&amp;device=&amp;by=day" in html


def test_opens_on_this_month(till, admin_client):
    page = admin_client.get(REPORT)

    assert page.status_code == 200
    assert "Nothing redeemed" in page.content.decode()
    assert page.context["form"].cleaned_data["first"].day == 1


def test_says_beside_the_field_what_is_wrong(till, admin_client):
    page = admin_client.get(REPORT, {"first": "2026-12-02", "last": "2026-12-01"})

    assert "The last day is before the first." in page.content.decode()
    assert "In all" not in page.content.decode()
    assert admin_client.get(f"{REPORT[:-1]}.csv", {"first": "nonsense"}).status_code == 400
    assert admin_client.get(f"{REPORT[:-1]}.pdf").status_code == 400


@pytest.mark.parametrize("path", [REPORT, f"{REPORT[:-1]}.csv", f"{REPORT[:-1]}.xlsx"])
def test_is_for_those_who_may_see_redemptions(path, till):
    assert staff_client("redemptions.view_redemption").get(path).status_code == 200
    assert staff_client("redemptions.view_offer").get(path).status_code == 403


def test_leads_from_the_ledger_to_the_report(till, admin_client):
    assert REPORT in admin_client.get("/admin/redemptions/redemption/").content.decode()


def test_asks_no_more_of_a_long_report(till, admin_client, django_assert_max_num_queries):
    for days in range(30):
        till.give("10", "2", at=NOON - timedelta(days=days))

    with django_assert_max_num_queries(16):
        admin_client.get(REPORT, ALL)


# --- The command ------------------------------------------------------------------------------------------------------


def test_writes_the_same_by_command(evening, admin_client, tmp_path):
    output = tmp_path / "ledger.csv"

    call_command("export_redemptions", "--output", str(output), "--deal", str(evening.offer.pk))

    assert output.read_bytes() == download(admin_client)


@pytest.mark.parametrize("name", ["campaign", "deal", "device"])
def test_knows_no_other(name, db):
    with pytest.raises(CommandError, match=f"There is no {name} 999"):
        call_command("export_redemptions", f"--{name}", "999")


def test_makes_no_file_that_takes_too_long(evening, admin_client, monkeypatch):
    monkeypatch.setitem(LIMITS, "xlsx", 4)  # there are 5

    html = admin_client.get(REPORT, ALL).content.decode()

    assert "Download CSV" in html
    assert "Download Excel" not in html
    assert "Excel files of up to 4 entries" in html
    assert admin_client.get(f"{REPORT[:-1]}.xlsx", ALL).status_code == 400
