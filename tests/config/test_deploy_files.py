"""What a platform reads must agree with what the code does."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import get_commands, load_command_class

ROOT = Path(settings.BASE_DIR)
PROCESSES = dict(re.findall(r"(?m)^(\w+): (.+)$", (ROOT / "Procfile").read_text()))
RAILWAY = json.loads((ROOT / "railway.json").read_text())
COMMANDS = [
    *PROCESSES.values(),
    RAILWAY["build"]["buildCommand"],
    RAILWAY["deploy"]["preDeployCommand"],
    RAILWAY["deploy"]["startCommand"],
]

OTHER_NAMES = {"AWS_DEFAULT_REGION"}  # of what is explained under another one
READ_BY_LIBRARIES = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}


def read_by_the_settings() -> set[str]:
    source = (ROOT / "config" / "settings.py").read_text()
    reads = r"\b(?:required|one_of|boolean|positive_int|whole_number|rate|keys|env\.\w+)\(\s*\"([A-Z][A-Z0-9_]*)\""
    return {*re.findall(reads, source), *settings.EMAIL_KEYS.values()}


def split(command: str) -> tuple[dict[str, str], list[str]]:
    """Return the variables in front of a command, and its words."""
    words = shlex.split(command)
    start = next(index for index, word in enumerate(words) if "=" not in word)
    return dict(word.split("=", 1) for word in words[:start]), words[start:]


def test_explains_every_variable_the_settings_read_and_no_other():
    explained = re.findall(r"(?m)^#?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text())

    assert len(explained) == len(set(explained))
    assert set(explained) == read_by_the_settings() - OTHER_NAMES | READ_BY_LIBRARIES


def test_names_the_three_processes():
    assert set(PROCESSES) == {"release", "web", "worker"}


@pytest.mark.parametrize("command", COMMANDS)
def test_names_commands_that_exist(command):
    variables, (program, *arguments) = split(command)

    assert set(variables) <= read_by_the_settings()
    if program == "gunicorn":
        assert shutil.which("gunicorn", path=str(Path(sys.executable).parent))
        assert arguments == [settings.WSGI_APPLICATION.removesuffix(".application")]
    else:
        assert (program, arguments[0]) == ("python", "manage.py")
        name, *options = arguments[1:]
        load_command_class(get_commands()[name], name).create_parser("manage.py", name).parse_args(options)


def test_says_the_same_to_both_platforms():
    assert RAILWAY["deploy"]["startCommand"] == PROCESSES["web"]
    assert RAILWAY["deploy"]["preDeployCommand"] == PROCESSES["release"]


def test_builds_the_static_files_without_the_keys_of_the_shop(tmp_path):
    variables, (_, *arguments) = split(RAILWAY["build"]["buildCommand"])
    elsewhere = {"ENV_FILE": os.devnull, "DATABASE_URL": f"sqlite:///{tmp_path / 'app.sqlite3'}"}

    done = subprocess.run(
        [sys.executable, *arguments, "--dry-run"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]} | elsewhere | variables,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert re.search(r"\d+ static files? copied", done.stdout)


def test_is_probed_where_plain_http_is_answered():
    path = RAILWAY["deploy"]["healthcheckPath"].removeprefix("/")

    assert any(re.search(pattern, path) for pattern in settings.SECURE_REDIRECT_EXEMPT)


def test_names_one_python_everywhere():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    version = (ROOT / ".python-version").read_text().strip()

    assert (ROOT / "runtime.txt").read_text().strip() == f"python-{version}"
    assert pyproject["project"]["requires-python"].startswith(f">={version}")
    assert pyproject["tool"]["ruff"]["target-version"] == f"py{version.replace('.', '')}"
    assert pyproject["tool"]["mypy"]["python_version"] == version


def test_holds_every_own_app_to_the_rules_of_imports():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    own = {app.name for app in apps.get_app_configs() if Path(app.path).parent == ROOT}

    assert own == set(pyproject["tool"]["importlinter"]["root_packages"])
