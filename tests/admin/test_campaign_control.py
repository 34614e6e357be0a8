"""The buttons of a campaign on its way: undo, pause, resume, cancel, try again, decide. The states add up, always."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.models import AuditEvent, ConsentEvent, Contact
from contacts.services import unsubscribe
from messaging.models import Heartbeat, Message, ProviderSettings
from messaging.services import facts
from messaging.services.settling import settle_unknown
from messaging.services.starting import start_due
from tests.admin.conftest import add_contact, staff_client, write_draft
from tests.messaging.ledger import add, begun, states

pytestmark = pytest.mark.django_db


def url(page, campaign):
    return reverse(f"admin:campaigns_campaign_{page}", args=[campaign.pk])


def press(client, page, campaign, **data):
    """Press a button; return what the page says then."""
    response = client.post(url(page, campaign), data, follow=True)
    return " ".join(str(message) for message in response.context["messages"])


@pytest.fixture
def people():
    return [add_contact(f"guest{number}@example.org") for number in range(6)]


@pytest.fixture
def draft(people):
    Heartbeat.objects.create(name="clock", at=timezone.now())
    return write_draft()


@pytest.fixture
def going(draft, people):
    """A campaign on its way, one of each: sent, handed over, claimed, waiting, failed, not known."""
    at = timezone.now() - timedelta(minutes=1)
    campaign = begun(draft, at=at)
    for person, status in zip(people, ["accepted", "handed", "claimed", "queued", "failed", "unknown"], strict=True):
        add(campaign, person, status, at=at)
    return campaign


# --- The sum ---


class Numbers(HTMLParser):
    """Reads the numbers a page shows by their keys."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: dict[str, int] = {}
        self._key: str | None = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self._key = dict(attrs).get("data-number") or self._key  # a number may be a link

    def handle_data(self, data):
        if self._key and data.strip():
            self.found[self._key] = int(data.replace(",", ""))
            self._key = None


def check_the_sum(client, campaign, capsys):
    """Page, poll, command and report: each says the same audience, and the sum of its states is it."""
    rows = Message.objects.filter(campaign=campaign).count()
    statuses = Message.Status.values
    poll = client.get(url("progress", campaign)).json()
    capsys.readouterr()
    call_command("campaign", "status", str(campaign.pk), "--json")
    command = json.loads(capsys.readouterr().out)
    call_command("report", "campaign", str(campaign.pk), "--json")
    report = json.loads(capsys.readouterr().out)
    page = Numbers(client.get(url("change", campaign)).content.decode()).found
    shown = Numbers(client.get(url("report", campaign)).content.decode()).found

    assert poll["audience"] == sum(poll["numbers"][status] for status in statuses) == rows
    assert sum(int(number["text"].replace(",", "")) for number in poll["shown"]) == rows
    assert command["audience"] == sum(command[status] for status in statuses) == rows
    assert report["audience"] == sum(report[status] for status in statuses) == rows
    if campaign.__class__.objects.get(pk=campaign.pk).status != "draft":
        assert page["audience"] == sum(page.get(status, 0) for status in statuses) == rows
    assert sum(shown.get(status, 0) for status in statuses) == rows


def test_the_states_add_up_to_the_audience_at_every_step(draft, people, admin_client, capsys):
    def check():
        check_the_sum(admin_client, draft, capsys)

    check()
    for page, data in (
        ("review", {"when": "now", "expected": "6"}),
        ("undo", {}),
        ("review", {"when": "now", "expected": "6"}),
    ):
        press(admin_client, page, draft, **data)
        check()
    at = timezone.now() + timedelta(minutes=1)
    assert start_due(at=at) == 1
    Campaign.objects.filter(pk=draft.pk).update(planned_at=at)
    statuses = ["accepted", "handed", "claimed", "failed", "unknown", "unknown"]
    rows = [add(draft, person, status, at=at) for person, status in zip(people, statuses, strict=True)]
    check()
    presses: list[tuple[str, dict[str, object]]] = [
        ("pause", {}),
        ("resume", {}),
        ("retry", {}),
        ("unknown", {"do": "send-ticked", "id": rows[4].pk}),
        ("unknown", {"do": "leave-all"}),
    ]
    for page, more in presses:
        press(admin_client, page, draft, **more)
        check()
    assert settle_unknown(rows[5].reference, provider_id="p", at=at)
    check()
    press(admin_client, "cancel", draft)
    check()
    assert states(draft) == {"accepted": 2, "sending": 1, "cancelled": 3}


