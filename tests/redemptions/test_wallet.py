"""The Apple Wallet pass: its structure, and a signature that OpenSSL finds good. The certificates are made here."""

import hashlib
import io
import json
import shutil
import subprocess
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from django.test import Client

from config.checks import passes_can_be_signed
from redemptions.models import Code, Scan
from redemptions.services import revoke_code

PASS_TYPE = "pass.example.corner-bar"
OPENSSL = shutil.which("openssl")


def certificate(name, key, *, by=None, by_key=None):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    )
    return builder.sign(by_key or key, hashes.SHA256())


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """A certificate for passes, its key, and that of who issued it, as files."""
    folder = tmp_path_factory.mktemp("wallet")
    issuer_key, key = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    issuer = certificate("Issuer", issuer_key)
    own = certificate(f"Pass Type ID: {PASS_TYPE}", key, by=issuer, by_key=issuer_key)
    (folder / "issuer.pem").write_bytes(issuer.public_bytes(Encoding.PEM))
    (folder / "pass.pem").write_bytes(own.public_bytes(Encoding.PEM))
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (folder / "key.pem").write_bytes(encrypted)
    return folder


@pytest.fixture
def wallet(settings, papers):
    settings.WALLET_PASS_TYPE_ID, settings.WALLET_TEAM_ID = PASS_TYPE, "ABCDE12345"
    settings.WALLET_CERTIFICATE, settings.WALLET_KEY = str(papers / "pass.pem"), str(papers / "key.pem")
    settings.WALLET_ISSUER_CERTIFICATE, settings.WALLET_KEY_PASSWORD = str(papers / "issuer.pem"), "secret"


@pytest.fixture
def client():
    return Client(enforce_csrf_checks=True)


def fetch(client, code):
    return client.get(f"/r/{code.token}/coupon.pkpass")


def unpack(answer):
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    return {name: archive.read(name) for name in archive.namelist()}


def test_carries_the_coupon(wallet, client, code, clock, at, change):
    change(code.offer, terms="Not with other deals.", ends_at=at + timedelta(days=7))

    answer = fetch(client, code)

    assert answer.headers["Content-Type"] == "application/vnd.apple.pkpass"
    assert answer.headers["Cache-Control"] == "no-store"
    found = json.loads(unpack(answer)["pass.json"])
    assert (found["formatVersion"], found["passTypeIdentifier"], found["teamIdentifier"]) == (
        1,
        PASS_TYPE,
        "ABCDE12345",
    )
    assert (found["organizationName"], found["description"]) == ("The Corner Bar", "20 % off lunch")
    (barcode,) = found["barcodes"]
    assert (barcode["format"], barcode["message"]) == ("PKBarcodeFormatQR", f"http://TESTSERVER/R/{code.token}")
    assert barcode["altText"] == code.typed_display
    assert found["expirationDate"] == "2026-11-28T18:00:00+00:00"
    assert found["coupon"]["primaryFields"][0]["value"] == "20 % off lunch"
    assert found["coupon"]["backFields"][-1]["value"] == "Not with other deals."
    assert code.token not in found["serialNumber"]
    assert "Maria" not in json.dumps(found)


def test_lists_every_file_with_its_hash(wallet, client, code):
    files = unpack(fetch(client, code))
    manifest = json.loads(files["manifest.json"])

    assert manifest == {
        name: hashlib.sha1(data).hexdigest()
        for name, data in files.items()
        if name not in {"manifest.json", "signature"}
    }
    assert {"pass.json", "icon.png", "icon@2x.png"} <= manifest.keys()
    assert files["icon.png"].startswith(b"\x89PNG")


