"""What django-q would do wrong by itself is refused at the start, or does no harm."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.conf import settings as configured
from django.core.checks import run_checks
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from config.management.commands import qcluster, run
from contacts.models import Contact, ContactTag, Job, Tag
from contacts.services import jobs, leases
from messaging.models import Heartbeat
from messaging.services import control
from messaging.services.control import beat
from tests.config.test_settings import ENVIRONMENT
from tests.journeys.conftest import wait_for

REDIS = "redis://localhost:6379/7"


def ids() -> set[str | None]:
    return {message.id for message in run_checks()}


def settings_with(tmp_path: Path, command: str = "check", **environment: str) -> subprocess.CompletedProcess[str]:
    """Read the product's settings in a process of its own, as this command would."""
    code = (
        f"import json, sys; sys.argv = ['manage.py', {command!r}]; from config import settings as s; "
        "print(json.dumps([s.Q_CLUSTER, s.CACHES, s.DATABASES['default']['CONN_MAX_AGE']]))"
    )
    url = f"sqlite:///{tmp_path / 'app.sqlite3'}"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=configured.BASE_DIR,
        env=ENVIRONMENT | {"DATABASE_URL": url} | environment,
        capture_output=True,
        text=True,
    )


# --- Checks ---


@pytest.mark.django_db
def test_nothing_is_wrong_as_it_stands():
    assert ids() == set()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "check_id"),
    [
        ({"retry": 400, "queue_limit": 8}, "config.E002"),  # waiting counts: (8 / 2 + 2) x 120
        ({"save_limit": 250}, "config.E003"),
        ({"ack_failures": False}, "config.E004"),
        ({"timeout": 50}, "config.E005"),  # a run of 20 s, and a provider that takes its 30
    ],
)
def test_refuses_a_queue_that_would_run_tasks_twice_or_end_them_half_way(settings, change, check_id):
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "workers": 2, **change}

    assert ids() == {check_id}


@pytest.mark.django_db
def test_refuses_to_connect_anew_for_every_call(monkeypatch):
    monkeypatch.setitem(configured.DATABASES["default"], "CONN_MAX_AGE", 0)

    assert ids() == {"config.E006"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"transaction_mode": "IMMEDIATE"},
        {"transaction_mode": "DEFERRED", "init_command": "PRAGMA journal_mode=WAL;"},
        {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=DELETE;"},
    ],
)
def test_refuses_an_sqlite_whose_writers_would_fail(monkeypatch, options):
    monkeypatch.setitem(configured.DATABASES["default"], "ENGINE", "django.db.backends.sqlite3")
    monkeypatch.setitem(configured.DATABASES["default"], "OPTIONS", options)

    assert ids() == {"config.E007"}


@pytest.mark.django_db
@pytest.mark.parametrize("threads", [0, 257])
def test_refuses_a_number_of_threads_that_makes_no_sense(settings, threads):
    settings.SEND_CONCURRENCY = threads

    assert ids() == {"config.E008"}


@pytest.mark.django_db
@pytest.mark.parametrize(("engine", "found"), [("sqlite3", {"config.W001"}), ("postgresql", set())])
def test_warns_of_machines_that_would_share_a_file(settings, monkeypatch, engine, found):
    settings.REDIS_URL = REDIS
    monkeypatch.setitem(configured.DATABASES["default"], "ENGINE", f"django.db.backends.{engine}")
    options = {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL;"}
    monkeypatch.setitem(configured.DATABASES["default"], "OPTIONS", options)

    assert ids() == found


def test_a_call_of_a_provider_ends_before_the_worker_is_killed():
    longest_call = sum(configured.PROVIDER_TIMEOUT_S)

    # Whoever is on the leash ends at nine tenths; `make run` waits for the worker, and some more.
    assert longest_call < 0.9 * qcluster.STOP_WITHIN_S
    assert qcluster.STOP_WITHIN_S < run.STOP_WITHIN_S


# --- Settings ---


def test_keeps_the_connections_of_the_worker(tmp_path):
    done = settings_with(tmp_path, command="qcluster")

    assert json.loads(done.stdout)[2] is None


def test_the_queue_is_a_table_and_the_cache_is_memory_by_default(tmp_path):
    queue, caches, _ = json.loads(settings_with(tmp_path).stdout)

    assert (queue["orm"], "redis" in queue) == ("default", False)
    assert caches["default"]["BACKEND"].endswith("LocMemCache")


def test_redis_holds_the_queue_and_what_is_counted(tmp_path):
    queue, caches, _ = json.loads(settings_with(tmp_path, REDIS_URL=REDIS).stdout)

    assert (queue["redis"], "orm" in queue) == (REDIS, False)
    assert (caches["default"]["BACKEND"].rsplit(".")[-1], caches["default"]["LOCATION"]) == ("RedisCache", REDIS)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"Q_CLUSTER_NAME": "send"}, "Q_CLUSTER_NAME names another queue"),  # nobody would fill it
        ({"REDIS_URL": "localhost:6379"}, "REDIS_URL must be the address"),
        ({"SEND_CONCURRENCY": "0"}, "SEND_CONCURRENCY must be a whole number of 1 or more"),
    ],
)
def test_says_in_a_sentence_what_cannot_be_right(tmp_path, change, sentence):
    done = settings_with(tmp_path, **change)

    assert done.returncode == 1
    assert sentence in done.stderr.splitlines()[-1]


