"""Launch, take back, pause, resume, cancel: each means exactly what it says, and no row is lost on the way."""

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns import services as campaigns
from campaigns.models import Campaign
from campaigns.services import Draft, NotPossible, save_draft
from contacts.channels import Channel
from contacts.models import Segment
from contacts.services import find_or_make_tag
from messaging.models import Message
from messaging.services.control import cancel, launch, pause, resume, take_back
from messaging.services.starting import next_start, start_due
from tests.messaging.ledger import CLAIM, add, begun, states

pytestmark = pytest.mark.django_db
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def going(guests, email_campaign, at):
    """One row of every kind a pump may leave, in a campaign on its way."""
    campaign = begun(email_campaign, at=at)
    for guest, status in zip(guests, ["accepted", "handed", "claimed", "queued", "skipped"], strict=True):
        add(campaign, guest, status, at=at, **({"reason": "fewer"} if status == "skipped" else {}))
    return campaign


# --- Launch, and take back ---


def test_a_launch_freezes_question_size_and_spread(guests, email_campaign, at):
    campaign = launch(email_campaign, at=at, spread_minutes=90)

    assert (campaign.size_at_launch, campaign.spread_minutes, campaign.begun_at) == (5, 90, None)
    assert campaign.audience == {"include": {}, "exclude": []}


def test_a_start_that_has_passed_is_now(guests, email_campaign, at):
    assert launch(email_campaign, at=at, starts_at=at - HOUR * 5).starts_at == at
    assert start_due(at=at) == 1


def test_what_has_not_begun_is_a_draft_again_with_its_question_open(guests, offer, at):
    tag = find_or_make_tag("vip")
    guests[0].tags.add(tag)
    segment = Segment.objects.create(name="VIPs", rules={"all": [{"tag": tag.pk}]})
    draft = Draft(name="x", channel=Channel.EMAIL, subject="s", body="b", segment=segment)
    campaign = launch(save_draft(draft), at=at, starts_at=at + 30 * MINUTE, spread_minutes=60)

    campaign = take_back(campaign)

    assert campaign.status == Campaign.Status.DRAFT
    assert (campaign.audience, campaign.starts_at, campaign.launched_at, campaign.launched_by) == (None,) * 4
    assert (campaign.size_at_launch, campaign.spread_minutes) == (None, 0)
    segment.rules = {}
    segment.save()
    assert launch(campaign, at=at).size_at_launch == 5  # the question is asked anew
    save_fails = Draft(name="x", channel=Channel.EMAIL, subject="s", body="other")
    with pytest.raises(NotPossible, match="frozen"):
        save_draft(save_fails, campaign=campaign)


def test_what_was_taken_back_does_not_start(guests, email_campaign, at):
    campaign = launch(email_campaign, at=at, starts_at=at + MINUTE / 2)
    take_back(campaign)

    assert start_due(at=at + MINUTE) == 0
    assert not campaigns.begin(campaign, at=at + MINUTE)
    with pytest.raises(NotPossible, match="is a draft already"):
        take_back(campaign)


@pytest.mark.parametrize("then", ["sending", "paused", "sent", "cancelled"])
def test_what_has_begun_is_never_a_draft_again(then, going, at):
    Campaign.objects.filter(pk=going.pk).update(status=then)

    with pytest.raises(NotPossible, match=f"is {then} and cannot be made a draft again once it has begun"):
        take_back(going)
    assert states(going) == {"accepted": 1, "sending": 2, "queued": 1, "skipped": 1}


def test_a_launch_that_was_put_off_meanwhile_does_not_begin(guests, email_campaign, at):
    stale = launch(email_campaign, at=at)
    take_back(stale)
    launch(email_campaign, at=at, starts_at=at + HOUR)

    assert not campaigns.begin(stale, at=at + MINUTE)


# --- Start ---


def test_a_due_campaign_begins_and_says_when(guests, email_campaign, at):
    campaign = launch(email_campaign, at=at, starts_at=at + HOUR)

    assert (start_due(at=at + HOUR - MINUTE), next_start(at=at)) == (0, at + HOUR)
    assert start_due(at=at + HOUR) == 1
    campaign.refresh_from_db()
    assert (campaign.status, campaign.begun_at) == (Campaign.Status.SENDING, at + HOUR)
    assert next_start(at=at) is None
    assert start_due(at=at + HOUR) == 0


def test_a_start_missed_by_no_more_than_an_hour_is_made_up_for(guests, email_campaign, at):
    launch(email_campaign, at=at)

    assert start_due(at=at + HOUR) == 1


