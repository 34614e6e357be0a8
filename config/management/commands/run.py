"""`make run`: everything a first look needs, and the web server and the worker until Ctrl-C."""

import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor

from contacts.models import Business

START_WITHIN_S = 60
STOP_WITHIN_S = 55  # the worker takes up to 45 for itself, and mostly one
DEMO = "demo"  # name and password

FIRST_STEPS = """\
  1. Log in at {address}/admin/
  2. Open the demo campaign under Campaigns.
  3. Press "Review and send", then "Send".
  4. Watch it go: the numbers on the page count up.
  5. Open one of its mails in Outbox. Nothing has left this machine.
  6. Redeem the code of that mail at {address}/scan/ - the second time it is refused.
     A scanner is connected once, by a link that the page Devices in the admin makes.
"""


class Command(BaseCommand):
    help = "Prepare the database and the static files, then run the web server and the worker until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="port of the web server (default: 8000)")

    def handle(self, *args: Any, port: int, **options: Any) -> None:
        refuse_taken_port(port)
        self.migrate()
        self.collect_static()
        said = self.load_demo(port)
        connections.close_all()
        # A signal that comes while the two start must stop them as well.
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: stop.set())
        children = start_children(port)
        try:
            self.watch(children, port, said, stop)
        finally:
            self.say("Stopping.")
            stop_children(children)

    def say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def migrate(self) -> None:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if plan:
            call_command("migrate", interactive=False, verbosity=0)
            self.say(f"Database: {len(plan)} migrations applied.")

    def collect_static(self) -> None:
        stamp, fingerprint = settings.VAR_DIR / "static.stamp", static_fingerprint()
        if Path(settings.STATIC_ROOT).is_dir() and stamp.exists() and stamp.read_text() == fingerprint:
            return
        self.say("Static files: collecting.")
        call_command("collectstatic", interactive=False, clear=True, verbosity=0)
        stamp.write_text(fingerprint)

    def load_demo(self, port: int) -> str:
        """Fill an empty database; return what the command says: a login, and a link that connects a scanner."""
        # The business row stays when the demo is taken away: whoever removed it does not want it back.
        if get_user_model().objects.exists() or Business.objects.exists():
            return ""
        self.say("Empty database: loading demo data.")
        # A process of its own, since the links it prints carry the port.
        demo = subprocess.run(
            [sys.executable, "manage.py", "demo"],
            cwd=settings.BASE_DIR,
            env=environment_on(port),
            stdout=subprocess.PIPE,
            text=True,
        )
        if demo.returncode:
            raise CommandError("The demo data could not be loaded.")
        return demo.stdout.strip()

    def watch(self, children: dict[str, subprocess.Popen[bytes]], port: int, said: str, stop: threading.Event) -> None:
        """Greet once the server answers; return when asked to stop. Raises CommandError where a child ends."""
        greeted, give_up_at = False, time.monotonic() + START_WITHIN_S
        while not stop.wait(0.2):
            for name, child in children.items():
                if child.poll() is not None:
                    raise CommandError(f"The {name} ended by itself (exit code {child.returncode}).")
            if greeted:
                continue
            if answers(f"http://127.0.0.1:{port}/healthz"):
                greeted = True
                self.greet(port, said)
            elif time.monotonic() > give_up_at:
                raise CommandError(f"The web server did not answer within {START_WITHIN_S} seconds.")

    def greet(self, port: int, said: str) -> None:
        address = address_on(port)
        lines = ["", f"Regulars runs at {address}/admin/ - Ctrl-C stops it."]
        if not said and demo_login_works():
            said = f"Log in as {DEMO} with the password {DEMO}."
        if said:
            removal = "Take the demo away again with `.venv/bin/python manage.py demo --remove`."
            lines += [said, removal, "", "To try first:", FIRST_STEPS.format(address=address)]
        elif not get_user_model().objects.exists():
            lines.append("Nobody can log in yet: run `.venv/bin/python manage.py createsuperuser`.")
        self.say("\n".join(lines))


def refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or "it is no port"
            raise CommandError(
                f"Port {port} cannot be used ({why}): stop what holds it, or take another with `make run PORT=8001`."
            ) from error


def static_fingerprint() -> str:
    """Return what the collected files depend on: the installed versions, and the state of the product's own files."""
    installed = sorted(f"{item.name} {item.version}" for item in distributions())
    own = sorted(
        f"{path} {path.stat().st_mtime_ns} {path.stat().st_size}"
        for path in settings.BASE_DIR.glob("*/static/**/*")
        if path.is_file() and settings.VAR_DIR not in path.parents
    )
    return hashlib.sha256("\n".join(installed + own).encode()).hexdigest()


def address_on(port: int) -> str:
    """Return the public address; where that is this machine, with the port in use."""
    public = urlsplit(settings.PUBLIC_BASE_URL)
    if public.hostname in {"localhost", "127.0.0.1"}:
        return f"{public.scheme}://{public.hostname}:{port}"
    return str(settings.PUBLIC_BASE_URL)


def environment_on(port: int) -> dict[str, str]:
    return os.environ | {"PUBLIC_BASE_URL": address_on(port)}


def start_children(port: int) -> dict[str, subprocess.Popen[bytes]]:
    """Start both, each in a session of its own.

    Ctrl-C reaches every process of the terminal's group. Kept out of it, both are told by `stop_children`, once.
    """
    commands = {
        "web server": ["-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}", "--log-level", "warning"],
        "worker": ["manage.py", "qcluster"],
    }
    return {
        name: subprocess.Popen(  # noqa: S603 - fixed words
            [sys.executable, *command], cwd=settings.BASE_DIR, env=environment_on(port), start_new_session=True
        )
        for name, command in commands.items()
    }


def stop_children(children: dict[str, subprocess.Popen[bytes]]) -> None:
    """Ask each main process to stop; after a while, kill what is left of its group."""
    for child in children.values():
        if child.poll() is None:
            child.terminate()
    give_up_at = time.monotonic() + STOP_WITHIN_S
    for child in children.values():
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(max(0, give_up_at - time.monotonic()))
        # Also after a clean end: a main process that was killed leaves its helpers behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()  # noqa: S310 - an address of this machine
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def demo_login_works() -> bool:
    user = get_user_model().objects.filter(username=DEMO, is_active=True).first()
    return user is not None and user.check_password(DEMO)
