"""What an import did or would do, in numbers and samples. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SAMPLES_KEPT = 5


@dataclass(slots=True)
class Counts:
    """rows = created + updated + unchanged + duplicates + invalid. The rest is counted among those.

    `review`: imported, but a cell was left out or is doubtful. `suppressed`: people who had opted out or cannot be
    reached, and stay so. `conflicts`: cells that differ from what is known. `opted_out`: people the file itself says
    opted out or cannot be reached. `subscribed_*`: people who may be written to by this import.
    """

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicates: int = 0
    invalid: int = 0
    review: int = 0
    suppressed: int = 0
    conflicts: int = 0
    opted_out: int = 0
    subscribed_email: int = 0
    subscribed_sms: int = 0


@dataclass(slots=True)
class Sample:
    """One row shown as an example: the contact's values before (empty: there was none) and after."""

    line: int
    before: dict[str, str]
    after: dict[str, str]


@dataclass(slots=True)
class Tally:
    """Counts and samples as they grow. `samples` is `{count's name: [sample as dict, ...]}`, a few of each."""

    counts: Counts = field(default_factory=Counts)
    samples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def keep(self, kind: str, sample: Sample) -> None:
        kept = self.samples.setdefault(kind, [])
        if len(kept) < SAMPLES_KEPT:
            kept.append({"line": sample.line, "before": sample.before, "after": sample.after})

    def wants(self, kind: str) -> bool:
        return len(self.samples.get(kind, [])) < SAMPLES_KEPT
