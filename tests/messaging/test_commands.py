"""The manager's commands around campaigns: answers in JSON, refusals in one sentence, nothing half done."""

import json
from datetime import datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from campaigns.models import Campaign, Variant
from contacts.channels import Channel
from contacts.fields import keyed_hash
from contacts.models import Segment, Suppression
from contacts.services import find_or_make_tag, suppress
from messaging.models import Message, ProviderSettings, Tally
from messaging.services.control import beat
from tests.messaging.conftest import NOON, run_all
from tests.messaging.ledger import add, begun, states

pytestmark = pytest.mark.django_db


@pytest.fixture
def written(tmp_path):
    def write(body: str, name: str = "body.txt"):
        path = tmp_path / name
        path.write_text(body)
        return path

    return write


def run_json(capsys, *arguments):
    capsys.readouterr()
    call_command(*map(str, arguments), "--json")
    return json.loads(capsys.readouterr().out)


def create(path, *more):
    return [
        "campaign",
        "create",
        "--name",
        "Lunch",
        "--channel",
        "email",
        "--subject",
        "Hi",
        "--body-file",
        path,
        *more,
    ]


def test_creates_a_draft_with_deal_and_audience(capsys, written, guests, offer):
    tag = find_or_make_tag("vip")
    guests[0].tags.add(tag)

    answer = run_json(capsys, *create(written("Hi {{ first_name }}"), "--tag", "VIP", "--offer", offer.pk))

    campaign = Campaign.objects.get(pk=answer["id"])
    assert (campaign.status, campaign.offer, campaign.tag, answer["audience"]) == ("draft", offer, tag, 1)
    assert Variant.objects.get().body == "Hi {{ first_name }}"


def test_a_segment_is_an_audience(capsys, written, guests):
    tag = find_or_make_tag("vip")
    guests[0].tags.add(tag)
    Segment.objects.create(name="Very important", rules={"all": [{"tag": tag.pk}]})

    assert run_json(capsys, *create(written("x"), "--segment", "very important"))["audience"] == 1


@pytest.mark.parametrize(
    ("body", "more", "says"),
    [
        ("Hi {{ frist_name }}", ["--all"], "frist_name.*is not a merge field"),
        ("Hi {{ first_name", ["--all"], "not written right"),
        ("{{ code }}", ["--all"], "needs a deal"),
        ("x", ["--tag", "nobody"], "no tag 'nobody'"),
        ("x", ["--segment", "nothing"], "no segment 'nothing'"),
        ("x", ["--all", "--offer", "77"], "no deal '77'"),
        ("x", ["--all", "--html-file", "missing.html"], "cannot be read"),
        ("x", [], "required"),
        ("x", ["--all", "--tag", "vip"], "not allowed with"),
    ],
)
def test_refuses_a_bad_draft_in_one_sentence_and_keeps_nothing(written, body, more, says):
    with pytest.raises(CommandError, match=says):
        call_command(*map(str, create(written(body), *more)))
    assert not Campaign.objects.exists()


def test_a_text_that_is_too_long_after_merging_is_not_launched(capsys, written, guests):
    body = written("x" * 300)
    draft = run_json(capsys, "campaign", "create", "--name", "L", "--channel", "sms", "--body-file", body, "--all")

    with pytest.raises(CommandError, match="too long"):
        call_command("campaign", "launch", str(draft["id"]), "--yes")
    assert Campaign.objects.get().status == "draft"
    assert not Message.objects.exists()


def test_check_prints_every_line_and_fails_where_one_blocks(capsys, written, db):
    draft = run_json(capsys, *create(written("x"), "--all"))

    with pytest.raises(CommandError, match="cannot be sent yet"):
        call_command("campaign", "check", str(draft["id"]), "--json")
    checks = json.loads(capsys.readouterr().out)
    assert checks["blocked"]
    assert {"level": "block", "title": "Nobody would get this", "field": "tag"}.items() <= checks["checks"][0].items()


def test_launch_asks_where_it_is_not_told_yes(monkeypatch, email_campaign, guests):
    monkeypatch.setattr("builtins.input", lambda question: "no" if "5 people" in question else "yes")

    with pytest.raises(CommandError, match="Nothing was sent"):
        call_command("campaign", "launch", str(email_campaign.pk))
    email_campaign.refresh_from_db()
    assert email_campaign.status == "draft"


def test_status_pause_resume_cancel(capsys, email_campaign, guests, outbox, at):
    launched = run_json(capsys, "campaign", "launch", email_campaign.pk, "--yes")
    assert (launched["status"], launched["audience"]) == ("scheduled", 0)

    assert run_json(capsys, "campaign", "pause", email_campaign.pk)["status"] == "paused"
    assert run_json(capsys, "campaign", "resume", email_campaign.pk)["status"] == "scheduled"
    assert run_json(capsys, "campaign", "cancel", email_campaign.pk)["status"] == "cancelled"
    with pytest.raises(CommandError, match="is cancelled and cannot be resumed"):
        call_command("campaign", "resume", str(email_campaign.pk))


def test_launch_with_yes_starts_at_once(capsys, email_campaign, guests):
    before = timezone.now()

    run_json(capsys, "campaign", "launch", email_campaign.pk, "--yes")

    email_campaign.refresh_from_db()
    assert before <= email_campaign.starts_at <= timezone.now()


def test_launch_without_yes_leaves_time_to_undo(capsys, monkeypatch, email_campaign, guests):
    monkeypatch.setattr("builtins.input", lambda question: "yes")

    call_command("campaign", "launch", str(email_campaign.pk))

    email_campaign.refresh_from_db()
    assert email_campaign.starts_at > timezone.now() + timedelta(seconds=20)
    assert f"campaign undo {email_campaign.pk}" in capsys.readouterr().out
    assert run_json(capsys, "campaign", "undo", email_campaign.pk)["status"] == "draft"
    with pytest.raises(CommandError, match="is a draft already"):
        call_command("campaign", "undo", str(email_campaign.pk))


