"""How fast: what is typed is understood, and no window of any length ever holds more than it may."""

import json
import re
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from messaging import rates
from messaging.rates import SECONDS, Limits, parse, seconds_for, words

START = 1_795_000_000.123  # about the time this is written: a float of this size is good to 0.24 microseconds
LIMITS = [
    *("1/s", "14/s", "333/s", "1000/s", "1/m", "7/m", "600/m", "100/h", "49/h", "50/h", "1/d"),
    *("14/s,600/m", "5/s,30/m,400/h", "100/s,1000/h,1500/d", "20/m,100/h,120/d", "3/d,2/h"),
]


def prompt(shop):
    return 0.0


def anyhow(shop):
    return shop.chance.random()


def rude(shop):
    """Some in a row as late as can be, then some on time: the most there can be in a window."""
    if shop.chance.random() < 3 / max(count for _, count in shop.limits):
        shop.is_late = not shop.is_late
    return float(shop.is_late)


class Shop:
    """A machine with one clock: whoever asks gets slots, and uses them as late as `lateness` has it."""

    def __init__(self, limits, *, seed=0, lateness=anyhow):
        self.limits = limits if isinstance(limits, Limits) else parse(limits)
        self.chance = Random(seed)
        self.lateness = lateness
        self.is_late = True
        self.now = START
        self.clock_error = 0.0
        self.state = {}
        self.sent = []

    def ask(self, wanted=1, *, horizon_s=0.5, urgent=False):
        state, slots = rates.reserve(
            self.limits,
            self.state,
            now=self.now + self.clock_error,
            wanted=wanted,
            horizon_s=horizon_s,
            urgent=urgent,
        )
        assert list(slots.waits) == sorted(slots.waits)
        assert len(slots.waits) <= wanted
        assert all(wait <= horizon_s for wait in slots.waits)
        assert bool(slots.waits) != bool(slots.retry_in_s)
        self.state = state
        for wait in slots.waits:
            last = wait + slots.tolerance_s
            assert last > 0  # can still be used
            soonest = max(0.0, wait)
            self.sent.append(self.now + soonest + self.lateness(self) * (last - soonest))
        return slots

    def be_busy(self, seconds, *, wanted=1_000_000, horizon_s=0.5, urgent=False):
        """Ask again whenever the last slot has passed, or an answer says to."""
        until = self.now + seconds
        while self.now < until:
            slots = self.ask(wanted, horizon_s=min(horizon_s, until - self.now), urgent=urgent)
            passed_s = max(0.0, slots.waits[-1]) + 1e-6 if slots.waits else slots.retry_in_s
            self.now = min(until, self.now + passed_s)

    @property
    def gaps(self):
        """The shortest time that ever held one message more than a limit allows, in windows; at least 1 is well."""
        times = sorted(self.sent)
        return {
            unit: min((late - soon for soon, late in zip(times, times[count:], strict=False)), default=SECONDS[unit])
            / SECONDS[unit]
            for unit, count in self.limits
        }


def never_too_many(shop):
    return all(gap >= 1 for gap in shop.gaps.values())


# --- Words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("", Limits()),
        (" , ", Limits()),
        ("14/s", Limits(s=14)),
        ("14/s,50000/d", Limits(s=14, d=50_000)),
        ("50,000/d, 14/S", Limits(s=14, d=50_000)),
        ("14/s,1,000/h,1,000,000/d", Limits(s=14, h=1000, d=1_000_000)),
        ("1 / s 60/m;100/h", Limits(s=1, m=60, h=100)),
    ],
)
def test_reads_what_people_write(text, limits):
    assert parse(text) == limits


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("fast", '"fast" cannot be read. Write a number, a slash, and s, m, h or d'),
        ("14", '"14" cannot be read'),
        ("14/s, oops", '"oops" cannot be read'),
        ("14/sec", '"14/sec" cannot be read'),
        ("14/s50/m", '"14/s50/m" cannot be read'),
        ("1.5/s", '"1.5/s" cannot be read'),
        ("-1/s", '"-1/s" cannot be read'),
        ("٣/s", '"٣/s" cannot be read'),
        ("1,50/m", '"1" cannot be read'),
        ("0/s", '"0/s" would let nothing go'),
        ("14/s,15/s", "There are two limits a second"),
        ("99999999999999999999/h", "More than 1,000,000,000 an hour is no limit"),
        ("9" * 5000 + "/h", "More than 1,000,000,000 an hour is no limit"),
        ("<script>" * 100, '"<script><script><scr" cannot be read'),
    ],
)
def test_says_what_cannot_be_read(text, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}") as caught:
        parse(text)

    assert "\n" not in str(caught.value)


