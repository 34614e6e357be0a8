"""How the machinery stands: what runs, waits, failed and is kept, each in a sentence that says what to do."""

from __future__ import annotations

import platform
import re
import shutil
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import django
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, Max, Min
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django_q.models import Failure, OrmQ
from django_q.tasks import queue_size

from campaigns.models import Campaign
from contacts.queries.keys import newest_key_id, written_with_older_keys
from messaging.models import Fact, Heartbeat, Message, Pump
from messaging.queries.machine import worker_alive
from messaging.queries.setup import Line, set_up, when

SLOW_AFTER = timedelta(minutes=5)  # a task that waits longer: the worker is busy, or hangs
LATELY = timedelta(days=1)
BACKUP_OLD = timedelta(days=7)
DISK_LOW, DISK_FULL = 2_000_000_000, 300_000_000
BACKUP_FACT, ROTATED_FACT = "backup", "keys.rotated"
TASKS = {
    "messaging.tasks.tick": gettext_lazy("What is done every minute: starting campaigns, reading reports"),
    "messaging.tasks.work": gettext_lazy("Sending"),
    "contacts.tasks.work": gettext_lazy("Imports, exports and jobs on many contacts"),
}
FRAME = re.compile(r'File "(?:[^"]*/)?([^/"]+/[^/"]+)", line (\d+)')
KIND = re.compile(r"([A-Za-z_][\w.]*)(:|$)")


@dataclass(frozen=True, slots=True)
class Failed:
    """What failed of one kind of background work. `function` names it for the buttons; empty: it is none of ours."""

    function: str
    line: Line
    may_retry: bool


@dataclass(frozen=True, slots=True)
class System:
    """The system page, part by part."""

    worker: list[Line]
    failed: list[Failed]
    webhooks: list[Line]
    backups: list[Line]
    keys: list[Line]
    machine: list[Line]

    @property
    def lines(self) -> list[Line]:
        failed = [failure.line for failure in self.failed]
        return [*self.worker, *failed, *self.webhooks, *self.backups, *self.keys, *self.machine]


def system(*, at: datetime) -> System:
    """Return how the machinery stands. About fifteen queries, and a look at the disk."""
    return System(
        worker=[*_worker_lines(at), *_pump_lines(at), *_queue_lines(at), *_message_lines(at)],
        failed=failures(at=at),
        webhooks=set_up(at=at).webhooks,
        backups=list(_backup_lines(at)),
        keys=_key_lines(),
        machine=[_migrations_line(), _database_line(), _disk_line(), *_debug_lines(), _versions_line()],
    )


# --- Worker and queue -------------------------------------------------------------------------------------------------


def _worker_lines(at: datetime) -> Iterable[Line]:
    heard = Heartbeat.objects.order_by("-at").values_list("at", flat=True).first()
    since = _("Last heard %(when)s.") % {"when": when(heard)} if heard else _("It was never heard.")
    if worker_alive(at):
        yield Line("ok", _("The background worker runs"), since)
        return
    what = _("Nothing is sent or imported until it runs. Whoever looks after the server starts it with this:")
    yield Line("block", _("The background worker is not running"), f"{since} {what}", paste="python manage.py qcluster")


def _pump_lines(at: datetime) -> Iterable[Line]:
    edge = at - timedelta(seconds=settings.PUMP_SILENT_S)
    silent = Pump.objects.filter(seen_at__lt=edge).count()
    count = Pump.objects.filter(seen_at__gte=edge).count()
    if count:
        title = ngettext("%(count)s process is sending", "%(count)s processes are sending", count)
        yield Line("ok", title % {"count": count})
    else:
        yield Line("ok", _("Nobody is sending just now"), _("Sending begins by itself when something is due."))
    if silent:
        title = ngettext("%(count)s sender fell silent", "%(count)s senders fell silent", silent)
        detail = _("What it held is settled within a minute. If this line stays, restart the worker.")
        yield Line("warn", title % {"count": silent}, detail)


