"""Two rows that are one person: find the other one, look at both, choose, merge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from contacts.admin.people.actions import MERGED, PersonActions, back_to
from contacts.admin.people.finding import find_contacts
from contacts.admin.people.forms import MergeSearchForm
from contacts.admin.people.reveal import reveal
from contacts.admin.searching import SearchRefused
from contacts.models import Contact
from contacts.services import NotTwoContacts, merge
from contacts.services.merging import CHOSEN_FIELDS

CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class Choice:
    """A field in which the two may differ; `is_open` where both have a value and they are not the same."""

    name: str
    label: str
    kept: Any
    gone: Any
    is_address: bool

    @property
    def is_open(self) -> bool:
        return bool(self.kept and self.gone and self.kept != self.gone)


class MergePages(PersonActions):
    def merge_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/merge/", wrap(self.merge_search_view), name="contacts_contact_merge"),
            path(
                "<int:pk>/merge/<int:other>/look/",
                wrap(require_POST(self.merge_look_view)),
                name="contacts_contact_merge_look",
            ),
            path("<int:pk>/merge/<int:other>/", wrap(self.merge_view), name="contacts_contact_merge_with"),
        ]

    def merge_search_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Find the other one. The words are posted and answered at once; they are kept nowhere."""
        contact = self._mergeable(request, pk)
        form = MergeSearchForm(request.POST or None, label_suffix="")
        others: list[Contact] = []
        searched = request.method == "POST" and form.is_valid()
        if searched:
            others = self._others(request, contact, form)
        return self.person_page(
            request, "merge", contact, title=_("Merge with…"), form=form, others=others, searched=searched
        )

    def _others(self, request: HttpRequest, contact: Contact, form: MergeSearchForm) -> list[Contact]:
        try:
            ids = find_contacts(form.cleaned_data["text"], numbers=True)
        except SearchRefused as refusal:
            form.add_error("text", str(refusal))
            return []
        found = Contact.objects.filter(pk__in=ids).exclude(pk=contact.pk).order_by("-pk")[:CANDIDATES]
        return list(found.defer(*Contact.DETAIL_FIELDS))

    def merge_look_view(self, request: HttpRequest, pk: int, other: int) -> HttpResponse:
        """Show both in full, which is written down, and lead to the comparison."""
        for contact in (self._mergeable(request, pk), self._mergeable(request, other)):
            reveal(request, contact, at=timezone.now())
        return HttpResponseRedirect(reverse("admin:contacts_contact_merge_with", args=[pk, other]))

    def merge_view(self, request: HttpRequest, pk: int, other: int) -> HttpResponse:
        """Show both side by side; a POST merges `other` into the contact of the page."""
        kept, gone = self._mergeable(request, pk), self._mergeable(request, other)
        if kept.pk == gone.pk:
            raise Http404
        if request.method == "POST":
            return self._merge(request, kept, gone)
        if not (self.shows(request, kept) and self.shows(request, gone)):
            return HttpResponseRedirect(reverse("admin:contacts_contact_merge", args=[pk]))
        choices = [_choice(name, kept, gone) for name in CHOSEN_FIELDS]
        return self.person_page(
            request,
            "merge_with",
            kept,
            title=_("Merge two contacts"),
            other=gone,
            choices=choices,
            loses_address=any(choice.is_address and choice.is_open for choice in choices),
            two_of_each=all(choice.is_open for choice in choices if choice.is_address),
        )

    def _merge(self, request: HttpRequest, kept: Contact, gone: Contact) -> HttpResponse:
        take = [name for name in CHOSEN_FIELDS if request.POST.get(name) == "other"]
        try:
            actor: Any = request.user
            merge(kept.pk, gone.pk, take=take, at=timezone.now(), actor=actor)
        except NotTwoContacts:
            self.message_user(request, _("One of the two is not there any more. Nothing was changed."), level="WARNING")
            return HttpResponseRedirect(reverse("admin:contacts_contact_changelist"))
        self.log_change(request, kept, MERGED % {"pk": gone.pk})
        self.message_user(request, _("Contact %(number)s is now part of this one.") % {"number": gone.pk})
        return back_to(kept)

    def _mergeable(self, request: HttpRequest, pk: int) -> Contact:
        if not self.may_change(request):
            raise PermissionDenied
        return self.contact_or_404(request, pk)


def _choice(name: str, kept: Contact, gone: Contact) -> Choice:
    label = str(capfirst(getattr(Contact._meta.get_field(name), "verbose_name", name)))
    is_address = name in Contact.ADDRESS_FIELDS.values()
    return Choice(name, label, getattr(kept, name), getattr(gone, name), is_address)
