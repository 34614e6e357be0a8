"""A second pair of eyes: a launch to many people that waits for somebody else, and what that person does about it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_POST

from campaigns.admin.pages import CampaignPages, page_of
from campaigns.models import Approval, Campaign
from campaigns.queries import APPROVE, approval_of
from campaigns.services import Blocked, NotPossible
from contacts.admin.base import people, people_kept
from contacts.sentences import kept
from messaging import services

ASKED = kept("Asked for approval, for %(people)s.")
APPROVED = kept("Approved for %(people)s.")


def name_of(user: Any) -> str:
    """Return what a colleague is called on a page: their name, or else the name they sign in with."""
    return (user.get_full_name() or user.get_username()) if user else _("Somebody who is gone")


def when_words(approval: Approval) -> str:
    if approval.starts_at is None:
        return _("as soon as it is approved")
    return _("on %(when)s") % {"when": formats.date_format(timezone.localtime(approval.starts_at), "DATETIME_FORMAT")}


class ApprovalPages(CampaignPages):
    """Approve what a colleague asks to send, or send it back."""

    def approval_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/approve/", wrap(require_POST(self.approve_view)), name="campaigns_campaign_approve"),
            path("<int:pk>/send-back/", wrap(require_POST(self.send_back_view)), name="campaigns_campaign_send_back"),
        ]

    def approval_context(self, request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
        """Return what the pages of a draft say of an approval it waits for, or has."""
        approval = approval_of(campaign)
        if approval is None:
            return {}
        is_own = approval.asked_by_id == request.user.pk
        waits = approval.approved_at is None
        return {
            "approval": approval,
            "approval_asked_by": name_of(approval.asked_by),
            "approval_approved_by": "" if waits else name_of(approval.approved_by),
            "approval_size": people(approval.size),
            "approval_when": when_words(approval),
            "approval_waits": waits,
            "may_approve": waits and not is_own and request.user.has_perm(APPROVE),
            "may_send_back": waits and (is_own or request.user.has_perm(APPROVE)),
        }

    def ask(self, request: HttpRequest, campaign: Campaign, *, starts_at: Any, spread_minutes: int) -> bool:
        """Ask for a second person instead of launching; say so."""
        try:
            approval = services.ask_approval(
                campaign,
                at=timezone.now(),
                by=request.user,  # type: ignore[arg-type]  # admin_view lets nobody anonymous in
                starts_at=starts_at,
                spread_minutes=spread_minutes,
            )
        except (Blocked, NotPossible) as error:
            self.message_user(request, str(error), messages.ERROR)
            return False
        self.log_change(request, campaign, ASKED % {"people": people_kept(approval.size)})
        said = _("Nothing is sent yet: it waits until somebody else approves it. It is on their dashboard.")
        self.message_user(request, said, messages.WARNING)
        return True

    def approve_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Launch what a colleague asked for, on one's own word."""
        campaign = self._campaign(request, pk, view_only=True)
        if not request.user.has_perm(APPROVE):
            raise PermissionDenied
        at = timezone.now()
        try:
            launched = services.approve(
                campaign,
                at=at,
                by=request.user,  # type: ignore[arg-type]
                earliest=at + timedelta(seconds=settings.LAUNCH_UNDO_S),
            )
        except (Blocked, NotPossible) as error:
            self.message_user(request, str(error), messages.ERROR)
            return self._to_the_review(campaign)
        size = people(launched.size_at_launch or 0)
        self.log_change(request, launched, APPROVED % {"people": people_kept(launched.size_at_launch or 0)})
        self.message_user(request, _("Approved: it goes to %(size)s.") % {"size": size})
        return page_of(launched)

    def send_back_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Refuse what a colleague asked for, or ask no more oneself."""
        campaign = self._campaign(request, pk, view_only=True)
        if not self.approval_context(request, campaign).get("may_send_back"):
            raise PermissionDenied
        try:
            services.send_back(campaign)
        except NotPossible as error:
            self.message_user(request, str(error), messages.ERROR)
            return page_of(campaign)
        self.log_change(request, campaign, gettext_noop("Sent back, not approved."))
        self.message_user(request, _("It is a draft as before, and nothing was sent."))
        return page_of(campaign)

    def _to_the_review(self, campaign: Campaign) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:campaigns_campaign_review", args=[campaign.pk]))
