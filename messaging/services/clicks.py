"""Clicks: kept, and told apart from what scanners do. They count in reports; nothing is decided by them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Max, Min

from campaigns.models import Link
from contacts.services import note_clicked, note_nobody_clicked
from messaging.incoming import EventType
from messaging.links import TRAP_POSITION
from messaging.models import Click, Message, ProviderEvent

Machine = Click.Machine

PATIENCE_S = 1  # somebody waits for the page
MAX_CLICKS = 50  # of one message; who fetches a link for ever fills no disk
SOON = timedelta(seconds=10)  # nobody reads so fast
AT_ONCE, SEVERAL = timedelta(seconds=2), 3  # so many links within this time
AROUND_THE_TRAP = timedelta(minutes=1)

# Programs that say what they are; most scanners do not. Security gateways, previews of links in chats, and libraries:
# https://suped.com/learn/email-deliverability/how-can-i-identify-bot-user-agents-in-my-email-click-data,
# https://github.com/matomo-org/device-detector/blob/master/regexes/bots.yml
AGENTS = re.compile(
    r"""
    barracuda | proofpoint | mimecast | ciscosecure | ironport | \btmes\b | trend\ ?micro | fortimail | fortiguard
    | sophos | symantec | messagelabs | forcepoint | trustwave | safelinks | microsoft\ office | microsoft-urlanalyzer
    | bingpreview | google-safety | googleimageproxy | yahoomailproxy | virustotal | urlscan
    | (?<!cu)bot\b | crawler | spider | slackbot | facebookexternal | whatsapp/ | skypeuripreview | googlemessages
    | snap\ url\ preview | headlesschrome | phantomjs
    | ^(curl|wget|python|java|go-http-client|libwww|lua-resty|ruby|php|axios|node|aiohttp|apache-httpclient|jetty)
    """,
    re.IGNORECASE | re.VERBOSE,
)


def note(message_id: int, position: int, *, method: str, agent: str, at: datetime) -> None:
    """Keep a click, and judge anew those of this message: what one alone does not show, several may.

    A bounded number of queries, and of clicks: after fifty of one message no more are kept. The message's row is
    locked, so that of clicks at the same moment each sees the others. Raises django.db.Error where another writer is
    not done within a second.
    """
    with _patiently():
        message = _locked(message_id)
        clicks = list(Click.objects.filter(message=message_id).order_by("pk")[:MAX_CLICKS])
        if message is None or len(clicks) == MAX_CLICKS:
            return
        link = Link.objects.filter(variant__messages=message, position=position).first()
        click = Click(message=message, link=link, machine=_alone(position, method, agent), at=at)
        turned = _judge([*clicks, click], _early_until(message))
        click.save()
        _write(message, [other for other in turned if other is not click])
        if message.contact_id and not click.machine:
            note_clicked(message.contact_id, at=at)


def look_again(message_id: int) -> None:
    """Judge the clicks of a message anew, now that more is known of it, say, when it was delivered."""
    if not Click.objects.filter(message=message_id, machine="").exists():
        return
    with _patiently():
        message = _locked(message_id)
        clicks = list(Click.objects.filter(message=message_id).order_by("pk")[:MAX_CLICKS])
        if message is not None:
            _write(message, _judge(clicks, _early_until(message)))


def _locked(message_id: int) -> Message | None:
    own = Message.objects.select_for_update(no_key=True).filter(pk=message_id)
    return own.only("contact_id", "handed_at").first()


@contextmanager
def _patiently() -> Iterator[None]:
    """Open a transaction that waits for other writers a second only."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {1000 * PATIENCE_S}")
        try:
            with transaction.atomic():
                yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute(f"PRAGMA busy_timeout = {1000 * connection.settings_dict['OPTIONS']['timeout']}")
    else:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE_S}s'")
            yield


def _alone(position: int, method: str, agent: str) -> Machine:
    """Return what a click betrays by itself."""
    if position == TRAP_POSITION:
        return Machine.TRAP
    if method == "HEAD":
        return Machine.HEAD
    return Machine.AGENT if not agent or AGENTS.search(agent) else Machine.NONE


def _early_until(message: Message) -> datetime | None:
    """Return until when a click came too early: ten seconds after the mail left, or after it was delivered."""
    delivered = ProviderEvent.objects.filter(message=message, event_type=EventType.DELIVERED)
    moments = [message.handed_at, delivered.aggregate(at=Min("occurred_at"))["at"]]
    return max((moment + SOON for moment in moments if moment), default=None)


def _judge(clicks: Sequence[Click], early_until: datetime | None) -> list[Click]:
    """Mark the clicks of one message that are not a person's; return those that were taken for one until now."""
    traps = [click.at for click in clicks if click.link_id is None]
    many = _many(clicks)
    turned = []
    for click in clicks:
        if click.machine:
            continue
        if any(abs(click.at - trap) <= AROUND_THE_TRAP for trap in traps):
            click.machine = Machine.TRAP
        elif early_until and click.at < early_until:
            click.machine = Machine.FAST
        elif any(click is one for one in many):
            click.machine = Machine.MANY
        if click.machine:
            turned.append(click)
    return turned


def _many(clicks: Sequence[Click]) -> list[Click]:
    """Return the clicks that were made at once on several links."""
    found = []
    for first in clicks:
        burst = [click for click in clicks if timedelta(0) <= click.at - first.at <= AT_ONCE]
        if len({click.link_id for click in burst if click.link_id}) >= SEVERAL:
            found += burst
    return found


def _write(message: Message, turned: Sequence[Click]) -> None:
    """Write down which clicks turned out to be a machine's; the person's last click is the last that is left."""
    by_reason: dict[str, list[int]] = defaultdict(list)
    for click in turned:
        by_reason[click.machine].append(click.pk)
    for reason, pks in by_reason.items():
        Click.objects.filter(pk__in=pks).update(machine=reason)
    if turned and message.contact_id:
        left = Click.objects.filter(message__contact=message.contact_id, machine="")
        note_nobody_clicked(message.contact_id, last=left.aggregate(at=Max("at"))["at"])
