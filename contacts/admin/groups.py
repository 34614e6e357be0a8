"""Tags, and the saved questions made of them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import PROTECT, Count, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from contacts.admin.base import Number, PlainAdmin, badge
from contacts.admin.builder import UNREADABLE, RulesField, typed
from contacts.models import Contact, ContactTag, Segment, Tag
from contacts.queries import audience_sizes, examples, names_for, segments_asking
from contacts.segments import FIELDS, Group, SegmentError, gone, includes_never, parse, rules_of, to_json, words

GONE = gettext_lazy(
    "Segment “%(segment)s” asks for it: being tagged with it will be true of nobody, and not being tagged of everybody."
)
LIVE = "admin/contacts/segment/live.html"
NO_RULES = gettext_lazy(
    "Add a rule. For everybody, choose “Everyone who is subscribed” in the campaign instead of a segment."
)
VISITS = {"redeemed", "redemptions", "spend"}


def chips(names: list[str]) -> SafeString:
    return format_html_join(" ", '<span class="chip">{}</span>', ((name,) for name in names))


def keepers(obj: Model) -> list[str]:
    """Name what forbids the deletion of a row, by the kind of thing: `2 campaigns`."""
    found: dict[type[Model], set[Any]] = {}
    for relation in obj._meta.related_objects:
        if relation.on_delete is PROTECT:
            rows = relation.related_model._default_manager.filter(**{relation.field.name: obj})
            found.setdefault(relation.related_model, set()).update(rows.values_list("pk", flat=True))
    counted = [(model._meta, len(rows)) for model, rows in found.items() if rows]
    return [f"{count} {meta.verbose_name if count == 1 else meta.verbose_name_plural}" for meta, count in counted]


@admin.register(Tag)
class TagAdmin(PlainAdmin[Tag]):
    list_display = ("name", "people")
    search_fields = ("name",)
    sortable_by = ("name",)
    fields = ("name",)
    actions = None
    empty_title = gettext_lazy("No tags yet")
    empty_text = gettext_lazy(
        "A tag is a label on people, such as “Birthday club” or “Lunch”. Campaigns can go to one tag only."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tag]:
        return super().get_queryset(request).annotate(people_count=Count("contacttag"))

    @admin.display(description=gettext_lazy("People"))
    def people(self, tag: Tag) -> SafeString:
        url = reverse("admin:contacts_contact_changelist")
        count: int = getattr(tag, "people_count", 0)
        return format_html('<a href="{}?tag={}">{}</a>', url, tag.pk, f"{count:,}")

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Say how many people lose the tag; naming each of a hundred thousand would not help anyone."""
        tagged = ContactTag.objects.filter(tag__in=[tag.pk for tag in objs]).count()
        off = ngettext(
            "It is taken off %(count)s contact; the contact stays.",
            "It is taken off %(count)s contacts; the contacts stay.",
            tagged,
        )
        lines = [_("Tag: %(tag)s") % {"tag": tag} for tag in objs] + [off % {"count": f"{tagged:,}"}]
        for tag in objs:
            lines += [GONE % {"segment": segment} for segment in segments_asking("tag", tag.pk)]
        used = _("%(tag)s is used by %(keeper)s")
        protected = [used % {"tag": tag, "keeper": keeper} for tag in objs for keeper in keepers(tag)]
        return lines, {"tags": len(objs)}, set(), protected


class SegmentForm(forms.ModelForm[Segment]):
    rules = RulesField(label=gettext_lazy("Who is in it"), required=False)

    class Meta:
        model = Segment
        fields = ["name", "rules"]

    def clean_rules(self) -> dict[str, Any]:
        """Refuse a question without rules: it would be everybody. One that was so before may stay so."""
        rules: dict[str, Any] = self.cleaned_data["rules"]
        was_so = not self.instance._state.adding and to_json_or_none(self.initial.get("rules")) == {}
        if not rules and not was_so:
            raise ValidationError(NO_RULES, code="no_rules")
        return rules


def to_json_or_none(rules: Any) -> dict[str, Any] | None:
    """Return saved rules in the shape of today; None: they cannot be read."""
    try:
        return to_json(parse(rules))
    except SegmentError:
        return None


