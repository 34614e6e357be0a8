"""Claim, re-check, hand over, record. Nobody is lost, and nobody gets it twice by itself.

A row is `queued`, then claimed (`sending`), then handed over (`handed_at`), then settled. Each step is a conditional
UPDATE, so any number of pumps may run at once; each is fenced by its own id, the `claim` of its rows.
"""

from messaging.services.sending.failing import retry_delay_s
from messaging.services.sending.pump import PumpRun, send_due
from messaging.services.sending.recovering import finish_done, pumps_alive, recover

__all__ = ["PumpRun", "finish_done", "pumps_alive", "recover", "retry_delay_s", "send_due"]
