"""Pages of one's own sign-in: the second factor, recovery codes, sessions; and those without being signed in."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.contrib.auth.views import PasswordResetConfirmView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse, reverse_lazy
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django_otp import login as remember_factor

from contacts.admin.users.forms import WRONG_CODE, WRONG_PASSWORD, CodeForm, PasswordForm
from contacts.models import AuditEvent, Business
from contacts.services import (
    SIGNED_IN_AT,
    audit,
    end_sessions,
    enrolment,
    finish_enrolment,
    has_second_factor,
    make_recovery_codes,
    open_sessions,
    recovery_codes_left,
    start_enrolment,
    stop_enrolment,
    turn_off_second_factor,
    verify_second_factor,
    wait_words,
)

JUST_NOW_S = 600


def sign_in_urls(site: admin.AdminSite) -> list[URLPattern]:
    """Return the pages of one's own sign-in, and the one a link leads to."""
    invite = InviteView.as_view(extra_context={"site_header": site.site_header, "site_title": site.site_title})
    own = never_cache(csrf_protect(lambda request: own_sign_in(site, request)))
    return [
        # One segment, so that the log can leave it out.
        path("invite/<slug:uidb64>.<str:token>/", invite, name="invite"),
        path("sign-in/", own, name="sign_in"),
    ]


def own_sign_in(site: admin.AdminSite, request: HttpRequest) -> HttpResponse:
    """Show one's own second factor and sessions, and change them.

    Open to whoever has signed in with a password, also where a second factor is asked of everybody: this is where it is
    set up. Whoever has one already has to have used it.
    """
    user = request.user
    if not (user.is_authenticated and user.is_active and user.is_staff):
        return HttpResponseRedirect(f"{reverse('admin:login')}?next={request.path}")
    if has_second_factor(user) and settings.REQUIRE_2FA and not getattr(user, "is_verified", bool)():
        return HttpResponseRedirect(f"{reverse('admin:login')}?next={request.path}")
    return OwnSignIn(site, request, user).answer()


class OwnSignIn:
    """One request for the page."""

    def __init__(self, site: admin.AdminSite, request: HttpRequest, user: User) -> None:
        self.site, self.request, self.user = site, request, user
        self.form = CodeForm()
        self.password_form = PasswordForm()
        self.codes: list[str] = []

    def answer(self) -> HttpResponse:
        if self.request.method != "POST":
            return self._page()
        presses = {
            "start": self._start,
            "stop": self._stop,
            "finish": self._finish,
            "codes": self._new_codes,
            "off": self._turn_off,
            "sign-out": self._sign_out,
        }
        press = presses.get(self.request.POST.get("press", ""))
        return press() if press else self._page()

    def _page(self) -> HttpResponse:
        user, business = self.user, Business.load()
        sessions = len(open_sessions(user, at=timezone.now()))
        context = {
            **self.site.each_context(self.request),
            "title": _("Your sign-in"),
            "form": self.form,
            "password_form": None if self._has_just_come() else self.password_form,
            "codes": self.codes,
            "enrolment": enrolment(user, business=business.name),
            "has_factor": has_second_factor(user),
            "codes_left": recovery_codes_left(user),
            "required": settings.REQUIRE_2FA,
            "elsewhere": max(0, sessions - 1),
        }
        response = TemplateResponse(self.request, "admin/sign_in/own.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def _again(self, said: str = "", level: int = messages.SUCCESS) -> HttpResponse:
        if said:
            messages.add_message(self.request, level, said)
        return HttpResponseRedirect(self.request.path)

    def _start(self) -> HttpResponse:
        """Begin. A laptop left open must not be enough: it takes a code of the app, or else the password."""
        if has_second_factor(self.user):
            is_theirs = self._has_typed_a_code()
        else:
            is_theirs = self._has_just_come() or self._has_typed_the_password()
        if not is_theirs:
            return self._page()
        start_enrolment(self.user)
        return self._again()

    def _stop(self) -> HttpResponse:
        stop_enrolment(self.user)
        return self._again()

    def _finish(self) -> HttpResponse:
        self.form = CodeForm(self.request.POST)
        if not self.form.is_valid():
            return self._page()
        done = finish_enrolment(self.user, self.form.cleaned_data["token"])
        if done is None:
            self.form.add_error("token", WRONG_CODE)
            return self._page()
        app, self.codes = done
        self.request.session.cycle_key()  # it may do more from here on
        remember_factor(self.request, app)
        end_sessions(self.user, at=timezone.now(), but=self.request.session.session_key)
        self.form = CodeForm()
        return self._page()

    def _new_codes(self) -> HttpResponse:
        if self._has_typed_a_code():
            self.codes = make_recovery_codes(self.user)
            self.form = CodeForm()
        return self._page()

    def _turn_off(self) -> HttpResponse:
        if settings.REQUIRE_2FA:
            raise PermissionDenied
        if not self._has_typed_a_code():
            return self._page()
        turn_off_second_factor(self.user)
        return self._again(_("The second factor is off. You sign in with your password alone."), messages.WARNING)

    def _sign_out(self) -> HttpResponse:
        count = end_sessions(self.user, at=timezone.now(), but=self.request.session.session_key)
        return self._again(_("Signed out in %(count)s other places.") % {"count": count})

    def _has_just_come(self) -> bool:
        """Whether they signed in so lately that nobody else is likely to sit there."""
        return time.time() - float(self.request.session.get(SIGNED_IN_AT, 0)) < JUST_NOW_S

    def _has_typed_the_password(self) -> bool:
        self.password_form = PasswordForm(self.request.POST)
        if not self.password_form.is_valid():
            return False
        if not knows_password(self.request, self.password_form.cleaned_data["password"]):
            self.password_form.add_error("password", WRONG_PASSWORD)
            return False
        return True

    def _has_typed_a_code(self) -> bool:
        self.form = CodeForm(self.request.POST)
        if not self.form.is_valid():
            return False
        if verify_second_factor(self.user, self.form.cleaned_data["token"]) is None:
            self.form.add_error("token", WRONG_CODE)
            return False
        return True


@method_decorator(sensitive_post_parameters(), name="dispatch")
class InviteView(PasswordResetConfirmView):
    """Where a link leads: somebody chooses a password of their own. The link is good once, and for three days.

    Whoever may not sign in any more finds it used up.
    """

    template_name = "admin/sign_in/invite.html"
    success_url = reverse_lazy("admin:login")
    title = gettext_lazy("Choose your password")

    def get_user(self, uidb64: str) -> Any:
        user = super().get_user(uidb64)
        return user if user is not None and user.is_active and user.is_staff else None

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        audit(AuditEvent.Action.PASSWORD, detail=f"user {form.user.pk}, by a link", actor=form.user)
        messages.success(self.request, _("Your password is set. Sign in with it."))
        return response


def knows_password(request: HttpRequest, typed: str) -> bool:
    """Say whether this is the password of whoever is signed in. Wrong ones count, and lock out, as at the sign-in."""
    user = authenticate(request, username=request.user.get_username(), password=typed)
    return user is not None and user.pk == request.user.pk


def locked_out(request: HttpRequest, response: HttpResponse | None = None, credentials: Any = None) -> HttpResponse:
    """Answer whoever has typed too many wrong passwords. Called by django-axes."""
    site = admin.site
    context = {**site.each_context(request), "title": _("Too many wrong passwords"), "wait": wait_words()}
    return render(request, "admin/sign_in/locked.html", context, status=429)
