"""What keeps callers apart and within bounds: versions of apps, calls a minute, profiles, tokens."""

import json
import socket
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from redis import RedisError
from rest_framework.test import APIClient

from redemptions.api import throttles
from redemptions.api.answers import answer
from redemptions.api.throttles import count_call
from redemptions.models import Device, Redemption, Scan, Staff
from redemptions.services import set_pin

COUNT = """
import django; django.setup()
from django.conf import settings
from pathlib import Path
settings.VAR_DIR = Path({folder!r})
from redemptions.api.throttles import count_call
print(*(count_call("Scans", 7) for _ in range(200)))
"""


@pytest.fixture(autouse=True)
def calls(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    return tmp_path / "calls"


def scan(client, code, key="a-scan-0001", **more):
    return client.post("/api/v1/redemptions", {"code": code, **more}, format="json", headers={"Idempotency-Key": key})


# --- Calls a minute ---


def test_counts_over_all_processes(tmp_path, calls, settings):
    settings.REDIS_URL = ""
    frozen = "import time; time.time = lambda: 1_800_000_000.0\n"  # a run that crosses a minute would count twice
    command = [sys.executable, "-c", frozen + COUNT.format(folder=str(tmp_path))]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]

    counted = [int(number) for process in processes for number in process.communicate()[0].split()]

    assert sorted(counted) == list(range(1, 601))


def test_counts_each_minute_anew_and_forgets_the_last(clock, calls, settings):
    settings.REDIS_URL = ""
    before = [count_call("Scans", 7), count_call("Scans", 7), count_call("Scans", 8), count_call("Other", 7)]
    clock.shift(timedelta(minutes=1))

    assert (before, count_call("Scans", 7)) == ([1, 2, 1, 1], 1)
    assert len(list(calls.glob("Scans-*"))) == 1
    assert len(list(calls.glob("Other-*"))) == 1


def test_counts_in_the_cache_that_all_machines_share(clock, settings, calls):
    cache.clear()
    settings.REDIS_URL = "redis://shared"  # tells that the cache is one; the tests' own stands in for it

    counted = [count_call("Shared", 7) for _ in range(3)]
    clock.shift(timedelta(minutes=1))

    assert (counted, count_call("Shared", 7)) == ([1, 2, 3], 1)
    assert not calls.exists()


def test_keeps_nobody_from_a_deal_where_it_cannot_count(api, code, settings, tmp_path):
    settings.REDIS_URL = ""
    settings.VAR_DIR = tmp_path / "file"
    settings.VAR_DIR.write_text("no folder")

    assert scan(api, code.token).status_code == 201


@pytest.fixture
def redis_at(settings, monkeypatch):
    """Return a function that has calls counted in Redis at this address."""
    monkeypatch.setattr(throttles, "_away", {"until": 0.0})

    def use(address):
        settings.REDIS_URL = address
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": address}}

    return use


def test_keeps_nobody_from_a_deal_where_redis_is_away(redis_at, api, code, caplog):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
    redis_at(address)  # nobody listens there any more

    assert [scan(api, code.token).status_code for _ in range(3)] == [201, 200, 200]
    assert APIClient().post("/api/v1/devices/enrol", {"enrol_token": "x"}, format="json").status_code == 409
    assert [record.message for record in caplog.records].count("Calls of the scanner API could not be counted.") == 1


class BrokenCache:
    """Stands in for Redis while it is away."""

    def __init__(self):
        self.asked = 0

    def add(self, *args):
        self.asked += 1
        raise RedisError


def test_asks_redis_again_after_a_while(redis_at, monkeypatch):
    now, broken = [1000.0], BrokenCache()
    redis_at("redis://127.0.0.1:1/0")
    monkeypatch.setattr(throttles, "cache", broken)
    monkeypatch.setattr("redemptions.api.throttles.time.monotonic", lambda: now[0])

    assert [count_call("Scans", 7) for _ in range(3)] == [0, 0, 0]
    assert broken.asked == 1
    now[0] += throttles.ASK_AGAIN_S
    assert (count_call("Scans", 7), broken.asked) == (0, 2)


class Forgetful(LocMemCache):
    """Stands in for a Redis that has no room."""

    def __init__(self):
        super().__init__("forgetful", {})

    def add(self, *args, **options):
        return True


def test_counts_nothing_where_redis_forgot_the_number(settings, monkeypatch):
    settings.REDIS_URL = "redis://shared"  # tells that the cache is one; the tests' own stands in for it
    monkeypatch.setattr(throttles, "cache", Forgetful())

    assert count_call("Forgotten", 7) == 0


