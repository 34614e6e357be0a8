"""What the campaign form asks for while it is written: saving by itself, pictures, templates."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, override
from django.views.decorators.http import require_POST

from campaigns.admin.forms import CampaignForm
from campaigns.admin.pages import CampaignPages
from campaigns.blocks import KINDS, STARTERS, starter
from campaigns.models import Campaign, Picture, Template
from campaigns.pictures import MOST_BYTES, PictureRefused
from campaigns.queries import picture_url
from campaigns.rendering import ContentError
from campaigns.services import NotPossible, Outdated, begun_with, keep_picture, save_draft

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

PICTURES_SHOWN = 60
SENT_AGAIN_WITHIN = timedelta(hours=12)
LOGGED_EVERY = timedelta(minutes=30)  # somebody's saving by itself is one line of the history for so long


class EditingPages(CampaignPages):
    """The addresses the editor talks to."""

    def editing_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("autosave/", wrap(require_POST(self.autosave_view)), name="campaigns_campaign_autosave_new"),
            path("<int:pk>/autosave/", wrap(require_POST(self.autosave_view)), name="campaigns_campaign_autosave"),
            path("pictures/", wrap(self.pictures_view), name="campaigns_campaign_pictures"),
        ]

    # --- Saving by itself ---

    def autosave_view(self, request: HttpRequest, pk: int | None = None) -> JsonResponse:
        """Save a draft as it is typed; say where it is now, or why it was not saved.

        Where somebody else saved it meanwhile, nothing is written, and the page is told who and when. `again` says
        that the same was sent before and not answered: it may have begun a draft.
        """
        campaign = self._campaign(request, pk) if pk else None
        if campaign is None and not self.has_add_permission(request):
            raise PermissionDenied
        form = self.get_form(request, campaign)(request.POST, instance=campaign)
        assert isinstance(form, CampaignForm)
        is_valid = form.is_valid()
        if form.newer:
            return conflict_answer(form.newer, request.user)
        if not is_valid:
            return JsonResponse({"saved": False, "why": first_error(form)})
        if campaign is None and request.POST.get("again"):
            begun = begun_with(form.draft, by=request.user, since=timezone.now() - SENT_AGAIN_WITHIN)  # type: ignore[arg-type]
            if begun is not None:
                return JsonResponse({"saved": True, **saved_facts(begun)})
        try:
            saved = save_draft(form.draft, campaign=campaign, by=request.user, seen=form.seen_at)  # type: ignore[arg-type]
        except Outdated as error:
            return conflict_answer(error.campaign, request.user)
        except (NotPossible, ContentError) as error:
            return JsonResponse({"saved": False, "why": str(error)})
        self._log_autosave(request, saved, is_new=campaign is None)
        return JsonResponse({"saved": True, **saved_facts(saved)})

    def _log_autosave(self, request: HttpRequest, campaign: Campaign, *, is_new: bool) -> None:
        if is_new:
            self.log_addition(request, campaign, gettext_noop("Begun."))
            return
        lines = LogEntry.objects.filter(
            object_id=str(campaign.pk), user_id=str(request.user.pk), content_type__model="campaign"
        )
        if not lines.filter(action_time__gte=timezone.now() - LOGGED_EVERY).exists():
            self.log_change(request, campaign, gettext_noop("Changed while it was written."))

    # --- Pictures ---

    def pictures_view(self, request: HttpRequest) -> HttpResponse:
        """GET: the pictures that were uploaded last. POST: keep one more."""
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        if request.method == "GET":
            rows = Picture.objects.defer("data")[:PICTURES_SHOWN]
            return JsonResponse({"pictures": [picture_facts(row) for row in rows]})
        upload = request.FILES.get("picture") if request.method == "POST" else None
        if not isinstance(upload, UploadedFile):
            return JsonResponse({"why": _("Choose a picture first.")})
        if (upload.size or 0) > MOST_BYTES:
            why = _("The file is larger than %(most)d MB.") % {"most": MOST_BYTES // 1_000_000}
            return JsonResponse({"why": why})
        try:
            picture = keep_picture(upload.read(), by=request.user)  # type: ignore[arg-type]
        except PictureRefused as error:
            return JsonResponse({"why": str(error)})
        return JsonResponse(picture_facts(picture))


def saved_facts(campaign: Campaign) -> dict[str, Any]:
    """Return what the page has to know of a draft that is saved."""
    return {
        "pk": campaign.pk,
        "seen": campaign.updated_at.isoformat(),
        "at": formats.date_format(timezone.localtime(campaign.updated_at), "TIME_FORMAT"),
        "page": reverse("admin:campaigns_campaign_change", args=[campaign.pk]),
        "autosave": reverse("admin:campaigns_campaign_autosave", args=[campaign.pk]),
    }


def conflict_words(newer: Campaign, reader: User | AnonymousUser) -> str:
    """Say who saved a campaign meanwhile, and when."""
    at = formats.date_format(timezone.localtime(newer.updated_at), "TIME_FORMAT")
    if newer.updated_by_id == reader.pk:
        words = _("You saved this campaign at %(at)s in another window. Nothing was saved over it from here.")
        return words % {"at": at}
    who = newer.updated_by.get_full_name() or newer.updated_by.get_username() if newer.updated_by else _("Somebody")
    return _("%(who)s saved this campaign at %(at)s, after you opened it. Nothing of yours was saved over it.") % {
        "who": who,
        "at": at,
    }


def conflict_answer(newer: Campaign, reader: User | AnonymousUser) -> JsonResponse:
    page = reverse("admin:campaigns_campaign_change", args=[newer.pk])
    return JsonResponse({"saved": False, "conflict": True, "why": conflict_words(newer, reader), "page": page})


def first_error(form: CampaignForm) -> str:
    """Return the first thing that is wrong, with the name of its input."""
    name, errors = next(iter(form.errors.items()))
    field = form.fields.get(name)
    return f"{field.label}: {errors[0]}" if field else str(errors[0])


def picture_facts(picture: Picture) -> dict[str, Any]:
    """Return a picture for the editor; `src` is on this site, whatever address people reach it at."""
    path_of = reverse("campaign_picture", args=[picture.reference, picture.format])
    return {
        "name": picture.name,
        "src": path_of,
        "url": picture_url(picture.name),
        "width": picture.width,
        "height": picture.height,
    }


# --- Starting points ---


def starters() -> list[dict[str, Any]]:
    """Return what a new campaign may start from: those of the product, then those that were kept."""
    own = Template.objects.defer("blocks")
    return [
        *({"key": found.key, "name": found.name, "about": found.about} for found in STARTERS),
        *({"key": f"own-{row.pk}", "name": row.name, "about": row.subject, "is_own": True} for row in own),
    ]


def started_from(key: str) -> dict[str, Any] | None:
    """Return the first values of a campaign that starts from this; None: there is no such thing."""
    if key.removeprefix("own-").isdecimal() and len(key) < 20:
        row = Template.objects.filter(pk=int(key.removeprefix("own-"))).first()
        return {"subject": row.subject, "preheader": row.preheader, "blocks": row.blocks} if row else None
    found = starter(key)
    if found is None:
        return None
    with override(settings.LANGUAGE_CODE):  # guests read it, whatever the one reads who writes
        return {"subject": str(found.subject), "preheader": str(found.preheader), "blocks": found.blocks()}


def editor_words() -> dict[str, Any]:
    """Return what the editor's page is told: kinds of blocks, and its words in the language of the moment."""
    return {
        "kinds": [
            {"type": name, "label": str(kind.label), "inColumns": kind.fits_columns} for name, kind in KINDS.items()
        ],
        "words": {
            "add": _("Add"),
            "addTo": _("Add to the %(side)s column"),
            "left": _("left"),
            "right": _("right"),
            "up": _("Move up"),
            "down": _("Move down"),
            "copy": _("Duplicate"),
            "remove": _("Remove"),
            "drag": _("Drag to move"),
            "removed": _("%(block)s removed."),
            "moved": _("%(block)s is now number %(number)s."),
            "added": _("%(block)s added."),
            "undo": _("Undo"),
            "empty": _("No blocks yet. Add the first one below."),
            "text": _("Text"),
            "size": _("Size"),
            "large": _("Large"),
            "small": _("Small"),
            "picture": _("Picture"),
            "choosePicture": _("Upload a picture…"),
            "otherPicture": _("Choose another…"),
            "earlierPictures": _("Pictures uploaded before"),
            "uploading": _("Uploading…"),
            "uploadFailed": _("It could not be uploaded. Try again."),
            "alt": _("What is on it"),
            "altHelp": _("Read out to people who cannot see it, and shown until it is loaded."),
            "link": _("Link"),
            "linkOptional": _("Link (optional)"),
            "width": _("Width"),
            "full": _("Full"),
            "half": _("Half"),
            "label": _("Words on the button"),
            "dealHelp": _("Everyone sees their own QR code, the code to type and the terms of the deal chosen above."),
            "dividerHelp": _("A thin line."),
            "bold": _("Bold"),
            "italic": _("Italic"),
            "makeLink": _("Link"),
            "bullets": _("List"),
            "numbers": _("Numbered list"),
            "insert": _("Insert…"),
            "askLink": _("Where does it lead?"),
            "setLink": _("Set link"),
            "noLink": _("Take the link away"),
            "cancel": _("Cancel"),
            "saving": _("Saving…"),
            "saved": _("Saved at %(at)s"),
            "notSaved": _("Not saved yet: %(why)s"),
            "unsaved": _("Not saved yet"),
            "offline": _("Not saved: the server does not answer. It is tried again."),
            "signedOut": _("Not saved: you are signed out. Sign in in another tab, then go on here."),
            "refused": _("Not saved: this is more than the server takes at once. Shorten it."),
            "fix": _("Fix"),
            "ok": _("Fine:"),
            "warn": _("Worth a look:"),
            "block": _("To fix:"),
            "toFix": _("%(count)s to fix"),
            "toLook": _("%(count)s to look at"),
            "allGood": _("All good"),
            "mend": _("The preview comes back when this is mended: %(why)s"),
            "noneFound": _("Nobody was found."),
        },
    }
