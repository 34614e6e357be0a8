"""The threads that talk to the provider. They know jobs and answers, and nothing of the database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import groupby
from queue import SimpleQueue

from messaging.services.composing import Claimed
from messaging.transports import MergedEmail, Outbound, Outcome, Transport, TransportError

NEVER_LATE = float("inf")


@dataclass(slots=True)
class Job:
    """One call of the provider, for one message or, with a MergedEmail, for many.

    It is made between `not_before` and `not_after`, in seconds of `time.monotonic`, or not at all.
    """

    messages: list[Claimed]
    outbound: Outbound | MergedEmail
    not_before: float = 0.0
    not_after: float = NEVER_LATE

    @property
    def is_batch(self) -> bool:
        return isinstance(self.outbound, MergedEmail)


@dataclass(slots=True)
class Answer:
    """What came of a job: the provider's ids, or its refusal, or the name of an error of our own.

    `is_late`: the call was not made, its slot had passed. `is_personal`: in a batch, the error is this one person's.
    """

    job: Job
    provider: str = ""
    results: list[str | TransportError] = field(default_factory=list)  # of each message, in their order
    error: TransportError | None = None
    mishap: str = ""
    is_late: bool = False
    is_personal: bool = False

    @property
    def is_good(self) -> bool:
        return self.error is None and not self.mishap

    @property
    def provider_ids(self) -> list[str]:
        return [result for result in self.results if isinstance(result, str)]

    def parts(self) -> list[Answer]:
        """Return this answer; where some of a batch were refused, theirs and those of the others, in their order."""
        if all(isinstance(result, str) for result in self.results):
            return [self]
        parts: list[Answer] = []
        pairs = zip(self.job.messages, self.results, strict=True)
        for is_taken, run in groupby(pairs, key=lambda pair: isinstance(pair[1], str)):
            messages, results = map(list, zip(*run, strict=True))
            if is_taken:
                parts.append(replace(self, job=replace(self.job, messages=messages), results=results))
            else:
                parts += map(self._personal, messages, results)
        return parts

    def _personal(self, message: Claimed, error: TransportError) -> Answer:
        return Answer(replace(self.job, messages=[message]), self.provider, error=error, is_personal=True)


class Senders:
    """Threads, as many as calls are under way at once, each with a transport of its own that is kept open.

    `arrived` is set with each answer.
    """

    def __init__(
        self, make_transport: Callable[[], Transport], *, answers: SimpleQueue[Answer], arrived: threading.Event
    ) -> None:
        self._make_transport = make_transport
        self._arrived = arrived
        self._answers = answers
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self.busy = 0

    def submit(self, job: Job) -> None:
        self.busy += 1
        if self.busy > len(self._threads):
            thread = threading.Thread(target=self._run, name="sender", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._jobs.put(job)

    def answered(self) -> None:
        """Note that an answer was taken from the queue: its thread is free."""
        self.busy -= 1

    def close(self) -> None:
        """Let the threads end when they are idle; does not wait for calls under way."""
        for _ in self._threads:
            self._jobs.put(None)
        if not self.busy:
            for thread in self._threads:
                thread.join()
        self._threads = []

    def _run(self) -> None:
        transport: Transport | None = None
        while (job := self._jobs.get()) is not None:
            answer = Answer(job)
            try:
                transport = transport or self._open()
                self._call(transport, job, answer)
            except TransportError as error:
                answer.error = error
            except Exception as error:  # its text may hold an address; its kind is all that is told
                answer.mishap = type(error).__name__
            self._answers.put(answer)
            self._arrived.set()
        if transport is not None:
            transport.__exit__(None, None, None)

    def _open(self) -> Transport:
        """Open a transport. Nothing was handed over where that fails, whatever it was."""
        try:
            return self._make_transport().__enter__()
        except TransportError:
            raise
        except Exception as error:
            raise TransportError(Outcome.STOP, type(error).__name__) from None

    def _call(self, transport: Transport, job: Job, answer: Answer) -> None:
        if (wait_s := job.not_before - time.monotonic()) > 0:
            time.sleep(wait_s)
        if time.monotonic() > job.not_after:
            answer.is_late = True
            return
        answer.provider = transport.name
        if isinstance(job.outbound, MergedEmail):
            answer.results = transport.send_batch(job.outbound)
        else:
            answer.results = [transport.send(job.outbound)]
