"""The page "Quiet hours": when texts go out, by law and by the shop's own wish."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import time
from typing import TYPE_CHECKING, NamedTuple

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.models import AuditEvent, Business
from contacts.places import STATES as STATE_NAMES
from contacts.services import audit, save_business
from messaging.admin.guarded import guarded
from messaging.windows import DEFAULT, STATES, Hours, daily, strict_hours, within

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite

EARLIEST, LATEST = (9, 10, 11, 12), (17, 18, 19, 20)  # between them every state has hours, so nobody is shut out


class HoursForm(forms.Form):
    texts_from = forms.TypedChoiceField(label=gettext_lazy("No text before"), coerce=int)
    texts_until = forms.TypedChoiceField(label=gettext_lazy("No text from … on"), coerce=int)

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        for name, hours in (("texts_from", EARLIEST), ("texts_until", LATEST)):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [(hour, clock(hour)) for hour in hours]


class Row(NamedTuple):
    """States with the same hours: their names, and the hours of a weekday, a Saturday and a Sunday."""

    states: str
    weekdays: str
    saturdays: str
    sundays: str


def hours_urls(site: AdminSite) -> list[URLPattern]:
    return [path("quiet-hours/", guarded(site, hours_view, "GET", "HEAD", "POST"), name="messaging_hours")]


def hours_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show when texts go out; a POST changes what the shop adds to the law."""
    business = Business.load()
    now = {"texts_from": business.texts_from, "texts_until": business.texts_until}
    form = HoursForm(request.POST if request.method == "POST" else None, initial=now, label_suffix="")
    if request.method == "POST" and form.is_valid():
        if form.cleaned_data != now:
            business.texts_from, business.texts_until = (
                form.cleaned_data["texts_from"],
                form.cleaned_data["texts_until"],
            )
            save_business(business)
            audit(AuditEvent.Action.SETTINGS, detail=f"quiet hours: {business.texts_from} to {business.texts_until}")
        words = _("Texts go out from %(first)s to %(last)s where each guest is, from the next one on.")
        messages.success(request, words % {"first": clock(business.texts_from), "last": clock(business.texts_until)})
        return HttpResponseRedirect(reverse("admin:messaging_hours", current_app=site.name))
    own = daily(business.texts_from, business.texts_until)
    context = {
        **site.each_context(request),
        "title": _("Quiet hours"),
        "form": form,
        "first": clock(business.texts_from),
        "last": clock(business.texts_until),
        "law_first": clock(DEFAULT.weekdays[0]),
        "law_last": clock(DEFAULT.weekdays[1]),
        "is_narrower": own != DEFAULT,
        "everywhere": spans(within(DEFAULT, own)),
        "rows": list(narrower(own)),
        "zone": business.timezone,
    }
    return TemplateResponse(request, "admin/messaging/hours.html", context)


def narrower(own: Hours) -> Iterable[Row]:
    """Return the states in which less is allowed than elsewhere, those with the same hours together."""
    groups: dict[Hours, list[str]] = {}
    for state in STATES:
        hours = within(strict_hours(state), own)
        if hours != within(DEFAULT, own):
            groups.setdefault(hours, []).append(STATE_NAMES.get(state, state))
    return (Row(", ".join(sorted(names)), *spans(hours)) for hours, names in sorted(groups.items()))


def spans(hours: Hours) -> list[str]:
    """`9 a.m. to 8 p.m.`, for weekdays, Saturdays and Sundays."""
    words = _("%(first)s to %(last)s")
    return [words % {"first": clock(first), "last": clock(last)} for first, last in hours]


def clock(hour: int) -> str:
    """`9 a.m.`, in the language of the moment."""
    return formats.time_format(time(hour), "TIME_FORMAT")
