"""Twelve tills at the same moment. The naive control proves that this set-up can show the fault it looks for."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from threading import Barrier
from typing import TypeVar

import pytest
from django.db import connection

from contacts.models import Contact
from redemptions.models import Code, Device, EntryCounter, Offer, Redemption, Scan
from redemptions.services import (
    Outcome,
    complete_enrolment,
    create_offer,
    enrol_device_start,
    issue_codes,
    redeem,
)

TILLS = 12
ROUNDS = 20
NOON = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
T = TypeVar("T")


@pytest.fixture(autouse=True)
def several_writers(transactional_db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time and cannot show a race: set TEST_DATABASE_URL to PostgreSQL")


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


def all_at_once(do: Callable[[int], T]) -> list[T]:
    """Run `do(number)` in twelve threads that start together, each with a connection of its own."""
    barrier = Barrier(TILLS, timeout=30)

    def run(number: int) -> T:
        try:
            connection.ensure_connection()
            barrier.wait()
            return do(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(TILLS) as pool:
        return list(pool.map(run, range(TILLS)))


def scan_with_a_key_of_its_own(code: Code, device: Device, number: int) -> Outcome:
    return redeem(code_text=code.token, device=device, key=f"{code.pk}-till-{number}", at=NOON)


def scan_with_the_same_key(code: Code, device: Device, number: int) -> Outcome:
    return redeem(code_text=code.token, device=device, key=f"{code.pk}-one-scan", at=NOON)


@pytest.mark.parametrize("max_uses", [1, 3])
def test_gives_a_deal_no_more_often_than_allowed(max_uses, new_code, device):
    for _ in range(5):
        code = new_code(max_uses=max_uses)

        outcomes = all_at_once(partial(scan_with_a_key_of_its_own, code, device))

        reasons = Counter(outcome.reason for outcome in outcomes)
        assert reasons == {None: max_uses, Scan.Reason.ALREADY_REDEEMED: TILLS - max_uses}
        assert code.redemptions.count() == max_uses
        assert code.scans.count() == TILLS
        code.refresh_from_db()
        assert code.used == max_uses


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


def test_the_naive_way_gives_a_deal_too_often(new_code, device):
    for _ in range(ROUNDS):
        code = new_code()

        given = all_at_once(partial(redeem_naively, code, device))

        if sum(given) > 1:
            assert code.redemptions.count() == sum(given)
            return
    pytest.fail(f"{ROUNDS} rounds of {TILLS} tills showed no race: the tests above prove nothing on this machine")