@given(st.builds(Limits, *[st.integers(0, 10**9)] * 4))
def test_writes_what_it_reads(limits):
    assert parse(str(limits)) == limits
    assert bool(limits) == bool(str(limits))


@given(st.text(alphabet="0123456789/smhd ,;x", max_size=20))
def test_reads_or_refuses_any_text(text):
    try:
        limits = parse(text)
    except ValueError:
        return
    assert parse(str(limits)) == limits


def test_says_it_in_words():
    assert words(parse("50000/d,14/s,9/h,1/m")) == "14 a second, 1 a minute, 9 an hour, 50,000 a day"
    assert words(Limits()) == "no limit"


# --- Never too many ---------------------------------------------------------------------------------------------------

ASKS = st.lists(
    st.tuples(
        st.one_of(st.just(0.0), st.floats(0, 3), st.floats(0, 100_000)),  # seconds since the one before
        st.one_of(st.integers(1, 3), st.integers(1, 400)),
        st.one_of(st.just(0.5), st.floats(0, 30), st.floats(0, 5_000)),
        st.booleans(),
    ),
    max_size=40,
)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(LIMITS), ASKS, st.integers(0, 9), st.sampled_from([anyhow, rude]))
def test_no_window_ever_holds_too_many(limits, asks, seed, lateness):
    shop = Shop(limits, seed=seed, lateness=lateness)

    for passed_s, wanted, horizon_s, urgent in asks:
        shop.now += passed_s
        shop.ask(wanted, horizon_s=horizon_s, urgent=urgent)

    assert never_too_many(shop), shop.gaps


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(LIMITS), ASKS, st.lists(st.floats(-100_000, 0), min_size=40, max_size=40))
def test_nor_where_the_clock_is_put_back(limits, asks, steps):
    shop = Shop(limits, lateness=rude)

    for (passed_s, wanted, horizon_s, urgent), step in zip(asks, steps, strict=False):
        shop.now += passed_s
        shop.clock_error += step
        shop.ask(wanted, horizon_s=horizon_s, urgent=urgent)

    assert never_too_many(shop), shop.gaps


def test_goes_on_where_the_clock_is_put_back():
    shop = Shop("14/s,1000/h")
    shop.be_busy(5)
    before = len(shop.sent)
    shop.clock_error = -3 * 3600.0

    shop.be_busy(5)

    assert len(shop.sent) - before == pytest.approx(69, abs=2)


@pytest.mark.parametrize("limits", ["1/s", "14/s", "200/s", "7/m", "600/m", "100/h", "5/s,30/m,400/h", "3/d,2/h"])
def test_nor_where_many_are_busy_at_once(limits):
    shop = Shop(limits, lateness=rude)
    window = max(SECONDS[unit] for unit, _ in shop.limits)

    for number in range(1200):
        shop.now += window / 400 * shop.chance.random()
        shop.ask(1 + number % 37, horizon_s=(0.5, 5.0)[number % 2], urgent=number % 11 == 0)

    assert len(shop.sent) > 1
    assert never_too_many(shop), shop.gaps


def test_the_check_finds_one_message_too_many():
    shop = Shop("14/s")
    shop.be_busy(3)
    assert never_too_many(shop)

    shop.sent.append(shop.sent[20] + 1e-4)

    assert not never_too_many(shop)


@pytest.mark.parametrize("limits", ["14/s", "600/m", "100/h"])
def test_the_lateness_it_allows_is_all_there_is(limits):
    """With a little more the limit breaks: the tests above look where it matters."""
    too_late = 9.0 if "h" in limits else 1.1
    shop = Shop(limits, lateness=lambda shop: too_late * rude(shop))

    shop.be_busy(30 * SECONDS[limits[-1]], urgent=True)

    assert not never_too_many(shop)


