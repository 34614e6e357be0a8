"""What looks odd at the tills: guesses, one code in two places, much taken back, much without network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, F, Q, Window
from django.db.models.functions import Lag
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode

from redemptions.models import Redemption, Scan
from redemptions.queries import GUESS_WINDOW, GUESSES_ALLOWED

PERIODS = {7: "7 days", 30: "30 days", 90: "90 days"}
BURST = 5  # unknown codes within the window in which ten lock a device
TWO_PLACES_WITHIN = timedelta(minutes=10)
MOST_ROWS = 50
MANY_VOIDS, VOID_SHARE = 3, 0.1
OFFLINE_SHARE = 0.2
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
        "title": "What looks odd",
        "periods": list(PERIODS.items()),
        "chosen": chosen,
        "groups": [look(start) for look in LOOKS],
    }
    return TemplateResponse(request, "admin/redemptions/redemption/signals.html", context)


def unknown_bursts(start: datetime) -> Signal:
    """Find devices that read five or more unknown codes within ten minutes: somebody guesses, or reads old flyers."""
    scans = Scan.objects.filter(reason=Scan.Reason.UNKNOWN_CODE, at__gte=start).order_by("device_id", "at")
    named = scans.values_list("device_id", "device__name", "location__name", "at")
    rows = []
    for device, of_device in groupby(named.iterator(), key=lambda scan: scan[0]):
        for burst in _bursts(of_device):
            _, name, place, began = burst[0]
            words = f"{len(burst)} in {_minutes(burst[-1][3] - began)}"
            url = _scans(device=device, reason=Scan.Reason.UNKNOWN_CODE)
            rows.append((began, Row(name, (place, _moment(began), words), url)))
    return Signal(
        "Many unknown codes",
        f"{BURST} or more codes that do not exist, read within ten minutes. Somebody may be guessing.",
        ("Device", "Where", "When", "How many"),
        _latest(rows),
    )


def _bursts(scans: Iterable[Any]) -> list[list[Any]]:
    """Return the runs of scans that lie within ten minutes of their first, where they are many enough."""
    runs: list[list[Any]] = []
    for scan in scans:
        if runs and scan[3] - runs[-1][0][3] <= GUESS_WINDOW:
            runs[-1].append(scan)
        else:
            runs.append([scan])
    return [run for run in runs if len(run) >= BURST]


def two_places(start: datetime) -> Signal:
    """Find codes that were read at two places within ten minutes: one of them is a copy."""
    before: Any = {"partition_by": F("code"), "order_by": ("at", "pk")}
    scans = Scan.objects.filter(at__gte=start, code__isnull=False).annotate(
        before_at=Window(Lag("at"), **before),
        before_place=Window(Lag("location__name"), **before),
        before_location=Window(Lag("location_id"), **before),
    )
    moved = scans.filter(before_location__isnull=False).exclude(before_location=F("location_id"))
    rows = [
        (at, Row(f"Code {code}", (_moment(at), f"{earlier}, then {place}", _minutes(at - before_at)), _code(code)))
        for code, at, place, before_at, earlier in moved.values_list(
            "code_id", "at", "location__name", "before_at", "before_place"
        ).iterator()
        if at - before_at <= TWO_PLACES_WITHIN
    ]
    return Signal(
        "One code in two places",
        "Read at one place, and within ten minutes at another. Somebody may have shared a picture of it.",
        ("Code", "When", "Where", "Apart"),
        _latest(rows),
    )


def much_taken_back(start: datetime) -> Signal:
    """Find devices and staff who take back more than one in ten, and three at least."""
    rows = []
    for field, kind in (("device", "Device"), ("staff", "Staff")):
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
                cells = (kind, f"{row['back']} of {row['given']}", share)
                rows.append((row["back"] / row["given"], Row(row[f"{field}__name"], cells, url)))
    return Signal(
        "Much taken back",
        f"More than {_percent(VOID_SHARE)} of what was given was taken back again, and {MANY_VOIDS} at least.",
        ("Who", "What", "Taken back", "Share"),
        _latest(rows),
    )


def without_network(start: datetime) -> Signal:
    """Find devices that gave much without network, or anything against a rule."""
    lines = Redemption.objects.filter(at__gte=start, kind__in=GIVEN, device__isnull=False)
    counted = (
        lines.order_by()
        .values("device", "device__name")
        .annotate(
            given=Count("pk"),
            offline=Count("pk", filter=Q(is_offline=True)),
            conflicts=Count("pk", filter=Q(kind=Kind.CONFLICT)),
        )
    )
    rows = []
    for row in counted:
        share = row["offline"] / row["given"]
        if row["conflicts"] or share > OFFLINE_SHARE:
            cells = (f"{row['offline']} of {row['given']}", _percent(share), row["conflicts"])
            url = _list("redemption", {"device__id__exact": row["device"], "is_offline__exact": 1})
            rows.append((share, Row(row["device__name"], cells, url)))
    return Signal(
        "Given without network",
        "Nobody could check these on the spot. A conflict is what would have been refused with network.",
        ("Device", "Without network", "Share", "Conflicts"),
        _latest(rows),
    )


def locked_out(start: datetime) -> Signal:
    """Find devices that were refused because they had guessed too much."""
    scans = Scan.objects.filter(reason=Scan.Reason.DEVICE_LOCKED, at__gte=start).order_by("device_id", "at")
    rows = []
    for device, of_device in groupby(
        scans.values_list("device_id", "device__name", "location__name", "at").iterator(), key=lambda scan: scan[0]
    ):
        refused = list(of_device)
        _, name, place, last = refused[-1]
        url = _scans(device=device, reason=Scan.Reason.DEVICE_LOCKED)
        rows.append((last, Row(name, (place, _moment(last), len(refused)), url)))
    return Signal(
        "Locked for guessing",
        f"After {GUESSES_ALLOWED} unknown codes in ten minutes a device is refused everything for a while.",
        ("Device", "Where", "Last", "Refused meanwhile"),
        _latest(rows),
    )


LOOKS: tuple[Callable[[datetime], Signal], ...] = (
    unknown_bursts,
    two_places,
    much_taken_back,
    without_network,
    locked_out,
)


def _latest(rows: list[tuple[Any, Row]]) -> list[Row]:
    """Return the rows, the latest or largest first."""
    return [row for _, row in sorted(rows, key=lambda found: found[0], reverse=True)[:MOST_ROWS]]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _moment(at: datetime) -> str:
    return date_format(timezone.localtime(at), "D, N j, P")


def _minutes(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min"


def _list(model: str, question: dict[str, str | int]) -> str:
    return f"{reverse(f'admin:redemptions_{model}_changelist')}?{urlencode(question)}"


def _scans(*, device: int, reason: str = "") -> str:
    question: dict[str, str | int] = {"device__id__exact": device}
    return _list("scan", question | ({"reason__exact": reason} if reason else {}))


def _code(pk: int) -> str:
    return reverse("admin:redemptions_code_change", args=[pk])
