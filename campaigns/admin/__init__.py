"""The campaign pages: write, look, review, send, watch, learn."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from campaigns.admin.forms import CampaignForm, TestForm, by_channel
from campaigns.admin.pages import page_of, status_badge
from campaigns.admin.preview import PreviewPages, facts
from campaigns.admin.report import ReportPages
from campaigns.admin.review import ReviewPages
from campaigns.admin.sending import SendingPages
from campaigns.admin.unknown import UnknownPages
from campaigns.merge import DEAL_FIELDS, FIELDS
from campaigns.models import Campaign
from campaigns.queries import content_of, variant_of
from campaigns.services import NotPossible, save_draft
from contacts.channels import Channel
from contacts.models import Segment, Tag
from messaging.queries import audience_sizes, redeemed_counts

Status = Campaign.Status
EXAMPLES = {"first_name": "{{ first_name | default: 'there' }}"}


class CampaignList(ChangeList):
    """A page of campaigns with what became of them: two queries for all of them together."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        page: list[Any] = list(self.result_list)
        ids = [campaign.pk for campaign in page if campaign.launched_at]
        audience, redeemed = audience_sizes(ids), redeemed_counts(ids)
        for campaign in page:
            campaign.message_count = audience.get(campaign.pk, 0)
            campaign.redeemed_count = redeemed.get(campaign.pk, 0)
        self.result_list = page


@admin.register(Campaign)
class CampaignAdmin(PreviewPages, ReviewPages, SendingPages, UnknownPages, ReportPages):
    form = CampaignForm
    change_form_template = "admin/campaigns/campaign/change_form.html"
    list_display = ("name", "status_label", "channel", "audience_count", "redeemed", "when")
    list_filter = ("status", "channel")
    search_fields = ("name",)
    sortable_by = ()
    actions = None
    list_per_page = 25
    add_label = "New campaign"
    empty_title = "No campaigns yet"
    empty_text = "Write an e-mail or a text, add a deal, and send it to everyone who is subscribed or to one tag."

    class Media:
        js = ("regulars/campaign.js",)

    # --- The list ---

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return CampaignList

    @admin.display(description="Status")
    def status_label(self, campaign: Campaign) -> SafeString:
        return status_badge(campaign)

    @admin.display(description="Audience", empty_value="—")
    def audience_count(self, campaign: Campaign) -> str | None:
        count: int = getattr(campaign, "message_count", 0)
        return f"{count:,}" if count else None

    @admin.display(description="Redeemed", empty_value="—")
    def redeemed(self, campaign: Campaign) -> str | SafeString | None:
        if campaign.launched_at is None:
            return None
        url = reverse("admin:campaigns_campaign_report", args=[campaign.pk])
        count: int = getattr(campaign, "redeemed_count", 0)
        return format_html('<a href="{}">{}</a>', url, f"{count:,}")

    @admin.display(description="When", empty_value="not scheduled")
    def when(self, campaign: Campaign) -> object:
        return campaign.finished_at or campaign.starts_at

    # --- Who may what ---

    def has_change_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.is_editable)

    def has_delete_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        if not super().has_delete_permission(request, obj) or obj is None:
            return super().has_delete_permission(request, obj)
        if obj.status not in {Status.DRAFT, Status.CANCELLED}:
            return False
        return not audience_sizes([obj.pk]).get(obj.pk)

    # --- The form ---

    def get_fieldsets(self, request: HttpRequest, obj: Campaign | None = None) -> Any:
        segments = ("segment", "exclude_segment") if Segment.objects.exists() else ()
        tags = ("exclude_tag",) if Tag.objects.exists() else ()
        whom = ("tag", *segments, *tags)
        return [
            ("Campaign", {"fields": ("name", "channel", "offer", *whom, "utm_campaign")}),
            ("Message", {"fields": ("subject", "preheader", "body")}),
            ("Own HTML", {"fields": ("html",), "classes": ("collapse", "only-email")}),
        ]

    def get_urls(self) -> list[URLPattern]:
        own = (
            self.preview_urls,
            self.approval_urls,
            self.review_urls,
            self.sending_urls,
            self.unknown_urls,
            self.report_urls,
        )
        return [*(url for urls in own for url in urls()), *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().add_view(request, form_url, {**(extra_context or {}), **self._beside(Campaign())})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A draft is a form; what was launched, or may not be changed, is a page that is watched."""
        campaign = self.get_object(request, object_id)
        only_watch = campaign and not self.has_change_permission(request, campaign)
        if campaign and only_watch and self.has_view_permission(request, campaign):
            return self.running_view(request, campaign)
        context = {**(extra_context or {}), **self._beside(campaign or Campaign())}
        if campaign:
            context |= self.approval_context(request, campaign)
        try:
            return super().change_view(request, object_id, form_url, context)
        except NotPossible as error:
            self.message_user(request, str(error), messages.ERROR)
            assert campaign is not None
            return page_of(campaign)

    def _beside(self, campaign: Campaign) -> dict[str, Any]:
        """Return what stands beside the form: preview, checklist, merge fields."""
        variant = variant_of(campaign) if campaign.pk else None
        fields = [
            (EXAMPLES.get(name, f"{{{{ {name} }}}}"), label, name in DEAL_FIELDS) for name, label in FIELDS.items()
        ]
        return {
            "merge_fields": fields,
            "preview": facts(campaign, content_of(campaign, variant)) if variant else None,
            "status": status_badge(campaign),
            "is_email": campaign.channel == Channel.EMAIL,
            "test_label": by_channel(campaign.channel, email="To this e-mail address", sms="To this phone number"),
        }

    def log_change(self, request: HttpRequest, obj: Campaign, message: Any) -> Any:
        """Keep a saving that changed nothing out of the history."""
        return super().log_change(request, obj, message) if message else None

    def save_model(self, request: HttpRequest, obj: Campaign, form: Any, change: bool) -> None:
        save_draft(form.draft, campaign=obj)

    def save_related(self, request: HttpRequest, form: forms.ModelForm[Any], formsets: Any, change: bool) -> None:
        """Nothing is left to save: the words are saved with the campaign."""

    def response_add(self, request: HttpRequest, obj: Campaign, post_url_continue: str | None = None) -> HttpResponse:
        return self._after_saving(request, obj)

    def response_change(self, request: HttpRequest, obj: Campaign) -> HttpResponse:
        return self._after_saving(request, obj)

    def _after_saving(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        if "_review" in request.POST:
            return self._to_review(campaign)
        if "_test" not in request.POST:
            self.message_user(request, f"The draft “{campaign}” is saved. Nothing was sent.")
            return page_of(campaign)
        form = TestForm({"to": request.POST.get("test_to", "")})
        if not self.may_test(request):
            self.message_user(request, "The draft is saved. No test was sent: you may not send tests.", messages.ERROR)
        elif form.is_valid():
            # The admin saves inside a transaction; the provider is called when it is over.
            transaction.on_commit(lambda: self.send_test(request, campaign, form.cleaned_data["to"]))
        else:
            self.message_user(request, "The draft is saved. No test was sent: say to which address.", messages.ERROR)
        return page_of(campaign)

    def _to_review(self, campaign: Campaign) -> HttpResponse:
        response = page_of(campaign)
        response["Location"] = reverse("admin:campaigns_campaign_review", args=[campaign.pk])
        return response

    def get_queryset(self, request: HttpRequest) -> QuerySet[Campaign]:
        return super().get_queryset(request).select_related("offer", "tag", "segment", "exclude_segment", "exclude_tag")
