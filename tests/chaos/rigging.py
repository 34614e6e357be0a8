"""What a cluster under test does otherwise than in a shop; part of it by its settings alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from django.apps import AppConfig


class Rigging(AppConfig):
    name = "tests.chaos"
    label = "chaos"

    def ready(self) -> None:
        from config.worker import supervisor
        from messaging import rates

        supervisor.LONG_PAUSE_S = supervisor.SHORT_PAUSE_S  # twenty deaths in a minute are the plan here, no bad start
        rates.FIRST_PAUSE_S, rates.LONGEST_PAUSE_S = 0.5, 2.0  # a provider that was killed is back within a second
        if os.environ.get("CHAOS_SABOTAGE"):
            sabotage()


def sabotage() -> None:
    """Forget to write down that messages are handed over: the engine as it must not be."""
    from messaging.models import Message
    from messaging.services.sending import handing

    hand_over: Callable[..., set[int]] = handing.hand_over

    def forgetful(*args: Any, **kwargs: Any) -> set[int]:
        handed = hand_over(*args, **kwargs)
        Message.objects.filter(pk__in=handed).update(handed_at=None)
        return handed

    handing.hand_over = forgetful
