"""Collect the words people read into the catalogues of translators, and compile them: `make messages`.

Each app keeps its own words and those of its templates in <app>/locale; whatever belongs to none is in locale/. The
compiled files are committed: a server then needs neither GNU gettext nor a step of its own. With --check nothing is
written, and whatever is missing, doubtful or older than the code is an error.
"""

from __future__ import annotations

import ast
import io
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import django
from babel.messages import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import flatten_fieldsets
from django.utils.translation import deactivate_all
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ("es",)
APPS = ("contacts", "redemptions", "campaigns", "messaging")
PROJECT = "."
PYTHON_FOLDERS = {**{app: (app,) for app in APPS}, PROJECT: ("config",)}

KEYWORDS = {**DEFAULT_KEYWORDS, **{f"{name}_lazy": DEFAULT_KEYWORDS[name] for name in DEFAULT_KEYWORDS if name != "_"}}
KEYWORDS["gettext_noop"] = KEYWORDS["kept"] = None
# What Django writes for a template: calls among blanked-out text. Babel's reader of Python wants whole Python.
STRING = r"""u?(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")"""
CALL = re.compile(rf"\b(?P<name>n?p?gettext|_)\((?P<arguments>\s*{STRING}(?:\s*,\s*{STRING})*)\s*(?:,\s*count)?\s*\)")

# What must be the same in each language: %(name)s, %s, {name} and the tags.
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[sdr%]|\{\w*\}|</?[a-z][^>]*>")

Text = str | list[str] | tuple[str, ...]
Found = tuple[Path, Text, str | None, list[str]]


