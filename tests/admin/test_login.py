"""Signing in: wrong passwords, being locked out and let in again, and how long it lasts."""

from datetime import timedelta

import pytest
import time_machine
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts.models import AuditEvent, Role
from contacts.services import locked_places
from contacts.services.origin import network_of
from tests.admin.test_roles import person

LOGIN, INDEX = "/admin/login/", "/admin/"
PASSWORD = "rosemary-salt-42"


@pytest.fixture
def nina(db):
    user = person(Role.MARKETER, name="nina")
    user.set_password(PASSWORD)
    user.save()
    AuditEvent.objects.all().delete()
    return user


def sign_in(client, name="nina", password=PASSWORD, **extra):
    return client.post(LOGIN, {"username": name, "password": password, "next": INDEX}, **extra)


def is_in(client):
    return client.get(INDEX).status_code == 200


def test_signs_in_with_a_new_session_and_writes_it_down(nina, client):
    session = client.session
    session["before"] = "planted"
    session.save()
    planted = session.session_key

    assert sign_in(client)["Location"] == INDEX

    assert client.session.session_key != planted
    assert not Session.objects.filter(pk=planted).exists()
    line = AuditEvent.objects.get()
    assert (line.action, line.actor, line.via, line.address) == ("signed_in", nina, "admin", "127.0.0.0/24")


def test_says_what_is_wrong_and_not_which_of_the_two(nina, client):
    wrong, nobody = (sign_in(client, name, "wrong").content.decode() for name in ("nina", "olga"))

    for page in (wrong, nobody):
        assert "This name and password do not go together" in page
    assert [event.detail for event in AuditEvent.objects.order_by("pk")] == [f"user {nina.pk}", "a name nobody has"]


def test_locks_a_name_out_from_one_address_and_from_no_other(nina, client):
    answers = [sign_in(client, password="wrong") for attempt in range(5)]
    right = sign_in(client)

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
    assert right.status_code == 429
    assert "Wait 15 minutes" in right.content.decode()
    assert not is_in(client)
    assert sign_in(Client(), REMOTE_ADDR="198.51.100.7").status_code == 302
    assert sign_in(Client(), "olga", "wrong").status_code == 200


def test_writes_one_line_for_each_failure_and_one_for_the_lock(nina, client):
    for _attempt in range(8):
        sign_in(client, password="wrong")

    actions = [event.action for event in AuditEvent.objects.order_by("pk")]
    assert actions == ["failed_sign_in"] * 5 + ["locked_out"]


def test_the_lock_ends_by_itself(nina, client):
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        for _attempt in range(5):
            sign_in(client, password="wrong")
        assert sign_in(client).status_code == 429
        assert locked_places(nina, at=now) == 1

    with time_machine.travel(now + timedelta(minutes=16), tick=False):
        assert locked_places(nina, at=timezone.now()) == 0
        assert sign_in(client).status_code == 302


def test_the_owner_lets_somebody_try_again_at_once(nina, client):
    for _attempt in range(5):
        sign_in(client, password="wrong")
    owner = Client()
    owner.force_login(person(Role.OWNER, name="olga"))

    shown = owner.get(reverse("admin:auth_user_change", args=[nina.pk])).content.decode()
    owner.post(reverse("admin:auth_user_unlock", args=[nina.pk]))

    assert "Let them try again" in shown
    assert sign_in(client).status_code == 302
    assert AuditEvent.objects.filter(action="unlocked", detail=f"user {nina.pk}").exists()


def test_a_right_password_wipes_the_wrong_ones(nina, client):
    for _attempt in range(4):
        sign_in(client, password="wrong")
    sign_in(client)

    assert not AccessAttempt.objects.exists()


@pytest.mark.parametrize(
    ("proxies", "address"), [(0, "127.0.0.1"), (1, "203.0.113.9"), (2, "198.51.100.4")], ids=["no proxy", "one", "two"]
)
def test_counts_by_the_address_the_rest_of_the_product_believes(proxies, address, nina, client, settings):
    """What the visitor wrote into the header counts nowhere; what the proxies in front added at its end does."""
    settings.PROXY_COUNT = proxies
    for attempt in range(4):
        sign_in(client, password="wrong", headers={"X-Forwarded-For": f"10.0.0.{attempt}, 198.51.100.4, 203.0.113.9"})

    assert AccessAttempt.objects.get().ip_address == address
    assert AuditEvent.objects.last().address == network_of(address)


def test_counts_all_addresses_of_one_line_as_one(nina, client):
    answers = [sign_in(client, password="wrong", REMOTE_ADDR=f"2001:db8:1:2::{n:x}").status_code for n in range(1, 6)]

    assert answers[-1] == 429
    assert sign_in(client, REMOTE_ADDR="2001:db8:1:2:ffff::1").status_code == 429
    assert sign_in(Client(), REMOTE_ADDR="2001:db8:1:3::1").status_code == 302


