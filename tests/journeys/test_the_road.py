"""A CSV cell travels to a redemption: real commands, real HTTP, a real worker, a real decoder."""

from __future__ import annotations

import csv
import email
import email.policy
import io
import json
import re
import urllib.error
import urllib.request
import uuid
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from django.core.management import execute_from_command_line
from django.utils import timezone
from PIL import Image

from campaigns.models import Campaign
from messaging import services
from tests.journeys.conftest import Shop, wait_for

PEOPLE = """\
E-Mail;Vorname;Telefon
Maria.Kim@Example.org;Maria;(217) 555-0142
maria.kim@example.org;Maria;
bob@example.org;Bob;217-555-0143
carol@example.org;Carol;
nonsense;Nobody;
"""


def http(method: str, url: str, body: object = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data=data, method=method, headers=named)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


class Scanner:
    """A phone at the bar."""

    def __init__(self, shop: Shop, enrol_token: str) -> None:
        self.base = f"{shop.url}/api/v1"
        body = {"enrol_token": enrol_token, "platform": "test"}
        status, _, answer = http(
            "POST",
            f"{self.base}/devices/enrol",
            body,
            Content_Type="application/json",
            Idempotency_Key=uuid.uuid4().hex,
        )
        assert status == 201, answer
        self.token = json.loads(answer)["token"]

    def call(self, method: str, path: str, body: object = None, key: str = "") -> tuple[int, Any]:
        headers = {"Authorization": f"Token {self.token}", "Content_Type": "application/json"}
        if key:
            headers["Idempotency_Key"] = key
        status, _, answer = http(method, f"{self.base}/{path}", body, **headers)
        return status, json.loads(answer)

    def redeem(self, code: str, *, key: str, entry: str = "qr") -> tuple[int, Any]:
        return self.call("POST", "redemptions", {"code": code, "entry": entry}, key)


def mails(shop: Shop) -> list[EmailMessage]:
    paths = (shop.outbox / "email").glob("*.eml")
    return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in paths]


def mails_to(shop: Shop, address: str, *, subject: str) -> list[EmailMessage]:
    return [mail for mail in mails(shop) if mail["To"].lower() == address and mail["Subject"] == subject]


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def scan_image(mail: EmailMessage) -> str:
    """Read the QR code out of a mail as a phone would."""
    (image,) = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    content = image.get_payload(decode=True)
    assert isinstance(content, bytes)
    (found,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(content)))
    return found.text


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(PEOPLE, encoding="cp1252")
    return path


@pytest.fixture
def body_file(tmp_path: Path) -> Path:
    path = tmp_path / "body.txt"
    path.write_text('Hi {{ first_name | default: "there" }},\n\nlunch is on us.\n\n{{ deal }}\n')
    return path


