"""The ledger for accounting: which lines, what they come to, and each as a row of a file.

A line that takes one back counts against it: it belongs to the campaign, place, device and person of that line, and its
amounts are negative, so that the sum of a column is what was given.
An amount that nobody typed is not recorded, which is not zero.
Without network is what staff gave without an answer. What merely waited for the network, and was judged then, is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Case, Count, DecimalField, Expression, F, Q, QuerySet, Sum, When
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from campaigns.models import Campaign
from contacts.sheets import Cell
from messaging.queries.results import attributed
from messaging.queries.spans import Moment, QuarterHour, local_moment
from redemptions.models import Device, Location, Offer, Redemption, Scan, Staff

Kind = Redemption.Kind
CENT = Decimal("0.01")
PERIODS = ("hour", "day", "week", "month")
PLACES = {"location": Location, "deal": Offer, "device": Device, "staff": Staff}
COLUMNS = {"deal": "offer"}  # of a line, where they are called otherwise
HEADER = (
    "entry_no",
    "event",
    "local_time",
    "time_zone",
    "utc_time",
    "recorded_at_utc",
    "location",
    "device",
    "staff",
    "deal_id",
    "deal",
    "deal_type",
    "deal_value",
    "campaign_id",
    "campaign",
    "code",
    "customer",
    "order_value",
    "discount",
    "currency",
    "receipt",
    "till_receipt_no",
    "offline",
    "override",
    "conflict",
    "reverses_entry_no",
    "reason",
    "note",
)
FIELDS = (
    "entry_no",
    "kind",
    "at",
    "recorded_at",
    "location__name",
    "device__name",
    "staff__name",
    "offer_id",
    "offer__name",
    "offer__type",
    "offer__value",
    "campaign_id",
    "code_id",
    "code__contact_id",
    "order_value",
    "discount",
    "currency",
    "receipt_no",
    "scan__decision",
    "conflict",
    "reverses__entry_no",
    "reverses__order_value",
    "reverses__discount",
    "reason",
    "note",
)
Row = tuple[Cell, ...]
SUMMED = ("redeemed", "conflicts", "taken_back", "unrecorded", "order_value", "discount")


@dataclass(frozen=True, slots=True)
class Question:
    """Which lines of the ledger are meant; what is None is not asked. Both days are included, in the shop's zone."""

    first: date | None = None
    last: date | None = None
    campaign: int | None = None
    deal: int | None = None
    location: int | None = None
    device: int | None = None

    def lines(self, zone: ZoneInfo) -> QuerySet[Any]:
        """Return the lines, in the order of their numbers."""
        lines = Redemption.objects.all()
        for name, pk in (("offer", self.deal), ("location", self.location), ("device", self.device)):
            if pk is not None:
                lines = lines.filter(Q(**{name: pk, "reverses": None}) | Q(**{f"reverses__{name}": pk}))
        if self.first is not None:
            lines = lines.filter(at__gte=datetime.combine(self.first, time.min, tzinfo=zone))
        if self.last is not None:
            lines = lines.filter(at__lt=datetime.combine(self.last + timedelta(days=1), time.min, tzinfo=zone))
        if self.campaign is not None:
            lines = attributed(lines).filter(campaign_id=self.campaign)
        return lines.order_by("entry_no")


def recorded_in(month: date, zone: ZoneInfo) -> tuple[QuerySet[Any], QuerySet[Any]]:
    """Return what came to be known in the month of this first day: what is of the month, and what came in late.

    Each line is in one of the two for one month only, whenever it is asked.
    """
    end = datetime.combine((month + timedelta(days=31)).replace(day=1), time.min, tzinfo=zone)
    start = datetime.combine(month, time.min, tzinfo=zone)
    lines = Redemption.objects.filter(recorded_at__gte=start, recorded_at__lt=end).order_by("entry_no")
    return lines.filter(at__gte=start), lines.filter(at__lt=start)


@dataclass(slots=True)
class Figures:
    """What some lines in one currency come to."""

    label: str = ""
    currency: str = ""
    redeemed: int = 0
    conflicts: int = 0
    taken_back: int = 0
    unrecorded: int = 0
    """Given, with nothing known about the discount; what was taken back again counts against it."""
    order_value: Decimal = Decimal(0)
    discount: Decimal = Decimal(0)
    group: Any = None
    """What the label names: a day, the beginning of an hour, a place; None of all together."""

    @property
    def given(self) -> int:
        """How many were given and not taken back."""
        return self.redeemed + self.conflicts - self.taken_back


def _net(field: str) -> Expression:
    back = When(kind=Kind.VOIDED, then=-1 * F(f"reverses__{field}"))
    amounts = Case(back, default=F(field), output_field=DecimalField(max_digits=14, decimal_places=2))
    return Sum(amounts)