def _queue_lines(at: datetime) -> Iterable[Line]:
    if settings.REDIS_URL:
        count, oldest = queue_size(), None
    else:
        waiting = OrmQ.objects.filter(lock__lte=at).aggregate(count=Count("pk"), oldest=Min("lock"))
        count, oldest = waiting["count"], waiting["oldest"]
    if not count:
        yield Line("ok", _("No background task waits"))
        return
    title = ngettext("%(count)s background task waits", "%(count)s background tasks wait", count)
    since = _("The oldest since %(when)s.") % {"when": when(oldest)} if oldest else ""
    if oldest and oldest < at - SLOW_AFTER:
        do = _("The worker is not running, or something holds it up. Restart it; nothing is lost or sent twice.")
        yield Line("warn", title % {"count": f"{count:,}"}, f"{since} {do}")
    else:
        yield Line("ok", title % {"count": f"{count:,}"}, since)


def _message_lines(at: datetime) -> Iterable[Line]:
    going = Campaign.objects.filter(status=Campaign.Status.SENDING).values("pk")
    waiting = Message.objects.filter(campaign__in=going, status=Message.Status.QUEUED, not_before__lte=at)
    found = waiting.aggregate(count=Count("pk"), oldest=Min("not_before"))
    if not found["count"]:
        yield Line("ok", _("No message is due"))
        return
    title = ngettext("%(count)s message is due", "%(count)s messages are due", found["count"])
    detail = _("The oldest since %(when)s. They leave as fast as your provider allows: see Providers and rates.")
    yield Line("ok", title % {"count": f"{found['count']:,}"}, detail % {"when": when(found["oldest"])})


# --- What failed ------------------------------------------------------------------------------------------------------


def failures(*, at: datetime) -> list[Failed]:
    """Return the background work that failed, by kind. One query, and one for each kind."""
    groups = Failure.objects.order_by().values("func").annotate(count=Count("pk"), last=Max("stopped"))
    return [_failed(group["func"], group["count"], group["last"], at) for group in groups.order_by("-last")]


def _failed(function: str, count: int, last: datetime, at: datetime) -> Failed:
    newest = Failure.objects.filter(func=function).order_by("-stopped").first()
    name = str(TASKS.get(function, function))
    title = ngettext("%(name)s: failed %(count)s time", "%(name)s: failed %(count)s times", count)
    again = _(
        "It is tried again every minute by itself; if it goes on failing, give this to whoever looks after the server."
    )
    level = "warn" if last > at - LATELY else "ok"
    detail = _("Last on %(when)s.") % {"when": when(last)}
    if level == "ok":
        again = _("Not since, so this can be forgotten.")
    words = error_words(str(newest.result or "")) if newest else ""
    line = Line(level, title % {"name": name, "count": f"{count:,}"}, f"{detail} {again}", found=words)
    return Failed(function, line, may_retry=function in TASKS)


def error_words(result: str) -> str:
    """Return the kind of an error and where it happened: its own words may name a person."""
    lines = result.strip().splitlines()
    if "maximum timeout" in result and "Traceback" not in result:
        return _("It ran out of time.")
    kind = KIND.match(lines[-1]) if lines else None
    frames = FRAME.findall(result)
    if kind is None:
        return ""
    where = f" ({frames[-1][0]}, {_('line')} {frames[-1][1]})" if frames else ""
    return f"{kind[1]}{where}"


# --- Backups and keys -------------------------------------------------------------------------------------------------


def _backup_lines(at: datetime) -> Iterable[Line]:
    made = Fact.objects.filter(pk=BACKUP_FACT).values_list("at", flat=True).first()
    if made is None:
        detail = _("Nobody has noted one here. Make one a night, keep it on another machine, and note it below.")
        yield Line("warn", _("Is there a backup?"), detail)
    elif made < at - BACKUP_OLD:
        detail = _("The last one that was noted is of %(when)s. Make another.") % {"when": when(made)}
        yield Line("warn", _("The backup is old"), detail)
    else:
        yield Line("ok", _("There is a backup"), _("Noted %(when)s.") % {"when": when(made)})
    everything = _(
        "It holds everything: contacts, consent, codes, pictures, settings. This makes a copy while all runs:"
    )
    yield Line("ok", _("What to save: the database"), everything, paste=backup_command(at))
    detail = _(
        "ENCRYPTION_KEY and INDEX_KEY, from .env or the environment of the service. Keep them apart from the backups: "
        "without them nobody can read a backup, and with both anybody can."
    )
    yield Line("ok", _("What to save apart: the keys"), detail)


