"""Many tills at the same moment. The naive control proves that this set-up can show the fault it looks for.

SQLite lets one writer in at a time and shows no race; there it is seen that nobody is left outside.
"""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

import pytest
from django.db import connection  # noqa: F401 - what skipif is asked of

from contacts.models import Activity, Contact
from redemptions.models import Code, Device, EntryCounter, Offer, OfferTally, Redemption, Scan
from redemptions.services import (
    CorrectionRefused,
    KeyReused,
    OfflineScan,
    Outcome,
    VoidReason,
    amend,
    complete_enrolment,
    create_offer,
    enrol_device_start,
    issue_codes,
    redeem,
    upload,
    void,
)
from tests.races.crowd import TILLS, all_at_once

CROWD = 50  # in one test only: a server has a hundred connections, and two tests may run at once
ROUNDS = 20
NOON = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def threads_see_the_rows(transactional_db: None) -> None:
    pass


@pytest.fixture
def offer() -> Offer:
    return create_offer(name="Free coffee", type=Offer.Type.ITEM)


@pytest.fixture
def new_code(offer: Offer) -> Callable[..., Code]:
    def make(*, max_uses: int = 1) -> Code:
        contact = Contact.objects.create(email=f"guest{Contact.objects.count()}@example.com")
        Code.objects.filter(pk=issue_codes(offer=offer, contact_ids=[contact.pk])[contact.pk]).update(max_uses=max_uses)
        return Code.objects.get(contact=contact)

    return make


@pytest.fixture
def device() -> Device:
    _, token = enrol_device_start(name="Bar phone", location_name="Main St", profile=Device.Profile.SCANNER, at=NOON)
    return complete_enrolment(enrol_token=token, key="a-key", at=NOON)[0]


def scan_with_a_key_of_its_own(code: Code, device: Device, number: int) -> Outcome:
    return redeem(code_text=code.token, device=device, key=f"{code.pk}-till-{number}", at=NOON)


def scan_with_the_same_key(code: Code, device: Device, number: int) -> Outcome:
    return redeem(code_text=code.token, device=device, key=f"{code.pk}-one-scan", at=NOON)


def test_gives_a_deal_no_more_often_than_allowed(new_code, device):
    for max_uses in (1, 3):
        code = new_code(max_uses=max_uses)

        outcomes = all_at_once(partial(scan_with_a_key_of_its_own, code, device), CROWD)

        reasons = Counter(outcome.reason for outcome in outcomes)
        assert reasons == {None: max_uses, Scan.Reason.ALREADY_REDEEMED: CROWD - max_uses}
        assert code.redemptions.count() == max_uses
        assert code.scans.count() == CROWD
        code.refresh_from_db()
        assert code.used == Activity.objects.get(contact=code.contact).redemptions == max_uses
    assert OfferTally.objects.get().used == 4


@pytest.mark.parametrize("max_uses", [1, 3])
def test_gives_one_answer_to_one_key(max_uses, new_code, device):
    for _ in range(5):
        code = new_code(max_uses=max_uses)

        outcomes = all_at_once(partial(scan_with_the_same_key, code, device))

        assert Counter(outcome.replayed for outcome in outcomes) == {False: 1, True: TILLS - 1}
        assert {outcome.redemption for outcome in outcomes} == {code.redemptions.get()}
        assert code.scans.count() == 1
        code.refresh_from_db()
        assert code.used == 1


@pytest.mark.parametrize(
    ("limits", "given"), [({"max_total": 3}, 3), ({"budget": Decimal("15.50")}, 3), ({"max_total": TILLS}, TILLS)]
)
def test_gives_no_more_of_a_deal_than_there_is(limits, given, offer, new_code, device):
    Offer.objects.update(type="amount", value=5, **limits)
    OfferTally.objects.all().delete()
    codes = [new_code() for _ in range(TILLS)]

    outcomes = all_at_once(lambda number: scan_with_a_key_of_its_own(codes[number], device, number))

    reasons = Counter(outcome.reason for outcome in outcomes)
    assert (reasons[None], reasons[Scan.Reason.OFFER_LIMIT]) == (given, TILLS - given)
    assert OfferTally.objects.values_list("used", "given").get() == (given, 5 * given)
    assert Code.objects.filter(used=1).count() == Redemption.objects.count() == given
    assert Scan.objects.count() == TILLS


def test_gives_one_person_no_more_than_allowed(offer, new_code, device):
    Offer.objects.update(max_per_person=2)
    code = new_code(max_uses=TILLS)

    outcomes = all_at_once(partial(scan_with_a_key_of_its_own, code, device))

    assert Counter(outcome.reason for outcome in outcomes) == {None: 2, Scan.Reason.CUSTOMER_LIMIT: TILLS - 2}


