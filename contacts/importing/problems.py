"""The rows an import left out or has doubts about, as a file that can be mended and imported again."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from itertools import groupby

from contacts.importing.reading.columns import FROM_IMPORT, IMPORTED, LINE, STATE, TO_MEND
from contacts.importing.reading.sniff import TablePlan
from contacts.importing.staging import plans_of
from contacts.models import Import, ImportProblem
from contacts.sentences import said
from contacts.sheets import guard

# What being in one of the tables of a Mailchimp export says: in one file, each row has to say it.
STATES = {
    "subscribed": "Subscribed",
    "unsubscribed": "Unsubscribed",
    "cleaned": "Bounced",
    "nonsubscribed": "Never subscribed",
}
Kind = ImportProblem.Kind


def problems_csv(record: Import) -> Iterator[bytes]:
    """Yield a CSV of the rows with problems: their own columns as they stood, then what is wrong with each.

    Rows that were left out stand first, each once. UTF-8 with a byte-order mark, every cell safe to open in a
    spreadsheet program. Uploaded again, it is known as the child of this import (`contacts.importing.staging`).
    """
    plans = plans_of(record)
    columns = list(dict.fromkeys(name for plan in plans for name in plan.header))
    # Where no table says it for its rows, a column of states would ask what their own columns answer.
    states = [STATE] if any(plan.meaning for plan in plans) else []
    yield b"\xef\xbb\xbf" + _line([*columns, FROM_IMPORT, *states, LINE, TO_MEND, IMPORTED])
    for kind in (Kind.PROBLEM, Kind.REVIEW):
        found = ImportProblem.objects.filter(run=record, kind=kind).iterator(chunk_size=500)
        for _, problems in groupby(found, key=lambda problem: (problem.table, problem.line)):
            if cells := _row(record, plans, columns, list(problems)):
                yield _line(cells)


def _row(record: Import, plans: list[TablePlan], columns: list[str], problems: list[ImportProblem]) -> list[str]:
    """Return one row of the file; nothing for somebody who was erased, of whom only the reason is kept."""
    first = problems[0]
    cells = json.loads(first.cells)
    if not cells:
        return []
    reasons = "; ".join(f"{p.column}: {said(p.reason)}" if p.column else said(p.reason) for p in problems)
    imported = "no" if first.kind == Kind.PROBLEM else "yes"
    about = [str(first.line), reasons, imported]
    if first.table >= len(plans):  # the headers were forgotten with somebody they named
        return [str(record.pk), *about, *cells]
    plan = plans[first.table]
    by_name = dict(zip(plan.header, cells, strict=False))
    states = [STATES.get(plan.meaning, "")] if any(plan.meaning for plan in plans) else []
    return [*(by_name.get(name, "") for name in columns), str(record.pk), *states, *about]


def _line(cells: list[str]) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerow([guard(cell) for cell in cells])
    return file.getvalue().encode()
