"""The live preview: the form as it stands, unsaved, rendered by the same code that sends."""

from __future__ import annotations

from base64 import b64encode
from decimal import Decimal
from functools import lru_cache
from html import escape
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from campaigns import sms
from campaigns.admin.forms import CampaignForm, draft_of
from campaigns.models import Campaign
from campaigns.queries import SAMPLE, Check, audience_size, content_of, person_of, preview, variant_of
from campaigns.rendering import Content, ContentError, Person, Rendered
from contacts.admin.base import FRAME_POLICY, PlainAdmin, framed, people
from contacts.admin.people.finding import find_contacts
from contacts.admin.searching import SearchRefused
from contacts.channels import Channel
from contacts.models import Business, Contact
from messaging.queries import full_checklist
from redemptions import qr
from redemptions.codes import SAMPLE_TOKEN
from redemptions.links import qr_payload

MOST_DIGITS = 18
PROBLEM_PAGE = (
    '<!DOCTYPE html><html lang="{language}"><meta name="color-scheme" content="light dark"><title>{title}</title>'
    '<body style="font:16px/1.5 system-ui,sans-serif;padding:24px"><p><strong>{words}</strong></p><p>{problem}</p>'
)
BLANK_PAGE = (
    '<!DOCTYPE html><html lang="{language}"><meta name="color-scheme" content="light"><title>{title}</title>'
    '<body style="font:20px/1.5 system-ui,sans-serif;padding:15vh 24px;text-align:center;color:#4a545c">'
    '<p style="font-size:26px"><strong>{title}</strong></p><p>{text}</p>'
)
DARK_ONLY = "@media (prefers-color-scheme:dark)"
SCHEMES = {"dark": "@media all", "light": "@media not all"}  # whatever the one who looks has chosen for their screen
FOUND_SHOWN = 8
# People to try the words on: the usual one, and those a mail is never written for.
READERS: dict[str, tuple[str | Promise, Person]] = {
    "sample": (gettext_lazy("Maria Kim, made up"), SAMPLE),
    "none": (gettext_lazy("Somebody without a name"), Person()),
    "long": (
        gettext_lazy("A very long name"),
        Person("Maximiliana-Alexandrina Wilhelmina Carolina", "von Hohenzollern-Sigmaringen-Featherstone"),
    ),
    "other": (gettext_lazy("A name in other letters"), Person("Владислава", "Щербакова")),
}


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
            path("preview/people/", wrap(require_POST(self.readers)), name="campaigns_campaign_readers"),
            path("preview/facts/", wrap(require_POST(self.typed_facts)), name="campaigns_campaign_facts"),
            path("<int:pk>/preview/", wrap(self.saved_html), name="campaigns_campaign_saved_preview"),
        ]

    def typed_html(self, request: HttpRequest) -> HttpResponse:
        """Return the mail as it is typed now."""
        campaign, content, problem = self._typed(request)
        if problem:
            html = problem_page(problem)
        elif content.is_built and not content.html.strip():
            html = blank_page()
        else:
            html = mail_html(campaign, content, self._reader(request))
        shown = SCHEMES.get(request.POST.get("preview_scheme", ""))
        return framed_mail(html.replace(DARK_ONLY, shown) if shown else html)

    def typed_facts(self, request: HttpRequest) -> JsonResponse:
        """Return what the page beside the preview shows: subject, plain text, size, checklist."""
        campaign, content, problem = self._typed(request)
        shown = facts(campaign, content, self._reader(request))
        if problem:
            shown["error"] = problem
            shown["checks"] = [
                check_facts(Check("block", _("The message cannot be sent as it is"), problem, "blocks")),
                *shown["checks"],
            ]
        return JsonResponse(shown)

    def readers(self, request: HttpRequest) -> JsonResponse:
        """Find people to show the preview as. What was typed stands in no address and in no log."""
        if not request.user.has_perm("contacts.view_contact"):
            raise PermissionDenied
        try:
            found = find_contacts(request.POST.get("q", ""))[:FOUND_SHOWN]
        except SearchRefused as error:
            return JsonResponse({"people": [], "why": str(error)})
        contacts = Contact.objects.filter(pk__in=found).only("first_name", "last_name", "email", "phone")
        return JsonResponse({"people": [{"pk": contact.pk, "name": _named(contact)} for contact in contacts]})

    def _reader(self, request: HttpRequest) -> Person:
        """Return as whom the preview is asked for."""
        who = request.POST.get("preview_as", "")
        if not who.isdecimal() or len(who) > MOST_DIGITS:
            return READERS.get(who, READERS["sample"])[1]
        if not request.user.has_perm("contacts.view_contact"):
            raise PermissionDenied
        contact = Contact.objects.filter(pk=int(who)).first()
        return person_of(contact) if contact else SAMPLE

    def saved_html(self, request: HttpRequest, pk: int) -> HttpResponse:
        campaign = self.get_object(request, str(pk))
        if campaign is None or not self.has_view_permission(request, campaign):
            raise PermissionDenied
        return framed_mail(mail_html(campaign, content_of(campaign, variant_of(campaign))))

    def _typed(self, request: HttpRequest) -> tuple[Campaign, Content, str]:
        """Return the campaign and the words as they are typed, and why the blocks cannot be read."""
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        form = self.get_form(request)(request.POST)
        assert isinstance(form, CampaignForm)
        form.is_valid()
        form.draft = getattr(form, "draft", draft_of({}))
        problem = " ".join(map(str, form.errors.get("blocks", [])))
        return form.campaign(), form.draft.content, problem


