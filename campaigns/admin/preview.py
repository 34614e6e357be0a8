"""The live preview: the form as it stands, unsaved, rendered by the same code that sends."""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from html import escape
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_POST

from campaigns import sms
from campaigns.admin.forms import CampaignForm, draft_of
from campaigns.models import Campaign
from campaigns.queries import Check, content_of, preview, variant_of
from campaigns.rendering import Content, ContentError, Rendered
from contacts.admin.base import PlainAdmin, framed
from contacts.channels import Channel
from contacts.models import Business
from messaging.queries import full_checklist
from redemptions import qr
from redemptions.codes import SAMPLE_TOKEN
from redemptions.links import qr_payload

PROBLEM_PAGE = (
    '<!DOCTYPE html><html lang="en"><meta name="color-scheme" content="light dark"><title>Preview</title>'
    '<body style="font:16px/1.5 system-ui,sans-serif;padding:24px"><p><strong>The preview comes back when this is '
    "mended:</strong></p><p>{}</p>"
)


@lru_cache(maxsize=1)
def sample_qr() -> str:
    """Return a QR code that scans as a test, as a data URI."""
    image = qr.png(qr_payload(SAMPLE_TOKEN), scale=6)
    return f"data:image/png;base64,{b64encode(image).decode()}"


class PreviewPages(PlainAdmin[Campaign]):
    """The addresses the campaign form posts itself to while it is typed in."""

    def preview_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("preview/", wrap(require_POST(self.typed_html)), name="campaigns_campaign_preview"),
            path("preview/facts/", wrap(require_POST(self.typed_facts)), name="campaigns_campaign_facts"),
            path("<int:pk>/preview/", wrap(self.saved_html), name="campaigns_campaign_saved_preview"),
        ]

    def typed_html(self, request: HttpRequest) -> HttpResponse:
        """Return the mail as it is typed now."""
        campaign, content = self._typed(request)
        return framed(mail_html(campaign, content))

    def typed_facts(self, request: HttpRequest) -> JsonResponse:
        """Return what the page beside the preview shows: subject, plain text, size, checklist."""
        return JsonResponse(facts(*self._typed(request)))

    def saved_html(self, request: HttpRequest, pk: int) -> HttpResponse:
        campaign = self.get_object(request, str(pk))
        if campaign is None or not self.has_view_permission(request, campaign):
            raise PermissionDenied
        return framed(mail_html(campaign, content_of(campaign, variant_of(campaign))))

    def _typed(self, request: HttpRequest) -> tuple[Campaign, Content]:
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        form = self.get_form(request)(request.POST)
        assert isinstance(form, CampaignForm)
        form.is_valid()
        form.draft = getattr(form, "draft", draft_of({}))
        return form.campaign(), form.draft.content


def render_preview(campaign: Campaign, content: Content) -> Rendered:
    """Return what a made-up guest would get. Raises ContentError."""
    return preview(campaign, content, Business.load(), qr_src=sample_qr())


def mail_html(campaign: Campaign, content: Content) -> str:
    try:
        rendered = render_preview(campaign, content)
    except ContentError as error:
        return PROBLEM_PAGE.format(escape(str(error)))
    return rendered.html or PROBLEM_PAGE.format("A text message has no HTML.")


def checks_of(campaign: Campaign, content: Content) -> list[Check]:
    return full_checklist(campaign, content, at=timezone.now())


def facts(campaign: Campaign, content: Content) -> dict[str, Any]:
    """Return the preview's words and the checklist, ready for JSON."""
    checks = checks_of(campaign, content)
    return {**preview_words(campaign, content), "checks": [check_facts(check) for check in checks]}


def check_facts(check: Check) -> dict[str, str]:
    return {
        "level": check.level,
        "title": check.title,
        "detail": check.detail,
        "field": check.field,
        "url": check.url,
        "label": check.label,
    }


def preview_words(campaign: Campaign, content: Content) -> dict[str, Any]:
    """Return what stands beside the preview: sender, subject, text, size, or what is wrong."""
    business = Business.load()
    result: dict[str, Any] = {
        "from": business.from_name or business.name,
        "subject": "",
        "preheader": content.preheader,
        "text": "",
        "size": "",
        "error": "",
    }
    try:
        rendered = render_preview(campaign, content)
    except ContentError as error:
        return {**result, "error": str(error)}
    result |= {"subject": rendered.subject, "text": rendered.text}
    if content.channel == Channel.SMS:
        result["size"] = size_line(rendered.text)
    return result


def size_line(text: str) -> str:
    """`1 part · 92 characters`, and what makes it dear."""
    size = sms.measure(text)
    line = f"{size.parts} part{'s' * (size.parts > 1)} · {size.units} characters"
    return f"{line} · special: {size.special[:10]}" if size.special else line
