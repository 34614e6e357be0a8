"""The run of a pump, where its answers come late."""

from types import SimpleNamespace
from typing import Any

import pytest

from messaging.services.sending.pump import PumpRun


class Lane:
    """A lane whose provider ends its pause during a step: the step saw it, and the look after it does not."""

    def __init__(self):
        self.steps = 0
        self.paused = True
        self.stock = SimpleNamespace(taken=0, look_again=lambda: None)

    @property
    def is_worth_waiting(self):
        return self.paused

    def step(self, *, may_claim, limit):
        self.steps += 1
        was_paused, self.paused = self.paused, False
        return not was_paused and self.steps == 2

    def let_go_of_what_must_wait(self):
        return None


@pytest.mark.django_db
def test_a_pause_that_ends_during_a_step_is_looked_at_once_more(at):
    pump: Any = PumpRun(clock=lambda: at)
    lane = Lane()
    pump._lanes = [lane]

    pump.run(until=float("inf"))

    assert lane.steps == 3
