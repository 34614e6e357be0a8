"""The judge of the chaos tests must be able to say no."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.chaos.judge import Call, Row, Story, Violation, judge, read_calls

NOON = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
ACCEPTED, UNHEARD, LEFT_OUT = (
    Row(1, "a", 11, "accepted", handed_at=NOON),
    Row(2, "b", 12, "unknown", "worker_died", handed_at=NOON),
    Row(3, "c", 13, "skipped", "unsubscribed"),
)
ROWS = [ACCEPTED, UNHEARD, LEFT_OUT]
CALLS = [Call("a", taken=False, answer="429"), Call("a", taken=True, answer="202"), Call("b", taken=True, answer="202")]
STORY = Story(frozenset({11, 12, 13}), in_flight=1, stopped={13: NOON})


def test_tells_what_came_of_it():
    verdict = judge(ROWS, CALLS, STORY, listed=[2])

    assert verdict.states == {"accepted": 1, "unknown": 1, "skipped": 1}
    assert verdict.unknown == [(2, "worker_died", True)]
    assert (verdict.taken, verdict.ambiguous) == (2, 0)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (ROWS[1:], "contact 11 is lost"),
        ([*ROWS, replace(ACCEPTED, id=4, reference="d")], "contact 11 has 2 messages"),
        ([*ROWS, Row(4, "d", 14, "unknown", "worker_died")], "contact 14 was never in the audience"),
        ([ACCEPTED, replace(UNHEARD, status="queued", reason=""), LEFT_OUT], "message 2 is queued, but the provider"),
        ([ACCEPTED, replace(UNHEARD, status="failed"), LEFT_OUT], "message 2 is failed, but the provider took it"),
        ([ACCEPTED, replace(UNHEARD, reason=""), LEFT_OUT], "message 2 is unknown for the reason ''"),
        ([ACCEPTED, UNHEARD, replace(LEFT_OUT, status="queued")], "message 3 is left queued"),
        ([ACCEPTED, UNHEARD, replace(LEFT_OUT, status="sending")], "message 3 is left sending"),
        ([ACCEPTED, UNHEARD, replace(LEFT_OUT, status="accepted")], "message 3 is accepted, but the provider never"),
        ([replace(ACCEPTED, reference="z"), UNHEARD, LEFT_OUT], "the provider took a, which no message is"),
    ],
)
def test_refuses_a_doctored_ledger(rows, says):
    with pytest.raises(Violation, match=says):
        judge(rows, CALLS, STORY, listed=[2, 4])


@pytest.mark.parametrize(
    ("calls", "says"),
    [
        ([*CALLS, CALLS[1]], r"message 1 \(accepted\) was taken 2 times"),
        ([*CALLS, CALLS[2]], r"message 2 \(unknown\) was taken 2 times"),
        (CALLS[2:], "message 1 is accepted, but the provider never took it"),
        ([*CALLS, Call("c", taken=True, answer="202")], "message 3 is skipped, but the provider took it"),
    ],
)
def test_refuses_a_doctored_log(calls, says):
    with pytest.raises(Violation, match=says):
        judge(ROWS, calls, STORY, listed=[2])


@pytest.mark.parametrize(
    ("story", "says"),
    [
        (replace(STORY, in_flight=0), "1 unknown, though 0 were in flight"),
        (replace(STORY, stopped={}), "message 3 is left skipped"),
        (replace(STORY, stopped={**STORY.stopped, 11: NOON - timedelta(seconds=1)}), "message 1 was handed over after"),
        (
            replace(STORY, pauses=[(NOON - timedelta(seconds=1), NOON + timedelta(seconds=1))]),
            "message 1 was handed over while the campaign was paused",
        ),
    ],
)
def test_refuses_more_than_the_story_explains(story, says):
    with pytest.raises(Violation, match=says):
        judge(ROWS, CALLS, story, listed=[2])


def test_refuses_an_unknown_that_nobody_is_told_of():
    with pytest.raises(Violation, match="message 2 is unknown, and listed nowhere"):
        judge(ROWS, CALLS, STORY, listed=[])


def test_an_answer_nobody_can_read_explains_one_unknown():
    calls = [*CALLS[:2], Call("b", taken=False, answer="500")]

    assert judge(ROWS, calls, replace(STORY, in_flight=0), listed=[2]).unknown == [(2, "worker_died", False)]


def test_a_line_cut_short_counts_for_nothing(tmp_path):
    log = tmp_path / "log"
    log.write_text("1.0 a 1 202\n2.0 b 0 429\n3.0 c 1")

    assert read_calls(log) == [Call("a", taken=True, answer="202"), Call("b", taken=False, answer="429")]
