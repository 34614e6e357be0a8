"""The settings: all of them at a glance, the look of mails, quiet hours, and how the machinery stands."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import Failure, OrmQ
from PIL import Image

from campaigns.admin.preview import sample_qr
from campaigns.models import Picture
from config.roles import bring_roles_up_to_date
from contacts.models import AuditEvent, Business, Contact, Look, Role, SignupForm
from messaging.models import Fact, Heartbeat, Pump
from messaging.queries.system import error_words
from messaging.services.facts import note_refusal
from tests.admin.conftest import staff_client
from tests.config.test_rotate_keys import use_keys

PAGES = {name: reverse(f"admin:messaging_{name}") for name in ("settings", "look", "hours", "system")}
PREVIEW = reverse("admin:messaging_look_preview")
FAILED, BACKUP = reverse("admin:messaging_system_failed"), reverse("admin:messaging_system_backup")
BUSINESS = reverse("admin:contacts_business_change", args=[1])
SETUP = "messaging.change_providersettings"
TRACEBACK = """no such contact maria@example.com : Traceback (most recent call last):
  File "/srv/app/.venv/lib/python3.11/site-packages/django_q/worker.py", line 88, in worker
    res = f(*args, **kwargs)
  File "/srv/app/messaging/services/planning.py", line 12, in plan
    raise ValueError("no such contact maria@example.com")
