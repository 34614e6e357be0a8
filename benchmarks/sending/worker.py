"""One process of a round: the product's pump, or one of the loops by hand. Started by `benchmarks.sending`.

It says `ready`, waits for a line, works until nothing is left, and prints what it took as JSON. Reading settings and
starting up are not measured.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from django.conf import settings

from benchmarks.driver import Database
from benchmarks.sending import by_hand, office_clock, split
from campaigns.models import Campaign
from messaging.services import PumpRun


def main() -> None:
    options = json.loads(sys.argv[1])
    work = pump if options["loop"] == "product" else loop
    watch = split.CpuSplit() if options["split"] else None
    sizes: list[int] = []
    threading.Thread(target=look_at_memory, args=(sizes,), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.readline()
    cpu, start = time.process_time(), time.monotonic()
    with watch.watching() if watch else nullcontext():
        work(options)
    found = {
        "start": start,
        "end": time.monotonic(),
        "cpu_s": time.process_time() - cpu,
        "memory_mb": sizes or [resident_mb()],
        "split": watch.seconds if watch else {},
    }
    print(json.dumps(found), flush=True)


def pump(options: dict[str, Any]) -> None:
    """Do what one worker does, until nothing is left."""
    with PumpRun(clock=office_clock()) as run:
        while run.run(until=float("inf")) or run.is_busy:
            pass


def loop(options: dict[str, Any]) -> None:
    """Send this process' share with as many threads as the product has."""
    campaign = Campaign.objects.select_related("offer").get(pk=options["campaign"])
    database = Database(options["url"])
    rows: SimpleQueue[Any] = SimpleQueue()
    for row in database.rows(by_hand.ROWS, [campaign.pk, options["last"]])[options["share"] :: options["of"]]:
        rows.put(row)
    database.close()
    writer = by_hand.Writer(campaign)
    _, connect = by_hand.loops_of(options["provider"])[options["loop"]]
    mishaps: list[BaseException] = []

    def run() -> None:
        try:
            send = connect()
            while True:
                send(writer.note(rows.get_nowait()))
        except Empty:
            return
        except BaseException as error:
            mishaps.append(error)

    threads = [threading.Thread(target=run) for _ in range(settings.SEND_CONCURRENCY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if mishaps:
        raise mishaps[0]


def look_at_memory(sizes: list[int]) -> None:
    while True:
        sizes.append(resident_mb())
        time.sleep(0.25)


def resident_mb() -> int:
    """Return the memory of this process in MB; 0 where there is no /proc."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 10**6
    except OSError:
        return 0
