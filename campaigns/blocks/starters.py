"""What a mail may start from, in the words of a bar: to be changed, not to be sent as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from campaigns.merge import example_of


@dataclass(frozen=True, slots=True)
class Starter:
    """A mail to start from. Its texts are translated when they are asked for."""

    key: str
    name: Any
    about: Any
    subject: Any = ""
    preheader: Any = ""
    parts: tuple[dict[str, Any], ...] = ()

    def blocks(self) -> dict[str, Any]:
        """Return its blocks as they are stored, in the language of the moment."""
        return {"version": 1, "blocks": [_said(part) for part in self.parts]}


def _said(part: dict[str, Any]) -> dict[str, Any]:
    return {
        name: [_said(inner) for inner in value] if isinstance(value, list | tuple) else _text(value)
        for name, value in part.items()
    }


def _text(value: object) -> str:
    text = str(value) if isinstance(value, Promise) else value
    assert isinstance(text, str)
    return text.replace("[name]", example_of("first_name"))


def _heading(text: Any) -> dict[str, Any]:
    return {"type": "heading", "text": text, "size": "large"}


def _words(html: Any) -> dict[str, Any]:
    return {"type": "text", "html": html}


def _button(label: Any) -> dict[str, Any]:
    return {"type": "button", "label": label, "link": ""}


DEAL: dict[str, Any] = {"type": "deal"}
DIVIDER: dict[str, Any] = {"type": "divider"}
IMAGE: dict[str, Any] = {"type": "image", "picture": "", "alt": "", "link": "", "width": "full"}

STARTERS = (
    Starter("empty", _("Empty"), _("Start with a blank page."), parts=(_words("<p></p>"),)),
    Starter(
        "new-deal",
        _("New deal"),
        _("A deal with its code, and when it ends."),
        _("A little something for you this week"),
        _("Your own code is inside."),
        (
            _heading(_("This one is on us, nearly")),
            _words(_("<p>Hi [name],</p><p>show the code below the next time you are here. It is yours alone.</p>")),
            DEAL,
            _words(_("<p>See you soon!</p>")),
        ),
    ),
    Starter(
        "event",
        _("Event"),
        _("What is on, when and where."),
        _("Live music this Thursday"),
        _("Doors open at seven, the first song is at eight."),
        (
            _heading(_("Live music this Thursday")),
            _words(
                _(
                    "<p>Hi [name],</p><p>this Thursday there is a band in the house:</p>"
                    "<ul><li>Doors open at 7 p.m.</li><li>First song at 8 p.m.</li><li>No entry fee</li></ul>"
                )
            ),
            _button(_("Book a table")),
            DIVIDER,
            _words(_("<p>The kitchen stays open until ten.</p>")),
        ),
    ),
    Starter(
        "new-menu",
        _("New menu"),
        _("New dishes, with a picture."),
        _("Our new menu is here"),
        _("Three new plates, and the old favourites stay."),
        (
            _heading(_("Our new menu is here")),
            IMAGE,
            _words(_("<p>Hi [name],</p><p>we have cooked up something new:</p>")),
            {
                "type": "columns",
                "left": (
                    {"type": "heading", "text": _("To start"), "size": "small"},
                    _words(_("<ul><li>Roast pumpkin soup</li><li>Beetroot and goat cheese</li></ul>")),
                ),
                "right": (
                    {"type": "heading", "text": _("To follow"), "size": "small"},
                    _words(_("<ul><li>Braised short ribs</li><li>Wild mushroom risotto</li></ul>")),
                ),
            },
            _button(_("See the whole menu")),
        ),
    ),
    Starter(
        "thank-you",
        _("Thank you"),
        _("A kind word after a visit."),
        _("Thank you for coming by"),
        _("It was good to have you here."),
        (
            _heading(_("Thank you for coming by")),
            _words(
                _(
                    "<p>Hi [name],</p><p>it was good to have you here. If something was not as it should be, answer "
                    "this mail: it reaches us, and we read it.</p><p>Here is a small thank-you for the next time.</p>"
                )
            ),
            DEAL,
        ),
    ),
    Starter(
        "we-miss-you",
        _("We miss you"),
        _("For people who were not here for a while."),
        _("It has been a while"),
        _("Your seat is still here, and something for you with it."),
        (
            _heading(_("It has been a while")),
            _words(
                _(
                    "<p>Hi [name],</p><p>we have not seen you for some time, and we would like to. Come by, and the "
                    "first one costs you less:</p>"
                )
            ),
            DEAL,
        ),
    ),
    Starter(
        "birthday",
        _("Birthday"),
        _("A present for the day."),
        _("Happy birthday from all of us"),
        _("A present is waiting for you."),
        (
            _heading(_("Happy birthday!")),
            _words(_("<p>Dear [name],</p><p>all of us wish you a wonderful day. This is your present:</p>")),
            DEAL,
            _words(_("<p>Bring your friends. We bring the candle.</p>")),
        ),
    ),
)


def starter(key: str) -> Starter | None:
    """Return one of them by its key."""
    return next((found for found in STARTERS if found.key == key), None)
