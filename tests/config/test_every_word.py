"""Every word on every page comes from the catalogues: each is marked there, and what stands without a mark is found."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db.models import CharField, TextField
from django.test import Client
from django.utils import timezone, translation
from django.utils.translation import trans_real

from campaigns.rendering import layout
from contacts.models import Business
from tests.browser.stock import full_shop
from tests.browser.test_every_page import ABOUT, MACHINERY, MISSING, OUTSIDE, PLAIN, tables

Page = Callable[[Any], str]

PERMISSIONS = {"auth_group_add", "auth_group_change", "auth_group_delete"}  # their names are rows that Django wrote
# What the shop typed that is in no table: the file of an import, and a mail.
TYPED = {
    "email",
    "first name",
    "upload",
    "Nina",
    "Bad",
    "not an address",
    "new-upload@example.org",
    "Maria",
    "the new menu is here",
    "[Test]",
}

# Elements whose text is no sentence of ours, and those inside a line.
NO_WORDS = {"script", "style", "code", "pre", "kbd", "samp", "textarea"}
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
INSIDE_A_LINE = {"a", "abbr", "b", "bdi", "em", "i", "small", "span", "strong", "sub", "sup", "time", "u"}
MERGED = re.compile(r"data-preview-(?:from|subject|preheader|text|bubble)")  # a mail, in the shop's words
SAID = {"alt", "aria-label", "placeholder", "title", "data-busy", "data-confirm", "data-label", "data-over"}

# The same in every language.
WORD = re.compile(r"[^\W\d_]{2}")
CODE = re.compile(r"[a-z_]{0,12}|.")
NAMES = re.compile(
    r"https?://\S+|\S+@\S+|testserver\S*|[\w.-]+\.(?:com|org|net|example|py|csv|md)\b\S*|\{\{[^}]*\}\}|/[\w/-]+"
    r"|\b[A-Z]+_[A-Z_]+\b|\b[A-Z]\w+/[A-Z][\w-]+|\b[A-Z\d]{5}-[A-Z\d]{5}\b|[0-9a-f-]{36}"
    r"|\b(?:CSV|Excel|PDF|PNG|JPEG|HTML|JavaScript|SMS|QR|PIN|SPF|DKIM|DMARC|DNS|GSM-7|UTF-(?:8|16)|UTM|UTC|USD|ID|SVG)\b"
    r"|\b(?:Regulars|Python|Django|SQLite|PostgreSQL|Mailchimp|Klaviyo|Square|Shopify|HubSpot|Brevo|Constant Contact)\b"
    r"|\b(?:listmonk|Google Contacts|Outlook|[Ss]end[Gg]rid|outbox)\b"
    r"|\b(?:From|To|Subject|Date|List-Unsubscribe(?:-Post)?(?:=One-Click)?)(?=[^a-z]*$)"  # the head of a mail
    r"|\b(?:Rhode Island|Texas|Kentucky)\b"  # states of the table of hours
    r"|^delivered$"  # what a provider says happened
    r"|\b(?:True|False|None)\b"  # pictures of the admin, and what Django calls nothing
    r"|\b(?:kB|MB|GB|px|min|ms|h|s)\b|\bde\b|\ba las\b"  # units, and what stands in a Spanish date
)


class Lines(HTMLParser):
    """Collects the lines of a page, and what its elements say to those who see or hear no text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self.line = ""
        self.silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self.space(tag)
        self.lines += [value for name, value in attrs if name in SAID and value]
        if tag == "input" and said.get("type") in {"submit", "button"}:
            self.lines.append(said.get("value") or "")
        is_silent = tag in NO_WORDS or ("lang" in said and tag != "html") or any(map(MERGED.match, said))
        if tag not in VOID and (self.silent or is_silent):
            self.silent.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.space(tag)
        if self.silent and tag not in VOID:
            self.silent.pop()

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.line += data

    def space(self, tag: str) -> None:
        if tag in INSIDE_A_LINE:
            self.line += " "
        else:
            self.end()

    def end(self) -> None:
        self.lines.append(self.line)
        self.line = ""


