"""Whom a campaign leaves out: asked while it is a draft, frozen at launch, planned without them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db.models import ProtectedError
from django.urls import reverse

from campaigns.models import Campaign
from campaigns.queries import audience_of, audience_size, audience_words, left_out
from campaigns.services import Blocked, Draft, copy_campaign, save_draft
from contacts.channels import Channel
from contacts.models import ConsentEvent, Contact, Segment
from contacts.services import find_or_make_tag, note_redeemed, record_consent
from messaging import services
from messaging.models import Message
from messaging.services import planning

NOON = datetime(2026, 11, 21, 18, tzinfo=UTC)
NEVER = {"match": "all", "rules": [{"field": "redeemed", "op": "never"}]}
LATELY = {"match": "all", "rules": [{"field": "redeemed", "op": "within", "value": 7}]}


@pytest.fixture
def at() -> datetime:
    return NOON


@pytest.fixture
def guests(db) -> list[Contact]:
    made = []
    for number in range(6):
        contact = Contact.objects.create(email=f"guest{number}@example.org")
        record_consent(
            channel=Channel.EMAIL,
            address_index=contact.email_index,
            action=ConsentEvent.Action.GRANTED,
            source=ConsentEvent.Source.FORM,
            at=NOON - timedelta(days=30),
        )
        made.append(contact)
    return made


@pytest.fixture
def vip(guests):
    tag = find_or_make_tag("vip")
    for guest in guests[:4]:
        guest.tags.add(tag)
    return tag


@pytest.fixture
def staff(guests):
    tag = find_or_make_tag("staff")
    guests[3].tags.add(tag)
    guests[4].tags.add(tag)
    return tag


@pytest.fixture
def lately(guests):
    for guest in guests[:2]:
        note_redeemed(guest.pk, at=NOON - timedelta(days=3), order_value=None)
    return Segment.objects.create(name="Were here lately", rules=LATELY)


def draft(**more) -> Campaign:
    return save_draft(Draft(name="Lunch", channel=Channel.EMAIL, subject="s", body="b", **more))


def planned(campaign: Campaign, at: datetime) -> set[int]:
    while services.plan_due(at=at):
        pass
    return set(Message.objects.filter(campaign=campaign).values_list("contact_id", flat=True))


def test_leaves_out_a_segment_and_a_tag(guests, vip, staff, lately, at):
    campaign = draft(tag=vip, exclude_segment=lately, exclude_tag=staff)

    assert audience_size(campaign, at=at) == 1
    services.launch(campaign, at=at)
    assert planned(campaign, at) == {guests[2].pk}


def test_is_frozen_at_launch_whatever_happens_to_the_segment(guests, vip, staff, lately, at):
    campaign = services.launch(draft(tag=vip, exclude_segment=lately, exclude_tag=staff), at=at)
    assert campaign.audience == {
        "include": {"match": "all", "rules": [{"field": "tag", "op": "has", "value": vip.pk}]},
        "exclude": [LATELY, {"match": "all", "rules": [{"field": "tag", "op": "has", "value": staff.pk}]}],
    }

    Segment.objects.update(rules={})
    Campaign.objects.update(exclude_segment=None, exclude_tag=None, tag=None)

    assert planned(campaign, at) == {guests[2].pk}


def test_days_are_counted_from_the_start_in_every_chunk(guests, lately, at, monkeypatch):
    monkeypatch.setattr(planning, "CHUNK", 2)
    campaign = services.launch(draft(exclude_segment=lately), at=at)

    services.plan_due(at=at)
    found = planned(campaign, at + timedelta(days=30))  # the rest is planned when nobody was here lately any more

    assert found == {guest.pk for guest in guests[2:]}


def test_everybody_left_out_is_not_launched(guests, at):
    everybody = Segment.objects.create(name="Everybody", rules={})
    campaign = draft(exclude_segment=everybody)

    with pytest.raises(Blocked, match="Nobody would get this"):
        services.launch(campaign, at=at)


def test_reads_an_audience_of_old(guests, vip, at):
    campaign = draft()
    Campaign.objects.filter(pk=campaign.pk).update(audience={"all": [{"tag": vip.pk}]})
    campaign.refresh_from_db()

    assert audience_size(campaign, at=at) == 4
    assert audience_words(campaign) == "Tagged “vip”"


def test_a_copy_leaves_out_the_same(vip, staff, lately):
    copy = copy_campaign(draft(tag=vip, exclude_segment=lately, exclude_tag=staff))

    assert (copy.exclude_segment, copy.exclude_tag) == (lately, staff)


def test_says_so_in_words_before_and_after(guests, vip, staff, lately, at):
    campaign = draft(segment=Segment.objects.create(name="New faces", rules=NEVER), exclude_segment=lately)
    assert audience_words(campaign) == "Segment “New faces”, without segment “Were here lately”"
    tagged = draft(tag=vip, exclude_segment=lately, exclude_tag=staff)
    assert audience_words(tagged) == "People tagged “vip”, without segment “Were here lately” and people tagged “staff”"

    launched = services.launch(campaign, at=at)

    assert audience_words(launched) == "Never redeemed, without “Redeemed in the last 7 days”"


def test_the_pages_say_so(guests, vip, lately, at, admin_client):
    campaign = draft(tag=vip, exclude_segment=lately)
    review = admin_client.get(reverse("admin:campaigns_campaign_review", args=[campaign.pk])).content.decode()
    services.launch(campaign, at=at)
    report = admin_client.get(reverse("admin:campaigns_campaign_report", args=[campaign.pk])).content.decode()

    assert "without segment “Were here lately”" in review
    assert "Tagged “vip”, without “Redeemed in the last 7 days”" in report


def test_the_form_saves_it(guests, vip, staff, lately, admin_client):
    form = {
        "name": "Typed",
        "channel": "email",
        "subject": "s",
        "body": "b",
        "tag": vip.pk,
        "exclude_segment": lately.pk,
        "exclude_tag": staff.pk,
    }
    admin_client.post(reverse("admin:campaigns_campaign_add"), form)

    campaign = Campaign.objects.get(name="Typed")
    assert (campaign.tag, campaign.exclude_segment, campaign.exclude_tag) == (vip, lately, staff)


def test_the_checklist_counts_without_them(guests, vip, lately, admin_client):
    form = {"name": "x", "channel": "email", "subject": "s", "body": "b", "tag": vip.pk, "exclude_segment": lately.pk}
    facts = admin_client.post(reverse("admin:campaigns_campaign_facts"), form).json()

    assert facts["checks"][0]["title"] == "2 people will get this"


@pytest.mark.parametrize("what", ["segment", "tag"])
def test_what_is_left_out_cannot_be_deleted(what, staff, lately):
    draft(exclude_segment=lately, exclude_tag=staff)

    with pytest.raises(ProtectedError):
        (lately if what == "segment" else staff).delete()


class TestCommand:
    def create(self, capsys, tmp_path, *more):
        body = tmp_path / "body.txt"
        body.write_text("Hello")
        options = ["--name", "x", "--channel", "email", "--subject", "s", "--body-file", str(body), "--json"]
        call_command("campaign", "create", *options, *more)
        return json.loads(capsys.readouterr().out)

    def test_leaves_out(self, capsys, tmp_path, guests, vip, staff, lately):
        answer = self.create(
            capsys, tmp_path, "--tag", "vip", "--exclude-segment", "were here LATELY", "--exclude-tag", "Staff"
        )

        campaign = Campaign.objects.get(pk=answer["id"])
        assert (campaign.exclude_segment, campaign.exclude_tag) == (lately, staff)
        assert audience_of(campaign)["exclude"][0] == LATELY

    @pytest.mark.parametrize("option", ["--exclude-segment", "--exclude-tag"])
    def test_says_that_there_is_none_of_that_name(self, capsys, tmp_path, option, guests):
        with pytest.raises(CommandError, match=r"There is no (segment|tag) 'nothing'"):
            self.create(capsys, tmp_path, "--all", option, "nothing")


def test_tells_why_people_get_nothing(guests, vip, staff, at):
    """Of six who agreed, two are left out, and three more never could get it."""
    Contact.objects.bulk_create(
        Contact(email=f"more{number}@example.org", email_status=status)
        for number, status in enumerate(["unsubscribed", "suppressed", "unsubscribed"])
    )
    everybody = draft(exclude_tag=staff)
    some = draft(tag=vip)

    size = audience_size(everybody, at=at)
    reasons = dict(left_out(everybody, size=size, at=at))
    assert reasons == {"Unsubscribed": 2, "Cannot be reached": 1, "In what you leave out": 2}
    assert size + sum(reasons.values()) == Contact.objects.count()
    assert left_out(some, size=audience_size(some, at=at), at=at) == []


def test_the_review_page_tells_why_people_get_nothing(guests, staff, admin_client):
    campaign = draft(exclude_tag=staff)

    page = admin_client.get(reverse("admin:campaigns_campaign_review", args=[campaign.pk])).content.decode()

    assert "In what you leave out: 2" in page
