"""What can be done to many contacts at once: chosen in the list, asked for on a small page, done as a job."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.admin.base import PlainAdmin, people
from contacts.models import Contact, Job, Tag
from contacts.services.jobs import MAX_IDS, JobRefused, Selection, filters_selection, ids_selection, selected

Kind = Job.Kind

PERMISSIONS = {
    Kind.TAG: "contacts.change_contact",
    Kind.UNTAG: "contacts.change_contact",
    Kind.EXPORT: "contacts.export_contact",
    Kind.ERASE: "contacts.erase_contact",
}
# The list's filters that a job can hold; what else is chosen is held as the people themselves.
FILTERS = {
    "email_status": "email_status",
    "email_status__exact": "email_status",
    "sms_status": "sms_status",
    "sms_status__exact": "sms_status",
    "source": "source",
    "source__exact": "source",
    "tag": "tag",
    "import": "import",
}
NOT_FILTERS = {"o", "p", "all", "e", "_facets"}  # how the list is shown, not whom it shows
SALT = "contacts.bulk"
VALID_FOR_S = 24 * 3600
TOO_MANY = gettext_lazy(
    "This search keeps more than %(most)s people, which is too many for one job. Filter by tag, state or source "
    "alone, or tick fewer people."
)


def may_start(request: HttpRequest, kind: Job.Kind) -> bool:
    return request.user.has_perm(PERMISSIONS[kind])


# --- The small page ---


class TagForm(forms.Form):
    """An existing tag, or the name of a new one."""

    tag = forms.ModelChoiceField(
        Tag.objects.all(), label=gettext_lazy("Tag"), required=False, empty_label=gettext_lazy("Choose a tag…")
    )
    new_tag = forms.CharField(
        label=gettext_lazy("Or a new tag"),
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, may_add: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not may_add:
            del self.fields["new_tag"]

    def clean(self) -> dict[str, Any]:
        chosen = [value for value in (self.cleaned_data.get("tag"), self.cleaned_data.get("new_tag")) if value]
        if not chosen and not self.errors:
            raise forms.ValidationError(
                _("Choose a tag.") if "new_tag" not in self.fields else _("Choose or name a tag.")
            )
        if len(chosen) > 1:
            raise forms.ValidationError(_("Choose a tag or name a new one, not both."))
        return self.cleaned_data


class UntagForm(forms.Form):
    tag = forms.ModelChoiceField(
        Tag.objects.all(), label=gettext_lazy("Tag"), empty_label=gettext_lazy("Choose a tag…")
    )


class ExportForm(forms.Form):
    format = forms.ChoiceField(
        label=gettext_lazy("File"),
        choices=[("csv", gettext_lazy("CSV, for every program")), ("xlsx", gettext_lazy("Excel (XLSX)"))],
        initial="csv",
        widget=forms.RadioSelect,
    )


class EraseForm(forms.Form):
    """The number of people, typed: `expected` is the number the page showed."""

    expected = forms.IntegerField(widget=forms.HiddenInput)
    typed = forms.CharField(widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}))

    def __init__(self, *args: Any, size: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.size = size
        self.fields["typed"].label = _("Type %(size)s to confirm") % {"size": size}

    def clean(self) -> dict[str, Any]:
        if "expected" in self.cleaned_data and self.cleaned_data["expected"] != self.size:
            raise forms.ValidationError(
                _("Meanwhile the number of people changed to %(size)s. Please look again and type it.")
                % {"size": f"{self.size:,}"}
            )
        return self.cleaned_data

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"]
        if typed.replace(",", "").strip() != str(self.size):
            raise forms.ValidationError(_("Type %(size)s, the number of people who are erased.") % {"size": self.size})
        return typed


TITLES = {
    Kind.TAG: gettext_lazy("Tag people"),
    Kind.UNTAG: gettext_lazy("Take a tag off"),
    Kind.EXPORT: gettext_lazy("Export people"),
    Kind.ERASE: gettext_lazy("Erase people for good"),
}
VERBS = {
    Kind.TAG: gettext_lazy("Tag"),
    Kind.UNTAG: gettext_lazy("Take it off"),
    Kind.EXPORT: gettext_lazy("Export"),
    Kind.ERASE: gettext_lazy("Erase"),
}
LEADS = {
    Kind.TAG: gettext_lazy("They keep the tags they have."),
    Kind.UNTAG: gettext_lazy("Their other tags stay."),
    Kind.EXPORT: (
        gettext_lazy(
            "The file has their full addresses, names, birthdays, tags and states. It is kept encrypted here, can be "
            "downloaded by you for 7 days, and that you made it is written down."
        )
    ),
    Kind.ERASE: (
        gettext_lazy(
            "All that is known about them is deleted and cannot be brought back. Their addresses are remembered only "
            "as fingerprints, so that an import cannot bring them back by mistake. Redemptions stay, without a name."
        )
    ),
}


def form_for(kind: Job.Kind, data: Any, *, request: HttpRequest, size: int) -> forms.Form:
    if kind == Kind.TAG:
        return TagForm(data, may_add=request.user.has_perm("contacts.add_tag"), label_suffix="")
    if kind == Kind.ERASE:
        return EraseForm(data, size=size, initial={"expected": size}, label_suffix="")
    return (UntagForm if kind == Kind.UNTAG else ExportForm)(data, label_suffix="")


def sign(selection: Selection) -> str:
    return signing.dumps(selection, salt=SALT, compress=True)


def unsign(text: str) -> Selection:
    """Return the selection of a page shown today. Raises django.core.signing.BadSignature."""
    selection: Selection = signing.loads(text, salt=SALT, max_age=VALID_FOR_S)
    return selection


def ask(
    admin_site: admin.AdminSite, request: HttpRequest, kind: Job.Kind, selection: Selection, form: forms.Form | None
) -> HttpResponse:
    """Show the page that asks what exactly is to be done, and says to how many."""
    size = selected(selection, at=timezone.now()).count()
    shown = form or form_for(kind, None, request=request, size=size)
    context = {
        **admin_site.each_context(request),
        "opts": Contact._meta,
        "title": TITLES[kind],
        "kind": kind.value,
        "lead": LEADS[kind],
        "verb": f"{VERBS[kind]} ({people(size)})" if kind == Kind.UNTAG else f"{VERBS[kind]} {people(size)}",
        "is_danger": kind == Kind.ERASE,
        "size": people(size),
        "expected": size,
        "form": shown,
        "signed": sign(selection),
        "action_url": reverse("admin:contacts_job_start", args=[kind.value]),
        "back_url": reverse("admin:contacts_contact_changelist"),
    }
    return TemplateResponse(request, "admin/contacts/job/start.html", context)


# --- Chosen in the list ---


def chosen(request: HttpRequest, queryset: QuerySet[Contact]) -> Selection:
    """Return what was chosen in the list: the people ticked, or "all" as the list's filters.

    A search finds few people, so they are held one by one; so are those a filter keeps that a job cannot hold.

    Raises JobRefused.
    """
    if request.POST.get("select_across") == "1":
        filters = _known_filters(request, queryset)
        if filters is not None:
            return filters_selection(filters)
    ids = list(queryset.order_by().values_list("pk", flat=True)[: MAX_IDS + 1])
    if len(ids) > MAX_IDS:
        raise JobRefused(TOO_MANY % {"most": f"{MAX_IDS:,}"})
    return ids_selection(ids)


def _known_filters(request: HttpRequest, queryset: QuerySet[Contact]) -> dict[str, Any] | None:
    """Return the list's filters as a job holds them; None where there is a search or a filter that it cannot hold.

    Read from the address itself, and held against the list: what is not understood must never mean everybody.
    """
    filters: dict[str, Any] = {}
    for name, values in request.GET.lists():
        if name in NOT_FILTERS:
            continue
        if name not in FILTERS or len(values) != 1 or FILTERS[name] in filters:
            return None
        filters[FILTERS[name]] = values[0]
    for name in {"tag", "import"} & filters.keys():
        if not filters[name].isdecimal():
            return None
        filters[name] = int(filters[name])
    kept = selected(filters_selection(filters), at=timezone.now()).count()
    return filters if kept == queryset.count() else None


class BulkActions(PlainAdmin[Contact]):
    """The list's actions on many contacts. A class that mixes this in leaves `actions` as it is here."""

    actions = ("tag_people", "untag_people", "export_people", "erase_people")
    actions_on_top = True
    actions_on_bottom = False

    def has_bulk_tag_permission(self, request: HttpRequest) -> bool:
        return may_start(request, Kind.TAG)

    def has_bulk_export_permission(self, request: HttpRequest) -> bool:
        return may_start(request, Kind.EXPORT)

    def has_bulk_erase_permission(self, request: HttpRequest) -> bool:
        return may_start(request, Kind.ERASE)

    @admin.action(description=gettext_lazy("Tag…"), permissions=["bulk_tag"])
    def tag_people(self, request: HttpRequest, queryset: QuerySet[Contact]) -> HttpResponse | None:
        return self._ask(request, Kind.TAG, queryset)

    @admin.action(description=gettext_lazy("Take a tag off…"), permissions=["bulk_tag"])
    def untag_people(self, request: HttpRequest, queryset: QuerySet[Contact]) -> HttpResponse | None:
        return self._ask(request, Kind.UNTAG, queryset)

    @admin.action(description=gettext_lazy("Export…"), permissions=["bulk_export"])
    def export_people(self, request: HttpRequest, queryset: QuerySet[Contact]) -> HttpResponse | None:
        return self._ask(request, Kind.EXPORT, queryset)

    @admin.action(description=gettext_lazy("Erase for good…"), permissions=["bulk_erase"])
    def erase_people(self, request: HttpRequest, queryset: QuerySet[Contact]) -> HttpResponse | None:
        return self._ask(request, Kind.ERASE, queryset)

    def _ask(self, request: HttpRequest, kind: Job.Kind, queryset: QuerySet[Contact]) -> HttpResponse | None:
        if not may_start(request, kind):
            raise PermissionDenied
        try:
            selection = chosen(request, queryset)
        except JobRefused as error:
            self.message_user(request, str(error), messages.ERROR)
            return None
        return ask(self.admin_site, request, kind, selection, None)