def test_limits_enrolments_by_network(db, clock):
    def enrol(address):
        return APIClient().post("/api/v1/devices/enrol", {"enrol_token": "x"}, format="json", REMOTE_ADDR=address)

    answers = [enrol("192.0.2.1").status_code for _ in range(61)]

    assert answers == [409] * 60 + [429]
    assert enrol("192.0.2.2").status_code == 409


def test_one_device_does_not_use_up_anothers_calls(api, enrolled, client_of, code):
    for _ in range(240):
        api.post("/api/v1/validations", {"code": code.token}, format="json")
    other = client_of(enrolled(name="Door phone")[1])

    assert api.post("/api/v1/validations", {"code": code.token}, format="json").status_code == 429
    assert other.post("/api/v1/validations", {"code": code.token}, format="json").status_code == 200


# --- Versions ---


@pytest.mark.parametrize(
    ("said", "wanted", "status"),
    [
        ("1.9.9", "1.10.0", 426),
        ("1.10", "1.10.0", 201),
        ("2", "1.10.0", 201),
        ("1.10.0-beta", "1.10.0", 201),
        ("latest", "1.10.0", 201),
        ("", "1.10.0", 201),
        ("0.0.1", "", 201),
    ],
)
def test_turns_old_apps_away(said, wanted, status, api, code, settings):
    settings.MIN_APP_VERSION = wanted

    answer = api.post(
        "/api/v1/redemptions",
        {"code": code.token},
        format="json",
        headers={"Idempotency-Key": "a-scan-0001", "X-App-Version": said},
    )

    assert answer.status_code == status
    assert Scan.objects.exists() is (status == 201)
    if status == 426:
        assert (answer.json()["code"], answer.json()["min_app_version"]) == ("app_too_old", "1.10.0")


def test_lets_the_web_scanner_in_by_default(api):
    assert api.get("/api/v1/device", headers={"X-App-Version": "1.0.0"}).status_code == 200


@pytest.mark.parametrize("accept", ["text/html", "application/problem+json", "image/png"])
def test_answers_json_whatever_is_accepted(accept, api):
    assert api.get("/api/v1/device", headers={"Accept": accept}).headers["Content-Type"] == "application/json"


# --- Tokens ---


def test_a_rotated_token_ends_the_old_one_with_its_first_use(api, client_of):
    def rotate(client):
        return client.post("/api/v1/device/rotate", headers={"Idempotency-Key": "rotate-0001"})

    new = rotate(api).json()["token"]
    repeated = rotate(api).json()["token"]
    assert repeated == new
    assert api.get("/api/v1/device").status_code == 200

    assert client_of(new).get("/api/v1/device").status_code == 200

    assert api.get("/api/v1/device").status_code == 401


def test_a_device_that_gave_up_is_not_known(api):
    assert api.delete("/api/v1/device").status_code == 204
    assert api.get("/api/v1/device").json()["code"] == "device_unknown"


# --- Profiles and people ---


