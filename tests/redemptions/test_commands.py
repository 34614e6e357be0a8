import io
import json
import subprocess
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command, execute_from_command_line

from redemptions.models import Code, Device, Location, Offer
from redemptions.services import complete_enrolment, pause_offer, redeem, revoke_code, revoke_device

ROOT = Path(__file__).resolve().parent.parent.parent


def run(*words):
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def run_json(*words):
    return json.loads(run(*words, "--json"))


# --- offer ---


def test_makes_an_offer(db):
    answer = run_json(
        *("offer", "create", "--name", "20 % off lunch", "--type", "percent", "--value", "20"),
        *("--starts", "2026-12-01", "--ends", "2026-12-31", "--max-uses", "2"),
        *("--location", "Main St", "--location", "Airport"),
    )

    offer = Offer.objects.get(pk=answer["id"])
    assert (offer.type, offer.value, offer.max_uses) == ("percent", Decimal(20), 2)
    assert {location.name for location in offer.locations.all()} == {"Main St", "Airport"}
    # In the shop's zone, the last day included.
    assert offer.starts_at == datetime.fromisoformat("2026-12-01T06:00Z")
    assert offer.ends_at == datetime.fromisoformat("2027-01-01T06:00Z")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-01T18:30", "2026-12-02T00:30Z"),
        ("2026-12-01T18:30+01:00", "2026-12-01T17:30Z"),
        ("2026-12-01T18:30:00Z", "2026-12-01T18:30Z"),
    ],
)
def test_reads_times_in_the_shops_zone_unless_they_name_one(text, moment, db):
    answer = run_json("offer", "create", "--name", "Coffee", "--type", "item", "--ends", text)

    assert Offer.objects.get(pk=answer["id"]).ends_at == datetime.fromisoformat(moment)


def test_makes_an_offer_with_limits(db):
    answer = run_json(
        *("offer", "create", "--name", "Lunch", "--type", "percent", "--value", "20", "--max-discount", "15"),
        *(
            "--min-spend",
            "20",
            "--hours",
            "Mon-Fri 11:00-15:00, Sat 22:00-02:00",
            "--per-person",
            "2",
            "--total",
            "100",
        ),
        *("--budget", "500", "--offline", "honour_known", "--offline-per-day", "5", "--offline-max-value", "9.50"),
    )

    offer = Offer.objects.get(pk=answer["id"])
    assert offer.hours == [
        {"days": [0, 1, 2, 3, 4], "from": "11:00", "to": "15:00"},
        {"days": [5], "from": "22:00", "to": "02:00"},
    ]
    assert (offer.max_discount, offer.min_spend, offer.budget) == (Decimal(15), Decimal(20), Decimal(500))
    assert (offer.max_per_person, offer.max_total) == (2, 100)
    assert (offer.offline, offer.offline_per_day, offer.offline_max_value) == ("honour_known", 5, Decimal("9.50"))


def test_makes_an_offer_without_limits(db):
    offer = Offer.objects.get(pk=run_json("offer", "create", "--name", "Soup", "--type", "item")["id"])

    assert (offer.hours, offer.max_total, offer.budget, offer.offline) == ([], None, None, "refuse")
    assert offer.offline_per_day == 20


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--type", "item", "--hours", "whenever"], "Error: argument --hours: “whenever” names no hours."),
        (["--type", "item", "--budget", "5"], "A budget goes with a percentage or money off."),
        (["--type", "percent"], "A percentage is between 0 and 100."),
        (["--type", "percent", "--value", "150"], "A percentage is between 0 and 100."),
        (["--type", "amount"], "Say how much money is taken off."),
        (["--type", "item", "--value", "5"], "value: Leave the value empty: “Free item” has none."),
        (["--type", "item", "--starts", "2026-12-02", "--ends", "2026-12-01"], "The deal ends before it starts."),
        (
            ["--type", "item", "--starts", "tomorrow"],
            "Error: argument --starts: 'tomorrow' is not a time. Write it like",
        ),
        (["--type", "item", "--max-uses", "0"], "max_uses: Ensure this value is greater than or equal to 1."),
    ],
)
def test_refuses_a_bad_offer_in_one_sentence(words, sentence, db):
    with pytest.raises(CommandError) as refused:
        run("offer", "create", "--name", "Deal", "--location", "New place", *words)

    assert str(refused.value).startswith(sentence)
    assert "\n" not in str(refused.value)
    assert not Offer.objects.exists()
    assert not Location.objects.exists()


# --- device ---


def test_makes_a_device_and_its_link(db, clock, at):
    answer = run_json("device", "enrol", "--name", "Bar phone", "--location", "Main St")

    assert answer["enrol_url"] == f"http://testserver/scan/#enrol={answer['enrol_token']}"
    assert answer["expires_at"] == "2026-11-21T18:15:00+00:00"
    device, _ = complete_enrolment(enrol_token=answer["enrol_token"], key="a-key", at=at)
    assert (device.pk, device.location.name, device.profile) == (answer["id"], "Main St", "scanner")


