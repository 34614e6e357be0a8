"""Scans made without network: what is on record after they came in, whatever the order and however often."""

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.models import Activity, Contact
from redemptions.codes import SAMPLE_TOKEN, new_token
from redemptions.models import Code, OfferTally, Redemption, Scan, Staff
from redemptions.queries import previous_redemption
from redemptions.services import (
    OfflineScan,
    VoidReason,
    clock_warnings,
    issue_codes,
    issue_test_code,
    offline,
    offline_pack,
    pause_offer,
    recall_by_key,
    redeem,
    redeeming,
    revoke_code,
    set_pin,
    sign_in,
    upload,
    void,
)

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
GIVEN, LEFT, REFUSED = Scan.Decision.HONOURED, Scan.Decision.UNDECIDED, Scan.Decision.REFUSED


def item(code_text, at, decision=GIVEN, key="scanned-offline", **more):
    return OfflineScan(key=key, code_text=code_text, scanned_at=at, decision=decision, **more)


def bring(device, at, *items, ahead=timedelta(0)):
    """Upload from a phone whose clock is ahead, or behind; return the outcomes."""
    return [done.outcome for done in upload(device=device, items=items, sent_at=at + ahead, at=at)]


def ledger():
    return list(Redemption.objects.order_by("entry_no").values_list("kind", "conflict"))


# --- Given without network ---


def test_what_was_given_is_redeemed(code, contact, device, at):
    [outcome] = bring(device, at, item(code.token, at - HOUR, order_value=Decimal(10), sequence=7, uptime_ms=812_345))

    line, scan = outcome.redemption, Scan.objects.get()
    assert (outcome.reason, outcome.is_conflict, outcome.discount) == (None, False, 2)
    assert (line.kind, line.at, line.recorded_at, line.is_offline) == ("redeemed", at - HOUR, at, True)
    assert (scan.result, scan.decision, scan.is_offline, scan.at) == ("accepted", "honoured", True, at)
    assert (scan.scanned_at, scan.skew_ms, scan.sequence, scan.uptime_ms) == (at - HOUR, 0, 7, 812_345)
    code.refresh_from_db()
    assert code.used == OfferTally.objects.get().used == 1
    assert Activity.objects.get(contact=contact).last_redeemed_at == at - HOUR


def use_up(code, device, at):
    redeem(code_text=code.token, device=device, key="before", at=at - 2 * HOUR)
    Scan.objects.all().delete()
    Redemption.objects.all().delete()


def withdraw(code, device, at):
    revoke_code(code=code, at=at - 2 * HOUR)


def pause(code, device, at):
    pause_offer(offer=code.offer)


def end_before(code, device, at):
    type(code.offer).objects.update(ends_at=at - HOUR - 10 * MINUTE)


def give_all_out(code, device, at):
    type(code.offer).objects.update(max_total=1)
    OfferTally.objects.update(used=1)


@pytest.mark.parametrize(
    ("happened", "reason", "is_use", "is_counted"),
    [
        (use_up, "already_redeemed", False, False),
        (withdraw, "code_revoked", True, True),
        (pause, "offer_paused", True, True),
        (end_before, "expired", True, True),
        (give_all_out, "offer_limit", True, False),
    ],
)
def test_what_was_given_against_a_rule_uses_up_what_is_left_and_no_more(
    happened, reason, is_use, is_counted, code, device, at
):
    happened(code, device, at)
    before = OfferTally.objects.get()

    [outcome] = bring(device, at, item(code.token, at - HOUR, order_value=Decimal(10)))

    assert (outcome.reason, outcome.is_conflict) == (reason, True)
    line = Redemption.objects.get()
    assert (line.kind, line.conflict, line.code, line.discount) == ("conflict", reason, code, Decimal(2))
    assert Scan.objects.get().result == Scan.Result.CONFLICT
    code.refresh_from_db()
    assert code.used == 1
    assert (line.is_use, line.cost) == (is_use, Decimal(2) if is_counted else None)
    tally = OfferTally.objects.get()
    assert (tally.used - before.used, tally.given - before.given) == (
        (1, Decimal(2)) if is_counted else (0, Decimal(0))
    )

    void(redemption=line, reason=VoidReason.MISTAKE, at=at)

    code.refresh_from_db()
    assert code.used == (0 if is_use else 1)
    assert OfferTally.objects.values().get() == {"offer_id": code.offer_id, "used": before.used, "given": before.given}


