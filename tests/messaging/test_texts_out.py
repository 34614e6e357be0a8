"""What Twilio is asked for with each text, until when it may be sent and where to report to; what refusals mean."""

import json
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.models import ChannelStatus, Contact, Suppression
from messaging.models import Message
from messaging.texts import BY_CODE, FAULTS, Fault
from messaging.transports import OutboundText, Outcome, TransportError, transport_for
from messaging.transports.text import ARRIVES_WITHIN_S, LONGEST_VALIDITY_S, REFUSALS
from redemptions.models import Offer
from tests.messaging.conftest import run_all
from tests.wire.provider import provider

REFERENCE = "0ab9af66-5ac1-4ddc-a49b-f011b4ae3fee"
PUBLIC = "https://deals.corner-bar.example"
CHICAGO = ZoneInfo("America/Chicago")


@pytest.fixture
def server(settings):
    settings.SMS_PROVIDER = "twilio"
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = "AC1", "secret"
    settings.TWILIO_PHONE_NUMBER = "+12175550100"
    settings.PUBLIC_BASE_URL = PUBLIC
    settings.PROVIDER_TIMEOUT_S = (1, 1)
    with provider() as server:
        settings.TWILIO_API_URL = server.url
        yield server


def text(*, open_for_s: float | None = None, is_tracked: bool = False) -> OutboundText:
    until = None if open_for_s is None else time.monotonic() + open_for_s
    return OutboundText(REFERENCE, "+12175550142", "Hi", open_until_s=until, is_tracked=is_tracked)


def send(outbound: OutboundText) -> None:
    with transport_for(Channel.SMS) as transport:
        transport.send(outbound)


# --- Until when -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["", "MG1"])
def test_dies_in_the_queue_a_minute_before_the_hours_end(server, settings, service):
    settings.TWILIO_MESSAGING_SERVICE_SID = service

    send(text(open_for_s=3_600))

    (call,) = server.received
    validity_s = int(call.form["ValidityPeriod"])
    assert 3_600 - ARRIVES_WITHIN_S - 60 < validity_s <= 3_600 - ARRIVES_WITHIN_S  # a minute for a machine that is busy
    assert call.form.get("MessagingServiceSid", "") == service


def test_asks_for_no_longer_than_twilio_allows(server):
    send(text(open_for_s=24 * 3_600))

    assert server.received[0].form["ValidityPeriod"] == str(LONGEST_VALIDITY_S)


@pytest.mark.parametrize("open_for_s", [60.9, 30, 0, -3_600])
def test_is_not_sent_where_no_time_is_left(server, open_for_s):
    with pytest.raises(TransportError) as caught:
        send(text(open_for_s=open_for_s))

    assert caught.value.outcome == Outcome.RETRY
    assert not server.received


def test_has_all_the_time_where_the_person_asked_for_it(server):
    send(text())

    assert server.received[0].form == {
        "To": "+12175550142",
        "From": "+12175550100",
        "Body": "Hi",
        "SmartEncoded": "true",
    }


# --- Where to report to -----------------------------------------------------------------------------------------------


def test_names_the_message_in_the_address_of_its_reports(server):
    send(text(is_tracked=True))

    assert server.received[0].form["StatusCallback"] == f"{PUBLIC}/webhooks/twilio/status/{REFERENCE}/"


@pytest.mark.parametrize(
    ("is_https", "api_url", "is_asked"),
    [(True, "", True), (False, "", False), (False, "a server that plays Twilio", True)],
)
def test_asks_for_reports_where_twilio_can_bring_them(server, settings, monkeypatch, is_https, api_url, is_asked):
    """Twilio refuses a text with an address it cannot reach, and plain http would show the number to others."""
    settings.IS_HTTPS = is_https
    with transport_for(Channel.SMS) as transport:
        settings.TWILIO_API_URL = api_url
        transport.send(text(is_tracked=True))

    assert ("StatusCallback" in server.received[0].form) is is_asked


# --- What refusals mean -----------------------------------------------------------------------------------------------

# The table of what is to be done, by Twilio's codes.
TABLE = [
    ("400:21610", Outcome.REFUSED, "stopped"),
    *((f"400:{code}", Outcome.REFUSED, "invalid") for code in (21211, 21614, 21217, 21401, 21604, 21635)),
    *((f"400:{code}", Outcome.REFUSED, "") for code in (21612, 21408)),
    *((f"400:{code}", Outcome.STOP, "") for code in (21617, 21602, 21618, 21620)),
    *((f"400:{code}", Outcome.STOP, "") for code in (21606, 21603, 21609, 21703, 21704, 21705, 30034)),
    ("401:20003", Outcome.STOP, ""),
    ("404:20404", Outcome.STOP, ""),
    ("400:21611", Outcome.BUSY, ""),
    ("429:20429", Outcome.BUSY, ""),
    ("500:20500", Outcome.UNKNOWN, ""),
    ("400:99999", Outcome.REFUSED, ""),
]


@pytest.mark.parametrize(("answer", "outcome", "suppress"), TABLE)
def test_sorts_refusals(server, answer, outcome, suppress):
    server.default = answer

    with pytest.raises(TransportError) as caught:
        send(text())

    assert (caught.value.outcome, caught.value.suppress) == (outcome, suppress)
    assert len(server.received) == 1


