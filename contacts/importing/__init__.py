"""From a file to contacts: read, map, normalise, match, then preview or write."""

from contacts.importing.run import Counts, ImportBusy, check, run_import, stage, stage_and_run, staged_table
from contacts.importing.sniff import FIELDS, ImportFileError, NoAddressColumn, Table, read_table

__all__ = [
    "FIELDS",
    "Counts",
    "ImportBusy",
    "ImportFileError",
    "NoAddressColumn",
    "Table",
    "check",
    "read_table",
    "run_import",
    "stage",
    "stage_and_run",
    "staged_table",
]