def backup_command(at: datetime) -> str:
    """Return what copies the database, as text to paste."""
    day = f"{at:%Y-%m-%d}"
    if connection.vendor == "postgresql":
        return f'pg_dump --format=custom --file=regulars-{day}.dump "$DATABASE_URL"'
    copy = f"import sqlite3; sqlite3.connect('{settings.DATABASES['default']['NAME']}').execute("
    return f"""python -c "{copy}\\"VACUUM INTO 'regulars-{day}.sqlite3'\\")" """.strip()


def _key_lines() -> list[Line]:
    count = len(settings.FIELD_ENCRYPTION_KEY)
    how = _(
        "To change it: put a new key in front of the old one in ENCRYPTION_KEY, a comma between, restart web and "
        "worker, run “python manage.py rotate_keys”, then take the old key away and restart again."
    )
    if count == 1:
        return [Line("ok", _("There is one encryption key, and everything is written with it"), how)]
    older, looked_at = written_with_older_keys()
    title = _("There are %(count)s encryption keys; the first one writes") % {"count": count}
    values = {"older": f"{older:,}", "looked": f"{looked_at:,}"}
    if older:
        detail = _(
            "%(older)s of %(looked)s values looked at still need an older key. Keep all keys, and run this; it may be "
            "stopped and run again:"
        )
        return [Line("warn", title, detail % values, paste="python manage.py rotate_keys")]
    rotated = Fact.objects.filter(pk=ROTATED_FACT).first()
    if rotated is not None and rotated.detail.get("key") == newest_key_id():
        detail = _("Everything was rewritten with it %(when)s. The older ones may be taken out of ENCRYPTION_KEY now.")
        return [Line("ok", title, detail % {"when": when(rotated.at)})]
    detail = _("Before you take an older one away, run this: it makes sure that nothing needs it any more.")
    return [Line("warn", title, detail, paste="python manage.py rotate_keys")]


# --- The machine ------------------------------------------------------------------------------------------------------


def _migrations_line() -> Line:
    executor = MigrationExecutor(connection)
    count = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if not count:
        return Line("ok", _("The database is as this version needs it"))
    detail = _("Pages may fail until whoever looks after the server has run this, and restarted:")
    return Line("block", _("The database was not brought up to date"), detail, paste="python manage.py migrate")


def _database_line() -> Line:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database()), current_setting('server_version')")
            size, version = cursor.fetchone()
        return Line("ok", f"PostgreSQL {str(version).split()[0]}, {filesizeformat(size)}")
    size = sum(path.stat().st_size for path in _database_files())
    detail = _("A file on this machine: right for one shop. Several machines need PostgreSQL.")
    return Line("ok", f"SQLite, {filesizeformat(size)}", detail)


def _database_files() -> list[Path]:
    name = str(settings.DATABASES["default"]["NAME"])
    return [path for path in (Path(name), Path(f"{name}-wal")) if path.is_file()]


def _disk_line() -> Line:
    usage = shutil.disk_usage(settings.BASE_DIR)
    title = _("%(free)s of %(total)s free on the disk") % {
        "free": filesizeformat(usage.free),
        "total": filesizeformat(usage.total),
    }
    if usage.free < DISK_FULL:
        return Line("block", title, _("Soon nothing can be saved any more. Make room, or take a larger disk."))
    if usage.free < DISK_LOW:
        return Line("warn", title, _("Make room soon: a full disk stops sending and scanning."))
    return Line("ok", title)


def _debug_lines() -> Iterable[Line]:
    if settings.DEBUG:
        detail = _("Whoever causes an error sees the inside of it. On a server that others reach, set DEBUG=false.")
        yield Line("warn", _("Debugging is on"), detail)


def _versions_line() -> Line:
    detail = f"Python {platform.python_version()}, Django {django.get_version()}"
    return Line("ok", _("Regulars %(version)s") % {"version": version()}, detail)


@cache
def version() -> str:
    """Return the version of the product."""
    project = tomllib.loads((Path(settings.BASE_DIR) / "pyproject.toml").read_text())["project"]
    return str(project["version"])
