from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError

from redemptions.codes import CROCKFORD, new_token
from redemptions.models import Code, EntryCounter, Location, Offer, Redemption, Scan
from redemptions.queries import find_scan, ledger
from redemptions.services import (
    CurrencyMismatch,
    KeyReused,
    end_offer,
    issue_codes,
    issue_test_code,
    pause_offer,
    redeem,
    redeeming,
    revoke_code,
    validate,
)

Reason = Scan.Reason
HOUR = timedelta(hours=1)


def mistype(typed):
    return typed[:-1] + CROCKFORD[(CROCKFORD.index(typed[-1]) + 1) % 32]


def test_gives_the_deal(code, device, at):
    outcome = redeem(code_text=code.token, device=device, key="first-scan", at=at, receipt_no="A-1021")

    assert outcome.reason is None
    assert not outcome.replayed
    line = ledger().get()
    assert outcome.redemption == line
    assert (line.entry_no, line.offer, line.location, line.at) == (1, code.offer, device.location, at)
    assert (line.receipt_no, line.receipt) == ("A-1021", "R-000001")
    assert line.discount is None
    assert line.scan.result == Scan.Result.ACCEPTED
    code.refresh_from_db()
    assert code.used == 1


@pytest.mark.parametrize("form", ["{url}", "{token}", "{typed}", "{spaced}"])
def test_takes_every_form_of_a_code(form, code, device, at):
    text = form.format(
        url=f"http://testserver/R/{code.token}",
        token=code.token.lower(),
        typed=code.typed_display.lower(),
        spaced=" ".join(code.typed),
    )

    assert redeem(code_text=text, device=device, key="any-form", at=at).redemption


# --- Refusals: each differs from the good scan above by one thing ---


def revoke(code, device, at):
    revoke_code(code=code, at=at)


def pause(code, device, at):
    pause_offer(offer=code.offer)


def end(code, device, at):
    end_offer(offer=code.offer)


def start_later(code, device, at):
    Offer.objects.update(starts_at=at + timedelta(seconds=1))


def end_just_now(code, device, at):
    Offer.objects.update(ends_at=at)


def move_elsewhere(code, device, at):
    code.offer.locations.add(Location.objects.create(name="Airport"))


def use_up(code, device, at):
    redeem(code_text=code.token, device=device, key="before", at=at - HOUR)


def guess_ten_times(code, device, at):
    for number in range(10):
        redeem(code_text=new_token(), device=device, key=f"guess-{number}", at=at)


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (revoke, Reason.CODE_REVOKED),
        (pause, Reason.OFFER_PAUSED),
        (end, Reason.OFFER_ENDED),
        (start_later, Reason.NOT_YET_VALID),
        (end_just_now, Reason.EXPIRED),
        (move_elsewhere, Reason.WRONG_LOCATION),
        (use_up, Reason.ALREADY_REDEEMED),
        (guess_ten_times, Reason.DEVICE_LOCKED),
    ],
)
def test_refuses_with_the_reason(happens, reason, code, device, at):
    happens(code, device, at)
    lines = Redemption.objects.count()

    outcome = redeem(code_text=code.token, device=device, key="the-scan", at=at)

    assert outcome.reason == reason
    assert outcome.redemption is None
    assert Redemption.objects.count() == lines
    scan = Scan.objects.get(key="the-scan")
    assert (scan.result, scan.reason, scan.code) == (Scan.Result.REFUSED, reason, code)


@pytest.mark.parametrize("text", ["", "nonsense", "0" * 26, "https://elsewhere.example/", "A" * 400])
def test_refuses_an_unknown_code(text, device, at):
    assert redeem(code_text=text, device=device, key="the-scan", at=at).reason == Reason.UNKNOWN_CODE
    assert Scan.objects.get().code is None


def test_refuses_a_typing_error_and_says_so(code, device, at):
    outcome = redeem(code_text=mistype(code.typed), device=device, key="the-scan", at=at)

    assert (outcome.reason, outcome.mistyped) == (Reason.UNKNOWN_CODE, True)
    assert Scan.objects.get().reason == Reason.UNKNOWN_CODE


def test_refuses_a_test_code(offer, device, at):
    test_code = issue_test_code(offer=offer)

    assert redeem(code_text=test_code.token, device=device, key="the-scan", at=at).reason == Reason.TEST_CODE


@pytest.mark.parametrize(("open_at", "expected"), [(timedelta(0), None), (-timedelta(seconds=1), Reason.NOT_YET_VALID)])
def test_opens_at_the_second_it_starts(open_at, expected, code, device, at, change):
    change(code.offer, starts_at=at, ends_at=at + HOUR)

    assert redeem(code_text=code.token, device=device, key="the-scan", at=at + open_at).reason == expected


