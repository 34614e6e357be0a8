"""The question itself: the shop's words alone, handed over once, whatever the provider does."""

import email
import email.policy
import re
from datetime import timedelta

import pytest

from campaigns import sms
from contacts.channels import Channel
from contacts.models import Business, ChannelStatus, Confirmation, ConsentEvent, Contact, SignupForm, Suppression
from contacts.services import signup, suppress
from messaging import tasks
from messaging.models import Pace
from messaging.services import PumpRun, confirm_due, confirming
from messaging.transports import Outcome, TransportError
from redemptions.models import Code, Offer, WelcomeDeal
from tests.messaging.conftest import NOON

ADDRESS = "nina@example.org"
STRANGERS_WORDS = "Claim your prize"


@pytest.fixture
def form(db, outbox) -> SignupForm:
    return SignupForm.objects.create(name="Table", slug="table", asks_phone=True)


def ask(form, addresses=None, at=NOON) -> Confirmation:
    signup.request(
        form=form,
        addresses=addresses or {Channel.EMAIL: ADDRESS},
        source=ConsentEvent.Source.FORM,
        at=at,
        details={"first_name": STRANGERS_WORDS, "last_name": STRANGERS_WORDS},
    )
    return Confirmation.objects.latest("pk")


def send(at=NOON) -> int:
    return confirm_due(clock=lambda: at)


def mails(outbox) -> list:
    paths = sorted((outbox / "email").glob("*.eml"))
    return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in paths]


def texts(outbox) -> list[str]:
    return [path.read_text() for path in sorted((outbox / "sms").glob("*.txt"))]


def test_asks_in_the_shops_words_alone(form, outbox):
    ask(form)
    send()

    (mail,) = mails(outbox)
    parts = [mail.get_body((kind,)).get_content() for kind in ("plain", "html")]
    assert mail["To"] == ADDRESS
    assert mail["Subject"] == "Please confirm: news from The Corner Bar"
    for part in parts:
        assert re.search(r"http://testserver/join/confirm/[\w-]{38}", part)
        assert "12 Main Street" in part
        assert "Do nothing" in part
        assert form.email_wording in part
    assert STRANGERS_WORDS not in mail.as_string() + "".join(parts)
    assert ADDRESS not in "".join(parts)
    assert mail["List-Unsubscribe"] is None


def test_the_link_in_the_mail_confirms(form, outbox, client):
    ask(form)
    send()
    link = re.search(r"/join/confirm/[\w-]+", mails(outbox)[0].get_body(("plain",)).get_content()).group()
    Confirmation.objects.update(expires_at=NOON + timedelta(days=9999))

    assert client.post(link).status_code == 200
    assert Contact.objects.get().email_status == ChannelStatus.SUBSCRIBED


def test_asks_by_text_in_one_part(form, outbox):
    ask(form, {Channel.SMS: "217 555 0123"})
    send()

    (text,) = texts(outbox)
    assert text.startswith("To: +12175550123")
    for words in ("The Corner Bar", "YES", "STOP", "HELP", "Msg&data rates may apply"):
        assert words in text
    assert "http" not in text
    assert STRANGERS_WORDS not in text
    assert sms.measure(confirming.text_of(Business(name="A" * 37))).parts == 1


def test_sends_once(form, outbox):
    confirmation = ask(form)

    assert send() == 1
    assert send() == 0

    confirmation.refresh_from_db()
    assert (confirmation.handed_at, confirmation.sent_at) == (NOON, NOON)
    assert len(mails(outbox)) == 1


def test_the_worker_sends_it_before_campaigns(form, outbox, planned, monkeypatch):
    order: list[int] = []

    def look_instead_of_sending(self, **_):
        order.append(len(mails(outbox)))
        return 0

    monkeypatch.setattr(PumpRun, "run", look_instead_of_sending)
    confirmation = ask(form)
    Confirmation.objects.update(expires_at=NOON + timedelta(days=9999))

    tasks.work()

    assert order[0] == 1
    confirmation.refresh_from_db()
    assert confirmation.sent_at is not None


