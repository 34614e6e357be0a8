"""The whole API over HTTP beside a plain model of it: several devices, each with a clock of its own, in any order.

What the model knows it worked out from what was sent and what was answered. It asks neither the rules nor the queries.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import transaction
from django.test import Client, override_settings
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
from redemptions.api.throttles import CallThrottle
from redemptions.codes import new_token
from redemptions.hours import read
from redemptions.models import Code, Device, Location, Offer, OfferTally, Redemption, Scan, Staff
from redemptions.services import (
    create_offer,
    enrol_device_start,
    issue_codes,
    pause_offer,
    renew_enrolment,
    resume_offer,
    set_pin,
)

CHICAGO = ZoneInfo("America/Chicago")
CENT = Decimal("0.01")
MINUTE, SECOND, DAY = timedelta(minutes=1), timedelta(seconds=1), timedelta(days=1)
PICK = st.integers(0, 1000)
MONEY = st.decimals("0", "90", places=2)
ORDERS = st.none() | st.tuples(MONEY, st.sampled_from(["", "USD", "USD", "EUR"]))
DECISIONS = st.sampled_from(["honoured", "refused", "undecided"])
# Written here as hours of a week, Monday at 0:00 being 0: the model lays them out by itself.
HOURS = {
    "": [],
    "Mon-Sun 8:00-20:00": [(24 * day + 8, 24 * day + 20) for day in range(7)],
    "Sat 10:00-14:00": [(5 * 24 + 10, 5 * 24 + 14)],
    "Sat-Sun 18:00-2:00": [(5 * 24 + 18, 6 * 24 + 2), (6 * 24 + 18, 7 * 24), (0, 2)],
}
CLOCKS = [timedelta(0), -3 * timedelta(hours=1), timedelta(days=400), timedelta(days=-7000)]


@dataclass
class Deal:
    row: Offer
    hours: str
    place: str
    is_paused: bool = False


@dataclass
class Ticket:
    """A code as the model knows it. `used` is what it shows, uses that were taken back left out."""

    pk: int
    token: str
    typed: str
    deal: Deal
    contact: int
    max_uses: int
    used: int = 0


@dataclass
class Line:
    """A line of the ledger that gave something."""

    id: str
    number: int
    ticket: Ticket | None
    phone: Phone
    at: datetime
    recorded_at: datetime
    order: Decimal | None
    is_conflict: bool
    is_use: bool
    cost: Decimal | None
    currency: str
    voided_by: tuple[Phone, str] | None = None


@dataclass
class Record:
    """What a device was told under a key."""

    text: str
    reason: str = ""
    line: Line | None = None
    is_staffs: bool = False
    given: Record | None = None  # it was refused first, and given all the same


@dataclass(eq=False)
class Phone:
    row: Device
    place: str
    clock: timedelta
    token: str = ""
    records: dict[str, Record] = field(default_factory=dict)
    guesses: list[datetime] = field(default_factory=list)
    wrong_pins: list[datetime] = field(default_factory=list)
    pack: dict[str, Any] | None = None

    @property
    def is_manager(self) -> bool:
        return self.row.profile == Device.Profile.MANAGER


class Shop(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.numbers = count(1)
        self.now = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)  # a Saturday, noon in Chicago
        self.stack = ExitStack()
        folder = self.stack.enter_context(TemporaryDirectory())
        self.stack.enter_context(override_settings(VAR_DIR=Path(folder), REDIS_URL=""))
        self.stack.enter_context(transaction.atomic())
        self.stack.callback(transaction.set_rollback, True)
        self.traveller = self.stack.enter_context(time_machine.travel(self.now, tick=False))
        self.http = Client(raise_request_exception=False)

    def teardown(self) -> None:
        self.stack.close()

    # --- The shop ---

    @initialize(
        limits=st.fixed_dictionaries(
            {},
            optional={
                "max_total": st.integers(1, 4),
                "budget": st.decimals("5", "20", places=2),
                "max_per_person": st.integers(1, 2),
                "min_spend": st.decimals("1", "30", places=2),
            },
        ),
        cap=st.none() | st.decimals("1", "5", places=2),
        policy=st.sampled_from(list(Offer.Offline)),
        hours=st.sampled_from(list(HOURS)),
        place=st.sampled_from(["", "Main St"]),
    )
    def open_the_shop(self, limits: dict[str, Any], cap: Any, policy: str, hours: str, place: str) -> None:
        places = {name: Location.objects.create(name=name) for name in ("Main St", "Airport")}
        plain = create_offer(name="Five off", type=Offer.Type.AMOUNT, value=Decimal(5), offline=Offer.Offline.KNOWN)
        strict = create_offer(
            name="A fifth off",
            type=Offer.Type.PERCENT,
            value=Decimal(20),
            max_discount=cap,
            offline=policy,
            hours=read(hours),
            locations=[places[place]] if place else [],
            **limits,
        )
        self.deals = [Deal(plain, "", ""), Deal(strict, hours, place)]
        self.tickets: list[Ticket] = []
        self.lines: list[Line] = []
        self.scans = self.numbered = 0
        self.ana = set_pin(staff=Staff(name="Ana"), pin="2468")
        profiles = [Device.Profile.SCANNER, Device.Profile.SCANNER, Device.Profile.MANAGER, Device.Profile.KIOSK]
        where = ["Main St", "Airport", "Main St", "Airport"]
        self.phones = []
        for number, profile in enumerate(profiles):
            row, link = enrol_device_start(
                name=f"Phone {number}", location_name=where[number], profile=profile, at=self.now
            )
            phone = Phone(row, where[number], CLOCKS[number])
            phone.token = self.enrol(link)
            self.phones.append(phone)
        for _ in range(3):
            self.issue(0, 1)
            self.issue(1, 2)
        for pick in range(4):  # something to repeat, to take back and to run into
            self.scan(pick, 2 * (pick % 2), False, (Decimal(35), ""), 1)

    @rule(deal=st.integers(0, 1), max_uses=st.integers(1, 3))
    def issue(self, deal: int, max_uses: int) -> None:
        offer = self.deals[deal].row
        contact = Contact.objects.create(email=f"guest{next(self.numbers)}@example.com", first_name="Maria")
        code = Code.objects.get(pk=issue_codes(offer=offer, contact_ids=[contact.pk])[contact.pk])
        # The database reads a clock of its own.
        Code.objects.filter(pk=code.pk).update(max_uses=max_uses, created_at=self.now)
        ticket = Ticket(code.pk, code.token, code.typed_display, self.deals[deal], contact.pk, max_uses)
        self.tickets.append(ticket)

    @rule(minutes=st.sampled_from([1, 4, 11, 16, 90, 500, 1500]))
    def wait(self, minutes: int) -> None:
        self.pass_time(minutes * MINUTE)

    @rule(deal=st.integers(0, 1))
    def pause_or_resume(self, deal: int) -> None:
        known = self.deals[deal]
        known.row = (resume_offer if known.is_paused else pause_offer)(offer=known.row)
        known.is_paused = not known.is_paused

    def pass_time(self, span: timedelta) -> None:
        self.now += span
        self.traveller.move_to(self.now)

    # --- Calls ---

    def call(self, method: str, path: str, phone: Phone | None = None, *, key: str = "", body: Any = None) -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        if phone:
            headers["Authorization"] = f"Token {phone.token}"
        data = json.dumps(body, default=str) if body is not None else ""
        answer = self.http.generic(method, f"/api/v1/{path}", data, content_type="application/json", headers=headers)
        assert answer.status_code < 500, answer.content
        is_problem = answer.headers.get("Content-Type") == "application/problem+json"
        assert is_problem == (answer.status_code >= 400)
        return answer

    def new_key(self) -> str:
        return f"key-{next(self.numbers):06}"

    def enrol(self, link: str, *, is_lost: bool = False) -> str:
        key = self.new_key()
        answers = [self.call("POST", "devices/enrol", key=key, body={"enrol_token": link}) for _ in range(1 + is_lost)]
        assert [answer.status_code for answer in answers] == [201] * len(answers)
        tokens = {answer.json()["token"] for answer in answers}
        assert len(tokens) == 1
        assert self.call("POST", "devices/enrol", key=self.new_key(), body={"enrol_token": link}).status_code == 409
        return tokens.pop()

    # --- The device ---

    @rule(who=st.integers(0, 3), is_lost=st.booleans(), gave_up=st.booleans())
    def connect_again(self, who: int, is_lost: bool, gave_up: bool) -> None:
        phone, old = self.phones[who], self.phones[who].token
        if gave_up:
            assert self.call("DELETE", "device", phone).status_code == 204
            assert self.call("GET", "device", phone).status_code == 401
        phone.row.refresh_from_db()
        link = renew_enrolment(device=phone.row, at=self.now)
        assert self.call("GET", "device", phone).status_code == (401 if gave_up else 200)
        phone.token = self.enrol(link, is_lost=is_lost)
        assert phone.token != old
        self.expect_unknown(old)
        assert self.call("GET", "device", phone).json()["device_id"] == phone.row.pk

    @rule(who=st.integers(0, 3), is_lost=st.booleans(), another=st.booleans())
    def rotate(self, who: int, is_lost: bool, another: bool) -> None:
        phone, old, key = self.phones[who], self.phones[who].token, self.new_key()
        if another:  # given up before it was used
            self.call("POST", "device/rotate", phone, key=self.new_key())
        new = {self.call("POST", "device/rotate", phone, key=key).json()["token"] for _ in range(2 if is_lost else 1)}
        assert len(new) == 1
        assert self.call("GET", "device", phone).status_code == 200  # until the new one is used
        phone.token = new.pop()
        assert self.call("GET", "device", phone).json()["device_id"] == phone.row.pk
        self.expect_unknown(old)

    def expect_unknown(self, token: str) -> None:
        answer = self.http.get("/api/v1/device", headers={"Authorization": f"Token {token}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "device_unknown")

    @rule(who=st.integers(0, 3), pins=st.lists(st.booleans(), min_size=1, max_size=6))
    def sign_in(self, who: int, pins: list[bool]) -> None:
        phone = self.phones[who]
        for is_right in pins:
            self.pass_time(SECOND)
            was_locked = self.is_shut(phone)
            answer = self.call("POST", "staff/sign-in", phone, body={"pin": "2468" if is_right else "1357"})
            if was_locked:
                assert answer.json()["code"] == "pin_locked"
            elif is_right:
                assert answer.json()["staff"] == {"id": f"st_{self.ana.pk}", "name": "Ana"}
            else:
                phone.wrong_pins.append(self.now)
                assert answer.json()["code"] == ("pin_locked" if self.is_shut(phone) else "pin_wrong")

    def is_shut(self, phone: Phone) -> bool:
        return sum(at > self.now - 15 * MINUTE for at in phone.wrong_pins) >= 5

    # --- What must be answered ---

    def is_open(self, deal: Deal, at: datetime) -> bool:
        wall = at.astimezone(CHICAGO)
        hour = 24 * wall.weekday() + wall.hour + wall.minute / 60 + wall.second / 3600
        return not deal.hours or any(start <= hour < end for start, end in HOURS[deal.hours])

    def refusal(self, ticket: Ticket, phone: Phone, at: datetime, order: Decimal | None, leeway: timedelta) -> str:
        """Return why a deal is not given, in the order in which the API promises to look."""
        deal, row = ticket.deal, ticket.deal.row
        used_by_person = sum(line.is_use for line in self.counted(deal) if line.ticket is ticket)
        is_percent = row.type == Offer.Type.PERCENT
        needs_order = row.min_spend is not None or (row.budget is not None and is_percent)
        rules = [
            (deal.is_paused, "offer_paused"),
            (not any(self.is_open(deal, at + step) for step in (-leeway, timedelta(0), leeway)), "outside_hours"),
            (deal.place not in {"", phone.place}, "wrong_location"),
            (ticket.used >= ticket.max_uses, "already_redeemed"),
            (row.max_per_person is not None and used_by_person >= row.max_per_person, "customer_limit"),
            (needs_order and order is None, "order_value_required"),
            (row.min_spend is not None and order is not None and order < row.min_spend, "min_spend_not_met"),
            (self.is_full(deal, order), "offer_limit"),
        ]
        return next((reason for is_so, reason in rules if is_so), "")

    def counted(self, deal: Deal) -> list[Line]:
        return [line for line in self.lines if line.ticket and line.ticket.deal is deal and not line.voided_by]

    def is_full(self, deal: Deal, order: Decimal | None) -> bool:
        costs = [line.cost for line in self.counted(deal) if line.cost is not None]
        row = deal.row
        is_out_of_money = row.budget is not None and sum(costs) + max(self.cost(deal, order), CENT) > row.budget
        return is_out_of_money or (row.max_total is not None and len(costs) >= row.max_total)

    def discount(self, deal: Deal, order: Decimal | None) -> Decimal | None:
        if order is None:
            return None
        if deal.row.type == Offer.Type.AMOUNT:
            return min(Decimal(5), order)
        off = (order / 5).quantize(CENT, ROUND_HALF_UP)
        return min(off, deal.row.max_discount or off)

    def cost(self, deal: Deal, order: Decimal | None) -> Decimal:
        known = self.discount(deal, order)
        return known if known is not None else Decimal(5 if deal.row.type == Offer.Type.AMOUNT else 0)

    def is_locked(self, phone: Phone) -> bool:
        return sum(at > self.now - 10 * MINUTE for at in phone.guesses) >= 10

    def book(
        self, phone: Phone, ticket: Ticket | None, at: datetime, order: Decimal | None, reason: str, currency: str
    ) -> Line:
        """Write what is given into the model's own ledger."""
        is_use, cost = False, None
        if ticket:
            is_use = ticket.used < ticket.max_uses
            ticket.used += is_use
            if is_use and not self.is_full(ticket.deal, order):
                cost = self.cost(ticket.deal, order)
        self.numbered += 1
        line = Line("", self.numbered, ticket, phone, at, self.now, order, bool(reason), is_use, cost, currency)
        self.lines.append(line)
        return line

    def expect(self, status: int, body: Any, record: Record, *, replayed: bool) -> None:
        """Compare an answer to a scan with what the model has on record of it."""
        if record.is_staffs:
            assert (status, body["result"], body["replayed"]) == (200, "recorded", replayed)
            return
        assert body["replayed"] == replayed
        line = record.line
        if record.reason:
            assert (status, body["code"], body.get("honoured", False)) == (409, record.reason, line is not None), body
        else:
            assert line
            assert line.ticket
            assert (status, body["result"]) == (200 if replayed else 201, "redeemed"), body
            assert (body["voided_at"] is not None) == (line.voided_by is not None)
            off = self.discount(line.ticket.deal, line.order)
            assert body["discount"] == (off if off is None else {"amount": f"{off:.2f}", "currency": "USD"})
            assert body["customer"]["display"] == ("" if line.phone.row.profile == "kiosk" else "Maria")
        if line:
            line.id = line.id or body["id"]
            assert (body["id"], body["receipt"]) == (line.id, f"R-{line.number:06}")

    # --- Scans with network ---

    def text_of(self, ticket: Ticket | None, typed: bool) -> str:
        return new_token() if ticket is None else ticket.typed.lower() if typed else ticket.token

    def judge_online(self, phone: Phone, ticket: Ticket | None, order: Any) -> str | None:
        """Return a reason, none, or None where the call is faulty."""
        if self.is_locked(phone):
            return "device_locked"
        if ticket is None:
            return "unknown_code"
        if order and order[1] == "EUR":
            return None
        return self.refusal(ticket, phone, self.now, order[0] if order else None, timedelta(0))

    @rule(pick=PICK, who=st.integers(0, 3), typed=st.booleans(), order=ORDERS, is_known=st.integers(0, 5))
    def scan(self, pick: int, who: int, typed: bool, order: Any, is_known: int) -> None:
        self.pass_time(SECOND)
        phone, key = self.phones[who], self.new_key()
        ticket = self.tickets[pick % len(self.tickets)] if is_known else None
        text, reason = self.text_of(ticket, typed), self.judge_online(phone, ticket, order)
        body = {"code": text} | self.order_in(order)

        dry = self.call("POST", "validations", phone, body=body)
        answer = self.call("POST", "redemptions", phone, key=key, body=body | {"entry": "typed" if typed else "qr"})

        if reason is None:
            assert [dry.status_code, answer.status_code] == [400, 400]
            assert self.call("GET", f"redemptions/by-key/{key}", phone).status_code == 404
            return
        assert (dry.status_code, dry.json().get("code", "")) == (409 if reason else 200, reason)
        line = None if reason else self.book(phone, ticket, self.now, order[0] if order else None, "", "USD")
        self.scans += 1
        if reason == "unknown_code":
            phone.guesses.append(self.now)
        phone.records[key] = record = Record(text, reason, line)
        self.expect(answer.status_code, answer.json(), record, replayed=False)

    def order_in(self, order: Any) -> dict[str, Any]:
        if order is None:
            return {}
        return {"order_value": {"amount": str(order[0]), "currency": order[1]} if order[1] else str(order[0])}

    @precondition(lambda self: self.scans > 12)
    @rule(who=st.integers(0, 3))
    def guess(self, who: int) -> None:
        for _ in range(10):
            self.scan(0, who, False, None, 0)

    @precondition(lambda self: any(phone.records for phone in self.phones))
    @rule(pick=PICK, other=PICK, order=ORDERS)
    def repeat(self, pick: int, other: int, order: Any) -> None:
        known = [(phone, key, record) for phone in self.phones for key, record in phone.records.items()]
        phone, key, record = known[pick % len(known)]

        again = self.call("POST", "redemptions", phone, key=key, body={"code": record.text} | self.order_in(order))
        found = self.call("GET", f"redemptions/by-key/{key}", phone)

        self.expect(again.status_code, again.json(), record, replayed=True)
        self.expect(found.status_code, found.json(), record.given or record, replayed=True)
        ticket = self.tickets[other % len(self.tickets)]
        if record.text not in {ticket.token, ticket.typed.lower()}:
            answer = self.call("POST", "redemptions", phone, key=key, body={"code": new_token()})
            assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
        stranger = self.phones[(self.phones.index(phone) + 1) % 4]
        assert self.call("GET", f"redemptions/by-key/{key}", stranger).status_code == 404

    # --- Scans without network ---

    @rule(
        who=st.integers(0, 3),
        drawn=st.lists(
            st.tuples(PICK, DECISIONS, ORDERS, st.sampled_from([0, 5, 300, 4000, 13000]), st.integers(0, 5)),
            min_size=1,
            max_size=5,
        ),
        repeats=st.integers(0, 2),
        shuffle=st.randoms(use_true_random=False),
    )
    def bring_in(self, who: int, drawn: list[Any], repeats: int, shuffle: Any) -> None:
        """Upload a queue, with lines in it that were sent before, in any order."""
        self.pass_time(SECOND)
        phone, items = self.phones[who], []
        for pick, decision, order, minutes_ago, is_known in drawn:
            ticket = self.tickets[pick % len(self.tickets)] if is_known else None
            at = self.now - minutes_ago * MINUTE
            items.append((self.new_key(), self.text_of(ticket, False), ticket, decision, order, at))
        for key, record in shuffle.sample(sorted(phone.records.items()), min(repeats, len(phone.records))):
            ticket = next((one for one in self.tickets if record.text in {one.token, one.typed.lower()}), None)
            decision = shuffle.choice(["honoured", "refused", "undecided"])
            items.append((key, record.text, ticket, decision, None, self.now))
        shuffle.shuffle(items)
        lines = [
            {"key": key, "code": text, "decision": decision, "scanned_at": (at + phone.clock).isoformat()}
            | self.order_in(order)
            for key, text, _, decision, order, at in items
        ]
        sent = {"sent_at": (self.now + phone.clock).isoformat(), "items": lines}

        results = self.call("POST", "redemptions/batch", phone, body=sent).json()["results"]

        assert [result["key"] for result in results] == [line["key"] for line in lines]
        for place, item in sorted(enumerate(items), key=lambda pair: pair[1][5]):
            self.settle(phone, item, results[place])

    def settle(self, phone: Phone, item: Any, result: Any) -> None:
        key, _, ticket, decision, order, at = item
        status, body = result["status"], result["body"]
        record = phone.records.get(key)
        is_new = record is None
        if record and record.reason and record.line is None and decision == "honoured":
            record = record.given
        if record:
            return self.expect(status, body, record, replayed=True)
        if is_new and decision == "undecided" and self.is_locked(phone):
            assert (status, body["code"]) == (429, "device_locked")
            return None
        if decision == "undecided" and self.now - at > 7 * DAY:
            at = self.now
        amount = order[0] if order else None
        if order and order[1] == "EUR" and ticket:
            if decision != "honoured":
                assert (status, body["code"]) == (400, "currency_mismatch")
                return None
            amount = None
        record = self.record_of(phone, item, at, amount)
        if is_new:
            phone.records[key] = record
        else:
            phone.records[key].given = record
        return self.expect(status, body, record, replayed=False)

    def record_of(self, phone: Phone, item: Any, at: datetime, amount: Decimal | None) -> Record:
        _, text, ticket, decision, order, _ = item
        reason = self.refusal(ticket, phone, at, amount, 10 * MINUTE) if ticket else "unknown_code"
        self.scans += 1
        if decision == "refused":
            return Record(text, reason or "refused_by_staff", is_staffs=True)
        if reason == "unknown_code" and decision == "undecided":
            phone.guesses.append(self.now)
        if reason and decision == "undecided":
            return Record(text, reason)
        currency = "USD" if ticket or not order else order[1] or "USD"
        return Record(text, reason, self.book(phone, ticket, at, amount, reason, currency))

    @rule(who=st.integers(0, 3))
    def fetch_the_pack(self, who: int) -> None:
        phone = self.phones[who]
        full = self.call("GET", "offline-pack", phone).json()
        wanted = {}
        for deal in self.deals:
            row = deal.row
            costs = [line.cost for line in self.counted(deal) if line.cost is not None]
            has_room = (row.max_total is None or len(costs) < row.max_total) and (
                row.budget is None or sum(costs) < row.budget
            )
            if row.offline != "refuse" and not deal.is_paused and deal.place in {"", phone.place} and has_room:
                good = [one for one in self.tickets if one.deal is deal and one.used < one.max_uses]
                wanted[row.pk] = {hashlib.sha256(one.token.encode()).hexdigest()[:16] for one in good}
        assert {deal["id"] for deal in full["deals"]} == wanted.keys()
        known = {str(pk): hashes for pk, hashes in wanted.items() if self.policy(pk) == "honour_known"}
        assert {pk: set(hashes) for pk, hashes in full["codes"].items()} == known
        if phone.pack:
            news = self.call("GET", f"offline-pack?since={phone.pack['cursor']}", phone).json()
            assert not news["full"]
            merged = {
                pk: (set(phone.pack["codes"].get(pk, ())) | set(hashes)) - set(news["removed"])
                for pk, hashes in news["codes"].items()
            }
            assert merged == known
        phone.pack = full

    def policy(self, offer_id: int) -> str:
        return next(deal.row.offline for deal in self.deals if deal.row.pk == offer_id)

    # --- Corrections ---

    @precondition(lambda self: self.lines)
    @rule(pick=PICK, who=st.integers(0, 3) | st.none(), is_repeat=st.booleans())
    def take_back(self, pick: int, who: int | None, is_repeat: bool) -> None:
        self.pass_time(SECOND)
        line = self.lines[pick % len(self.lines)]
        phone, key = line.phone if who is None else self.phones[who], self.new_key()
        if is_repeat and line.voided_by:
            phone, key = line.voided_by
        path, body = f"redemptions/{line.id}/void", {"reason": "other"}

        answer = self.call("POST", path, phone, key=key, body=body)

        expected = self.void_refusal(line, phone, key)
        assert (answer.status_code, answer.json().get("code", "")) == expected
        if answer.status_code != 200:
            return
        assert answer.json()["replayed"] == bool(line.voided_by)
        if not line.voided_by:
            line.voided_by = phone, key
            self.numbered += 1
            if line.ticket and line.is_use:
                line.ticket.used -= 1
        if line.ticket:
            assert answer.json()["uses"] == {"used": line.ticket.used, "max": line.ticket.max_uses}
        others = [one for one in self.lines if one is not line and not one.voided_by]
        if others:
            again = self.call("POST", f"redemptions/{others[0].id}/void", phone, key=key, body=body)
            assert (again.status_code, again.json()["code"]) == (422, "idempotency_key_reused")

    def void_refusal(self, line: Line, phone: Phone, key: str) -> tuple[int, str]:
        if phone.row.profile == Device.Profile.KIOSK:
            return 403, "not_permitted"
        if line.voided_by:
            return (200, "") if line.voided_by == (phone, key) else (409, "already_voided")
        if not phone.is_manager and line.phone is not phone:
            return 409, "not_your_redemption"
        if not phone.is_manager and self.now > line.recorded_at + 15 * MINUTE:
            return 409, "void_window_passed"
        return 200, ""

    @precondition(lambda self: self.lines)
    @rule(pick=PICK, who=st.integers(0, 3) | st.none(), order=MONEY, is_foreign=st.integers(0, 5))
    def amend(self, pick: int, who: int | None, order: Decimal, is_foreign: int) -> None:
        line = self.lines[pick % len(self.lines)]
        phone = line.phone if who is None else self.phones[who]
        currency = line.currency if is_foreign else "JPY"
        body = {"order_value": {"amount": str(order), "currency": currency}, "receipt_no": "A-1"}

        answer = self.call("PATCH", f"redemptions/{line.id}", phone, body=body)

        if line.phone is not phone:
            expected = "not_your_redemption"
        elif line.voided_by:
            expected = "already_voided"
        elif self.now > line.recorded_at + DAY:
            expected = "amend_window_passed"
        else:
            expected = "" if is_foreign else "currency_mismatch"
        assert answer.json().get("code", "") == expected
        if not expected:
            line.order = order
            if line.ticket and line.cost is not None:
                line.cost = self.cost(line.ticket.deal, order)
            shown = self.call("GET", f"redemptions/{line.id}", phone).json()
            assert shown == answer.json()
            assert shown["order_value"] == {"amount": f"{order:.2f}", "currency": currency}

    # --- What must be true ---

    @rule(who=st.integers(0, 3))
    def look_at_today(self, who: int) -> None:
        phone = self.phones[who]
        today = self.call("GET", "stats/today", phone).json()
        day = self.now.astimezone(CHICAGO).date()
        lines = [
            line for line in self.lines if line.phone is phone and line.recorded_at.astimezone(CHICAGO).date() == day
        ]
        good = [line for line in lines if not line.is_conflict]
        assert today["date"] == day.isoformat()
        assert today["redeemed"] == len(good)
        assert today["conflicts"] == len(lines) - len(good)
        assert today["voided"] == sum(line.voided_by is not None for line in good)

    @invariant()
    def codes_and_tallies_are_what_was_given(self) -> None:
        kept = dict(Code.objects.order_by().values_list("pk", "used"))
        assert kept == {ticket.pk: ticket.used for ticket in self.tickets}
        assert all(0 <= ticket.used <= ticket.max_uses for ticket in self.tickets)
        tallies = {pk: (used, given) for pk, used, given in OfferTally.objects.values_list("pk", "used", "given")}
        for deal in self.deals:
            costs = [line.cost for line in self.counted(deal) if line.cost is not None]
            assert tallies[deal.row.pk] == (len(costs), sum(costs, Decimal(0)))
        assert Scan.objects.count() == self.scans

    @invariant()
    def the_ledger_has_no_gap_and_adds_up(self) -> None:
        rows = Redemption.objects.order_by("entry_no").values_list("entry_no", "kind", "order_value", "discount")
        assert [number for number, *_ in rows] == list(range(1, self.numbered + 1))
        given = sum((value or 0 for _, kind, value, _ in rows if kind != "voided"), Decimal(0))
        back = sum((value or 0 for _, kind, value, _ in rows if kind == "voided"), Decimal(0))
        assert given - back == sum((line.order or 0 for line in self.lines if not line.voided_by), Decimal(0))
        off = sum((cost if kind != "voided" else -cost for _, kind, _, cost in rows if cost), Decimal(0))
        held = [line for line in self.lines if line.ticket and not line.voided_by]
        assert off == sum((self.discount(line.ticket.deal, line.order) or 0 for line in held), Decimal(0))

    @invariant()
    def people_are_known_for_what_they_have(self) -> None:
        rows = Activity.objects.values_list("contact", "redemptions", "spend", "last_redeemed_at")
        known: dict[int, list[Any]] = {contact: figures for contact, *figures in rows}
        held = defaultdict(list)
        for line in self.lines:
            if line.ticket and not line.voided_by:
                held[line.ticket.contact].append(line)
        for ticket in self.tickets:
            lines = held[ticket.contact]
            spend = sum((line.order or Decimal(0) for line in lines), Decimal(0))
            last = max((line.at for line in lines), default=None)
            assert known.get(ticket.contact, [0, 0, None]) == [len(lines), spend, last]


@pytest.mark.django_db
def test_the_api_keeps_its_word_in_any_order(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(CallThrottle, "allow_request", lambda *_: True)  # no till is that busy
    run_state_machine_as_test(Shop, settings=settings(max_examples=10, stateful_step_count=30, deadline=None))
