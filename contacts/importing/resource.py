"""Contacts as django-import-export sees them: fields and widgets for files in and out, and differences shown."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.safestring import SafeString, mark_safe
from import_export import resources
from import_export.fields import Field
from import_export.widgets import CharWidget

from contacts.importing.columns import FIELDS
from contacts.importing.widgets import (
    UNKNOWN_YEAR,
    BirthdayWidget,
    EmailWidget,
    NameWidget,
    PhoneWidget,
    PostalCodeWidget,
    TagsWidget,
)
from contacts.models import Contact

EXPORT_COLUMNS = (
    "email",
    "phone",
    "first_name",
    "last_name",
    "birthday",
    "postal_code",
    "tags",
    "email_status",
    "sms_status",
    "source",
    "created_at",
)


class ContactResource(resources.ModelResource):  # type: ignore[misc]  # the library carries no types
    """The columns of a contact. What is exported can be imported again.

    Exporting a contact reads its tags: prefetch them.
    """

    email = Field(attribute="email", column_name="E-mail", widget=EmailWidget())
    phone = Field(attribute="phone", column_name="Phone", widget=PhoneWidget())
    first_name = Field(attribute="first_name", column_name="First name", widget=NameWidget())
    last_name = Field(attribute="last_name", column_name="Last name", widget=NameWidget())
    birthday = Field(attribute="birthday", column_name="Birthday", widget=BirthdayWidget())
    postal_code = Field(attribute="postal_code", column_name="Postal code", widget=PostalCodeWidget())
    tags = Field(column_name="Tags", widget=TagsWidget())
    email_status = Field(attribute="get_email_status_display", column_name="E-mail status", readonly=True)
    sms_status = Field(attribute="get_sms_status_display", column_name="SMS status", readonly=True)
    source = Field(attribute="get_source_display", column_name="Source", readonly=True)
    created_at = Field(attribute="created_at", column_name="Added", readonly=True)

    class Meta:
        model = Contact
        fields = EXPORT_COLUMNS
        export_order = EXPORT_COLUMNS

    def dehydrate_tags(self, contact: Contact) -> str:
        return ", ".join(sorted(tag.name for tag in contact.tags.all()))

    def dehydrate_created_at(self, contact: Contact) -> str:
        return contact.created_at.isoformat(sep=" ", timespec="seconds")


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
    shown = resources.Diff(values, _shown(before or after, names), False)
    shown.compare_with(values, _shown(after, names))
    return [(FIELDS.get(name, name), _plain(html)) for name, html in zip(names, shown.as_html(), strict=True)]


def _shown(values: Mapping[str, str], names: list[str]) -> dict[str, str]:
    return {name: values.get(name, "").replace(f"{UNKNOWN_YEAR}-", "--", 1) if name == "birthday"
            else values.get(name, "") for name in names}  # fmt: skip


def _plain(html: str) -> SafeString:
    """Take away the inline styles, which the content security policy refuses; `<ins>` and `<del>` say enough."""
    styles = (' style="background:#e6ffe6;"', ' style="background:#ffe6e6;"')
    for style in styles:
        html = html.replace(f"<ins{style}>", "<ins>").replace(f"<del{style}>", "<del>")
    return mark_safe(html)  # noqa: S308 - diff-match-patch escapes the texts
