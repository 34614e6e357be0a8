"""When a campaign is stopped, what it says, and when it is not stopped again."""

from __future__ import annotations

import pytest
from django.utils.translation import override

from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.sentences import said
from messaging.incoming import Verdict
from messaging.models import Fact, Message
from messaging.services import alarms, pause, resume
from messaging.services.alarms import alarms_of, look_at
from messaging.services.events import take_in
from tests.messaging.conftest import add_guest
from tests.messaging.events.conftest import AT, new_campaign, report, sent

pytestmark = pytest.mark.django_db
BAD = {
    "hard": ("bounced", "no_such_address"),
    "sender": ("bounced", "senders_fault"),
    "soft": ("bounced", "not_this_time"),
    "complaint": ("complained", ""),
    "good": ("delivered", ""),
    "waiting": ("queued", ""),
    "skipped": ("skipped", "unsubscribed"),
}


def fill(campaign: Campaign, **counts: int) -> None:
    """Add so many messages of each fate; people do not matter here."""
    variant = campaign.variants.get()
    Message.objects.bulk_create(
        Message(
            campaign=campaign,
            variant=variant,
            channel=campaign.channel,
            status=BAD[kind][0],
            reason=BAD[kind][1],
            handed_at=AT,
        )
        for kind, count in counts.items()
        for _ in range(count)
    )


def look(campaign: Campaign) -> tuple[str, str]:
    look_at(campaign, at=AT)
    campaign.refresh_from_db()
    return campaign.status, campaign.pause_reason


def level(campaign: Campaign) -> str:
    fact = Fact.objects.filter(pk=f"alarm.campaign.{campaign.pk}").first()
    return fact.detail["level"] if fact else ""


@pytest.mark.parametrize(
    ("counts", "status", "says"),
    [
        ({"hard": 8, "good": 92}, "sending", ""),  # 8 %, and too few to say anything
        ({"hard": 9, "good": 1}, "sending", ""),
        ({"hard": 10, "good": 90}, "paused", "stop"),
        ({"hard": 10, "good": 115}, "paused", "stop"),
        ({"hard": 10, "good": 116}, "sending", "warn"),
        ({"hard": 10, "good": 240}, "sending", "warn"),
        ({"hard": 10, "good": 241}, "sending", ""),
        ({"hard": 10, "good": 115, "waiting": 300, "skipped": 100}, "paused", "stop"),
        ({"soft": 100, "good": 10}, "sending", ""),
        ({"complaint": 1, "good": 9}, "sending", ""),
        ({"complaint": 2, "good": 100}, "sending", "warn"),
        ({"complaint": 3, "good": 100}, "paused", "stop"),
        ({"sender": 4, "good": 1}, "sending", ""),
        ({"sender": 5, "good": 245}, "paused", "stop"),
        ({"sender": 5, "good": 246}, "sending", ""),
    ],
)
def test_the_levels(counts, status, says, campaign):
    fill(campaign, **counts)

    assert (look(campaign)[0], level(campaign)) == (status, says)


@pytest.mark.parametrize(
    ("level", "count", "of", "is_reached"),
    [
        (alarms.COMPLAINTS, 3, 3000, True),
        (alarms.COMPLAINTS, 3, 3001, False),
        (alarms.COMPLAINTS, 30, 30_000, True),
        (alarms.COMPLAINTS_WARN, 2, 2500, True),
        (alarms.COMPLAINTS_WARN, 2, 2501, False),
        (alarms.HARD, 80, 1000, True),
        (alarms.HARD, 79, 1000, False),
        (alarms.HARD_WARN, 40, 1000, True),
        (alarms.HARD_WARN, 39, 1000, False),
    ],
)
def test_the_levels_of_large_campaigns(level, count, of, is_reached):
    assert level.is_reached(count, of) is is_reached


def test_it_says_why_in_plain_words(campaign):
    fill(campaign, hard=12, good=88)

    reason = look(campaign)[1]

    assert reason.startswith("12 of 100 mails came back because the address does not work.")
    assert len(reason) <= 200