def test_a_start_missed_by_more_than_an_hour_is_held_and_says_when_it_was(guests, email_campaign, at):
    campaign = launch(email_campaign, at=at)  # 12:00 in the shop's zone

    assert start_due(at=at + HOUR + MINUTE) == 0

    campaign.refresh_from_db()
    assert (campaign.status, campaign.begun_at) == (Campaign.Status.PAUSED, None)
    assert "should have started on Saturday, November 21, noon" in campaign.pause_reason
    assert start_due(at=at + 2 * HOUR) == 0
    later = at + 20 * HOUR
    campaign = resume(campaign, at=later)
    assert (campaign.status, campaign.starts_at, campaign.pause_reason) == ("scheduled", later, "")
    assert start_due(at=later) == 1


def test_what_was_held_can_be_a_draft_again(guests, email_campaign, at):
    campaign = launch(email_campaign, at=at)
    start_due(at=at + 2 * HOUR)

    assert take_back(campaign).pause_reason == ""


def test_what_was_paused_on_the_way_is_not_held_for_its_old_start(going, at):
    pause(going)
    resume(going, at=at + 30 * HOUR)

    start_due(at=at + 30 * HOUR)

    going.refresh_from_db()
    assert going.status == Campaign.Status.SENDING


def test_resuming_before_the_start_keeps_the_start(guests, email_campaign, at):
    campaign = launch(email_campaign, at=at, starts_at=at + 24 * HOUR)
    pause(campaign)

    campaign = resume(campaign, at=at + HOUR)

    assert (campaign.status, campaign.starts_at) == (Campaign.Status.SCHEDULED, at + 24 * HOUR)
    assert start_due(at=at + HOUR) == 0


# --- Pause and resume ---


def test_pause_puts_back_what_was_only_claimed(going):
    pause(going, reason="Because")

    assert (going.refresh_from_db(), going.status, going.pause_reason) == (None, "paused", "Because")
    assert states(going) == {"accepted": 1, "sending": 1, "queued": 2, "skipped": 1}
    back = Message.objects.filter(campaign=going, status="queued")
    assert set(back.values_list("claim", "claimed_at", "handed_at")) == {(None, None, None)}
    handed = Message.objects.get(campaign=going, status="sending")
    assert (handed.claim, bool(handed.handed_at)) == (CLAIM, True)


def test_pause_leaves_other_campaigns_alone(going, guests, sms_campaign, at):
    other = begun(sms_campaign, at=at)
    add(other, guests[0], "claimed", at=at)

    pause(going)

    assert states(other) == {"sending": 1}


def test_resume_sends_exactly_the_rest(going, at):
    pending = Message.objects.filter(campaign=going, status__in=Message.PENDING).order_by("pk")
    before = list(pending.values_list("pk", flat=True))
    pause(going)

    resume(going, at=at + HOUR)

    going.refresh_from_db()
    assert (going.status, going.starts_at) == (Campaign.Status.SENDING, at)
    assert list(pending.values_list("pk", flat=True)) == before


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        (pause, pause, "is paused already"),
        (lambda campaign: cancel(campaign, at=timezone.now()), pause, "is cancelled and cannot be paused"),
        (
            lambda campaign: cancel(campaign, at=timezone.now()),
            lambda campaign: resume(campaign, at=timezone.now()),
            "is cancelled and cannot be resumed",
        ),
        (
            lambda campaign: cancel(campaign, at=timezone.now()),
            lambda campaign: cancel(campaign, at=timezone.now()),
            "is cancelled already",
        ),
        (lambda campaign: None, lambda campaign: resume(campaign, at=timezone.now()), "is sending and cannot be"),
    ],
)
def test_a_press_on_a_stale_page_says_how_things_are(first, second, says, going):
    first(going)

    with pytest.raises(NotPossible, match=says):
        second(going)


def test_a_paused_campaign_is_not_finished(going, at):
    pause(going)

    assert not campaigns.finish(going, at=at)


def test_a_press_after_the_deletion_says_so(guests, email_campaign, at):
    Campaign.objects.filter(pk=email_campaign.pk).delete()

    with pytest.raises(NotPossible, match="was deleted"):
        pause(email_campaign)


# --- Cancel ---


def test_cancel_takes_all_but_what_was_handed_over(going, at):
    cancel(going, at=at)

    assert states(going) == {"accepted": 1, "sending": 1, "cancelled": 2, "skipped": 1}
    gone = Message.objects.filter(campaign=going, status="cancelled")
    assert set(gone.values_list("claim", "claimed_at", "status_at")) == {(None, None, at)}


def test_cancel_goes_on_over_many_chunks(going, guests, at, monkeypatch):
    monkeypatch.setattr("messaging.services.control.CHUNK", 2)
    for _ in range(7):
        add(going, None, "queued", at=at)

    cancel(going, at=at)

    assert states(going) == {"accepted": 1, "sending": 1, "cancelled": 9, "skipped": 1}


def test_cancel_before_the_start_leaves_nothing(guests, email_campaign, at):
    campaign = launch(email_campaign, at=at, starts_at=at + HOUR)

    cancel(campaign, at=at)

    assert start_due(at=at + HOUR) == 0
    assert states(campaign) == {}
