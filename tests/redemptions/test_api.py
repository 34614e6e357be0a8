import json
from datetime import datetime, timedelta
from http.client import HTTPConnection

import pytest
from rest_framework.test import APIClient

from redemptions.codes import CROCKFORD, new_token
from redemptions.models import Device, Redemption, Scan
from redemptions.services import enrol_device_start, pause_offer, revoke_device

PROBLEM = "application/problem+json"


@pytest.fixture(autouse=True)
def uncounted(settings, tmp_path):
    """Count calls anew in each test: its clock stands still at the same minute as the others'."""
    settings.VAR_DIR = tmp_path


def scan(client, code, key="a-scan-0001", **more):
    return client.post("/api/v1/redemptions", {"code": code, **more}, format="json", headers={"Idempotency-Key": key})


# --- Redeeming ---


def test_redeems(api, code):
    answer = scan(api, code.token, entry="qr", order_value={"amount": "42.50", "currency": "USD"}, receipt_no="A-1021")

    assert answer.status_code == 201
    line = Redemption.objects.get()
    assert answer.json() == {
        "id": f"rd_{line.public_id}",
        "result": "redeemed",
        "replayed": False,
        "redeemed_at": "2026-11-21T18:00:00Z",
        "deal": {
            "title": "20 % off lunch",
            "type": "percent",
            "value": "20",
            "currency": "USD",
            "min_spend": None,
            "max_discount": None,
            "instructions": "One per table",
        },
        "discount": {"amount": "8.50", "currency": "USD"},
        "customer": {"display": "Maria K."},
        "uses": {"used": 1, "max": 1},
        "void_until": "2026-11-21T18:15:00Z",
        "voided_at": None,
        "receipt": "R-000001",
        "order_value": {"amount": "42.50", "currency": "USD"},
        "receipt_no": "A-1021",
        "note": "",
    }
    assert answer.headers["Cache-Control"] == "no-store"
    assert line.receipt_no == "A-1021"


@pytest.mark.parametrize(
    ("order_value", "discount"),
    [("42.50", {"amount": "8.50", "currency": "USD"}), (None, None), ("0", {"amount": "0.00", "currency": "USD"})],
)
def test_takes_an_order_value_as_plain_text(order_value, discount, api, code):
    assert scan(api, code.token, order_value=order_value).json()["discount"] == discount


@pytest.mark.parametrize(
    ("kind", "value", "shown"), [("percent", "12.5", "12.5"), ("amount", "5", "5.00"), ("item", None, None)]
)
def test_shows_the_deals_value(kind, value, shown, api, code, change):
    change(code.offer, type=kind, value=value)

    assert scan(api, code.token).json()["deal"]["value"] == shown


def test_repeats_the_answer_after_the_deal_is_over(api, code, clock, change):
    first = scan(api, code.token)
    change(code.offer, ends_at=datetime.fromisoformat("2026-11-21T18:05Z"))
    clock.shift(timedelta(hours=1))

    again = scan(api, code.token)

    assert again.status_code == 200
    assert again.json() == first.json() | {"replayed": True}


def test_counts_uses_as_they_were(api, code, change):
    change(code, max_uses=2)
    first = scan(api, code.token, key="first-visit")
    scan(api, code.token, key="second-visit")

    again = scan(api, code.token, key="first-visit")

    assert again.json()["uses"] == first.json()["uses"] == {"used": 1, "max": 2}


def test_refuses_the_second_scan_and_says_who_was_first(api, code, clock):
    scan(api, code.token, key="first-scan")
    clock.shift(timedelta(seconds=8))

    answer = scan(api, code.token, key="second-scan")

    attempt = Scan.objects.get(key="second-scan")
    assert (answer.status_code, answer.headers["Content-Type"]) == (409, PROBLEM)
    assert answer.json() == {
        "type": "urn:regulars:already_redeemed",
        "title": "Already used",
        "status": 409,
        "detail": "Used today at 12:00 PM at Main St.",
        "code": "already_redeemed",
        "attempt": f"at_{attempt.public_id}",
        "retryable": False,
        "replayed": False,
        "previous": {
            "redeemed_at": "2026-11-21T18:00:00Z",
            "location": "Main St",
            "this_device": True,
            "seconds_ago": 8,
        },
    }
    clock.shift(timedelta(days=1))
    assert scan(api, code.token, key="second-scan").json() == answer.json() | {"replayed": True}


