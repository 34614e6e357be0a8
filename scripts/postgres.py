"""Run a command with a PostgreSQL of its own: `python scripts/postgres.py pytest -q`.

The command finds the server in TEST_DATABASE_URL. Where that is set already, its server is used. Otherwise a throw-away
cluster is started on a free port of this machine from the binaries that are installed, and removed at the end, whatever
happened. Where there are none, the command is left out, which is said, and counts as no failure.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

# Nothing in a throw-away cluster is worth waiting for the disk.
FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=100"


def binaries() -> Path | None:
    """Return the folder that holds initdb and pg_ctl, the newest where there are several."""
    packaged = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda folder: (
            folder.parent.name.isdigit(),
            int(folder.parent.name) if folder.parent.name.isdigit() else 0,
        ),
        reverse=True,
    )
    on_path = shutil.which("initdb")
    # Beside the real file: a link to initdb alone does not find its neighbours.
    candidates = packaged + ([Path(on_path).resolve().parent] if on_path else [])
    return next(
        (folder for folder in candidates if (folder / "initdb").exists() and (folder / "pg_ctl").exists()), None
    )


def unprivileged_user() -> str | None:
    """Return whom to run the server as: PostgreSQL refuses root. None where this process is not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    sys.exit("PostgreSQL refuses to run as root, and this machine has no user postgres or nobody.")


def as_user(user: str | None, command: list[str]) -> list[str]:
    if user is None:
        return command
    if shutil.which("setpriv"):
        return ["setpriv", "--reuid", user, "--regid", str(pwd.getpwnam(user).pw_gid), "--clear-groups", *command]
    return ["runuser", "-u", user, "--", *command]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def quietly(command: list[str], folder: Path) -> None:
    """Run a step; show what it said only where it failed."""
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        log = folder / "log"
        sys.exit(f"PostgreSQL did not start:\n{done.stdout}{log.read_text() if log.exists() else ''}")


@contextmanager
def cluster(programs: Path) -> Iterator[str]:
    """Start a cluster and yield its address; stop and remove it afterwards."""
    user, folder, port = unprivileged_user(), Path(tempfile.mkdtemp(prefix="regulars-postgres-")), free_port()
    data = folder / "data"
    if user:
        shutil.chown(folder, user)
    pg_ctl = [str(programs / "pg_ctl"), "--pgdata", str(data)]
    try:
        initdb = [str(programs / "initdb"), "--pgdata", str(data), "--username", "regulars", "--auth", "trust"]
        quietly(as_user(user, [*initdb, "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"]), folder)
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} {FAST}"
        start = [*pg_ctl, "--log", str(folder / "log"), "--options", options, "--wait", "start"]
        # pg_ctl's child keeps the output open for as long as it lives, so this step must not be read from.
        with (folder / "start").open("w") as said:
            done = subprocess.run(as_user(user, start), cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        if done.returncode:
            sys.exit(f"PostgreSQL did not start:\n{(folder / 'start').read_text()}")
        yield f"postgres://regulars@127.0.0.1:{port}/postgres"
    finally:
        if (data / "postmaster.pid").exists():
            subprocess.run(as_user(user, [*pg_ctl, "--mode", "immediate", "stop"]), cwd=folder, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def run(command: list[str], database_url: str) -> int:
    return subprocess.run(command, env=os.environ | {"TEST_DATABASE_URL": database_url}).returncode


def end(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def main() -> int:
    command = sys.argv[1:]
    if not command:
        sys.exit(__doc__)
    # Leaves by way of the `finally` above.
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)
    if url := os.environ.get("TEST_DATABASE_URL"):
        print("PostgreSQL: the server of TEST_DATABASE_URL.", flush=True)
        return run(command, url)
    programs = binaries()
    if programs is None:
        print("Left out: the run on PostgreSQL. It is not installed here, and TEST_DATABASE_URL is not set.")
        return 0
    print(f"PostgreSQL: a throw-away cluster made with {programs}.", flush=True)
    try:
        with cluster(programs) as own_url:
            return run(command, own_url)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
