"""From review to sent: the last page before sending, and the page of a campaign on its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import formats, timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from campaigns.admin.forms import TYPE_ABOVE, ReviewForm
from campaigns.admin.preview import checks_of, facts
from campaigns.models import Campaign
from campaigns.queries import SAMPLE, audience_size, audience_words, content_of, variant_of
from campaigns.rendering import ContentError
from campaigns.services import Blocked, NotPossible, copy_campaign
from contacts.admin.base import Number, PlainAdmin, badge, people
from contacts.channels import AddressError, Channel, mask_email, mask_phone
from contacts.models import Business
from messaging import services
from messaging.queries import Progress, progress

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
    "delivered": ("Delivered", "good"),
    "accepted": ("Sent, not confirmed yet", ""),
    "queued": ("Waiting", ""),
    "sending": ("On its way", ""),
    "bounced": ("Bounced", "poor"),
    "failed": ("Failed", "poor"),
    "skipped": ("Left out", ""),
    "unknown": ("Not known", "poor"),
    "complained": ("Marked as spam", "poor"),
    "cancelled": ("Cancelled", ""),
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
        Number(label, now.counts[key], kind if now.counts[key] else "", key)
        for key, (label, kind) in COUNT_LABELS.items()
        if now.counts[key] or key in usual
    ]


def unreported(now: Progress) -> bool:
    """Say whether messages left and none was reported as delivered: SMTP and the outbox never report."""
    return now.counts["accepted"] > 0 and not now.delivered


def progress_line(campaign: Campaign, now: Progress) -> str:
    if not now.audience:
        return "Never started" if campaign.status in FINAL else "Not started yet"
    return f"{now.done:,} of {now.audience:,} done"


class SendingPages(PlainAdmin[Campaign]):
    """Review, launch, pause, resume, cancel, copy; and the page that shows a campaign on its way."""

    def sending_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/review/", wrap(self.review_view), name="campaigns_campaign_review"),
            path("<int:pk>/progress/", wrap(self.progress_view), name="campaigns_campaign_progress"),
            path("<int:pk>/pause/", wrap(require_POST(self.pause_view)), name="campaigns_campaign_pause"),
            path("<int:pk>/resume/", wrap(require_POST(self.resume_view)), name="campaigns_campaign_resume"),
            path("<int:pk>/cancel/", wrap(require_POST(self.cancel_view)), name="campaigns_campaign_cancel"),
            path("<int:pk>/copy/", wrap(require_POST(self.copy_view)), name="campaigns_campaign_copy"),
        ]

    # --- Before ---

    def review_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show what is about to happen and to how many; launch where it is confirmed."""
        campaign = self._campaign(request, pk)
        if not request.user.has_perm("campaigns.send_campaign"):
            raise PermissionDenied
        if not campaign.is_editable:
            self.message_user(request, f"This campaign is {campaign.get_status_display().lower()} already.", "WARNING")
            return page_of(campaign)
        business, content = Business.load(), content_of(campaign, variant_of(campaign))
        size = audience_size(campaign, at=timezone.now())
        form = ReviewForm(request.POST or None, size=size, zone=business.timezone, label_suffix="")
        checks = checks_of(campaign, content)
        blocked = [check for check in checks if check.level == "block"]
        if request.method == "POST" and not blocked and form.is_valid():
            if self._launch(request, campaign, form):
                return page_of(campaign)
            return HttpResponseRedirect(request.path)
        context = {
            "title": "Review and send",
            "campaign": campaign,
            "subject": facts(campaign, content)["subject"] or content.subject,
            "sample_name": SAMPLE.first_name,
            "is_later": form["when"].value() == "later",
            "audience": audience_words(campaign),
            "size": people(size),
            "checks": checks,
            "blocked": blocked,
            "form": form,
            "asks_number": size > TYPE_ABOVE,
            "is_email": campaign.channel == Channel.EMAIL,
        }
        return self._page(request, "review", context)

    def _launch(self, request: HttpRequest, campaign: Campaign, form: ReviewForm) -> bool:
        try:
            launched = services.launch(
                campaign,
                at=timezone.now(),
                starts_at=form.start,
                by=request.user,  # type: ignore[arg-type]  # admin_view lets nobody anonymous in
            )
        except (Blocked, NotPossible) as error:
            self.message_user(request, str(error), messages.ERROR)
            return False
        self.log_change(request, launched, f"Launched for {people(form.size)}.")
        if form.start:
            when = formats.date_format(timezone.localtime(form.start), "N j, Y, P")
            self.message_user(request, f"Scheduled for {when}: it goes to {people(form.size)}.")
        else:
            self.message_user(request, f"On its way to {people(form.size)}.")
        return True

    def send_test(self, request: HttpRequest, campaign: Campaign, to: str) -> None:
        """Send the saved words to one address, and say what came of it."""
        shown = mask_email(to) if "@" in to else mask_phone(to)
        try:
            services.send_test(campaign, to=to)
        except AddressError as error:
            if campaign.channel == Channel.EMAIL and "@" not in to:
                why = "This campaign goes by e-mail; give an e-mail address."
            elif campaign.channel == Channel.SMS and "@" in to:
                why = "This campaign goes by SMS; give a phone number."
            else:
                why = f"The address {error}."
            self.message_user(request, f"No test was sent. {why}", messages.ERROR)
        except (ContentError, services.TestRefused) as error:
            self.message_user(request, f"No test was sent. {error}", messages.ERROR)
        except services.TransportError as error:
            self.message_user(request, f"No test was sent: the provider answered “{error}”.", messages.ERROR)
        else:
            self.message_user(request, f"1 test is on its way to {shown}. Its code scans as a test.")

    # --- Meanwhile ---

    def running_view(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        """Show a launched campaign: how far it is, what may be done, and what was sent."""
        variant, now = variant_of(campaign), progress(campaign)
        status = Status(campaign.status)
        may_send = request.user.has_perm("campaigns.send_campaign")
        context = {
            "title": campaign.name,
            "campaign": campaign,
            "variant": variant,
            "preview": facts(campaign, content_of(campaign, variant)),
            "status": status_badge(campaign),
            "audience": audience_words(campaign),
            "expected": people(audience_size(campaign, at=timezone.now())) if status == Status.SCHEDULED else "",
            "progress": now,
            "progress_line": progress_line(campaign, now),
            "numbers": count_numbers(now),
            "redeemed": f"{now.redeemed:,}",
            "is_live": status not in FINAL,
            "waits": status == Status.SCHEDULED and campaign.starts_at and campaign.starts_at > timezone.now(),
            "left": people(now.counts["queued"]) if now.audience else "",
            "can_pause": may_send and status in {Status.SCHEDULED, Status.SENDING},
            "can_resume": may_send and status == Status.PAUSED,
            "can_cancel": may_send and status not in FINAL,
            "can_delete": self.has_delete_permission(request, campaign),
            "can_copy": self.has_add_permission(request),
            "is_email": campaign.channel == Channel.EMAIL,
        }
        return self._page(request, "running", context)

    def progress_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """Answer the page's question, once a second, how far the campaign is."""
        campaign = self._campaign(request, pk, view_only=True)
        now = progress(campaign)
        return JsonResponse(
            {
                "status": campaign.status,
                "final": campaign.status in FINAL,
                "audience": now.audience,
                "done": now.done,
                "line": progress_line(campaign, now),
                "numbers": {**now.counts, "redeemed": now.redeemed},
            }
        )

    def pause_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._change(
            request, pk, services.pause, "Paused. 0 messages leave until you resume; those on their way are finished."
        )

    def resume_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._change(request, pk, services.resume, "Resumed: it goes on with exactly the rest.")

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def cancel(campaign: Campaign) -> Campaign:
            return services.cancel(campaign, at=timezone.now())

        return self._change(request, pk, cancel, "Cancelled for good. Deals that were received stay valid.")

    def _change(self, request: HttpRequest, pk: int, change: Callable[[Campaign], Campaign], done: str) -> HttpResponse:
        campaign = self._campaign(request, pk)
        if not request.user.has_perm("campaigns.send_campaign"):
            raise PermissionDenied
        try:
            change(campaign)
        except NotPossible as error:
            self.message_user(request, str(error), messages.ERROR)
            return page_of(campaign)
        now = progress(campaign)
        counted = f" {now.done:,} of {now.audience:,} messages are done." if now.audience else ""
        self.log_change(request, campaign, done)
        self.message_user(request, done + counted)
        return page_of(campaign)

    def copy_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        campaign = self._campaign(request, pk, view_only=True)
        if not self.has_add_permission(request):
            raise PermissionDenied
        try:
            copy = copy_campaign(campaign)
        except ContentError as error:
            self.message_user(request, f"It cannot be copied: {error}", messages.ERROR)
            return page_of(campaign)
        self.log_addition(request, copy, f"Copied from campaign {campaign.pk}.")
        self.message_user(request, "1 draft was made with the same words, deal and audience.")
        return page_of(copy)

    def _campaign(self, request: HttpRequest, pk: int, *, view_only: bool = False) -> Campaign:
        """Return a campaign this user may see, or change. Raises Http404 and PermissionDenied."""
        campaign = self.get_object(request, str(pk))
        if campaign is None:
            raise Http404
        allowed = self.has_view_permission(request, campaign) if view_only else self.may_change(request)
        if not allowed:
            raise PermissionDenied
        return campaign

    def may_change(self, request: HttpRequest) -> bool:
        return request.user.has_perm("campaigns.change_campaign")

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        everywhere = {**self.admin_site.each_context(request), "opts": self.opts}
        return TemplateResponse(request, f"admin/campaigns/campaign/{name}.html", {**everywhere, **context})


def page_of(campaign: Campaign) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:campaigns_campaign_change", args=[campaign.pk]))
