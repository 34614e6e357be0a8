"""From one mail with marks for many people to a mail for each, where the provider fills no marks itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from messaging.transports.base import MergedEmail, OutboundEmail


def mails_of(merged: MergedEmail) -> list[OutboundEmail]:
    """Return each person's own mail, in their order."""
    cut = cutter(merged)
    subject, text, html = cut(merged.subject), cut(merged.text), cut(merged.html)
    return [
        OutboundEmail(
            reference=person.reference,
            to=person.to,
            from_email=merged.from_email,
            subject=filled(subject, person.values),
            text=filled(text, person.values),
            html=filled(html, person.values),
            headers=person.headers,
            reply_to=merged.reply_to,
        )
        for person in merged.recipients
    ]


def cutter(merged: MergedEmail) -> Callable[[str], list[str]]:
    """Return what cuts a text at the marks: texts and marks in turn. Done once for all, filling in is a join."""
    marks = {mark for person in merged.recipients for mark in person.values}
    if not marks:
        return lambda text: [text]
    return re.compile(f"({'|'.join(map(re.escape, marks))})").split


def filled(pieces: list[str], values: Mapping[str, str]) -> str:
    return "".join([values.get(piece, piece) for piece in pieces])