@pytest.mark.parametrize(
    "change",
    [
        {"is_muted": True},
        {"confirmed_at": NOON},
        {"expires_at": NOON},
        {"handed_at": NOON},
        {"attempts": confirming.MAX_ATTEMPTS},
        {"not_before": NOON + timedelta(minutes=1)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_leaves_alone_what_is_not_due(form, outbox, change):
    ask(form)
    Confirmation.objects.update(**change)

    assert send() == 0
    assert mails(outbox) == []


def test_does_not_write_to_an_address_blocked_meanwhile(form, outbox):
    index = bytes(ask(form).address_index)
    suppress(channel=Channel.EMAIL, address_index=index, reason=Suppression.Reason.COMPLAINED, at=NOON)

    send()

    assert mails(outbox) == []


def test_waits_for_a_sender_address(form, outbox):
    Business.load()
    Business.objects.update(from_email="")
    ask(form)

    assert send() == 0
    Business.objects.update(from_email="hello@corner-bar.example")
    assert send(NOON + timedelta(minutes=11)) == 1
    assert len(mails(outbox)) == 1


class Flaky:
    """A transport that fails as told, once a call."""

    name = "flaky"

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    def __enter__(self):
        return self

    def __exit__(self, *args):
        return None

    def send(self, outbound):
        self.calls += 1
        assert Confirmation.objects.filter(handed_at__isnull=False).exists()
        if self.errors:
            raise self.errors.pop(0)
        return "id"


@pytest.fixture
def through(monkeypatch):
    def use(*errors):
        transport = Flaky(*errors)
        monkeypatch.setattr(confirming, "transport_for", lambda channel: transport)
        return transport

    return use


def test_one_person_who_is_to_be_tried_later_keeps_nobody_else_waiting(form, through):
    transport = through(TransportError(Outcome.RETRY, "smtp 450"))
    confirmation = ask(form)
    other = ask(form, {Channel.EMAIL: "other@example.org"})

    send()

    confirmation.refresh_from_db()
    other.refresh_from_db()
    assert transport.calls == 2
    assert (confirmation.sent_at, other.sent_at) == (None, NOON)


@pytest.mark.parametrize("outcome", [Outcome.BUSY, Outcome.STOP])
def test_tries_again_later_where_nothing_was_sent(form, through, outcome):
    transport = through(TransportError(outcome, "429"))
    confirmation = ask(form)
    ask(form, {Channel.EMAIL: "other@example.org"})

    send()
    send(NOON + timedelta(seconds=10))
    assert transport.calls == 1
    Pace.objects.all().delete()  # minutes later
    send(NOON + timedelta(minutes=5))

    confirmation.refresh_from_db()
    assert transport.calls == 3
    assert confirmation.sent_at is not None
    assert confirmation.attempts == 1


@pytest.mark.parametrize("error", [TransportError(Outcome.UNKNOWN, "no answer"), RuntimeError("boom")])
def test_never_repeats_what_may_have_gone_out(form, through, error):
    transport = through(error)
    confirmation = ask(form)

    send()
    send(NOON + timedelta(days=1))

    confirmation.refresh_from_db()
    assert transport.calls == 1
    assert confirmation.handed_at is not None
    assert confirmation.sent_at is None


def test_a_crash_at_the_hand_over_sends_no_second_mail(form, through):
    transport = through(SystemExit())
    ask(form)

    with pytest.raises(SystemExit):
        send()
    send(NOON + timedelta(days=1))

    assert transport.calls == 1


def test_remembers_a_number_that_does_not_exist(form, through):
    through(TransportError(Outcome.REFUSED, "twilio 21211", suppress="invalid"))
    ask(form, {Channel.SMS: "+12175550123"})

    send()

    assert Suppression.objects.get().reason == Suppression.Reason.INVALID


def test_logs_numbers_only(form, through, caplog):
    through(RuntimeError(f"could not send to {ADDRESS}"))
    ask(form)

    send()

    assert "confirmation" in caplog.text
    assert ADDRESS not in caplog.text


# --- The welcome deal ---


def welcome_of(form):
    Confirmation.objects.all().delete()
    confirmation = ask(form)
    joined = signup.confirm(confirmation_id=confirmation.pk, source=ConsentEvent.Source.FORM, at=NOON)
    return signup.welcome(joined, at=NOON), joined


def test_gives_each_person_one_code(form, offer):
    WelcomeDeal.objects.create(form=form, offer=offer)

    gift, joined = welcome_of(form)

    code = Code.objects.get(contact=joined.contact, offer=offer)
    assert gift.title == offer.name
    assert gift.url == f"http://testserver/r/{code.token.lower()}"
    assert signup.welcome(joined, at=NOON) == gift
    assert Code.objects.count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"status": Offer.Status.PAUSED},
        {"status": Offer.Status.ENDED},
        {"ends_at": NOON - timedelta(seconds=1)},
    ],
)
def test_gives_no_deal_that_is_not_running(form, offer, change):
    WelcomeDeal.objects.create(form=form, offer=offer)
    Offer.objects.update(**change)

    gift, _ = welcome_of(form)

    assert gift is None
    assert not Code.objects.exists()


def test_gives_none_where_none_is_promised(form):
    assert welcome_of(form)[0] is None
