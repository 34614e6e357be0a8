"""What stops the start, and what the probes say."""

import pytest
from cryptography.fernet import Fernet, MultiFernet
from django.core.checks import Error, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from encrypted_model_fields import fields as library

from config.checks import rates_are_those_of_the_environment, refuse_wrong_keys, webhook_can_be_believed
from messaging.models import Heartbeat, ProviderSettings
from messaging.services.control import beat

pytestmark = pytest.mark.django_db


def error_ids() -> set[str | None]:
    return {message.id for message in run_checks() if isinstance(message, Error)}


@pytest.fixture
def wrong_key(monkeypatch):
    monkeypatch.setattr(library, "CRYPTER", MultiFernet([Fernet(Fernet.generate_key())]))


def test_nothing_is_wrong_as_it_stands():
    assert error_ids() == set()
    refuse_wrong_keys()


def test_a_wrong_encryption_key_stops_commands_and_web_server(wrong_key):
    assert "config.E001" in error_ids()
    with pytest.raises(ImproperlyConfigured, match="ENCRYPTION_KEY is not the key"):
        refuse_wrong_keys()


def test_a_wrong_index_key_stops_commands_and_web_server(settings):
    settings.INDEX_KEY = "another index key, as long as it must be"

    assert "config.E001" in error_ids()
    with pytest.raises(ImproperlyConfigured, match="INDEX_KEY is not the key"):
        refuse_wrong_keys()


@pytest.mark.parametrize(
    ("change", "error_id"),
    [({"timeout": 300}, "config.E002"), ({"retry": 100}, "config.E002"), ({"save_limit": 250}, "config.E003")],
)
def test_a_queue_that_would_run_tasks_twice_is_refused(settings, change, error_id):
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, **change}

    assert error_id in error_ids()


def test_alive_without_a_database(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/healthz").json() == {"status": "ok"}


def test_ready_where_all_is_well(client):
    beat(at=timezone.now())

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert set(answer.json()["checks"].values()) == {"ok"}


def test_not_ready_without_a_worker(client):
    Heartbeat.objects.all().delete()

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert "qcluster" in answer.json()["checks"]["worker"]


def test_not_ready_with_a_wrong_key(client, wrong_key):
    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert "ENCRYPTION_KEY" in answer.json()["checks"]["keys"]


@pytest.mark.django_db
@pytest.mark.parametrize(("kept", "warned"), [("", True), ("5/s", False)])
def test_warns_where_a_rate_of_the_environment_does_not_count_any_more(settings, kept, warned):
    ProviderSettings.objects.create(channel="email", provider=settings.EMAIL_PROVIDER, rate=kept)
    settings.EMAIL_RATE = "5/s"

    warnings = rates_are_those_of_the_environment()

    assert [warning.id for warning in warnings] == ["config.W002"] * warned


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("provider", "known", "warned"),
    [
        ("outbox", {}, False),
        ("smtp", {}, False),
        ("sendgrid", {}, True),
        ("sendgrid", {"WEBHOOK_SECRET": ["regulars:word"]}, False),
        ("sendgrid", {"SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY": ["key"]}, False),
        ("ses", {"WEBHOOK_SECRET": ["regulars:word"]}, True),
        ("ses", {"AWS_SNS_TOPIC_ARNS": ["arn:aws:sns:us-east-1:123456789012:name"]}, False),
        ("brevo", {"MAILGUN_WEBHOOK_SIGNING_KEY": ["key"]}, True),
    ],
)
def test_warns_where_the_webhook_of_the_provider_refuses_everybody(settings, provider, known, warned):
    settings.EMAIL_PROVIDER = provider
    for name, value in known.items():
        setattr(settings, name, value)

    assert [warning.id for warning in webhook_can_be_believed()] == ["config.W003"] * warned