def test_what_was_given_against_a_rule_is_not_given_again(code, device, at):
    type(code.offer).objects.update(min_spend=10)
    [first] = bring(device, at, item(code.token, at - HOUR))
    assert (first.reason, first.is_conflict) == ("order_value_required", True)

    later = redeem(code_text=code.token, device=device, key="with-network", at=at, order_value=Decimal(50))

    assert later.reason == "already_redeemed"
    assert previous_redemption(code, at=at) == first.redemption


@pytest.mark.parametrize(
    ("rules", "override"),
    [
        ({"offline": "refuse"}, "not_allowed"),
        ({"offline": "honour_known", "offline_max_value": Decimal("1.99")}, "too_dear"),
        ({"offline": "honour_known", "offline_per_day": 0}, "too_many"),
        ({"offline": "honour_known", "offline_max_value": Decimal(2), "offline_per_day": 1}, ""),
    ],
)
def test_says_how_staff_went_beyond_what_a_deal_allows_without_network(rules, override, code, device, at):
    type(code.offer).objects.update(**rules)
    [outcome] = bring(device, at, item(code.token, at - HOUR, order_value=Decimal(10)))

    assert (outcome.reason, outcome.redemption.override) == (None, override)


def test_counts_what_one_phone_gave_in_a_day_without_network(offer, device, at):
    type(offer).objects.update(offline="honour_known", offline_per_day=2)
    guests = Contact.objects.bulk_create([Contact(email=f"guest{n}@example.com") for n in range(4)])
    codes = Code.objects.in_bulk(issue_codes(offer=offer, contact_ids=[guest.pk for guest in guests]).values())
    times = [at - timedelta(days=1), at - HOUR, at - HOUR, at - HOUR]
    scans = [item(code.token, when, key=f"scan-{code.pk}") for code, when in zip(codes.values(), times, strict=True)]

    bring(device, at, *scans)

    assert sorted(Redemption.objects.values_list("override", flat=True)) == ["", "", "", "too_many"]


def test_what_was_left_open_too_long_is_judged_by_today(code, device, at):
    type(code.offer).objects.update(ends_at=at - timedelta(days=20))

    [outcome] = bring(device, at, item(code.token, at - timedelta(days=30), LEFT))
    assert (outcome.reason, outcome.redemption) == ("expired", None)


def test_what_was_left_open_yesterday_is_judged_by_yesterday(code, device, at):
    type(code.offer).objects.update(ends_at=at - HOUR)

    [outcome] = bring(device, at, item(code.token, at - 2 * HOUR, LEFT))
    assert outcome.reason is None


def test_guesses_are_not_to_be_left_open(code, device, at):
    guesses = [item(new_token(), at, LEFT, key=f"guess-{n}") for n in range(12)]

    results = upload(device=device, items=[*guesses, item(code.token, at + MINUTE, LEFT)], sent_at=at, at=at)

    assert [result.outcome.reason for result in results[:10]] == ["unknown_code"] * 10
    assert [(result.outcome, result.problem) for result in results[10:]] == [(None, "device_locked")] * 3
    later = at + timedelta(minutes=11)
    assert bring(device, later, item(code.token, at, LEFT))[0].reason is None


def test_what_was_refused_and_given_all_the_same_is_found_by_its_key(code, device, at):
    pause_offer(offer=code.offer)
    redeem(code_text=code.token, device=device, key="scanned-offline", at=at)
    bring(device, at, item(code.token, at))

    outcome = recall_by_key(device=device, key="scanned-offline")
    assert outcome.is_conflict


