"""Joining: nothing is sent or granted before the address itself has answered, and nobody learns who is known."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from threading import Barrier

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.db import connection

from contacts.channels import Channel
from contacts.links import BadLink, confirmation_token, read_confirmation_token
from contacts.models import ChannelStatus, Confirmation, ConsentEvent, Contact, NameIndex, SignupForm, Suppression
from contacts.records import Records, Welcome, register
from contacts.services import find_or_make_tag, record_consent, save_contact, signup, suppress, unsubscribe
from contacts.services.signup import NotConfirmed, Visitor

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
ADDRESS = "nina@example.org"
AGENT = "Mozilla/5.0 (phone)"
VISITOR = Visitor("192.0.2.7", AGENT)


@pytest.fixture
def clock():
    with time_machine.travel(AT, tick=False) as traveller:
        yield traveller


@pytest.fixture
def form(db) -> SignupForm:
    tag = find_or_make_tag("Table card")
    return SignupForm.objects.create(name="Table", slug="table", tag=tag, asks_birthday=True, asks_postal_code=True)


@pytest.fixture
def both(db) -> SignupForm:
    return SignupForm.objects.create(name="Both", slug="both", asks_phone=True)


def answers(**changes) -> dict[str, str]:
    given = {"email": ADDRESS, "agree_email": "on", "first_name": "Nina", "birthday": "1990-05-04"}
    return {name: value for name, value in {**given, **changes}.items() if value}


def post(client, slug="table", headers=None, **changes):
    return client.post(f"/join/{slug}", answers(**changes), headers={"User-Agent": AGENT, **(headers or {})})


def only_token() -> str:
    return confirmation_token(Confirmation.objects.get(is_muted=False).pk)


def contact() -> Contact:
    return Contact.objects.get(email_index=Confirmation.objects.latest("pk").address_index)


def ask(form, address=ADDRESS, at=AT, **more) -> Confirmation:
    signup.request(
        form=form, addresses={Channel.EMAIL: address}, source=ConsentEvent.Source.FORM, at=at, visitor=VISITOR, **more
    )
    return Confirmation.objects.latest("pk")


def agree(confirmation, at=AT + timedelta(hours=1)):
    return signup.confirm(
        confirmation_id=confirmation.pk, source=ConsentEvent.Source.FORM, at=at, visitor=Visitor("192.0.2.8", "Mail")
    )


# --- The form ---


def test_shows_the_words_beside_an_unticked_box(client, form):
    html = client.get("/join/table").content.decode()

    assert form.email_wording in html
    assert "checked" not in html
    assert "Birthday" in html
    assert "Mobile number" not in html


def test_is_found_however_the_link_is_typed(client, form):
    assert client.get("/join/Table/").status_code == 200
    assert client.get("/join/other").status_code == 404


def test_sets_no_cookie(client, form):
    assert not client.get("/join/table").cookies
    assert not post(client).cookies


def test_waits_for_the_address_to_answer(client, form):
    answer = post(client, follow=True)

    assert answer.status_code == 302
    assert "Nearly done" in client.get(answer.url).content.decode()
    person = contact()
    assert person.email_status == ChannelStatus.PENDING
    assert (person.first_name, person.birthday, person.source) == (None, None, "form")
    assert not person.tags.exists()


def test_keeps_the_evidence_of_both_steps(client, clock, form):
    post(client)
    clock.shift(3600)
    client.post(f"/join/confirm/{only_token()}", headers={"User-Agent": "Mail app"}, REMOTE_ADDR="192.0.2.9")

    granted, requested = contact().consent_events.order_by("-pk")
    assert requested.action == ConsentEvent.Action.REQUESTED
    assert (requested.ip_address, requested.user_agent, requested.at) == ("127.0.0.1", AGENT, AT)
    assert granted.action == ConsentEvent.Action.GRANTED
    assert (granted.ip_address, granted.user_agent) == ("192.0.2.9", "Mail app")
    for event in (requested, granted):
        assert (event.source, event.wording) == (ConsentEvent.Source.FORM, form.email_wording)
        assert event.version == "form table version 1"


def test_takes_the_visitors_address_from_the_proxy_and_not_from_the_visitor(client, form, settings):
    settings.PROXY_COUNT = 1
    post(client, headers={"X-Forwarded-For": "10.9.9.9, 203.0.113.5"})

    assert Confirmation.objects.get().ip_address == "203.0.113.5"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"email": "nobody"}, "exactly one @"),
        ({"email": ""}, "required"),
        ({"agree_email": ""}, "Tick this box"),
        ({"birthday": "2190-01-01"}, "Check the year"),
        ({"postal_code": "<b>"}, "valid"),
    ],
)
def test_says_what_is_wrong_and_keeps_what_was_typed(client, form, changes, said):
    answer = post(client, **changes)

    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert 'value="Nina"' in answer.content.decode()
    assert not Confirmation.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [{"agree_email": ""}, {"email": ""}, {"phone": "(217) 555-0123"}, {"email": "", "agree_email": ""}],
    ids=["address without tick", "tick without address", "number without tick", "nothing"],
)
def test_asks_for_a_tick_and_an_address_on_each_channel(client, both, changes):
    assert post(client, "both", birthday="", **changes).status_code == 400
    assert not Contact.objects.exists()


def test_throws_away_what_programs_fill_in(client, form):
    answer = post(client, website="https://spam.example")

    assert answer.url == post(client).url
    assert Confirmation.objects.count() == 1


def test_takes_nothing_from_a_page_of_another_site(client, form):
    assert post(client, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert post(client, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 302


def test_a_closed_form_takes_nothing(client, form):
    SignupForm.objects.update(is_open=False)

    assert post(client).status_code == 404
    assert "closed" in client.get("/join/table").content.decode()
    assert not Confirmation.objects.exists()


# --- Nobody learns who is known ---


@pytest.mark.parametrize("known", ["unknown", "subscribed", "complained", "unsubscribed"])
def test_answers_the_same_for_every_address(client, form, known):
    if known != "unknown":
        person = Contact.objects.create(email=ADDRESS)
        grant(person)
    if known == "complained":
        suppress(channel=Channel.EMAIL, address_index=person.email_index, reason=Suppression.Reason.COMPLAINED, at=AT)
    if known == "unsubscribed":
        leave(person)

    answers_given = [post(client) for _ in range(4)]

    assert [answer.status_code for answer in answers_given] == [302, 302, 302, 429]
    assert {answer.url for answer in answers_given[:3]} == {"/join/table/asked"}
    asked = Confirmation.objects.filter(is_muted=False).count()
    assert asked == (0 if known in {"subscribed", "complained"} else 1)


def grant(person, at=AT - timedelta(days=9)):
    record_consent(
        channel=Channel.EMAIL,
        address_index=person.email_index,
        action=ConsentEvent.Action.GRANTED,
        source=ConsentEvent.Source.FORM,
        at=at,
    )


def leave(person, at=AT - timedelta(days=1)):
    unsubscribe(channel=Channel.EMAIL, address_index=person.email_index, source=ConsentEvent.Source.ONE_CLICK, at=at)


def test_a_visitor_may_not_ask_for_ever(client, clock, form):
    for number in range(30):
        assert post(client, email=f"guest{number}@example.org").status_code == 302
    refused = post(client, email="one-more@example.org")
    elsewhere = client.post("/join/table", answers(email="neighbour@example.org"), REMOTE_ADDR="192.0.2.99")
    clock.shift(601)

    assert refused.status_code == 429
    assert "wait" in refused.content.decode()
    assert elsewhere.status_code == 302
    assert post(client, email="one-more@example.org").status_code == 302


def test_a_household_of_ipv6_is_one_visitor():
    one, two = Visitor("2001:db8:1:2::5"), Visitor("2001:db8:1:2:ffff::1")

    assert signup.visitor_index(one) == signup.visitor_index(two)
    assert signup.visitor_index(one) != signup.visitor_index(Visitor("2001:db8:1:3::5"))


def test_asks_an_address_again_only_after_a_while(form):
    ask(form)
    ask(form, at=AT + timedelta(minutes=5))
    ask(form, at=AT + timedelta(minutes=11))

    assert list(Confirmation.objects.order_by("pk").values_list("is_muted", flat=True)) == [False, True, False]


# --- Confirming ---


def test_looking_at_the_link_changes_nothing(client, clock, form):
    post(client)
    html = client.get(f"/join/confirm/{only_token()}").content.decode()
    client.head(f"/join/confirm/{only_token()}")

    assert "Yes, sign me up" in html
    assert form.email_wording in html
    assert ADDRESS not in html
    assert "Nina" not in html
    assert contact().email_status == ChannelStatus.PENDING


def test_confirming_fills_in_what_was_typed_and_gives_the_tag(client, clock, form):
    post(client)
    answer = client.post(f"/join/confirm/{only_token()}")

    assert "you are on the list" in answer.content.decode()
    person = contact()
    assert person.email_status == ChannelStatus.SUBSCRIBED
    assert (person.first_name, person.birthday) == ("Nina", date(1990, 5, 4))
    assert person.birthday_index is not None
    assert NameIndex.objects.filter(contact=person).exists()
    assert [tag.name for tag in person.tags.all()] == ["Table card"]


def test_confirming_twice_adds_nothing(client, clock, form):
    post(client)
    path = f"/join/confirm/{only_token()}"
    first, second = client.post(path), client.post(path)

    assert (first.status_code, second.status_code) == (200, 200)
    assert contact().consent_events.filter(action=ConsentEvent.Action.GRANTED).count() == 1
    assert "You are on the list" in client.get(path).content.decode()


def test_overwrites_nothing_that_is_known(form):
    person = Contact.objects.create(email=ADDRESS, first_name="Antonina")

    agree(ask(form, details={"first_name": "Mallory", "postal_code": "62701"}))

    person.refresh_from_db()
    assert (person.first_name, person.postal_code) == ("Antonina", "62701")


def test_names_that_look_like_links_are_dropped(client, clock, form):
    post(client, first_name="Win at www.evil.example")
    client.post(f"/join/confirm/{only_token()}")

    assert contact().first_name is None


def test_an_old_link_says_how_to_get_a_new_one(client, clock, form):
    post(client)
    clock.shift(timedelta(days=7, seconds=1))
    path = f"/join/confirm/{only_token()}"

    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == 410
        assert "too old" in answer.content.decode()
        assert "/join/table" in answer.content.decode()
    assert contact().email_status == ChannelStatus.PENDING
    assert post(client).status_code == 302
    assert Confirmation.objects.filter(is_muted=False).count() == 2


@pytest.mark.parametrize("token", ["x", "AAAA", "é", "a" * 38])
def test_a_forged_link_is_not_found(client, form, token):
    assert client.get(f"/join/confirm/{token}").status_code == 404
    assert client.post(f"/join/confirm/{token}").status_code == 404


def test_a_link_cannot_be_bent_to_another_confirmation():
    token = confirmation_token(7)
    assert read_confirmation_token(token) == 7
    for position in range(len(token) - 1):
        other = "A" if token[position] != "A" else "B"
        with pytest.raises(BadLink):
            read_confirmation_token(token[:position] + other + token[position + 1 :])


def test_a_used_link_brings_nobody_back(client, clock, form):
    post(client)
    path = f"/join/confirm/{only_token()}"
    client.post(path)
    clock.shift(60)
    leave(contact(), at=AT + timedelta(seconds=60))
    clock.shift(60)

    answer = client.post(path)

    assert answer.status_code == 410
    assert "unsubscribed since" in answer.content.decode()
    assert contact().email_status == ChannelStatus.UNSUBSCRIBED


def test_the_second_of_two_mails_is_of_no_use_once_one_is_confirmed(form):
    first, second = ask(form), ask(form, at=AT + timedelta(minutes=20))
    agree(second)
    leave(contact(), at=AT + timedelta(hours=2))

    with pytest.raises(NotConfirmed):
        agree(first, at=AT + timedelta(hours=3))
    assert contact().email_status == ChannelStatus.UNSUBSCRIBED


@pytest.mark.parametrize("reason", list(Suppression.Reason))
def test_a_person_takes_back_their_own_word_and_nothing_else(form, reason):
    person = Contact.objects.create(email=ADDRESS)
    suppress(channel=Channel.EMAIL, address_index=person.email_index, reason=reason, at=AT - timedelta(days=1))

    confirmation = ask(form)

    if reason in Suppression.THEIR_WORD:
        assert agree(confirmation).contact.email_status == ChannelStatus.SUBSCRIBED
        assert "by the person" in Suppression.objects.get().lifted_because
    else:
        assert confirmation.is_muted
        assert Suppression.objects.get().lifted_at is None


@pytest.mark.parametrize("reason", [Suppression.Reason.STOPPED, Suppression.Reason.UNSUBSCRIBED, "erased"])
def test_a_number_that_left_is_asked_only_where_it_asks_itself(both, reason):
    number = "+12175550123"
    index = save_contact(Contact(phone=number)).phone_index
    suppress(channel=Channel.SMS, address_index=index, reason=Suppression.Reason(reason), at=AT - timedelta(days=9))

    for source in (ConsentEvent.Source.FORM, ConsentEvent.Source.KEYWORD):
        signup.request(form=both, addresses={Channel.SMS: number}, source=source, at=AT)

    assert [row.is_muted for row in Confirmation.objects.order_by("pk")] == [True, False]


def test_a_mail_address_that_left_is_asked_once_a_day(form):
    person = Contact.objects.create(email=ADDRESS)
    leave(person)

    first, second = ask(form), ask(form, at=AT + timedelta(hours=20))
    next_day = ask(form, at=AT + timedelta(hours=25))

    assert [row.is_muted for row in (first, second, next_day)] == [False, True, False]


def test_forgets_what_was_typed_once_it_is_of_no_use(form):
    confirmed, expired = ask(form, details={"first_name": "Nina"}), ask(form, "b@example.org", details={})
    agree(confirmed)

    ask(form, "c@example.org", at=AT + signup.EXPIRES_AFTER)

    assert set(Confirmation.objects.filter(pk__in=[confirmed.pk, expired.pk]).values_list("details", flat=True)) == {
        None
    }
    assert Contact.objects.get(email_index=confirmed.address_index).first_name == "Nina"


def test_a_complaint_behind_an_erasure_stays(form):
    person = Contact.objects.create(email=ADDRESS)
    for reason in (Suppression.Reason.COMPLAINED, Suppression.Reason.ERASED):
        suppress(channel=Channel.EMAIL, address_index=person.email_index, reason=reason, at=AT - timedelta(days=1))

    assert ask(form).is_muted


def test_a_block_that_came_meanwhile_stays(client, clock, form):
    post(client)
    suppress(channel=Channel.EMAIL, address_index=contact().email_index, reason=Suppression.Reason.MANUAL, at=AT)

    answer = client.post(f"/join/confirm/{only_token()}")

    assert "cannot write to this address" in answer.content.decode()
    assert contact().email_status == ChannelStatus.SUPPRESSED


def test_a_deleted_form_still_lets_people_confirm(form):
    confirmation = ask(form)
    form.delete()

    assert agree(confirmation).contact.email_status == ChannelStatus.SUBSCRIBED


def test_tells_the_worker_once_it_is_committed(form, django_capture_on_commit_callbacks):
    told = []

    class Listening(Records):
        def confirmation_requested(self):
            told.append(True)

    from contacts import records

    register("listening", Listening())
    try:
        with django_capture_on_commit_callbacks(execute=True):
            ask(form)
            ask(form)
            assert told == []
    finally:
        del records._registered["listening"]

    assert told == [True]


def test_gives_a_welcome_deal(client, clock, form):
    class Generous(Records):
        def welcome(self, contact, form, at):
            return Welcome("Free coffee", "https://shop.example/r/abc")

    from contacts import records

    register("a-generous-app", Generous())
    try:
        post(client)
        html = client.post(f"/join/confirm/{only_token()}").content.decode()
    finally:
        del records._registered["a-generous-app"]

    assert "Free coffee" in html
    assert 'href="https://shop.example/r/abc"' in html


def test_forgets_what_strangers_typed_and_never_confirmed(form):
    ask(form, details={"first_name": "Nina"})
    ask(form, "other@example.org", at=AT + timedelta(days=38))

    assert Confirmation.objects.count() == 1


# --- Two addresses ---


def ask_both(form) -> dict[str, Confirmation]:
    signup.request(
        form=form,
        addresses={Channel.EMAIL: ADDRESS, Channel.SMS: "(217) 555-0123"},
        source=ConsentEvent.Source.FORM,
        at=AT,
        details={"first_name": "Nina"},
    )
    return {row.channel: row for row in Confirmation.objects.all()}


@pytest.mark.parametrize("order", [("email", "sms"), ("sms", "email")])
def test_two_addresses_become_one_person_once_both_have_answered(both, order):
    asked = ask_both(both)
    first = agree(asked[order[0]])
    assert Contact.objects.count() == 2

    second = agree(asked[order[1]])

    person = Contact.objects.get()
    assert second.contact == person
    assert first.newly
    assert (person.email, person.phone, person.first_name) == (ADDRESS, "+12175550123", "Nina")
    assert (person.email_status, person.sms_status) == (ChannelStatus.SUBSCRIBED, ChannelStatus.SUBSCRIBED)


def test_nobody_ties_a_strangers_address_to_a_phone_of_their_own(both):
    asked = ask_both(both)
    agree(asked["sms"])
    SignupForm.objects.create(name="Own", slug="own")

    victim = agree(ask(SignupForm.objects.get(slug="own"), at=AT + timedelta(days=1)), at=AT + timedelta(days=2))

    assert victim.contact.phone is None
    assert victim.contact.first_name is None


# --- The form's own rules ---


def test_other_words_make_another_version(form):
    form.title = "Come in"
    assert signup.save_form(form).version == 1
    form.sms_wording = "Other words."
    assert signup.save_form(form).version == 2


@pytest.mark.parametrize("word", ["stop", "Opt out", "YES", "help"])
def test_a_keyword_never_means_something_else(db, word):
    with pytest.raises(ValidationError, match="something else"):
        SignupForm(name="a", slug="a", keyword=word).clean()


def test_no_form_takes_the_address_of_the_way_back(db):
    with pytest.raises(ValidationError, match="taken"):
        SignupForm(name="a", slug="Confirm").clean()


def test_keeps_the_token_out_of_the_log():
    from config.logs import mask

    assert mask(f"Not Found: /join/confirm/{confirmation_token(1)}") == "Not Found: /join/confirm/…"


# --- At the same moment ---


@pytest.fixture
def several_writers(transactional_db):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time and cannot show a race: set TEST_DATABASE_URL to PostgreSQL")


def all_at_once(do, number=8):
    barrier = Barrier(number, timeout=30)

    def run(_):
        try:
            connection.ensure_connection()
            barrier.wait()
            return do()
        finally:
            connection.close()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number)))


def test_two_answers_at_once_are_one(several_writers):
    form = SignupForm.objects.create(name="Table", slug="table")
    for round_ in range(5):
        confirmation = ask(form, f"guest{round_}@example.org")

        joined = all_at_once(lambda confirmation=confirmation: agree(confirmation))

        assert sum(answer.newly for answer in joined) == 1
        events = ConsentEvent.objects.filter(address_index=confirmation.address_index)
        assert events.filter(action=ConsentEvent.Action.GRANTED).count() == 1


def test_two_requests_at_once_make_one_contact_and_one_mail(several_writers):
    form = SignupForm.objects.create(name="Table", slug="table")

    all_at_once(lambda: ask(form), number=3)

    assert Contact.objects.count() == 1
    assert Confirmation.objects.filter(is_muted=False).count() == 1


def test_the_page_has_no_script(client, form):
    assert not re.search(r"<script|onclick| style=", client.get("/join/table").content.decode())