def test_takes_a_code_at_one_of_its_locations(code, device, elsewhere, at):
    code.offer.locations.set([elsewhere, device.location])

    assert redeem(code_text=code.token, device=device, key="the-scan", at=at).reason is None


def test_gives_a_deal_as_often_as_the_code_says(code, device, at, change):
    change(code, max_uses=2)

    reasons = [redeem(code_text=code.token, device=device, key=f"visit-{n}", at=at).reason for n in range(3)]

    assert reasons == [None, None, Reason.ALREADY_REDEEMED]


# --- Guessing ---


def test_opens_a_locked_device_again_when_its_guesses_are_old(code, device, at):
    guess_ten_times(code, device, at)
    redeem(code_text=code.token, device=device, key="refused", at=at + timedelta(minutes=9))

    later = redeem(code_text=code.token, device=device, key="later", at=at + timedelta(minutes=10))

    assert later.reason is None


def test_locks_one_device_and_no_other(code, device, enrolled, at):
    guess_ten_times(code, device, at)
    other, _ = enrolled(name="Door phone")

    assert redeem(code_text=code.token, device=other, key="the-scan", at=at).reason is None


def test_says_nothing_about_codes_to_a_locked_device(code, device, at):
    guess_ten_times(code, device, at)

    assert validate(code_text=code.token, device=device, at=at).reason == Reason.DEVICE_LOCKED
    assert redeem(code_text=new_token(), device=device, key="more", at=at).reason == Reason.DEVICE_LOCKED


def test_a_locked_device_learns_nothing_from_a_currency(code, device, at):
    guess_ten_times(code, device, at)

    for ask in (redeem_in_euro, validate_in_euro):
        assert [ask(text, device, at).reason for text in (code.token, new_token())] == [Reason.DEVICE_LOCKED] * 2


def redeem_in_euro(text, device, at):
    return redeem(code_text=text, device=device, key=f"scan-{text}", at=at, order_value=Decimal(9), currency="EUR")


def validate_in_euro(text, device, at):
    return validate(code_text=text, device=device, at=at, order_value=Decimal(9), currency="EUR")


def test_typing_errors_lock_no_device(code, device, at):
    for n in range(20):
        assert redeem(code_text=mistype(code.typed), device=device, key=f"typing-{n}", at=at).mistyped

    assert redeem(code_text=code.token, device=device, key="the-scan", at=at).reason is None


# --- The same key again ---


@pytest.mark.parametrize("happens", [revoke, pause, end, end_just_now, move_elsewhere, guess_ten_times])
def test_repeats_a_success_whatever_happened_since(happens, code, device, at):
    first = redeem(code_text=code.token, device=device, key="the-scan", at=at - HOUR)
    happens(code, device, at)

    again = redeem(code_text=code.token, device=device, key="the-scan", at=at)

    assert again.replayed
    assert (again.reason, again.redemption, again.at) == (None, first.redemption, first.at)
    assert Redemption.objects.count() == 1


def test_repeats_a_refusal_although_the_deal_is_open_again(code, device, at, change):
    pause_offer(offer=code.offer)
    redeem(code_text=code.token, device=device, key="the-scan", at=at)
    change(code.offer, status=Offer.Status.ACTIVE)

    again = redeem(code_text=code.token, device=device, key="the-scan", at=at)

    assert (again.reason, again.replayed) == (Reason.OFFER_PAUSED, True)
    assert Scan.objects.count() == 1


def test_repeats_a_typing_error_as_one(code, device, at):
    wrong = mistype(code.typed)

    outcomes = [redeem(code_text=wrong, device=device, key="the-scan", at=at) for _ in range(2)]

    assert [(outcome.mistyped, outcome.replayed) for outcome in outcomes] == [(True, False), (True, True)]


def test_refuses_a_key_used_for_another_code(code, device, at):
    redeem(code_text=code.token, device=device, key="the-scan", at=at)

    with pytest.raises(KeyReused):
        redeem(code_text=new_token(), device=device, key="the-scan", at=at)


def test_keeps_the_keys_of_two_devices_apart(code, device, enrolled, at):
    other, _ = enrolled(name="Door phone")
    redeem(code_text=code.token, device=device, key="the-scan", at=at)

    assert redeem(code_text=code.token, device=other, key="the-scan", at=at).reason == Reason.ALREADY_REDEEMED


def test_finds_the_winner_where_the_same_key_came_twice_at_once(code, device, at, monkeypatch):
    winner = redeem(code_text=code.token, device=device, key="the-scan", at=at)
    looks = iter([None])
    # The first look misses the winner, as it does where the winner has not committed yet.
    monkeypatch.setattr(redeeming, "find_scan", lambda **kwargs: next(looks, find_scan(**kwargs)))

    loser = redeem(code_text=code.token, device=device, key="the-scan", at=at)

    assert (loser.replayed, loser.redemption) == (True, winner.redemption)
    assert Scan.objects.count() == 1