def test_records_all_that_was_given_without_network(new_code, device):
    code = new_code()

    def bring(number: int) -> bool:
        scan = OfflineScan(
            key=f"offline-{number // 2}", code_text=code.token, scanned_at=NOON, decision=Scan.Decision.HONOURED
        )
        outcome = upload(device=device, items=[scan], sent_at=NOON, at=NOON)[0].outcome
        assert outcome
        return outcome.replayed

    repeated = all_at_once(bring)

    assert Counter(repeated) == {False: TILLS // 2, True: TILLS // 2}
    assert Counter(Redemption.objects.values_list("kind", flat=True)) == {"redeemed": 1, "conflict": TILLS // 2 - 1}
    code.refresh_from_db()
    assert code.used == OfferTally.objects.get().used == 1


@pytest.mark.parametrize("one_key", [True, False])
def test_takes_back_once(one_key, new_code, device):
    code = new_code()
    line = scan_with_the_same_key(code, device, 0).redemption
    assert line

    def take_back(number: int) -> str:
        key = "one-void" if one_key else f"void-{number}"
        try:
            done = void(redemption=line, reason=VoidReason.OTHER, at=NOON, device=device, key=key)
        except CorrectionRefused as refused:
            return refused.reason
        return "again" if done.replayed else "first"

    answers = Counter(all_at_once(take_back))

    assert answers == {"first": 1, "again" if one_key else "already_voided": TILLS - 1}
    code.refresh_from_db()
    assert code.used == OfferTally.objects.get().used == Activity.objects.get(contact=code.contact).redemptions == 0


def test_one_key_takes_one_redemption_back(new_code, device):
    lines = [
        redeem(code_text=new_code().token, device=device, key=f"given-{n}", at=NOON).redemption for n in range(TILLS)
    ]

    def take_back(number: int) -> str:
        line = lines[number]
        assert line
        try:
            void(redemption=line, reason=VoidReason.OTHER, at=NOON, device=device, key="one-void-key")
        except KeyReused:
            return "reused"
        return "taken back"

    assert Counter(all_at_once(take_back)) == {"taken back": 1, "reused": TILLS - 1}
    assert Redemption.objects.filter(kind="voided").count() == 1


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite locks no rows")
def test_nobody_waits_in_a_circle(new_code, device):
    """Everything at once on the same few rows: the database would end one of two that wait for each other."""
    codes = [new_code(max_uses=30) for _ in range(2)]

    def do(number: int) -> None:
        for step in range(4):
            code = codes[(number + step) % 2]
            done = redeem(code_text=code.token, device=device, key=f"mixed-{number}-{step}", at=NOON)
            assert done.redemption
            amend(redemption=done.redemption, device=device, at=NOON, order_value=Decimal(step))
            if step % 2:
                void(redemption=done.redemption, reason=VoidReason.OTHER, at=NOON, device=device)

    all_at_once(do)

    kinds = Counter(Redemption.objects.values_list("kind", flat=True))
    assert kinds == {"redeemed": 4 * TILLS, "voided": 2 * TILLS}
    numbers = Redemption.objects.order_by("entry_no").values_list("entry_no", flat=True)
    assert list(numbers) == list(range(1, 6 * TILLS + 1))
    used = sum(Code.objects.values_list("used", flat=True))
    assert used == OfferTally.objects.get().used == 2 * TILLS
    assert sum(Activity.objects.values_list("spend", flat=True)) == 2 * TILLS  # of an order of 0 and one of 2, each


def test_records_one_refusal_for_one_key(device):
    outcomes = all_at_once(lambda _: redeem(code_text="0" * 26, device=device, key="one-scan", at=NOON))

    assert Counter(outcome.replayed for outcome in outcomes) == {False: 1, True: TILLS - 1}
    assert Scan.objects.get().reason == Scan.Reason.UNKNOWN_CODE


def test_numbers_the_ledger_without_gaps_from_its_first_line(new_code, device):
    codes = [new_code() for _ in range(TILLS)]
    assert not EntryCounter.objects.exists()

    # Every other till repeats the key of its neighbour, so that some attempts are rolled back.
    all_at_once(
        lambda number: redeem(
            code_text=codes[number - number % 2].token, device=device, key=f"scan-{number - number % 2}", at=NOON
        )
    )

    numbers = Redemption.objects.order_by("entry_no").values_list("entry_no", flat=True)
    assert list(numbers) == list(range(1, TILLS // 2 + 1))


def test_issues_one_code_where_two_issue_at_once(offer):
    ids = [Contact.objects.create(email=f"guest{number}@example.com").pk for number in range(20)]

    issued = all_at_once(lambda _: issue_codes(offer=offer, contact_ids=ids))

    assert all(codes == issued[0] for codes in issued)
    assert Code.objects.count() == len(ids)


def test_enrols_a_device_once(db):
    _, token = enrol_device_start(name="Bar phone", location_name="Main St", profile=Device.Profile.SCANNER, at=NOON)

    tokens = all_at_once(lambda _: complete_enrolment(enrol_token=token, key="one-key", at=NOON)[1])

    assert len(set(tokens)) == 1


def redeem_naively(code: Code, device: Device, number: int) -> bool:
    """Read, check, write: what `redeem` must not be."""
    seen = Code.objects.get(pk=code.pk)
    if seen.used >= seen.max_uses:
        return False
    seen.used += 1
    seen.save(update_fields=["used"])
    Scan.objects.create(
        device=device,
        location=device.location,
        key=f"{code.pk}-till-{number}",
        fingerprint=b"0" * 32,
        code=code,
        result=Scan.Result.ACCEPTED,
        at=NOON,
        redemption=Redemption.objects.create(
            entry_no=TILLS * code.pk + number,
            code=code,
            offer=code.offer,
            location=device.location,
            device=device,
            at=NOON,
            discount=Decimal(0),
        ),
    )
    return True


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite lets one writer in at a time: no race to show")
def test_the_naive_way_gives_a_deal_too_often(new_code, device):
    for _ in range(ROUNDS):
        code = new_code()

        given = all_at_once(partial(redeem_naively, code, device))

        if sum(given) > 1:
            assert code.redemptions.count() == sum(given)
            return
    pytest.fail(f"{ROUNDS} rounds of {TILLS} tills showed no race: the tests above prove nothing on this machine")
