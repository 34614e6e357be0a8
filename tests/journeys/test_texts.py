"""Joining, a text, its coupon, the till, and STOP: real HTTP both ways, with a Twilio that plays on this machine."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from twilio.request_validator import RequestValidator

from campaigns.models import Campaign
from campaigns.services import Draft, save_draft
from contacts.channels import Channel
from contacts.fields import keyed_hash
from contacts.models import Business, ConsentEvent, Contact, SignupForm
from messaging import services
from messaging.models import InboundText, Message, ProviderEvent
from messaging.queries.inbox import waiting_texts
from messaging.queries.setup import text_sender
from messaging.services import facts
from messaging.services.reviewing import carry_on
from redemptions.models import Device, Offer
from redemptions.services import create_offer, enrol_device_start
from tests.journeys.test_the_road import Scanner, http
from tests.wire.provider import Provider, Received, provider

MARIA, BEN = "+12175550142", "+12175550143"
SHOP_NUMBER, ACCOUNT, TOKEN = "+12175550100", "AC0123456789", "secret"
FORM = "application/x-www-form-urlencoded"


class Twilio:
    """What Twilio does: it takes texts, reports what became of them, and passes on what people text."""

    def __init__(self, server: Provider, url: str) -> None:
        self.server, self.url = server, url

    def texts_to(self, number: str) -> list[Received]:
        return [call for call in self.server.received if call.method == "POST" and call.form["To"] == number]

    def report(self, call: Received, *statuses: str, code: str = "") -> None:
        """Post reports to the address the text was handed over with."""
        for status in statuses:
            fields = {"MessageSid": call.sid, "MessageStatus": status, "To": call.form["To"], "From": SHOP_NUMBER}
            assert self._post(call.form["StatusCallback"], fields | ({"ErrorCode": code} if code else {})) == (204, "")

    def text(self, sender: str, body: str, **more: str) -> str:
        """Pass a text on; return the answer that would be sent to the person."""
        fields = {"MessageSid": f"SM{uuid.uuid4().hex}", "From": sender, "To": SHOP_NUMBER, "Body": body, **more}
        status, answer = self._post(f"{self.url}/webhooks/twilio/inbound/", fields)
        assert status == 200
        found = re.search(r"<Message>(.*)</Message>", answer)
        return found[1] if found else ""

    def _post(self, url: str, fields: dict[str, str]) -> tuple[int, str]:
        fields = {**fields, "AccountSid": ACCOUNT, "ApiVersion": "2010-04-01"}
        signature = RequestValidator(TOKEN).compute_signature(url, fields)
        body = urlencode(fields).encode()
        status, _, answer = http("POST", url, body, Content_Type=FORM, X_Twilio_Signature=signature)
        return status, answer.decode()


@pytest.fixture
def twilio(settings: Any, live_server: Any) -> Iterator[Twilio]:
    settings.SMS_PROVIDER = "twilio"
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = ACCOUNT, TOKEN
    settings.TWILIO_PHONE_NUMBER = SHOP_NUMBER
    settings.PUBLIC_BASE_URL = live_server.url
    with provider() as server:
        settings.TWILIO_API_URL = server.url
        yield Twilio(server, live_server.url)


@pytest.fixture
def noon() -> datetime:
    """The last noon in Chicago, give or take an hour: the hours of a whole day keep the journey from running."""
    now = datetime.now(UTC)
    today = now.replace(hour=18, minute=0, second=0, microsecond=0)
    return today if today <= now else today - timedelta(days=1)


@pytest.fixture
def shop(transactional_db: None) -> SignupForm:
    """A shop that is set up, and a word to join by."""
    business = Business.load()
    business.postal_address = "1 Elm Street, Springfield, IL 62701"
    business.save()
    facts.note("twilio.registration", True, {"sender": text_sender()}, at=datetime.now(UTC))
    return SignupForm.objects.create(name="Table", slug="table", keyword="LUNCH")


@pytest.fixture
def offer(shop: SignupForm) -> Offer:
    return create_offer(name="20 % off lunch", type=Offer.Type.PERCENT, value=Decimal(20))


def send_all(at: datetime) -> None:
    while services.plan_due(at=at) or services.send_due(clock=lambda: at):
        pass
    services.finish_done(at=at)


def launch(name: str, offer: Offer, at: datetime) -> Campaign:
    body = "Half price tonight — come by, {{ first_name | default: 'friend' }}!"
    campaign = save_draft(Draft(name=name, channel=Channel.SMS, body=body, offer=offer))
    services.launch(campaign, at=at)
    send_all(at)
    campaign.refresh_from_db()
    return campaign


def statuses(campaign: Campaign) -> list[tuple[str, str]]:
    return sorted(campaign.messages.values_list("status", "reason"))


@pytest.mark.django_db(transaction=True)
def test_from_a_word_to_join_by_to_a_stop(
    twilio: Twilio, shop: SignupForm, offer: Offer, noon: datetime, admin_user: Any
) -> None:
    # Two guests text the word on the table, are asked, and say yes.
    for number in (MARIA, BEN):
        assert twilio.text(number, "Lunch!") == ""
    assert services.confirm_due(clock=lambda: noon) == 2
    for number in (MARIA, BEN):
        (question,) = twilio.texts_to(number)
        assert "Reply YES to get our offers by text" in question.form["Body"]
        assert "StatusCallback" not in question.form  # there is no message it would be noted in
        assert "you are on the list" in twilio.text(number, "Yes please")
    assert ConsentEvent.objects.filter(action=ConsentEvent.Action.GRANTED).count() == 2

    # A campaign: each text in one part, with a code of its own, a way out, and an hour by which it must be gone.
    first = launch("Tuesday", offer, noon)
    _, to_maria = twilio.texts_to(MARIA)
    _, to_ben = twilio.texts_to(BEN)
    text = to_maria.form["Body"]
    assert text.startswith("The Corner Bar: Half price tonight - come by, friend! http")
    assert text.endswith(" Reply STOP to opt out")
    assert 0 < int(to_maria.form["ValidityPeriod"]) <= 8 * 3_600
    assert statuses(first) == [("accepted", "")] * 2

    # Reports come late, twice and out of order.
    twilio.report(to_maria, "delivered", "sent", "queued", "delivered")
    twilio.report(to_ben, "undelivered", code="30003")
    twilio.report(to_ben, "sent")
    assert statuses(first) == [("bounced", "not_this_time"), ("delivered", "")]
    assert ProviderEvent.objects.filter(message__campaign=first).count() == 5

    # The link opens the coupon, which is taken at the till once.
    (link,) = re.findall(r"http\S+", text)
    status, _, page = http("GET", link)
    assert status == 200
    assert "20 % off lunch" in page.decode()
    _, enrol_token = enrol_device_start(
        name="Bar phone", location_name="Main St", profile=Device.Profile.SCANNER, at=datetime.now(UTC)
    )
    scanner = Scanner(SimpleNamespace(url=twilio.url), enrol_token)  # type: ignore[arg-type]
    assert scanner.redeem(link, key=uuid.uuid4().hex)[0] == 201
    assert scanner.redeem(link, key=uuid.uuid4().hex)[0] == 409

    # Ben asks something that may be a stop: he is left alone until somebody has read it.
    assert twilio.text(BEN, "Can I stop by at 5?") == ""
    assert waiting_texts() == (1, 1)
    second = launch("Friday", offer, noon + timedelta(days=3))
    assert statuses(second) == [("accepted", "")]
    assert len(twilio.texts_to(BEN)) == 2
    assert carry_on(InboundText.objects.get(meaning="doubt"), actor=admin_user, at=datetime.now(UTC))

    # Maria has had enough, in words of her own; Ben gets the next text, and she none.
    assert twilio.text(MARIA, "Please stop texting me") == ""
    third = launch("Sunday", offer, noon + timedelta(days=5))
    assert statuses(third) == [("accepted", "")]
    assert (len(twilio.texts_to(MARIA)), len(twilio.texts_to(BEN))) == (3, 3)
    maria = Contact.objects.get(phone_index=keyed_hash("sms", MARIA))
    assert maria.sms_status == "unsubscribed"

    # And back by her own word.
    assert twilio.text(MARIA, "START", OptOutType="START") == ""
    maria.refresh_from_db()
    assert maria.sms_status == "subscribed"


@pytest.mark.django_db(transaction=True)
def test_a_text_nobody_answered_for_is_settled_by_its_report(
    twilio: Twilio, shop: SignupForm, offer: Offer, noon: datetime
) -> None:
    """Twilio took it and the line broke: nothing is sent again, and the report finds the row by its address."""
    twilio.text(MARIA, "Lunch")
    services.confirm_due(clock=lambda: noon)
    twilio.text(MARIA, "Yes")
    twilio.server.answers = ["drop"]

    campaign = launch("Tuesday", offer, noon)

    assert statuses(campaign) == [("unknown", "outcome_unknown")]
    _, call = twilio.texts_to(MARIA)
    twilio.report(call, "sent", "delivered")
    assert statuses(campaign) == [("delivered", "")]
    assert Message.objects.get().provider_id == call.sid
    send_all(noon + timedelta(minutes=30))
    assert len(twilio.texts_to(MARIA)) == 2
