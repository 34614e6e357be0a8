"""What Twilio says of the shop's number, asked of a real HTTP server on loopback."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta

import pytest

from campaigns.queries import content_of, variant_of
from campaigns.services import Blocked
from messaging import services
from messaging.models import Fact
from messaging.queries import full_checklist, set_up
from messaging.queries.setup import registration_check
from messaging.services import facts, setup
from messaging.transports.finding import Finding
from messaging.transports.twilio_account import NOT_NOW, look_at_number
from tests.messaging.conftest import NOON
from tests.wire.account import Account, account

INBOUND = "https://deals.corner-bar.us/webhooks/twilio/inbound/"
NUMBERS = "/2010-04-01/Accounts/AC1/IncomingPhoneNumbers.json"
SERVICE = "/v1/Services/MG1"
VERIFICATIONS = "/v1/Tollfree/Verifications"
LOCAL, TOLL_FREE = "+12175550100", "+18335550100"


def number(phone: str = LOCAL, **more) -> dict:
    return {"sid": "PN1", "phone_number": phone, "sms_url": INBOUND, "capabilities": {"sms": True}, **more}


def service(*phones: str, campaigns: list[str] | None = None, **more) -> dict:
    """Return what a messaging service answers."""
    return {
        SERVICE: {"sid": "MG1", "friendly_name": "Corner Bar", "inbound_request_url": INBOUND, **more},
        f"{SERVICE}/PhoneNumbers": {"phone_numbers": [number(phone) for phone in phones]},
        f"{SERVICE}/ShortCodes": {"short_codes": []},
        f"{SERVICE}/Compliance/Usa2p": {"compliance": [{"campaign_status": status} for status in campaigns or []]},
    }


@pytest.fixture(autouse=True)
def twilio(settings) -> None:
    settings.SMS_PROVIDER = "twilio"
    settings.PUBLIC_BASE_URL = "https://deals.corner-bar.us"
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = "AC1", "secret"
    settings.TWILIO_PHONE_NUMBER, settings.TWILIO_MESSAGING_SERVICE_SID = "", "MG1"


@pytest.fixture
def alone(settings):
    """A number by itself."""

    def use(phone: str) -> None:
        settings.TWILIO_PHONE_NUMBER, settings.TWILIO_MESSAGING_SERVICE_SID = phone, ""

    return use


def look(settings, answers) -> tuple[dict[str, Finding], Account]:
    with account(answers) as server:
        settings.TWILIO_API_URL = server.url
        return {finding.name: finding for finding in look_at_number(INBOUND)}, server


def verdicts(found: dict[str, Finding]) -> list[bool | None]:
    return [found[f"twilio.{name}"].is_good for name in ("number", "registration", "inbound")]


# --- A messaging service ---


@pytest.mark.parametrize(
    ("campaigns", "is_good", "says"),
    [
        (["VERIFIED"], True, "are registered"),
        (["FAILED", "VERIFIED"], True, "are registered"),
        ([], False, "not registered"),
        (["IN_PROGRESS"], False, "under review"),
        (["PENDING"], False, "under review"),
        (["FAILED"], False, "refused the registration"),
    ],
)
def test_reads_the_registration_of_a_service(campaigns, is_good, says, settings):
    found, server = look(settings, service(LOCAL, campaigns=campaigns))

    assert verdicts(found) == [True, is_good, True]
    assert says in found["twilio.registration"].says
    assert found["twilio.number"].says == "The messaging service “Corner Bar” has 1 number."
    assert {login for _, _, login in server.asked} == {f"Basic {b64encode(b'AC1:secret').decode()}"}


def test_a_service_without_a_number_cannot_send(settings):
    found, _ = look(settings, service())

    assert verdicts(found) == [False, None, True]


def test_a_short_code_needs_no_more(settings):
    answers = service() | {f"{SERVICE}/ShortCodes": {"short_codes": [{"short_code": "12345"}]}}

    assert verdicts(look(settings, answers)[0]) == [True, True, True]


def test_a_toll_free_number_of_a_service_is_verified_by_itself(settings):
    def registered(states: list[str], *phones: str, campaigns: list[str] | None = None) -> bool | None:
        answers = service(*phones, campaigns=campaigns)
        answers[VERIFICATIONS] = {"verifications": [{"status": state} for state in states]}
        return look(settings, answers)[0]["twilio.registration"].is_good

    assert registered(["TWILIO_APPROVED"], TOLL_FREE) is True
    assert registered(["PENDING_REVIEW"], TOLL_FREE) is False
    assert registered(["TWILIO_APPROVED"], TOLL_FREE, LOCAL) is False
    assert registered(["TWILIO_APPROVED"], TOLL_FREE, LOCAL, campaigns=["VERIFIED"]) is True


@pytest.mark.parametrize(
    ("changes", "is_good"),
    [
        ({}, True),
        ({"inbound_request_url": "https://user:password@elsewhere.example/sms"}, False),
        ({"inbound_request_url": None}, False),
        ({"use_inbound_webhook_on_number": True}, None),
    ],
)
def test_looks_where_answers_go(changes, is_good, settings):
    found, _ = look(settings, service(LOCAL, campaigns=["VERIFIED"], **changes))

    assert found["twilio.inbound"].is_good is is_good
    assert "password" not in str(found["twilio.inbound"])


# --- A number by itself ---


def test_a_number_alone_says_nothing_of_its_registration(alone, settings):
    alone(LOCAL)

    found, server = look(settings, {NUMBERS: {"incoming_phone_numbers": [number()]}})

    assert verdicts(found) == [True, None, True]
    assert "messaging service" in found["twilio.registration"].says
    assert server.asked[0][1] == {"PhoneNumber": [LOCAL]}


@pytest.mark.parametrize(
    ("states", "is_good", "says"),
    [
        (["TWILIO_APPROVED"], True, "is verified"),
        (["TWILIO_REJECTED"], False, "refused"),
        (["TWILIO_REJECTED", "IN_REVIEW"], False, "under review"),
        ([], False, "not verified"),
    ],
)
def test_reads_the_verification_of_a_toll_free_number(states, is_good, says, alone, settings):
    alone(TOLL_FREE)
    answers = {
        NUMBERS: {"incoming_phone_numbers": [number(TOLL_FREE)]},
        VERIFICATIONS: {"verifications": [{"status": state} for state in states]},
    }

    found, server = look(settings, answers)

    assert found["twilio.registration"].is_good is is_good
    assert says in found["twilio.registration"].says
    assert server.asked[1][1] == {"TollfreePhoneNumberSid": ["PN1"]}


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ([], "no such number"),
        ([number("+12175550199")], "no such number"),
        ([number(capabilities={"sms": False})], "cannot send texts"),
    ],
)
def test_finds_fault_with_a_number(numbers, says, alone, settings):
    alone(LOCAL)

    found, _ = look(settings, {NUMBERS: {"incoming_phone_numbers": numbers}})

    assert verdicts(found) == [False, None, None]
    assert says in found["twilio.number"].says


def test_a_short_code_alone(alone, settings):
    alone("12345")

    assert verdicts(look(settings, {})[0]) == [True, True, None]


# --- What goes wrong ---


@pytest.mark.parametrize("status", [401, 403])
def test_says_that_the_account_is_refused(status, settings):
    found, _ = look(settings, {"*": status})

    assert verdicts(found) == [False, None, None]
    assert "TWILIO_AUTH_TOKEN" in found["twilio.number"].says


def test_says_that_there_is_no_such_service(settings):
    found, _ = look(settings, {})

    assert verdicts(found) == [False, None, None]


@pytest.mark.parametrize("answer", [500, 503, 429, b"<html>", b"[]", b"\xff"])
def test_does_not_guess_from_an_odd_answer(answer, settings):
    found, _ = look(settings, {"*": answer})

    assert verdicts(found) == [None, None, None]
    assert {finding.says for finding in found.values()} == {NOT_NOW}


def test_does_not_guess_where_nobody_answers(settings):
    settings.TWILIO_API_URL = "http://127.0.0.1:1"

    assert {finding.is_good for finding in look_at_number(INBOUND)} == {None}


# --- Facts ------------------------------------------------------------------------------------------------------------


def check(settings, answers) -> None:
    with account(answers) as server:
        settings.TWILIO_API_URL = server.url
        setup.check_number(at=NOON)


def test_the_page_turns_green_from_facts(db, settings):
    assert [line.level for line in set_up(at=NOON).sms] == ["ok", "warn", "warn"]  # provider, number, test

    check(settings, service(LOCAL, campaigns=["VERIFIED"]))

    assert [line.level for line in set_up(at=NOON).sms] == ["ok", "ok", "ok", "ok", "warn"]


def test_asks_nobody_without_a_provider(db, settings):
    settings.SMS_PROVIDER = "outbox"

    assert setup.check_number(at=NOON) == []
    assert not Fact.objects.exists()


def test_an_unregistered_number_sends_no_campaign(guests, sms_campaign, settings):
    from contacts.models import Business

    Business.load()
    Business.objects.update(postal_address="1 Real Street, Springfield, IL 62701")

    def level() -> str:
        checks = full_checklist(sms_campaign, content_of(sms_campaign, variant_of(sms_campaign)), at=NOON)
        return next(check.level for check in checks if "regist" in check.title.lower())

    assert level() == "warn"
    check(settings, service(LOCAL, campaigns=[]))
    assert level() == "block"
    with pytest.raises(Blocked, match="not registered"):
        services.launch(sms_campaign, at=NOON)

    check(settings, {"*": 500})
    assert level() == "block"  # what was known stays so
    check(settings, service(LOCAL, campaigns=["VERIFIED"]))
    assert level() == "ok"
    assert services.launch(sms_campaign, at=NOON).size_at_launch


def test_what_was_found_of_another_number_says_nothing_of_this_one(settings, at, db):
    settings.SMS_PROVIDER = "twilio"
    settings.TWILIO_MESSAGING_SERVICE_SID = "MG1"
    for name in ("twilio.number", "twilio.registration"):
        facts.note(name, True, {"says": "Registered.", "sender": "MG1"}, at=at)
    assert registration_check(at=at).level == "ok"
    assert registration_check(at=at + timedelta(days=91)).level == "warn"

    settings.TWILIO_MESSAGING_SERVICE_SID = "MG2"
    assert registration_check(at=at).level == "warn"
    facts.note("twilio.number", False, {"says": "There is no such service.", "sender": "MG2"}, at=at)
    assert registration_check(at=at).level == "block"