def test_says_that_another_device_was_first(api, code, clock, enrolled, client_of):
    _, token = enrolled(name="Airport phone", location_name="Airport")
    scan(client_of(token), code.token)
    clock.shift(timedelta(days=1))

    answer = scan(api, code.token).json()

    assert answer["detail"] == "Used Nov 21, 2026 at 12:00 PM at Airport."
    assert answer["previous"]["this_device"] is False


@pytest.mark.parametrize(
    ("arrange", "code_word", "detail"),
    [
        ({"starts_at": "2026-12-01T15:00Z"}, "not_yet_valid", "Valid from Dec 1, 2026 at 9:00 AM."),
        ({"ends_at": "2026-11-21T17:30Z"}, "expired", "Expired today at 11:30 AM."),
        ({"status": "paused"}, "offer_paused", "This deal is paused at the moment."),
        ({"status": "ended"}, "offer_ended", "This deal is over."),
    ],
)
def test_explains_a_refusal(arrange, code_word, detail, api, code, change):
    values = {n: datetime.fromisoformat(v) if n.endswith("_at") else v for n, v in arrange.items()}
    change(code.offer, **values)

    answer = scan(api, code.token)

    assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (409, code_word, detail)
    assert "previous" not in answer.json()


def test_says_where_a_code_is_valid(api, code, elsewhere):
    code.offer.locations.set([elsewhere])

    assert scan(api, code.token).json()["detail"] == "Valid at: Airport."


def test_answers_a_typing_error(api, code):
    wrong = code.typed[:-1] + CROCKFORD[(CROCKFORD.index(code.typed[-1]) + 1) % 32]

    answer = scan(api, wrong, entry="typed")

    assert (answer.status_code, answer.json()["code"]) == (409, "unknown_code")
    assert answer.json()["detail"] == "Typing error, check the code."


def test_locks_a_guessing_device(api, code):
    codes = [scan(api, new_token(), key=f"guess-{n:04}").json()["code"] for n in range(11)]

    assert codes == ["unknown_code"] * 10 + ["device_locked"]
    assert scan(api, code.token).json()["code"] == "device_locked"


def test_refuses_a_key_used_for_another_code(api, code):
    scan(api, code.token)

    answer = scan(api, new_token())

    assert (answer.status_code, answer.headers["Content-Type"]) == (422, PROBLEM)
    assert answer.json()["code"] == "idempotency_key_reused"


@pytest.mark.parametrize("key", ["", "short", "x" * 65, "with spaces in it", "snowman-☃☃☃☃".encode().decode("latin-1")])
def test_wants_a_good_key(key, api, code):
    answer = scan(api, code.token, key=key)

    assert (answer.status_code, answer.headers["Content-Type"]) == (400, PROBLEM)
    assert answer.json()["code"] == ("idempotency_key_invalid" if key else "idempotency_key_required")
    assert not Scan.objects.exists()


def test_wants_a_key(api, code):
    answer = api.post("/api/v1/redemptions", {"code": code.token}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"code": ""},
        {"code": "A" * 501},
        {"code": "A", "entry": "smell"},
        {"code": "A", "order_value": "lots"},
        {"code": "A", "order_value": "-1"},
        {"code": "A", "order_value": {"amount": "1"}},
        {"code": "A", "scanned_at": "yesterday"},
        ["A"],
    ],
)
def test_refuses_a_malformed_body(body, api):
    answer = api.post("/api/v1/redemptions", body, format="json", headers={"Idempotency-Key": "a-scan-0001"})

    assert (answer.status_code, answer.headers["Content-Type"]) == (400, PROBLEM)
    assert answer.json()["code"] == "invalid"
    assert answer.json()["detail"]


def test_refuses_another_currency(api, code):
    answer = scan(api, code.token, order_value={"amount": "10", "currency": "EUR"})

    assert (answer.status_code, answer.json()["code"]) == (400, "currency_mismatch")


def test_speaks_json_only(api):
    answer = api.post(
        "/api/v1/redemptions",
        "code=A",
        content_type="application/x-www-form-urlencoded",
        headers={"Idempotency-Key": "a-scan-0001"},
    )

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_shows_no_names_on_a_kiosk(clock, code, enrolled, client_of):
    _, token = enrolled(profile=Device.Profile.KIOSK)

    assert scan(client_of(token), code.token).json()["customer"] == {"display": ""}