ValueError: no such contact maria@example.com
"""


@pytest.fixture
def owner(db: None) -> Client:
    return staff_client(SETUP, "contacts.change_business", "contacts.view_business", "auth.view_user")


def html_of(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def said(response: Any) -> str:
    return " ".join(str(message) for message in response.context["messages"])


def audited() -> list[str]:
    return list(AuditEvent.objects.filter(action="settings").values_list("detail", flat=True))


def logo(size: tuple[int, int] = (480, 120), mode: str = "RGBA", kind: str = "PNG") -> SimpleUploadedFile:
    to = io.BytesIO()
    Image.new(mode, size, (0, 128, 128, 99)).save(to, kind)
    return SimpleUploadedFile("logo.png", to.getvalue(), "image/png")


def failure(function: str = "messaging.tasks.tick", *, hours: float = 1, result: str = TRACEBACK) -> None:
    at = timezone.now() - timedelta(hours=hours)
    Failure.objects.create(
        id=uuid4().hex, name="x", func=function, started=at, stopped=at, success=False, result=result
    )


# --- Who may ---


@pytest.mark.parametrize("url", [*PAGES.values(), PREVIEW, FAILED, BACKUP])
def test_is_closed_to_whoever_may_not_set_up(url, db):
    others = staff_client("contacts.change_business", "messaging.view_providersettings", "campaigns.view_campaign")

    assert others.get(url).status_code == 403
    assert others.post(url).status_code == 403
    assert Client().get(url).status_code == 302


def test_only_the_owner_may(db):
    bring_roles_up_to_date()

    may = {role for role in Role if Group.objects.get(name=role).permissions.filter(codename="change_providersettings")}

    assert may == {Role.OWNER}


@pytest.mark.parametrize("url", [FAILED, BACKUP])
def test_buttons_only_post(url, owner):
    assert owner.get(url).status_code == 405


@pytest.mark.parametrize("url", [PAGES["look"], PAGES["hours"], FAILED, BACKUP])
def test_posts_carry_a_token(url, owner):
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = owner.cookies

    assert strict.post(url, {"accent": "#aa0011"}).status_code == 403
    assert not Look.objects.exists()


@pytest.mark.parametrize("name", PAGES)
def test_opens_on_an_empty_database_and_is_in_the_menu(name, owner):
    html = html_of(owner.get(PAGES[name]))

    assert html.count("<h1>") == 1
    assert "<style" not in html
    assert " style=" not in html
    assert f'href="{PAGES[name]}"' in owner.get(reverse("admin:index")).content.decode()


def test_lists_every_setting_with_how_it_stands(owner, settings):
    Business.load()
    Business.objects.update(postal_address="", from_email="hi@corner-bar.us")

    html = html_of(owner.get(PAGES["settings"]))

    titles = ("Business", "Look of your mails", "Sending set-up", "Providers and rates", "Quiet hours", "System")
    assert all(f">{title}</a></h2>" in html for title in (*titles, "People and roles"))
    assert "Name and postal address are missing" in html
    assert "No provider: mails reach nobody" in html
    assert "The background worker is not running" in html


def test_lists_only_what_may_be_opened(db):
    html = html_of(staff_client(SETUP).get(PAGES["settings"]))

    assert ">Business</a></h2>" not in html
    assert ">People and roles</a></h2>" not in html


# --- Business ---


def test_what_is_changed_of_the_business_is_audited_without_its_value(owner):
    business = Business.load()
    data = {
        "name": "The Corner Bar",
        "postal_address": "1 Real Street",
        "timezone": "US/Central",
        "from_name": "Corner",
    }
    response = owner.post(BUSINESS, {**data, "from_email": "hi@corner-bar.us", "reply_to": "", "approval_above": ""})

    business.refresh_from_db()
    assert response.status_code == 302
    assert business.timezone == "US/Central"
    (line,) = audited()
    assert "from_email" in line
    assert "corner-bar.us" not in line
    assert AuditEvent.objects.get().actor is not None


def test_the_business_leads_to_its_other_settings(owner):
    Business.load()
    html = owner.get(BUSINESS).content.decode()

    assert all(f'<a href="{PAGES[name]}">' in html for name in ("look", "hours"))
    only_business = staff_client("contacts.change_business", "contacts.view_business")
    assert PAGES["look"] not in only_business.get(BUSINESS).content.decode()


# --- Look ---


def test_saves_colour_and_logo_and_serves_it(owner, client):
    response = owner.post(PAGES["look"], {"accent": "#A01", "logo": logo()}, follow=True)

    look, picture = Look.objects.get(), Picture.objects.get()
    assert "look like this from now on" in said(response)
    assert (look.accent, look.logo, look.logo_width, look.logo_height) == ("#aa0011", picture.name, 240, 60)
    assert f"/i/{picture.name}" in response.content.decode()
    assert client.get(f"/i/{picture.name}")["Content-Type"] == "image/png"
    assert audited() == ["look of mails: colour, logo"]


def test_the_pages_guests_open_look_so_too(owner, client):
    SignupForm.objects.create(name="Table card", slug="table")
    paths = ("/join/table", "/r/AAAAAAAAAAAAAAAAAAAAAAAAAA")
    assert all("/look/" not in client.get(path).content.decode() for path in paths)

    owner.post(PAGES["look"], {"accent": "#aa0011", "logo": logo()})

    shown = f'src="/i/{Picture.objects.get().name}" width="240" height="60" alt="The Corner Bar"'
    for path in paths:
        html = client.get(path).content.decode()
        assert '<link rel="stylesheet" href="/look/aa0011.css">' in html
        assert shown in html
    sheet = client.get("/look/aa0011.css")
    assert "--accent: #aa0011; --on-accent: #ffffff;" in sheet.content.decode()
    assert (sheet["Content-Type"], sheet["Cache-Control"]) == ("text/css", "public, max-age=86400")
    assert not {"Vary", "Set-Cookie"} & {*sheet.headers}
    assert client.get("/look/red.css").status_code == 404


def test_keeps_the_logo_until_it_is_taken_away(owner):
    owner.post(PAGES["look"], {"accent": "#aa0011", "logo": logo()})
    owner.post(PAGES["look"], {"accent": "#006633"})
    assert Look.objects.first().logo

    owner.post(PAGES["look"], {"accent": "#006633", "no_logo": "on"})

    assert Look.objects.first().logo == ""
    assert audited() == ["look of mails: logo", "look of mails: colour", "look of mails: colour, logo"]


def test_says_that_nothing_was_changed(owner):
    owner.post(PAGES["look"], {"accent": "#aa0011"}, follow=True)
    response = owner.post(PAGES["look"], {"accent": "#aa0011"}, follow=True)

    assert said(response) == "Nothing was changed."
    assert Look.objects.count() == 1
    assert len(audited()) == 1


@pytest.mark.parametrize(
    ("posted", "why"),
    [
        ({"accent": "blue"}, "six digits"),
        ({"accent": "#ffffff"}, "too light"),
        ({"accent": ""}, "This field is required"),
        ({"accent": "#aa0011", "logo": SimpleUploadedFile("logo.png", b"%PDF-1.7", "image/png")}, "no picture"),
        ({"accent": "#aa0011", "logo": SimpleUploadedFile("logo.svg", b"<svg/>", "image/svg+xml")}, "no picture"),
    ],
    ids=["word", "white", "empty", "PDF", "SVG"],
)
def test_says_in_plain_words_what_is_wrong(posted, why, owner):
    for uploaded in posted.values():
        if isinstance(uploaded, SimpleUploadedFile):
            uploaded.seek(0)

    response = owner.post(PAGES["look"], posted)

    assert response.status_code == 200
    assert why in html_of(response)
    assert not Look.objects.exists()
    assert not Picture.objects.exists()


def test_shows_what_is_typed_and_saves_none_of_it(owner):
    response = owner.post(PREVIEW, {"accent": "#aa0011", "logo": logo()})
    html = response.content.decode()

    assert "background:#aa0011" in html
    assert 'src="data:image/png;base64,' in html.partition("A heading")[0]
    assert sample_qr() in html
    assert response["Content-Security-Policy"].endswith("; sandbox allow-same-origin")  # and no scripts
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert not Look.objects.exists()
    assert not Picture.objects.exists()


def test_shows_the_mail_in_the_dark(owner):
    assert "@media all {" in owner.post(PREVIEW, {"accent": "#aa0011", "dark": "1"}).content.decode()
    for by_day in (owner.get(PREVIEW), owner.post(PREVIEW, {"accent": "#aa0011"})):
        assert "@media not all {" in by_day.content.decode()


def test_the_preview_says_what_is_wrong(owner):
    html = owner.post(PREVIEW, {"accent": "<script>"}).content.decode()

    assert "six digits" in html
    assert "<script>" not in html


# --- Quiet hours ---


def test_shows_what_the_law_forces(owner):
    html = html_of(owner.get(PAGES["hours"]))

    assert "Texts go out from 9 a.m. to 8 p.m. where each guest is" in html
    assert '<th scope="row">Texas</th><td>9 a.m. to 8 p.m.</td><td>9 a.m. to 8 p.m.</td><td>noon to 8 p.m.</td>' in html


def test_narrows_the_hours_and_says_so_everywhere(owner):
    response = owner.post(PAGES["hours"], {"texts_from": 11, "texts_until": 18}, follow=True)

    business = Business.load()
    assert (business.texts_from, business.texts_until) == (11, 18)
    assert "from 11 a.m. to 6 p.m. where each guest is" in said(response)
    assert "Rhode Island</th><td>11 a.m. to 6 p.m.</td><td>11 a.m. to 5 p.m.</td>" in html_of(response)
    assert audited() == ["quiet hours: 11 to 18"]


@pytest.mark.parametrize("posted", [{"texts_from": 8, "texts_until": 20}, {"texts_from": 9, "texts_until": 21}, {}])
def test_never_goes_beyond_the_law(posted, owner):
    response = owner.post(PAGES["hours"], posted)

    assert response.context["form"].errors
    assert (Business.load().texts_from, Business.load().texts_until) == (9, 20)


def test_audits_no_hours_that_stayed(owner):
    owner.post(PAGES["hours"], {"texts_from": 9, "texts_until": 20})

    assert audited() == []


# --- System ---


def test_says_whether_the_worker_runs(owner):
    assert "Nothing is sent or imported until it runs" in html_of(owner.get(PAGES["system"]))

    Heartbeat.objects.create(name="clock", at=timezone.now())
    html = html_of(owner.get(PAGES["system"]))
    assert "The background worker runs" in html
    assert "is not running" not in html


def test_tells_senders_that_send_from_those_that_fell_silent(owner):
    now = timezone.now()
    Pump.objects.create(pk=uuid4(), started_at=now, seen_at=now)
    Pump.objects.create(pk=uuid4(), started_at=now, seen_at=now - timedelta(minutes=5))

    html = html_of(owner.get(PAGES["system"]))

    assert "1 process is sending" in html
    assert "1 sender fell silent" in html


def test_counts_the_tasks_that_wait_and_says_when_that_is_long(owner):
    assert "No background task waits" in html_of(owner.get(PAGES["system"]))
    OrmQ.objects.create(key="regulars", payload="x", lock=timezone.now() + timedelta(minutes=9))  # at work
    OrmQ.objects.create(key="regulars", payload="x", lock=timezone.now() - timedelta(minutes=1))
    html = html_of(owner.get(PAGES["system"]))
    assert "1 background task waits" in html
    assert "something holds it up" not in html

    OrmQ.objects.create(key="regulars", payload="x", lock=timezone.now() - timedelta(minutes=9))
    html = html_of(owner.get(PAGES["system"]))
    assert "2 background tasks wait" in html
    assert "something holds it up" in html


def test_names_what_failed_and_nobody_in_it(owner):
    failure()
    failure(hours=2)

    html = html_of(owner.get(PAGES["system"]))

    assert "starting campaigns, reading reports: failed 2 times" in html
    assert "ValueError (services/planning.py, line 12)" in html
    assert "maria@" not in html


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("Task exceeded maximum timeout value (120 seconds)", "It ran out of time."),
        ("", ""),
        ("maria@example.com has no code", ""),
        ("x : Traceback\ndjango.db.utils.OperationalError: locked maria", "django.db.utils.OperationalError"),
    ],
)
def test_tells_the_kind_of_an_error_and_none_of_its_words(result, words):
    assert error_words(result) == words


def test_tries_failed_work_once_more(owner):
    failure()
    failure()
    failure("contacts.tasks.work")

    response = owner.post(FAILED, {"function": "messaging.tasks.tick", "do": "retry"}, follow=True)

    assert "once more" in said(response)
    assert [task.func() for task in OrmQ.objects.all()] == ["messaging.tasks.tick"]
    assert [row.func for row in Failure.objects.all()] == ["contacts.tasks.work"]


def test_runs_nothing_that_is_not_its_own(owner):
    failure("os.system")

    response = owner.post(FAILED, {"function": "os.system", "do": "retry"}, follow=True)

    assert "cannot be tried again" in said(response)
    assert not OrmQ.objects.exists()
    assert 'value="retry"' not in response.content.decode()


def test_forgets_what_failed(owner):
    failure("os.system")

    owner.post(FAILED, {"function": "os.system", "do": "forget"})

    assert not Failure.objects.exists()


def test_says_when_a_webhook_was_refused(owner, settings):
    settings.EMAIL_PROVIDER = "sendgrid"
    note_refusal("sendgrid", at=timezone.now())

    assert "1 call was refused" in html_of(owner.get(PAGES["system"]))


def test_asks_for_a_backup_until_one_is_noted(owner):
    assert "Is there a backup?" in html_of(owner.get(PAGES["system"]))
    Heartbeat.objects.create(name="clock", at=timezone.now())
    assert '<p class="quiet">Is there a backup?</p>' in html_of(owner.get(PAGES["settings"]))

    owner.post(BACKUP)
    assert "There is a backup" in html_of(owner.get(PAGES["system"]))
    assert audited() == ["backup: noted"]

    Fact.objects.filter(pk="backup").update(at=timezone.now() - timedelta(days=8))
    assert "The backup is old" in html_of(owner.get(PAGES["system"]))


def test_says_whether_an_older_key_is_still_needed(owner, monkeypatch, settings):
    (old,) = settings.FIELD_ENCRYPTION_KEY
    assert "There is one encryption key" in html_of(owner.get(PAGES["system"]))
    Contact.objects.create(email="maria@example.com", first_name="Maria")
    use_keys(monkeypatch, settings, Fernet.generate_key().decode(), old)
    assert re.search(r"[1-9] of \d+ values looked at still need an older key", html_of(owner.get(PAGES["system"])))

    call_command("rotate_keys")
    assert "The older ones may be taken out" in html_of(owner.get(PAGES["system"]))

    use_keys(monkeypatch, settings, Fernet.generate_key().decode(), *settings.FIELD_ENCRYPTION_KEY)
    Contact.objects.all().delete()
    assert "may be taken out" not in html_of(owner.get(PAGES["system"]))


def test_says_what_is_left_on_the_disk(owner, monkeypatch):
    def usage(free):
        return lambda path: type("Usage", (), {"free": free, "total": 10**11})

    for free, words in ((10**8, "nothing can be saved any more"), (10**9, "Make room soon"), (5 * 10**10, "46.6")):
        monkeypatch.setattr("messaging.queries.system.shutil.disk_usage", usage(free))
        assert words in html_of(owner.get(PAGES["system"]))


def test_says_that_the_database_was_not_brought_up_to_date(owner, monkeypatch):
    assert "as this version needs it" in html_of(owner.get(PAGES["system"]))
    monkeypatch.setattr("messaging.queries.system.MigrationExecutor.migration_plan", lambda self, targets: ["one"])

    assert "python manage.py migrate" in html_of(owner.get(PAGES["system"]))


def test_names_the_database_and_the_version(owner):
    html = html_of(owner.get(PAGES["system"]))

    assert re.search(r"(SQLite|PostgreSQL [\d.]+), \d", html)
    assert re.search(r"Regulars \d+\.\d+\.\d+", html)