# --- Undo ---


def test_offers_to_undo_while_it_counts_down(draft, admin_client, admin_user):
    press(admin_client, "review", draft, when="now", expected="6")

    draft.refresh_from_db()
    page = admin_client.get(url("change", draft)).content.decode()
    assert timedelta(seconds=15) < draft.starts_at - timezone.now() <= timedelta(seconds=30)
    assert re.search(r'data-countdown="(1[5-9]|2\d|30)"', page)
    assert ">Undo</button>" in page
    assert "Back to draft" not in page

    assert "it is a draft again" in press(admin_client, "undo", draft)
    draft.refresh_from_db()
    assert (draft.status, draft.audience, draft.size_at_launch) == (Campaign.Status.DRAFT, None, None)
    assert "Undone" in admin_user.logentry_set.latest("pk").get_change_message()


def test_starts_at_once_where_there_is_no_time_to_undo(draft, admin_client, settings):
    settings.LAUNCH_UNDO_S = 0

    says = press(admin_client, "review", draft, when="now", expected="6")

    draft.refresh_from_db()
    assert "On its way to 6 people" in says
    assert draft.starts_at <= timezone.now()


def test_takes_a_scheduled_campaign_back(draft, admin_client):
    day = timezone.now().date() + timedelta(days=9)
    press(admin_client, "review", draft, when="later", starts_at=f"{day}T12:00", expected="6")
    page = admin_client.get(url("change", draft)).content.decode()

    press(admin_client, "undo", draft)

    draft.refresh_from_db()
    assert ">Back to draft</button>" in page
    assert "data-countdown" not in page
    assert draft.status == Campaign.Status.DRAFT


def test_says_that_it_is_too_late_to_undo(going, admin_client):
    assert "is sending and cannot be made a draft again" in press(admin_client, "undo", going)
    assert ">Undo</button>" not in admin_client.get(url("change", going)).content.decode()


# --- Spread ---


@pytest.mark.parametrize(("hours", "minutes"), [("", 0), ("0", 0), ("3", 180), ("168", 10080)])
def test_spreads_over_hours(hours, minutes, draft, admin_client):
    press(admin_client, "review", draft, when="now", expected="6", spread_hours=hours)

    draft.refresh_from_db()
    assert (draft.status, draft.spread_minutes, draft.size_at_launch) == ("scheduled", minutes, 6)
    page = admin_client.get(url("change", draft)).content.decode()
    assert (f"<dd>{hours} hours</dd>" in page) is bool(minutes)


@pytest.mark.parametrize("hours", ["-1", "169", "a lot"])
def test_refuses_a_spread_that_makes_no_sense(hours, draft, admin_client):
    admin_client.post(url("review", draft), {"when": "now", "expected": "6", "spread_hours": hours})

    draft.refresh_from_db()
    assert draft.status == Campaign.Status.DRAFT


# --- Pause, resume, cancel ---


def test_says_where_it_paused_and_what_is_on_its_way(going, admin_client):
    assert press(admin_client, "pause", going) == "Paused at 3 of 6. 1 on its way is finished."
    assert states(going) == {"accepted": 1, "sending": 1, "queued": 2, "failed": 1, "unknown": 1}
    assert press(admin_client, "resume", going) == "Resumed: it goes on with exactly the rest, 2 people."
    assert "1 of 6 were sent. 1 on its way is finished." in press(admin_client, "cancel", going)


def test_says_when_a_paused_schedule_starts(draft, admin_client):
    day = timezone.now().date() + timedelta(days=9)
    press(admin_client, "review", draft, when="later", starts_at=f"{day}T12:00", expected="6")

    assert press(admin_client, "pause", draft) == "Paused before it started."
    assert press(admin_client, "resume", draft).endswith(", noon.")


