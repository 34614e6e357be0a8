"""The colours of a mail, and of the pages guests open, made from one.

What is read stands out from what it stands on, by day and in the dark.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from django.utils.translation import gettext as _

OURS = "#1b5e7b"  # until the shop has chosen
PAPER, DARK_PAPER = "#ffffff", "#1e2326"  # of the card in the layout, and in its style sheet for dark mode
PAGE, DARK_PAGE = "#f4f2ed", "#1c252c"  # no page guests open is darker by day, nor lighter in the dark
READ = 4.5  # WCAG 2.2, 1.4.3: contrast of a text with what it stands on
READ_WELL = 7.0  # 1.4.6
SEEN = 1.25  # of a button and the paper around it: its words stand out by themselves
SEEN_DARK = 2.0
STEPS = 20  # from a colour to black or white
LOGO_WIDTH_PX, LOGO_HEIGHT_PX = 240, 80  # the room on top of a mail
COLOR = re.compile(r"#?([0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)


class ColorRefused(ValueError):
    """Nobody could read a mail in this colour, or it is none; the message says what to do."""


@dataclass(frozen=True)
class Look:
    """How a mail looks: its colour, and the logo on top: an address and the size it is shown in; none: the name."""

    accent: str = OURS
    logo: str = ""
    logo_width: int = 0
    logo_height: int = 0

    @cached_property
    def colors(self) -> dict[str, str]:
        """The colours of the layouts. `on_*` is what is read on it, `dark_*` is for dark mode."""
        dark_accent = _away(self.accent, DARK_PAPER, SEEN_DARK)
        return {
            "accent": self.accent,
            "on_accent": readable_on(self.accent),
            "link": _away(self.accent, PAPER, READ),
            "heading": _away(self.accent, PAPER, READ_WELL),
            "dark_accent": dark_accent,
            "on_dark_accent": readable_on(dark_accent),
            "dark_link": _away(self.accent, DARK_PAPER, READ_WELL),
        }

    @cached_property
    def page_colors(self) -> dict[str, str]:
        """The colours of the pages guests open, as `colors` has them for mails."""
        dark_accent = _away(self.accent, DARK_PAGE, SEEN_DARK)
        return {
            "accent": self.accent,
            "on_accent": readable_on(self.accent),
            "link": _away(self.accent, PAGE, READ),
            "dark_accent": dark_accent,
            "on_dark_accent": readable_on(dark_accent),
            "dark_link": _away(self.accent, DARK_PAGE, READ),
        }

    @property
    def link_style(self) -> str:
        """The style of a link. Said outright: a dark theme would pick a pale one for the white card."""
        return f"color:{self.colors['link']};"


PLAIN = Look()


def color_of(text: str) -> str:
    """Return what was typed as a colour, `#rrggbb`. Raises ColorRefused."""
    found = COLOR.fullmatch(text.strip())
    if found is None:
        raise ColorRefused(_("Write the colour as # and six digits or letters from a to f, such as #1b5e7b."))
    digits = found[1].lower()
    color = f"#{digits if len(digits) == 6 else ''.join(2 * digit for digit in digits)}"
    if contrast(color, PAPER) < SEEN:
        raise ColorRefused(_("This is too light: nobody would see a button of it on white. Choose a darker colour."))
    return color


def logo_size(width: int, height: int) -> tuple[int, int]:
    """Return the size a logo of so many pixels is shown in: never larger than it is."""
    share = min(1.0, LOGO_WIDTH_PX / width, LOGO_HEIGHT_PX / height)
    return max(1, round(width * share)), max(1, round(height * share))


def readable_on(color: str) -> str:
    """Return white or black: what is read best on it. One of the two always has a contrast above 4.5."""
    return max(("#ffffff", "#000000"), key=lambda text: contrast(text, color))


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG counts it: 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (share / 255 for share in _shares(color))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _shares(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _away(color: str, paper: str, enough: float) -> str:
    """Return the colour, or the nearest shade of it that stands out enough from the paper."""
    end = _shares(readable_on(paper))
    shades = (
        tuple(round(share + (last - share) * step / STEPS) for share, last in zip(_shares(color), end, strict=True))
        for step in range(STEPS + 1)
    )
    colors = (f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in shades)
    return next(shade for shade in colors if contrast(shade, paper) >= enough)