def test_a_kiosk_takes_nothing_back(api, code):
    made = scan(api, code.token).json()
    Device.objects.update(profile=Device.Profile.KIOSK)

    answer = api.post(
        f"/api/v1/redemptions/{made['id']}/void",
        {"reason": "test"},
        format="json",
        headers={"Idempotency-Key": "void-0001"},
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
    assert Redemption.objects.count() == 1
    assert api.get("/api/v1/device").json()["policy"]["voids"] is False


@pytest.mark.parametrize("has_left", [False, True])
def test_records_who_scanned_and_scans_without_them(has_left, api, code):
    ana = set_pin(staff=Staff(name="Ana"), pin="2468")
    signed_in = api.post("/api/v1/staff/sign-in", {"pin": "2468"}, format="json").json()["staff"]
    Staff.objects.update(is_active=not has_left)

    assert signed_in["name"] == "Ana"
    assert scan(api, code.token, staff=signed_in["id"]).status_code == 201
    assert Scan.objects.get().staff == Redemption.objects.get().staff == (None if has_left else ana)


@pytest.mark.parametrize("staff", ["3", "st_0", "st_x", "st_", 3])
def test_refuses_staff_it_never_named(staff, api, code):
    assert scan(api, code.token, staff=staff).status_code == 400


# --- Without network ---


def test_one_bad_item_keeps_no_other_from_its_record(api, code):
    good = {"key": "offline-01", "code": code.token, "scanned_at": "2026-11-21T17:30:00Z", "decision": "honoured"}
    items = [None, 7, {"key": ["x"]}, good | {"key": "short"}, good | {"seq": 2**63}, good]

    answer = api.post("/api/v1/redemptions/batch", {"sent_at": "2026-11-21T18:00:00Z", "items": items}, format="json")

    assert [result["status"] for result in answer.json()["results"]] == [400] * 5 + [201]
    assert [result["key"] for result in answer.json()["results"]] == [None] * 4 + ["offline-01", "offline-01"]
    assert Redemption.objects.count() == 1


def bring_in(client, *items, sent_at="2026-11-21T18:00:00Z"):
    body = json.dumps({"sent_at": sent_at, "items": items})
    return client.post("/api/v1/redemptions/batch", body, content_type="application/json")


@pytest.mark.parametrize("key", ["\ud800", "\ud800abcdefgh", "offline-01\n", " offline-01", "offline-\u0661", "x" * 65])
def test_repeats_no_key_that_is_none(key, api, code):
    good = {"key": "offline-01", "code": code.token, "scanned_at": "2026-11-21T17:30:00Z", "decision": "honoured"}

    answer = bring_in(api, good | {"key": key}, good)

    assert [(one["key"], one["status"]) for one in answer.json()["results"]] == [(None, 400), ("offline-01", 201)]
    assert Redemption.objects.count() == 1


def test_answers_in_text_whatever_it_repeats(api, code):
    good = {"key": "offline-01", "code": code.token, "scanned_at": "2026-11-21T17:30:00Z", "decision": "honoured"}

    (bad, done) = bring_in(api, good | {"decision": "\ud800"}, good).json()["results"]
    body, headers = json.dumps({"code": code.token, "entry": "\udfff"}), {"Idempotency-Key": "a-scan-0001"}
    alone = api.post("/api/v1/redemptions", body, content_type="application/json", headers=headers)

    assert (bad["status"], bad["body"]["errors"]) == (400, {"decision": ['"?" is not a valid choice.']})
    assert done["status"] == 201
    assert (alone.status_code, alone.headers["Content-Type"]) == (400, "application/problem+json")
    assert alone.json()["detail"] == 'entry: "?" is not a valid choice.'


def test_one_scan_that_cannot_be_told_of_keeps_no_other_answer_back(api, code, monkeypatch, caplog):
    item = {"code": code.token, "scanned_at": "2026-11-21T17:30:00Z", "decision": "honoured"}
    monkeypatch.setattr(
        "redemptions.api.offline.answer",
        lambda outcome, device: answer(outcome, device=device) if outcome.reason else 1 / 0,
    )

    answers = bring_in(api, item | {"key": "offline-01"}, item | {"key": "offline-02"}).json()["results"]

    assert [(one["status"], one["body"]["code"]) for one in answers] == [
        (500, "server_error"),
        (409, "already_redeemed"),
    ]
    assert "could not be answered" in caplog.text


@pytest.mark.parametrize(
    ("moment", "status"),
    [
        ("0001-01-01T00:00:00Z", 400),
        ("1999-12-31T23:59:59Z", 400),
        ("2000-01-01T00:00:00Z", 201),
        ("2100-12-31T23:59:59Z", 201),
        ("2101-01-01T00:00:00Z", 400),
        ("9999-12-31T23:59:59Z", 400),
    ],
)
def test_takes_times_of_a_century(moment, status, api, code):
    item = {"key": "offline-01", "code": code.token, "scanned_at": moment, "decision": "undecided"}

    brought = bring_in(api, item).json()["results"][0]
    online = scan(api, code.token, key="offline-01", scanned_at=moment)

    assert (brought["status"], online.status_code) == (status, 400 if status == 400 else 200)
    if status == 400:
        assert brought["body"]["detail"].endswith("2000 to 2100. Set the device's clock.")
    assert bring_in(api, sent_at=moment).status_code == (400 if status == 400 else 200)


@pytest.mark.parametrize("cursor", ["", "nonsense", "1-2", "999999999999-0-", "1-999-", "１-0-", "%00"])
def test_an_unknown_cursor_gets_a_full_pack(cursor, api, code, change):
    change(code.offer, offline="honour_known")

    pack = api.get(f"/api/v1/offline-pack?since={cursor}").json()

    assert pack["full"] is True
    assert len(pack["codes"][str(code.offer.pk)]) == 1