def test_says_that_a_location_is_new(db, capsys):
    first = run_json("device", "enrol", "--name", "Bar phone", "--location", " Nowhere ")
    said = capsys.readouterr().err
    second = run_json("device", "enrol", "--name", "Door phone", "--location", "nowhere")

    assert said == "New location: Nowhere.\n"
    assert capsys.readouterr().err == ""
    assert (first["location_created"], second["location_created"]) == (True, False)
    assert Location.objects.get().name == "Nowhere"


def test_says_that_a_device_has_a_namesake(db, elsewhere, at, capsys):
    run("device", "enrol", "--name", "Bar phone", "--location", "Airport")
    assert capsys.readouterr().err == ""

    run("device", "enrol", "--name", "bar phone", "--location", "Airport")
    assert capsys.readouterr().err == "There is another device of this name.\n"

    for device in Device.objects.all():
        revoke_device(device=device, at=at)
    run("device", "enrol", "--name", "Bar phone", "--location", "Airport")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("words", [["--name", " ", "--location", "Main St"], ["--name", "Phone", "--location", ""]])
def test_refuses_a_device_without_a_name(words, db):
    with pytest.raises(CommandError, match="is empty"):
        run("device", "enrol", *words)

    assert not Device.objects.exists()


# --- code ---


@pytest.mark.parametrize("form", ["http://testserver/r/{0.token}", "{0.token}", "{0.typed_display}"])
def test_shows_a_code_without_the_person(form, code, device, at):
    redeem(code_text=code.token, device=device, key="the-scan", at=at)

    text = run("code", "show", form.format(code), "--json")

    answer = json.loads(text)
    assert (answer["id"], answer["state"], answer["used"]) == (code.pk, "already_redeemed", 1)
    assert answer["redemptions"][0]["location"] == "Main St"
    assert not any(word in text for word in ("Maria", "Kovacs", "example.com", "contact"))


def test_shows_the_state_of_a_code(code):
    assert run_json("code", "show", code.token)["state"] == "valid"

    pause_offer(offer=code.offer)
    assert run_json("code", "show", code.token)["state"] == "offer_paused"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"ends_at": "2027-01-01T06:00Z"}, "20 % off lunch: valid, used 0 of 1, until December 31, 2026."),
        ({}, "20 % off lunch: valid, used 0 of 1."),
        (
            {"ends_at": "2026-11-20T15:00Z"},
            "20 % off lunch: expired, used 0 of 1, until November 20, 2026, 9:00 AM CST.",
        ),
        (
            {"starts_at": "2026-12-01T15:00Z"},
            "20 % off lunch: not valid yet, used 0 of 1, from December 1, 2026, 9:00 AM CST.",
        ),
        ({"starts_at": "2026-11-01T15:00Z"}, "20 % off lunch: valid, used 0 of 1."),
        ({"status": "paused"}, "20 % off lunch: deal paused, used 0 of 1."),
    ],
)
def test_shows_a_code_in_a_sentence(values, sentence, code, clock, change):
    change(code.offer, **{n: datetime.fromisoformat(v) if n.endswith("_at") else v for n, v in values.items()})

    assert run("code", "show", code.token) == sentence + "\n"


def test_shows_what_became_of_a_code_in_the_shops_time(code, device, clock, at, change):
    change(code, max_uses=2)
    redeem(code_text=code.token, device=device, key="the-scan", at=at)
    revoke_code(code=code, at=at)

    assert run("code", "show", code.token).splitlines() == [
        "20 % off lunch: code withdrawn, used 1 of 2.",
        "Withdrawn on November 21, 2026, 12:00 PM CST.",
        "Redeemed on November 21, 2026, 12:00 PM CST at Main St, R-000001.",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("0" * 26, "There is no such code."), ("nonsense", "no such code"), ("AAAAAAAAAA", "typing error")],
)
def test_says_that_a_code_is_unknown(text, sentence, db):
    with pytest.raises(CommandError, match=sentence):
        run("code", "show", text)

    assert not Code.objects.exists()


# --- As a program ---


@pytest.mark.parametrize(
    "words",
    [
        ["offer"],
        ["offer", "create"],
        ["offer", "create", "--name", "Deal", "--type", "gift"],
        ["offer", "create", "--name", "Deal", "--type", "percent", "--value", "lots"],
        ["device", "enrol", "--name", "Bar phone"],
        ["code", "eat", "x"],
    ],
)
def test_ends_with_2_for_wrong_usage(words, capsys):
    with pytest.raises(SystemExit) as ended:
        execute_from_command_line(["manage.py", *words])

    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


@pytest.mark.django_db(transaction=True)
def test_ends_with_1_for_a_failure(process_environment):
    ended = subprocess.run(
        [sys.executable, "manage.py", "code", "show", "nonsense"],
        cwd=ROOT,
        env=process_environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "There is no such code." in ended.stderr
    assert "Traceback" not in ended.stderr