@pytest.mark.parametrize("text", ["nonsense", "0" * 26, SAMPLE_TOKEN])
def test_an_unknown_code_that_was_given_is_in_the_ledger_without_a_code(text, device, at):
    [outcome] = bring(device, at, item(text, at, order_value=Decimal(10), currency="EUR"))

    line = Redemption.objects.get()
    assert outcome.is_conflict
    assert (line.conflict, line.code, line.offer, line.discount) == ("unknown_code", None, None, None)
    assert (line.order_value, line.currency) == (Decimal(10), "EUR")
    assert (line.is_use, line.cost) == (False, None)

    void(redemption=line, reason=VoidReason.TEST, at=at)

    assert ledger() == [("conflict", "unknown_code"), ("voided", "")]


def test_a_test_code_that_was_given_is_a_conflict(offer, device, at):
    bring(device, at, item(issue_test_code(offer=offer).token, at))

    assert ledger() == [("conflict", "test_code")]
    assert not Redemption.objects.get().is_use


def test_a_code_withdrawn_afterwards_was_good_when_it_was_given(code, device, at):
    revoke_code(code=code, at=at - MINUTE)

    bring(device, at, item(code.token, at - HOUR))

    assert ledger() == [("redeemed", "")]


def test_an_order_in_another_currency_does_not_keep_what_was_given_from_its_record(code, device, at):
    done = item(code.token, at, order_value=Decimal(10), currency="EUR")
    left = item(code.token, at, LEFT, key="left-open", order_value=Decimal(10), currency="EUR")

    results = upload(device=device, items=[done, left], sent_at=at, at=at)

    assert results[0].outcome.redemption.order_value is None
    assert (results[1].outcome, results[1].problem) == (None, "currency_mismatch")


def test_a_conflict_is_taken_back_without_giving_anything_back(code, contact, device, at):
    redeem(code_text=code.token, device=device, key="before", at=at - HOUR)
    [outcome] = bring(device, at, item(code.token, at))

    void(redemption=outcome.redemption, reason=VoidReason.MISTAKE, at=at, device=device)

    code.refresh_from_db()
    assert code.used == OfferTally.objects.get().used == 1
    assert Activity.objects.get(contact=contact).redemptions == 1
    assert ledger() == [("redeemed", ""), ("conflict", "already_redeemed"), ("voided", "")]


def test_what_was_refused_online_and_given_when_the_answer_was_lost_is_on_record(code, device, at):
    pause_offer(offer=code.offer)
    redeem(code_text=code.token, device=device, key="one-scan", at=at)

    for _ in range(2):
        [outcome] = bring(device, at, item(code.token, at, key="one-scan"))
        assert outcome.is_conflict

    assert ledger() == [("conflict", "offer_paused")]
    assert sorted(Scan.objects.values_list("result", flat=True)) == ["conflict", "refused"]


def test_what_was_redeemed_online_is_not_given_again_by_its_upload(code, device, at):
    online = redeem(code_text=code.token, device=device, key="one-scan", at=at)

    [outcome] = bring(device, at + MINUTE, item(code.token, at, key="one-scan"))

    assert (outcome.replayed, outcome.redemption) == (True, online.redemption)
    assert ledger() == [("redeemed", "")]


# --- Left open, and refused ---


def test_what_was_left_open_is_redeemed_as_if_it_came_now(code, device, at):
    [first] = bring(device, at, item(code.token, at - HOUR, LEFT))
    [second] = bring(device, at, item(code.token, at - HOUR, LEFT, key="another-scan"))

    assert (first.reason, second.reason, second.redemption) == (None, "already_redeemed", None)
    assert ledger() == [("redeemed", "")]


@pytest.mark.parametrize(("said", "reason"), [(None, "refused_by_staff"), (Scan.Reason.OFFER_LIMIT, "offer_limit")])
def test_what_staff_refused_is_a_scan_and_no_more(said, reason, code, device, at):
    [outcome] = bring(device, at, item(code.token, at, REFUSED, reason=said))

    scan = Scan.objects.get()
    assert (outcome.redemption, scan.result, scan.decision, scan.reason) == (None, "refused", "refused", reason)
    assert ledger() == []
    code.refresh_from_db()
    assert code.used == 0


