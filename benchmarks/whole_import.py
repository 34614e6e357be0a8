"""A whole file from upload to import: its time, and its peak memory. A process each: a peak never falls."""

from __future__ import annotations

from django.conf import settings

from benchmarks.child import describe_database
from benchmarks.importing import whole_import
from benchmarks.measuring import Report
from benchmarks.people import write_csv


def run(*, rows: int) -> Report:
    path = write_csv(settings.SCRATCH_DIR / "people.csv", rows)
    whole, size = whole_import(path), path.stat().st_size / 1_000_000
    note = (
        f"upload {whole.upload_s:.1f} s, check {whole.check_s:.0f} s, import {whole.run_s:.0f} s "
        f"({rows / whole.run_s:,.0f} rows/s); peak memory {whole.after_mb:.0f} MB, of which {whole.before_mb:.0f} MB "
        "before it began"
    )
    return Report(describe_database(), [], [f"A file of {rows:,} rows ({size:.1f} MB): {note}."])
