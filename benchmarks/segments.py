"""Segments: how long a count takes over many contacts, for each kind of question, and how long the list of contacts.

People are made by the database itself, of the width of real rows: nothing of it is ever decrypted here but one page.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from benchmarks.child import describe_database
from benchmarks.measuring import Report, percentile
from contacts.channels import Channel
from contacts.fields import encrypt, keyed_hash
from contacts.models import Import, Segment, Tag
from contacts.queries import audience_contacts, count_people, examples, reachable

CHUNK = 1000
Questions = dict[str, dict[str, Any]]


def run(*, rows: int, rounds: int) -> Report:
    """Count each question, page through one, and open the list of contacts."""
    at = timezone.now()
    fill(rows)
    notes = [f"Segments over {rows:,} contacts, each counted {rounds} times: median (slowest), and the first page."]
    for name, question in questions().items():
        notes.append(count_line(name, question, at, rounds))
    notes.append(pages_line(at))
    notes.append(list_line(rounds))
    return Report(describe_database(), [], notes)


def questions() -> Questions:
    """Return the ready-made segments and others of every kind, tags on half of the people among them."""
    half, tenth, rare = Tag.objects.order_by("pk").values_list("pk", flat=True)
    run = Import.objects.values_list("pk", flat=True)[0]
    tagged, subscribed = rule("tag", "has", half), rule("email", "is", ["subscribed"])
    return {
        **{segment.name: segment.rules for segment in Segment.objects.all()},
        "Everybody": {},
        "Tag on half of all": every(tagged),
        "No such tag": every(rule("tag", "has_not", half)),
        "Tag on one in a thousand": every(rule("tag", "has", rare)),
        "Not in an import of 40 %": every(rule("import", "not_in", run)),
        "Not sent anything for 30 days": every(rule("sent", "not_within", 30)),
        "Spent at least 50": every(rule("spend", "at_least", "50")),
        "Agreed to e-mail in the last 30 days": every(rule("email_agreed", "within", 30)),
        "Never agreed to SMS": every(rule("sms_agreed", "never")),
        "Birthday known, added before this year": every(
            rule("knows", "known", "birthday"), rule("created", "before", f"{timezone.now():%Y}-01-01")
        ),
        "Three tags, any of them": some(tagged, rule("tag", "has", tenth), rule("tag", "has", rare)),
        "(tag or lately) and (not tag or birthday) and e-mail": every(
            some(tagged, rule("redeemed", "within", 60)),
            some(rule("tag", "has_not", tenth), rule("birthday", "within", 30)),
            subscribed,
        ),
        "(tag and twice) or (new and SMS) or (no tags, never)": some(
            every(tagged, rule("redemptions", "at_least", 2)),
            every(rule("created", "within", 90), rule("sms", "is", ["subscribed"])),
            every(rule("tag", "has_not", half), rule("redeemed", "never"), rule("tag", "has_not", tenth)),
        ),
        "Import, or agreed lately, or rare tag": some(
            rule("import", "in", run), rule("email_agreed", "within", 30), rule("tag", "has", rare)
        ),
        "Half of all without regulars and one in ten": {
            "include": every(tagged),
            "exclude": [every(rule("redemptions", "at_least", 3)), every(rule("tag", "has", tenth))],
        },
    }


def rule(asked: str, op: str, *value: Any) -> dict[str, Any]:
    return {"field": asked, "op": op, **({"value": value[0]} if value else {})}


def every(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"match": "all", "rules": list(rules)}


def some(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"match": "any", "rules": list(rules)}


def timed_ms(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = work()
    return (time.perf_counter() - start) * 1000, found


def count_line(name: str, question: dict[str, Any], at: datetime, rounds: int) -> str:
    runs = [timed_ms(lambda: count_people(audience_contacts(question, at=at))) for _ in range(rounds)]
    took = [ms for ms, _ in runs]
    ten, _ = timed_ms(lambda: examples(question, at=at))
    return f"{name}: {runs[0][1]:,} people, {median(took):.0f} ms ({max(took):.0f}), ten of them {ten:.0f} ms"


def pages_line(at: datetime) -> str:
    """Walk an audience as planning does, a thousand people at a time."""
    question = list(questions().values())[-1]
    took, last = [], 0
    while True:
        page = reachable(question, Channel.EMAIL, at=at).filter(pk__gt=last).order_by("pk")
        ms, ids = timed_ms(lambda page=page: list(page.values_list("pk", flat=True)[:CHUNK]))  # type: ignore[misc]
        took.append(ms)
        if len(ids) < CHUNK:
            break
        last = ids[-1]
    slowest = f"{percentile(took, 0.95):.0f} ms for 95 in 100, {max(took):.0f} ms at most"
    return f"An audience page by page, {len(took)} of {CHUNK:,}: {median(took):.0f} ms, {slowest}"


def list_line(rounds: int) -> str:
    call_command("collectstatic", interactive=False, verbosity=0)
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(User.objects.create_superuser("bench"))
    url = reverse("admin:contacts_contact_changelist")
    if (status := client.get(url).status_code) != 200:
        raise RuntimeError(f"the list of contacts answered {status}")
    took = [timed_ms(lambda: client.get(url))[0] for _ in range(rounds)]
    with CaptureQueriesContext(connection) as captured:
        client.get(url)
    return f"The first page of contacts: {median(took):.0f} ms ({max(took):.0f}), {len(captured)} queries"


# --- People -----------------------------------------------------------------------------------------------------------


def fill(rows: int) -> None:
    """Write `rows` contacts, activity for 60 %, three tags, an import of 40 %, and their consents."""
    tags = [Tag.objects.create(name=name).pk for name in ("Half", "Tenth", "Rare")]
    run = Import.objects.create(status=Import.Status.DONE, file_name="guests.csv", file_sha256="x")
    is_sqlite = connection.vendor == "sqlite"
    # Two thousand people stand for all: their ciphertexts and birthdays repeat, their addresses' indexes do not.
    with connection.cursor() as cursor:
        digest = "blob" if is_sqlite else "bytea"
        cursor.execute(
            f"CREATE TEMPORARY TABLE some_people (number bigint PRIMARY KEY, secret text, birthday text, day {digest})"
        )
        cursor.executemany(
            "INSERT INTO some_people VALUES (%s, %s, %s, %s)", [person(number) for number in range(2000)]
        )
        for statement in statements(rows, tags, run.pk, is_sqlite):
            cursor.execute(statement)
        cursor.execute("ANALYZE" if is_sqlite else "VACUUM ANALYZE")


def person(number: int) -> tuple[int, str, str, bytes]:
    day = date(2024, 1, 1) + timedelta(days=number % 366)
    secret, birthday = encrypt(f"a.guest.{number:05d}@example.org"), encrypt(day.isoformat())
    return number, secret, birthday, keyed_hash("birthday", f"{day:%m-%d}")


def statements(rows: int, tags: list[int], run: int, is_sqlite: bool) -> list[str]:
    """Return the statements that make the people. What a person is like follows from a number drawn for each."""

    def drawn(salt: int, of: int) -> str:
        return f"(((n * {2654435761 + 2 * salt}) % 4294967296) / 65536 % {of})"

    def ago(days: str) -> str:
        return f"datetime('now', '-' || ({days}) || ' days')" if is_sqlite else f"now() - ({days}) * interval '1 day'"

    def index(kind: str) -> str:
        return f"CAST('{kind}' || printf('%030d', n) AS blob)" if is_sqlite else f"sha256(('{kind}' || n)::bytea)"

    numbers = f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows})"
    if not is_sqlite:
        numbers = f"WITH numbers(n) AS (SELECT generate_series(1::bigint, {rows}))"
    mail, phone = drawn(1, 100), drawn(2, 10)
    people = f"""INSERT INTO contacts_contact (email, email_index, phone, phone_index, index_key_id, first_name,
            last_name, birthday, birthday_index, email_status, sms_status, source, fewer_messages, is_demo,
            created_at, updated_at)
        {numbers} SELECT secret, {index("e")}, CASE WHEN {phone} < 6 THEN secret END,
            CASE WHEN {phone} < 6 THEN {index("p")} END, 'bench', secret, secret,
            CASE WHEN {drawn(3, 10)} < 6 THEN birthday END, CASE WHEN {drawn(3, 10)} < 6 THEN day END,
            CASE WHEN {mail} < 60 THEN 'subscribed' WHEN {mail} < 75 THEN 'none' WHEN {mail} < 85 THEN 'unsubscribed'
                WHEN {mail} < 95 THEN 'pending' ELSE 'suppressed' END,
            CASE WHEN {phone} >= 6 THEN 'absent' WHEN {phone} < 4 THEN 'subscribed' ELSE 'none' END,
            CASE WHEN {mail} < 70 THEN 'import' WHEN {mail} < 90 THEN 'form' ELSE 'admin' END, false, false,
            {ago(f"({rows} - n) * 1000 / {rows}")}, {ago("0")}
        FROM numbers JOIN some_people ON some_people.number = {drawn(4, 2000)}"""
    activity = f"""INSERT INTO contacts_activity
            (contact_id, last_sent_at, last_clicked_at, last_redeemed_at, redemptions, spend)
        SELECT n, {ago(drawn(5, 200))}, CASE WHEN {drawn(6, 10)} < 4 THEN {ago(drawn(7, 300))} END,
            CASE WHEN {drawn(8, 10)} < 4 THEN {ago(drawn(9, 500))} END,
            CASE WHEN {drawn(8, 10)} < 4 THEN 1 + {drawn(10, 6)} ELSE 0 END,
            CASE WHEN {drawn(8, 10)} < 4 THEN {drawn(11, 200)} ELSE 0 END
        FROM (SELECT id AS n FROM contacts_contact) AS people WHERE {drawn(12, 10)} < 6"""
    tagged = [
        f"""INSERT INTO contacts_contacttag (tag_id, contact_id)
        SELECT {tag}, n FROM (SELECT id AS n FROM contacts_contact) AS people WHERE {drawn(20 + tag, 1000)} < {share}"""
        for tag, share in zip(tags, (500, 100, 1), strict=True)
    ]
    imported = f"""INSERT INTO contacts_importentry (run_id, contact_id, kind)
        SELECT {run}, n, 'created' FROM (SELECT id AS n FROM contacts_contact) AS people WHERE {drawn(30, 10)} < 4"""
    consents = [
        f"""INSERT INTO contacts_consentevent (contact_id, channel, address_index, index_key_id, action, source, at,
            wording, version, reference)
        SELECT id, '{channel}', {column}, 'bench', 'granted', 'import', created_at, 'Yes, send me deals.', '', ''
        FROM contacts_contact WHERE {channel}_status = 'subscribed'"""
        for channel, column in (("email", "email_index"), ("sms", "phone_index"))
    ]
    return [people, activity, *tagged, imported, *consents]
