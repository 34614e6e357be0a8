"""The campaign pages: write, look, review, send, watch, learn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db import transaction
from django.db.models import QuerySet
from django.forms.widgets import Script
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.admin.editing import EditingPages, conflict_words, editor_words, saved_facts, started_from, starters
from campaigns.admin.forms import CampaignForm, TestForm, by_channel
from campaigns.admin.pages import page_of, status_badge
from campaigns.admin.preview import READERS, PreviewPages, facts
from campaigns.admin.report import ReportPages
from campaigns.admin.review import ReviewPages
from campaigns.admin.sending import SendingPages
from campaigns.admin.templates import TemplateAdmin
from campaigns.admin.unknown import UnknownPages
from campaigns.merge import DEAL_FIELDS, FIELDS, example_of
from campaigns.models import Campaign, Template
from campaigns.queries import content_of, variant_of
from campaigns.services import NotPossible, Outdated, keep_as_template, save_draft
from contacts.channels import Channel
from contacts.models import Segment, Tag
from contacts.sentences import kept
from messaging.queries import audience_sizes, redeemed_counts

Status = Campaign.Status


SAVED_BESIDE = kept("Saved beside campaign %(pk)s.")


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


def unfolded(options: dict[str, Any], form: forms.BaseForm) -> dict[str, Any]:
    """Return a fieldset that hides nothing of what was chosen: folded only while all its fields are empty.

    Where one of them has an error, Django itself does not fold it.
    """
    if not any(name in form.fields and form[name].value() for name in options["fields"]):
        return options
    return {**options, "classes": [name for name in options.get("classes", ()) if name != "collapse"]}


@admin.register(Campaign)
class CampaignAdmin(EditingPages, PreviewPages, ReviewPages, SendingPages, UnknownPages, ReportPages):
    form = CampaignForm
    change_form_template = "admin/campaigns/campaign/change_form.html"
    list_display = ("name", "status_label", "channel", "audience_count", "redeemed", "when")
    list_filter = ("status", "channel")
    search_fields = ("name",)
    sortable_by = ()
    actions = None
    list_per_page = 25
    add_label = gettext_lazy("New campaign")
    empty_title = gettext_lazy("No campaigns yet")
    empty_text = gettext_lazy(
        "Write an e-mail or a text, add a deal, and send it to everyone who is subscribed or to one tag."
    )

    class Media:
        css = {"all": ("campaigns/editor.css",)}
        js = (Script("campaigns/editor/page.js", type="module"),)

    # --- The list ---

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return CampaignList

    @admin.display(description=gettext_lazy("Status"))
    def status_label(self, campaign: Campaign) -> SafeString:
        return status_badge(campaign)

    @admin.display(description=gettext_lazy("Audience"), empty_value="—")
    def audience_count(self, campaign: Campaign) -> str | None:
        count: int = getattr(campaign, "message_count", 0)
        return f"{count:,}" if count else None

    @admin.display(description=gettext_lazy("Redeemed"), empty_value="—")
    def redeemed(self, campaign: Campaign) -> str | SafeString | None:
        if campaign.launched_at is None:
            return None
        url = reverse("admin:campaigns_campaign_report", args=[campaign.pk])
        count: int = getattr(campaign, "redeemed_count", 0)
        return format_html('<a href="{}">{}</a>', url, f"{count:,}")

    @admin.display(description=gettext_lazy("When"))
    def when(self, campaign: Campaign) -> object:
        return campaign.finished_at or campaign.starts_at or _("not scheduled")

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
        has_segments = Segment.objects.exists()
        whom = ("tag", "segment") if has_segments else ("tag",)
        without = (("exclude_segment",) if has_segments else ()) + (("exclude_tag",) if Tag.objects.exists() else ())
        more = _("More: leave people out, web statistics") if without else _("More: web statistics")
        return [
            (_("Campaign"), {"fields": ("name", "channel", "offer", *whom)}),
            (more, {"fields": (*without, "utm_campaign"), "classes": ["collapse"]}),
            (_("Message"), {"fields": ("subject", "preheader", "mode", "blocks", "body", "html")}),
        ]

    def get_urls(self) -> list[URLPattern]:
        own = (
            self.editing_urls,
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
        context = {**(extra_context or {}), **self._beside(Campaign())}
        context |= {"starters": starters(), "started": request.GET.get("start", "")}
        return super().add_view(request, form_url, context)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Start from what was chosen, or from a blank page of blocks."""
        start = {"mode": "blocks", **(started_from(request.GET.get("start") or "empty") or {})}
        return {**super().get_changeform_initial_data(request), **start}

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
        if campaign and "_mine" in request.POST and self.has_add_permission(request):
            mine = self._save_mine(request, campaign)
            if mine is not None:
                return mine
        try:
            return super().change_view(request, object_id, form_url, context)
        except Outdated:
            return super().change_view(request, object_id, form_url, context)  # now the form itself finds it out
        except NotPossible as error:
            self.message_user(request, str(error), messages.ERROR)
            assert campaign is not None
            return page_of(campaign)

    def _save_mine(self, request: HttpRequest, campaign: Campaign) -> HttpResponse | None:
        """Save what was typed as a draft of its own: somebody else saved the campaign meanwhile, and both are kept.

        None: it cannot be saved as it is, which the form says.
        """
        form = self.get_form(request)(request.POST)
        assert isinstance(form, CampaignForm)
        if not form.is_valid():
            return None
        name = _("%(name)s (my version)") % {"name": form.draft.name[:80]}
        mine = save_draft(replace(form.draft, name=name), by=request.user)  # type: ignore[arg-type]
        self.log_addition(request, mine, SAVED_BESIDE % {"pk": campaign.pk})
        self.message_user(request, _("Your version is a draft of its own now. The other one is as it was."))
        return page_of(mine)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        adminform = context["adminform"]
        adminform.fieldsets = [(name, unfolded(options, adminform.form)) for name, options in adminform.fieldsets]
        if getattr(adminform.form, "newer", None):
            context["conflict"] = conflict_words(adminform.form.newer, request.user)
        return super().render_change_form(request, context, *args, **kwargs)

    def _beside(self, campaign: Campaign) -> dict[str, Any]:
        """Return what stands beside the form: preview, checklist, merge fields."""
        variant = variant_of(campaign) if campaign.pk else None
        fields = [
            (example_of(name) if name == "first_name" else f"{{{{ {name} }}}}", label, name in DEAL_FIELDS)
            for name, label in FIELDS.items()
        ]
        return {
            "editor": {**editor_words(), "insert": [[code, str(label)] for code, label, _needs_deal in fields]},
            "readers": [(key, label) for key, (label, _person) in READERS.items()],
            "saved": saved_facts(campaign) if campaign.pk else None,
            "merge_fields": fields,
            "preview": facts(campaign, content_of(campaign, variant)) if variant else None,
            "status": status_badge(campaign),
            "is_email": campaign.channel == Channel.EMAIL,
            "test_label": by_channel(
                campaign.channel, email=_("To this e-mail address"), sms=_("To this phone number")
            ),
        }

    def log_change(self, request: HttpRequest, obj: Campaign, message: Any) -> Any:
        """Keep a saving that changed nothing out of the history."""
        return super().log_change(request, obj, message) if message else None

    def save_model(self, request: HttpRequest, obj: Campaign, form: Any, change: bool) -> None:
        save_draft(form.draft, campaign=obj, by=request.user, seen=form.seen_at)  # type: ignore[arg-type]

    def save_related(self, request: HttpRequest, form: forms.ModelForm[Any], formsets: Any, change: bool) -> None:
        """Nothing is left to save: the words are saved with the campaign."""

    def response_add(self, request: HttpRequest, obj: Campaign, post_url_continue: str | None = None) -> HttpResponse:
        return self._after_saving(request, obj)

    def response_change(self, request: HttpRequest, obj: Campaign) -> HttpResponse:
        return self._after_saving(request, obj)

    def _after_saving(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        if "_review" in request.POST:
            return self._to_review(campaign)
        if "_template" in request.POST:
            return self._keep_as_template(request, campaign)
        if "_test" not in request.POST:
            words = _("The draft “%(campaign)s” is saved. Nothing was sent.")
            self.message_user(request, words % {"campaign": campaign})
            return page_of(campaign)
        form = TestForm({"to": request.POST.get("test_to", "")})
        if not self.may_test(request):
            words = _("The draft is saved. No test was sent: you may not send tests.")
            self.message_user(request, words, messages.ERROR)
        elif form.is_valid():
            # The admin saves inside a transaction; the provider is called when it is over.
            transaction.on_commit(lambda: self.send_test(request, campaign, form.cleaned_data["to"]))
        else:
            words = _("The draft is saved. No test was sent: say to which address.")
            self.message_user(request, words, messages.ERROR)
        return page_of(campaign)

    def _keep_as_template(self, request: HttpRequest, campaign: Campaign) -> HttpResponse:
        if not request.user.has_perm("campaigns.add_template"):
            self.message_user(request, _("The draft is saved. You may not make templates."), messages.ERROR)
            return page_of(campaign)
        try:
            template = keep_as_template(campaign)
        except NotPossible as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            words = _("“%(name)s” is a template now: a new campaign can start from it.")
            self.message_user(request, words % {"name": template.name})
        return page_of(campaign)

    def _to_review(self, campaign: Campaign) -> HttpResponse:
        response = page_of(campaign)
        response["Location"] = reverse("admin:campaigns_campaign_review", args=[campaign.pk])
        return response

    def get_queryset(self, request: HttpRequest) -> QuerySet[Campaign]:
        return (
            super()
            .get_queryset(request)
            .select_related("offer", "tag", "segment", "exclude_segment", "exclude_tag", "updated_by")
        )


admin.site.register(Template, TemplateAdmin)