@pytest.mark.django_db(transaction=True)
def test_from_a_csv_cell_to_a_redemption(
    shop: Shop, people: Path, body_file: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run_id = uuid.uuid4().hex[:8]
    subject = f"Lunch {run_id}"

    # The file comes in: Maria once, nobody left out in silence.
    imported = shop.manage("import_contacts", people, "--consent-email", "Signed at the till", "--tag", "till")
    assert {name: imported[name] for name in ("rows", "created", "duplicates", "invalid")} == {
        "rows": 5,
        "created": 3,
        "duplicates": 1,
        "invalid": 1,
    }
    assert "nonsense" in Path(imported["problems_file"]).read_text(encoding="utf-8-sig")

    # A deal, a campaign, a phone at the bar.
    offer = shop.manage("offer", "create", "--name", "20 % off lunch", "--type", "percent", "--value", 20)
    campaign = shop.manage(
        *("campaign", "create", "--name", "Lunch", "--channel", "email", "--subject", subject),
        *("--body-file", body_file, "--tag", "till", "--offer", offer["id"]),
    )
    assert not shop.manage("campaign", "check", campaign["id"])["blocked"]
    enrolment = shop.manage("device", "enrol", "--name", "Bar phone", "--location", "Main Street")
    assert enrolment["enrol_url"] == f"{shop.url}/scan/#enrol={enrolment['enrol_token']}"
    scanner = Scanner(shop, enrolment["enrol_token"])

    # A test to Bob first; its code is no good at the till, its way out works.
    shop.manage("campaign", "test", campaign["id"], "--to", "bob@example.org")
    (test_mail,) = mails_to(shop, "bob@example.org", subject=f"[Test] {subject}")
    assert scanner.redeem(scan_image(test_mail), key=uuid.uuid4().hex)[1]["code"] == "test_code"

    # Launched and planned; before the worker comes to it, Bob unsubscribes with one click.
    shop.manage("campaign", "launch", campaign["id"], "--yes")
    assert services.plan_due(at=timezone.now()) == 3
    way_out = test_mail["List-Unsubscribe"].strip(" <>")
    status, headers, _ = http(
        "POST", way_out, b"List-Unsubscribe=One-Click", Content_Type="application/x-www-form-urlencoded"
    )
    assert status == 200
    assert "Location" not in headers

    # The worker sends to the others.
    request.getfixturevalue("worker")
    wait_for(Campaign.objects.filter(pk=campaign["id"], status=Campaign.Status.SENT).exists)
    final = shop.manage("campaign", "status", campaign["id"])
    assert (final["audience"], final["accepted"], final["skipped"]) == (3, 2, 1)
    assert mails_to(shop, "bob@example.org", subject=subject) == []
    assert len(mails_to(shop, "carol@example.org", subject=subject)) == 1

    # Maria's mail: her name, her code, a picture that a decoder reads.
    (mail,) = mails_to(shop, "maria.kim@example.org", subject=subject)
    assert "Hi Maria," in text_of(mail)
    code = scan_image(mail)
    host = shop.url.removeprefix("http://").upper()
    assert re.fullmatch(rf"http://{re.escape(host)}/R/[0-9A-Z]{{26}}", code)
    typed = re.search(r"Your code: (\S{5}-\S{5})", text_of(mail))
    assert typed is not None
    status, _, page = http("GET", code)
    assert status == 200
    assert typed.group(1) in page.decode()

    # At the till: yes exactly once; a lost answer is asked for again; a second scan is refused.
    assert scanner.call("POST", "validations", {"code": code})[0] == 200
    key = uuid.uuid4().hex
    status, redeemed = scanner.redeem(code, key=key)
    assert (status, redeemed["result"], redeemed["customer"]["display"]) == (201, "redeemed", "Maria")
    assert scanner.redeem(code, key=key) == (200, redeemed | {"replayed": True})
    assert scanner.call("GET", f"redemptions/by-key/{key}")[1]["id"] == redeemed["id"]
    status, refused = scanner.redeem(typed.group(1).lower(), key=uuid.uuid4().hex, entry="typed")
    assert (status, refused["code"], refused["previous"]["this_device"]) == (409, "already_redeemed", True)

    # The report knows which message did it, and accounting gets its line.
    report = shop.manage("report", "campaign", campaign["id"])
    assert (report["sent"], report["redeemed"], report["redeemed_by_location"]) == (2, 1, {"Main Street": 1})
    output = tmp_path / "ledger.csv"
    assert shop.run("export_redemptions", "--campaign", campaign["id"], "--output", output).returncode == 0
    line, total = csv.DictReader(output.read_text(encoding="utf-8-sig").splitlines())
    assert (line["event"], line["campaign"], line["location"]) == ("redeemed", "Lunch", "Main Street")
    assert (total["event"], total["note"][:11]) == ("total", "1 redeemed,")
    assert shop.manage("code", "show", code)["used"] == 1
    bob = shop.manage("contact", "show", "BOB@example.org")
    assert (bob["email"]["state"], bob["email"]["reason"]) == ("unsubscribed", "unsubscribed")
    assert len(shop.manage("contact", "show", "maria.kim@example.org")["redemptions"]) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("campaign", "status", 999), 1, "There is no campaign 999"),
        (("campaign", "launch", "x"), 2, "invalid int value"),
        (("campaign", "launch", 1, "--at", "tomorrow"), 2, "is not a time"),
        (("report", "campaign", 999), 1, "There is no campaign 999"),
        (("contact", "show", "nonsense"), 1, "is not a phone number"),
        (("export_redemptions", "--from", "yesterday"), 2, "is not a day"),
        (("export_redemptions", "--location", "Nowhere"), 1, "no location 'Nowhere'"),
        (("code", "show", "7K3Q9-9M2XA"), 1, "code"),
    ],
)
@pytest.mark.django_db
def test_a_wrong_call_gets_one_clear_sentence(
    arguments: tuple[object, ...], status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        execute_from_command_line(["manage.py", *map(str, arguments)])

    output = capsys.readouterr()
    assert ended.value.code == status
    assert says in output.err
    assert "Traceback" not in output.err
    assert output.out == ""
