"""The page of a campaign on its way: how far it is, what it waits for, and what may be done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, ngettext
from django.views.decorators.http import require_POST

from campaigns.admin.pages import (
    FINAL,
    CampaignPages,
    count_numbers,
    page_of,
    progress_line,
    reasons,
    status_badge,
    with_lists,
)
from campaigns.admin.preview import preview_words
from campaigns.models import Campaign
from campaigns.queries import audience_size, audience_words, content_of, variant_of
from campaigns.rendering import ContentError
from campaigns.services import NotPossible, copy_campaign
from contacts.admin.base import Number, people
from contacts.channels import Channel
from contacts.sentences import kept, said
from messaging import services
from messaging.queries import Live, Progress, complaint_of, moment_words, pace_line, progress, retriable, undecided

Status = Campaign.Status
COUNT_DOWN = timedelta(minutes=2)  # to a start that is nearer than this
SILENT = gettext_lazy(
    "The background worker has not been heard for three minutes. Nothing is sent before it runs again."
)


# What the history says: in English, for `said`.
COPIED = kept("Copied from campaign %(pk)s.")
UNDONE = gettext_noop("Undone: it is a draft again, and nothing was sent.")
PAUSED = gettext_noop("Paused.")
RESUMED = gettext_noop("Resumed.")
CANCELLED = gettext_noop("Cancelled for good.")
TRIED_AGAIN = kept("Failed messages tried again: %(count)s.")


def spread_words(minutes: int) -> str:
    """`3 hours`, `1 hour 30 minutes`."""
    hours, rest = divmod(minutes, 60)
    parts = [
        (hours, ngettext("%(count)d hour", "%(count)d hours", hours)),
        (rest, ngettext("%(count)d minute", "%(count)d minutes", rest)),
    ]
    return " ".join(words % {"count": count} for count, words in parts if count)


def _to_finish(in_flight: int) -> str:
    if not in_flight:
        return ""
    words = ngettext("%(count)s on its way is finished.", "%(count)s on their way are finished.", in_flight)
    return words % {"count": f"{in_flight:,}"}


class SendingPages(CampaignPages):
    """The page of a launched campaign: undo, pause, resume, cancel, try again, copy."""

    def sending_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        pressed = {
            "undo": self.undo_view,
            "pause": self.pause_view,
            "resume": self.resume_view,
            "cancel": self.cancel_view,
            "retry": self.retry_view,
            "copy": self.copy_view,
        }
        return [
            path("<int:pk>/progress/", wrap(self.progress_view), name="campaigns_campaign_progress"),
            *(
                path(f"<int:pk>/{name}/", wrap(require_POST(view)), name=f"campaigns_campaign_{name}")
                for name, view in pressed.items()
            ),
        ]

    def running_view(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        """Show a launched campaign: how far it is, what may be done, and what was sent."""
        at = timezone.now()
        variant, live = variant_of(campaign), services.watch(campaign, at=at)
        now = live.progress
        context = {
            "title": campaign.name,
            "campaign": campaign,
            "variant": variant,
            "preview": preview_words(campaign, content_of(campaign, variant)),
            "status": status_badge(campaign),
            "audience": audience_words(campaign),
            "progress": now,
            "progress_line": progress_line(campaign, now),
            "numbers": self._numbers(request, campaign, now),
            "reasons": reasons(now),
            "redeemed": f"{now.redeemed:,}",
            "spread": spread_words(campaign.spread_minutes),
            "is_live": campaign.status not in FINAL,
            "live": live,
            "pace": pace_line(live),
            "alarm": _alarm(campaign, live),
            "paused_because": said(campaign.pause_reason),
            "complaint": "" if campaign.pause_reason else complaint_of(campaign),
            "left": people(now.counts["queued"]) if now.counts["queued"] else "",
            "can_delete": self.has_delete_permission(request, campaign),
            "can_copy": self.has_add_permission(request),
            "is_email": campaign.channel == Channel.EMAIL,
            **_start(campaign, at),
            **(self._buttons(campaign, now.counts) if self.may_send(request) and self.may_change(request) else {}),
        }
        return self._page(request, "running", context)

    def _numbers(self, request: HttpRequest, campaign: Campaign, now: Progress) -> list[Number]:
        """Return the counts, each with the list of its people for those who may see it."""
        numbers = count_numbers(now)
        return with_lists(numbers, campaign) if request.user.has_perm("messaging.view_message") else numbers

    def _buttons(self, campaign: Campaign, counts: dict[str, int]) -> dict[str, Any]:
        status, is_cancelled = campaign.status, campaign.status == Status.CANCELLED
        return {
            "can_undo": status in {Status.SCHEDULED, Status.PAUSED} and campaign.begun_at is None,
            "can_pause": status in {Status.SCHEDULED, Status.SENDING},
            "can_resume": status == Status.PAUSED,
            "can_cancel": status not in FINAL,
            "retriable": retriable(campaign).count() if counts["failed"] and not is_cancelled else 0,
            "undecided": undecided(campaign).count() if counts["unknown"] else 0,
        }

    def progress_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """Answer the page's question how far the campaign is."""
        campaign = self._campaign(request, pk, view_only=True)
        live = services.watch(campaign, at=timezone.now())
        now = live.progress
        return JsonResponse(
            {
                "status": campaign.status,
                "final": campaign.status in FINAL,
                "audience": now.audience,
                "done": now.done,
                "line": progress_line(campaign, now),
                "numbers": {**now.counts, "redeemed": now.redeemed},
                "shown": [
                    {
                        "label": number.label,
                        "text": number.text,
                        "kind": number.kind,
                        "key": number.key,
                        "url": number.url,
                    }
                    for number in self._numbers(request, campaign, now)
                ],
                "reasons": reasons(now),
                "pace": pace_line(live),
                "waits": live.waits,
                "alarm": _alarm(campaign, live),
            }
        )

    # --- What may be done ---

    def undo_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return self._change(request, pk, services.take_back, lambda campaign: _(UNDONE), history=lambda: UNDONE)

    def pause_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def words(campaign: Campaign) -> str:
            live = services.watch(campaign, at=timezone.now())
            now = live.progress
            where = _("Paused before it started.")
            if now.audience:
                where = _("Paused at %(done)s of %(all)s.") % {"done": f"{now.done:,}", "all": f"{now.audience:,}"}
            return f"{where} {_to_finish(live.in_flight)}".strip()

        return self._change(request, pk, services.pause, words, history=lambda: PAUSED)

    def resume_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def resume(campaign: Campaign) -> Campaign:
            return services.resume(campaign, at=timezone.now(), by=request.user)  # type: ignore[arg-type]

        def words(campaign: Campaign) -> str:
            if campaign.begun_at is None and campaign.starts_at and campaign.starts_at > timezone.now():
                return _("Resumed: it starts %(when)s.") % {"when": moment_words(campaign.starts_at).rstrip(".")}
            left = progress(campaign).counts["queued"]
            if not left:
                return _("Resumed: it starts now.")
            return _("Resumed: it goes on with exactly the rest, %(people)s.") % {"people": people(left)}

        return self._change(request, pk, resume, words, history=lambda: RESUMED)

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def cancel(campaign: Campaign) -> Campaign:
            return services.cancel(campaign, at=timezone.now())

        def words(campaign: Campaign) -> str:
            live = services.watch(campaign, at=timezone.now())
            now = live.progress
            sent = _("Nothing was sent.")
            if now.audience:
                sent = _("%(sent)s of %(all)s were sent.") % {"sent": f"{now.sent:,}", "all": f"{now.audience:,}"}
            lines = (
                _(CANCELLED),
                sent,
                _to_finish(live.in_flight),
                _("Deals that were received stay valid."),
            )
            return " ".join(filter(None, lines))

        return self._change(request, pk, cancel, words, history=lambda: CANCELLED)

    def retry_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        tried = 0

        def retry(campaign: Campaign) -> Campaign:
            nonlocal tried
            tried = services.retry_failed(campaign, at=timezone.now())
            campaign.refresh_from_db()
            return campaign

        def words(campaign: Campaign) -> str:
            words = ngettext(
                "%(count)s failed message is tried again.", "%(count)s failed messages are tried again.", tried
            )
            later = _("It is paused: they leave when you resume it.") if campaign.status == Status.PAUSED else ""
            return f"{words % {'count': f'{tried:,}'}} {later}".strip()

        return self._change(request, pk, retry, words, history=lambda: TRIED_AGAIN % {"count": f"{tried:,}"})

    def _change(
        self,
        request: HttpRequest,
        pk: int,
        change: Callable[[Campaign], Campaign],
        words: Callable[[Campaign], str],
        *,
        history: Callable[[], str],
    ) -> HttpResponse:
        """Do it, write it into the history, and say what happened; or why it cannot be done any more."""
        campaign = self._campaign_to_send(request, pk)
        try:
            campaign = change(campaign)
        except NotPossible as error:
            self.message_user(request, str(error), messages.ERROR)
            return page_of(campaign)
        self.log_change(request, campaign, history())
        self.message_user(request, words(campaign))
        return page_of(campaign)

    def copy_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        campaign = self._campaign(request, pk, view_only=True)
        if not self.has_add_permission(request):
            raise PermissionDenied
        try:
            copy = copy_campaign(campaign)
        except ContentError as error:
            self.message_user(request, _("It cannot be copied: %(why)s") % {"why": error}, messages.ERROR)
            return page_of(campaign)
        self.log_addition(request, copy, COPIED % {"pk": campaign.pk})
        self.message_user(request, _("1 draft was made with the same words, deal and audience."))
        return page_of(copy)


def _alarm(campaign: Campaign, live: Live) -> str:
    going = campaign.status in {Status.SENDING, Status.SCHEDULED}
    return str(SILENT) if going and not live.worker_alive else ""


def _start(campaign: Campaign, at: Any) -> dict[str, Any]:
    """Return what the page says of a start that is to come: a count-down where it is near."""
    if campaign.status != Status.SCHEDULED or campaign.starts_at is None:
        return {}
    left = campaign.starts_at - at
    return {
        "waits_to_start": left > timedelta(0),
        "count_down": max(0, round(left.total_seconds())) if left < COUNT_DOWN else None,
        "expected": people(audience_size(campaign, at=at)),
    }