def test_asks_about_a_start_that_was_missed(draft, admin_client):
    press(admin_client, "review", draft, when="now", expected="6")
    Campaign.objects.update(starts_at=timezone.now() - timedelta(hours=2))
    start_due(at=timezone.now())

    page = admin_client.get(url("change", draft)).content.decode()

    assert "It should have started on" in page
    assert ">Resume</button>" in page
    assert ">Back to draft</button>" in page
    assert press(admin_client, "resume", draft) == "Resumed: it starts now."


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("pause", "This campaign is cancelled and cannot be paused."),
        ("resume", "This campaign is cancelled and cannot be resumed."),
        ("cancel", "This campaign is cancelled already."),
        ("undo", "This campaign is cancelled and cannot be made a draft again once it has begun."),
        ("retry", "This campaign is cancelled and cannot be sent again."),
    ],
)
def test_says_how_things_are_where_the_page_was_old(page, says, going, admin_client):
    press(admin_client, "cancel", going)
    before = states(going)

    assert press(admin_client, page, going) == says
    assert states(going) == before


# --- The live page ---


def test_raises_an_alarm_where_the_worker_is_silent(going, admin_client):
    assert admin_client.get(url("progress", going)).json()["alarm"] == ""
    Heartbeat.objects.update(at=timezone.now() - timedelta(minutes=4))

    assert "has not been heard" in admin_client.get(url("progress", going)).json()["alarm"]
    assert "has not been heard" in admin_client.get(url("change", going)).content.decode()
    press(admin_client, "pause", going)
    assert admin_client.get(url("progress", going)).json()["alarm"] == ""


def test_tells_what_is_on_its_way_right_now(going, admin_client):
    assert admin_client.get(url("progress", going)).json()["pace"] == "1 on its way right now"


def test_asks_few_questions_for_each_look(going, admin_client):
    admin_client.get(url("progress", going))
    with CaptureQueriesContext(connection) as asked:
        admin_client.get(url("progress", going))

    assert len(asked) <= 17, [query["sql"] for query in asked]


# --- Failed and unknown ones ---


def test_tries_failed_ones_again(going, admin_client, admin_user):
    assert "1 failed message can be tried again." in admin_client.get(url("change", going)).content.decode()

    assert press(admin_client, "retry", going) == "1 failed message is tried again."

    assert states(going) == {"accepted": 1, "sending": 2, "queued": 2, "unknown": 1}
    assert "tried again" in admin_user.logentry_set.latest("pk").get_change_message()
    assert "can be tried again" not in admin_client.get(url("change", going)).content.decode()
    assert press(admin_client, "retry", going) == "No failed message of this campaign can be tried again."


@pytest.mark.parametrize(
    ("page", "data", "detail"),
    [
        ("retry", {}, "1 failed messages once more"),
        ("unknown", {"do": "send-all"}, "1 of unknown outcome once more"),
    ],
)
def test_writes_down_who_sent_once_more(page, data, detail, going, admin_client, admin_user):
    press(admin_client, page, going, **data)

    line = AuditEvent.objects.get(action="resumed")
    assert (line.actor, line.via, line.address) == (admin_user, "admin", "127.0.0.0/24")
    assert line.detail == f"campaign {going.pk}, {detail}"


@pytest.mark.parametrize(("page", "data"), [("retry", {}), ("unknown", {"do": "send-all"})])
def test_writes_nothing_down_where_nothing_is_sent_once_more(page, data, going, admin_client):
    press(admin_client, "cancel", going)

    press(admin_client, page, going, **data)

    assert not AuditEvent.objects.filter(action="resumed").exists()


def test_writes_down_what_the_command_tries_again(going):
    call_command("campaign", "retry", str(going.pk))

    line = AuditEvent.objects.get(action="resumed")
    assert (line.actor, line.via, line.address) == (None, "command", "")
    assert line.detail == f"campaign {going.pk}, 1 failed messages once more"