def framed_mail(html: str) -> HttpResponse:
    """Return a mail for the frame; its pictures come from where people get them.

    The page around it sees how far down somebody has read; scripts still run nowhere in it.
    """
    response = framed(html)
    policy = FRAME_POLICY.replace("img-src ", f"img-src {settings.PUBLIC_BASE_URL} ")
    response["Content-Security-Policy"] = f"{policy} allow-same-origin"
    return response


def _named(contact: Contact) -> str:
    return " ".join(filter(None, [contact.first_name, contact.last_name])) or contact.masked


def render_preview(campaign: Campaign, content: Content, person: Person = SAMPLE) -> Rendered:
    """Return what somebody would get. Raises ContentError."""
    return preview(campaign, content, Business.load(), person=person, qr_src=sample_qr())


def problem_page(problem: str) -> str:
    """Return the page that stands in the place of a preview."""
    words = _("The preview comes back when this is mended:")
    return PROBLEM_PAGE.format(language=get_language(), title=_("Preview"), words=words, problem=escape(problem))


def mail_html(campaign: Campaign, content: Content, person: Person = SAMPLE) -> str:
    try:
        rendered = render_preview(campaign, content, person)
    except ContentError as error:
        return problem_page(str(error))
    return rendered.html or problem_page(_("A text message has no HTML."))


def blank_page() -> str:
    """Say what will be seen here, where nothing is written yet."""
    title, text = _("Your mail appears here"), _("Choose what to start from, or add the first block.")
    return BLANK_PAGE.format(language=get_language(), title=escape(title), text=escape(text))


def checks_of(campaign: Campaign, content: Content) -> list[Check]:
    return full_checklist(campaign, content, at=timezone.now())


def facts(campaign: Campaign, content: Content, person: Person = SAMPLE) -> dict[str, Any]:
    """Return the preview's words and the checklist, ready for JSON."""
    checks = checks_of(campaign, content)
    return {**preview_words(campaign, content, person), "checks": [check_facts(check) for check in checks]}


def check_facts(check: Check) -> dict[str, str]:
    return {
        "level": check.level,
        "title": check.title,
        "detail": check.detail,
        "field": check.field,
        "url": check.url,
        "label": check.label,
    }


def preview_words(campaign: Campaign, content: Content, person: Person = SAMPLE) -> dict[str, Any]:
    """Return what stands beside the preview: sender, subject, text, size, or what is wrong."""
    business = Business.load()
    result: dict[str, Any] = {
        "from": business.from_name or business.name,
        "subject": "",
        "preheader": content.preheader,
        "text": "",
        "size": "",
        "cost": "",
        "error": "",
    }
    try:
        rendered = render_preview(campaign, content, person)
    except ContentError as error:
        return {**result, "error": str(error)}
    result |= {"subject": rendered.subject, "text": rendered.text}
    if content.channel == Channel.SMS:
        result["size"] = size_line(rendered.text)
        result["cost"] = cost_line(rendered.text, audience_size(campaign, at=timezone.now()))
    return result


def cost_line(text: str, count: int) -> str:
    """`$0.0166 each, about $8.30 for 500 people`: what the provider takes, without the carriers' fees."""
    each: Decimal = sms.measure(text).parts * settings.SMS_PART_PRICE
    return _("$%(each)s each, about $%(total)s for %(people)s") % {
        "each": each.normalize(),
        "total": f"{each * count:,.2f}",
        "people": people(count),
    }


def size_line(text: str) -> str:
    """`1 part · 92 characters`, and what makes it dear."""
    size = sms.measure(text)
    line = ngettext("%(parts)s part · %(length)s characters", "%(parts)s parts · %(length)s characters", size.parts)
    line %= {"parts": size.parts, "length": size.units}
    return _("%(size)s · special: %(letters)s") % {"size": line, "letters": size.special[:10]} if size.special else line
