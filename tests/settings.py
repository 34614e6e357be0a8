"""The product's own settings in an environment that is the same everywhere.

The developer's shell and .env are left out: a test must never reach a provider or a database by what lies about there.
"""

import atexit
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for name in re.findall(r"(?m)^#?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text()):
    os.environ.pop(name, None)


def scratch_dir() -> Path:
    """Return the folder of this run, shared with the processes it starts; each worker of pytest-xdist has its own."""
    root = os.environ.get("TEST_SCRATCH_DIR")
    if root is None and "pytest" not in sys.modules:
        root = str(ROOT / "var" / "tests")  # mypy and `manage.py` under these settings: nothing to keep apart or remove
    elif root is None:
        root = os.environ["TEST_SCRATCH_DIR"] = tempfile.mkdtemp(prefix="regulars-tests-")
        atexit.register(shutil.rmtree, root, ignore_errors=True)
    folder = Path(root) / os.environ.get("PYTEST_XDIST_WORKER", "main")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


SCRATCH_DIR = scratch_dir()

os.environ.update(
    ENV_FILE=os.devnull,
    SECRET_KEY="a-fixed-key-for-tests-and-nothing-else-0123456789-abcdefghij",
    ENCRYPTION_KEY="dGVzdHMtdXNlLXRoaXMta2V5LWFuZC1ub3RoaW5nZWw=",
    INDEX_KEY="tests-use-this-index-key-and-nothing-else",
    PUBLIC_BASE_URL=os.environ.get("TEST_PUBLIC_BASE_URL") or "http://testserver",
    DATABASE_URL=os.environ.get("TEST_DATABASE_URL") or f"sqlite:///{SCRATCH_DIR / 'app.sqlite3'}",
    REDIS_URL=os.environ.get("TEST_REDIS_URL") or "",
    BUSINESS_NAME="The Corner Bar",
    BUSINESS_ADDRESS="12 Main Street, Springfield, IL 62701",
    BUSINESS_TIMEZONE="America/Chicago",
    FROM_EMAIL="hello@corner-bar.example",
)

from config.settings import *  # noqa: E402, F403 - the environment must stand first
from config.settings import DATABASES, STORAGES  # noqa: E402

VAR_DIR = SCRATCH_DIR
OUTBOX_DIR = VAR_DIR / "outbox"
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns where it finds none

# A file, not memory: threads and a real worker process look into the same database.
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"] = {"NAME": str(SCRATCH_DIR / "test.sqlite3")}

STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