@pytest.mark.parametrize(
    "counts",
    [{"hard": 90_000, "good": 10_000}, {"complaint": 90_000, "good": 9_999}, {"sender": 90_000, "good": 9_999}],
)
def test_the_words_fit(counts, campaign):
    of = {key: count // 1000 for key, count in counts.items()}
    fill(campaign, **of)
    (alarm, *_) = alarms_of(campaign)

    assert len(alarm.words) + 8 <= 200  # with numbers that are longer by some signs


def test_a_code_is_named_where_the_sender_is_at_fault(campaign, guest):
    message = sent(campaign, guest)
    fill(campaign, sender=4)

    take_in("sendgrid", [report(message, "bounced", Verdict.SENDER, code="5.7.26")], at=AT)

    campaign.refresh_from_db()
    assert campaign.status == "paused"
    assert "(code 5.7.26)" in campaign.pause_reason


def test_what_somebody_resumed_is_stopped_again_only_when_it_grew_by_half(campaign):
    fill(campaign, hard=10, good=50)
    assert look(campaign)[0] == "paused"

    resume(campaign, at=AT)
    fill(campaign, hard=4)
    assert look(campaign)[0] == "sending"
    fill(campaign, hard=1)
    assert look(campaign)[0] == "paused"


def test_what_came_back_during_the_pause_was_seen_by_whoever_resumed(campaign):
    fill(campaign, hard=10, good=50)
    look(campaign)
    fill(campaign, hard=10)
    look(campaign)

    resume(campaign, at=AT)
    fill(campaign, hard=9)
    assert look(campaign)[0] == "sending"
    fill(campaign, hard=1)
    assert look(campaign)[0] == "paused"


def test_another_reason_stops_it_at_once(campaign):
    fill(campaign, hard=10, good=50)
    look(campaign)
    resume(campaign, at=AT)

    fill(campaign, complaint=3)

    assert look(campaign)[0] == "paused"
    assert "marked this mail as spam" in campaign.pause_reason


def test_a_campaign_that_is_done_is_marked_and_nothing_breaks(campaign):
    Campaign.objects.update(status="sent", finished_at=AT)
    fill(campaign, hard=10, good=50)

    assert look(campaign)[0] == "sent"
    assert level(campaign) == "stop"


def test_a_pause_by_hand_keeps_its_own_reason(campaign):
    pause(campaign, reason="Wrong day")
    fill(campaign, hard=10, good=50)

    assert look(campaign) == ("paused", "Wrong day")


# --- Texts ------------------------------------------------------------------------------------------------------------


def texts(offer, guest, codes: dict[str, int], good: int = 0) -> Campaign:
    """Return a text campaign with so many failures of each code."""
    campaign = new_campaign(offer, Channel.SMS)
    fill(campaign, good=good)
    number = 100
    for code, count in codes.items():
        for _ in range(count):
            number += 1
            text = sent(campaign, add_guest(number), provider="twilio", provider_id=f"SM{number}")
            take_in("twilio", [report(text, "failed", Verdict.SENDER, code=code)], at=AT)
    campaign.refresh_from_db()
    return campaign


@pytest.mark.parametrize("code", ["30002", "30032", "30033", "30034", "30035"])
def test_where_the_account_is_refused_all_texts_stop(code, offer, guest):
    other = new_campaign(offer, Channel.SMS)
    mails = new_campaign(offer)

    campaign = texts(offer, guest, {code: 1}, good=500)

    other.refresh_from_db()
    mails.refresh_from_db()
    assert (campaign.status, other.status, mails.status) == ("paused", "paused", "sending")
    assert code in campaign.pause_reason
    assert len(campaign.pause_reason) <= 200


@pytest.mark.parametrize(
    ("codes", "good", "status"),
    [
        ({"30007": 2}, 0, "sending"),
        ({"30007": 3}, 147, "paused"),
        ({"30007": 3}, 148, "sending"),
        ({"30023": 1}, 500, "paused"),
        ({"30027": 1}, 500, "paused"),
        ({"30022": 1}, 500, "paused"),
        ({"30450": 1}, 500, "paused"),
        ({"30999": 4}, 0, "sending"),
    ],
)
def test_what_carriers_refuse(codes, good, status, offer, guest):
    campaign = texts(offer, guest, codes, good)

    assert campaign.status == status
    assert len(campaign.pause_reason) <= 200


def test_keeps_why_in_english_and_says_it_in_the_readers_language(campaign):
    fill(campaign, hard=20, good=80)

    with override("es"):
        status, why = look(campaign)
        shown = said(why)

    assert (status, why[:60]) == ("paused", "20 of 100 mails came back because the address does not work.")
    assert shown.startswith("20 de 100 correos regresaron porque la dirección no funciona.")
    assert said(why) == why