# --- Hardly fewer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", ["1/s", "14/s", "333/s", "1000/s", "1/m", "7/m", "600/m", "14/s,600/m"])
def test_whoever_is_busy_gets_nearly_all(limits):
    shop = Shop(limits, lateness=prompt)
    unit, count = min(shop.limits, key=lambda limit: limit[1] / SECONDS[limit[0]])
    windows = max(10, 300 // count)

    shop.be_busy(windows * SECONDS[unit])

    assert 0.98 <= (len(shop.sent) - 1) / (windows * count) <= 1


@pytest.mark.parametrize("limits", ["500/h", "5000/d", "14/s,5000/h", "1/s,3000/h,5000/d", "1/s,400/h,5000/d"])
def test_campaigns_alone_get_nearly_all_of_hours_and_days(limits):
    shop = Shop(limits, lateness=prompt)
    unit, count = list(shop.limits)[-1]
    first_s = 1.006 * SECONDS[unit]

    shop.be_busy(3 * first_s, wanted=50)

    later = [at for at in shop.sent if at >= START + first_s]
    assert len(shop.sent) - len(later) >= 0.98 * count
    assert len(later) / (2 * 1.006) >= 0.98 * count


@pytest.mark.parametrize("limits", ["1/h", "49/h", "50/h", "99/h", "120/d", "5000/h"])
def test_campaigns_and_urgent_mail_together_get_nearly_all(limits):
    shop = Shop(limits, lateness=prompt)
    unit, count = next(iter(shop.limits))
    rounds = 6

    for _ in range(rounds):
        shop.be_busy(SECONDS[unit] * 1.003)
        shop.be_busy(SECONDS[unit] * 0.003, urgent=True)

    assert len(shop.sent) / (rounds * 1.006) / count >= 0.98
    assert never_too_many(shop), shop.gaps


@pytest.mark.parametrize(("limits", "spare"), [("50/h", 1), ("1000/h", 10), ("250/d", 2), ("14/s,5000/d", 50)])
def test_urgent_mail_gets_through_where_campaigns_have_used_theirs_up(limits, spare):
    shop = Shop(limits)
    shop.be_busy(400, wanted=2000)
    for _ in range(3):
        assert shop.ask(5000, horizon_s=5).waits == ()

    assert len(shop.ask(5000, horizon_s=20, urgent=True).waits) == spare
    assert shop.ask(1, horizon_s=20, urgent=True).waits == ()


def test_nothing_is_left_for_urgent_mail_where_there_is_too_little():
    shop = Shop("49/h")

    assert len(shop.ask(100).waits) == 49


def test_tells_when_to_ask_again():
    for limits in ("1/m", "10/h", "3/d", "20/m,100/h"):
        shop = Shop(limits, lateness=prompt)
        while (slots := shop.ask(1000)).waits:
            shop.now += 1
        state = shop.state

        shop.now += slots.retry_in_s - 0.002
        assert shop.ask(1000).waits == ()
        shop.state = state
        shop.now += 0.002
        assert shop.ask(1000).waits


def test_makes_a_slot_that_just_passed_good_but_no_pause():
    shop = Shop("100/s", lateness=prompt)
    first = shop.ask(10)
    shop.now += first.waits[-1] + 0.01015 + 0.005
    assert shop.ask(1).waits[0] == pytest.approx(-0.005, abs=1e-4)
    shop.now += 3600

    assert shop.ask(3).waits == pytest.approx((-0.00735, 0.0028, 0.01295), abs=1e-4)
    assert first.tolerance_s == pytest.approx(0.0147, abs=1e-4)


def test_keeps_little_to_remember():
    shop = Shop("14/s,40000/h,500000/d")
    for _ in range(300):
        shop.be_busy(1)
        shop.now += 400

    kept = json.dumps(shop.state)
    assert json.loads(kept) == shop.state
    assert len(kept) < 2500


# --- No limit ---------------------------------------------------------------------------------------------------------


def test_without_a_limit_all_go_at_once_and_nothing_is_kept():
    state, slots = rates.reserve(Limits(), {}, now=START, wanted=500, horizon_s=0)

    assert (state, slots.waits, slots.retry_in_s) == ({}, (0.0,) * 500, 0)


# --- How long ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "count"),
    [
        ("14/s", 500),
        ("600/m", 500),
        ("14/s,600/m", 500),
        ("100/h", 250),
        ("10/m,300/h", 1500),
        ("5/s,400/h,600/d", 2000),
        ("1/s,100000/d", 3000),
        ("3/d", 10),
        ("1/m", 2),
    ],
)
def test_tells_how_long_it_takes(limits, count):
    shop = Shop(limits, lateness=prompt)
    while len(shop.sent) < count:
        shop.be_busy(60, wanted=count - len(shop.sent))

    took = shop.sent[count - 1] - shop.sent[0]
    assert seconds_for(shop.limits, count) == pytest.approx(took, rel=0.011, abs=1)


