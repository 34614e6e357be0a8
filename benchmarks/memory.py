"""The importer's peak memory. A process each: the peak of a process never falls."""

from __future__ import annotations

from django.conf import settings

from benchmarks.child import describe_database
from benchmarks.importing import peak_of_import
from benchmarks.measuring import Report
from benchmarks.people import write_csv


def run(*, rows: int) -> Report:
    path = write_csv(settings.SCRATCH_DIR / "people.csv", rows)
    before, after = peak_of_import(path)
    size = path.stat().st_size / 1_000_000
    note = f"peak memory {after:.0f} MB, of which {before:.0f} MB before it began"
    return Report(describe_database(), [], [f"Import of {rows:,} rows ({size:.1f} MB): {note}."])