def verify(files, papers, folder):
    (folder / "signature").write_bytes(files["signature"])
    (folder / "manifest.json").write_bytes(files["manifest.json"])
    command = [OPENSSL, "smime", "-verify", "-inform", "DER", "-in", folder / "signature", "-content"]
    command += [folder / "manifest.json", "-CAfile", papers / "issuer.pem", "-purpose", "any"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(OPENSSL is None, reason="no OpenSSL on this machine")
def test_is_signed_by_the_certificate(wallet, client, code, papers, tmp_path):
    files = unpack(fetch(client, code))

    assert verify(files, papers, tmp_path)
    changed = files["manifest.json"].replace(b"pass.json", b"pass.jsom")
    assert not verify(files | {"manifest.json": changed}, papers, tmp_path)


def test_is_offered_only_where_there_is_a_certificate(client, code, request):
    assert "pkpass" not in client.get(f"/r/{code.token}").content.decode()
    assert fetch(client, code).status_code == 404

    request.getfixturevalue("wallet")

    assert f"/r/{code.token}/coupon.pkpass" in client.get(f"/r/{code.token}").content.decode()


def checked():
    return [(message.id, message.msg) for message in passes_can_be_signed()]


def other_papers(folder):
    """Write what fits nothing else: a key, a certificate, and no PEM at all."""
    key = rsa.generate_private_key(65537, 2048)
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "other.key").write_bytes(plain)
    (folder / "other.pem").write_bytes(certificate("Another issuer", key).public_bytes(Encoding.PEM))
    (folder / "garbage").write_bytes(b"-----BEGIN NONSENSE-----")


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("WALLET_KEY", "garbage", "WALLET_KEY is not a key in PEM that WALLET_KEY_PASSWORD opens."),
        ("WALLET_KEY", "missing", "WALLET_KEY cannot be read."),
        ("WALLET_KEY", "other.key", "WALLET_KEY is not a key in PEM that WALLET_KEY_PASSWORD opens."),
        ("WALLET_KEY_PASSWORD", "wrong", "WALLET_KEY is not a key in PEM that WALLET_KEY_PASSWORD opens."),
        ("WALLET_CERTIFICATE", "garbage", "WALLET_CERTIFICATE is not a certificate in PEM."),
        ("WALLET_CERTIFICATE", "other.pem", "WALLET_KEY is not the key of WALLET_CERTIFICATE."),
        ("WALLET_ISSUER_CERTIFICATE", "garbage", "WALLET_ISSUER_CERTIFICATE is not a certificate in PEM."),
        (
            "WALLET_ISSUER_CERTIFICATE",
            "other.pem",
            "WALLET_CERTIFICATE was not issued by WALLET_ISSUER_CERTIFICATE.",
        ),
    ],
)
def test_says_at_the_start_what_is_wrong_and_offers_nothing(
    setting, value, words, wallet, settings, client, code, tmp_path
):
    other_papers(tmp_path)
    setattr(settings, setting, value if "PASSWORD" in setting else str(tmp_path / value))

    assert checked() == [("config.E009", words)]
    page = client.get(f"/r/{code.token}")
    assert page.status_code == 200
    assert "pkpass" not in page.content.decode()
    assert fetch(client, code).status_code == 404


def test_takes_no_key_of_another_certificate(wallet, settings, client, code, tmp_path):
    other_papers(tmp_path)
    settings.WALLET_KEY, settings.WALLET_KEY_PASSWORD = str(tmp_path / "other.key"), ""

    assert checked() == [("config.E009", "WALLET_KEY is not the key of WALLET_CERTIFICATE.")]
    assert fetch(client, code).status_code == 404


def test_finds_nothing_wrong_with_good_papers_or_none(settings, request):
    assert checked() == []
    request.getfixturevalue("wallet")
    assert checked() == []


def test_offers_nothing_once_the_certificate_has_expired(wallet, client, code, clock):
    assert fetch(client, code).status_code == 200

    clock.move_to(datetime(2120, 1, 2, tzinfo=UTC))

    assert fetch(client, code).status_code == 404
    assert "pkpass" not in client.get(f"/r/{code.token}").content.decode()


def test_is_not_offered_for_what_cannot_be_used_again(wallet, client, code, at):
    revoke_code(code=code, at=at)

    assert fetch(client, code).status_code == 404
    assert "pkpass" not in client.get(f"/r/{code.token}").content.decode()


def test_changes_nothing(wallet, client, code):
    before = Code.objects.values().get()

    fetch(client, code)

    assert Code.objects.values().get() == before
    assert not Scan.objects.exists()
