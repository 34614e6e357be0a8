"""Invented people: names from two short lists, addresses under .example, numbers of exchange 555 and up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

FIRST = ("Maria", "James", "Aisha", "Peter", "Chloë", "Diego", "Hannah", "Kwame", "Lena", "Noor", "Owen", "Zoë")
LAST = ("Kim", "Baker", "O'Neill", "García", "Novak", "Smith", "Haddad", "Lindqvist", "Okafor", "Brown", "Rossi")
TAGS = ("lunch", "wine", "brunch", "regular", "friday")
AREAS = (212, 217, 303, 305, 312, 404, 415, 503, 512, 602, 617, 702, 713, 816, 919)


def person(number: int) -> tuple[str, str, str, str]:
    """Return name, e-mail, phone and tag of one of a million people."""
    name = f"{FIRST[number % len(FIRST)]} {LAST[number % len(LAST)]}"
    exchange, line = divmod(number, 10_000)
    phone = f"({AREAS[exchange % len(AREAS)]}) {555 + exchange // len(AREAS)}-{line:04}"
    return name, f"Guest.{number}@Mail{number % 7}.example", phone, TAGS[number % len(TAGS)]


def lines(count: int) -> Iterator[str]:
    yield "Name,E-mail,Phone,Tags\n"
    for number in range(count):
        yield ",".join(person(number)) + "\n"


def write_csv(path: Path, count: int) -> Path:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(lines(count))
    return path