def test_passes_other_integrity_errors_on(code, device, at, change):
    redeem(code_text=code.token, device=device, key="first", at=at)
    EntryCounter.objects.update(last_entry_no=0)
    change(code, used=0)

    with pytest.raises(IntegrityError):
        redeem(code_text=code.token, device=device, key="second", at=at)

    code.refresh_from_db()
    assert code.used == 0


@pytest.mark.parametrize(
    ("lost_to", "reason"), [({"used": 1}, Reason.ALREADY_REDEEMED), ({"revoked_at": True}, Reason.CODE_REVOKED)]
)
def test_refuses_where_another_was_faster_after_the_look(lost_to, reason, code, device, at, monkeypatch):
    judge = redeeming._judge

    def judge_then_lose(*args):
        verdict = judge(*args)
        Code.objects.update(**{field: at if field == "revoked_at" else value for field, value in lost_to.items()})
        return verdict

    monkeypatch.setattr(redeeming, "_judge", judge_then_lose)

    assert redeem(code_text=code.token, device=device, key="the-scan", at=at).reason == reason


# --- The ledger ---


def test_numbers_the_ledger_without_gaps(offer, contact, device, at):
    token = Code.objects.get(pk=issue_codes(offer=offer, contact_ids=[contact.pk])[contact.pk]).token
    Code.objects.update(max_uses=3)

    for number in range(3):
        redeem(code_text=new_token(), device=device, key=f"unknown-{number}", at=at)
        redeem(code_text=token, device=device, key=f"visit-{number}", at=at)
        redeem(code_text=token, device=device, key=f"visit-{number}", at=at)

    assert list(ledger().values_list("entry_no", flat=True)) == [1, 2, 3]


def test_picks_the_ledger_by_time_and_location(code, device, enrolled, at, change):
    change(code, max_uses=3)
    other, _ = enrolled(name="Airport phone", location_name="Airport")
    early, late, away = (
        redeem(code_text=code.token, device=who, key="the-scan" + when.isoformat()[:19].replace(":", ""), at=when)
        for who, when in [(device, at - HOUR), (device, at), (other, at)]
    )

    assert list(ledger(end=at)) == [early.redemption]
    assert list(ledger(start=at)) == [late.redemption, away.redemption]
    assert list(ledger(location=other.location)) == [away.redemption]


@pytest.mark.parametrize(
    ("kind", "value", "order_value", "discount"),
    [
        ("percent", "20", "42.50", "8.50"),
        ("percent", "15", "0.10", "0.02"),
        ("percent", "12.5", "10.00", "1.25"),
        ("percent", "100", "9.99", "9.99"),
        ("amount", "5", "42.50", "5.00"),
        ("amount", "5", "3.20", "3.20"),
        ("item", None, "42.50", None),
        ("bogo", None, "42.50", None),
        ("percent", "20", None, None),
    ],
)
def test_computes_the_discount(kind, value, order_value, discount, code, device, at, change):
    change(code.offer, type=kind, value=value and Decimal(value))

    outcome = redeem(
        code_text=code.token, device=device, key="the-scan", at=at, order_value=order_value and Decimal(order_value)
    )

    assert outcome.discount == (discount and Decimal(discount))


def test_refuses_another_currency_and_leaves_no_trace(code, device, at):
    with pytest.raises(CurrencyMismatch):
        redeem(code_text=code.token, device=device, key="the-scan", at=at, order_value=Decimal(9), currency="EUR")

    assert not Scan.objects.exists()


# --- Dry run ---


def test_validates_without_writing(code, device, at, django_assert_num_queries):
    with django_assert_num_queries(3) as queries:
        outcome = validate(code_text=code.token, device=device, at=at, order_value=Decimal(10))

    assert (outcome.reason, outcome.discount) == (None, Decimal("2.00"))
    assert all(query["sql"].startswith("SELECT") for query in queries)


@pytest.mark.parametrize("happens", [revoke, pause, end, start_later, end_just_now, move_elsewhere, use_up])
def test_validates_as_redeeming_would_answer(happens, code, device, at):
    happens(code, device, at)

    dry = validate(code_text=code.token, device=device, at=at)

    assert dry.reason == redeem(code_text=code.token, device=device, key="the-scan", at=at).reason


def test_redeems_in_few_queries(code, device, at, django_assert_max_num_queries):
    EntryCounter.objects.create(pk=1)

    with django_assert_max_num_queries(18):  # savepoints included; six for the first redemption of a person
        redeem(code_text=code.token, device=device, key="the-scan", at=at)
