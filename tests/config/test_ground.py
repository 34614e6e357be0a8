"""The ground the other tests stand on."""

import socket
import subprocess
import sys

import pytest
import requests
from django.conf import settings
from django.contrib.auth import get_user_model

from tests.conftest import ROOT, SAME_ON_EACH, NetworkRefused


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_refuses_a_connection_beyond_this_machine(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    with socket.socket(family) as reaching_out, pytest.raises(NetworkRefused, match=address):
        reaching_out.connect((address, 80))


def test_refuses_to_look_up_a_name():
    with pytest.raises(NetworkRefused, match=r"api\.example\.com"):
        requests.get("https://api.example.com/", timeout=1)


def test_lets_a_connection_to_this_machine_pass():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as connection:
        connection.connect(server.getsockname())

        assert connection.getpeername() == server.getsockname()


def test_writes_nothing_into_the_project(db):
    for folder in (settings.VAR_DIR, settings.OUTBOX_DIR, settings.STATIC_ROOT):
        assert settings.BASE_DIR not in folder.parents


def test_lets_another_process_see_the_test_database(process_environment):
    get_user_model().objects.create_user("from-the-test")

    names = "from django.contrib.auth.models import User; print(*User.objects.all())"
    seen = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", names],
        cwd=settings.BASE_DIR,
        env=process_environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert seen.stdout.strip() == "from-the-test"


def test_knows_the_files_that_run_on_one_database_alone():
    assert [path for path in SAME_ON_EACH if not (ROOT / path).is_file()] == []


@pytest.mark.browser
def test_opens_a_page_in_a_browser(admin_page):
    admin_page.goto("/admin/")

    assert "Log in" not in admin_page.title()