def _figures() -> dict[str, Any]:
    unknown = Q(kind__in=(Kind.REDEEMED, Kind.CONFLICT), discount=None)
    known_no_more = Q(kind=Kind.VOIDED, reverses__discount=None)
    return {
        "redeemed": Count("pk", filter=Q(kind=Kind.REDEEMED)),
        "conflicts": Count("pk", filter=Q(kind=Kind.CONFLICT)),
        "taken_back": Count("pk", filter=Q(kind=Kind.VOIDED)),
        "unrecorded": Count("pk", filter=unknown) - Count("pk", filter=known_no_more),
        "orders": _net("order_value"),
        "discounts": _net("discount"),
    }


def totals(lines: QuerySet[Any]) -> list[Figures]:
    """Return what lines come to, for each currency. One query."""
    return [replace(one, group=None) for one in counted(lines)]


def grouped(lines: QuerySet[Any], by: str, zone: ZoneInfo) -> list[Figures]:
    """Return what lines come to by a period of PERIODS (the latest first), or by one of PLACES. Two queries.

    Two of the same name stay two: `names` tells them apart.
    """
    if by in PERIODS:
        return periods(counted(lines, QuarterHour("at")), by, zone)
    return places(counted(lines, place_of(by)), by)


def counted(lines: QuerySet[Any], *groups: Any) -> list[Figures]:
    """Return what lines come to for each combination of some expressions, as the tuple `group`. One query."""
    names_of = [f"group_{number}" for number in range(len(groups))]
    found = lines.order_by().annotate(**dict(zip(names_of, groups, strict=True)))
    rows = found.values(*names_of, "currency").annotate(**_figures()).order_by(*names_of, "currency")
    return [_read(row, row["currency"], tuple(row[name] for name in names_of)) for row in rows]


def periods(parts: Iterable[Figures], by: str, zone: ZoneInfo) -> list[Figures]:
    """Sum up figures whose group begins with a time, by period; the latest first."""
    found = added(parts, lambda one: local_moment(one.group[0], by, zone))
    for one in found:
        one.label = _period_label(by, one.group)
    return sorted(sorted(found, key=lambda one: one.currency), key=lambda one: one.group, reverse=True)


def places(parts: Iterable[Figures], by: str) -> list[Figures]:
    """Sum up figures whose group ends with one of PLACES, each with its name. One query."""
    labels, nobody = names(by), _("Unknown code") if by == "deal" else "—"
    found = added(parts, lambda one: one.group[-1])
    for one in found:
        one.label = labels.get(one.group, nobody)
    return sorted(found, key=lambda one: (one.label.casefold(), one.currency))


def place_of(by: str) -> Case:
    """Return which of PLACES a line belongs to; what takes one back belongs where that was given."""
    column = COLUMNS.get(by, by)
    return Case(When(kind=Kind.VOIDED, then=F(f"reverses__{column}_id")), default=F(f"{column}_id"))


def added(parts: Iterable[Figures], key: Callable[[Figures], Any]) -> list[Figures]:
    """Sum up figures for each key, as their `group`, and each currency."""
    found: dict[Any, Figures] = {}
    for one in parts:
        group = key(one)
        whole = found.setdefault((group, one.currency), Figures(one.label, one.currency, group=group))
        for name in SUMMED:
            setattr(whole, name, getattr(whole, name) + getattr(one, name))
    return list(found.values())


def grouped_by(lines: QuerySet[Any], name: str) -> list[Figures]:
    """Return what lines come to for each value of a column of theirs, as its `group`. One query."""
    found = counted(lines, F(name))
    for one in found:
        (one.group,) = one.group
    return found


def _period_label(by: str, day: Moment) -> str:
    if by == "month":
        return date_format(day, "YEAR_MONTH_FORMAT")
    if by == "week":
        return _("Week of %(day)s") % {"day": date_format(day, "DATE_FORMAT")}
    return date_format(day, pgettext("date", "D, N j, H:i") if by == "hour" else pgettext("date", "D, N j, Y"))


def names(by: str) -> dict[int, str]:
    """Return what to call each of PLACES, or each campaign, by their ids. One query.

    Devices of one name are told apart by where they are, and what is still the same by its number.
    """
    if by == "device":
        devices = list(Device.objects.order_by().values_list("pk", "name", "location__name"))
        names_of = _apart({pk: name for pk, name, _place in devices}, {pk: place for pk, _name, place in devices})
    else:
        model: Any = Campaign if by == "campaign" else PLACES[by]
        names_of = dict(model.objects.order_by().values_list("pk", "name"))
    return _apart(names_of, {pk: _("no. %(number)s") % {"number": pk} for pk in names_of})


