"""Users: who signs in, as what, with which second factor; links to let them in."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import admin as stock
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from contacts.admin.base import PlainAdmin, badge
from contacts.admin.users.forms import OwnForm, PersonForm
from contacts.models import AuditEvent, AuthenticatorApp, Role
from contacts.sentences import kept
from contacts.services import (
    EXTRAS,
    audit,
    end_sessions,
    extras_of,
    has_second_factor,
    locked_places,
    note_new_name,
    role_of,
    save_person,
    sign_in_link,
    turn_off_second_factor,
    unlock,
)

assert isinstance(admin.site.get_model_admin(User), stock.UserAdmin)
admin.site.unregister(User)


PRESSED = kept("Pressed: %(button)s.")


@admin.register(User)
class UserAdmin(PlainAdmin[User]):
    form = PersonForm
    change_form_template = "admin/contacts/user/change_form.html"
    list_display = ("sign_in_name", "name", "role_label", "factor_label", "last_here", "active_label")
    list_filter = ("is_active", "groups")
    search_fields = ("username", "first_name")
    ordering = ("username",)
    sortable_by = ()
    actions = None
    add_label = gettext_lazy("New user")

    # --- Who may what ---

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Nobody: the audit log names them. Whoever leaves may not sign in any more."""
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Filter by no part of a password's hash: whoever sees the list would read it letter by letter."""
        return not lookup.startswith("password") and bool(super().lookup_allowed(lookup, value, request))

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Whoever manages the machine is changed by their like only."""
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or not obj.is_superuser or bool(request.user.is_superuser))

    # --- The list ---

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        app = AuthenticatorApp.objects.filter(user=OuterRef("pk"), confirmed=True)
        return super().get_queryset(request).prefetch_related("groups").annotate(has_app=Exists(app))

    @admin.display(description=gettext_lazy("Role"))
    def role_label(self, user: User) -> str:
        return _role_words(user)

    @admin.display(description=gettext_lazy("Sign-in name"))
    def sign_in_name(self, user: User) -> str:
        return user.get_username()

    @admin.display(description=gettext_lazy("Name"), empty_value="—")
    def name(self, user: User) -> str | None:
        return user.get_full_name() or None

    @admin.display(description=gettext_lazy("Last signed in"))
    def last_here(self, user: User) -> object:
        return user.last_login or _("never")

    @admin.display(description=gettext_lazy("Second factor"))
    def factor_label(self, user: User) -> SafeString:
        return badge("ok", _("On")) if getattr(user, "has_app", False) else badge("quiet", _("Off"))

    @admin.display(description=gettext_lazy("May sign in"))
    def active_label(self, user: User) -> SafeString:
        return badge("ok", _("Yes")) if user.is_active and user.is_staff else badge("quiet", _("No"))

    # --- The form ---

    def get_form(self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["form"] = OwnForm if _has_fixed_role(request, obj) else PersonForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        person = ("username", "first_name", "email")
        whether = ("is_active",) if obj else ()
        return [(None, {"fields": person}), (_("What they may"), {"fields": ("role", "extras", *whether)})]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        return ("role", "extras", "is_active") if _has_fixed_role(request, obj) else ()

    @admin.display(description=gettext_lazy("Role"))
    def role(self, user: User) -> str:
        return _role_words(user)

    @admin.display(description=gettext_lazy("May also"))
    def extras(self, user: User) -> str:
        given = set(extras_of(user))
        return "; ".join(str(extra.label) for extra in EXTRAS if extra.permission in given) or "—"

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if isinstance(form, PersonForm):
            save_person(obj, role=Role(form.cleaned_data["role"]), extras=form.cleaned_data["extras"])
            if not (obj.is_active and obj.is_staff):
                end_sessions(obj, at=timezone.now())  # or they would go on, once this person may come again
        else:
            before = User.objects.get(pk=obj.pk).username
            super().save_model(request, obj, form, change)
            note_new_name(obj, before=before)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Nothing is left to save: the role is saved with the person."""

    def response_add(self, request: HttpRequest, obj: User, post_url_continue: str | None = None) -> HttpResponse:
        if obj.is_staff:
            return self._show_link(request, obj)
        self.message_user(request, _("%(name)s is here, and does not sign in.") % {"name": obj.username})
        return self._to_person(obj)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        user = self.get_object(request, object_id)
        shown = self._state(request, user) if user else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    def _state(self, request: HttpRequest, user: User) -> dict[str, Any]:
        return {
            "is_self": user.pk == request.user.pk,
            "may_manage": self.has_change_permission(request, user) and user.pk != request.user.pk,
            "has_factor": has_second_factor(user),
            "locked_places": locked_places(user, at=timezone.now()),
            "never_came": user.last_login is None,
            "may_come": user.is_active and user.is_staff,
        }

    # --- What may be done ---

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        pressed = {
            "link": self.link_view,
            "unlock": self.unlock_view,
            "reset-factor": self.reset_factor_view,
            "sign-out": self.sign_out_view,
        }
        return [
            *(
                path(f"<int:pk>/{name}/", wrap(require_POST(view)), name=f"auth_user_{name.replace('-', '_')}")
                for name, view in pressed.items()
            ),
            *super().get_urls(),
        ]

    def link_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Make a link with which somebody chooses a password; it is shown once."""
        user = self._other(request, pk)
        if not (user.is_active and user.is_staff):
            self.message_user(request, _("They may not sign in: give them a role first."), messages.ERROR)
            return self._to_person(user)
        return self._show_link(request, user)

    def _show_link(self, request: HttpRequest, user: User) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("A link for %(name)s") % {"name": user.username},
            "person": user,
            "link": sign_in_link(user),
        }
        response = TemplateResponse(request, "admin/contacts/user/link.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def unlock_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        user = self._other(request, pk)
        unlock(user)
        self.message_user(request, _("%(name)s may try again at once.") % {"name": user.username})
        return self._to_person(user)

    def reset_factor_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take somebody's app and recovery codes away, for whom the phone is lost, and sign them out."""
        user = self._other(request, pk)
        turn_off_second_factor(user)
        end_sessions(user, at=timezone.now())
        said = _("%(name)s signs in with the password alone now, and can set up a new app.")
        self.message_user(request, said % {"name": user.username}, messages.WARNING)
        return self._to_person(user)

    def sign_out_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        user = self._other(request, pk)
        count = end_sessions(user, at=timezone.now())
        audit(AuditEvent.Action.SIGNED_OUT, detail=f"user {user.pk}, everywhere")
        said = _("%(name)s is signed out everywhere: in %(count)s places.") % {"name": user.username, "count": count}
        self.message_user(request, said)
        return self._to_person(user)

    def _other(self, request: HttpRequest, pk: int) -> User:
        """Return a colleague this user may change. Raises Http404 and PermissionDenied."""
        user = self.get_object(request, str(pk))
        if user is None:
            raise Http404
        if user.pk == request.user.pk or not self.has_change_permission(request, user):
            raise PermissionDenied
        pressed = request.path.rstrip("/").rpartition("/")[2]
        self.log_change(request, user, PRESSED % {"button": pressed.replace("-", " ")})
        return user

    def _to_person(self, user: User) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:auth_user_change", args=[user.pk]))


def _has_fixed_role(request: HttpRequest, user: User | None) -> bool:
    """Nobody changes their own role, and whoever manages the machine has none."""
    return user is not None and (user.pk == request.user.pk or user.is_superuser)


def _role_words(user: User) -> str:
    if user.is_superuser:
        return _("Manages the machine: everything")
    role = role_of(user)
    return str(role.value) if role else "—"
