"""What looks odd at the tills: guesses, one code in two places, much taken back, much without network.

What came in late is looked at in the days in which it came in, and by the time at which it happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from redemptions.models import Redemption, Scan, SignIn
from redemptions.queries import GUESS_WINDOW, GUESSES_ALLOWED
from redemptions.services.offline import corrected

PERIODS = {7: gettext_lazy("7 days"), 30: gettext_lazy("30 days"), 90: gettext_lazy("90 days")}
BURST = 5  # unknown codes within the window in which ten lock a device
TWO_PLACES_WITHIN = timedelta(minutes=10)
MOST_ROWS = 50
MANY_VOIDS, VOID_SHARE = 3, 0.1
OFFLINE_SHARE = 0.2
MANY_WRONG_PINS = 10
Kind = Redemption.Kind
GIVEN = (Kind.REDEEMED, Kind.CONFLICT)


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    cells: tuple[object, ...]
    url: str = ""


@dataclass(frozen=True, slots=True)
class Signal:
    """One kind of oddity, in plain words, and where it was seen."""

    title: str
    meaning: str
    head: tuple[str, ...]
    rows: list[Row]


def signals_page(model_admin: admin.ModelAdmin[Redemption], request: HttpRequest) -> HttpResponse:
    """Show all signals of a period. Raises PermissionDenied."""
    if not model_admin.has_view_permission(request) or not request.user.has_perm("redemptions.view_scan"):
        raise PermissionDenied
    asked = request.GET.get("days", "")
    chosen = int(asked) if asked.isdecimal() and int(asked) in PERIODS else 7
    start = timezone.now() - timedelta(days=chosen)
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": _("What looks odd"),
        "periods": list(PERIODS.items()),
        "chosen": chosen,
        "groups": [look(start) for look in LOOKS],
    }
    return TemplateResponse(request, "admin/redemptions/redemption/signals.html", context)


@dataclass(frozen=True, slots=True)
class Read:
    """A scan: when it was made, by the server's clock, and when it came in."""

    at: datetime
    came_in_at: datetime
    device: int
    device_name: str
    location: int
    place: str
    code: int | None


def _reads(scans: QuerySet[Scan]) -> list[Read]:
    """Return scans in the order in which they were made. One query."""
    times = ("at", "is_offline", "scanned_at", "skew_ms", "redemption__at")
    facts = ("at", "device_id", "device__name", "location_id", "location__name", "code_id")
    rows = scans.order_by("pk").values_list(*times, *facts).iterator()
    reads = [Read(_made_at(*row[: len(times)]), *row[len(times) :]) for row in rows]
    return sorted(reads, key=lambda read: read.at)


def _made_at(
    at: datetime, is_offline: bool, scanned_at: datetime | None, skew_ms: int | None, redeemed_at: datetime | None
) -> datetime:
    """Return when a scan was made: what was made without network came in later, by a clock that may have been off."""
    if redeemed_at is not None:
        return redeemed_at
    if not is_offline or scanned_at is None or skew_ms is None:
        return at
    return corrected(scanned_at, timedelta(milliseconds=skew_ms), at=at)


def _by_device(scans: QuerySet[Scan]) -> list[list[Read]]:
    reads = sorted(_reads(scans), key=lambda read: read.device)  # those of each stay in their order
    return [list(of_device) for _, of_device in groupby(reads, key=lambda read: read.device)]


def unknown_bursts(start: datetime) -> Signal:
    """Find devices that read five or more unknown codes within ten minutes: somebody guesses, or reads old flyers."""
    rows = []
    for of_device in _by_device(Scan.objects.filter(reason=Scan.Reason.UNKNOWN_CODE, is_mistyped=False, at__gte=start)):
        for burst in _bursts(of_device):
            first = burst[0]
            words = _("%(count)s in %(time)s") % {"count": len(burst), "time": _minutes(burst[-1].at - first.at)}
            url = _scans(device=first.device, reason=Scan.Reason.UNKNOWN_CODE)
            rows.append((first.at, Row(first.device_name, (first.place, _moment(first.at), words), url)))
    return Signal(
        _("Many unknown codes"),
        _("%(count)s or more codes that do not exist, read within ten minutes. Somebody may be guessing.")
        % {"count": BURST},
        (_("Device"), _("Where"), _("When"), _("How many")),
        _latest(rows),
    )


def _bursts(reads: Iterable[Read]) -> list[list[Read]]:
    """Return the runs of scans that lie within ten minutes of their first, where they are many enough."""
    runs: list[list[Read]] = []
    for read in reads:
        if runs and read.at - runs[-1][0].at <= GUESS_WINDOW:
            runs[-1].append(read)
        else:
            runs.append([read])
    return [run for run in runs if len(run) >= BURST]


def two_places(start: datetime) -> Signal:
    """Find codes that were read at two places within ten minutes: one of them is a copy."""
    of_late = Scan.objects.filter(at__gte=start, code__isnull=False).order_by()
    counted = Scan.objects.filter(code__in=of_late.values("code")).order_by().values("code")
    moved = counted.annotate(places=Count("location", distinct=True)).filter(places__gt=1)
    reads = sorted(_reads(Scan.objects.filter(code__in=moved.values("code"))), key=lambda read: read.code or 0)
    rows = []
    for before, after in pairwise(reads):
        is_move = before.code == after.code and before.location != after.location
        apart = after.at - before.at
        if is_move and apart <= TWO_PLACES_WITHIN and max(before.came_in_at, after.came_in_at) >= start:
            places = _("%(first)s, then %(second)s") % {"first": before.place, "second": after.place}
            name = _("Code %(number)s") % {"number": after.code}
            rows.append((after.at, Row(name, (_moment(after.at), places, _minutes(apart)), _code(after.code or 0))))
    return Signal(
        _("One code in two places"),
        _("Read at one place, and within ten minutes at another. Somebody may have shared a picture of it."),
        (_("Code"), _("When"), _("Where"), _("Apart")),
        _latest(rows),
    )


