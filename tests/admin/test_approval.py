"""A launch to many people waits for a second person, in the one place every launch passes."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Approval, Campaign
from campaigns.queries import approval_of
from campaigns.services import Draft, NeedsApproval, NotPossible, save_draft
from contacts.channels import Channel
from contacts.models import AuditEvent, Business, Role, Segment
from contacts.services import find_or_make_tag
from messaging import services
from messaging.services.starting import start_due
from redemptions.models import Location, Offer
from tests.admin.conftest import add_contact
from tests.admin.test_roles import person

Status = Campaign.Status
SEND = "campaigns.send_campaign"
REVIEW, APPROVE, BACK = "review", "approve", "send_back"


@pytest.fixture
def guests(db):
    Business.load()
    Business.objects.update(
        postal_address="1 Real Street, Springfield", from_email="hello@ouzel-bar.com", approval_above=2
    )
    for name in ("ana", "bo", "cy"):
        add_contact(f"{name}@ouzel-bar.com", first_name=name)


@pytest.fixture
def campaign(guests):
    return write()


@pytest.fixture
def nina(db):
    return person(Role.MARKETER, SEND, name="nina")


@pytest.fixture
def olga(db):
    return person(Role.OWNER, name="olga")


def write(campaign=None, **changes):
    words = {"name": "Quiz", "channel": Channel.EMAIL, "subject": "Quiz night", "body": "Come by.", **changes}
    return save_draft(Draft(**words), campaign=campaign)


def url_of(campaign, page):
    return reverse(f"admin:campaigns_campaign_{page}", args=[campaign.pk])


def browser_of(user):
    client = Client()
    client.force_login(user)
    return client


def press_send(user, campaign, **answers):
    form = {"expected": "3", "when": "now", "spread_hours": "0", **answers}
    return browser_of(user).post(url_of(campaign, REVIEW), form, follow=True)


def status_of(campaign):
    return Campaign.objects.get(pk=campaign.pk).status


# --- Asking ---


def test_waits_until_somebody_else_approves(campaign, nina, olga):
    page = press_send(nina, campaign)

    assert "it waits until somebody else approves it" in page.content.decode()
    assert status_of(campaign) == Status.DRAFT

    browser_of(olga).post(url_of(campaign, APPROVE))

    launched = Campaign.objects.get()
    assert launched.status == Status.SCHEDULED
    assert (launched.launched_by, launched.size_at_launch) == (nina, 3)
    assert launched.starts_at is not None
    assert launched.starts_at > timezone.now()  # it can be undone
    lines = {event.action: (event.actor, event.detail) for event in AuditEvent.objects.all()}
    assert lines["asked"] == (nina, f"campaign {campaign.pk}, 3 people")
    assert lines["approved"] == (olga, f"campaign {campaign.pk}, 3 people")
    assert lines["launched"] == (olga, f"campaign {campaign.pk}, 3 people, asked by user {nina.pk}")


@pytest.mark.parametrize(("limit", "status"), [(None, Status.SCHEDULED), (3, Status.SCHEDULED), (2, Status.DRAFT)])
def test_only_above_the_number(limit, status, campaign, nina):
    Business.objects.update(approval_above=limit)

    press_send(nina, campaign)

    assert status_of(campaign) == status


def test_who_may_approve_sends_alone(campaign, olga):
    press_send(olga, campaign)

    assert status_of(campaign) == Status.SCHEDULED
    assert not Approval.objects.exists()


def test_no_way_around_the_pages(campaign, nina):
    with pytest.raises(NeedsApproval):
        services.launch(campaign, at=timezone.now(), by=nina)

    assert status_of(campaign) == Status.DRAFT
    assert not AuditEvent.objects.filter(action="launched").exists()


def test_keeps_the_time_that_was_asked_for(campaign, nina, olga):
    start = timezone.now() + timedelta(hours=5)
    services.ask_approval(campaign, at=timezone.now(), by=nina, starts_at=start, spread_minutes=60)

    services.approve(campaign, at=timezone.now(), by=olga, earliest=timezone.now())

    launched = Campaign.objects.get()
    assert (launched.starts_at, launched.spread_minutes) == (start, 60)


def test_sends_nothing_at_a_time_nobody_chose(campaign, nina, olga):
    now = timezone.now()
    services.ask_approval(campaign, at=now, by=nina, starts_at=now + timedelta(hours=1))

    with pytest.raises(NotPossible, match="has passed"):
        services.approve(campaign, at=now + timedelta(hours=3), by=olga, earliest=now + timedelta(hours=3))


# --- Who approves ---


def test_nobody_approves_their_own(campaign, nina):
    press_send(nina, campaign)
    nina_with_more = person(Role.OWNER, name="other")
    Approval.objects.update(asked_by=nina_with_more)

    browser_of(nina_with_more).post(url_of(campaign, APPROVE))

    assert status_of(campaign) == Status.DRAFT


def test_not_everybody_approves(campaign, nina):
    press_send(nina, campaign)

    refused = browser_of(person(Role.MARKETER, SEND)).post(url_of(campaign, APPROVE))

    assert refused.status_code == 403
    assert status_of(campaign) == Status.DRAFT


def test_may_approve_without_sending(campaign, nina):
    press_send(nina, campaign)
    second = person(Role.MARKETER, "campaigns.approve_campaign")

    page = browser_of(second).get(url_of(campaign, REVIEW))
    browser_of(second).post(url_of(campaign, APPROVE))

    assert "Approve and send to 3 people" in page.content.decode()
    assert 'name="expected"' not in page.content.decode()
    assert status_of(campaign) == Status.SCHEDULED


def test_sends_back(campaign, nina, olga):
    press_send(nina, campaign)

    browser_of(olga).post(url_of(campaign, BACK))

    assert not Approval.objects.exists()
    assert "Nobody asks" in browser_of(olga).post(url_of(campaign, APPROVE), follow=True).content.decode()
    assert AuditEvent.objects.get(action="sent_back").actor == olga


def test_a_bystander_takes_no_question_away(campaign, nina):
    press_send(nina, campaign)

    assert browser_of(person(Role.MARKETER, SEND)).post(url_of(campaign, BACK)).status_code == 403
    assert Approval.objects.exists()


# --- What was changed since ---


@pytest.mark.parametrize("changes", [{"body": "Come by tonight."}, {"subject": "Quiz!"}, {"utm_campaign": "quiz"}])
def test_other_words_have_to_be_asked_for_anew(changes, campaign, nina, olga):
    press_send(nina, campaign)
    write(campaign, **changes)

    browser_of(olga).post(url_of(campaign, APPROVE))

    assert status_of(campaign) == Status.DRAFT
    assert approval_of(campaign) is None


def test_another_audience_has_to_be_asked_for_anew(campaign, nina, olga):
    segment = Segment.objects.create(name="All", rules={"all": []})
    write(campaign, segment=segment)
    press_send(nina, campaign)
    assert approval_of(Campaign.objects.get()) is not None

    Segment.objects.filter(pk=segment.pk).update(rules={"not": [{"tag": find_or_make_tag("VIP").pk}]})

    browser_of(olga).post(url_of(campaign, APPROVE))
    assert status_of(campaign) == Status.DRAFT


def test_saving_without_a_change_keeps_it(campaign, nina, olga):
    press_send(nina, campaign)
    write(campaign)

    browser_of(olga).post(url_of(campaign, APPROVE))

    assert status_of(campaign) == Status.SCHEDULED


def more_guests(tag=None):
    for number in range(4):
        contact = add_contact(f"more-{number}@ouzel-bar.com")
        if tag:
            contact.tags.add(tag)


def test_a_crowd_that_came_since_has_to_be_asked_for_anew(campaign, nina, olga):
    press_send(nina, campaign)
    more_guests()

    page = browser_of(olga).post(url_of(campaign, APPROVE), follow=True)

    assert "asked for 3 people and would go to 7" in page.content.decode()
    assert status_of(campaign) == Status.DRAFT


@pytest.fixture
def offer(guests):
    return Offer.objects.create(name="A tenth off", value=10)


@pytest.mark.parametrize("change", [{"value": 100}, {"max_uses": 50}, {"terms": "No small print."}, {"ends_at": None}])
def test_another_deal_under_the_same_name_has_to_be_asked_for_anew(change, offer, campaign, nina, olga):
    Offer.objects.update(ends_at=timezone.now() + timedelta(days=9))
    write(campaign, offer=offer)
    press_send(nina, campaign)
    assert approval_of(Campaign.objects.get()) is not None

    Offer.objects.update(**change)
    browser_of(olga).post(url_of(campaign, APPROVE))

    assert status_of(campaign) == Status.DRAFT


def test_a_deal_that_was_only_paused_is_the_same(offer, campaign, nina):
    write(campaign, offer=offer)
    press_send(nina, campaign)

    Offer.objects.update(status=Offer.Status.PAUSED)

    assert approval_of(Campaign.objects.get()) is not None


def test_a_deal_good_elsewhere_is_another_one(offer, campaign, nina):
    write(campaign, offer=offer)
    press_send(nina, campaign)

    offer.locations.add(Location.objects.create(name="The other bar"))

    assert approval_of(Campaign.objects.get()) is None


@pytest.fixture
def undone(campaign, nina, olga):
    """A draft again, which was approved and launched before."""
    press_send(nina, campaign)
    services.approve(campaign, at=timezone.now(), by=olga, earliest=timezone.now() + timedelta(seconds=30))
    return services.take_back(campaign)


def test_an_undone_launch_stays_approved(undone, nina):
    page = browser_of(nina).get(url_of(undone, "change")).content.decode()
    press_send(nina, undone)

    assert "Approved by olga" in page
    assert status_of(undone) == Status.SCHEDULED


def test_an_undone_launch_that_was_changed_is_approved_no_more(undone, nina):
    write(undone, body="Something else.")
    press_send(nina, undone)

    assert status_of(undone) == Status.DRAFT


@pytest.mark.parametrize("later", [{"starts_at": timedelta(days=3)}, {"spread_minutes": 600}])
def test_an_undone_launch_at_another_time_is_approved_no_more(later, undone, nina):
    now = timezone.now()
    when = {key: now + value if key == "starts_at" else value for key, value in later.items()}

    with pytest.raises(NeedsApproval):
        services.launch(undone, at=now, by=nina, **when)


def test_an_undone_launch_to_more_people_is_approved_no_more(undone, nina):
    more_guests()

    with pytest.raises(NeedsApproval):
        services.launch(undone, at=timezone.now(), by=nina)


# --- What became of it between the launch and the start ---


@pytest.fixture
def small(campaign, nina):
    """Launched for tomorrow, to the one person who has the tag."""
    tag = find_or_make_tag("Quiz team")
    add_contact("dee@ouzel-bar.com").tags.add(tag)
    write(campaign, tag=tag)
    return services.launch(campaign, at=timezone.now(), by=nina, starts_at=timezone.now() + timedelta(days=1))


def tomorrow():
    return timezone.now() + timedelta(days=1, minutes=1)


def test_starts_what_stayed_as_small_as_it_was(small):
    assert start_due(at=tomorrow()) == 1
    assert status_of(small) == Status.SENDING


def test_holds_a_small_launch_that_became_a_big_one(small, nina):
    more_guests(small.tag)

    assert start_due(at=tomorrow()) == 0

    held = Campaign.objects.get()
    assert held.status == Status.PAUSED
    assert "more than was agreed to" in held.pause_reason

    services.resume(held, at=tomorrow(), by=nina)
    assert start_due(at=tomorrow()) == 0
    assert status_of(small) == Status.PAUSED


@pytest.mark.parametrize("who", ["somebody who may approve", "the manager on the machine"])
def test_starts_it_at_the_word_of_who_may_approve(who, small, olga):
    more_guests(small.tag)
    start_due(at=tomorrow())

    by = olga if who == "somebody who may approve" else None
    services.resume(Campaign.objects.get(), at=tomorrow(), by=by)

    assert start_due(at=tomorrow()) == 1
    assert Campaign.objects.get().launched_by == by


def test_the_button_says_who_resumed_it(small, nina, olga):
    services.pause(small)
    browser_of(nina).post(url_of(small, "resume"))
    assert Campaign.objects.get().launched_by == nina

    services.pause(small)
    browser_of(olga).post(url_of(small, "resume"))
    assert Campaign.objects.get().launched_by == olga


def test_holds_an_approved_launch_whose_deal_became_another_one(offer, campaign, nina, olga):
    write(campaign, offer=offer)
    services.ask_approval(campaign, at=timezone.now(), by=nina, starts_at=timezone.now() + timedelta(days=1))
    services.approve(campaign, at=timezone.now(), by=olga, earliest=timezone.now())
    Offer.objects.update(value=100)

    assert start_due(at=tomorrow()) == 0
    assert status_of(campaign) == Status.PAUSED


def test_starts_an_approved_launch_as_it_was_approved(offer, campaign, nina, olga):
    write(campaign, offer=offer)
    services.ask_approval(campaign, at=timezone.now(), by=nina, starts_at=timezone.now() + timedelta(days=1))
    services.approve(campaign, at=timezone.now(), by=olga, earliest=timezone.now())

    assert start_due(at=tomorrow()) == 1
    assert status_of(campaign) == Status.SENDING


# --- Where it is seen ---


def test_is_on_the_dashboard_of_those_it_concerns(campaign, nina, olga):
    press_send(nina, campaign)

    def alert(user):
        alerts = browser_of(user).get(reverse("admin:index")).context["dashboard"].alerts
        return next((alert for alert in alerts if "waits for approval" in alert.title), None)

    assert (alert(olga).level, alert(olga).url) == ("warn", url_of(campaign, REVIEW))
    assert (alert(nina).level, alert(nina).url) == ("info", url_of(campaign, "change"))
    assert alert(person(Role.MARKETER)) is None

    write(campaign, body="Changed.")
    assert alert(olga) is None


def test_the_campaign_says_that_it_waits(campaign, nina, olga):
    press_send(nina, campaign)

    own = browser_of(nina).get(url_of(campaign, "change")).content.decode()
    others = browser_of(olga).get(url_of(campaign, "change")).content.decode()

    assert "nina asks to send this to 3 people" in own
    assert "Ask no more" in own
    assert "Look at it, and decide" in others


def test_the_review_says_it_before_anybody_presses(campaign, nina, olga):
    assert "Ask for approval" in browser_of(nina).get(url_of(campaign, REVIEW)).content.decode()
    assert "Ask for approval" not in browser_of(olga).get(url_of(campaign, REVIEW)).content.decode()


# --- The command ---


def run(*args):
    out = StringIO()
    call_command("campaign", *args, "--json", stdout=out, stderr=StringIO())
    return json.loads(out.getvalue())


def test_the_manager_on_the_machine_needs_no_approval(campaign):
    assert run("launch", str(campaign.pk), "--yes")["status"] == Status.SCHEDULED


def test_the_manager_approves(campaign, nina):
    press_send(nina, campaign)

    assert run("approve", str(campaign.pk))["expected"] == 3

    line = AuditEvent.objects.get(action="approved")
    assert (line.actor, line.via) == (None, "command")


def test_the_command_approves_nothing_that_was_not_asked_for(campaign):
    with pytest.raises(CommandError, match="Nobody asks"):
        run("approve", str(campaign.pk))


# --- The rest of what is done with campaigns ---


def test_writes_down_pausing_resuming_and_cancelling(campaign, olga):
    press_send(olga, campaign)
    for page in ("pause", "resume", "cancel"):
        browser_of(olga).post(url_of(campaign, page))

    lines = AuditEvent.objects.filter(actor=olga, detail__startswith=f"campaign {campaign.pk}").order_by("pk")
    assert [line.action for line in lines] == ["launched", "paused", "resumed", "cancelled"]
