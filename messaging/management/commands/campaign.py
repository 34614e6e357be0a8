"""Write, check, launch, watch and stop campaigns."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from campaigns.models import Campaign
from campaigns.queries import audience_size, content_of, variant_of
from campaigns.rendering import ContentError
from campaigns.services import MAX_SPREAD_HOURS, Blocked, Draft, NotPossible, save_draft
from contacts.channels import AddressError, Channel
from contacts.management.console import ConsoleCommand, decimal, instant
from contacts.models import Business, Segment, Tag
from messaging import services
from messaging.models import Message
from messaging.queries import full_checklist, unknown_page, worker_alive
from messaging.transports import TransportError
from redemptions.models import Offer

Named = TypeVar("Named", Segment, Tag)

ACTIONS = {
    "check": "Print the checklist; exit 1 where something blocks.",
    "launch": "Send, after 30 seconds in which undo takes it back; or schedule with --at. Needs no approval.",
    "approve": "Send what somebody asked to send, as the second person: who runs this manages the machine.",
    "undo": "Make a campaign that has not begun a draft again.",
    "pause": "Stop sending at once.",
    "resume": "Go on with exactly the rest.",
    "cancel": "End for good.",
    "retry": "Try failed messages again, where that may help.",
    "unknown": "List messages that may or may not have arrived, or decide about them.",
    "test": "Send it to one address, with a code that scans as a test.",
    "status": "Count the messages by state.",
}


class Command(ConsoleCommand):
    help = "Campaigns: create, check, launch, approve, undo, pause, resume, cancel, retry, unknown, test, status."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        self._add_create(actions.add_parser("create", help="Save a draft."))
        for name, text in ACTIONS.items():
            action = actions.add_parser(name, help=text)
            action.add_argument("id", type=int)
            super().add_arguments(action)
            if name == "launch":
                _add_launch(action)
            elif name == "test":
                action.add_argument("--to", required=True, metavar="ADDRESS")
            elif name == "unknown":
                decision = action.add_mutually_exclusive_group()
                decision.add_argument(
                    "--send-anyway", action="store_true", help="Send them once more; they may get it twice."
                )
                decision.add_argument("--leave", action="store_true", help="Leave them, and ask no more.")

    def _add_create(self, create: ArgumentParser) -> None:
        super().add_arguments(create)
        create.add_argument("--name", required=True)
        create.add_argument("--channel", choices=Channel.values, required=True)
        create.add_argument("--subject", default="")
        create.add_argument("--preheader", default="")
        create.add_argument("--body-file", type=Path, required=True, help="Simple text with merge fields.")
        create.add_argument("--html-file", type=Path, help="Own HTML; the body file is its text part.")
        create.add_argument("--utm", metavar="NAME", default="", help="Added to links to web sites as utm_campaign.")
        create.add_argument("--offer", metavar="ID", help="The deal everyone gets a code for: its id or name.")
        audience = create.add_mutually_exclusive_group(required=True)
        audience.add_argument("--all", action="store_true", help="Everyone who is subscribed.")
        audience.add_argument("--segment", metavar="NAME")
        audience.add_argument("--tag", metavar="NAME")
        create.add_argument("--exclude-segment", metavar="NAME", help="Leave out whoever is in this segment.")
        create.add_argument("--exclude-tag", metavar="NAME", help="Leave out whoever has this tag.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action']}")(options)
        except (ContentError, NotPossible, Blocked, TransportError, services.TestRefused) as error:
            raise CommandError(str(error)) from error
        except AddressError as error:
            raise CommandError(f"What you gave {error}.") from error

    def _create(self, options: dict[str, Any]) -> None:
        draft = Draft(
            name=options["name"],
            channel=Channel(options["channel"]),
            subject=options["subject"],
            preheader=options["preheader"],
            body=_text(options["body_file"]),
            html=_text(options["html_file"]) if options["html_file"] else "",
            offer=_offer(options["offer"]) if options["offer"] else None,
            segment=_named(Segment, options["segment"]),
            tag=_named(Tag, options["tag"]),
            exclude_segment=_named(Segment, options["exclude_segment"]),
            exclude_tag=_named(Tag, options["exclude_tag"]),
            utm_campaign=options["utm"],
        )
        campaign = save_draft(draft)
        data = {"id": campaign.pk, "name": campaign.name, "status": campaign.status}
        self.answer(
            options,
            {**data, "audience": audience_size(campaign, at=timezone.now())},
            f"Campaign {campaign.pk} is a draft.",
        )

    def _check(self, options: dict[str, Any]) -> None:
        campaign, at = _campaign(options), timezone.now()
        checks = full_checklist(campaign, content_of(campaign, variant_of(campaign)), at=at)
        blocked = any(check.level == "block" for check in checks)
        lines = [f"{check.level:5} {check.title}. {check.detail}".rstrip() for check in checks]
        data = [
            {"level": c.level, "title": c.title, "detail": c.detail, "field": c.field, "url": c.url} for c in checks
        ]
        self.answer(options, {"id": campaign.pk, "blocked": blocked, "checks": data}, "\n".join(lines))
        if blocked:
            raise CommandError("This campaign cannot be sent yet.")

    def _launch(self, options: dict[str, Any]) -> None:
        campaign, starts_at = _campaign(options), options["at"]
        if not options["yes"] and not self._agreed(campaign):
            raise CommandError("Nothing was sent.")
        at = timezone.now()
        if starts_at and starts_at < at - timedelta(minutes=1):
            raise CommandError(f"{starts_at:%Y-%m-%d %H:%M %Z} is in the past. Leave --at out to send now.")
        undo_s = 0 if options["yes"] or starts_at else settings.LAUNCH_UNDO_S
        campaign = services.launch(
            campaign,
            at=at,
            starts_at=starts_at or at + timedelta(seconds=undo_s),
            spread_minutes=options["spread"],
        )
        if not worker_alive(at):
            self.remark("The worker has not been heard for three minutes; nothing is sent before it runs: qcluster.")
        when = f"on {starts_at:%Y-%m-%d %H:%M %Z}" if starts_at and starts_at > at else "now"
        if undo_s:
            when = f"in {undo_s} seconds. Until then: campaign undo {campaign.pk}"
        expected = campaign.size_at_launch or 0
        if options["spread"]:
            when += f", spread over {options['spread'] / 60:g} hours"
        words = f"It goes to {expected} {'person' if expected == 1 else 'people'} {when}."
        if campaign.channel == Channel.SMS:
            words += " Texts leave between 9 a.m. and 8 p.m. where each person is."
        self.answer(options, {**_counts(campaign), "expected": expected}, words)

    def _agreed(self, campaign: Campaign) -> bool:
        size = audience_size(campaign, at=timezone.now())
        question = f"Send '{campaign.name}' to {size} people? Type yes: "
        try:
            return input(question).strip().lower() == "yes"
        except EOFError as error:
            raise CommandError("Nobody is there to ask. Add --yes to send without the question.") from error

    def _approve(self, options: dict[str, Any]) -> None:
        at = timezone.now()
        campaign = services.approve(_campaign(options), at=at, by=None, earliest=at)
        expected = campaign.size_at_launch or 0
        words = f"Approved. It goes to {expected} {'person' if expected == 1 else 'people'}."
        self.answer(options, {**_counts(campaign), "expected": expected}, words)

    def _undo(self, options: dict[str, Any]) -> None:
        services.take_back(_campaign(options))
        self._status(options)

    def _pause(self, options: dict[str, Any]) -> None:
        services.pause(_campaign(options))
        self._status(options)

    def _resume(self, options: dict[str, Any]) -> None:
        services.resume(_campaign(options), at=timezone.now())
        self._status(options)

    def _cancel(self, options: dict[str, Any]) -> None:
        services.cancel(_campaign(options), at=timezone.now())
        self._status(options)

    def _retry(self, options: dict[str, Any]) -> None:
        campaign = _campaign(options)
        count = services.retry_failed(campaign, at=timezone.now())
        campaign.refresh_from_db()
        words = f"{count} failed message{' is' if count == 1 else 's are'} tried again."
        self.answer(options, {**_counts(campaign), "retried": count}, words)

    def _unknown(self, options: dict[str, Any]) -> None:
        campaign = _campaign(options)
        if options["send_anyway"]:
            result = services.send_anyway(campaign, at=timezone.now())
            data = {"id": campaign.pk, "sent_anyway": result.queued, "left_out": result.kept}
            words = f"{result.queued} sent once more; {result.kept} left out, who agree no more or cannot be reached."
        elif options["leave"]:
            count = services.leave(campaign, at=timezone.now())
            data, words = {"id": campaign.pk, "left": count}, f"{count} left as not known."
        else:
            data, words = _unknown_ones(campaign)
        self.answer(options, data, words)

    def _test(self, options: dict[str, Any]) -> None:
        reference = services.send_test(_campaign(options), to=options["to"])
        self.answer(options, {"id": reference}, "The test is on its way.")

    def _status(self, options: dict[str, Any]) -> None:
        campaign = _campaign(options)
        data = _counts(campaign)
        counts = ", ".join(f"{data[status]} {status}" for status in Message.Status.values if data[status])
        words = f"{data['audience']} people, {counts}" if counts else "nothing planned yet"
        lines = [f"{campaign.get_status_display()}: {words}. {campaign.pause_reason}".rstrip()]
        if data["rate_per_minute"]:
            lines.append(f"{data['rate_per_minute']} a minute.")
        if data["expected_finish"]:
            lines.append(f"Done about {data['expected_finish'].astimezone(Business.load().zone):%Y-%m-%d %H:%M %Z}.")
        self.answer(options, data, "\n".join([*lines, *data["waits"]]))


def _add_launch(action: ArgumentParser) -> None:
    action.add_argument("--at", type=instant, metavar="ISO", help="When to start. Default: at once.")
    action.add_argument(
        "--spread", type=_minutes, default=0, metavar="HOURS", help="Spread it evenly. Default, 0: as fast as it goes."
    )
    action.add_argument("--yes", action="store_true", help="Do not ask, and start without the time to undo it.")


def _minutes(hours: str) -> int:
    """Read hours for argparse, as minutes."""
    value = decimal(hours)
    if not 0 <= value <= MAX_SPREAD_HOURS:
        raise ArgumentTypeError(f"'{hours}' is not between 0 and {MAX_SPREAD_HOURS} hours.")
    return round(60 * value)


def _counts(campaign: Campaign) -> dict[str, Any]:
    """The states of a campaign's messages, of which `audience` is the sum, and how it goes."""
    live = services.watch(campaign, at=timezone.now())
    now = live.progress
    return {
        "id": campaign.pk,
        "status": campaign.status,
        "audience": now.audience,
        **now.counts,
        "redeemed": now.redeemed,
        "pause_reason": campaign.pause_reason,
        "rate_per_minute": live.rate_per_minute,
        "expected_finish": live.expected_finish,
        "in_flight": live.in_flight,
        "worker_alive": live.worker_alive,
        "waits": live.waits,
    }