def test_knows_an_address_in_its_longer_spelling(nina, client):
    sign_in(client, password="wrong", REMOTE_ADDR="::ffff:203.0.113.9")

    assert AccessAttempt.objects.get().ip_address == "203.0.113.9"
    assert AuditEvent.objects.get().address == "203.0.113.0/24"


def test_stops_whoever_tries_many_names(nina, client, settings):
    settings.SIGN_IN_TRIES_OF_ALL_NAMES = 8
    answers = [sign_in(client, f"name-{number}", "rosemary").status_code for number in range(10)]

    assert answers == [200] * 8 + [429] * 2
    assert AuditEvent.objects.count() == 8
    assert sign_in(client).status_code == 429
    assert sign_in(Client(), REMOTE_ADDR="198.51.100.7").status_code == 302


def test_nobody_guesses_the_password_at_an_open_laptop(nina, client):
    sign_in(client)
    new = {"new_password1": "basil-pepper-77", "new_password2": "basil-pepper-77"}
    url = reverse("admin:password_change")

    answers = [client.post(url, {"old_password": f"guess-{number}", **new}).status_code for number in range(5)]
    right = client.post(url, {"old_password": PASSWORD, **new})

    assert answers == [200, 200, 200, 200, 429]
    assert right.status_code == 429
    nina.refresh_from_db()
    assert nina.check_password(PASSWORD)
    kept = " ".join(str(value) for row in AccessAttempt.objects.values() for value in row.values())
    assert "guess-" not in kept
    assert "basil" not in kept


def test_keeps_what_was_typed_out_of_tables_and_logs(db, client, caplog):
    typed = "maria.kim@example.com"
    for _attempt in range(6):
        sign_in(client, typed, "my-secret-word")

    kept = " ".join(str(value) for row in AccessAttempt.objects.values() for value in row.values())
    lines = " ".join(f"{event.detail} {event.reason}" for event in AuditEvent.objects.all())
    for text in (kept, lines, caplog.text):
        assert "maria" not in text
        assert "my-secret-word" not in text
    assert AccessAttempt.objects.get().failures_since_start == 5


def test_a_changed_password_ends_all_other_sessions(nina):
    here, there = Client(), Client()
    sign_in(here)
    sign_in(there)

    new = {"old_password": PASSWORD, "new_password1": "basil-pepper-77", "new_password2": "basil-pepper-77"}
    here.post(reverse("admin:password_change"), new)

    assert (is_in(here), is_in(there)) == (True, False)
    assert AuditEvent.objects.filter(action="password", actor=nina).count() == 1


def test_signs_out_everywhere_else(nina):
    here, there = Client(), Client()
    sign_in(here)
    sign_in(there)

    page = here.get(reverse("admin:sign_in")).content.decode()
    here.post(reverse("admin:sign_in"), {"press": "sign-out"})

    assert "in 1 other browser or phone" in page
    assert (is_in(here), is_in(there)) == (True, False)


@pytest.mark.parametrize(("away", "stays"), [(11, True), (13, False)])
def test_signs_out_who_was_away_for_hours(away, stays, nina, client):
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        sign_in(client)

    with time_machine.travel(now + timedelta(hours=away), tick=False):
        assert is_in(client) == stays


def test_an_open_page_that_asks_by_itself_keeps_nobody_signed_in(nina, client):
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        sign_in(client)
    for hours in (4, 8, 11):
        with time_machine.travel(now + timedelta(hours=hours), tick=False):
            client.get(INDEX, headers={"Accept": "application/json"})

    with time_machine.travel(now + timedelta(hours=13), tick=False):
        assert not is_in(client)


def test_signs_out_after_a_week_whatever_somebody_does(nina, client):
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        sign_in(client)
    for hours in range(11, 7 * 24, 11):
        with time_machine.travel(now + timedelta(hours=hours), tick=False):
            assert is_in(client), hours

    with time_machine.travel(now + timedelta(days=7, minutes=1), tick=False):
        assert not is_in(client)


def test_a_page_writes_no_session(nina, client, django_assert_num_queries):
    sign_in(client)
    client.get(reverse("admin:password_change"))
    before = Session.objects.values_list("session_data", flat=True).get()

    client.get(reverse("admin:password_change"))

    assert Session.objects.values_list("session_data", flat=True).get() == before


def test_the_cookie_is_kept_from_scripts_and_other_sites(nina, client, settings):
    settings.SESSION_COOKIE_SECURE = True
    sign_in(client)

    cookie = client.cookies["sessionid"]
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Lax", True)


def test_lets_nobody_without_a_page_of_ours_in(nina, client):
    User.objects.filter(pk=nina.pk).update(is_staff=False)

    assert sign_in(client).status_code == 200
    assert not is_in(client)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        (None, ""),
    ],
)
def test_cuts_an_address_to_its_network(address, network):
    assert network_of(address) == network
