"""Messages of which nobody knows what became: a person decides, one by one or for all of them."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns.admin.pages import CampaignPages, status_badge
from campaigns.models import Campaign
from campaigns.services import NotPossible
from contacts import sentences
from contacts.admin.base import people, people_kept
from messaging import services
from messaging.queries import undecided, unknown_page

Status = Campaign.Status
MOST_DIGITS = 19  # of a number the database can hold

SENT_AGAIN = sentences.kept("Sent once more to %(people)s, though nobody knew whether they had it.")
LEFT = sentences.kept("Left as not known: %(people)s.")


class UnknownPages(CampaignPages):
    """The list of them, with "Send anyway" and "Leave"."""

    def unknown_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [path("<int:pk>/unknown/", wrap(self.unknown_view), name="campaigns_campaign_unknown")]

    def unknown_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        campaign = self._campaign(request, pk, view_only=True)
        if not request.user.has_perm("contacts.view_contact"):
            raise PermissionDenied  # it lists people
        if request.method == "POST":
            return self._decide(request, self._campaign_to_send(request, pk))
        number = request.GET.get("page", "")
        rows, pages = unknown_page(campaign, int(number) if _is_id(number) else 1)
        context = {
            "title": _("Sent or not?"),
            "campaign": campaign,
            "status": status_badge(campaign),
            "rows": rows,
            "pages": range(1, pages + 1) if pages > 1 else (),
            "count": undecided(campaign).count(),
            "may_decide": self.may_send(request) and self.may_change(request),
            "may_resend": campaign.status != Status.CANCELLED,
        }
        return self._page(request, "unknown", context)

    def _decide(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        word, _dash, which = request.POST.get("do", "").partition("-")
        ids = None if which == "all" else [int(text) for text in request.POST.getlist("id") if _is_id(text)]
        if word not in {"send", "leave"} or ids == []:
            self.message_user(request, _("Nothing was changed: tick the messages first."), messages.WARNING)
        else:
            try:
                history, done = self._send_anyway(campaign, ids) if word == "send" else self._leave(campaign, ids)
            except NotPossible as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                self.log_change(request, campaign, history)
                self.message_user(request, done)
        return HttpResponseRedirect(reverse("admin:campaigns_campaign_unknown", args=[campaign.pk]))

    def _send_anyway(self, campaign: Campaign, ids: list[int] | None) -> tuple[str, str]:
        """Return what the history says, in English, and what is said now."""
        result = services.send_anyway(campaign, at=timezone.now(), ids=ids)
        campaign.refresh_from_db()
        words = _("It is sent once more to %(people)s.")
        if campaign.status == Status.PAUSED:
            words = _("It is sent once more to %(people)s when you resume it.")
        words %= {"people": people(result.queued)}
        history = SENT_AGAIN % {"people": people_kept(result.queued)}
        if not result.kept:
            return history, words
        kept = _("Left out: %(people)s, who agree no more or cannot be reached.") % {"people": people(result.kept)}
        return history, f"{words} {kept}"

    def _leave(self, campaign: Campaign, ids: list[int] | None) -> tuple[str, str]:
        count = services.leave(campaign, at=timezone.now(), ids=ids)
        words = ngettext(
            "%(count)s message stays as not known. You are not asked again.",
            "%(count)s messages stay as not known. You are not asked again.",
            count,
        )
        return LEFT % {"people": people_kept(count)}, words % {"count": f"{count:,}"}


def _is_id(text: str) -> bool:
    return text.isdecimal() and len(text) < MOST_DIGITS
