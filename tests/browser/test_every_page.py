"""Every page there is, as everybody sees it: nothing fails, nothing sticks out, nothing is without a name."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.core.management import call_command
from django.db import connection
from django.db.models import Model
from django.test import Client, RequestFactory
from django.test.utils import override_settings, setup_databases, teardown_databases
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from playwright.sync_api import Browser, BrowserContext, Page
from pytest_django.live_server_helper import LiveServer

from campaigns.models import Campaign
from config.admin import PAGES
from contacts.models import Business
from messaging.queries.machine import outbox
from tests.browser.conftest import SCREENS
from tests.browser.looking import NARROW, SETTLED, WIDE, Watch, look_at, look_from_the_right
from tests.browser.stock import Shop, crowd, full_shop
from tests.settings import SCRATCH_DIR

pytestmark = pytest.mark.browser
MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
MACHINERY = "django_q"  # lists of a library, for whoever runs the machine
Address = Callable[[Any], str]


# --- The looking itself -----------------------------------------------------------------------------------------------

WRONG = """<!doctype html><html lang="en"><head><title>Select contact to change</title></head><body><main>
<p style="width: 2000px; color: #ddd; background: #fff">Pale and wide</p>
<form><input type="text" placeholder="Name"><input type="text"><button type="button"></button></form>
<img src="/nowhere.png"><script>console.error("broken"); nothing();</script></main></body></html>"""


def test_knows_the_finder_of_barriers():
    said = (Path(__file__).parent / "axe" / "README.md").read_text()

    assert hashlib.sha256((Path(__file__).parent / "axe" / "axe.min.js").read_bytes()).hexdigest() in said


def test_sees_what_is_wrong(browser: Browser) -> None:
    context = browser.new_context()
    watch = Watch().on(context)
    page = context.new_page()
    page.route("http://shop/wrong", lambda route: route.fulfill(body=WRONG, content_type="text/html"))
    page.route("http://shop/nowhere.png", lambda route: route.fulfill(status=404))

    found = "\n".join(look_at(page, "http://shop/wrong", watch, name="wrong"))

    context.close()
    for part in (
        "light: color-contrast",
        "light: label",
        "light: button-name",
        "light: image-alt",
        "dark: color-contrast",
        "wide: ",
        "narrow: ",
        "no name: <input",
        "headings: []",
        "named as a machine would",
        "console: broken",
        "script: ",
        "answer: 404 http://shop/nowhere.png",
    ):
        assert part in found, part


# --- Addresses --------------------------------------------------------------------------------------------------------


def url(name: str, *args: Any, more: str = "") -> Address:
    return lambda shop: reverse(f"admin:{name}", args=args) + more


def of(name: str, row: Callable[[Shop], Any], *args: Any) -> Address:
    """Return the address of a page about one row of the shop."""
    return lambda shop: reverse(f"admin:{name}", args=[row(shop).pk, *args])


def first(model: type[Model], page: str) -> Address:
    """Return the address of a page about the first row of a table; the full shop has one in each."""

    def address(shop: Any) -> str:
        row = model._default_manager.first()
        assert row is not None, f"the full shop has no {model._meta.verbose_name}: tests/browser/stock.py"
        return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=[row.pk])

    return address


def may(model: type[Model], verb: str) -> bool:
    """Say whether whoever may everything may do this with rows of a table, whatever the row."""
    request = RequestFactory().get("/admin/")
    request.user = User(is_superuser=True, is_staff=True, is_active=True)
    return bool(getattr(admin.site._registry[model], f"has_{verb}_permission")(request))


def tables(*, rows: bool) -> Iterator[tuple[str, Address]]:
    for model in MODELS:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        yield f"{name}_list", url(f"{name}_changelist")
        if may(model, "add"):
            yield f"{name}_add", url(f"{name}_add")
        if rows:
            yield f"{name}_change", first(model, "change")
            yield f"{name}_history", first(model, "history")
            if may(model, "delete"):
                yield f"{name}_delete", first(model, "delete")


def state(status: str) -> Address:
    """Return the address of a campaign, put into a state first."""

    def address(shop: Shop) -> str:
        Campaign.objects.filter(pk=shop.busy.going.pk).update(status=status)
        return reverse("admin:campaigns_campaign_change", args=[shop.busy.going.pk])

    return address


def invitation(shop: Shop) -> str:
    user = shop.invited
    token = default_token_generator.make_token(user)
    return f"/admin/invite/{urlsafe_base64_encode(force_bytes(user.pk))}.{token}/"


def outbox_item(shop: Shop) -> str:
    return reverse("admin:messaging_outbox_item", args=[outbox()[0].name])


# What needs nothing: the menu's own pages, and those around them.
PLAIN: dict[str, Address] = {
    "dashboard": url("index"),
    "password": url("password_change"),
    "password_done": url("password_change_done"),
    "sign_in_own": url("sign_in"),
    "compare": url("messaging_reports_compare"),
    **{key.replace(".", "_"): url(key.replace(".", "_")) for key, _, _ in PAGES},
}
# What is about something.
ABOUT: dict[str, Address] = {
    "contact_erase": of("contacts_contact_erase", lambda shop: shop.contact),
    "contact_consent": of("contacts_contact_consent", lambda shop: shop.contact, "email"),
    "contact_block": of("contacts_contact_block", lambda shop: shop.contact, "email"),
    "contact_long": of("contacts_contact_change", lambda shop: shop.contact),
    "contact_merge": of("contacts_contact_merge", lambda shop: shop.contact),
    "contact_merge_with": lambda shop: reverse(
        "admin:contacts_contact_merge_with", args=[shop.contact.pk, shop.twin.pk]
    ),
    "contact_filtered": url("contacts_contact_changelist", more="?email_status__exact=subscribed"),
    "contact_nothing": url("contacts_contact_changelist", more="?q=nobody-of-this-name"),
    "suppression_lift": of("contacts_suppression_lift", lambda shop: shop.suppression),
    "poster": of("contacts_signupform_poster", lambda shop: shop.form),
    "import_columns": of("contacts_import_change", lambda shop: shop.uploaded),
    "import_consent": of("contacts_import_consent", lambda shop: shop.uploaded),
    "import_checked": of("contacts_import_change", lambda shop: shop.checked),
    "import_done": of("contacts_import_change", lambda shop: shop.done),
    "user_invited": of("auth_user_change", lambda shop: shop.invited),
    "pin": lambda shop: first_of("redemptions_staff_pin", "redemptions.Staff"),
    "void": lambda shop: first_of("redemptions_redemption_void", "redemptions.Redemption"),
    "campaign_mail": of("campaigns_campaign_change", lambda shop: shop.mail),
    "campaign_text": of("campaigns_campaign_change", lambda shop: shop.text),
    "campaign_review": of("campaigns_campaign_review", lambda shop: shop.mail),
    "campaign_review_text": of("campaigns_campaign_review", lambda shop: shop.text),
    "campaign_report": of("campaigns_campaign_report", lambda shop: shop.busy.brunch),
    "campaign_unknown": of("campaigns_campaign_unknown", lambda shop: shop.busy.going),
    **{f"campaign_{status}": state(status) for status in Campaign.Status.values if status != Campaign.Status.DRAFT},
    "compare_two": lambda shop: (
        reverse("admin:messaging_reports_compare") + f"?id={shop.busy.brunch.pk}&id={shop.busy.patio.pk}"
    ),
    "outbox_item": outbox_item,
}
# What guests, staff and those who are not in yet see.
OUTSIDE: dict[str, Address] = {
    "login": lambda shop: "/admin/login/",
    "invite": invitation,
    "invite_over": lambda shop: "/admin/invite/MQ.abc-def/",
    "join": lambda shop: "/join/table",
    "join_asked": lambda shop: "/join/table/asked",
    "confirm": lambda shop: shop.confirming,
    "preferences": lambda shop: shop.preferences,
    "coupon": lambda shop: f"/r/{shop.codes['fresh'].token}",
    "coupon_used": lambda shop: f"/r/{shop.codes['used'].token}",
    "coupon_over": lambda shop: f"/r/{shop.codes['over'].token}",
    "scanner": lambda shop: "/scan/",
}
# Where nothing is found, the answer says so to programs, too.
MISSING: dict[str, Address] = {
    "missing": lambda shop: "/nowhere",
    "missing_admin": lambda shop: "/admin/nowhere/",
    "coupon_unknown": lambda shop: "/r/AAAAAAAAAAAAAAAAAAAAAAAAAA",
    "preferences_wrong": lambda shop: "/u/wrong",
    "confirm_wrong": lambda shop: "/join/confirm/wrong",
}
MANY: dict[str, Address] = {
    "dashboard": url("index"),
    "contacts": url("contacts_contact_changelist"),
    "contacts_late": url("contacts_contact_changelist", more="?p=1999"),
    "contacts_found": url("contacts_contact_changelist", more="?q=Maria"),
    "contacts_filtered": url("contacts_contact_changelist", more="?email_status__exact=unsubscribed"),
    "segment": url("contacts_segment_add"),
    "campaign": first(Campaign, "change"),
    "review": first(Campaign, "review"),
    "reports": url("messaging_reports"),
}


def first_of(page: str, label: str) -> str:
    model = next(model for model in MODELS if model._meta.label == label)
    row = model._default_manager.first()
    assert row is not None
    return reverse(f"admin:{page}", args=[row.pk])


# --- The shops, each made once ----------------------------------------------------------------------------------------

MAKERS: dict[str, Callable[[], Any]] = {
    "empty": lambda: None,
    "full": lambda: full_shop(timezone.now()),
    "crowd": lambda: crowd(timezone.now()),
}


@pytest.fixture(scope="module")
def database(browser: Browser, django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Keep the database open, for tests that share their rows and therefore ask for no database of their own.

    Where none of the other tests of this run asks for one, it is not there yet.
    """
    with django_db_blocker.unblock():
        is_there = connection.settings_dict["NAME"] == connection.settings_dict["TEST"]["NAME"]
        made = [] if is_there else setup_databases(verbosity=0, interactive=False, aliases={"default"})  # type: ignore[arg-type]  # the names, says Django
        yield
        teardown_databases(made, verbosity=0)