class SegmentList(ChangeList):
    """A page of segments with what each of them asks, in words: two queries for all of them together."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        page: list[Any] = list(self.result_list)
        questions = {segment.pk: _question(segment) for segment in page}
        names = names_for(*(question for question in questions.values() if question))
        for segment in page:
            question = questions[segment.pk]
            segment.in_words = words(question, names) if question else UNREADABLE
            segment.gone = bool(question and gone(question, names))
        self.result_list = page


def _question(segment: Segment) -> Group | None:
    try:
        return parse(segment.rules)
    except SegmentError:
        return None


@admin.register(Segment)
class SegmentAdmin(PlainAdmin[Segment]):
    form = SegmentForm
    list_display = ("name", "asks")
    search_fields = ("name",)
    sortable_by = ("name",)
    actions = None
    change_form_template = "admin/contacts/segment/change_form.html"
    empty_title = gettext_lazy("No segments yet")
    empty_text = gettext_lazy("A segment is a saved question, such as everybody who redeemed three deals or more.")
    instead_of_deleting = gettext_lazy("A segment can be renamed, and nobody needs to use it again.")

    readonly_fields = ("asks",)

    def get_fields(self, request: HttpRequest, obj: Segment | None = None) -> tuple[str, ...]:
        return ("name", "rules") if self._may_build(request, obj) else ("name", "asks")

    def _may_build(self, request: HttpRequest, obj: Segment | None = None) -> bool:
        return self.has_add_permission(request) if obj is None else self.has_change_permission(request, obj)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SegmentList

    @admin.display(description=gettext_lazy("Who is in it"))
    def asks(self, segment: Segment) -> str | SafeString:
        if (line := getattr(segment, "in_words", None)) is None:
            question = _question(segment)
            return words(question, names_for(question)) if question else str(UNREADABLE)
        return format_html("{} {}", line, badge("warn", _("Asks for what was deleted"))) if segment.gone else str(line)  # type: ignore[attr-defined]

    def get_urls(self) -> list[URLPattern]:
        live = self.admin_site.admin_view(require_POST(self.live_view))
        return [path("live/", live, name="contacts_segment_live"), *super().get_urls()]

    def live_view(self, request: HttpRequest) -> HttpResponse:
        """Answer the page, while rules are typed, with how many people they find and ten of them."""
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        try:
            rules = RulesField(required=False).clean(typed(request.POST, "rules"))
        except ValidationError:
            return render(request, LIVE, {"incomplete": True})
        return render(request, LIVE, findings(request, rules))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        segment = self.get_object(request, object_id)
        question = _question(segment) if segment and self.has_view_permission(request, segment) else None
        found = findings(request, to_json(question)) if question is not None else {}
        used = keepers(segment) if segment else []
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **found, "used": used})

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        found = findings(request, {}) if request.method == "GET" and self.has_add_permission(request) else {}
        return super().add_view(request, form_url, {**(extra_context or {}), **found})


def findings(request: HttpRequest, rules: dict[str, Any]) -> dict[str, Any]:
    """Return what a question finds now: the numbers, the question in words, and ten people, the newest first.

    The people are for those who may see contacts, with the name and the masked addresses of the contact list.
    """
    at = timezone.now()
    question = parse(rules)
    names = names_for(question)
    sizes = audience_sizes(rules, at=at)
    may_see = request.user.has_perm("contacts.view_contact")
    return {
        "numbers": [
            Number(_("People in this segment"), sizes.people),
            Number(_("Can get e-mail"), sizes.email),
            Number(_("Can get SMS"), sizes.sms),
        ],
        "in_words": words(question, names),
        "gone": gone(question, names),
        "never_too": [FIELDS[name].label for name in includes_never(question)],
        "waits_for_visits": not sizes.people and any(rule.field in VISITS for rule in rules_of(question)),
        "may_see": may_see,
        "examples": [(name_of(contact), contact.masked) for contact in examples(rules, at=at)] if may_see else [],
    }


def name_of(contact: Contact) -> str:
    return f"{contact.first_name or ''} {contact.last_name or ''}".strip()
