"""Rounds, ratios and tables. The absolute numbers are those of one machine on one day; the ratios travel."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import django


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run did: units of work, seconds by the clock, seconds of processor time (None: not known)."""

    units: int
    wall_s: float
    cpu_s: float | None

    @property
    def rate(self) -> float:
        return self.units / self.wall_s

    @property
    def cpu_ms(self) -> float | None:
        return None if self.cpu_s is None else self.cpu_s / self.units * 1000


@dataclass(frozen=True, slots=True)
class Comparison:
    """The product and the loop by hand over the same rounds; `ratio` is product / by hand, the median of the pairs."""

    what: str
    unit: str
    rounds: int
    product_rate: float
    by_hand_rate: float
    ratio: float
    ratio_low: float
    ratio_high: float
    product_cpu_ms: float | None
    by_hand_cpu_ms: float | None
    notes: list[str] = field(default_factory=list)

    @property
    def cpu_ratio(self) -> float | None:
        """The same ratio by processor time, of the two medians: others on the machine hardly touch it."""
        if self.product_cpu_ms is None or self.by_hand_cpu_ms is None:
            return None
        return self.by_hand_cpu_ms / self.product_cpu_ms


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one view of a page took to answer, the median and the slowest, and how many queries it asked."""

    page: str
    view: str
    ms: float
    slowest_ms: float
    queries: int


@dataclass(frozen=True, slots=True)
class Report:
    """What one child process found, with the database it found it on."""

    database: str
    comparisons: list[Comparison]
    notes: list[str] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)


def timed(work: Callable[[], int]) -> Sample:
    """Run `work`, which returns how many units it did."""
    cpu, wall = time.process_time(), time.perf_counter()
    units = work()
    return Sample(units, time.perf_counter() - wall, time.process_time() - cpu)


def compare(what: str, unit: str, pairs: Sequence[tuple[Sample, Sample]], notes: Sequence[str] = ()) -> Comparison:
    """Sum up pairs of (product, by hand), each pair from one round."""
    ratios = [product.rate / by_hand.rate for product, by_hand in pairs]
    return Comparison(
        what=what,
        unit=unit,
        rounds=len(pairs),
        product_rate=median(product.rate for product, _ in pairs),
        by_hand_rate=median(by_hand.rate for _, by_hand in pairs),
        ratio=median(ratios),
        ratio_low=min(ratios),
        ratio_high=max(ratios),
        product_cpu_ms=_median_of_known([product.cpu_ms for product, _ in pairs]),
        by_hand_cpu_ms=_median_of_known([by_hand.cpu_ms for _, by_hand in pairs]),
        notes=list(notes),
    )


def _median_of_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Stopwatch:
    """Splits time among labels. Nested pieces count once: the inner one's time is taken from the outer one's."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inner: list[float] = []

    @contextmanager
    def running(self, label: str) -> Iterator[None]:
        self._inner.append(0.0)
        start = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - start
            self.seconds[label] = self.seconds.get(label, 0.0) + took - self._inner.pop()
            if self._inner:
                self._inner[-1] += took

    @contextmanager
    def watching(self, owner: Any, name: str, label: str) -> Iterator[None]:
        """Count every call of `owner.name` under `label`."""
        original = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            with self.running(label):
                return original(*args, **kwargs)

        setattr(owner, name, watched)
        try:
            yield
        finally:
            setattr(owner, name, original)

    def split(self, units: int) -> str:
        """`QR image 1.05, SQL 0.80`: milliseconds a unit, the largest first."""
        parts = sorted(self.seconds.items(), key=lambda part: -part[1])
        return ", ".join(f"{label} {seconds / units * 1000:.2f}" for label, seconds in parts)


# --- Words ------------------------------------------------------------------------------------------------------------


def machine() -> str:
    """`Python 3.11.7, Django 5.2.8, Linux x86_64, 2 processors`."""
    return (
        f"Python {platform.python_version()}, Django {django.get_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} processors"
    )


def markdown(reports: Sequence[Report], *, command: str) -> str:
    """Return the one table, where it comes from, and what the numbers hide."""
    comparisons = [comparison for report in reports for comparison in report.comparisons]
    lines = [
        f"`{command}`: {', '.join(sorted({report.database for report in reports}))}; {machine()}.",
        "",
    ]
    if comparisons:
        lines += [
            "| | Regulars | by hand | Regulars / by hand, by the clock (lowest to highest) | by processor time "
            "| processor time each, ms | rounds |",
            "|---|---|---|---|---|---|---|",
            *map(_line, comparisons),
            "",
        ]
    lines += timing_tables([report for report in reports if report.timings])
    for comparison in comparisons:
        lines += [f"- {comparison.what}: {note}" for note in comparison.notes]
    lines += [f"- {note}" for report in reports for note in report.notes]
    return "\n".join(lines)


def timing_tables(reports: Sequence[Report]) -> list[str]:
    """Return a table of the pages, and one of the lists with what may be done on each; a column for each database.

    The filters of a list share a column: the slowest of them stands there.
    """
    if not reports:
        return []
    found = [_by_page(report.timings) for report in reports]
    databases = [report.database for report in reports]
    lines = [f"| page, ms | {' | '.join(databases)} | queries |", "|---|" + "---|" * (len(databases) + 1)]
    for page, views in found[0].items():
        if list(views) == [""]:
            cells = [f"{one[page][''].ms:.0f}" for one in found if page in one]
            lines.append(f"| {page} | {' | '.join(cells)} | {views[''].queries} |")
    heads = list(dict.fromkeys(view for views in found[0].values() for view in views if view))
    lines += ["", f"| list, ms: {' / '.join(databases)} | {' | '.join(heads)} | most queries |"]
    lines.append("|---|" + "---|" * (len(heads) + 1))
    for page, views in found[0].items():
        if list(views) != [""]:
            cells = [
                " / ".join(f"{one[page][head].ms:.0f}" for one in found if head in one.get(page, {})) for head in heads
            ]
            lines.append(f"| {page} | {' | '.join(cells)} | {max(timing.queries for timing in views.values())} |")
    return [*lines, ""]


def _by_page(timings: Sequence[Timing]) -> dict[str, dict[str, Timing]]:
    """Return the timings by page and view, the slowest filter as `filter`."""
    found: dict[str, dict[str, Timing]] = {}
    for timing in timings:
        views, view = found.setdefault(timing.page, {}), "filter" if timing.view.startswith("filter") else timing.view
        if view not in views or views[view].ms < timing.ms:
            views[view] = timing
    return found


def _line(row: Comparison) -> str:
    return (
        f"| {row.what} | {row.product_rate:,.0f} {row.unit}/s | {row.by_hand_rate:,.0f} {row.unit}/s "
        f"| {row.ratio:.2f} ({row.ratio_low:.2f} to {row.ratio_high:.2f}) | {_number(row.cpu_ratio)} "
        f"| {_number(row.product_cpu_ms)}, by hand {_number(row.by_hand_cpu_ms)} | {row.rounds} |"
    )


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"