def _unknown_ones(campaign: Campaign) -> tuple[dict[str, Any], str]:
    """Return the messages that wait for a decision, all of them, without an address in clear."""
    found, page, pages = [], 1, 1
    while page <= pages:
        rows, pages = unknown_page(campaign, page)
        found += rows
        page += 1
    lines = [
        f"{row.who:30} {row.at:%Y-%m-%d %H:%M %Z} {row.why}" if row.at else f"{row.who:30} {row.why}" for row in found
    ]
    lines.append(
        f"{len(found)} may or may not have arrived. Decide with --send-anyway or --leave." if found else "None."
    )
    data = [{"id": row.id, "who": row.who, "at": row.at, "why": row.why, "provider": row.provider} for row in found]
    return {"id": campaign.pk, "unknown": len(found), "messages": data}, "\n".join(lines)


def _campaign(options: dict[str, Any]) -> Campaign:
    campaign = Campaign.objects.filter(pk=options["id"]).first()
    if campaign is None:
        raise CommandError(f"There is no campaign {options['id']}.")
    return campaign


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 text. Save it as UTF-8 and try again.") from error


def _offer(text: str) -> Offer:
    found = Offer.objects.filter(pk=int(text)) if text.isdigit() else Offer.objects.filter(name__iexact=text)
    if offer := found.first():
        return offer
    raise CommandError(f"There is no deal '{text}'. Make one with: offer create")


def _named(model: type[Named], name: str | None) -> Named | None:
    if not name:
        return None
    if found := model._default_manager.filter(name__iexact=name).first():
        return found
    raise CommandError(f"There is no {model._meta.verbose_name} '{name}'.")
