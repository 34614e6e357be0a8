"""Guests at the web server while mail goes out: do they wait, and does the mail?"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from urllib.parse import urlsplit

from django.core.management import call_command

from benchmarks.child import describe_database
from benchmarks.measuring import Report, compare, percentile
from benchmarks.redeeming import HOST, server
from benchmarks.sending import Found, Setting, add_people, expect, launch_campaign, queue_again, run_workers
from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.links import Unsubscribe, unsubscribe_url
from contacts.models import ChannelStatus, Contact
from messaging.models import Message
from redemptions.links import coupon_url
from redemptions.models import Code

GUESTS = 2  # at a time, each with a page after the other
THINKS_S = 0.02
LEAVING = 500  # people outside the audience, who unsubscribe
PROCESSES = 2
WARM = 20  # requests before, so that each process of the server has begun


def run(*, people: int) -> Report:
    call_command("collectstatic", interactive=False, verbosity=0)
    add_people(0, people)
    campaign = launch_campaign()
    add_people(people, people + LEAVING)
    pages = [coupon_url(code.token) for code in Code.objects.order_by("pk")[:LEAVING]]
    leaving = Contact.objects.order_by("-pk")[:LEAVING]
    links = [unsubscribe_url(Unsubscribe(Channel.EMAIL, bytes(contact.email_index or b""))) for contact in leaving]
    alone = send(campaign, people)
    with server("config.wsgi") as product:
        for url in pages[:WARM]:
            ask(product.port, "GET", url)
        with guests(product.port, pages, links) as visits:
            served = send(campaign, people)
    waits_ms = {name: waits_during(served, made) for name, made in visits.items()}
    assert all(waits_ms.values()), "nobody came"
    assert Contact.objects.filter(email_status=ChannelStatus.UNSUBSCRIBED).exists()
    waited = "; ".join(
        f"{name} {len(values):,}, half within {percentile(values, 0.5):.0f} ms, 99 of 100 within "
        f"{percentile(values, 0.99):.0f} ms, the slowest {max(values):.0f} ms"
        for name, values in waits_ms.items()
    )
    what = (
        f"{describe_database()}: {people:,} mails from {PROCESSES} processes while guests come (by hand: nobody comes)"
    )
    return Report(describe_database(), [compare(what, "messages", [(served.sample, alone.sample)], [waited])])


def waits_during(sending: Found, visits: list[tuple[float, float]]) -> list[float]:
    """Return what guests waited, in ms, who came while mail went out."""
    return [wait_ms for came_at, wait_ms in visits if sending.start <= came_at <= sending.end]


def send(campaign: Campaign, people: int) -> Found:
    setting = Setting("sendgrid", 0, PROCESSES)
    queue_again(campaign, people)
    expect(setting, keep=False)
    found = run_workers(campaign, setting, "product", people)
    assert Message.objects.filter(campaign=campaign, status=Message.Status.ACCEPTED).count() == people
    return found


@contextmanager
def guests(port: int, pages: list[str], links: list[str]) -> Iterator[dict[str, list[tuple[float, float]]]]:
    """Let guests look at coupons and unsubscribe until the block ends; yield when each came, and waited how many ms."""
    visits: dict[str, list[tuple[float, float]]] = {"coupons": [], "unsubscriptions": []}
    over = threading.Event()
    kinds = [("GET", iter(cycle(pages)), "coupons"), ("POST", iter(links), "unsubscriptions")]

    def visit(method: str, urls: Iterator[str], name: str) -> None:
        while not over.wait(THINKS_S) and (url := next(urls, "")):
            came_at = time.monotonic()
            ask(port, method, url)
            visits[name].append((came_at, (time.monotonic() - came_at) * 1000))

    threads = [threading.Thread(target=visit, args=kind) for kind in kinds for _ in range(GUESTS // len(kinds))]
    for thread in threads:
        thread.start()
    try:
        yield visits
    finally:
        over.set()
        for thread in threads:
            thread.join()


def ask(port: int, method: str, url: str) -> None:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    connection.request(method, address.path, headers={"Host": address.netloc})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status == 200, (answer.status, address.path)