@pytest.mark.parametrize(("names", "shown"), [({"last_name": None}, "Maria"), ({"first_name": None}, "K."), (None, "")])
def test_shows_what_is_known_of_a_name(names, shown, api, code, contact):
    if names is None:
        contact.delete()
    else:
        for field, value in names.items():
            setattr(contact, field, value)
        contact.save()

    assert scan(api, code.token).json()["customer"]["display"] == shown


# --- Did it land? ---


def test_finds_a_redemption_by_key_and_by_id(api, code):
    first = scan(api, code.token).json()

    by_key = api.get("/api/v1/redemptions/by-key/a-scan-0001")
    by_id = api.get(f"/api/v1/redemptions/{first['id']}")

    assert (by_key.status_code, by_id.status_code) == (200, 200)
    assert by_key.json() == by_id.json() == first | {"replayed": True}


def test_finds_a_refusal_by_key(api, code):
    pause_offer(offer=code.offer)
    refusal = scan(api, code.token)

    answer = api.get("/api/v1/redemptions/by-key/a-scan-0001")

    assert (answer.status_code, answer.headers["Content-Type"]) == (409, PROBLEM)
    assert answer.json() == refusal.json() | {"replayed": True}


@pytest.mark.parametrize("path", ["by-key/no-such-key", "rd_00000000000000000000"])
def test_finds_nothing_that_is_not_there(path, api):
    answer = api.get(f"/api/v1/redemptions/{path}")

    assert (answer.status_code, answer.headers["Content-Type"]) == (404, PROBLEM)
    assert answer.json()["code"] == "not_found"


def test_keeps_one_devices_redemptions_from_another(api, code, enrolled, client_of):
    first = scan(api, code.token).json()
    other = client_of(enrolled(name="Door phone")[1])

    assert other.get(f"/api/v1/redemptions/{first['id']}").status_code == 404
    assert other.get("/api/v1/redemptions/by-key/a-scan-0001").status_code == 404


# --- Dry run ---


def test_validates(api, code):
    answer = api.post("/api/v1/validations", {"code": code.typed_display, "order_value": "10"}, format="json")

    assert answer.status_code == 200
    body = answer.json()
    assert (body["result"], body["id"], body["receipt"], body["redeemed_at"]) == ("valid", None, None, None)
    assert (body["discount"]["amount"], body["uses"]) == ("2.00", {"used": 0, "max": 1})
    assert not Scan.objects.exists()
    assert not Redemption.objects.exists()


def test_validates_as_refused(api, code):
    pause_offer(offer=code.offer)

    answer = api.post("/api/v1/validations", {"code": code.token}, format="json")

    assert (answer.status_code, answer.headers["Content-Type"]) == (409, PROBLEM)
    assert (answer.json()["code"], answer.json()["attempt"]) == ("offer_paused", None)


def test_limits_dry_runs(api):
    answers = [api.post("/api/v1/validations", {"code": new_token()}, format="json") for _ in range(241)]

    assert {answer.status_code for answer in answers[:240]} == {409}
    assert (answers[240].status_code, answers[240].json()["code"]) == (429, "throttled")
    assert int(answers[240].headers["Retry-After"]) > 0


# --- Who calls ---


@pytest.mark.parametrize("header", [None, "Token wrong", "Token", "Bearer wrong", "Token \xff\xfe"])
@pytest.mark.parametrize("path", ["device", "stats/today", "redemptions/by-key/a-scan-0001"])
def test_refuses_the_unknown(header, path, db):
    client = APIClient()
    if header:
        client.credentials(HTTP_AUTHORIZATION=header)

    answer = client.get(f"/api/v1/{path}")

    assert (answer.status_code, answer.headers["Content-Type"]) == (401, PROBLEM)
    assert answer.headers["WWW-Authenticate"] == "Token"
    assert answer.json()["code"] in {"not_authenticated", "device_unknown"}


def test_refuses_a_withdrawn_device(api, code, at):
    revoke_device(device=Device.objects.get(), at=at)

    answer = scan(api, code.token)

    assert (answer.status_code, answer.headers["Content-Type"]) == (403, PROBLEM)
    assert answer.json()["code"] == "device_revoked"
    assert not Scan.objects.exists()


def test_notes_when_a_device_was_seen(api, at):
    api.get("/api/v1/device")

    assert Device.objects.get().last_seen_at == at


