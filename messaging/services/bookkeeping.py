"""The ledger as a file, and its month by mail to whoever keeps the books.

The month's mail goes out once: a row with the month's name is written, and committed, before it is handed over. What
was surely not sent is tried again later; what had no answer is left to a person, who can download the same file.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db.models import QuerySet
from django.utils.formats import date_format

from contacts.fields import keyed_hash
from contacts.models import Business
from contacts.sheets import STREAMS, XLSX_ROWS, to_xlsx
from messaging.models import Fact
from messaging.queries.accounting import HEADER, Figures, Question, Row, export_rows, in_words, totals
from messaging.services.composing import sender_of
from messaging.transports import OutboundEmail, Outcome, TransportError
from messaging.transports.email import build
from redemptions.rendering import money

logger = logging.getLogger(__name__)

PIECE = 2000  # rows
ROWS_AROUND = 10  # the header, and what it comes to in each currency
AGAIN_AFTER = timedelta(minutes=30)
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
AGAIN = "again"
NOT_SENT = {Outcome.BUSY, Outcome.RETRY, Outcome.STOP}


class TooLong(ValueError):
    """More lines than a sheet holds."""


def ledger_file(
    lines: QuerySet[Any], zone: ZoneInfo, file_format: str, *, names_nobody: bool = False
) -> Iterator[bytes]:
    """Return a file of these lines in pieces: `csv` as they are read, `xlsx` when it is whole. Raises TooLong."""
    rows = export_rows(lines, zone, names_nobody=names_nobody)
    if file_format == "xlsx":
        if lines.count() > XLSX_ROWS - ROWS_AROUND:
            raise TooLong
        return iter([to_xlsx(HEADER, rows)])
    return _csv(rows)


def _csv(rows: Iterator[Row]) -> Iterator[bytes]:
    stream = STREAMS["csv"]({})
    yield stream.start(HEADER)
    while piece := list(islice(rows, PIECE)):
        yield stream.rows(piece)
    yield stream.end()


# --- Once a month -----------------------------------------------------------------------------------------------------


def send_monthly_report(*, at: datetime) -> bool:
    """Send the report of the month before to the bookkeeper, unless it was sent; return whether that was now.

    Nothing is sent without an address for it and for the shop.
    """
    business = Business.load()
    to = bookkeeper()
    if not to or not business.from_email:
        return False
    month = _month_before(at.astimezone(business.zone).date())
    name = f"report.{month:%Y-%m}"
    if not _claim(name, at):
        return False
    try:
        _compose(business, month, to).send()
    except TransportError as error:
        logger.warning("report of %s not accepted: %s", f"{month:%Y-%m}", error)
        _note(name, is_good=False, at=at, state=AGAIN if error.outcome in NOT_SENT else error.outcome.value)
        return False
    except Exception as error:  # named by its kind alone: libraries put addresses into their texts
        logger.error("report of %s not sent: %s", f"{month:%Y-%m}", type(error).__name__)
        _note(name, is_good=False, at=at, state=Outcome.UNKNOWN.value)
        return False
    _note(name, is_good=True, at=at, state="sent")
    return True


def bookkeeper() -> str:
    """Return where the month's report goes; empty: nowhere."""
    return str(settings.BOOKKEEPER_EMAIL)


def _month_before(today: date) -> date:
    """Return the first day of the month before."""
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)


def _claim(name: str, at: datetime) -> bool:
    """Take the month's report upon this worker: of two, the one whose row is written, or turns from failed to open."""
    _, is_new = Fact.objects.get_or_create(name=name, defaults={"is_good": None, "detail": {"state": "open"}, "at": at})
    if is_new:
        return True
    failed = Fact.objects.filter(name=name, is_good=False, detail={"state": AGAIN}, at__lte=at - AGAIN_AFTER)
    return bool(failed.update(is_good=None, detail={"state": "open"}, at=at))


def _note(name: str, *, is_good: bool, at: datetime, state: str) -> None:
    Fact.objects.filter(name=name).update(is_good=is_good, detail={"state": state}, at=at)


def _compose(business: Business, month: date, to: str) -> EmailMultiAlternatives:
    last = (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    lines = Question(first=month, last=last).lines(business.zone)
    words = date_format(month, "F Y")
    text = _body(business, words, totals(lines))
    outbound = OutboundEmail(
        reference=str(UUID(bytes=keyed_hash("report-reference", f"{month:%Y-%m}")[:16])),
        to=to,
        from_email=sender_of(business),
        reply_to=business.reply_to,
        subject=" ".join(f"{business.name}: redemptions in {words}".split()),
        text=text,
        html="".join(f"<p>{html.escape(part)}</p>" for part in text.split("\n\n")),
    )
    mail = build(outbound, provider=settings.EMAIL_PROVIDER)
    mail.connection = get_connection(settings.EMAIL_BACKENDS[settings.EMAIL_PROVIDER])
    content = b"".join(ledger_file(lines, business.zone, "xlsx", names_nobody=True))
    mail.attach(f"redemptions-{month:%Y-%m}.xlsx", content, XLSX_TYPE)
    return mail


def _body(business: Business, month: str, figures: list[Figures]) -> str:
    sums = [
        f"{in_words(one)}. Discounts: {money(one.discount, one.currency)}, on orders of "
        f"{money(one.order_value, one.currency)}."
        for one in figures
    ]
    return "\n\n".join(
        [
            f"What {business.name} gave at the till in {month}:",
            *(sums or ["Nothing was redeemed."]),
            f"Every entry is in the file. Times are in {business.timezone}. Guests and notes are left out.",
            f"{business.name}\n{business.postal_address}",
        ]
    )
