"""The page "Look of your mails": colour and logo, and the mail they make, live."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.admin.preview import DARK_ONLY, framed_mail, sample_qr
from campaigns.blocks import build, read
from campaigns.pictures import MOST_BYTES, Fitted, PictureRefused, fit
from campaigns.queries import SAMPLE, look_of, shop_of
from campaigns.rendering import ColorRefused, Compiled, Content, Deal, Look, color_of, logo_size
from campaigns.services import keep_picture
from contacts.admin.base import framed
from contacts.channels import Channel
from contacts.models import AuditEvent, Business
from contacts.queries import look_at
from contacts.services import audit, save_look
from messaging.admin.guarded import guarded
from redemptions.codes import SAMPLE_TOKEN, SAMPLE_TYPED, display
from redemptions.links import coupon_url

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite

TYPES = {"jpg": "image/jpeg", "png": "image/png"}
REFUSED = (
    '<!DOCTYPE html><html lang="en"><meta name="color-scheme" content="light dark"><title>{title}</title>'
    '<body style="font:16px/1.5 system-ui,sans-serif;padding:24px"><p><strong>{title}</strong></p><p>{why}</p>'
)


class LookForm(forms.Form):
    accent = forms.CharField(
        label=gettext_lazy("Colour of buttons and links"),
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "data-color": ""}),
        help_text=gettext_lazy(
            "The colour of your brand, as # and six digits: #1b5e7b. The words on buttons become white or black, and "
            "links and headings darker where they have to, so that everybody can read them."
        ),
    )
    logo = forms.FileField(
        label=gettext_lazy("Logo"),
        required=False,
        widget=forms.FileInput(attrs={"accept": "image/png,image/jpeg,image/webp,image/gif"}),
        help_text=gettext_lazy(
            "Stands on top of each mail in place of your name. PNG or JPEG, best with nothing around it; it is made "
            "smaller as needed. In the dark it gets a white plate."
        ),
    )
    no_logo = forms.BooleanField(label=gettext_lazy("No logo: write the name instead"), required=False)
    fitted: Fitted | None = None

    def clean_accent(self) -> str:
        try:
            return color_of(self.cleaned_data["accent"])
        except ColorRefused as error:
            raise ValidationError(str(error)) from error

    def clean_logo(self) -> Any:
        upload = self.cleaned_data.get("logo")
        if not isinstance(upload, UploadedFile):
            return None
        if (upload.size or 0) > MOST_BYTES:
            raise ValidationError(_("The file is larger than %(most)d MB.") % {"most": MOST_BYTES // 1_000_000})
        data = upload.read()
        try:
            self.fitted = fit(data)
        except PictureRefused as error:
            raise ValidationError(str(error)) from error
        return data


def look_urls(site: AdminSite) -> list[URLPattern]:
    return [
        path("look/", guarded(site, look_view, "GET", "HEAD", "POST"), name="messaging_look"),
        path("look/preview/", guarded(site, preview_view, "GET", "HEAD", "POST"), name="messaging_look_preview"),
    ]


def look_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show how mails look; a POST lets drafts, and what is launched from now on, look otherwise."""
    look = look_of()
    form = _form(request, look)
    if request.method == "POST" and form.is_valid():
        _save(request, form)
        return HttpResponseRedirect(reverse("admin:messaging_look", current_app=site.name))
    context = {**site.each_context(request), "title": _("Look of your mails"), "form": form, "look": look}
    return TemplateResponse(request, "admin/messaging/look.html", context)


def _form(request: HttpRequest, look: Look) -> LookForm:
    posted, files = (request.POST, request.FILES) if request.method == "POST" else (None, None)
    form = LookForm(posted, files, initial={"accent": look.accent}, label_suffix="")
    if not look.logo:
        del form.fields["no_logo"]
    return form


def _save(request: HttpRequest, form: LookForm) -> None:
    data, before = form.cleaned_data, look_at(None)
    logo, size = (before.logo, (before.logo_width, before.logo_height)) if before else ("", (0, 0))
    if data["logo"]:
        picture = keep_picture(data["logo"], by=request.user)  # type: ignore[arg-type]
        logo, size = picture.name, logo_size(picture.width, picture.height)
    elif data.get("no_logo"):
        logo, size = "", (0, 0)
    saved = save_look(accent=data["accent"], logo=logo, logo_size=size, at=timezone.now())
    if saved is None:
        messages.info(request, _("Nothing was changed."))
        return
    old = (before.accent, before.logo) if before else (Look().accent, "")
    changed = [
        name for name, was, is_ in zip(("colour", "logo"), old, (saved.accent, saved.logo), strict=True) if was != is_
    ]
    audit(AuditEvent.Action.SETTINGS, detail=f"look of mails: {', '.join(changed)}")
    messages.success(
        request, _("Your mails look like this from now on. Campaigns that were launched stay as they are.")
    )


# --- Preview ----------------------------------------------------------------------------------------------------------


def preview_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Return a mail in the look that is typed, not saved; GET: in the one that is saved."""
    look = look_of()
    if request.method == "POST":
        form = _form(request, look)
        if not form.is_valid():
            why = " ".join(str(error) for errors in form.errors.values() for error in errors)
            return framed(REFUSED.format(title=escape(_("No preview yet")), why=escape(why)))
        look = _typed(form, look)
    html = sample_mail(look, Business.load())
    # By day unless it was asked for, whatever the browser of whoever looks prefers.
    return framed_mail(html.replace(DARK_ONLY, "@media all" if request.POST.get("dark") else "@media not all"))


def _typed(form: LookForm, saved: Look) -> Look:
    accent, fitted = form.cleaned_data["accent"], form.fitted
    if fitted is not None:
        source = f"data:{TYPES[fitted.format]};base64,{b64encode(fitted.data).decode()}"
        return Look(accent, source, *logo_size(fitted.width, fitted.height))
    if form.cleaned_data.get("no_logo"):
        return Look(accent)
    return Look(accent, saved.logo, saved.logo_width, saved.logo_height)


def sample_mail(look: Look, business: Business) -> str:
    """Return a mail that shows all that a look changes, made as every mail is."""
    built = build(read({"version": 1, "blocks": _blocks()}), pictures={}, has_deal=True, look=look)
    content = Content(
        Channel.EMAIL,
        _("This is how your mails look"),
        body=built.text,
        html=built.html,
        is_built=True,
        look=look,
        language=settings.LANGUAGE_CODE,
    )
    deal = Deal(
        _("20 % off lunch"), _("One per guest."), "", display(SAMPLE_TYPED), coupon_url(SAMPLE_TOKEN), sample_qr()
    )
    shop = shop_of(business)
    return Compiled(content, has_deal=True).render(shop=shop, person=SAMPLE, deal=deal, unsubscribe_url="#").html


def _blocks() -> list[dict[str, str]]:
    link = '<a href="https://example.com/menu">' + _("a link") + "</a>"
    words = _("Hi Maria, this is text, and this is %(link)s.") % {"link": link}
    return [
        {"type": "heading", "text": _("A heading"), "size": "large"},
        {"type": "text", "html": f"<p>{words}</p>"},
        {"type": "button", "label": _("A button"), "link": "https://example.com/menu"},
        {"type": "deal"},
    ]
