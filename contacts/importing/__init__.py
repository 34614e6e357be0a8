"""From a file to contacts: read, match, check, write, and take back."""

from contacts.importing.counts import Counts
from contacts.importing.problems import problems_csv
from contacts.importing.reading.columns import FIELDS, MULTIPLE
from contacts.importing.reading.files import ImportFileError, NoAddressColumn
from contacts.importing.reading.presets import PRESETS
from contacts.importing.reading.sniff import TablePlan
from contacts.importing.run import (
    DUE,
    ImportBusy,
    advance_imports,
    advance_now,
    ask_check,
    ask_run,
    ask_undo,
    can_undo,
    cancel_import,
    finish_here,
    sweep,
)
from contacts.importing.staging import (
    NotWaiting,
    Reading,
    match_columns,
    pieces_of,
    plans_of,
    read_again,
    samples_of,
    stage,
    state_consent,
)

__all__ = [
    "DUE",
    "FIELDS",
    "MULTIPLE",
    "PRESETS",
    "Counts",
    "ImportBusy",
    "ImportFileError",
    "NoAddressColumn",
    "NotWaiting",
    "Reading",
    "TablePlan",
    "advance_imports",
    "advance_now",
    "ask_check",
    "ask_run",
    "ask_undo",
    "can_undo",
    "cancel_import",
    "finish_here",
    "match_columns",
    "pieces_of",
    "plans_of",
    "problems_csv",
    "read_again",
    "samples_of",
    "stage",
    "state_consent",
    "sweep",
]