@pytest.mark.parametrize("limits", LIMITS)
def test_no_time_for_one_and_never_less_for_more(limits):
    times = [seconds_for(parse(limits), count) for count in range(300)]

    assert times[:2] == [0, 0]
    assert times == sorted(times)
    assert seconds_for(Limits(), 10**6) == 0


# --- Evenly -----------------------------------------------------------------------------------------------------------


def test_spreads_evenly_and_catches_up_a_little():
    state: rates.State = {}
    now, gone = START, 0
    for number in range(200):
        state, slots = rates.reserve_evenly(3.6, state, now=now, wanted=1000, horizon_s=5, catch_up_s=60)
        gone += len(slots.waits)
        now += 20 if number % 10 else 50

    assert gone == pytest.approx((now - START) / 3.6, abs=20)
    _, late = rates.reserve_evenly(3.6, state, now=now + 86400, wanted=1000, horizon_s=5, catch_up_s=60)
    assert len(late.waits) == 65 // 3.6 + 1


# --- Pauses -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", ["", "14/s", "100/h"])
def test_gives_nobody_a_slot_during_a_pause(limits):
    limits, state = parse(limits), rates.block({}, START, 10)
    assert rates.blocked_for(state, START + 4) == pytest.approx(6)

    state, slots = rates.reserve(limits, state, now=START + 1, wanted=5, horizon_s=0.5, urgent=True)
    assert slots.waits == ()
    assert slots.retry_in_s == pytest.approx(8.5)
    state, slots = rates.reserve(limits, state, now=START + 9.6, wanted=5, horizon_s=0.5)
    assert slots.waits[0] == pytest.approx(0.4)
    state, slots = rates.reserve(limits, state, now=START + 10, wanted=5, horizon_s=0.5)

    assert "until" not in state
    assert rates.blocked_for(state, START + 10) == 0


def test_never_shortens_a_pause():
    state = rates.block(rates.block({}, START, 60), START + 1, 5)

    assert rates.blocked_for(state, START + 1) == pytest.approx(59)
    assert rates.block({}, START, 0).get("until") is None
    assert rates.block({}, START, -5).get("until") is None


def test_waits_ever_longer_for_a_provider_that_stays_away():
    state: rates.State = {}
    now, pauses = START, []
    for _ in range(12):
        state = rates.failed(state, now)
        pauses.append(rates.blocked_for(state, now))
        now += pauses[-1]

    assert pauses == pytest.approx([5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900, 900])
    assert state["streak"] == 12


def test_counts_all_that_fail_at_once_as_one():
    state: rates.State = {}
    for number in range(16):
        state = rates.failed(state, START + number / 100)

    assert state["streak"] == 1
    assert rates.blocked_for(state, START + 0.15) == pytest.approx(4.85)


def test_waits_as_long_as_the_provider_asks_but_asks_again_after_an_hour():
    state = rates.failed({}, START, 30)
    assert rates.blocked_for(state, START) == pytest.approx(30)

    state = rates.failed(state, START + 1, 60)  # on its way when the pause began
    assert rates.blocked_for(state, START + 1) == pytest.approx(60)

    assert rates.blocked_for(rates.failed({}, START, 10**9), START) == pytest.approx(3600)


def test_a_success_ends_a_streak_once_the_pause_is_over():
    state = rates.failed({}, START)
    assert rates.succeeded(state, START + 1)["streak"] == 1

    state = rates.succeeded(state, START + 6)

    assert "streak" not in state
    assert rates.blocked_for(rates.failed(state, START + 7), START + 7) == pytest.approx(5)


@given(st.floats(-(10**6), 0))
@example(-3600.0)
def test_a_pause_ends_though_the_clock_is_put_back(step):
    state = rates.failed({}, START)
    now = START + step

    state, _ = rates.reserve(parse("5/s"), state, now=now, wanted=1, horizon_s=0)
    assert rates.blocked_for(state, now) == pytest.approx(5, abs=1e-3)
    _, slots = rates.reserve(parse("5/s"), state, now=now + 5.001, wanted=1, horizon_s=0)

    assert slots.waits