def test_tells_a_device_who_it_is(api):
    assert api.get("/api/v1/device").json() == {
        "device_id": Device.objects.get().pk,
        "name": "Bar phone",
        "location": "Main St",
        "profile": "scanner",
        "policy": {
            "offline": False,
            "asks_pin": False,
            "shows_names": True,
            "voids": True,
            "void_minutes": 15,
        },
        "business": "The Corner Bar",
        "time_zone": "America/Chicago",
        "server_time": "2026-11-21T18:00:00Z",
        "min_app_version": "1.0.0",
        "features": ["amend", "batch", "offline_pack", "rotate", "staff", "void"],
    }


def test_counts_today_in_the_shops_time_zone(api, clock, code):
    clock.move_to("2026-11-22T05:59:00+00:00")  # a minute to midnight in Chicago
    scan(api, new_token(), key="yesterday")
    clock.shift(timedelta(minutes=1))
    scan(api, code.token, key="today-good")
    scan(api, code.token, key="today-used")
    scan(api, code.token, key="today-used")

    assert api.get("/api/v1/stats/today").json() == {
        "date": "2026-11-22",
        "time_zone": "America/Chicago",
        "redeemed": 1,
        "refused": 1,
        "conflicts": 0,
        "voided": 0,
    }


def test_counts_conflicts_and_what_was_taken_back(api, code, enrolled, client_of):
    made = scan(api, code.token).json()
    item = {"key": "offline-01", "code": code.token, "scanned_at": "2026-11-21T17:30:00Z", "decision": "honoured"}
    batch = {"sent_at": "2026-11-21T18:00:00Z", "items": [item, item | {"key": "offline-02", "decision": "refused"}]}
    api.post("/api/v1/redemptions/batch", batch, format="json")
    manager = client_of(enrolled(name="Office", profile=Device.Profile.MANAGER)[1])
    headers = {"Idempotency-Key": "void-0001"}
    manager.post(f"/api/v1/redemptions/{made['id']}/void", {"reason": "test"}, format="json", headers=headers)

    counts = [client.get("/api/v1/stats/today").json() for client in (api, manager)]

    names = ["redeemed", "refused", "conflicts", "voided"]
    assert [[each[name] for name in names] for each in counts] == [[1, 1, 1, 1], [0, 0, 0, 0]]


# --- Enrolment ---


@pytest.fixture
def enrol_token(db, at):
    return enrol_device_start(name="Door", location_name="Main St", profile=Device.Profile.SCANNER, at=at)[1]


def enrol(token, key="an-enrolment", **headers):
    headers |= {"Idempotency-Key": key} if key else {}
    return APIClient().post("/api/v1/devices/enrol", {"enrol_token": token}, format="json", headers=headers)


def test_enrols_a_device_that_can_then_redeem(enrol_token, code, clock, client_of):
    answer = enrol(enrol_token)

    assert answer.status_code == 201
    assert answer.json()["location"] == "Main St"
    assert scan(client_of(answer.json()["token"]), code.token).status_code == 201


def test_repeats_a_lost_enrolment(enrol_token, clock):
    first = enrol(enrol_token).json()
    clock.shift(timedelta(minutes=9))

    assert enrol(enrol_token).json()["token"] == first["token"]


def test_enrols_without_a_key_and_with_a_stale_token(enrol_token, clock):
    assert enrol(enrol_token, key=None, Authorization="Token stale").status_code == 201
    assert enrol(enrol_token, key=None).json()["code"] == "enrol_used"


@pytest.mark.parametrize(
    ("later", "token", "code_word"),
    [(timedelta(minutes=15), None, "enrol_expired"), (timedelta(0), "no-such-token", "enrol_unknown")],
)
def test_refuses_a_bad_enrolment(later, token, code_word, enrol_token, clock):
    clock.shift(later)

    answer = enrol(token or enrol_token)

    assert (answer.status_code, answer.headers["Content-Type"]) == (409, PROBLEM)
    assert answer.json()["code"] == code_word


def test_answers_a_wrong_method_with_a_problem(api):
    answer = api.delete("/api/v1/redemptions")

    assert (answer.status_code, answer.headers["Content-Type"]) == (405, PROBLEM)
    assert answer.headers["Allow"] == "POST, OPTIONS"


# --- What is no call of the API ---

POSTS = ["devices/enrol", "staff/sign-in", "validations", "redemptions", "redemptions/batch"]
DEEP = "[" * 100_000