@pytest.fixture(scope="module")
def address(database: None) -> Iterator[str]:
    """Serve this module's shops. The rows of each stay for all its pages: to look changes nothing."""
    server = LiveServer("localhost")
    yield server.url
    server.stop()


@pytest.fixture(scope="class")
def shop(request: pytest.FixtureRequest, address: str) -> Iterator[Any]:
    """Make the shop of a class of tests: they stay together however the order is shuffled, so it is made once."""
    folder = SCRATCH_DIR / "every-page"
    with override_settings(OUTBOX_DIR=folder, PUBLIC_BASE_URL=address):
        Business.load()
        yield MAKERS[request.cls.kind]()
    call_command("flush", interactive=False, verbosity=0, stdout=io.StringIO())
    connection.close()


@pytest.fixture(scope="class")
def inside(shop: Any, address: str, browser: Browser) -> Iterator[BrowserContext]:
    """Return a context with a superuser signed in."""
    client = Client()
    client.force_login(User.objects.create_superuser("admin", first_name="Maria"))
    context = browser.new_context(base_url=address, locale="en-US")
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": address}])
    yield context
    context.close()


@pytest.fixture(scope="class")
def outside(shop: Any, address: str, browser: Browser) -> Iterator[BrowserContext]:
    """Return a context with nobody signed in."""
    context = browser.new_context(base_url=address, locale="en-US")
    yield context
    context.close()


