"""The scanner API as files that a client in any language can be tested against: see docs/scanner-api.md.

Each file is played to the real API: what is given first, then the request, and the answer must be the one on file.
"""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from redemptions.codes import CROCKFORD
from redemptions.models import Device, Location, Scan, Staff
from redemptions.services import (
    enrol_device_start,
    issue_codes,
    issue_test_code,
    revoke_code,
    revoke_device,
    set_pin,
)

FILES = sorted((Path(__file__).resolve().parent / "contract").glob("*.json"))
PLACEHOLDERS = {"<string>": str, "<integer>": int}


class Stage:
    """A shop with one deal, one code of Maria's and two devices, and what a file says happened before."""

    def __init__(self, offer, code, enrolled, clock, at):
        self.offer, self.code, self.clock, self.at = offer, code, clock, at
        self.device, token = enrolled()
        _, other_token = enrolled(name="Door phone", location_name="Airport")
        wrong = CROCKFORD[(CROCKFORD.index(code.typed[-1]) + 1) % len(CROCKFORD)]
        self.names = {
            "deal": str(offer.pk),
            "token": token,
            "other_token": other_token,
            "code": code.token,
            "typed": code.typed_display,
            "mistyped": code.typed[:-1] + wrong,
            "other_code": self.another_code().token,
        }

    def another_code(self):
        person = type(self.code.contact).objects.create(email="ben@example.com", first_name="Ben")
        return self.offer.codes.get(pk=issue_codes(offer=self.offer, contact_ids=[person.pk])[person.pk])

    def prepare(self, step: dict[str, Any]) -> None:
        for name, value in step.items():
            getattr(self, f"given_{name}")(value)

    def given_deal(self, values: dict[str, Any]) -> None:
        places = values.pop("locations", None)
        for name, value in values.items():
            setattr(self.offer, name, datetime.fromisoformat(value) if name.endswith("_at") else value)
        self.offer.save()
        if places:
            self.offer.locations.set([Location.objects.get_or_create(name=place)[0] for place in places])

    def given_code(self, values: dict[str, Any]) -> None:
        type(self.code).objects.filter(pk=self.code.pk).update(**values)

    def given_device(self, values: dict[str, Any]) -> None:
        Device.objects.filter(pk=self.device.pk).update(**values)

    def given_withdrawn(self, what: str) -> None:
        if what == "code":
            revoke_code(code=self.code, at=self.at)
        else:
            revoke_device(device=self.device, at=self.at)

    def given_staff(self, values: dict[str, str]) -> None:
        self.names["staff"] = f"st_{set_pin(staff=Staff(name=values['name']), pin=values['pin']).pk}"

    def given_test_message(self, _: bool) -> None:
        self.names["test_code"] = issue_test_code(offer=self.offer).token

    def given_link(self, _: bool) -> None:
        profile = Device.Profile.SCANNER
        self.names["enrol_token"] = enrol_device_start(
            name="New phone", location_name="Main St", profile=profile, at=self.at
        )[1]

    def given_wait_s(self, seconds: int) -> None:
        self.clock.shift(timedelta(seconds=seconds))

    def given_request(self, request: dict[str, Any]) -> None:
        for number in range(request.get("times", 1)):
            answer = self.ask(request, number=number)
        if answer.content and answer.headers["Content-Type"].endswith("json"):
            body = answer.json()
            self.names |= {name: body[name] for name in ("id", "cursor") if isinstance(body.get(name), str)}

    def fill(self, template: Any, **more: str) -> Any:
        text = json.dumps(template)
        for name, value in (self.names | more).items():
            text = text.replace(f"{{{name}}}", value)
        return json.loads(text)

    def ask(self, request: dict[str, Any], number: int = 0) -> Any:
        filled = self.fill(request, number=f"{number:04}")
        headers = dict(filled["headers"])
        content_type = headers.pop("Content-Type", "application/json")
        body = filled.get("body")
        data = body if isinstance(body, str) else json.dumps(body) if body is not None else ""
        return APIClient().generic(filled["method"], filled["path"], data, content_type=content_type, headers=headers)


@pytest.fixture
def stage(offer, code, enrolled, clock, at, settings, tmp_path) -> Stage:
    settings.VAR_DIR = tmp_path
    return Stage(offer, code, enrolled, clock, at)


def fits(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, str) and wanted in PLACEHOLDERS:
        return type(found) is PLACEHOLDERS[wanted]
    if isinstance(wanted, dict) and isinstance(found, dict):
        return wanted.keys() == found.keys() and all(fits(wanted[name], found[name]) for name in wanted)
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(fits, wanted, found))
    return type(wanted) is type(found) and wanted == found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_answers_as_on_file(file: Path, stage: Stage):
    case = json.loads(file.read_text())
    for step in case["given"]:
        stage.prepare(step)

    answer = stage.ask(case["request"])

    body = answer.json() if answer.content else None
    wanted = stage.fill(case["response"])
    assert answer.status_code == wanted["status"], body
    assert {name: answer.headers.get(name) for name in wanted["headers"]} == wanted["headers"]
    assert fits(wanted["body"], body), f"on file {json.dumps(wanted['body'])}, answered {json.dumps(body)}"


def test_has_every_refusal_on_file():
    codes = {(json.loads(file.read_text())["response"]["body"] or {}).get("code") for file in FILES}

    # What staff refused is recorded, and that is the whole answer.
    assert set(Scan.Reason.values) - {Scan.Reason.REFUSED_BY_STAFF} <= codes


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_file_holds_all_a_client_needs(file: Path):
    case = json.loads(file.read_text())

    assert case.keys() == {"says", "given", "request", "response"}
    assert case["says"].endswith(".")
    assert case["response"]["headers"]["Cache-Control"] == "no-store"
    assert not re.search(r'"(rd|at)_[0-9a-f]{20}', file.read_text()), "an id that is another one each time"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [({"a": 1}, {"a": 1, "b": 2}), ({"a": 1}, {"a": 2}), ("<integer>", True), ("<string>", 1), ([1], []), (1, True)],
)
def test_a_wrong_answer_does_not_fit(wanted, found):
    assert not fits(wanted, found)