def unmarked(html: str, data: Sequence[str]) -> list[str]:
    """Return the lines with words that have no mark, and are no data and no names."""
    page = Lines()
    page.feed(html)
    page.end()
    return [line for line in dict.fromkeys(" ".join(line.split()) for line in page.lines) if _has_words(line, data)]


def _has_words(line: str, data: Sequence[str]) -> bool:
    rest, before = line, ""
    while rest != before:  # one mark may stand in another
        rest, before = re.sub(r"⟦[^⟦⟧]*⟧", " ", rest), rest
    for value in data if WORD.search(rest) else ():
        if value in rest:
            rest = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", " ", rest)
    return bool(WORD.search(NAMES.sub(" ", rest)))


# --- Marks ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every text that is translated into Spanish say so: `⟦Contacts⟧`. What is in no catalogue stays as it is."""
    known = trans_real.translation("es")._catalog  # type: ignore[attr-defined]

    def mark(key: Any, text: str) -> str:
        return f"⟦{text}⟧" if key in known and translation.get_language() == "es" else text

    def number(singular: str, plural: str, count: Any) -> str:
        return singular if count == 1 else plural

    between = "\x04"  # in compiled catalogues
    texts = translation._trans  # type: ignore[attr-defined]
    monkeypatch.setattr(texts, "gettext", lambda text: mark(text, text) if text else text)
    monkeypatch.setattr(texts, "pgettext", lambda context, text: mark(f"{context}{between}{text}", text))
    monkeypatch.setattr(texts, "ngettext", lambda one, many, n: mark((one, 0), number(one, many, n)))
    monkeypatch.setattr(
        texts, "npgettext", lambda context, one, many, n: mark((f"{context}{between}{one}", 0), number(one, many, n))
    )
    layout.cache_clear()  # the words of mails are kept by language
    yield
    layout.cache_clear()


def kept_words() -> list[str]:
    """Return what people typed, the longest first: the values of the tables, but for the codes such as `sent`."""
    values = set(TYPED)
    for model in apps.get_models():
        names = [field.name for field in model._meta.concrete_fields if isinstance(field, CharField | TextField)]
        for row in model._default_manager.values_list(*names) if names else ():
            values.update(value for value in row if isinstance(value, str) and not CODE.fullmatch(value))
    values.update(User.objects.values_list("username", flat=True))
    return sorted(values, key=len, reverse=True)


def test_finds_a_word_without_a_mark() -> None:
    page = """<p>⟦Sent to <strong>Maria</strong>⟧ Lunch</p><button title="Close">⟦a ⟦b⟧⟧</button><p>⟦x⟧ and</p>
        <code>no_word</code><p>12 kB</p><input type="submit" value="Go">"""
    assert unmarked(page, ["Lunch"]) == ["Close", "⟦x⟧ and", "Go"]


@pytest.mark.django_db
def test_every_word_is_in_the_catalogues(marked: None, settings: Any, tmp_path: Any) -> None:
    settings.OUTBOX_DIR = tmp_path
    Business.load()
    with translation.override("en"):
        shop = full_shop(timezone.now())
    settings.LANGUAGE_CODE = "es"
    inside, outside = Client(headers={"Accept-Language": "es"}), Client(headers={"Accept-Language": "es"})
    inside.force_login(User.objects.create_superuser("admin", first_name="Maria"))
    data = kept_words()

    found = [f"{name}: {line}" for name, answer in pages(inside, outside, shop) for line in unmarked(answer, data)]

    assert found == [], "\n".join(found)


def pages(inside: Client, outside: Client, shop: Any) -> Iterator[tuple[str, str]]:
    within = {**PLAIN, **dict(tables(rows=True)), **ABOUT, **MISSING}
    for client, addresses in ((inside, within), (outside, OUTSIDE)):
        for name, address in addresses.items():
            if MACHINERY not in name and name not in PERMISSIONS:
                yield name, client.get(address(shop), follow=True).text
