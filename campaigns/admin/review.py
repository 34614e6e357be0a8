"""The last page before sending: what goes to how many, and when; and tests to one address."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.admin.approval import ApprovalPages
from campaigns.admin.forms import TYPE_ABOVE, ReviewForm
from campaigns.admin.pages import page_of
from campaigns.admin.preview import checks_of, preview_words
from campaigns.models import Campaign
from campaigns.queries import (
    APPROVE,
    SAMPLE,
    approval_needed,
    audience_size,
    audience_words,
    content_of,
    left_out,
    variant_of,
)
from campaigns.rendering import ContentError
from campaigns.services import Blocked, NeedsApproval, NotPossible
from contacts.admin.base import people, people_kept
from contacts.channels import AddressError, Channel, mask_email, mask_phone
from contacts.models import Business
from contacts.sentences import kept
from messaging import services

LAUNCHED = kept("Launched for %(people)s.")
NO_TEST = gettext_lazy("No test was sent.")


class ReviewPages(ApprovalPages):
    """Review, launch, and send a test."""

    def review_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [path("<int:pk>/review/", wrap(self.review_view), name="campaigns_campaign_review")]

    def review_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show what is about to happen and to how many; launch where it is confirmed."""
        campaign = self._campaign(request, pk, view_only=True)
        if not (self.may_send(request) and self.may_change(request)) and not request.user.has_perm(APPROVE):
            raise PermissionDenied
        if not campaign.is_editable:
            words = _("This campaign is %(status)s already.") % {"status": campaign.get_status_display().lower()}
            self.message_user(request, words, messages.WARNING)
            return page_of(campaign)
        business, content = Business.load(), content_of(campaign, variant_of(campaign))
        size = audience_size(campaign, at=timezone.now())
        form = ReviewForm(request.POST or None, size=size, zone=business.timezone, label_suffix="")
        checks = checks_of(campaign, content)
        blocked = [check for check in checks if check.level == "block"]
        asked = self.approval_context(request, campaign)
        may_launch = self.may_send(request) and self.may_change(request) and not asked.get("approval_waits")
        if request.method == "POST" and may_launch and not blocked and form.is_valid():
            if self._launch(request, campaign, form):
                return page_of(campaign)
            return HttpResponseRedirect(request.path)
        context = {
            "title": _("Review and send"),
            "campaign": campaign,
            "subject": preview_words(campaign, content)["subject"] or content.subject,
            "sample_name": SAMPLE.first_name,
            "is_later": form["when"].value() == "later",
            "audience": audience_words(campaign),
            "size": people(size),
            "left_out": [(why, f"{count:,}") for why, count in left_out(campaign, size=size, at=timezone.now())],
            "checks": checks,
            "form_url": reverse("admin:campaigns_campaign_change", args=[campaign.pk]),
            "blocked": blocked,
            "form": form,
            "asks_number": size > TYPE_ABOVE,
            "is_email": campaign.channel == Channel.EMAIL,
            "undo_s": settings.LAUNCH_UNDO_S,
            "may_launch": may_launch,
            "needs_approval": approval_needed(request.user, size) and not asked,
            **asked,
        }
        return self._page(request, "review", context)

    def _launch(self, request: HttpRequest, campaign: Campaign, form: ReviewForm) -> bool:
        at = timezone.now()
        undo = timedelta(seconds=settings.LAUNCH_UNDO_S)
        try:
            launched = services.launch(
                campaign,
                at=at,
                starts_at=form.start or at + undo,
                spread_minutes=form.spread_minutes,
                by=request.user,  # type: ignore[arg-type]  # admin_view lets nobody anonymous in
            )
        except NeedsApproval:
            return self.ask(request, campaign, starts_at=form.start, spread_minutes=form.spread_minutes)
        except (Blocked, NotPossible) as error:
            self.message_user(request, str(error), messages.ERROR)
            return False
        self.log_change(request, launched, LAUNCHED % {"people": people_kept(form.size)})
        if form.start:
            when = formats.date_format(timezone.localtime(form.start), "DATETIME_FORMAT")
            words = _("Scheduled for %(when)s: it goes to %(people)s.") % {"when": when, "people": people(form.size)}
        elif undo:
            words = _("It goes to %(people)s in %(seconds)s seconds, unless you undo it.")
            words %= {"people": people(form.size), "seconds": undo.seconds}
        else:
            words = _("On its way to %(people)s.") % {"people": people(form.size)}
        self.message_user(request, words)
        return True

    def send_test(self, request: HttpRequest, campaign: Campaign, to: str) -> None:
        """Send the saved words to one address, and say what came of it."""
        shown = mask_email(to) if "@" in to else mask_phone(to)
        try:
            services.send_test(campaign, to=to)
        except AddressError as error:
            if campaign.channel == Channel.EMAIL and "@" not in to:
                why = _("This campaign goes by e-mail; give an e-mail address.")
            elif campaign.channel == Channel.SMS and "@" in to:
                why = _("This campaign goes by SMS; give a phone number.")
            else:
                why = error.sentence
            self.message_user(request, f"{NO_TEST} {why}", messages.ERROR)
        except (ContentError, services.TestRefused) as error:
            self.message_user(request, f"{NO_TEST} {error}", messages.ERROR)
        except services.TransportError as error:
            words = _("No test was sent: the provider answered “%(answer)s”.") % {"answer": error}
            self.message_user(request, words, messages.ERROR)
        else:
            words = _("1 test is on its way to %(address)s. Its code scans as a test.") % {"address": shown}
            self.message_user(request, words)
