"""What somebody outside said about the set-up, in words for the owner."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`is_good` is None where it could not be found out; then `answered` says whether anybody answered at all.

    `found` is a record in short, `fix` is text to paste.
    """

    name: str
    is_good: bool | None
    says: str
    found: str = ""
    fix: str = ""
    answered: bool = True

    @property
    def detail(self) -> dict[str, str]:
        return {"says": self.says, "found": self.found, "fix": self.fix}
