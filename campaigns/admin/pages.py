"""What the pages of one campaign share: who may see it, its badge, its numbers."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.models import Campaign
from contacts.admin.base import Number, PlainAdmin, badge
from messaging.queries import Progress

Status = Campaign.Status
STATUS_KINDS = {
    Status.DRAFT: "quiet",
    Status.SCHEDULED: "info",
    Status.SENDING: "info",
    Status.PAUSED: "warn",
    Status.SENT: "ok",
    Status.CANCELLED: "quiet",
}
FINAL = {Status.SENT, Status.CANCELLED}
COUNT_LABELS = {
    "delivered": (gettext_lazy("Delivered"), "good"),
    "accepted": (gettext_lazy("Sent, not confirmed yet"), ""),
    "queued": (gettext_lazy("Waiting"), ""),
    "sending": (gettext_lazy("On its way"), ""),
    "bounced": (gettext_lazy("Bounced"), "poor"),
    "failed": (gettext_lazy("Failed"), "poor"),
    "skipped": (gettext_lazy("Left out"), ""),
    "unknown": (gettext_lazy("Not known"), "poor"),
    "complained": (gettext_lazy("Marked as spam"), "poor"),
    "cancelled": (gettext_lazy("Cancelled"), ""),
}
ALWAYS_SHOWN = {"delivered", "accepted", "queued"}


def status_badge(campaign: Campaign) -> SafeString:
    status = Status(campaign.status)
    return badge(STATUS_KINDS[status], status.label)


def count_numbers(now: Progress) -> list[Number]:
    """Return the counts that add up to the audience; those that are nought stay away, but for the usual three.

    Where all is sent and no delivery was reported, nought delivered would read as a failure: it stays away too.
    """
    usual = ALWAYS_SHOWN - {"delivered"} if unreported(now) and now.done == now.audience else ALWAYS_SHOWN
    return [
        Number(str(label), now.counts[key], kind if now.counts[key] else "", key)
        for key, (label, kind) in COUNT_LABELS.items()
        if now.counts[key] or key in usual
    ]


def with_lists(numbers: list[Number], campaign: Campaign) -> list[Number]:
    """Let each count lead to the list of its people."""
    messages = reverse("admin:messaging_message_changelist")
    return [
        number._replace(url=f"{messages}?campaign__id__exact={campaign.pk}&status__exact={number.key}")
        if number.value
        else number
        for number in numbers
    ]


def reasons(now: Progress) -> list[dict[str, str]]:
    """Return why people got nothing, or why nobody knows, by state."""
    return [
        {"state": str(COUNT_LABELS[status][0]), "why": f"{why[:1].upper()}{why[1:]}", "text": f"{count:,}"}
        for status, why, count in now.by_reason
    ]


def unreported(now: Progress) -> bool:
    """Say whether messages left and none was reported as delivered: SMTP and the outbox never report."""
    return now.counts["accepted"] > 0 and not now.delivered


def progress_line(campaign: Campaign, now: Progress) -> str:
    if not now.audience:
        return _("Never started") if campaign.status in FINAL else _("Not started yet")
    return _("%(done)s of %(all)s done") % {"done": f"{now.done:,}", "all": f"{now.audience:,}"}


def page_of(campaign: Campaign) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:campaigns_campaign_change", args=[campaign.pk]))


class CampaignPages(PlainAdmin[Campaign]):
    """Pages of their own beside the form."""

    def may_change(self, request: HttpRequest) -> bool:
        return request.user.has_perm("campaigns.change_campaign")

    def may_send(self, request: HttpRequest) -> bool:
        return request.user.has_perm("campaigns.send_campaign")

    def may_test(self, request: HttpRequest) -> bool:
        return request.user.has_perm("campaigns.test_campaign") or self.may_send(request)

    def _campaign(self, request: HttpRequest, pk: int, *, view_only: bool = False) -> Campaign:
        """Return a campaign this user may see, or change. Raises Http404 and PermissionDenied."""
        campaign = self.get_object(request, str(pk))
        if campaign is None:
            raise Http404
        allowed = self.has_view_permission(request, campaign) if view_only else self.may_change(request)
        if not allowed:
            raise PermissionDenied
        return campaign

    def _campaign_to_send(self, request: HttpRequest, pk: int) -> Campaign:
        """Return a campaign this user may send, pause and end. Raises Http404 and PermissionDenied."""
        campaign = self._campaign(request, pk)
        if not self.may_send(request):
            raise PermissionDenied
        return campaign

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        everywhere = {**self.admin_site.each_context(request), "opts": self.opts}
        return TemplateResponse(request, f"admin/campaigns/campaign/{name}.html", {**everywhere, **context})