def test_each_code_has_one_meaning_and_each_meaning_an_outcome():
    assert sum(map(len, FAULTS.values())) == len(BY_CODE)
    assert set(FAULTS) == set(REFUSALS) == set(Fault)


# --- The whole way ----------------------------------------------------------------------------------------------------


@pytest.fixture
def launched(server, guests, sms_campaign, outbox, at):
    def launch(at: datetime = at) -> Campaign:
        """Launch without the checklist, which asks for a shop that is set up."""
        launched = {"status": "scheduled", "starts_at": at, "launched_at": at, "audience": {}}
        Campaign.objects.filter(pk=sms_campaign.pk).update(**launched)
        run_all(at)
        sms_campaign.refresh_from_db()
        return sms_campaign

    return launch


def local(*when: int) -> datetime:
    return datetime(*when, tzinfo=CHICAGO).astimezone(UTC)  # type: ignore[arg-type, misc]


def test_asks_for_reports_and_a_time_for_every_text(launched, server):
    campaign = launched(local(2026, 11, 21, 18))  # in Illinois, two hours before the end

    references = {str(message.reference) for message in campaign.messages.all()}
    forms = [call.form for call in server.received]
    assert len(forms) == 5
    assert {form["StatusCallback"] for form in forms} == {
        f"{PUBLIC}/webhooks/twilio/status/{reference}/" for reference in references
    }
    assert all(7_200 - ARRIVES_WITHIN_S - 300 < int(form["ValidityPeriod"]) <= 7_140 for form in forms)


def test_a_text_dies_before_quiet_hours_begin_where_its_reader_is(launched, server, guests):
    Contact.objects.filter(pk=guests[0].pk).update(time_zone="America/New_York")

    launched(local(2026, 11, 21, 18))

    first, *others = sorted(int(call.form["ValidityPeriod"]) for call in server.received)
    assert 3_600 - ARRIVES_WITHIN_S - 300 < first <= 3_540
    assert all(7_200 - ARRIVES_WITHIN_S - 300 < left <= 7_140 for left in others)


def test_sends_nothing_in_the_last_minutes_but_in_the_morning(launched, server):
    campaign = launched(local(2026, 11, 21, 19, 58, 30))

    assert not server.received
    assert {message.not_before for message in campaign.messages.all()} == {local(2026, 11, 22, 9)}
    assert {message.attempts for message in campaign.messages.all()} == {0}

    run_all(local(2026, 11, 22, 9))
    assert len(server.received) == 5


def test_a_text_that_came_too_late_to_the_provider_waits_for_the_morning(launched, server, monkeypatch):
    """The machine stood still between composing and sending: the hours have begun to end meanwhile."""
    from messaging.services.sending import stock

    monkeypatch.setattr(stock, "LAST_MINUTES", timedelta(0))
    campaign = launched(local(2026, 11, 21, 19, 59, 30))

    assert not server.received
    assert set(campaign.messages.values_list("status", flat=True)) == {Message.Status.QUEUED}
    assert campaign.status == Campaign.Status.SENDING


@pytest.mark.parametrize("day", [(2026, 3, 7), (2026, 10, 31), (2026, 11, 20)], ids=["spring", "autumn", "usual"])
@pytest.mark.parametrize(("ends_at", "is_sent"), [((8, 59), False), ((9, 0), False), ((9, 1), True)])
def test_a_deal_that_ends_before_the_morning_is_skipped_and_never_sent(launched, server, offer, day, ends_at, is_sent):
    """Also in the nights in which the clocks change."""
    evening = local(*day, 20, 30)
    morning = evening.astimezone(CHICAGO).date() + timedelta(days=1)
    over_at = local(morning.year, morning.month, morning.day, *ends_at)
    Offer.objects.filter(pk=offer.pk).update(ends_at=over_at)
    campaign = launched(evening)

    run_all(local(morning.year, morning.month, morning.day, 9))

    assert len(server.received) == (5 if is_sent else 0)
    if not is_sent:
        skipped = set(campaign.messages.values_list("status", "reason"))
        assert skipped == {(Message.Status.SKIPPED, Message.Reason.TOO_LATE)}


@pytest.mark.parametrize(
    ("answer", "reason", "status"),
    [
        ("400:21610", Suppression.Reason.STOPPED, ChannelStatus.UNSUBSCRIBED),
        ("400:21614", Suppression.Reason.INVALID, ChannelStatus.SUPPRESSED),
    ],
)
def test_suppresses_by_the_code(launched, server, guests, answer, reason, status):
    server.answers = [answer]

    campaign = launched()

    (suppression,) = Suppression.objects.all()
    assert (suppression.reason, suppression.source) == (reason, f"twilio {answer.partition(':')[2]}")
    (failed,) = campaign.messages.filter(status=Message.Status.FAILED).select_related("contact")
    assert failed.contact.sms_status == status


def test_stops_the_campaign_where_the_account_is_at_fault(launched, server):
    server.default = "400:21606"

    campaign = launched()

    assert campaign.status == Campaign.Status.PAUSED
    assert "21606" in campaign.pause_reason


def test_adopts_nothing_from_rubbish(server):
    server.default = (201, {}, json.dumps({"status": "queued"}).encode())

    with pytest.raises(TransportError) as caught:
        send(text(is_tracked=True))

    assert caught.value.outcome == Outcome.UNKNOWN
