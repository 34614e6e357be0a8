"""The inbox: texts that wait for somebody, and what is decided about them."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from playwright.sync_api import expect

from contacts.channels import Channel
from contacts.models import ChannelStatus, ConsentEvent, Suppression
from contacts.services import block
from messaging.models import InboundText
from messaging.queries.inbox import waiting_texts
from messaging.services import receive_text
from tests.admin.conftest import LAUNCHED, add_contact, staff_client

NUMBER = "+12175550155"
LIST = reverse("admin:messaging_inboundtext_changelist")


@pytest.fixture
def ben(db):
    return add_contact(phone=NUMBER, first_name="Ben")


def text_from(body: str, *, sid: str = "SM9", sender: str = NUMBER, minutes: int = 0) -> InboundText:
    at = LAUNCHED + timedelta(minutes=minutes)
    receive_text(provider="twilio", provider_id=sid, sender=sender, body=body, at=at)
    return InboundText.objects.get(provider_id=sid)


def page(name: str, text: InboundText) -> str:
    return reverse(f"admin:messaging_inboundtext_{name}", args=[text.pk])


def status(contact) -> str:
    contact.refresh_from_db()
    return contact.sms_status


def test_shows_what_waits_first_and_who_is_paused_before_all(ben, admin_client):
    text_from("STOP", sid="SM1", sender="+12175550101")
    text_from("Open on Monday?", sid="SM2", sender="+12175550102")
    text_from("Can I stop by at 5?", sid="SM3", sender="+12175550103")
    text_from("HELP", sid="SM4", sender="+12175550104")
    text_from("Got a table?", sid="SM5", sender="+12175550105")

    rows = admin_client.get(LIST).context["cl"].result_list
    waiting = admin_client.get(f"{LIST}?read=no").context["cl"].result_list

    assert [row.provider_id for row in rows] == ["SM3", "SM5", "SM2", "SM4", "SM1"]
    assert [row.provider_id for row in waiting] == ["SM3", "SM5", "SM2"]
    assert waiting_texts() == (3, 1)


def test_an_empty_inbox_says_what_it_is(db, admin_client):
    html = admin_client.get(LIST).content.decode()

    assert "No texts came in yet" in html
    assert "what may be one waits for you" in html


def test_shows_a_text_with_who_and_what_was_understood(ben, admin_client):
    text_from("Open on Monday?", sid="SM1")
    text = text_from("Can I stop by at 5?")

    html = admin_client.get(page("change", text)).content.decode()

    assert "Can I stop by at 5?" in html
    assert "Open on Monday?" in html
    assert "…0155" in html
    assert NUMBER not in html
    assert reverse("admin:contacts_contact_change", args=[ben.pk]) in html
    assert "Perhaps they want no more texts" in html
    assert page("no_more", text) in html
    assert page("carry_on", text) in html


def test_a_text_of_nobody_we_know_can_be_decided_too(db, admin_client):
    text = text_from("When does this end?")

    assert "Nobody you know has this number." in admin_client.get(page("change", text)).content.decode()
    admin_client.post(page("no_more", text))

    (suppression,) = Suppression.objects.filter(lifted_at=None)
    assert suppression.reason == Suppression.Reason.STOPPED


def test_takes_them_off_with_the_text_as_evidence(ben, admin_client, admin_user):
    text = text_from("I have had enough of this")

    asked = admin_client.get(page("no_more", text))
    assert "I have had enough of this" in asked.content.decode()
    assert status(ben) == ChannelStatus.SUPPRESSED
    answer = admin_client.post(page("no_more", text), follow=True)

    assert status(ben) == ChannelStatus.UNSUBSCRIBED
    withdrawn = ben.consent_events.get(action=ConsentEvent.Action.REVOKED)
    assert (withdrawn.reference, withdrawn.actor, withdrawn.source) == (f"text {text.pk}", admin_user, "keyword")
    text.refresh_from_db()
    assert text.handled_at is not None
    assert answer.redirect_chain[-1][0] == f"{LIST}?read=no"
    assert "1 text read. They get no more texts." in answer.content.decode()
    assert str(LogEntry.objects.latest("pk").object_repr) == f"Inbound text {text.pk}"


def test_their_start_takes_that_back(ben, admin_client):
    text = text_from("I have had enough of this")
    admin_client.post(page("no_more", text))

    text_from("START", sid="SM10", minutes=60 * 24 * 365)

    assert status(ben) == ChannelStatus.SUBSCRIBED


def test_taking_them_off_twice_does_it_once(ben, admin_client):
    text = text_from("Open on Monday?")
    admin_client.post(page("no_more", text))
    answer = admin_client.post(page("no_more", text), follow=True)

    assert ben.consent_events.filter(action=ConsentEvent.Action.REVOKED).count() == 1
    assert "They had been taken off before." in answer.content.decode()


def test_carries_on(ben, admin_client, admin_user):
    text = text_from("Can I stop by at 5?")
    assert status(ben) == ChannelStatus.SUPPRESSED

    assert "surely no “stop”" in admin_client.get(page("carry_on", text)).content.decode()
    answer = admin_client.post(page("carry_on", text), follow=True)

    assert status(ben) == ChannelStatus.SUBSCRIBED
    pause = Suppression.objects.get()
    assert (pause.lifted_by, pause.lifted_because) == (admin_user, f"text {text.pk} was read")
    assert "1 text read. They get your texts." in answer.content.decode()


def test_carries_on_only_once_every_doubt_is_read(ben, admin_client):
    first, second = text_from("Can I stop by at 5?"), text_from("Or at the end of the day?", sid="SM10")

    admin_client.post(page("carry_on", first))
    assert status(ben) == ChannelStatus.SUPPRESSED
    admin_client.post(page("carry_on", second))

    assert status(ben) == ChannelStatus.SUBSCRIBED


def test_carrying_on_lifts_no_block_of_the_shop(ben, admin_client):
    block(channel=Channel.SMS, address_index=ben.phone_index, reason="Rude to the staff.", at=LAUNCHED)
    text = text_from("Can I stop by at 5?", minutes=1)

    answer = admin_client.post(page("carry_on", text), follow=True)

    assert status(ben) == ChannelStatus.SUPPRESSED
    assert "They get no texts: cannot be reached." in answer.content.decode()


def test_carrying_on_lifts_no_stop(ben, admin_client):
    text = text_from("Can I stop by at 5?")
    text_from("STOP", sid="SM10", minutes=1)

    answer = admin_client.post(page("carry_on", text), follow=True)

    assert status(ben) == ChannelStatus.UNSUBSCRIBED
    assert "Somebody else read this text just now." in answer.content.decode()


@pytest.mark.parametrize("name", ["no_more", "carry_on"])
def test_only_looking_decides_nothing(name, ben):
    text = text_from("Can I stop by at 5?")
    reader = staff_client("messaging.view_inboundtext")
    handler = staff_client("messaging.view_inboundtext", "messaging.change_inboundtext")

    html = reader.get(page("change", text)).content.decode()
    assert page(name, text) not in html
    for call in (reader.get, reader.post):
        assert call(page(name, text)).status_code == 403
    assert status(ben) == ChannelStatus.SUPPRESSED

    assert handler.get(page(name, text)).status_code == 200
    text.refresh_from_db()
    assert text.handled_at is None  # only a POST decides
    assert handler.post(page(name, text)).status_code == 302


@pytest.mark.parametrize("name", ["no-more", "carry-on"])
def test_knows_no_other_texts(name, db, admin_client):
    assert admin_client.post(f"{LIST}4711/{name}/").status_code == 404


def test_marks_several_as_read_but_for_the_doubtful(ben, admin_client):
    texts = [text_from("Open on Monday?", sid="SM1"), text_from("Can I stop by at 5?", sid="SM2")]

    answer = admin_client.post(
        LIST, {"action": "mark_as_read", "_selected_action": [text.pk for text in texts]}, follow=True
    )

    assert "1 text marked as read. 1 may mean stop: open it and decide." in answer.content.decode()
    assert [text.provider_id for text in InboundText.objects.filter(handled_at=None)] == ["SM2"]
    assert status(ben) == ChannelStatus.SUPPRESSED


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_decides_on_a_phone(ben, admin_page):
    text = text_from("Could you stop " + "averylongwordwithoutanyspace" * 5)
    admin_page.set_viewport_size({"width": 390, "height": 844})

    for url in (LIST, page("carry_on", text), page("change", text), page("no_more", text)):
        admin_page.goto(url)
        assert admin_page.evaluate("document.documentElement.scrollWidth") <= 390, url
    admin_page.get_by_role("button", name="They want no more texts").click()

    expect(admin_page.get_by_text("1 text read. They get no more texts.")).to_be_visible()
    assert status(ben) == ChannelStatus.UNSUBSCRIBED


def test_the_dashboard_says_what_waits(ben, admin_client):
    text_from("Open on Monday?", sid="SM1")
    before = admin_client.get(reverse("admin:index")).content.decode()
    text_from("Can I stop by at 5?", sid="SM2")
    after = admin_client.get(reverse("admin:index")).content.decode()

    assert "1 text to read" in before
    assert "2 texts to read" in after
    assert "1 may mean stop: those people get no texts until you decide." in after
    assert f"{LIST}?read=no" in after