def post_raw(client, path, body, content_type="application/json"):
    return client.post(f"/api/v1/{path}", body, content_type=content_type, headers={"Idempotency-Key": "a-scan-0001"})


def expect_problem(answer, status, code):
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, PROBLEM)
    assert (answer.json()["code"], answer.json()["status"]) == (code, status)


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", [DEEP, '{"a":' * 20_000, '{"code": ' + DEEP, "{", b"\xff", '{"code": NaN}'])
def test_refuses_what_is_no_json(body, path, api):
    expect_problem(post_raw(api, path, body), 400, "parse_error")


@pytest.mark.parametrize("depth", range(800, 1000, 10))
def test_refuses_a_value_that_is_nested_as_deep_as_it_can_be_read(depth, api, code):
    value = "[" * depth + "]" * depth

    answer = post_raw(api, "redemptions", f'{{"code": "{code.token}", "order_value": {value}}}')

    assert (answer.status_code, answer.json()["code"] in {"invalid", "parse_error"}) == (400, True)
    assert not Scan.objects.exists()


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x"])
def test_refuses_a_long_body_unread(content_type, path, api):
    expect_problem(post_raw(api, path, b" " * 20_000_000, content_type), 413, "too_large")


@pytest.mark.parametrize(("spaces", "status"), [(127 * 1024, 201), (128 * 1024, 413)])
def test_reads_bodies_up_to_its_limit(spaces, status, api, code):
    assert post_raw(api, "redemptions", f'{{"code": "{code.token}"}}' + " " * spaces).status_code == status


@pytest.mark.parametrize("path", POSTS)
def test_refuses_a_body_without_its_length(path, live_server, enrolled):
    token = enrolled()[1]
    there = HTTPConnection(live_server.thread.host, live_server.thread.port, timeout=30)
    headers = {"Authorization": f"Token {token}", "Idempotency-Key": "a-scan-0001", "Content-Type": "application/json"}

    there.request("POST", f"/api/v1/{path}", body=iter([b'{"code": "x"}']), headers=headers, encode_chunked=True)
    answer = there.getresponse()

    assert (answer.status, answer.headers["Content-Type"]) == (411, PROBLEM)
    assert json.loads(answer.read())["code"] == "length_required"
    there.close()


def test_answers_by_no_other_name(api):
    answer = api.get("/api/v1/device", headers={"Host": "elsewhere.example"})

    expect_problem(answer, 421, "unknown_host")
    assert "elsewhere" not in answer.content.decode()
    assert api.get("/scan/", headers={"Host": "elsewhere.example"}).headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", POSTS)
def test_refuses_a_form(path, api):
    expect_problem(post_raw(api, path, "code=x", "application/x-www-form-urlencoded"), 415, "unsupported_media_type")


@pytest.mark.parametrize("path", ["", "nonsense", "device/", "redemptions/", "devices/enrol/", "a/b/c.html", "%00"])
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
def test_knows_no_other_address(method, path, db):
    stranger = APIClient()

    expect_problem(getattr(stranger, method)(f"/api/v1/{path}"), 404, "not_found")


@pytest.mark.parametrize(
    "path", ["redemptions/%00", "redemptions/rd_%00", "redemptions/by-key/%00%00%00%00%00%00%00%00"]
)
def test_finds_nothing_under_a_name_that_cannot_be(path, api):
    expect_problem(api.get(f"/api/v1/{path}"), 404, "not_found")


@pytest.mark.parametrize(("method", "path"), [("get", "redemptions"), ("put", "device"), ("delete", "stats/today")])
def test_refuses_another_method(method, path, api):
    answer = getattr(api, method)(f"/api/v1/{path}")

    expect_problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"]


def test_tells_nothing_of_its_own_failures(api, code, monkeypatch, caplog):
    def fail(**values):
        raise RuntimeError("a secret of the server")

    monkeypatch.setattr("redemptions.api.redeeming.redeem", fail)
    api.raise_request_exception = api.handler.raise_request_exception = False

    answer = scan(api, code.token)

    expect_problem(answer, 500, "server_error")
    assert "secret" not in answer.content.decode()
    assert answer.headers["Cache-Control"] == "no-store"
    (logged,) = [record for record in caplog.records if record.exc_info]
    assert "a secret of the server" in str(logged.exc_info)


def test_reports_its_own_failures_as_the_framework_does(api, code, monkeypatch):
    monkeypatch.setattr("redemptions.api.redeeming.redeem", lambda **values: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        scan(api, code.token)