class Words(Catalog):
    """A catalogue whose header says what is needed to read it: dates and tools would change with every run."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        return [
            ("Language", str(self.locale_identifier)),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
            ("Plural-Forms", self.plural_forms),
        ]


def owner(template: Path) -> str:
    """Return the app a template belongs to: templates/<app>/ and templates/admin/<app>/; else the project."""
    folders = template.relative_to(ROOT / "templates").parts[:-1]
    name = folders[1] if len(folders) > 1 and folders[0] == "admin" else next(iter(folders), "")
    return name if name in APPS else PROJECT


def from_python(path: Path) -> Iterator[Found]:
    with path.open("rb") as file:
        for _, text, comments, context in extract("python", file, KEYWORDS, comment_tags=("Translators:",)):
            yield path, text, context, comments
    # Before Python 3.12, what stands in the braces of a string is no code to Babel.
    formatted = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.JoinedStr)]
    parts = [part for node in formatted for part in node.values if isinstance(part, ast.FormattedValue)]
    inside = "\n".join(ast.unparse(part.value) for part in parts)
    for _, text, comments, context in extract("python", io.BytesIO(inside.encode()), KEYWORDS):
        yield path, text, context, comments


def from_template(path: Path) -> Iterator[Found]:
    for call in CALL.finditer(templatize(path.read_text(), origin=str(path))):
        *start, last = ast.literal_eval(f"[{call['arguments']}]")
        context = start.pop(0) if "p" in call["name"].removesuffix("gettext") else None
        yield path, (start[0], last) if start else last, context, []


def from_models(app: str) -> Iterator[Found]:
    """Names that Django derives, of the tables in the admin and of their fields that are typed in or shown there."""
    from config.apps import named_by_django

    for model, pages in sorted(admin.site._registry.items(), key=lambda entry: entry[0].__name__):
        if model._meta.app_label != app:
            continue
        path = ROOT / f"{model.__module__.replace('.', '/')}.py"
        given = model._meta.original_attrs
        if "verbose_name" not in given:
            yield path, str(model._meta.verbose_name), None, []
        if "verbose_name_plural" not in given:
            yield path, str(model._meta.verbose_name_plural), None, []
        named, is_listed = shown_fields(pages), bool(pages.fields or pages.fieldsets)
        for field in named_by_django(model):
            if field.name in named or (field.editable and not is_listed):
                yield path, str(field.verbose_name), None, []


def shown_fields(pages: ModelAdmin[Any]) -> set[str]:
    filters = (entry[0] if isinstance(entry, tuple) else entry for entry in pages.list_filter)
    groups = flatten_fieldsets(pages.fieldsets) if pages.fieldsets else []
    return {
        str(name) for name in (*pages.list_display, *filters, *pages.readonly_fields, *(pages.fields or ()), *groups)
    }


def collected(part: str) -> Words:
    """Return everything people read that belongs to this part, not translated."""
    files = sorted(path for folder in PYTHON_FOLDERS[part] for path in (ROOT / folder).rglob("*.py"))
    templates = sorted(path for path in (ROOT / "templates").rglob("*.*") if path.suffix in {".html", ".txt"})
    found = [entry for path in files if "migrations" not in path.parts for entry in from_python(path)]
    found += [entry for path in templates if owner(path) == part for entry in from_template(path)]
    found += from_models(part)
    words = Words(charset="utf-8", fuzzy=False)
    for path, text, context, comments in found:
        words.add(text, None, [(str(path.relative_to(ROOT)), 0)], auto_comments=comments, context=context)
    return words


def po_path(part: str, language: str) -> Path:
    return ROOT / part / "locale" / language / "LC_MESSAGES" / "django.po"


def translated(part: str, language: str) -> Words:
    """Return the catalogue as translators left it."""
    words = Words(locale=language, charset="utf-8", fuzzy=False)
    path = po_path(part, language)
    if path.exists():
        with path.open("rb") as file:
            written = read_po(file, locale=language)
        for message in written:
            if message.id:
                words[message.id] = message
    return words


def updated(part: str, language: str) -> Words:
    words = translated(part, language)
    words.update(collected(part), no_fuzzy_matching=True)
    words.obsolete.clear()  # what nobody says any more
    words.header_comment = "# Written by `make messages` from the code; only the msgstr lines are a translator's."
    words.fuzzy = False
    return words


def share(catalogues: Iterable[Words]) -> None:
    """Give a text that is translated in one catalogue the same translation in the others."""
    messages = [message for words in catalogues for message in words if message.id]
    known = {(strings(m.id), m.context): m.string for m in messages if all(strings(m.string or ""))}
    for message in messages:
        if not all(strings(message.string or "")):
            message.string = known.get((strings(message.id), message.context), message.string)


def as_po(words: Words) -> bytes:
    file = io.BytesIO()
    write_po(file, words, width=116, sort_by_file=True, include_lineno=False, include_previous=False)
    return file.getvalue()


def as_mo(words: Words) -> bytes:
    file = io.BytesIO()
    write_mo(file, words)
    return file.getvalue()


def strings(text: Text) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def needed(text: str) -> set[str]:
    return set(PLACEHOLDER.findall(text)) - {"%%"}


def faults_of(message: Message) -> Iterator[str]:
    """Say what is wrong with one translation."""
    texts, translations = strings(message.id), strings(message.string or "")
    if not all(translations) or len(texts) != len(translations):
        yield "is not translated"
        return
    if message.fuzzy:
        yield "is marked as doubtful (fuzzy)"
    # A singular may say "one" where the plural has the number.
    most = set.union(*map(needed, texts))
    for text, translation in zip(texts, translations, strict=True):
        here = needed(translation)
        if here != needed(text) and not (len(texts) > 1 and here <= most and translation != translations[-1]):
            yield f"has other placeholders or tags: {', '.join(sorted(here ^ needed(text)))}"
        if translation[:1].isspace() != text[:1].isspace() or translation[-1:].isspace() != text[-1:].isspace():
            yield "begins or ends with a space in one language only"


def faults() -> Iterator[str]:
    """Say everything that keeps the catalogues from being complete and current."""
    for language in LANGUAGES:
        said: dict[tuple[tuple[str, ...], str | None], tuple[tuple[str, ...], str]] = {}
        for part in (PROJECT, *APPS):
            path = po_path(part, language)
            name = str(path.relative_to(ROOT))
            words = updated(part, language)
            if not path.exists() or path.read_bytes() != as_po(words):
                yield f"{name}: older than the code. Run `make messages`."
            compiled = path.with_suffix(".mo")
            if not compiled.exists() or compiled.read_bytes() != as_mo(words):
                yield f"{compiled.relative_to(ROOT)}: older than what it is compiled from. Run `make messages`."
            for message in words:
                if not message.id:
                    continue
                yield from (f"{name}: {strings(message.id)[0]!r} {fault}." for fault in faults_of(message))
                key = strings(message.id), message.context
                here = strings(message.string or "")
                if not all(here):
                    continue
                translation, elsewhere = said.setdefault(key, (here, name))
                if translation != here:
                    # The first app installed would speak for all.
                    yield f"{name}: {strings(message.id)[0]!r} is translated otherwise in {elsewhere}."


def main() -> None:
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    deactivate_all()
    if "--check" in sys.argv[1:]:
        if found := list(faults()):
            sys.exit("\n".join(found))
        print("Everything is translated.")
        return
    for language in LANGUAGES:
        catalogues = {part: updated(part, language) for part in (PROJECT, *APPS)}
        share(catalogues.values())
        for part, words in catalogues.items():
            path = po_path(part, language)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(as_po(words))
            path.with_suffix(".mo").write_bytes(as_mo(words))
            missing = sum(bool(message.id) and not all(strings(message.string or "")) for message in words)
            print(f"{path.relative_to(ROOT)}: {len(words)} texts, {missing} not translated")


if __name__ == "__main__":
    main()
