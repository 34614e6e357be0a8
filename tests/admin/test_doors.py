"""Every address of the admin and who may go in: nobody without the permission, and whoever has it.

What an address asks for is written down here once more, by hand; a new one fails until somebody says what it needs.
"""

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from html import unescape
from typing import Any
from urllib.parse import unquote
from zipfile import ZipFile

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, reverse
from django.utils import timezone

from campaigns.models import Approval, Campaign, Template
from campaigns.queries import fingerprint
from config.roles import OURS, permissions_of
from contacts.models import AuditEvent, ConsentEvent, Job, Role, SignupForm
from contacts.services import audit, save_person
from messaging.models import Message, ProviderEvent
from messaging.queries.machine import outbox
from messaging.services import send_test
from redemptions.models import CodeSheet, Staff
from tests.admin.conftest import LAUNCHED, add_contact
from tests.messaging.ledger import add

OWN = ""  # whoever has signed in
SETTINGS = "messaging.change_providersettings"
OUTBOX = "messaging.view_message contacts.reveal_contact"
SEND = "campaigns.view_campaign campaigns.change_campaign campaigns.send_campaign"
REACH = "contacts.view_contact contacts.change_contact contacts.reveal_contact"

# What the addresses beside Django's own five of a table ask for: all the words of one side of a bar.
NEEDS = {
    **dict.fromkeys(("index", "sign_in", "jsi18n", "password_change", "password_change_done", "app_list"), OWN),
    # --- People who sign in ---
    **{f"auth_user_{name}": "auth.change_user" for name in ("link", "unlock", "reset_factor", "sign_out")},
    # --- Contacts ---
    "contacts_contact_show": "contacts.view_contact contacts.reveal_contact",
    "contacts_contact_download": "contacts.view_contact contacts.export_contact",
    "contacts_contact_erase": "contacts.view_contact contacts.erase_contact",
    **{f"contacts_contact_{name}": REACH for name in ("unsubscribe", "consent", "block")},
    **{f"contacts_contact_{name}": REACH for name in ("merge", "merge_look", "merge_with")},
    "contacts_contact_search": "contacts.view_contact",
    "contacts_segment_live": "contacts.add_segment | contacts.change_segment",
    "contacts_suppression_lift": "contacts.view_suppression contacts.lift_suppression",
    "contacts_suppression_search": "contacts.view_suppression",
    "contacts_signupform_poster": "contacts.view_signupform",
    "contacts_signupform_qr": "contacts.view_signupform",
    **{f"contacts_import_{name}": "contacts.add_import" for name in ("columns", "consent", "run", "cancel", "undo")},
    "contacts_import_progress": "contacts.view_import",
    "contacts_import_problems": "contacts.view_import",
    "contacts_job_start": "contacts.view_contact contacts.export_contact",
    # --- Deals ---
    "redemptions_offer_preview": "redemptions.view_offer",
    "redemptions_offer_saved_preview": "redemptions.view_offer",
    "redemptions_device_enrolment": "redemptions.view_device",
    "redemptions_device_connect": "redemptions.change_device",
    "redemptions_redemption_void": "redemptions.view_redemption redemptions.void_redemption",
    "redemptions_signals": "redemptions.view_redemption redemptions.view_scan",
    **{f"redemptions_{name}": "redemptions.view_redemption" for name in ("report", "report_file", "report_mailed")},
    "redemptions_codesheet_pdf": "redemptions.view_codesheet redemptions.add_codesheet",
    "redemptions_staff_pin": "redemptions.change_staff",
    # --- Campaigns ---
    "campaigns_campaign_autosave_new": "campaigns.add_campaign",
    "campaigns_campaign_autosave": "campaigns.change_campaign",
    **{
        f"campaigns_campaign_{name}": "campaigns.add_campaign | campaigns.change_campaign"
        for name in ("pictures", "preview", "facts", "readers")
    },
    **{
        f"campaigns_campaign_{name}": "campaigns.view_campaign"
        for name in ("saved_preview", "progress", "report", "report_csv")
    },
    "campaigns_campaign_approve": "campaigns.view_campaign campaigns.approve_campaign",
    "campaigns_campaign_send_back": "campaigns.view_campaign campaigns.approve_campaign",
    "campaigns_campaign_review": f"{SEND} | campaigns.view_campaign campaigns.approve_campaign",
    **{f"campaigns_campaign_{name}": SEND for name in ("undo", "pause", "resume", "cancel", "retry")},
    "campaigns_campaign_copy": "campaigns.view_campaign campaigns.add_campaign",
    "campaigns_campaign_unknown": "campaigns.view_campaign contacts.view_contact",
    # --- Messages and settings ---
    **{f"messaging_outbox{name}": OUTBOX for name in ("", "_item", "_html")},
    **{f"messaging_reports{name}": "campaigns.view_campaign" for name in ("", "_file", "_compare")},
    **{f"messaging_setup{name}": SETTINGS for name in ("", "_dns", "_number", "_test", "_warm-up")},
    **{f"messaging_{name}": SETTINGS for name in ("hours", "look", "look_preview")},
    **{f"messaging_{name}": SETTINGS for name in ("system", "system_backup", "system_failed")},
    "messaging_settings": f"{SETTINGS} | contacts.view_business | auth.view_user",
    "messaging_inboundtext_no_more": "messaging.view_inboundtext messaging.change_inboundtext",
    "messaging_inboundtext_carry_on": "messaging.view_inboundtext messaging.change_inboundtext",
}
# Where a button asks for more than the page it stands on.
POSTS = {"campaigns_campaign_unknown": f"{SEND} contacts.view_contact"}
PUBLIC = {"login", "logout", "invite"}
NOT_BY_THEMSELVES = {
    *("autocomplete", "view_on_site"),  # Django's own, with a target in the query
    *("contacts_job_progress", "contacts_job_stop", "contacts_job_download"),  # whose it is counts: test_jobs.py
    *("contacts_job_changelist", "contacts_job_change", "contacts_job_history"),
    "contacts_business_changelist",  # leads to the one row there is
}
FIVE = {
    "changelist": ("view", "change"),
    "change": ("view", "change"),
    "history": ("view", "change"),
    "add": ("add",),
    "delete": ("delete",),
}
NOT_TRIED = {
    *((f"messaging_setup_{name}", "post") for name in ("dns", "number", "test")),  # asks beyond this machine
    ("redemptions_device_connect", "get"),  # a button alone
}


