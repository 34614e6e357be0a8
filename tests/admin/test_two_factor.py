"""The second factor: setting it up, signing in with it, losing the phone, and where everybody needs one."""

import base64
import re
import time

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import totp

from contacts.models import AuditEvent, AuthenticatorApp, RecoveryCodes, Role
from contacts.services import finish_enrolment, start_enrolment
from tests.admin.test_login import INDEX, LOGIN, PASSWORD, is_in
from tests.admin.test_roles import person

OWN = "/admin/sign-in/"
STEP_S = 30


@pytest.fixture(autouse=True)
def clock():
    """Stand still: a code is good for half a minute."""
    with time_machine.travel(timezone.now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def nina(db):
    user = person(Role.MARKETER, name="nina")
    user.set_password(PASSWORD)
    user.save()
    return user


def code_of(user, confirmed=True):
    """Return what the app shows now."""
    key = AuthenticatorApp.objects.get(user=user, confirmed=confirmed).key
    return f"{totp(base64.b32decode(key)):06d}"


def enrol(user, clock):
    """Set an app up, and wait until it shows the next code; return the recovery codes."""
    start_enrolment(user)
    done = finish_enrolment(user, code_of(user, confirmed=False))
    assert done is not None
    clock.shift(STEP_S)
    return done[1]


def sign_in(client, code="", password=PASSWORD):
    return client.post(LOGIN, {"username": "nina", "password": password, "otp_token": code, "next": INDEX})


def press(client, what, **fields):
    return client.post(OWN, {"press": what, **fields})


# --- Setting it up ---


def test_sets_an_app_up_and_shows_recovery_codes_once(nina, client):
    client.force_login(nina)
    elsewhere = Client()
    elsewhere.force_login(nina)

    press(client, "start")
    page = client.get(OWN)
    done = press(client, "finish", token=code_of(nina, confirmed=False))

    assert "data:image/svg+xml;base64," in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    codes = re.findall(r"<code>([a-z0-9]{5}-[a-z0-9]{5})</code>", done.content.decode())
    assert len(set(codes)) == 10
    assert codes[0] not in client.get(OWN).content.decode()
    assert is_in(client)
    assert not is_in(elsewhere)  # it was signed in without the second factor
    assert AuditEvent.objects.filter(action="factor_on", actor=nina).exists()


def test_takes_no_app_before_a_code_of_it_was_typed(nina, client):
    client.force_login(nina)
    press(client, "start")

    page = press(client, "finish", token="000000" if code_of(nina, confirmed=False) != "000000" else "111111")

    assert "This code is not right" in page.content.decode()
    assert sign_in(Client()).status_code == 302


def test_keeps_neither_key_nor_codes_in_clear(nina, clock):
    codes = enrol(nina, clock)
    key = AuthenticatorApp.objects.get().key

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM contacts_authenticatorapp")
        kept = str(cursor.fetchall())
        cursor.execute("SELECT * FROM contacts_recoverycodes")
        kept += str(cursor.fetchall())

    assert key not in kept
    assert base64.b32decode(key).hex() not in kept
    for code in codes:
        assert code not in kept
        assert code.replace("-", "") not in kept


def test_another_phone_takes_the_place_of_the_first(nina, client, clock):
    enrol(nina, clock)
    client.force_login(nina)
    old = AuthenticatorApp.objects.get().key

    press(client, "start", token=code_of(nina))
    assert AuthenticatorApp.objects.get(confirmed=True).key == old
    press(client, "finish", token=code_of(nina, confirmed=False))

    assert AuthenticatorApp.objects.get().key != old


@pytest.mark.parametrize("what", ["start", "codes", "off"])
def test_changes_nothing_for_whoever_only_found_a_laptop_open(what, nina, client, clock):
    enrol(nina, clock)
    client.force_login(nina)
    before = list(AuthenticatorApp.objects.values()), list(RecoveryCodes.objects.values_list("hashes"))

    press(client, what)
    press(client, what, token="wrong-codes")

    app, codes = AuthenticatorApp.objects.get(), RecoveryCodes.objects.get()
    assert (app.pk, app.confirmed) == (before[0][0]["id"], True)
    assert codes.hashes == before[1][0][0]


def test_turns_it_off_with_a_code(nina, client, clock):
    enrol(nina, clock)
    client.force_login(nina)

    press(client, "off", token=code_of(nina))

    assert not AuthenticatorApp.objects.exists()
    assert not RecoveryCodes.objects.exists()
    assert sign_in(Client()).status_code == 302


def test_asks_for_the_password_of_whoever_signed_in_long_ago(nina, client, clock):
    client.force_login(nina)
    clock.shift(11 * 60)

    asked = client.get(OWN).content.decode()
    refused = [press(client, "start"), press(client, "start", password="wrong")]

    assert "Your password" in asked
    assert "This is not your password" in refused[1].content.decode()
    assert not AuthenticatorApp.objects.exists()

    press(client, "start", password=PASSWORD)
    assert AuthenticatorApp.objects.filter(confirmed=False).exists()


def test_wrong_passwords_there_lock_out_too(nina, client, clock):
    client.force_login(nina)
    clock.shift(11 * 60)

    answers = [press(client, "start", password=f"guess-{number}").status_code for number in range(5)]

    assert answers == [200, 200, 200, 200, 429]
    assert sign_in(Client()).status_code == 429


def test_a_second_press_makes_a_second_key_and_no_second_app(nina, client):
    client.force_login(nina)
    press(client, "start")
    first = AuthenticatorApp.objects.get().key

    press(client, "start")

    assert AuthenticatorApp.objects.get().key != first


def test_what_was_seen_of_the_session_before_is_worth_nothing_after(nina, client):
    client.force_login(nina)
    before = client.session.session_key
    press(client, "start")

    press(client, "finish", token=code_of(nina, confirmed=False))

    assert is_in(client)
    assert client.session.session_key != before
    thief = Client()
    thief.cookies["sessionid"] = before
    assert not is_in(thief)


# --- Signing in with it ---


def test_asks_for_the_code_after_the_password(nina, client, clock):
    enrol(nina, clock)

    without = sign_in(client)
    assert "the code your app shows now" in without.content.decode()
    assert not is_in(client)

    assert sign_in(client, code_of(nina)).status_code == 302
    assert is_in(client)
    assert AuditEvent.objects.get(action="signed_in").detail == "with the app"


def test_says_nothing_about_codes_to_a_wrong_password(nina, client, clock):
    enrol(nina, clock)

    page = sign_in(client, code_of(nina), password="wrong").content.decode()

    assert "do not go together" in page
    assert "code your app shows now" not in page


def test_takes_a_code_once(nina, clock):
    enrol(nina, clock)
    code = code_of(nina)

    assert sign_in(Client(), code).status_code == 302
    assert sign_in(Client(), code).status_code == 200


@pytest.mark.parametrize(("late_s", "status"), [(STEP_S, 302), (3 * STEP_S, 200)])
def test_forgives_a_clock_that_is_off_by_half_a_minute(late_s, status, nina, client, clock):
    enrol(nina, clock)
    code = code_of(nina)

    clock.shift(late_s)

    assert sign_in(client, code).status_code == status


def test_takes_each_recovery_code_once_in_any_spelling(nina, clock):
    codes = enrol(nina, clock)

    assert sign_in(Client(), codes[0].upper().replace("-", " ")).status_code == 302
    assert sign_in(Client(), codes[0]).status_code == 200
    clock.shift(5)
    assert sign_in(Client(), codes[1]).status_code == 302
    assert len(RecoveryCodes.objects.get().hashes) == 8


def test_old_recovery_codes_end_with_the_new_ones(nina, client, clock):
    old = enrol(nina, clock)
    client.force_login(nina)

    press(client, "codes", token=code_of(nina))

    assert sign_in(Client(), old[0]).status_code == 200


def test_a_wrong_code_makes_the_next_one_wait(nina, client, clock):
    enrol(nina, clock)
    for _attempt in range(2):
        sign_in(Client(), "000000" if code_of(nina) != "000000" else "111111")
        clock.shift(2)
    sign_in(Client(), "000001")

    assert sign_in(client, code_of(nina)).status_code == 200

    clock.shift(10)
    assert sign_in(client, code_of(nina)).status_code == 302


def test_whoever_knows_the_password_shuts_nobody_out_for_days(nina, client, clock):
    enrol(nina, clock)
    for number in range(30):  # each from somewhere else, as soon as it is allowed
        clock.shift(2 ** min(number, 11))
        wrong = "000000" if code_of(nina) != "000000" else "111111"
        client.post(
            LOGIN, {"username": "nina", "password": PASSWORD, "otp_token": wrong}, REMOTE_ADDR=f"10.0.0.{number}"
        )

    clock.shift(18 * 60)

    assert sign_in(Client(), code_of(nina)).status_code == 302


def test_the_owner_lets_somebody_try_a_code_again_at_once(nina, client, clock):
    enrol(nina, clock)
    for number in range(5):
        clock.shift(2**number)
        sign_in(client, "000000" if code_of(nina) != "000000" else "111111")
    owner = Client()
    owner.force_login(person(Role.OWNER, name="olga"))
    assert sign_in(Client(), code_of(nina)).status_code != 302

    owner.post(reverse("admin:auth_user_unlock", args=[nina.pk]))

    assert sign_in(client, code_of(nina)).status_code == 302


def test_wrong_codes_lock_out_as_wrong_passwords_do(nina, client, clock):
    enrol(nina, clock)
    answers = [sign_in(client, "12345x").status_code for attempt in range(5)]

    assert answers == [200, 200, 200, 200, 429]
    clock.shift(60)
    assert sign_in(client, code_of(nina)).status_code == 429


# --- Where everybody needs one ---


@pytest.fixture
def required(settings):
    settings.REQUIRE_2FA = True


def test_leads_whoever_has_none_to_set_it_up(required, nina, client):
    sign_in(client)

    page = client.get(reverse("admin:campaigns_campaign_changelist"), follow=True)
    assert page.request["PATH_INFO"] == OWN
    assert "Everybody here needs a second factor" in page.content.decode()

    press(client, "start")
    press(client, "finish", token=code_of(nina, confirmed=False))

    assert client.get(reverse("admin:campaigns_campaign_changelist")).status_code == 200


def test_opens_nothing_to_a_session_without_it(required, nina, client, clock):
    enrol(nina, clock)
    client.force_login(nina)

    for url in (INDEX, OWN, reverse("admin:campaigns_campaign_changelist"), reverse("admin:password_change")):
        assert client.get(url).status_code == 302, url
    assert press(client, "start").status_code == 302
    assert AuthenticatorApp.objects.get().confirmed


def test_turns_nothing_off_where_it_is_required(required, nina, client, clock):
    enrol(nina, clock)
    sign_in(client, code_of(nina))
    clock.shift(STEP_S)

    assert press(client, "off", token=code_of(nina)).status_code == 403
    assert AuthenticatorApp.objects.exists()


def test_an_app_taken_away_ends_the_session_that_rested_on_it(required, nina, client, clock):
    enrol(nina, clock)
    sign_in(client, code_of(nina))
    assert is_in(client)

    AuthenticatorApp.objects.all().delete()

    assert not is_in(client)


def test_shows_the_page_to_nobody_who_is_not_signed_in(db, client):
    assert client.get(OWN)["Location"].startswith(LOGIN)
    assert press(client, "start").status_code == 302
    assert not AuthenticatorApp.objects.exists()


def test_agrees_with_the_standard():
    """RFC 6238, appendix B: the secret of its examples, at 59 seconds."""
    key = base64.b32encode(b"12345678901234567890").decode()
    app = AuthenticatorApp(user=User(pk=1), key=key)

    with time_machine.travel(59, tick=False):
        assert int(time.time()) == 59
        assert app.use("287082")
        assert not app.use("287082")