@pytest.mark.parametrize(("hours", "minutes"), [("0", 0), ("2", 120), ("0.5", 30)])
def test_launch_spreads_over_hours(hours, minutes, capsys, email_campaign, guests):
    run_json(capsys, "campaign", "launch", email_campaign.pk, "--yes", "--spread", hours)

    email_campaign.refresh_from_db()
    assert (email_campaign.spread_minutes, email_campaign.size_at_launch) == (minutes, 5)


@pytest.mark.parametrize("hours", ["-1", "169", "soon", "nan"])
def test_launch_refuses_a_spread_that_makes_no_sense(hours, email_campaign, guests):
    with pytest.raises(CommandError, match=r"not between|not a number"):
        call_command("campaign", "launch", str(email_campaign.pk), "--yes", f"--spread={hours}")
    email_campaign.refresh_from_db()
    assert email_campaign.status == "draft"


def test_check_says_how_many_had_enough(capsys, email_campaign, guests):
    ProviderSettings.objects.update_or_create(channel="email", provider="outbox", defaults={"per_person_day": 1})
    now = timezone.now()
    earlier = begun(email_campaign, at=now)
    add(earlier, guests[0], "accepted", at=now)

    titles = [check["title"] for check in run_json(capsys, "campaign", "check", email_campaign.pk)["checks"]]

    assert "1 person had as many messages lately as one person may get" in titles


def test_status_says_how_it_goes(capsys, email_campaign, guests):
    now = timezone.now()
    campaign = begun(email_campaign, at=now - timedelta(minutes=5))
    for guest, status in zip(guests, ["handed", "claimed", "queued", "accepted", "unknown"], strict=True):
        add(campaign, guest, status, at=now)
    Tally.objects.create(campaign=campaign, at=now - timedelta(seconds=10), sent=60)
    beat(at=now)

    status = run_json(capsys, "campaign", "status", campaign.pk)

    assert status["audience"] == sum(status[state] for state in Message.Status.values) == 5
    assert (status["in_flight"], status["worker_alive"]) == (1, True)
    assert 55 < status["rate_per_minute"] < 75
    assert datetime.fromisoformat(status["expected_finish"]) > now


def test_retries_what_failed(capsys, email_campaign, guests):
    campaign = begun(email_campaign, at=timezone.now())
    add(campaign, guests[0], "failed", at=timezone.now())

    answer = run_json(capsys, "campaign", "retry", campaign.pk)

    assert (answer["retried"], answer["queued"], answer["failed"]) == (1, 1, 0)
    with pytest.raises(CommandError, match="No failed message"):
        call_command("campaign", "retry", str(campaign.pk))


def test_lists_and_settles_what_nobody_knows(capsys, email_campaign, guests):
    campaign = begun(email_campaign, at=timezone.now())
    for guest in guests[:2]:
        add(campaign, guest, "unknown", at=timezone.now())

    call_command("campaign", "unknown", str(campaign.pk))
    words = capsys.readouterr().out
    listed = run_json(capsys, "campaign", "unknown", campaign.pk)
    assert states(campaign) == {"unknown": 2}  # looking changes nothing
    sent = run_json(capsys, "campaign", "unknown", campaign.pk, "--send-anyway")

    assert listed["unknown"] == len(listed["messages"]) == 2
    assert listed["messages"][0]["who"] == "g…@example.org"
    assert "guest0" not in words + json.dumps(listed)
    assert "2 may or may not have arrived" in words
    assert (sent["sent_anyway"], sent["left_out"], states(campaign)) == (2, 0, {"queued": 2})
    with pytest.raises(CommandError, match="None of these"):
        call_command("campaign", "unknown", str(campaign.pk), "--leave")


def test_leaves_what_nobody_knows(capsys, email_campaign, guests):
    campaign = begun(email_campaign, at=timezone.now())
    add(campaign, guests[0], "unknown", at=timezone.now())

    assert run_json(capsys, "campaign", "unknown", campaign.pk, "--leave")["left"] == 1
    assert run_json(capsys, "campaign", "unknown", campaign.pk)["unknown"] == 0
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("campaign", "unknown", str(campaign.pk), "--leave", "--send-anyway")


def test_the_states_of_a_report_add_up_to_the_audience(capsys, planned, outbox, at):
    run_all(at)

    report = run_json(capsys, "report", "campaign", planned.pk)

    assert report["audience"] == sum(report[status] for status in Message.Status.values) == 5
    assert (report["sent"], report["redeemed"]) == (5, 0)


def test_summary_counts_contacts_by_channel(capsys, guests):
    summary = run_json(capsys, "report", "summary")

    assert (summary["contacts"], summary["email_subscribed"], summary["sms_subscribed"]) == (5, 5, 5)


def test_shows_an_address_nobody_has(capsys, db):
    suppress(
        channel=Channel.EMAIL,
        address_index=keyed_hash("email", "gone@example.org"),
        reason=Suppression.Reason.ERASED,
        at=NOON,
    )

    unknown = run_json(capsys, "contact", "show", "nobody@example.org")
    remembered = run_json(capsys, "contact", "show", "Gone@example.org")

    assert (unknown["id"], unknown["email"]["state"], unknown["sms"]["state"]) == (None, "absent", "absent")
    assert (remembered["email"]["state"], remembered["email"]["reason"]) == ("absent", "erased")


def test_a_test_to_no_address_is_refused(email_campaign):
    with pytest.raises(CommandError, match=r"needs exactly one @|not a phone number"):
        call_command("campaign", "test", str(email_campaign.pk), "--to", "nonsense")
