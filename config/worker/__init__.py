"""The worker's processes: a supervisor that starts the queue's cluster, stops it in order, and starts it anew.

supervisor            holds the leash; obeys signals
  guard               django-q's sentinel: the clock of schedules, and whoever starts the others anew
    pusher            takes tasks out of the broker
    worker (WORKERS)  runs them
    monitor           acknowledges them
"""

from config.worker.supervisor import Supervisor

__all__ = ["Supervisor"]
