"""What the server hands out for the web scanner: the page, its files, and what makes it an app of its own."""

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client

from redemptions.views import scanner_files

pytestmark = pytest.mark.django_db

STATIC = Path(__file__).resolve().parent.parent.parent / "redemptions" / "static"
VENDOR = STATIC / "redemptions" / "vendor"
MODULES = STATIC / "redemptions" / "scanner"


@pytest.fixture
def versioned(settings, tmp_path) -> Iterator[Path]:
    """Serve files as production does: collected, with a hash in each name."""
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    return tmp_path


def imports_of(page: str) -> dict[str, str]:
    found = re.search(r'<script type="importmap" nonce="[^"]+">(.+?)</script>', page)
    assert found
    return json.loads(found[1])["imports"]


def test_runs_scripts_of_its_own_and_nobody_elses(client: Client):
    page = client.get("/scan/")

    policy = page.headers["Content-Security-Policy"]
    (nonce,) = re.findall(r'nonce="([^"]+)"', page.content.decode())
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src "))
    assert set(scripts.split()[1:]) == {"'self'", "'wasm-unsafe-eval'", f"'nonce-{nonce}'"}
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "nonce-" not in client.get("/r/unknown").headers["Content-Security-Policy"]
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Permissions-Policy"] == "camera=(self), microphone=(), geolocation=()"
    assert page.headers["Cache-Control"] == "no-cache"
    assert not page.cookies


def test_leads_every_module_to_its_versioned_file(client: Client, versioned: Path):
    page = client.get("/scan/").content.decode()

    imports = imports_of(page)
    assert {Path(plain).name for plain in imports} == {
        path.name for path in [*MODULES.glob("*.js"), *VENDOR.glob("*.js")]
    }
    for plain, file in imports.items():
        assert re.fullmatch(rf"{re.escape(plain.removesuffix('.js'))}\.[0-9a-f]{{12}}\.js", file)
        assert (versioned / file.removeprefix("/static/")).is_file()
    (main,) = re.findall(r'<script type="module" src="([^"]+)"', page)
    assert main == imports["/static/redemptions/scanner/main.js"]


def test_imports_only_modules_that_are_there():
    for path in MODULES.glob("*.js"):
        for name in re.findall(r'from "\./(.+?)"', path.read_text()):
            assert (MODULES / name).is_file(), f"{path.name} imports {name}"


@pytest.mark.parametrize("address", ["/scan/", "/scan/worker.js", "/scan/manifest.webmanifest"])
def test_names_only_files_that_are_there(address, client: Client):
    text = client.get(address).content.decode()

    files = set(re.findall(r'"/static/([^"]+)"', text))
    assert files
    assert [name for name in files if finders.find(name) is None] == []


def test_keeps_all_its_files_and_no_answer_of_the_api(client: Client):
    worker = client.get("/scan/worker.js")

    assert worker.headers["Content-Type"] == "text/javascript"
    assert worker.headers["Cache-Control"] == "no-cache"
    kept = set(re.findall(r'"/static/([^"]+)"', worker.content.decode()))
    assert kept == set(scanner_files())
    assert {
        "redemptions/scanner/main.js",
        "redemptions/scanner/scanner.css",
        "redemptions/vendor/zxing_reader.wasm",
    } <= kept
    assert "/api/" not in worker.content.decode()


def test_is_another_worker_where_a_file_changed(client: Client, settings, monkeypatch):
    names = scanner_files()
    before = client.get("/scan/worker.js").content

    monkeypatch.setattr("redemptions.views.scanner_files", lambda: names[1:])

    assert client.get("/scan/worker.js").content != before


def test_can_be_put_on_a_home_screen(client: Client):
    answer = client.get("/scan/manifest.webmanifest")

    manifest = answer.json()
    assert answer.headers["Content-Type"] == "application/manifest+json"
    assert manifest["start_url"] == manifest["scope"] == "/scan/"
    assert manifest["display"] == "standalone"
    assert {"192x192", "512x512"} <= {icon["sizes"] for icon in manifest["icons"]}
    assert "maskable" in {icon.get("purpose") for icon in manifest["icons"]}


def test_has_the_reader_as_it_was_published():
    rows = re.findall(r"(?m)^\| `(.+?)` \|.*\| `([0-9a-f]{64})` \|$", (VENDOR / "README.md").read_text())

    listed = dict(rows)
    assert set(listed) == {path.name for path in VENDOR.iterdir() if path.suffix in {".js", ".wasm"}}
    for name, digest in listed.items():
        assert sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name


def test_has_the_binary_that_belongs_to_the_script():
    script = (VENDOR / "zxing-exported.js").read_text()
    versions = set(re.findall(r"zxing-wasm@([\d.]+\d)", script))

    binary = sha256((VENDOR / "zxing_reader.wasm").read_bytes()).hexdigest()

    assert binary in script  # the script names the hash of the binary it was made with
    assert versions == {"3.1.3"}
    assert (
        f"| `zxing_reader.wasm` | npm `zxing-wasm`, `dist/reader/zxing_reader.wasm` | {versions.pop()} |"
        in (VENDOR / "README.md").read_text()
    )


def test_brings_the_readers_licences():
    assert "MIT License" in (VENDOR / "LICENSE-barcode-detector.txt").read_text()
    assert "MIT License" in (VENDOR / "LICENSE-zxing-wasm.txt").read_text()
    assert "Apache License" in (VENDOR / "LICENSE-zxing-cpp.txt").read_text()


def test_serves_the_binary_as_what_it_is(client: Client, versioned: Path):
    (address,) = re.findall(r'data-wasm="([^"]+)"', client.get("/scan/").content.decode())

    binary = Client().get(address)  # what serves files looks for them when it starts

    assert binary.headers["Content-Type"] == "application/wasm"
    assert "immutable" in binary.headers["Cache-Control"]
    assert sum(map(len, binary)) == (VENDOR / "zxing_reader.wasm").stat().st_size


def test_asks_no_third_party():
    for path in [*MODULES.iterdir(), VENDOR / "ponyfill.js"]:
        if path.suffix in {".js", ".css"}:
            assert not re.search(r"https?://", path.read_text()), path.name
