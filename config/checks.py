"""What must hold before anything runs. Commands run these by themselves; the web server through `wsgi.py`."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, ProgrammingError

from contacts import tasks as contacts_tasks
from contacts.channels import Channel
from contacts.services import WrongKey, verify_canary
from messaging import tasks as messaging_tasks
from messaging.models import ProviderSettings
from messaging.services.pacing import provider_name
from redemptions.rendering.wallet import BadPapers, Signer
from redemptions.views import wallet_papers

MOST_THREADS = 256


@register
def keys_are_those_of_the_database(**kwargs: Any) -> list[CheckMessage]:
    """Decrypt the canary; a database that is not there yet, or not migrated, has nothing to lose."""
    try:
        verify_canary()
    except WrongKey as error:
        return [Error(str(error), hint="The keys are in .env or the environment of the service.", id="config.E001")]
    except (OperationalError, ProgrammingError):
        return []
    return []


@register
def queue_does_not_hand_out_running_tasks(**kwargs: Any) -> list[CheckMessage]:
    """Waiting in the worker's own queue counts against `retry`: a task is handed out again while it runs."""
    cluster: dict[str, Any] = settings.Q_CLUSTER
    needed = (cluster["queue_limit"] / cluster["workers"] + 2) * cluster["timeout"]
    if cluster["timeout"] >= cluster["retry"] or cluster["retry"] <= needed:
        return [
            Error(
                f"The queue's retry ({cluster['retry']} s) must be above {needed:.0f} s: "
                "(queue_limit / workers + 2) x timeout.",
                hint="Raise retry or lower timeout in Q_CLUSTER.",
                id="config.E002",
            )
        ]
    if cluster["save_limit"] > 0:
        return [
            Error(
                "The queue's save_limit must be -1 or 0: a positive one re-reads every kept row for each task.",
                id="config.E003",
            )
        ]
    return []


@register
def queue_gives_up_what_fails(**kwargs: Any) -> list[CheckMessage]:
    """A task that fails, or ran out of time, and is not acknowledged is handed out again for ever."""
    if settings.Q_CLUSTER.get("ack_failures"):
        return []
    return [Error("The queue's ack_failures must be on: a task that fails runs for ever.", id="config.E004")]


@register
def queue_waits_for_the_longest_task(**kwargs: Any) -> list[CheckMessage]:
    """A run ends after its budget and the longest call of a provider; ended before, its messages would be unknown."""
    longest = max(contacts_tasks.BUDGET_S, messaging_tasks.BUDGET_S) + sum(settings.PROVIDER_TIMEOUT_S)
    if settings.Q_CLUSTER["timeout"] > longest:
        return []
    return [
        Error(
            f"The queue's timeout must be above {longest:.0f} s: the longest run of the worker, and a call it makes.",
            hint="Raise timeout, and retry with it, in Q_CLUSTER.",
            id="config.E005",
        )
    ]


@register
def connections_are_kept(**kwargs: Any) -> list[CheckMessage]:
    """The queue closes old connections before every call: none that is kept means a new one for each."""
    if settings.DATABASES["default"].get("CONN_MAX_AGE", 0) != 0:
        return []
    return [
        Error(
            "CONN_MAX_AGE is 0: the worker would connect anew for every call of its queue.",
            hint="None in the worker, 60 in the web server.",
            id="config.E006",
        )
    ]


@register
def sqlite_takes_its_lock_at_once(**kwargs: Any) -> list[CheckMessage]:
    """A deferred transaction that reads and then writes fails at once where another has written meanwhile."""
    database = settings.DATABASES["default"]
    if database["ENGINE"] != "django.db.backends.sqlite3":
        return []
    options = database.get("OPTIONS", {})
    is_immediate = options.get("transaction_mode") == "IMMEDIATE"
    if is_immediate and "journal_mode=WAL" in options.get("init_command", ""):
        return []
    return [
        Error(
            "SQLite needs transaction_mode IMMEDIATE and journal_mode=WAL: web server and worker write at once.",
            id="config.E007",
        )
    ]


@register
def sending_threads_are_few(**kwargs: Any) -> list[CheckMessage]:
    if 1 <= settings.SEND_CONCURRENCY <= MOST_THREADS:
        return []
    return [
        Error(
            f"SEND_CONCURRENCY must be from 1 to {MOST_THREADS}: the connections of one worker process to a provider.",
            id="config.E008",
        )
    ]


@register
def several_machines_share_a_database(**kwargs: Any) -> list[CheckMessage]:
    if not settings.REDIS_URL or settings.DATABASES["default"]["ENGINE"] != "django.db.backends.sqlite3":
        return []
    return [
        CheckWarning(
            "REDIS_URL is for several machines, which cannot share an SQLite file.",
            hint="Set DATABASE_URL to a PostgreSQL database, or take REDIS_URL away.",
            id="config.W001",
        )
    ]


@register
def rates_are_those_of_the_environment(**kwargs: Any) -> list[CheckMessage]:
    """The environment has first values only; who changes it later waits for something to happen."""
    try:
        kept = {
            channel: ProviderSettings.objects.filter(channel=channel, provider=provider_name(channel)).first()
            for channel in Channel
        }
    except (OperationalError, ProgrammingError):
        return []
    first = {Channel.EMAIL: ("EMAIL_RATE", settings.EMAIL_RATE), Channel.SMS: ("SMS_RATE", settings.SMS_RATE)}
    return [
        CheckWarning(
            f"{name} is {rate}, but the admin's Providers and rates say {row.rate or 'no limit'}, and that counts.",
            hint="Change it there, or take the variable away.",
            id="config.W002",
        )
        for channel, (name, rate) in first.items()
        if (row := kept[channel]) is not None and rate and row.rate != rate
    ]


# What proves where a call of each provider's webhook comes from.
WEBHOOK_KEYS = {
    "brevo": "WEBHOOK_SECRET",
    "mailgun": "MAILGUN_WEBHOOK_SIGNING_KEY",
    "postmark": "WEBHOOK_SECRET",
    "resend": "RESEND_WEBHOOK_SECRET",
    "sendgrid": "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY",
    "ses": "AWS_SNS_TOPIC_ARNS",
}


@register
def webhook_can_be_believed(**kwargs: Any) -> list[CheckMessage]:
    """Without its key every call is refused: nobody hears of bounces and complaints."""
    name = WEBHOOK_KEYS.get(settings.EMAIL_PROVIDER)
    has_password = settings.WEBHOOK_SECRET and settings.EMAIL_PROVIDER != "ses"
    if name is None or getattr(settings, name) or has_password:
        return []
    return [
        CheckWarning(
            f"{name} is not set: what {settings.EMAIL_PROVIDER} reports of bounces and complaints is refused.",
            hint="Set up the webhook as docs/providers.md says, and put its key into the environment.",
            id="config.W003",
        )
    ]


@register
def passes_can_be_signed(**kwargs: Any) -> list[CheckMessage]:
    """Phones refuse passes that another key signed. The coupon page offers none while this is so."""
    if not settings.WALLET_PASS_TYPE_ID:
        return []
    try:
        Signer.load(**wallet_papers()._asdict())
    except BadPapers as error:
        hint = "Put the right files in place, or take WALLET_PASS_TYPE_ID away: the coupon page offers no pass then."
        return [Error(str(error), hint=hint, id="config.E009")]
    return []


def refuse_wrong_keys() -> None:
    """Stop the web server's start where the keys are wrong. Raises ImproperlyConfigured."""
    for error in keys_are_those_of_the_database():
        raise ImproperlyConfigured(error.msg)