# --- Clocks ---


@pytest.mark.parametrize(("minutes_after_the_end", "reason"), [(-1, None), (9, None), (10, "expired"), (60, "expired")])
@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(days=1), -timedelta(days=400)])
def test_a_scan_is_judged_by_when_it_was_made_with_the_clock_set_right(
    ahead, minutes_after_the_end, reason, code, device, at, change
):
    change(code.offer, ends_at=at - 5 * HOUR)
    made = code.offer.ends_at + minutes_after_the_end * MINUTE

    [outcome] = bring(device, at, item(code.token, made + ahead, LEFT), ahead=ahead)

    assert outcome.reason == reason
    assert Scan.objects.get().skew_ms == -ahead // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("scanned", "ahead", "warnings"),
    [
        (-HOUR, timedelta(0), []),
        (-HOUR, 5 * MINUTE, []),
        (-HOUR, -6 * MINUTE, ["skewed"]),
        (MINUTE, timedelta(0), ["future"]),
        (-timedelta(days=8), timedelta(0), ["old"]),
        (timedelta(days=1), timedelta(days=2), ["skewed"]),
    ],
)
def test_says_what_is_odd_about_a_clock(scanned, ahead, warnings, code, device, at):
    bring(device, at, item(code.token, at + scanned), ahead=ahead)

    assert clock_warnings(Scan.objects.get()) == warnings


@pytest.mark.parametrize(
    "scanned_at", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)]
)
def test_no_clock_is_too_odd(scanned_at, code, device, at, change):
    change(code.offer, hours=[{"days": [5], "from": "11:00", "to": "13:00"}])

    for number, ahead in enumerate([timedelta(0), scanned_at - at]):
        [outcome] = bring(device, at, item(code.token, scanned_at, key=f"odd-clock-{number}"), ahead=ahead)
        assert at - timedelta(days=366) <= outcome.redemption.at <= at


# --- A batch ---


def test_answers_in_the_order_of_the_question_and_takes_them_in_the_order_they_were_made(code, device, at):
    later, earlier = item(code.token, at - MINUTE, key="later"), item(code.token, at - HOUR, key="earlier")

    results = upload(device=device, items=[later, earlier], sent_at=at, at=at)

    assert [result.key for result in results] == ["later", "earlier"]
    assert [result.outcome.is_conflict for result in results] == [True, False]


def test_one_scan_keeps_no_other_from_its_record(code, device, at, monkeypatch):
    settle = redeeming.settle

    def fail_for_one(attempt):
        if attempt.key == "broken":
            raise RuntimeError
        return settle(attempt)

    monkeypatch.setattr(offline, "settle", fail_for_one)
    redeem(code_text=new_token(), device=device, key="used-before", at=at)
    items = [item(code.token, at, key=key) for key in ("broken", "used-before", "good")]

    results = upload(device=device, items=items, sent_at=at, at=at)

    assert [result.problem for result in results] == ["server_error", "idempotency_key_reused", None]
    assert ledger() == [("redeemed", "")]


def test_a_hundred_unknown_codes_in_ten_minutes_are_enough(code, device, at, monkeypatch):
    monkeypatch.setattr(offline, "UNKNOWN_UPLOADS_ALLOWED", 3)
    items = [item(new_token(), at, key=f"unknown-{number}") for number in range(3)]
    items.append(item(code.token, at + MINUTE, key="a-good-one"))

    *_, refused = upload(device=device, items=items, sent_at=at, at=at)
    assert (refused.problem, refused.outcome) == ("device_locked", None)

    results = upload(device=device, items=items, sent_at=at, at=at + 10 * MINUTE)

    assert [result.outcome.is_conflict for result in results] == [True, True, True, False]
    assert [result.outcome.replayed for result in results] == [True, True, True, False]


def test_unknown_codes_of_an_evening_do_not_lock_the_phone(code, device, at):
    bring(device, at, *[item(new_token(), at, key=f"unknown-{number}") for number in range(12)])

    assert redeem(code_text=code.token, device=device, key="the-scan", at=at).reason is None


