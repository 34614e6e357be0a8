"""`user`: who signs in, told and changed from the machine itself."""

import json
from io import StringIO

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from contacts.models import AuditEvent, AuthenticatorApp, Role
from contacts.services import save_person

PASSWORD = "basil-pepper-77"


def run(*args):
    out = StringIO()
    call_command("user", *args, "--json", stdout=out, stderr=StringIO())
    return json.loads(out.getvalue())


def choose_password(link):
    visitor = Client()
    asked = visitor.get(link, follow=True)
    visitor.post(asked.request["PATH_INFO"], {"new_password1": PASSWORD, "new_password2": PASSWORD})


def sign_in(name, password=PASSWORD):
    form = {"username": name, "password": password, "next": "/admin/"}
    return Client().post("/admin/login/", form).status_code


@pytest.fixture
def olga(db):
    user = save_person(User(username="olga"), role=Role.OWNER, extras=())
    user.set_password("forgotten-salt-11")
    user.save()
    return user


def test_makes_the_first_owner(db):
    made = run("add", "olga", "--role", "owner")

    choose_password(made["link"])

    assert sign_in("olga") == 302
    owner = User.objects.get(pk=made["id"])
    assert owner.has_perm("auth.change_user")
    assert not owner.is_superuser
    assert [event.via for event in AuditEvent.objects.filter(action="invited")] == ["command"]


@pytest.mark.parametrize(("name", "why"), [("olga", "already exists"), ("o@example.com", "short name"), ("", "blank")])
def test_refuses_a_name_that_cannot_be(name, why, olga):
    with pytest.raises(CommandError, match=why):
        run("add", name, "--role", "marketer")

    assert User.objects.get() == olga


def test_lets_a_locked_out_owner_in_again(olga):
    for _attempt in range(6):
        sign_in("olga", "wrong")
    assert run("list")["users"][0]["locked_out"]

    choose_password(run("let-in", "olga")["link"])

    assert sign_in("olga") == 302
    assert not AccessAttempt.objects.exists()


def test_takes_the_second_factor_away_only_where_it_is_said(olga):
    AuthenticatorApp.objects.create(user=olga, key=AuthenticatorApp.new_key())

    run("let-in", "olga")
    assert AuthenticatorApp.objects.exists()

    run("let-in", "olga", "--lost-phone")
    assert not AuthenticatorApp.objects.exists()
    assert AuditEvent.objects.filter(action="factor_off", via="command").exists()


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}])
def test_lets_nobody_in_who_may_not_come(change, olga):
    User.objects.update(**change)

    with pytest.raises(CommandError):
        run("let-in", "olga")

    assert not AuditEvent.objects.filter(action="invited").exists()