def _apart(names_of: dict[int, str], more: dict[int, str]) -> dict[int, str]:
    """Add to each name that is not the only one what tells it apart."""
    often = Counter(name.casefold() for name in names_of.values())
    return {pk: f"{name}, {more[pk]}" if often[name.casefold()] > 1 else name for pk, name in names_of.items()}


def _read(row: dict[str, Any], label: str, group: Any) -> Figures:
    counts = {name: row[name] for name in ("redeemed", "conflicts", "taken_back", "unrecorded")}
    orders, discounts = ((row[name] or Decimal(0)).quantize(CENT) for name in ("orders", "discounts"))
    return Figures(label, row["currency"], order_value=orders, discount=discounts, group=group, **counts)


# --- As a file --------------------------------------------------------------------------------------------------------


def export_rows(lines: QuerySet[Any], zone: ZoneInfo, *, names_nobody: bool = False) -> Iterator[Row]:
    """Yield a row for each line, and at the end one for what they come to in each currency.

    A guest is a number, and a code is one. `names_nobody` leaves out the guest, and the notes, into which people write
    anything.
    """
    sums: dict[str, Figures] = {}
    # By their ids: a second look-up for each line takes longer than all names together.
    campaigns = dict(Campaign.objects.values_list("pk", "name"))
    found = lines if "campaign_id" in lines.query.annotations else attributed(lines)
    for values in found.values_list(*FIELDS).iterator(chunk_size=5000):
        line = dict(zip(FIELDS, values, strict=True))
        _negate(line)
        _add(sums.setdefault(line["currency"], Figures(currency=line["currency"])), line)
        if names_nobody:
            line["code__contact_id"], line["note"] = None, ""
        line["campaign_name"] = campaigns.get(line["campaign_id"], "")
        yield _row(line, zone)
    yield from (_total_row(figures, zone) for figures in sums.values())


def _negate(line: dict[str, Any]) -> None:
    if line["kind"] == Kind.VOIDED:
        for name in ("order_value", "discount"):
            amount = line[f"reverses__{name}"]
            line[name] = None if amount is None else -amount


def _add(figures: Figures, line: dict[str, Any]) -> None:
    kind = line["kind"]
    figures.redeemed += kind == Kind.REDEEMED
    figures.conflicts += kind == Kind.CONFLICT
    figures.taken_back += kind == Kind.VOIDED
    if line["discount"] is None:
        figures.unrecorded += -1 if kind == Kind.VOIDED else 1
    figures.order_value += line["order_value"] or 0
    figures.discount += line["discount"] or 0


def _row(line: dict[str, Any], zone: ZoneInfo) -> Row:
    return (
        line["entry_no"],
        line["kind"],
        line["at"].astimezone(zone),
        zone.key,
        line["at"].astimezone(UTC),
        line["recorded_at"].astimezone(UTC),
        line["location__name"],
        line["device__name"] or "",
        line["staff__name"] or "",
        line["offer_id"],
        line["offer__name"] or "",
        line["offer__type"] or "",
        line["offer__value"],
        line["campaign_id"],
        line["campaign_name"],
        line["code_id"],
        line["code__contact_id"],
        line["order_value"],
        line["discount"],
        line["currency"],
        f"R-{line['entry_no']:06d}",
        line["receipt_no"],
        "yes" if line["scan__decision"] == Scan.Decision.HONOURED else "no",
        "yes" if line["kind"] == Kind.CONFLICT else "no",
        line["conflict"],
        line["reverses__entry_no"],
        line["reason"],
        line["note"],
    )


def _total_row(figures: Figures, zone: ZoneInfo) -> Row:
    """Return the last row: all in its columns, and the counts in words."""
    cells: dict[str, Cell] = {
        "event": "total",
        "time_zone": zone.key,
        "order_value": figures.order_value,
        "discount": figures.discount,
        "currency": figures.currency,
        "note": in_words(figures),
    }
    return tuple(cells.get(name) for name in HEADER)


def heading(words: str) -> Row:
    """Return the row that names what follows it."""
    return tuple(words if name == "event" else None for name in HEADER)


def in_words(figures: Figures) -> str:
    """`12 redeemed, 1 in conflict, 2 taken back: 11 given; the discount of 3 not recorded`."""
    counts = _("%(redeemed)s redeemed, %(conflicts)s in conflict, %(back)s taken back: %(given)s given") % {
        "redeemed": figures.redeemed,
        "conflicts": figures.conflicts,
        "back": figures.taken_back,
        "given": figures.given,
    }
    unknown = _("the discount of %(count)s not recorded") % {"count": figures.unrecorded}
    return f"{counts}; {unknown}" if figures.unrecorded else counts


def count(figures: Iterable[Figures]) -> int:
    """Return how many lines there are behind these figures."""
    return sum(one.redeemed + one.conflicts + one.taken_back for one in figures)