class TakenBack(Exception):
    """Nothing of a request is kept: the next address finds the shop as it was."""


def patterns(found: list, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in found:
        if isinstance(pattern, URLPattern):
            if pattern.name:
                yield pattern.name, pattern
        else:
            yield from patterns(pattern.url_patterns)


PATTERNS = dict(patterns(admin.site.get_urls()))
MODELS = {f"{model._meta.app_label}_{model._meta.model_name}": model for model in admin.site._registry}


def five_of(name: str) -> tuple[str, str] | None:
    """Return a table and which of Django's five pages of it this is."""
    table, _, page = name.rpartition("_")
    return (table, page) if table in MODELS and page in FIVE and name not in NEEDS else None


OF_TABLES = {name: found for name in PATTERNS if (found := five_of(name))}
CUSTOM = sorted(set(PATTERNS) - set(OF_TABLES) - PUBLIC - NOT_BY_THEMSELVES)
TOLD = [name for name in CUSTOM if name in NEEDS]


@pytest.fixture
def rows(shop) -> dict[str, int]:
    """Return the number of a row of each table, the small shop's or one made here."""
    form = SignupForm.objects.create(name="Table card", slug="table", tag=shop.tag)
    olga = save_person(User(username="olga"), role=Role.OWNER, extras=())
    CodeSheet.objects.create(offer=shop.offer, name="Flyers", count=1)
    job = Job.objects.create(kind=Job.Kind.TAG, status=Job.Status.DONE, selection={}, options={"tag": shop.tag.pk})
    audit(AuditEvent.Action.EXPORTED, detail="2 contacts")
    Template.objects.create(name="New deal", blocks={"version": 1, "blocks": []})
    Staff.objects.create(name="Ana", pin_hash="x")
    asked = {"fingerprint": fingerprint(Campaign.objects.get(pk=shop.draft.pk)), "size": 1, "asked_at": timezone.now()}
    Approval.objects.create(campaign=shop.draft, **asked)
    found = {"contacts_signupform": form.pk, "auth_user": olga.pk, "contacts_job": job.pk}
    for table, model in MODELS.items():
        row = model._default_manager.first()
        found.setdefault(table, row.pk if row else 0)
    drafts = dict.fromkeys(("autosave", "approve", "send_back", "review"), shop.draft.pk)
    found |= {f"campaigns_campaign_{name}": pk for name, pk in drafts.items()}
    return {**found, "contacts_contact": shop.maria.pk, "campaigns_campaign": shop.sending.pk, "other": shop.gone.pk}


def url_of(name: str, rows: dict[str, int]) -> str:
    table = "_".join(name.split("_")[:2])
    number = rows.get(name, rows.get(table, 0))
    values = {
        **dict.fromkeys(("pk", "object_id", "device_id"), number),
        "other": rows["other"],
        "channel": "email",
        "kind": "export",
        "name": next((item.name for item in outbox()), "nothing.eml"),
        "paper": "a4",
        "part": 1,
        "file_format": "csv",
        "month": "2026-10",
        "app_label": "contacts",
    }
    pattern = PATTERNS[name].pattern
    wanted = ["app_label"] if name == "app_list" else list(pattern.converters)
    return reverse(f"admin:{name}", kwargs={key: values[key] for key in wanted})


def is_open(client: Client, url: str, method: str) -> bool | None:
    """Say whether a request is let in, of which nothing is kept; None: there is nothing to ask this way."""
    status = 0
    with suppress(TakenBack), transaction.atomic():
        answer = getattr(client, method)(url)
        target = answer.headers.get("Location", "").partition("?")[0]
        is_sent_away = target in {reverse("admin:login"), reverse("admin:index")}  # the second: no such row
        status = 403 if is_sent_away else answer.status_code
        raise TakenBack
    assert status != 500, url
    return None if status == 405 else status != 403


def browser_of(permissions: set[str]) -> Client:
    """Return somebody signed in who may do just this."""
    user = User.objects.create_user(f"knocker-{User.objects.count()}", is_staff=True)
    known = {f"{row.content_type.app_label}.{row.codename}": row for row in all_permissions()}
    user.user_permissions.set([known[name] for name in permissions])
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def all_permissions() -> list[Permission]:
    return list(Permission.objects.select_related("content_type"))


def names_of(permissions) -> set[str]:
    return {f"{row.content_type.app_label}.{row.codename}" for row in permissions}


def may(needs: str, held: set[str]) -> bool:
    return any(set(side.split()) <= held for side in needs.split("|"))


# --- The list is whole ---


def test_says_of_every_address_what_it_needs():
    assert set(CUSTOM) == set(NEEDS)


def test_every_permission_here_exists(db):
    named = {word for needs in [*NEEDS.values(), *POSTS.values()] for word in needs.replace("|", " ").split()}

    assert named <= names_of(all_permissions())


# --- Whoever has not signed in, or not wholly ---


@pytest.mark.parametrize("method", ["get", "post"])
def test_opens_nothing_to_strangers(method, rows, client):
    found = {name for name in [*CUSTOM, *OF_TABLES] if is_open(client, url_of(name, rows), method)}

    assert found <= {"jsi18n"}


@pytest.mark.parametrize("method", ["get", "post"])
def test_opens_nothing_before_the_second_factor(method, rows, settings):
    settings.REQUIRE_2FA = True
    boss = Client()
    boss.force_login(User.objects.create_superuser("boss"))

    found = {name for name in [*CUSTOM, *OF_TABLES] if is_open(boss, url_of(name, rows), method)}

    assert found <= {"jsi18n", "sign_in"}


# --- Each role ---


@pytest.mark.parametrize("role", [Role.OWNER, Role.MARKETER, Role.BOOKKEEPER])
def test_opens_to_a_role_what_it_may_and_no_more(role, rows):
    held = names_of(permissions_of(role))
    client = browser_of(held)
    wrong = {}
    for name in TOLD:
        for method, needs in (("get", NEEDS[name]), ("post", POSTS.get(name, NEEDS[name]))):
            allowed = may(needs, held)
            if allowed and (name, method) in NOT_TRIED:
                continue
            if is_open(client, url_of(name, rows), method) not in {allowed, None}:
                wrong[name, method] = allowed

    assert wrong == {}


@pytest.mark.parametrize("role", [Role.MARKETER, Role.BOOKKEEPER])
def test_opens_to_a_role_only_the_pages_of_its_tables(role, rows):
    held = names_of(permissions_of(role))
    client = browser_of(held)
    wrong = []
    for name, (table, page) in OF_TABLES.items():
        app, _, model = table.partition("_")
        if any(f"{app}.{verb}_{model}" in held for verb in FIVE[page]) or name in NOT_BY_THEMSELVES:
            continue
        if rows[table] or page in {"changelist", "add"}:
            wrong += [(name, method) for method in ("get", "post") if is_open(client, url_of(name, rows), method)]

    assert wrong == []


# --- Each permission ---


@pytest.mark.parametrize(
    "lacking",
    [
        "auth.change_user",
        "campaigns.send_campaign",
        "campaigns.approve_campaign",
        "contacts.export_contact",
        "contacts.erase_contact",
        "contacts.reveal_contact",
        "contacts.lift_suppression",
        "redemptions.void_redemption",
    ],
)
def test_one_missing_permission_shuts_its_doors(lacking, rows):
    everything = names_of(row for row in all_permissions() if row.content_type.app_label in {*OURS, "auth"})
    client = browser_of(everything - {lacking})
    asked = {name: POSTS.get(name, NEEDS[name]) for name in TOLD}
    shut = {name for name, needs in asked.items() if not may(needs, everything - {lacking})}

    assert [name for name in shut if is_open(client, url_of(name, rows), "post")] == []
    assert shut


# --- What is shown to whoever may not see full addresses ---

# Of the people in the shop, however it is written: with spaces, brackets and dashes, or as part of an address.
FULL = re.compile(r"(?:maria|gone|nobody\.named)@example\.com|217\W{0,3}555\W{0,2}01(?:23|88)", re.IGNORECASE)
# Taking people out is a permission of its own.
TAKES_OUT = {"contacts_contact_download"}


def shown_by(answer: Any) -> set[str]:
    """Return the full addresses in an answer: a page, or a file, packed or not."""
    content = answer.getvalue()
    parts = [content]
    if content.startswith(b"PK"):
        with ZipFile(io.BytesIO(content)) as packed:
            parts = [packed.read(name) for name in packed.namelist()]
    texts = (unquote(unescape(part.decode(errors="replace"))) for part in parts)
    return {found for text in texts for found in FULL.findall(text)}


@pytest.fixture
def written_down(rows, shop) -> dict[str, int]:
    """Write addresses down wherever the shop keeps them, and add somebody who has no name to be called by."""
    nameless = add_contact("nobody.named@example.com", "+12175550188")
    nameless.tags.add(shop.tag)
    add(shop.sending, nameless, "unknown", at=LAUNCHED)
    ProviderEvent.objects.update(payload='{"email": "maria@example.com"}')
    ConsentEvent.objects.update(evidence="Paper signed by maria@example.com", contact=shop.maria)
    send_test(shop.draft, to="maria@example.com")
    return {**rows, "messaging_message": Message.objects.latest("pk").pk}


def addresses_shown(client: Client, rows: dict[str, int], names: Iterable[str]) -> dict[tuple[str, str], set[str]]:
    """Ask these addresses, press their buttons, and return where full addresses are shown."""
    fields = {"q": "Maria", "preview_as": str(rows["contacts_contact"]), "do": "send-all", "name": "x", "body": "x"}
    found = {}
    for name in names:
        for method in ("get", "post") if name in NEEDS else ("get",):
            if name in TAKES_OUT or (name, method) in NOT_TRIED:
                continue
            with suppress(TakenBack), transaction.atomic():
                if shown := shown_by(getattr(client, method)(url_of(name, rows), fields)):
                    found[name, method] = shown
                raise TakenBack
    return found


def test_shows_addresses_in_full_to_nobody_without_the_permission(written_down):
    everything = names_of(row for row in all_permissions() if row.content_type.app_label in {*OURS, "auth"})
    client = browser_of(everything - {"contacts.reveal_contact"})

    assert addresses_shown(client, written_down, [*CUSTOM, *OF_TABLES]) == {}


def test_shows_them_to_whoever_has_it_and_asks(written_down):
    boss = browser_of(names_of(all_permissions()))
    boss.post(url_of("contacts_contact_show", written_down))
    places = ["contacts_contact_change", "contacts_consentevent_change", "messaging_outbox_item"]

    found = addresses_shown(boss, written_down, places)

    assert {place for place, _method in found} == set(places)
    assert shown_by(boss.post(url_of("contacts_contact_download", written_down)))
