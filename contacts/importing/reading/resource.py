"""Contacts as django-import-export sees them: the fields of a file with their widgets, and differences shown."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from import_export import resources
from import_export.fields import Field
from import_export.widgets import CharWidget

from contacts.importing.reading.columns import FIELDS
from contacts.importing.reading.widgets import (
    BirthdayWidget,
    EmailWidget,
    NameWidget,
    PhoneWidget,
    PostalCodeWidget,
    ReadingWidget,
    RegionWidget,
    TagsWidget,
    TextWidget,
    TimeZoneWidget,
)

MAX_NOTES = 2000


def _field(name: str, widget: ReadingWidget) -> Field:  # type: ignore[type-arg]  # of whatever the field holds
    return Field(attribute=name, column_name=FIELDS[name], widget=widget)


class ContactResource(resources.Resource):  # type: ignore[misc]  # the library carries no types
    """What a file can say of a contact, consent aside, and how each cell is cleaned."""

    email = _field("email", EmailWidget())
    phone = _field("phone", PhoneWidget())
    name = _field("name", NameWidget(max_length=81))
    first_name = _field("first_name", NameWidget())
    last_name = _field("last_name", NameWidget())
    birthday = _field("birthday", BirthdayWidget())
    postal_code = _field("postal_code", PostalCodeWidget())
    region = _field("region", RegionWidget())
    time_zone = _field("time_zone", TimeZoneWidget())
    tags = _field("tags", TagsWidget())
    notes = _field("notes", TextWidget(MAX_NOTES))


class _Values(resources.Resource):  # type: ignore[misc]  # the library carries no types
    """A mapping of texts as django-import-export's Diff wants it."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.names = names

    def get_import_fields(self, selected_fields: list[str] | None = None) -> list[Field]:
        return [Field(attribute=name, column_name=name, widget=CharWidget()) for name in self.names]


def diff(before: Mapping[str, str], after: Mapping[str, str]) -> list[tuple[str, SafeString]]:
    """Return the label and the marked-up text of each field: `<del>` goes, `<ins>` comes, `<span>` stays.

    `before` is empty for somebody new, who is then shown without marks.
    """
    names = [*before, *(name for name in after if name not in before)]
    values = _Values(names)
    shown = resources.Diff(values, {name: (before or after).get(name, "") for name in names}, False)
    shown.compare_with(values, {name: after.get(name, "") for name in names})
    return [(gettext(FIELDS.get(name, name)), _plain(html)) for name, html in zip(names, shown.as_html(), strict=True)]


def _plain(html: str) -> SafeString:
    """Take away the inline styles, which the content security policy refuses; `<ins>` and `<del>` say enough."""
    styles = (' style="background:#e6ffe6;"', ' style="background:#ffe6e6;"')
    for style in styles:
        html = html.replace(f"<ins{style}>", "<ins>").replace(f"<del{style}>", "<del>")
    return mark_safe(html)  # noqa: S308 - diff-match-patch escapes the texts
