"""A till that may do anything, in any order, beside a model of what must be true after each step."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest
from django.db import transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contacts.models import Activity, Contact
from redemptions.codes import new_token, normalise
from redemptions.models import Code, Device, Offer, OfferTally, Redemption, Scan
from redemptions.services import (
    CorrectionRefused,
    KeyReused,
    OfflineScan,
    VoidReason,
    amend,
    complete_enrolment,
    create_offer,
    enrol_device_start,
    issue_codes,
    pause_offer,
    redeem,
    resume_offer,
    upload,
    validate,
    void,
)

ORDERS = st.none() | st.decimals("0", "90", places=2)
PICK = st.integers(0, 1000)
GIVEN, LEFT = Scan.Decision.HONOURED, Scan.Decision.UNDECIDED
SECOND = timedelta(seconds=1)


class Till(RuleBasedStateMachine):
    """What is kept here is written down by hand, from the answers and the rules, and compared with the tables."""

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.numbers = count()
        self.now = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    @initialize(
        max_total=st.none() | st.integers(1, 4),
        budget=st.none() | st.decimals("5", "20", places=2),
        by_money=st.booleans(),
    )
    def open_the_shop(self, max_total: int | None, budget: Decimal | None, by_money: bool) -> None:
        self.max_total, self.budget = max_total, budget
        kind, value = (Offer.Type.AMOUNT, Decimal(5)) if by_money else (Offer.Type.PERCENT, Decimal(20))
        self.offer = create_offer(
            name="Deal", type=kind, value=value, max_total=max_total, budget=budget, max_per_person=2
        )
        self.devices = [self.enrol(profile) for profile in (Device.Profile.SCANNER, Device.Profile.MANAGER)]
        self.codes: list[Code] = []
        self.used: Counter[int | None] = Counter()
        self.burned: Counter[int | None] = Counter()
        self.answers: dict[tuple[int, str], tuple[str, object, object]] = {}  # device and key -> text, reason, line
        self.held: dict[int, Redemption] = {}  # lines that were not taken back
        self.uses: set[int] = set()  # those of them that used a code
        self.counted: set[int] = set()  # those of them that count against the deal's limits
        self.lines = self.scans = 0

    def enrol(self, profile: Device.Profile) -> Device:
        _, token = enrol_device_start(name=f"Phone {profile}", location_name="Main St", profile=profile, at=self.now)
        return complete_enrolment(enrol_token=token, key="k" * 16, at=self.now)[0]

    def tick(self) -> datetime:
        self.now += SECOND
        return self.now

    @rule(max_uses=st.integers(1, 3))
    def issue(self, max_uses: int) -> None:
        contact = Contact.objects.create(email=f"guest{next(self.numbers)}@example.com")
        code = Code.objects.get(pk=issue_codes(offer=self.offer, contact_ids=[contact.pk])[contact.pk])
        Code.objects.filter(pk=code.pk).update(max_uses=max_uses)
        code.max_uses = max_uses
        self.codes.append(code)

    # --- What must be answered ---

    def expected(self, code: Code | None, order: Decimal | None) -> str | None:
        if code is None:
            return "unknown_code"
        if self.offer.status == Offer.Status.PAUSED:
            return "offer_paused"
        if self.used[code.pk] + self.burned[code.pk] >= code.max_uses:
            return "already_redeemed"
        if self.used[code.pk] >= 2:
            return "customer_limit"
        if self.budget is not None and order is None and self.offer.type == Offer.Type.PERCENT:
            return "order_value_required"
        return None if self.has_room(order) else "offer_limit"

    def has_room(self, order: Decimal | None) -> bool:
        if self.max_total is not None and len(self.counted) >= self.max_total:
            return False
        cost = max(self.cost(order).quantize(Decimal("0.01"), "ROUND_HALF_UP"), Decimal("0.01"))
        return self.budget is None or self.money_given() + cost <= self.budget

    def cost(self, order: Decimal | None) -> Decimal:
        if self.offer.type == Offer.Type.AMOUNT:
            return Decimal(5) if order is None else min(Decimal(5), order)
        return (order or Decimal(0)) / 5

    def money_given(self) -> Decimal:
        rounded = (self.cost(self.held[pk].order_value) for pk in self.counted)
        return sum((money.quantize(Decimal("0.01"), "ROUND_HALF_UP") for money in rounded), Decimal(0))

    def book(self, device: Device, key: str, text: str, outcome) -> None:
        self.scans += 1
        self.answers[device.pk, key] = (text, outcome.reason, outcome.redemption)
        if line := outcome.redemption:
            code = next(code for code in self.codes if code.pk == outcome.code.pk)
            self.lines += 1
            if self.used[code.pk] + self.burned[code.pk] < code.max_uses:  # against a rule, but there was one left
                self.uses.add(line.pk)
                if self.has_room(line.order_value):
                    self.counted.add(line.pk)
                self.used[code.pk] += 1
            self.held[line.pk] = line

    # --- What a till does ---

    @precondition(lambda self: self.codes)
    @rule(pick=PICK, who=st.integers(0, 1), typed=st.booleans(), order=ORDERS)
    def scan(self, pick: int, who: int, typed: bool, order: Decimal | None) -> None:
        code, device, key = self.codes[pick % len(self.codes)], self.devices[who], f"scan-{next(self.numbers)}"
        text = code.typed_display.lower() if typed else code.token
        reason = self.expected(code, order)

        dry = validate(code_text=text, device=device, at=self.now, order_value=order)
        outcome = redeem(code_text=text, device=device, key=key, at=self.tick(), order_value=order)

        assert (dry.reason, outcome.reason, outcome.replayed) == (reason, reason, False)
        self.book(device, key, text, outcome)

    @rule(who=st.integers(0, 1))
    def scan_nonsense(self, who: int) -> None:
        device, key = self.devices[who], f"scan-{next(self.numbers)}"
        text = new_token()
        outcome = redeem(code_text=text, device=device, key=key, at=self.tick())
        assert outcome.reason == "unknown_code"
        self.book(device, key, text, outcome)
        self.now += timedelta(minutes=2)  # too slow for guessing

    @precondition(lambda self: self.codes and self.answers)
    @rule(pick=PICK, other=PICK)
    def repeat(self, pick: int, other: int) -> None:
        (device_id, key), (text, reason, line) = list(self.answers.items())[pick % len(self.answers)]
        device = next(device for device in self.devices if device.pk == device_id)
        another = self.codes[other % len(self.codes)].token
        if normalise(another) != normalise(text):
            with pytest.raises(KeyReused):
                redeem(code_text=another, device=device, key=key, at=self.now)

        again = redeem(code_text=text, device=device, key=key, at=self.now)

        assert (again.reason, again.redemption, again.replayed) == (reason, line, True)

    @precondition(lambda self: self.codes)
    @rule(pick=PICK, who=st.integers(0, 1), order=ORDERS, decision=st.sampled_from([GIVEN, LEFT]), twice=st.booleans())
    def bring_a_scan(self, pick: int, who: int, order: Decimal | None, decision: Scan.Decision, twice: bool) -> None:
        code, device, key = self.codes[pick % len(self.codes)], self.devices[who], f"offline-{next(self.numbers)}"
        reason, at = self.expected(code, order), self.tick()
        item = OfflineScan(key=key, code_text=code.token, scanned_at=at, decision=decision, order_value=order)

        outcome = upload(device=device, items=[item] * (2 if twice else 1), sent_at=at, at=at)[0].outcome

        assert outcome.reason == reason
        assert outcome.is_conflict == (decision == GIVEN and reason is not None)
        self.book(device, key, code.token, outcome)

    @precondition(lambda self: self.held)
    @rule(pick=PICK, who=st.integers(0, 1), burn=st.booleans())
    def take_back(self, pick: int, who: int, burn: bool) -> None:
        line, device = list(self.held.values())[pick % len(self.held)], self.devices[who]
        key = f"void-{next(self.numbers)}"
        if who == 0 and line.device_id != device.pk:
            with pytest.raises(CorrectionRefused):
                void(redemption=line, reason=VoidReason.OTHER, at=line.recorded_at, device=device, key=key)
            return
        for replayed in (False, True):
            done = void(
                redemption=line, reason=VoidReason.OTHER, at=line.recorded_at, device=device, key=key, burn=burn
            )
            assert done.replayed == replayed
        del self.held[line.pk]
        self.lines += 1
        if line.pk in self.uses and burn:
            self.burned[line.code_id] += 1  # gone for good, but nobody had it
        self.used[line.code_id] -= line.pk in self.uses
        self.uses.discard(line.pk)
        self.counted.discard(line.pk)

    @precondition(lambda self: self.held)
    @rule(pick=PICK, order=st.decimals("0", "90", places=2))
    def learn_the_order(self, pick: int, order: Decimal) -> None:
        line = list(self.held.values())[pick % len(self.held)]
        device = next(device for device in self.devices if device.pk == line.device_id)
        self.held[line.pk] = amend(redemption=line, device=device, at=line.recorded_at, order_value=order)

    @rule()
    def pause_or_resume(self) -> None:
        paused = self.offer.status == Offer.Status.PAUSED
        self.offer = (resume_offer if paused else pause_offer)(offer=self.offer)

    # --- What must be true ---

    @invariant()
    def the_tables_say_the_same(self) -> None:
        kept = {code.pk: code for code in Code.objects.defer("token", "typed")}
        for code in self.codes:
            assert kept[code.pk].used == self.used[code.pk] + self.burned[code.pk] <= kept[code.pk].max_uses
        tally = OfferTally.objects.get()
        assert (tally.used, tally.given) == (len(self.counted), self.money_given())
        assert Scan.objects.count() == self.scans

    @invariant()
    def the_ledger_has_no_gaps(self) -> None:
        numbers = list(Redemption.objects.order_by("entry_no").values_list("entry_no", flat=True))
        assert numbers == list(range(1, self.lines + 1))

    @invariant()
    def people_are_known_for_what_they_have(self) -> None:
        rows = Activity.objects.values_list("contact", "redemptions", "spend", "last_redeemed_at")
        known: dict[int | None, list[object]] = {contact: figures for contact, *figures in rows}
        for code in self.codes:
            lines = [line for line in self.held.values() if line.code_id == code.pk]
            spend = sum((line.order_value or Decimal(0) for line in lines), Decimal(0))
            last = max((line.at for line in lines), default=None)
            assert known.get(code.contact_id, [0, 0, None]) == [len(lines), spend, last]


@pytest.mark.django_db
def test_a_till_may_do_anything():
    run_state_machine_as_test(Till, settings=settings(max_examples=15, stateful_step_count=30, deadline=None))
