"""The month's report by mail: once, on the second, with the file and without a guest in it."""

import email
import email.policy
import io
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import openpyxl
import pytest
from django.utils.translation import override

from contacts.models import Business
from messaging.models import Fact
from messaging.services.bookkeeping import XLSX_TYPE, send_monthly_report
from redemptions.services import CorrectionRefused, amend
from tests.admin.conftest import staff_client
from tests.admin.test_accounting import REPORT, Till
from tests.wire.smtp import SmtpServer, smtp_server

FIRST = datetime(2026, 12, 1, 6, tzinfo=UTC)  # midnight in Chicago
SECOND = FIRST + timedelta(days=1)
BOOKS = "books@accounts.example"


@pytest.fixture(autouse=True)
def books(settings):
    settings.BOOKKEEPER_EMAIL = BOOKS


@pytest.fixture
def till(db):
    till = Till()
    till.give("42.50", "8.50", note="for Maria")
    till.give("10", "2", at=FIRST)
    return till


def mails(settings):
    files = sorted((settings.OUTBOX_DIR / "email").glob("*.eml")) if settings.OUTBOX_DIR.exists() else []
    return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in files]


def test_sends_the_month_before_with_its_file(till, settings):
    assert send_monthly_report(at=SECOND)

    (mail,) = mails(settings)
    assert mail["To"] == BOOKS
    assert mail["Subject"] == "The Corner Bar: redemptions in November 2026"
    body = mail.get_body(("plain",)).get_content()
    assert "1 redeemed, 0 in conflict, 0 taken back: 1 given. Discounts: 8.50 USD, on orders of 42.50 USD." in body
    assert "Times are in America/Chicago." in body
    (file,) = mail.iter_attachments()
    assert (file.get_filename(), file.get_content_type()) == ("redemptions-2026-11.xlsx", XLSX_TYPE)
    header, line, total = openpyxl.load_workbook(io.BytesIO(file.get_content())).active.iter_rows(values_only=True)
    row = dict(zip(header, line, strict=True))
    assert (row["entry_no"], row["discount"], row["customer"], row["note"]) == (1, 8.5, None, None)
    assert dict(zip(header, total, strict=True))["discount"] == 8.5


def test_writes_in_the_language_of_the_shop_whoever_presses_send(till, settings):
    settings.LANGUAGE_CODE = "es"

    with override("en"):
        send_monthly_report(at=SECOND)

    (mail,) = mails(settings)
    assert mail["Subject"] == "The Corner Bar: canjes de noviembre de 2026"
    assert "Lo que The Corner Bar entregó en la caja en noviembre de 2026:" in mail.get_body(("plain",)).get_content()
    (file,) = mail.iter_attachments()
    header = next(openpyxl.load_workbook(io.BytesIO(file.get_content())).active.iter_rows(values_only=True))
    assert "entry_no" in header  # a file for programs


def test_sends_it_once(till, settings):
    assert [send_monthly_report(at=SECOND + timedelta(days=day)) for day in (0, 0, 1, 30)] == [
        True,
        False,
        False,
        False,
    ]
    assert len(mails(settings)) == 1

    assert send_monthly_report(at=SECOND + timedelta(days=31))
    assert {mail["Subject"][-13:] for mail in mails(settings)} == {"November 2026", "December 2026"}


def test_waits_for_the_second_by_the_clock_of_the_shop(till, settings):
    assert not send_monthly_report(at=SECOND - timedelta(minutes=1))
    assert not Fact.objects.exists()
    assert mails(settings) == []


def test_catches_up_on_the_first_what_was_never_sent(till, settings):
    assert send_monthly_report(at=SECOND + timedelta(days=30))  # New Year's Day: December has a day to go

    assert mails(settings)[0]["Subject"].endswith("November 2026")


@pytest.mark.parametrize("has_entries", [True, False])
def test_sends_nothing_of_a_month_before_the_shop(has_entries, db, settings):
    if has_entries:
        Till().give("10", "2", at=FIRST)

    assert not send_monthly_report(at=SECOND)
    assert mails(settings) == []
    assert not Fact.objects.exists()


def test_tells_of_a_month_in_which_nothing_was_given(till, settings):
    assert send_monthly_report(at=SECOND + timedelta(days=62))

    assert "Nothing was redeemed." in mails(settings)[0].get_body(("plain",)).get_content()