def test_says_who_held_the_phone(code, device, at):
    ana = set_pin(staff=Staff(name="Ana"), pin="2468")
    sign_in(device=device, pin="2468", at=at)

    bring(device, at, item(code.token, at, staff_id=ana.pk))

    assert Redemption.objects.get().staff == ana


def test_names_nobody_who_did_not_sign_in_there(code, device, enrolled, at):
    ana = set_pin(staff=Staff(name="Ana"), pin="2468")
    sign_in(device=enrolled(name="Door phone")[0], pin="2468", at=at)

    [outcome] = bring(device, at, item(code.token, at, staff_id=ana.pk))

    assert outcome.reason is None
    assert Scan.objects.get().staff is Redemption.objects.get().staff is None


@pytest.mark.parametrize(("made", "is_named"), [(-MINUTE, True), (timedelta(0), False), (MINUTE, False)])
def test_names_who_left_since(made, is_named, code, device, at, change):
    ana = set_pin(staff=Staff(name="Ana"), pin="2468")
    sign_in(device=device, pin="2468", at=at - HOUR)
    change(ana, is_active=False, left_at=at)

    bring(device, at + HOUR, item(code.token, at + made, staff_id=ana.pk))

    assert Redemption.objects.get().staff == (ana if is_named else None)


# --- Any order, any number of times ---


@st.composite
def evenings(draw):
    """Draw how often a code may be used, what three phones did with it, and two orders of twice all of it."""
    scans = draw(
        st.lists(st.tuples(st.integers(0, 2), st.sampled_from([GIVEN, GIVEN, REFUSED]), st.integers(0, 1)), max_size=10)
    )
    doubled = list(range(len(scans))) * 2
    return draw(st.integers(1, 4)), scans, draw(st.permutations(doubled)), draw(st.permutations(doubled))


ROUND = count()


@given(evening=evenings())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_uploads_shuffled_and_doubled_converge(evening, offer, device, enrolled, at):
    max_uses, scans, *orders = evening
    phones = [device, *(enrolled(name=f"Phone {number} of {next(ROUND)}")[0] for number in range(2))]

    ends = [play(offer, phones, max_uses, scans, order, at) for order in orders]

    given_times = sum(decision == GIVEN and is_known for _, decision, is_known in scans)
    unknown = sum(decision == GIVEN and not is_known for _, decision, is_known in scans)
    redeemed = min(given_times, max_uses)
    for used, taken, kinds, recorded in ends:
        assert used == taken == kinds.count("redeemed") == redeemed
        assert kinds.count("conflict") == max(0, given_times - max_uses) + unknown
        assert recorded == len(scans)


def play(offer, phones, max_uses, scans, order, at):
    """Upload the scans of one evening in this order; return what is on record of it."""
    number = next(ROUND)
    contact = Contact.objects.create(email=f"evening{number}@example.com")
    code = Code.objects.get(pk=issue_codes(offer=offer, contact_ids=[contact.pk])[contact.pk])
    Code.objects.filter(pk=code.pk).update(max_uses=max_uses)
    before, taken = set(Redemption.objects.values_list("pk", flat=True)), offer_used(offer)
    scans_before = Scan.objects.count()
    unknown = new_token()
    for index in order:
        phone, decision, is_known = scans[index]
        text = code.token if is_known else unknown
        scan = item(text, at - index * MINUTE, decision, key=f"evening-{number}-scan-{index}")
        assert upload(device=phones[phone], items=[scan], sent_at=at, at=at + number * HOUR)[0].outcome
    code.refresh_from_db()
    new = Redemption.objects.exclude(pk__in=before)
    kinds = list(new.values_list("kind", flat=True))
    return code.used, offer_used(offer) - taken, kinds, Scan.objects.count() - scans_before


def offer_used(offer):
    return OfferTally.objects.get(offer=offer).used


# --- What a phone takes along ---


@pytest.fixture
def allowed(offer, change):
    change(offer, offline="honour_known")
    return offer


def hash_of(code):
    return hashlib.sha256(code.token.encode()).hexdigest()[:16]


