"""What each role may open, what its menu shows, and who may let whom in."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from config.roles import PERMISSIONS, bring_roles_up_to_date, permissions_of
from contacts.models import AuditEvent, AuthenticatorApp, Role, Suppression
from contacts.services import save_person
from redemptions.models import Redemption
from tests.admin.conftest import write_draft

OWNER, MARKETER, BOOKKEEPER, STAFF = Role.OWNER, Role.MARKETER, Role.BOOKKEEPER, Role.STAFF
MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
OPENS = {
    MARKETER: {
        "campaigns.Campaign",
        "campaigns.Template",
        "contacts.ConsentEvent",
        "contacts.Contact",
        "contacts.Import",
        "contacts.Job",
        "contacts.Segment",
        "contacts.SignupForm",
        "contacts.Suppression",
        "contacts.Tag",
        "messaging.InboundText",
        "messaging.Message",
        "redemptions.Code",
        "redemptions.CodeSheet",
        "redemptions.Location",
        "redemptions.Offer",
        "redemptions.Redemption",
    },
    BOOKKEEPER: {"campaigns.Campaign", "redemptions.Location", "redemptions.Offer", "redemptions.Redemption"},
    STAFF: set(),
}


def opens(role, model):
    if role == OWNER:
        return model._meta.app_label not in {"django_q", "auth"} or model is User
    return model._meta.label in OPENS[role]


def person(role, *extras, name=None):
    user = User(username=name or f"{role.value.lower()}-{User.objects.count()}")
    return save_person(user, role=role, extras=extras)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def url_of(model, page="changelist", *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def menu_of(client):
    return [
        entry for group in client.get(reverse("admin:index")).context["available_apps"] for entry in group["models"]
    ]


# --- Every page and every role ---


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
@pytest.mark.parametrize("role", [OWNER, MARKETER, BOOKKEEPER])
def test_opens_the_pages_of_a_role_and_no_others(role, model, shop):
    client = signed_in(person(role))

    page = client.get(url_of(model), follow=True)

    assert page.status_code == (200 if opens(role, model) else 403)


@pytest.mark.parametrize("role", [OWNER, MARKETER, BOOKKEEPER])
def test_the_menu_leads_only_where_something_opens(role, shop):
    client = signed_in(person(role))

    menu = menu_of(client)

    assert menu
    for entry in menu:
        for url in filter(None, (entry["admin_url"], entry.get("add_url"))):
            assert client.get(url, follow=True).status_code == 200, url


@pytest.mark.parametrize("role", [MARKETER, BOOKKEEPER])
def test_the_menu_shows_all_that_opens(role, shop):
    shown = {entry["model"]._meta.label for entry in menu_of(signed_in(person(role))) if "model" in entry}

    assert shown == OPENS[role]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_lets_no_staff_into_any_page(model, db):
    user = person(STAFF)

    page = signed_in(user).get(url_of(model))

    assert not user.is_staff
    assert page.status_code == 302
    assert page["Location"].startswith(reverse("admin:login"))


PRESSED = {"export", "reveal"}  # buttons: POST alone
SPECIAL = {  # address, and who may press it without more
    "send": (lambda shop: reverse("admin:campaigns_campaign_review", args=[shop.draft.pk]), {OWNER}),
    "export": (lambda shop: reverse("admin:contacts_contact_download", args=[shop.maria.pk]), {OWNER}),
    "reveal": (lambda shop: reverse("admin:contacts_contact_show", args=[shop.maria.pk]), {OWNER}),
    "lift": (
        lambda shop: reverse("admin:contacts_suppression_lift", args=[Suppression.objects.first().pk]),
        {OWNER},
    ),
    "void": (
        lambda shop: reverse("admin:redemptions_redemption_void", args=[Redemption.objects.get().pk]),
        {OWNER},
    ),
    "erase": (lambda shop: reverse("admin:contacts_contact_erase", args=[shop.maria.pk]), {OWNER}),
    "reports": (lambda shop: reverse("admin:redemptions_report"), {OWNER, MARKETER, BOOKKEEPER}),
    "ledger file": (lambda shop: reverse("admin:redemptions_report_file", args=["csv"]), {OWNER, MARKETER, BOOKKEEPER}),
    "campaign report": (
        lambda shop: reverse("admin:campaigns_campaign_report", args=[shop.sending.pk]),
        {OWNER, MARKETER, BOOKKEEPER},
    ),
    "people of a campaign": (
        lambda shop: reverse("admin:campaigns_campaign_unknown", args=[shop.sending.pk]),
        {OWNER, MARKETER},
    ),
    "outbox": (lambda shop: reverse("admin:messaging_outbox"), {OWNER}),
    "set-up": (lambda shop: reverse("admin:messaging_setup"), {OWNER}),
}


@pytest.mark.parametrize("role", [OWNER, MARKETER, BOOKKEEPER])
@pytest.mark.parametrize("page", SPECIAL)
def test_pages_with_a_permission_of_their_own(page, role, shop):
    url, allowed = SPECIAL[page]

    client = signed_in(person(role))
    answer = (client.post if page in PRESSED else client.get)(url(shop))

    assert answer.status_code in {200, 302, 403}
    assert (answer.status_code != 403) == (role in allowed)


@pytest.mark.parametrize(
    ("extra", "page"),
    [
        ("campaigns.send_campaign", "send"),
        ("contacts.export_contact", "export"),
        ("contacts.erase_contact", "erase"),
        ("contacts.reveal_contact", "reveal"),
        ("contacts.lift_suppression", "lift"),
        ("redemptions.void_redemption", "void"),
    ],
)
def test_an_extra_permission_opens_one_more_page(extra, page, shop):
    url = SPECIAL[page][0](shop)
    without, with_it = signed_in(person(MARKETER)), signed_in(person(MARKETER, extra))
    if page in PRESSED:
        without.get, with_it.get = without.post, with_it.post

    assert without.get(url).status_code == 403
    assert with_it.get(url).status_code in {200, 302}


def test_a_marketer_tests_and_does_not_send(shop):
    client = signed_in(person(MARKETER))
    draft = write_draft("Quiz night")
    words = {"name": "Quiz night", "channel": "email", "subject": "Quiz", "body": "Come by.", "utm_campaign": ""}

    tested = client.post(
        reverse("admin:campaigns_campaign_change", args=[draft.pk]),
        {**words, "_test": "1", "test_to": "me@example.com"},
        follow=True,
    )

    assert "you may not send" not in tested.content.decode()
    assert client.post(reverse("admin:campaigns_campaign_cancel", args=[shop.sending.pk])).status_code == 403


# --- Kept up to date ---


def test_brings_a_changed_group_back_and_leaves_others_alone(db):
    group, own = Group.objects.get(name=BOOKKEEPER.value), Group.objects.create(name="Interns")
    group.permissions.set(Permission.objects.filter(codename="erase_contact"))
    own.permissions.set(Permission.objects.filter(codename="view_tag"))

    bring_roles_up_to_date()
    bring_roles_up_to_date()

    assert set(group.permissions.all()) == permissions_of(BOOKKEEPER)
    assert own.permissions.get().codename == "view_tag"


def test_makes_the_groups_with_the_migrations(db):
    Group.objects.all().delete()

    call_command("migrate", verbosity=0)

    assert set(Group.objects.values_list("name", flat=True)) == set(Role.values)
    assert Group.objects.get(name=OWNER.value).permissions.filter(codename="approve_campaign").exists()


def test_every_permission_of_a_role_exists(db):
    for role, names in PERMISSIONS.items():
        assert len(permissions_of(role)) == len(set(names))


# --- Letting people in ---


@pytest.fixture
def owner(db):
    return person(OWNER, name="olga")


def form_for(user, **changes):
    return {"username": user.username, "first_name": "", "email": "", "is_active": "on", "role": "Marketer", **changes}


def test_invites_by_a_link_that_is_good_once(owner):
    client = signed_in(owner)
    AuditEvent.objects.all().delete()

    page = client.post(
        reverse("admin:auth_user_add"),
        {
            "username": "nina",
            "first_name": "Nina",
            "email": "",
            "role": "Marketer",
            "extras": "campaigns.send_campaign",
        },
    )
    link = page.context["link"]
    nina, visitor = User.objects.get(username="nina"), Client()
    asked = visitor.get(link, follow=True)
    password = {"new_password1": "rosemary-salt-42", "new_password2": "rosemary-salt-42"}
    visitor.post(asked.request["PATH_INFO"], password)

    assert not User.objects.get(username="nina").is_superuser
    assert nina.is_staff
    assert nina.has_perm("campaigns.send_campaign")
    assert User.objects.get(username="nina").check_password("rosemary-salt-42")
    assert "used up" in Client().get(link, follow=True).content.decode()
    assert [event.action for event in AuditEvent.objects.order_by("pk")] == ["person", "invited", "password"]


def test_changes_a_role_and_writes_it_down(owner):
    nina = person(MARKETER, "contacts.export_contact", name="nina")
    AuditEvent.objects.all().delete()

    signed_in(owner).post(reverse("admin:auth_user_change", args=[nina.pk]), form_for(nina, role="Bookkeeper"))

    nina = User.objects.get(pk=nina.pk)
    assert [group.name for group in nina.groups.all()] == ["Bookkeeper"]
    assert not nina.has_perm("contacts.export_contact")
    line = AuditEvent.objects.get()
    assert (line.action, line.actor, line.detail) == ("person", owner, f"user {nina.pk}: Bookkeeper")
    assert line.address == "127.0.0.0/24"


def test_whoever_leaves_is_shut_out_at_once(owner):
    nina = person(MARKETER, name="nina")
    nina_at_work = signed_in(nina)
    assert nina_at_work.get(reverse("admin:index")).status_code == 200

    changed = form_for(nina)
    del changed["is_active"]
    signed_in(owner).post(reverse("admin:auth_user_change", args=[nina.pk]), changed)

    assert nina_at_work.get(reverse("admin:index")).status_code == 302


def test_a_session_does_not_come_back_with_its_owner(owner):
    nina = person(MARKETER, name="nina")
    nina_at_work, boss = signed_in(nina), signed_in(owner)
    url = reverse("admin:auth_user_change", args=[nina.pk])
    gone = form_for(nina)
    del gone["is_active"]

    boss.post(url, gone)
    boss.post(url, form_for(nina))

    assert User.objects.get(pk=nina.pk).is_active
    assert nina_at_work.get(reverse("admin:index")).status_code == 302


@pytest.mark.parametrize("whose", ["nina", "olga"])
def test_writes_down_that_somebody_signs_in_by_another_name(whose, owner):
    user = owner if whose == "olga" else person(MARKETER, name="nina")
    AuditEvent.objects.all().delete()

    changed = {**form_for(user), "username": "zoe"}
    signed_in(owner).post(reverse("admin:auth_user_change", args=[user.pk]), changed)

    line = AuditEvent.objects.filter(action="person").get()
    assert (line.actor, line.detail) == (owner, f"user {user.pk}: signed in as {whose} until now")


@pytest.mark.parametrize("lookup", ["password", "password__startswith", "password__regex"])
def test_shows_no_hash_letter_by_letter(lookup, owner):
    page = signed_in(owner).get(reverse("admin:auth_user_changelist"), {lookup: "pbkdf2"})

    assert page.status_code == 400


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}])
def test_a_link_of_somebody_who_left_opens_nothing(change, owner):
    nina = person(MARKETER, name="nina")
    link = signed_in(owner).post(reverse("admin:auth_user_link", args=[nina.pk])).context["link"]
    User.objects.filter(pk=nina.pk).update(**change)

    assert "used up" in Client().get(link, follow=True).content.decode()


def test_a_link_leads_to_the_address_of_the_shop(owner, settings):
    settings.ALLOWED_HOSTS = ["*"]
    settings.PUBLIC_BASE_URL = "https://deals.example.com"
    nina = person(MARKETER, name="nina")

    url = reverse("admin:auth_user_link", args=[nina.pk])
    page = signed_in(owner).post(url, headers={"Host": "evil.example"})

    assert page.context["link"].startswith("https://deals.example.com/admin/invite/")


def test_writes_down_who_signed_somebody_out(owner):
    nina = person(MARKETER, name="nina")

    signed_in(owner).post(reverse("admin:auth_user_sign_out", args=[nina.pk]))

    assert AuditEvent.objects.filter(action="signed_out", actor=owner, detail=f"user {nina.pk}, everywhere").exists()


@pytest.mark.parametrize("page", ["add", "change", "delete"])
def test_nobody_writes_the_log_anew(page, owner, admin_client):
    line = AuditEvent.objects.create(action="launched", actor=owner, via="admin", detail="campaign 1")
    url = url_of(AuditEvent, page, *([] if page == "add" else [line.pk]))

    for client in (admin_client, signed_in(owner)):
        assert client.post(url, {"detail": "nothing", "post": "yes"}).status_code == 403
    bulk = {"action": "delete_selected", "_selected_action": line.pk, "post": "yes"}
    admin_client.post(url_of(AuditEvent), bulk)

    assert AuditEvent.objects.get(pk=line.pk).detail == "campaign 1"


def test_nobody_changes_their_own_role(owner):
    changed = form_for(owner, role="Bookkeeper", first_name="Olga")
    signed_in(owner).post(reverse("admin:auth_user_change", args=[owner.pk]), changed)

    owner.refresh_from_db()
    assert owner.first_name == "Olga"
    assert [group.name for group in owner.groups.all()] == ["Owner"]


@pytest.mark.parametrize("page", ["change", "link", "unlock", "reset_factor", "sign_out"])
def test_an_owner_cannot_touch_who_manages_the_machine(page, owner, admin_user):
    url = reverse(f"admin:auth_user_{page}", args=[admin_user.pk])

    refused = signed_in(owner).post(url, form_for(admin_user, is_superuser="on"))

    assert refused.status_code == 403


@pytest.mark.parametrize("page", ["link", "unlock", "reset_factor", "sign_out"])
def test_a_marketer_lets_nobody_in(page, owner):
    assert signed_in(person(MARKETER)).post(reverse(f"admin:auth_user_{page}", args=[owner.pk])).status_code == 403


def test_makes_nobody_a_superuser(owner):
    nina = person(MARKETER, name="nina")

    signed_in(owner).post(
        reverse("admin:auth_user_change", args=[nina.pk]),
        form_for(nina, is_superuser="on", extras="auth.change_group", user_permissions="1"),
    )

    nina = User.objects.get(pk=nina.pk)
    assert not nina.is_superuser
    assert not nina.has_perm("auth.change_group")


def test_refuses_an_address_as_a_name(owner):
    page = signed_in(owner).post(reverse("admin:auth_user_add"), form_for(User(username="nina@example.com")))

    assert "Choose a short name" in page.content.decode()
    assert not User.objects.filter(username="nina@example.com").exists()


def test_deletes_nobody(owner):
    nina = person(MARKETER, name="nina")

    assert signed_in(owner).post(reverse("admin:auth_user_delete", args=[nina.pk]), {"post": "yes"}).status_code == 403


def test_takes_away_the_second_factor_of_somebody_else(owner):
    nina = person(MARKETER, name="nina")
    AuthenticatorApp.objects.create(user=nina, key=AuthenticatorApp.new_key())
    nina_at_work = signed_in(nina)

    signed_in(owner).post(reverse("admin:auth_user_reset_factor", args=[nina.pk]))

    assert not AuthenticatorApp.objects.exists()
    assert nina_at_work.get(reverse("admin:index")).status_code == 302
    assert AuditEvent.objects.filter(action="factor_off", actor=owner, detail=f"user {nina.pk}").exists()


# --- The audit log ---


def test_writes_down_settings_exports_and_voids(shop, owner):
    client = signed_in(owner)
    client.get(reverse("admin:redemptions_report_file", args=["csv"]))
    business = {
        "name": "The Corner Bar",
        "postal_address": "1 Real Street",
        "timezone": "America/Chicago",
        "from_name": "",
        "from_email": "",
        "reply_to": "",
        "approval_above": "500",
    }
    client.post(reverse("admin:contacts_business_change", args=[1]), business)

    lines = {event.action: event.detail for event in AuditEvent.objects.filter(actor=owner)}
    assert lines["exported_ledger"] == "1 lines, csv"
    assert "approval_above" in lines["settings"]
    assert "Real Street" not in lines["settings"]


@pytest.mark.parametrize("kind", ["sign-in", "people", "campaigns", "data", "money"])
def test_filters_the_log_by_kind_and_user(kind, owner):
    client = signed_in(owner)
    nina = form_for(User(username="nina"))
    client.post(reverse("admin:auth_user_add"), nina)

    page = client.get(reverse("admin:contacts_auditevent_changelist"), {"kind": kind, "user": owner.pk})

    assert page.status_code == 200
    actions = {event.action for event in page.context["cl"].result_list}
    assert actions == ({"person", "invited"} if kind == "people" else set())