def test_lists_what_nobody_knows_without_addresses(going, admin_client):
    page = admin_client.get(url("unknown", going)).content.decode()

    assert "g…@example.org" in page
    assert "guest5@example.org" not in page
    assert "The provider did not answer" in page
    assert "1 message</strong>" not in page
    assert "1 message may or may not have arrived." in page
    assert "Decide" in admin_client.get(url("change", going)).content.decode()


def test_sends_anyway_at_a_word(going, people, admin_client, admin_user):
    unknown = Message.objects.get(campaign=going, status="unknown")

    says = press(admin_client, "unknown", going, do="send-ticked", id=unknown.pk)

    assert says == "It is sent once more to 1 person."
    assert states(going) == {"accepted": 1, "sending": 2, "queued": 2, "failed": 1}
    assert "once more to 1 person" in admin_user.logentry_set.latest("pk").get_change_message()


def test_sends_nothing_to_those_who_left(going, people, admin_client):
    unsubscribe(
        channel=Channel.EMAIL,
        address_index=people[5].email_index,
        source=ConsentEvent.Source.ONE_CLICK,
        at=timezone.now(),
    )

    assert "none of them agrees" in press(admin_client, "unknown", going, do="send-all")
    assert states(going)["unknown"] == 1


def test_leaves_them(going, admin_client):
    assert "1 message stays as not known" in press(admin_client, "unknown", going, do="leave-all")
    assert Message.objects.get(campaign=going, status="unknown").reason == "left"
    assert "Nothing waits for your word" in admin_client.get(url("unknown", going)).content.decode()
    assert "None of these messages" in press(admin_client, "unknown", going, do="send-all")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"do": "send-ticked"},
        {"do": "burn-all"},
        {"do": "send-ticked", "id": "9" * 40},
        {"do": "leave-ticked", "id": "x"},
    ],
)
def test_does_nothing_where_nothing_is_ticked(data, going, admin_client):
    assert "tick the messages first" in press(admin_client, "unknown", going, **data)
    assert states(going)["unknown"] == 1


def test_shows_the_list_to_those_who_may_only_look(going):
    looker = staff_client("campaigns.view_campaign", "contacts.view_contact")

    page = looker.get(url("unknown", going)).content.decode()

    assert "g…@example.org" in page
    assert "Send all" not in page
    assert looker.post(url("unknown", going), {"do": "leave-all"}).status_code == 403
    assert states(going)["unknown"] == 1


def test_shows_a_hundred_to_a_page(going, admin_client):
    at = timezone.now()
    for _ in range(120):
        add(going, None, "unknown", at=at)

    first = admin_client.get(url("unknown", going)).content.decode()
    second = admin_client.get(url("unknown", going), {"page": "2"}).content.decode()

    assert (first.count('name="id"'), second.count('name="id"')) == (100, 21)
    assert "121 messages may or may not have arrived." in first
    assert "(erased)" in second
    assert admin_client.get(url("unknown", going), {"page": "99999999999999999999999"}).status_code == 200


# --- Too often ---


def test_says_how_many_had_enough_already(going, people, admin_client):
    ProviderSettings.objects.update_or_create(channel="email", provider="outbox", defaults={"per_person_day": 1})
    second = write_draft("Second")

    page = admin_client.get(url("review", second)).content.decode()

    # accepted, handed over, unknown; the one that failed got nothing
    assert "3 people had as many messages lately as one person may get" in page
    assert Contact.objects.count() == 6


def test_the_page_says_what_guests_and_providers_hold_against_a_campaign(admin_client, going):
    facts.note(f"alarm.campaign.{going.pk}", False, {"words": "12 of 200 mails came back."}, at=timezone.now())
    page = reverse("admin:campaigns_campaign_change", args=[going.pk])

    assert "12 of 200 mails came back." in admin_client.get(page).content.decode()
    Campaign.objects.filter(pk=going.pk).update(status="paused", pause_reason="15 of 200 mails came back.")

    text = admin_client.get(page).content.decode()
    assert "15 of 200 mails came back." in text
    assert "12 of 200" not in text
