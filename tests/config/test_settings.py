"""A setting that cannot be right stops the start with one sentence, never with a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

ENVIRONMENT = {
    "ENV_FILE": os.devnull,
    "PATH": os.environ["PATH"],
    "SECRET_KEY": "x" * 50,
    "ENCRYPTION_KEY": "dGVzdHMtdXNlLXRoaXMta2V5LWFuZC1ub3RoaW5nZWw=",
    "INDEX_KEY": "tests-use-this-index-key-and-nothing-else",
    "DATABASE_URL": "sqlite:////nowhere/at/all.sqlite3",
}

REFUSED = {
    "no secret key": ({"SECRET_KEY": ""}, "SECRET_KEY is not set. If there is data already, put the key"),
    "no encryption key": ({"ENCRYPTION_KEY": ""}, "ENCRYPTION_KEY is not set."),
    "no index key": ({"INDEX_KEY": ""}, "INDEX_KEY is not set."),
    "an encryption key of other shape": ({"ENCRYPTION_KEY": "secret"}, "ENCRYPTION_KEY number 1 is not a Fernet key"),
    "an old encryption key of other shape": (
        {"ENCRYPTION_KEY": ENVIRONMENT["ENCRYPTION_KEY"] + ",secret"},
        "ENCRYPTION_KEY number 2 is not a Fernet key",
    ),
    "an encryption key beyond ASCII": ({"ENCRYPTION_KEY": "é" * 44}, "ENCRYPTION_KEY number 1 is not a Fernet key"),
    "a short index key": ({"INDEX_KEY": "short"}, "INDEX_KEY is shorter than 32 characters."),
    "one key for two ends": ({"INDEX_KEY": "x" * 50}, "INDEX_KEY must differ from SECRET_KEY and ENCRYPTION_KEY"),
    "an address without a scheme": ({"PUBLIC_BASE_URL": "deals.example.com"}, "PUBLIC_BASE_URL must be the address"),
    "an address with a path": ({"PUBLIC_BASE_URL": "https://a.example/shop"}, "PUBLIC_BASE_URL must be the address"),
    "an address that is broken": ({"PUBLIC_BASE_URL": "http://[::1"}, "PUBLIC_BASE_URL must be the address"),
    "a database without a name": ({"DATABASE_URL": "shop"}, "DATABASE_URL"),
    "a database of another kind": ({"DATABASE_URL": "mysql://localhost/shop"}, "DATABASE_URL"),
    "a switch that is neither": ({"DEBUG": "maybe"}, "DEBUG must be one of"),
    "a number that is none": ({"WORKERS": "two"}, "WORKERS must be a whole number of 1 or more."),
    "no worker": ({"WORKERS": "0"}, "WORKERS must be a whole number of 1 or more."),
    "a zone that is none": ({"BUSINESS_TIMEZONE": "Chicago"}, "BUSINESS_TIMEZONE must be a time zone name"),
    "a sender with a name": ({"FROM_EMAIL": "Bar <a@bar.example>"}, "FROM_EMAIL must be one e-mail address"),
    "an unknown e-mail provider": (
        {"EMAIL_PROVIDER": "pigeon"},
        "EMAIL_PROVIDER must be one of outbox, smtp, ses, mailgun, postmark, brevo, sendgrid, resend.",
    ),
    "an unknown SMS provider": ({"SMS_PROVIDER": "pigeon"}, "SMS_PROVIDER must be one of outbox, twilio."),
    "SendGrid without a key": ({"EMAIL_PROVIDER": "sendgrid"}, "SENDGRID_API_KEY is not set."),
    "Mailgun without a key": ({"EMAIL_PROVIDER": "mailgun"}, "MAILGUN_API_KEY is not set."),
    "Postmark without a token": ({"EMAIL_PROVIDER": "postmark"}, "POSTMARK_SERVER_TOKEN is not set."),
    "Brevo without a key": ({"EMAIL_PROVIDER": "brevo"}, "BREVO_API_KEY is not set."),
    "Resend without a key": ({"EMAIL_PROVIDER": "resend"}, "RESEND_API_KEY is not set."),
    "a key with a word too many": (
        {"EMAIL_PROVIDER": "resend", "RESEND_API_KEY": "Bearer re_1"},
        "RESEND_API_KEY must be one word",
    ),
    "an address for Mailgun's domain": (
        {"EMAIL_PROVIDER": "mailgun", "MAILGUN_API_KEY": "k", "MAILGUN_SENDER_DOMAIN": "https://mg.bar.example/"},
        "MAILGUN_SENDER_DOMAIN must be a domain",
    ),
    "the name of a Postmark stream": (
        {"EMAIL_PROVIDER": "postmark", "POSTMARK_SERVER_TOKEN": "t", "POSTMARK_MESSAGE_STREAM": "My offers"},
        "POSTMARK_MESSAGE_STREAM must be the ID of a stream",
    ),
    "Postmark's stream for receipts": (
        {"EMAIL_PROVIDER": "postmark", "POSTMARK_SERVER_TOKEN": "t", "POSTMARK_MESSAGE_STREAM": "outbound"},
        "POSTMARK_MESSAGE_STREAM=outbound is for receipts",
    ),
    "Amazon SES without a region": ({"EMAIL_PROVIDER": "ses"}, "EMAIL_PROVIDER=ses needs AWS_REGION"),
    "SMTP without a host": ({"EMAIL_PROVIDER": "smtp"}, "EMAIL_HOST is not set."),
    "a bounce address with a name": (
        {"BOUNCE_ADDRESS": "Bar <b@bar.example>"},
        "BOUNCE_ADDRESS must be one e-mail address",
    ),
    "a bounce mailbox that is none": (
        {"BOUNCE_MAILBOX_URL": "mail.example.com"},
        "BOUNCE_MAILBOX_URL must be the address of an IMAP mailbox",
    ),
    "a bounce mailbox without a password": (
        {"BOUNCE_MAILBOX_URL": "imaps://bounces@mail.example.com/INBOX"},
        "BOUNCE_MAILBOX_URL must be the address of an IMAP mailbox",
    ),
    "a bounce mailbox with a password as it is": (
        {"BOUNCE_MAILBOX_URL": "imaps://bounces:pass/word@mail.example.com/INBOX"},
        "BOUNCE_MAILBOX_URL must be the address of an IMAP mailbox",
    ),
    "Twilio without an account": ({"SMS_PROVIDER": "twilio"}, "TWILIO_ACCOUNT_SID is not set."),
    "Twilio without a sender": (
        {"SMS_PROVIDER": "twilio", "TWILIO_ACCOUNT_SID": "AC1", "TWILIO_AUTH_TOKEN": "t"},
        "SMS_PROVIDER=twilio needs TWILIO_MESSAGING_SERVICE_SID or TWILIO_PHONE_NUMBER.",
    ),
    "a price that is no number": ({"SMS_PART_PRICE": "NaN"}, "SMS_PART_PRICE must be what one part costs"),
    "a price in cents": ({"SMS_PART_PRICE": "83"}, "SMS_PART_PRICE must be what one part costs, in dollars: 0.0083"),
    "a price below nothing": ({"SMS_PART_PRICE": "-1"}, "SMS_PART_PRICE must be what one part costs"),
    "a webhook's password without a name": ({"WEBHOOK_SECRET": "secret"}, "WEBHOOK_SECRET must be user:password"),
    "one of two passwords without a name": ({"WEBHOOK_SECRET": "a:b,c"}, "WEBHOOK_SECRET must be user:password"),
    "SendGrid's key with its armour": (
        {"SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY": "-----BEGIN PUBLIC KEY-----"},
        "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY must be the verification key",
    ),
    "half of SendGrid's key": (
        {"SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY": "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE" * 2},
        "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY is not whole",
    ),
    "Resend's API key for its secret": ({"RESEND_WEBHOOK_SECRET": "re_123"}, "RESEND_WEBHOOK_SECRET must be whsec_"),
    "a topic's name for its ARN": ({"AWS_SNS_TOPIC_ARNS": "regulars"}, "AWS_SNS_TOPIC_ARNS must be arn:aws:sns:"),
    "a provider's address that is none": ({"EMAIL_API_URL": "proxy:9001"}, "EMAIL_API_URL must be an http or https"),
}


def check(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return ENVIRONMENT | {"DATABASE_URL": f"sqlite:///{tmp_path / 'app.sqlite3'}"}


def test_starts_with_the_three_keys_and_nothing_else(environment):
    done = check(environment)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("change", "sentence"), REFUSED.values(), ids=REFUSED)
def test_stops_the_start_with_a_sentence(environment, change, sentence):
    done = check(environment | change)

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"Configuration error: {sentence}")
    assert done.stderr.count("\n") == 1


def test_reads_a_file_that_the_environment_names(environment, tmp_path):
    file = tmp_path / "shop.env"
    file.write_text(f"SECRET_KEY={environment.pop('SECRET_KEY')}\n")

    done = check(environment | {"ENV_FILE": str(file)})

    assert done.returncode == 0, done.stderr


def test_prefers_the_environment_to_the_file(environment, tmp_path):
    file = tmp_path / "shop.env"
    file.write_text("WORKERS=two\n")

    done = check(environment | {"ENV_FILE": str(file), "WORKERS": "2"})

    assert done.returncode == 0, done.stderr


PROVIDERS = {
    "Mailgun": (
        {"EMAIL_PROVIDER": "mailgun", "MAILGUN_API_KEY": "k", "EMAIL_API_URL": "https://api.eu.mailgun.net/v3"},
        {"MAILGUN_API_KEY": "k", "MAILGUN_API_URL": "https://api.eu.mailgun.net/v3"},
    ),
    "Mailgun with a domain of its own": (
        {"EMAIL_PROVIDER": "mailgun", "MAILGUN_API_KEY": "k", "MAILGUN_SENDER_DOMAIN": "mg.bar.example"},
        {"MAILGUN_API_KEY": "k", "MAILGUN_SENDER_DOMAIN": "mg.bar.example"},
    ),
    "Postmark": (
        {"EMAIL_PROVIDER": "postmark", "POSTMARK_SERVER_TOKEN": "t"},
        {"POSTMARK_SERVER_TOKEN": "t", "POSTMARK_MESSAGE_STREAM": "broadcast"},
    ),
    "Postmark with a stream of its own": (
        {"EMAIL_PROVIDER": "postmark", "POSTMARK_SERVER_TOKEN": "t", "POSTMARK_MESSAGE_STREAM": "offers"},
        {"POSTMARK_SERVER_TOKEN": "t", "POSTMARK_MESSAGE_STREAM": "offers"},
    ),
    "Brevo": ({"EMAIL_PROVIDER": "brevo", "BREVO_API_KEY": "k"}, {"BREVO_API_KEY": "k"}),
    "Resend": (
        {"EMAIL_PROVIDER": "resend", "RESEND_API_KEY": "k", "EMAIL_API_URL": "http://127.0.0.1:9"},
        {"RESEND_API_KEY": "k", "RESEND_API_URL": "http://127.0.0.1:9"},
    ),
}
SAYS = "import json; from config import settings as s; print(json.dumps([s.EMAIL_BACKEND, s.QR_IMAGES, s.ANYMAIL]))"


def settings_of(environment: dict[str, str]) -> list:
    done = subprocess.run(
        [sys.executable, "-c", SAYS], cwd=settings.BASE_DIR, env=environment, capture_output=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(("change", "anymail"), PROVIDERS.values(), ids=PROVIDERS)
def test_hands_a_provider_what_it_needs(environment, change, anymail):
    backend, _, found = settings_of(environment | change)

    assert backend == f"messaging.transports.{change['EMAIL_PROVIDER']}.Backend"
    assert found == anymail


@pytest.mark.parametrize(("provider", "images"), [("brevo", "hosted"), ("smtp", "inline")])
def test_hosts_qr_images_where_a_mail_can_hold_none(environment, provider, images):
    change = {"EMAIL_PROVIDER": provider, "BREVO_API_KEY": "k", "EMAIL_HOST": "localhost", "QR_IMAGES": "inline"}

    assert settings_of(environment | change)[1] == images
