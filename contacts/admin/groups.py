"""Tags, and the saved questions made of them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import PROTECT, Count, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from contacts.admin.base import Number, PlainAdmin
from contacts.channels import Channel
from contacts.models import ContactTag, Segment, Tag
from contacts.queries import audience_contacts, reachable


def chips(names: list[str]) -> SafeString:
    return format_html_join(" ", '<span class="chip">{}</span>', ((name,) for name in names))


def keepers(obj: Model) -> list[str]:
    """Name what forbids the deletion of a row, by the kind of thing: `2 campaigns`."""
    found = []
    for relation in obj._meta.related_objects:
        if relation.on_delete is not PROTECT:
            continue
        meta = relation.related_model._meta
        count = relation.related_model._default_manager.filter(**{relation.field.name: obj}).count()
        if count:
            found.append(f"{count} {meta.verbose_name if count == 1 else meta.verbose_name_plural}")
    return found


@admin.register(Tag)
class TagAdmin(PlainAdmin[Tag]):
    list_display = ("name", "people")
    search_fields = ("name",)
    sortable_by = ("name",)
    fields = ("name",)
    actions = None
    empty_title = "No tags yet"
    empty_text = "A tag is a label on people, such as “Birthday club” or “Lunch”. Campaigns can go to one tag only."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tag]:
        return super().get_queryset(request).annotate(people_count=Count("contacttag"))

    @admin.display(description="People")
    def people(self, tag: Tag) -> SafeString:
        url = reverse("admin:contacts_contact_changelist")
        count: int = getattr(tag, "people_count", 0)
        return format_html('<a href="{}?tag={}">{}</a>', url, tag.pk, f"{count:,}")

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Say how many people lose the tag; naming each of a hundred thousand would not help anyone."""
        tagged = ContactTag.objects.filter(tag__in=[tag.pk for tag in objs]).count()
        lines = [f"Tag: {tag}" for tag in objs] + [f"It is taken off {tagged:,} contacts; the contacts stay."]
        protected = [f"{tag} is used by {keeper}" for tag in objs for keeper in keepers(tag)]
        return lines, {"tags": len(objs)}, set(), protected


class SegmentForm(forms.ModelForm[Segment]):
    tags = forms.ModelMultipleChoiceField(
        Tag.objects.all(),
        label="People who have all of these tags",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: everybody.",
    )

    class Meta:
        model = Segment
        fields = ["name"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rules = self.instance.rules or {}
        self.initial.setdefault("tags", [rule["tag"] for rule in rules.get("all", [])])

    def save(self, commit: bool = True) -> Segment:
        chosen = [{"tag": tag.pk} for tag in self.cleaned_data["tags"]]
        self.instance.rules = {"all": chosen} if chosen else {}
        return super().save(commit)


@admin.register(Segment)
class SegmentAdmin(PlainAdmin[Segment]):
    form = SegmentForm
    list_display = ("name", "tag_names")
    search_fields = ("name",)
    sortable_by = ("name",)
    actions = None
    change_form_template = "admin/contacts/segment/change_form.html"
    empty_title = "No segments yet"
    empty_text = "A segment is a saved question, such as everybody with both “Lunch” and “Birthday club”."

    readonly_fields = ("tag_names",)

    def get_fields(self, request: HttpRequest, obj: Segment | None = None) -> tuple[str, ...]:
        may_change = self.has_add_permission(request) if obj is None else self.has_change_permission(request, obj)
        return ("name", "tags") if may_change else ("name", "tag_names")

    @admin.display(description="People with all of")
    def tag_names(self, segment: Segment) -> str | SafeString:
        chosen = [rule["tag"] for rule in (segment.rules or {}).get("all", [])]
        names = Tag.objects.in_bulk(chosen)
        return chips([names[pk].name if pk in names else "a deleted tag" for pk in chosen]) or "everybody"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        segment = self.get_object(request, object_id)
        sizes = segment_sizes(segment) if segment else []
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "numbers": sizes})


def segment_sizes(segment: Segment) -> list[Number]:
    """Count the people of a segment, and those of them who may be written to. Three queries."""
    rules = segment.rules or {}
    return [
        Number("People in this segment", audience_contacts(rules).count()),
        Number("Can get e-mail", reachable(rules, Channel.EMAIL).count()),
        Number("Can get SMS", reachable(rules, Channel.SMS).count()),
    ]
