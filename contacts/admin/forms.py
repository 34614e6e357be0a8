"""Sign-up forms: what they ask, how many joined by them, and a poster for the table."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.forms import ModelForm, Textarea
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override, pgettext

from contacts import qr
from contacts.admin.base import Number, PlainAdmin, badge
from contacts.links import join_url
from contacts.models import Business, SignupForm
from contacts.models.forms import EMAIL_WORDING, SMS_WORDING, TITLE
from contacts.queries import links_stay_here
from contacts.services.signup import save_form

PAPERS = {"letter": gettext_lazy("Letter"), "a4": "A4", "a5": "A5"}


@admin.register(SignupForm)
class SignupFormAdmin(PlainAdmin[SignupForm]):
    list_display = ("name", "link", "state", "asked", "confirmed")
    sortable_by = ("name",)
    actions = None
    inlines: ClassVar[Any] = ()
    prepopulated_fields = {"slug": ("name",)}
    autocomplete_fields = ()
    change_form_template = "admin/contacts/signupform/change_form.html"
    readonly_fields = ("link", "state", "asked", "confirmed")
    empty_title = gettext_lazy("No sign-up forms yet")
    empty_text = gettext_lazy(
        "A form of your own, with a QR code for the table: guests join by themselves and prove their address."
    )
    fieldsets = (
        (gettext_lazy("Form"), {"fields": ("name", "slug", "title", "intro", "thanks", "tag", "is_open")}),
        (
            gettext_lazy("What it asks for"),
            {
                "fields": (
                    ("asks_email", "asks_phone"),
                    ("asks_first_name", "asks_last_name"),
                    ("asks_birthday", "asks_postal_code"),
                ),
                "description": gettext_lazy("The less you ask, the more people join."),
            },
        ),
        (
            gettext_lazy("What people agree to"),
            {
                "fields": ("email_wording", "sms_wording"),
                "description": gettext_lazy("Shown beside an empty box. Each consent keeps the words it was given to."),
            },
        ),
        (gettext_lazy("By text message"), {"fields": ("keyword",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[SignupForm]:
        real = Q(confirmations__is_muted=False)
        return (
            super()
            .get_queryset(request)
            .annotate(
                asked_count=Count("confirmations", filter=real),
                confirmed_count=Count("confirmations", filter=real & Q(confirmations__confirmed_at__isnull=False)),
            )
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Start in the language of the shop, which is its guests' rather than the reader's."""
        with override(settings.LANGUAGE_CODE):
            words = {"title": _(TITLE), "email_wording": _(EMAIL_WORDING), "sms_wording": _(SMS_WORDING)}
        return words | super().get_changeform_initial_data(request)

    def get_prepopulated_fields(self, request: HttpRequest, obj: SignupForm | None = None) -> dict[str, Any]:
        """Suggest the end of the link once; posters carry it later on."""
        return {"slug": ("name",)} if obj is None and self.has_add_permission(request) else {}

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in {"email_wording", "sms_wording"}:
            kwargs["widget"] = Textarea(attrs={"rows": 4, "class": "vLargeTextField"})
            return db_field.formfield(**kwargs)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description=gettext_lazy("Link"))
    def link(self, form: SignupForm) -> SafeString:
        url = join_url(form.slug)
        return format_html('<a href="{}">{}</a>', url, url.partition("://")[2])

    @admin.display(description=gettext_lazy("State"))
    def state(self, form: SignupForm) -> SafeString:
        return (
            badge("ok", pgettext("sign-up form", "Open"))
            if form.is_open
            else badge("quiet", pgettext("sign-up form", "Closed"))
        )

    @admin.display(description=gettext_lazy("Asked to join"))
    def asked(self, form: SignupForm) -> str:
        return f"{getattr(form, 'asked_count', 0):,}"

    @admin.display(description=gettext_lazy("Confirmed"))
    def confirmed(self, form: SignupForm) -> str:
        return f"{getattr(form, 'confirmed_count', 0):,}"

    def save_model(self, request: HttpRequest, obj: SignupForm, form: ModelForm[SignupForm], change: bool) -> None:
        save_form(obj)

    def response_change(self, request: HttpRequest, obj: SignupForm) -> HttpResponse:
        if "_continue" in request.POST or "_addanother" in request.POST or "_popup" in request.POST:
            return super().response_change(request, obj)
        words = _("The form is saved. People who join from now on agree to version %(version)s.")
        self.message_user(request, words % {"version": obj.version})
        return self._to_page(obj)

    def response_add(self, request: HttpRequest, obj: SignupForm, post_url_continue: str | None = None) -> HttpResponse:
        if "_addanother" in request.POST or "_popup" in request.POST:
            return super().response_add(request, obj, post_url_continue)
        self.message_user(request, _("The form is saved. Print its poster, or put its link on your site."))
        return self._to_page(obj)

    @staticmethod
    def _to_page(form: SignupForm) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:contacts_signupform_change", args=[form.pk]))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        form = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if form and self.has_view_permission(request, form):
            context = {
                "join_url": join_url(form.slug),
                "numbers": [
                    Number(_("Asked to join"), getattr(form, "asked_count", 0)),
                    Number(_("Confirmed"), getattr(form, "confirmed_count", 0), "good"),
                ],
                "papers": PAPERS,
                "stays_here": links_stay_here(),
            }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    # --- Paper ---

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/poster/", wrap(self.poster_view), name="contacts_signupform_poster"),
            path("<int:pk>/qr.svg", wrap(self.qr_view), name="contacts_signupform_qr"),
            *super().get_urls(),
        ]

    def poster_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show a page to print and put on the table."""
        form = self._viewed(request, pk)
        paper = request.GET.get("paper", "letter")
        context = {
            "form": form,
            "business": Business.load().name,
            "link": join_url(form.slug).partition("://")[2],
            "paper": paper if paper in PAPERS else "letter",
            "papers": PAPERS,
            "stays_here": links_stay_here(),
        }
        return TemplateResponse(request, "admin/contacts/signupform/poster.html", context)

    def qr_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Return the link as an image to put on menus and windows."""
        form = self._viewed(request, pk)
        response = HttpResponse(qr.svg(join_url(form.slug)), content_type="image/svg+xml")
        response["Content-Disposition"] = f'inline; filename="join-{form.slug}.svg"'
        return response

    def _viewed(self, request: HttpRequest, pk: int) -> SignupForm:
        """Raises Http404 and PermissionDenied."""
        form = self.get_object(request, str(pk))
        if form is None:
            raise Http404
        if not self.has_view_permission(request, form):
            raise PermissionDenied
        return form