def test_packs_the_deals_that_may_be_given_without_network(allowed, code, device, at):
    pack = offline_pack(location=device.location, at=at)

    assert (pack.offers, pack.codes, pack.removed) == ([allowed], {allowed.pk: [hash_of(code)]}, [])
    assert (pack.as_of, pack.typed) == (at, {})


@pytest.mark.parametrize(
    "values",
    [{"offline": "refuse"}, {"status": "paused"}, {"ends_at": datetime(2026, 1, 1, tzinfo=UTC)}, {"max_total": 1}],
)
def test_leaves_deals_out_that_may_not(values, allowed, code, device, at, change):
    OfferTally.objects.update(used=1)
    change(allowed, **values)

    assert offline_pack(location=device.location, at=at).offers == []


def test_leaves_deals_of_other_places_out(allowed, code, device, elsewhere, at):
    allowed.locations.set([elsewhere])
    assert offline_pack(location=device.location, at=at).offers == []

    allowed.locations.add(device.location)
    assert offline_pack(location=device.location, at=at).offers == [allowed]


def test_packs_no_codes_where_their_look_is_enough(allowed, code, device, at, change):
    change(allowed, offline="honour_wellformed")

    pack = offline_pack(location=device.location, at=at)

    assert (pack.offers, pack.codes) == ([allowed], {})


def test_packs_no_codes_that_are_used_withdrawn_or_a_test(allowed, code, device, at):
    issue_test_code(offer=allowed)
    redeem(code_text=code.token, device=device, key="the-scan", at=at)

    assert offline_pack(location=device.location, at=at).codes == {allowed.pk: []}


def test_packs_what_changed_since_the_last_time(allowed, code, device, at):
    Code.objects.update(created_at=at - timedelta(days=3))
    first = offline_pack(location=device.location, at=at)
    unchanged = offline_pack(location=device.location, at=at, since=first.cursor)
    assert (unchanged.codes, unchanged.removed, unchanged.cursor) == ({allowed.pk: []}, [], first.cursor)

    line = redeem(code_text=code.token, device=device, key="the-scan", at=at + MINUTE).redemption
    assert line
    used = offline_pack(location=device.location, at=at + HOUR, since=first.cursor)
    assert (used.codes, used.removed) == ({allowed.pk: []}, [hash_of(code)])

    void(redemption=line, reason=VoidReason.MISTAKE, at=at + HOUR)
    back = offline_pack(location=device.location, at=at + HOUR, since=used.cursor)
    assert (back.codes, back.removed) == ({allowed.pk: [hash_of(code)]}, [])

    revoke_code(code=code, at=at + 2 * HOUR)
    gone = offline_pack(location=device.location, at=at + 2 * HOUR, since=back.cursor)
    assert gone.removed == [hash_of(code)]


def test_packs_all_codes_of_a_deal_that_was_not_in_the_last_pack(allowed, code, device, at, change):
    Code.objects.update(created_at=at - timedelta(days=3))
    change(allowed, status="paused")
    first = offline_pack(location=device.location, at=at)
    change(allowed, status="active")

    assert offline_pack(location=device.location, at=at, since=first.cursor).codes == {allowed.pk: [hash_of(code)]}


@pytest.mark.parametrize("since", ["", "nonsense", "1-2", "9" * 30 + "-0-1", "0-5000-1", "-1--1-1", "1-1-x"])
def test_an_unknown_cursor_is_none(since, allowed, code, device, at):
    Code.objects.update(created_at=at - timedelta(days=3))

    assert offline_pack(location=device.location, at=at, since=since).codes == {allowed.pk: [hash_of(code)]}


def test_packs_many_codes_in_few_queries(allowed, device, at, django_assert_num_queries):
    people = Contact.objects.bulk_create([Contact(email=f"guest{number}@example.com") for number in range(20)])
    issue_codes(offer=allowed, contact_ids=[contact.pk for contact in people])

    location = device.location

    with django_assert_num_queries(3):
        pack = offline_pack(location=location, at=at)

    assert len(pack.codes[allowed.pk]) == 20
