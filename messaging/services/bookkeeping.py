"""The ledger as a file, and its month by mail to whoever keeps the books.

A month's mail has what came to be known in that month, so that each entry is in one mail: what was given without
network in an earlier month is a part of its own. It goes out on the second: what an order cost may be mended for a day.
It goes out once: a row with the month's name is written, and committed, before it is handed over. What was surely not
sent is tried again later; what had no answer is left to a person, who can download the same file.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import chain, islice
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db.models import QuerySet
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import override

from contacts.fields import keyed_hash
from contacts.models import Business
from contacts.sheets import STREAMS, XLSX_ROWS, to_xlsx
from messaging.models import Fact
from messaging.queries.accounting import HEADER, Figures, Row, export_rows, heading, in_words, recorded_in, totals
from messaging.services.composing import sender_of
from messaging.transports import OutboundEmail, Outcome, TransportError
from messaging.transports.email import build
from redemptions.models import Redemption
from redemptions.rendering import money

logger = logging.getLogger(__name__)

PIECE = 2000  # rows
ROWS_AROUND = 20  # the headings, and what it comes to in each currency
LATE = "came in late, of earlier months"
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


def month_file(month: date, zone: ZoneInfo) -> bytes:
    """Return the file of the month that begins on this day, as it is mailed. Raises TooLong."""
    current, late = recorded_in(month, zone)
    if current.count() + (late_count := late.count()) > XLSX_ROWS - ROWS_AROUND:
        raise TooLong
    rows = export_rows(current, zone, names_nobody=True)
    late_rows = chain([heading(LATE)], export_rows(late, zone, names_nobody=True)) if late_count else ()
    return to_xlsx(HEADER, chain(rows, late_rows))


# --- Once a month -----------------------------------------------------------------------------------------------------


def send_monthly_report(*, at: datetime) -> bool:
    """Send the report of the month before to the bookkeeper, unless it was sent; return whether that was now.

    Nothing is sent without an address for it and for the shop, of a month before the first entry, or on the first.
    """
    business = Business.load()
    to = bookkeeper()
    if not to or not business.from_email:
        return False
    yesterday = at.astimezone(business.zone).date() - timedelta(days=1)
    month = _month_before(yesterday)
    name = f"report.{month:%Y-%m}"
    if not _has_begun(month, business.zone) or not _claim(name, at):
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


def _has_begun(month: date, zone: ZoneInfo) -> bool:
    """Say whether the ledger's first entry came to be known in this month, or earlier."""
    first = Redemption.objects.order_by("entry_no").values_list("recorded_at", flat=True).first()
    return first is not None and first.astimezone(zone).date().replace(day=1) <= month


def _claim(name: str, at: datetime) -> bool:
    """Take the month's report upon this worker: of two, the one whose row is written, or turns from failed to open."""
    _fact, is_new = Fact.objects.get_or_create(
        name=name, defaults={"is_good": None, "detail": {"state": "open"}, "at": at}
    )
    if is_new:
        return True
    failed = Fact.objects.filter(name=name, is_good=False, detail={"state": AGAIN}, at__lte=at - AGAIN_AFTER)
    return bool(failed.update(is_good=None, detail={"state": "open"}, at=at))


def _note(name: str, *, is_good: bool, at: datetime, state: str) -> None:
    Fact.objects.filter(name=name).update(is_good=is_good, detail={"state": state}, at=at)


def _compose(business: Business, month: date, to: str) -> EmailMultiAlternatives:
    """Return the mail, in the language of the shop."""
    with override(settings.LANGUAGE_CODE):
        return _composed(business, month, to)


def _composed(business: Business, month: date, to: str) -> EmailMultiAlternatives:
    words = date_format(month, "YEAR_MONTH_FORMAT")
    text = _body(business, words, *map(totals, recorded_in(month, business.zone)))
    outbound = OutboundEmail(
        reference=str(UUID(bytes=keyed_hash("report-reference", f"{month:%Y-%m}")[:16])),
        to=to,
        from_email=sender_of(business),
        reply_to=business.reply_to,
        subject=" ".join(
            (_("%(business)s: redemptions in %(month)s") % {"business": business.name, "month": words}).split()
        ),
        text=text,
        html="".join(f"<p>{html.escape(part)}</p>" for part in text.split("\n\n")),
    )
    mail = build(outbound, provider=settings.EMAIL_PROVIDER)
    mail.connection = get_connection(settings.EMAIL_BACKENDS[settings.EMAIL_PROVIDER])
    mail.attach(file_name(month), month_file(month, business.zone), XLSX_TYPE)
    return mail


def file_name(month: date) -> str:
    return f"redemptions-{month:%Y-%m}.xlsx"


def _body(business: Business, month: str, figures: list[Figures], late: list[Figures]) -> str:
    more = [_("Came in late in %(month)s, of earlier months:") % {"month": month}, *map(_sum, late)] if late else []
    return "\n\n".join(
        [
            _("What %(business)s gave at the till in %(month)s:") % {"business": business.name, "month": month},
            *([_sum(one) for one in figures] or [_("Nothing was redeemed.")]),
            *more,
            _(
                "Every entry is in the file, and in the mail of one month: the one in which the server came to know of "
                "it. Times are in %(zone)s. Guests and notes are left out."
            )
            % {"zone": business.timezone},
            f"{business.name}\n{business.postal_address}",
        ]
    )


def _sum(figures: Figures) -> str:
    discount, orders = (money(amount, figures.currency) for amount in (figures.discount, figures.order_value))
    words = {"given": in_words(figures), "discount": discount, "orders": orders}
    return _("%(given)s. Discounts: %(discount)s, on orders of %(orders)s.") % words
