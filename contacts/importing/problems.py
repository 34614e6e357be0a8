"""The rows and cells an import left out, as a file that can be mended and imported again."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

from contacts.importing.staging import plans_of
from contacts.models import Import, ImportProblem
from contacts.sheets import guard

ADDED = ("Line", "Column", "Cell", "Reason", "Row imported")


def problems_csv(record: Import) -> Iterator[bytes]:
    """Yield a CSV of the rows with problems: their own columns as they stood, then line, column, cell and reason.

    UTF-8 with a byte-order mark, every cell safe to open in a spreadsheet program. A row with two problems stands
    there twice; importing it again is no harm.
    """
    headers = [plan.header for plan in plans_of(record)]
    columns = list(dict.fromkeys(name for header in headers for name in header))
    yield b"\xef\xbb\xbf" + _line([*columns, *ADDED])
    for problem in ImportProblem.objects.filter(run=record).iterator(chunk_size=500):
        header, cells = headers[problem.table], json.loads(problem.cells)
        by_name = dict(zip(header, cells, strict=False))
        imported = "no" if problem.kind == ImportProblem.Kind.PROBLEM else "yes"
        about = [str(problem.line), problem.column, problem.value, problem.reason, imported]
        yield _line([*(by_name.get(name, "") for name in columns), *about])


def _line(cells: list[str]) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerow([guard(cell) for cell in cells])
    return file.getvalue().encode()