# --- The queue's table ---


@pytest.mark.django_db
def test_a_task_is_found_by_an_index():
    with connection.cursor() as cursor:
        indexes = connection.introspection.get_constraints(cursor, "django_q_ormq").values()

    assert [index["columns"] for index in indexes if index["columns"] == ["key", "lock"] and index["index"]]


# --- A broker that is away, and tasks that are lost ---


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("module", [control, leases])
def test_what_is_done_stays_done_where_nobody_can_be_told(monkeypatch, module):
    def away(*args: object, **options: object) -> None:
        raise redis.ConnectionError

    monkeypatch.setattr(module, "async_task", away)

    with transaction.atomic():
        Tag.objects.create(name="told to nobody")
        module.wake()

    assert Tag.objects.filter(name="told to nobody").exists()


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("no redis-server on this machine")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    client = redis.Redis(port=port)
    wait_for(lambda: is_up(client))
    yield f"redis://127.0.0.1:{port}/0"
    client.close()
    process.kill()
    process.wait()


def is_up(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


@pytest.mark.django_db(transaction=True)
def test_with_redis_what_a_lost_task_was_for_is_done_all_the_same(process_environment, redis_url):
    Contact.objects.create(email="maria@example.com", first_name="Maria")
    tag = Tag.objects.create(name="regulars")
    selection = jobs.filters_selection({})
    job = jobs.start_job(kind=Job.Kind.TAG, selection=selection, at=timezone.now(), actor=None, options={"tag": tag.pk})
    # The task that says so is lost: nothing is in the queue.
    worker = subprocess.Popen(
        [sys.executable, "manage.py", "qcluster"],
        cwd=configured.BASE_DIR,
        env=process_environment | {"TEST_REDIS_URL": redis_url},
        start_new_session=True,
    )

    try:
        wait_for(lambda: Job.objects.get(pk=job.pk).status == Job.Status.DONE)
    finally:
        worker.terminate()
        code = worker.wait(20)

    assert code == 0
    assert ContactTag.objects.filter(tag=tag).count() == 1


# --- The alarm ---


@pytest.mark.django_db
def test_says_since_when_the_worker_is_silent(admin_client):
    Heartbeat.objects.all().delete()
    never = admin_client.get(reverse("admin:index")).content.decode()
    beat(at=timezone.now() - timedelta(minutes=4))
    lately = admin_client.get(reverse("admin:index")).content.decode()
    beat(at=timezone.now())
    well = admin_client.get(reverse("admin:index")).content.decode()

    assert "The background worker is not running" in never
    assert "Last heard" not in never
    assert "Last heard" in lately
    assert "The background worker is not running" not in well


@pytest.mark.django_db
def test_is_not_ready_without_its_redis(client, settings, redis_url):
    beat(at=timezone.now())
    settings.REDIS_URL = redis_url
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis_url}}
    there = client.get("/readyz").json()["checks"]["redis"]
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nobody = f"redis://127.0.0.1:{probe.getsockname()[1]}/0"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": nobody}}

    away = client.get("/readyz")

    assert there == "ok"
    assert (away.status_code, away.json()["checks"]["redis"]) == (503, "cannot be reached")