def rows_of(mail):
    (file,) = mail.iter_attachments()
    header, *rows = openpyxl.load_workbook(io.BytesIO(file.get_content())).active.iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_sends_each_entry_once_and_names_what_came_in_late(till, settings):
    late = till.give(
        "30", "6", at=FIRST - timedelta(minutes=5), recorded_at=FIRST + timedelta(hours=9), is_offline=True
    )

    for month in (0, 31):
        send_monthly_report(at=SECOND + timedelta(days=month))

    november, december = sorted(mails(settings), key=lambda mail: "December" in mail["Subject"])
    assert [row["entry_no"] for row in rows_of(november)] == [1, None]
    found = rows_of(december)
    assert [row["entry_no"] or row["event"] for row in found] == [
        2,
        "total",
        "came in late, of earlier months",
        late.entry_no,
        "total",
    ]
    assert [row["discount"] for row in found] == [2, 2, None, 6, 6]
    assert "late" not in november.get_body(("plain",)).get_content()
    text = december.get_body(("plain",)).get_content()
    assert "Came in late in December 2026, of earlier months:" in text
    assert text.index("Discounts: 2.00 USD") < text.index("Came in late") < text.index("Discounts: 6.00 USD")


def test_sends_what_an_order_cost_as_it_was_mended_on_the_first(till, settings):
    line = till.give("10", "2", at=FIRST - timedelta(hours=1))
    amend(redemption=line, device=till.device, at=line.at + timedelta(hours=23), order_value=Decimal(100))
    with pytest.raises(CorrectionRefused):  # so that nothing of it changes any more
        amend(redemption=line, device=till.device, at=SECOND, order_value=Decimal(99))

    send_monthly_report(at=SECOND)

    assert [row["order_value"] for row in rows_of(mails(settings)[0])] == [42.5, 100, 142.5]


@pytest.mark.parametrize("missing", ["bookkeeper", "sender"])
def test_sends_nothing_where_an_address_is_missing(missing, till, settings):
    if missing == "bookkeeper":
        settings.BOOKKEEPER_EMAIL = ""
    else:
        Business.load()
        Business.objects.update(from_email="")

    assert not send_monthly_report(at=SECOND)
    assert mails(settings) == []
    assert not Fact.objects.exists()  # so that it goes out once there is one


@pytest.fixture
def smtp(settings):
    def point(server):
        settings.EMAIL_PROVIDER = "smtp"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""

    return point


def test_tries_again_what_was_surely_not_sent(till, smtp):
    with smtp_server(SmtpServer(says={"RCPT TO": "450 Later"}, says_times=1)) as server:
        smtp(server)
        assert not send_monthly_report(at=SECOND)
        assert not send_monthly_report(at=SECOND + timedelta(minutes=1))  # not every minute
        assert send_monthly_report(at=SECOND + timedelta(minutes=31))

    assert len(server.received) == 1


@pytest.mark.parametrize("answer", ["drop", "550 No such mailbox"])
def test_never_repeats_what_may_have_been_sent_or_is_refused(answer, till, smtp, caplog, admin_client):
    stage = "CONTENT" if answer == "drop" else "RCPT TO"
    with smtp_server(SmtpServer(says={stage: answer}, says_times=1)) as server, caplog.at_level(logging.WARNING):
        smtp(server)
        for minutes in (0, 31, 3000):
            assert not send_monthly_report(at=SECOND + timedelta(minutes=minutes))

    assert BOOKS not in caplog.text
    said = admin_client.get(REPORT).content.decode()
    assert "The report of November 2026 had no answer" in said or "The report of November 2026 was refused" in said


def test_never_repeats_one_that_was_cut_off(till, settings, admin_client):
    Fact.objects.create(name="report.2026-11", detail={"state": "open"}, at=SECOND)

    assert not send_monthly_report(at=SECOND + timedelta(days=3))
    assert mails(settings) == []
    assert "was cut off on the way" in admin_client.get(REPORT).content.decode()


def test_says_on_the_page_that_it_was_sent(till, admin_client):
    send_monthly_report(at=SECOND)

    assert "The report of November 2026 was sent on December 2." in admin_client.get(REPORT).content.decode()


def test_keeps_the_file_of_the_mail_on_the_page(till, settings, admin_client):
    assert "report-mail" not in admin_client.get(REPORT).content.decode()
    send_monthly_report(at=SECOND)
    till.give("99", "9", at=FIRST - timedelta(hours=9), recorded_at=SECOND)

    path = "/admin/redemptions/redemption/report-mail/2026-11.xlsx"
    assert f'href="{path}"' in admin_client.get(REPORT).content.decode()
    kept = openpyxl.load_workbook(io.BytesIO(admin_client.get(path).content)).active
    (sent,) = mails(settings)[0].iter_attachments()
    assert list(kept.iter_rows(values_only=True)) == list(
        openpyxl.load_workbook(io.BytesIO(sent.get_content())).active.iter_rows(values_only=True)
    )
    assert admin_client.get(path.replace("2026-11", "2026-10")).status_code == 404
    assert staff_client("redemptions.view_offer").get(path).status_code == 403


def test_tells_the_bookkeeper_when_it_comes(till, admin_client):
    assert f"goes to {BOOKS} on the 2nd." in admin_client.get(REPORT).content.decode()