def much_taken_back(start: datetime) -> Signal:
    """Find devices and staff who take back more than one in ten, and three at least."""
    rows = []
    for field, kind in (("device", _("Device")), ("staff", _("Staff"))):
        given = Redemption.objects.filter(at__gte=start, kind__in=(Kind.REDEEMED, Kind.CONFLICT)).exclude(
            **{field: None}
        )
        counted = (
            given.order_by()
            .values(field, f"{field}__name")
            .annotate(given=Count("pk"), back=Count("pk", filter=Q(reversal__isnull=False)))
        )
        for row in counted:
            if row["back"] >= MANY_VOIDS and row["back"] / row["given"] > VOID_SHARE:
                share = _percent(row["back"] / row["given"])
                url = _scans(device=row["device"]) if field == "device" else ""
                cells = (kind, _of(row["back"], row["given"]), share)
                rows.append((row["back"] / row["given"], Row(row[f"{field}__name"], cells, url)))
    return Signal(
        _("Much taken back"),
        _("More than %(share)s of what was given was taken back again, and %(count)s at least.")
        % {"share": _percent(VOID_SHARE), "count": MANY_VOIDS},
        (_("Who"), _("What"), _("Taken back"), _("Share")),
        _latest(rows),
    )


def without_network(start: datetime) -> Signal:
    """Find devices that gave much without network, or anything against a rule; what merely waited was checked."""
    lines = Redemption.objects.filter(at__gte=start, kind__in=GIVEN, device__isnull=False)
    counted = (
        lines.order_by()
        .values("device", "device__name")
        .annotate(
            given=Count("pk"),
            offline=Count("pk", filter=Q(scan__decision=Scan.Decision.HONOURED)),
            conflicts=Count("pk", filter=Q(kind=Kind.CONFLICT)),
        )
    )
    rows = []
    for row in counted:
        share = row["offline"] / row["given"]
        if row["conflicts"] or share > OFFLINE_SHARE:
            cells = (_of(row["offline"], row["given"]), _percent(share), row["conflicts"])
            url = _scans(device=row["device"], decision=Scan.Decision.HONOURED)
            rows.append((share, Row(row["device__name"], cells, url)))
    return Signal(
        _("Given without network"),
        _("Nobody could check these on the spot. A conflict is what would have been refused with network."),
        (_("Device"), _("Without network"), _("Share"), _("Conflicts")),
        _latest(rows),
    )


def wrong_pins(start: datetime) -> Signal:
    """Find days of many wrong PINs. Each device locks for itself; who guesses may go from one to the next."""
    wrong = SignIn.objects.filter(staff=None, at__gte=start).annotate(day=TruncDate("at")).order_by()
    counted = wrong.values("day").annotate(typed=Count("pk"), devices=Count("device", distinct=True))
    rows = [
        (row["day"], Row(date_format(row["day"], pgettext("date", "D, N j")), (row["typed"], row["devices"])))
        for row in counted.filter(typed__gte=MANY_WRONG_PINS)
    ]
    return Signal(
        _("Many wrong PINs"),
        _("%(count)s or more in a day, on all devices together. Somebody may be guessing whose name to use.")
        % {"count": MANY_WRONG_PINS},
        (_("Day"), _("Wrong PINs"), _("Devices")),
        _latest(rows),
    )


def locked_out(start: datetime) -> Signal:
    """Find devices that were refused because they had guessed too much."""
    rows = []
    for refused in _by_device(Scan.objects.filter(reason=Scan.Reason.DEVICE_LOCKED, at__gte=start)):
        last = refused[-1]
        url = _scans(device=last.device, reason=Scan.Reason.DEVICE_LOCKED)
        rows.append((last.at, Row(last.device_name, (last.place, _moment(last.at), len(refused)), url)))
    return Signal(
        _("Locked for guessing"),
        _("After %(count)s unknown codes in ten minutes a device is refused everything for a while.")
        % {"count": GUESSES_ALLOWED},
        (_("Device"), _("Where"), _("Last"), _("Refused meanwhile")),
        _latest(rows),
    )


LOOKS: tuple[Callable[[datetime], Signal], ...] = (
    unknown_bursts,
    two_places,
    much_taken_back,
    without_network,
    wrong_pins,
    locked_out,
)


def _latest(rows: list[tuple[Any, Row]]) -> list[Row]:
    """Return the rows, the latest or largest first."""
    return [row for _, row in sorted(rows, key=lambda found: found[0], reverse=True)[:MOST_ROWS]]


def _of(part: int, whole: int) -> str:
    return _("%(used)s of %(limit)s") % {"used": part, "limit": whole}


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _moment(at: datetime) -> str:
    return date_format(timezone.localtime(at), pgettext("date", "D, N j, P"))


def _minutes(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min"


def _scans(*, device: int, **asked: str) -> str:
    question = {"device__id__exact": str(device)} | {f"{name}__exact": value for name, value in asked.items()}
    return f"{reverse('admin:redemptions_scan_changelist')}?{urlencode(question)}"


def _code(pk: int) -> str:
    return reverse("admin:redemptions_code_change", args=[pk])