@pytest.fixture(scope="class")
def watch() -> Watch:
    return Watch()


@pytest.fixture(scope="class")
def inside_page(inside: BrowserContext, watch: Watch) -> Page:
    watch.on(inside)
    return inside.new_page()


@pytest.fixture(scope="class")
def outside_page(outside: BrowserContext, watch: Watch) -> Page:
    watch.on(outside)
    return outside.new_page()


# What the documents show dark, and on a phone; light and wide are the pictures of the tests around it.
FOR_DOCUMENTS = {
    "full-dashboard": "dashboard",
    "full-campaign_mail": "campaign",
    "full-campaign_report": "report",
}


def picture_for_documents(page: Page, path: str, name: str) -> None:
    page.goto(path)
    for look, size in (("dark", WIDE), ("phone", NARROW)):
        page.set_viewport_size(size)
        page.emulate_media(color_scheme="dark" if look == "dark" else "light")
        page.wait_for_function(SETTLED)
        page.screenshot(path=SCREENS / f"{name}-{look}.png")


def cases(kind: str, pages: dict[str, Address]) -> list[Any]:
    return [pytest.param(find, id=f"{kind}-{name}") for name, find in pages.items()]


def name_of(request: pytest.FixtureRequest) -> str:
    name: str = request.node.callspec.id
    return name


class TestFull:
    kind = "full"

    @pytest.mark.parametrize("find", cases("full", {**PLAIN, **dict(tables(rows=True)), **ABOUT}))
    def test_inside(self, shop: Any, find: Address, inside_page: Page, watch: Watch, request: Any) -> None:
        watch.expected = 200
        name, path = name_of(request), find(shop)

        found = look_at(inside_page, path, watch, name=name, is_ours=MACHINERY not in name)
        found += look_from_the_right(inside_page, path, watch, name=name)
        if name in FOR_DOCUMENTS and request.config.getoption("--docs-shots"):
            picture_for_documents(inside_page, path, FOR_DOCUMENTS[name])

        assert found == [], "\n".join(found)

    @pytest.mark.parametrize("find", cases("full", OUTSIDE))
    def test_outside(self, shop: Any, find: Address, outside_page: Page, watch: Watch, request: Any) -> None:
        watch.expected = 200
        name, path = name_of(request), find(shop)

        found = look_at(outside_page, path, watch, name=name)
        found += look_from_the_right(outside_page, path, watch, name=name)

        assert found == [], "\n".join(found)


# The pages of the other two are those of the full shop, with fewer rows or more: from the right they look the same.


class TestEmpty:
    kind = "empty"

    @pytest.mark.parametrize("find", cases("empty", {**PLAIN, **dict(tables(rows=False))}))
    def test_inside(self, shop: Any, find: Address, inside_page: Page, watch: Watch, request: Any) -> None:
        watch.expected = 200
        name = name_of(request)

        assert look_at(inside_page, find(shop), watch, name=name, is_ours=MACHINERY not in name) == []

    @pytest.mark.parametrize("find", cases("empty", MISSING))
    def test_missing(self, shop: Any, find: Address, inside_page: Page, watch: Watch, request: Any) -> None:
        watch.expected = 404

        assert look_at(inside_page, find(shop), watch, name=name_of(request)) == []


class TestCrowd:
    kind = "crowd"

    @pytest.mark.parametrize("find", cases("crowd", MANY))
    def test_inside(self, shop: Any, find: Address, inside_page: Page, watch: Watch, request: Any) -> None:
        watch.expected = 200

        assert look_at(inside_page, find(shop), watch, name=name_of(request)) == []
