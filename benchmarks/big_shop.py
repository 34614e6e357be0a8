"""A shop of years, written by the database itself: campaigns to hundreds of thousands, and all that came of them.

Rows are of the width of real ones, and their ciphertexts repeat. What a row is like follows from a number drawn for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from benchmarks import segments
from campaigns.models import Campaign, Link, Variant
from campaigns.services import Draft, save_draft
from contacts.channels import Channel
from contacts.fields import encrypt
from contacts.models import AuditEvent, Job
from contacts.queries import name_digest
from messaging.models import Fact, Heartbeat, Tally
from messaging.queries.trends import fact_name
from redemptions.models import CodeSheet, Device, EntryCounter, Location, Offer, Staff
from redemptions.services import create_offer

Status = Campaign.Status
PLACES = ("39th Street", "Overland Park", "Food truck", "River Market")
URLS = ("https://corner-bar.example/menu", "https://corner-bar.example/book", "https://corner-bar.example/hours")
NAMED, RARE_NAME = "guest", "00012"  # every name has the one word, one in two thousand the other
REDEEMED = 50_000  # of a million contacts; fewer, the fewer there are
REFUSED = 20_000
AUDITED = 100_000


@dataclass(frozen=True, slots=True)
class Shop:
    """The campaigns whose pages are opened, and the tags and people whose are."""

    lunch: Campaign
    """To everybody, with a deal, of which 50,000 were redeemed."""
    going: Campaign
    draft: Campaign
    newest: list[Campaign]
    offer: Offer


@dataclass(frozen=True, slots=True)
class Sent:
    """A campaign to make: to this share of those subscribed, so many days ago."""

    name: str
    channel: Channel
    percent: int
    days_ago: float
    status: str = Status.SENT
    has_deal: bool = False


SENT = (
    Sent("Summer menu", Channel.EMAIL, 100, 60),
    Sent("Lunch is on us", Channel.EMAIL, 100, 25, has_deal=True),
    Sent("Lunch, by text", Channel.SMS, 100, 12, has_deal=True),
    *(Sent(f"Wine evening {number}", Channel.EMAIL, 4, 360 - 30 * number) for number in range(10)),
    Sent("Patio, this week", Channel.EMAIL, 10, 2, Status.PAUSED),
    Sent("Autumn menu", Channel.EMAIL, 100, 0.01, Status.SENDING),
)

# How messages end, of a thousand: up to which number, the state, and why.
ENDS = (
    (930, "delivered", ""),
    (950, "bounced", "no_such_address"),
    (952, "complained", ""),
    (960, "failed", "gave_up"),
    (985, "skipped", "unsubscribed"),
    (986, "unknown", "outcome_unknown"),
    (1000, "accepted", ""),
)


def fill(rows: int) -> Shop:
    """Make `rows` contacts, some 2.3 messages each, and tables beside them as long as they would be."""
    segments.fill(rows)
    sql = Sql(rows, is_sqlite=connection.vendor == "sqlite", at=timezone.now())
    offer = create_offer(name="20 % off lunch", type=Offer.Type.PERCENT, value=Decimal(20))
    devices = tills()
    sql.run(sql.name_index(), *sql.codes(offer))
    made = {sent.name: campaign_of(sent, offer, sql) for sent in SENT}
    for sent in SENT:
        sql.run(sql.messages(made[sent.name], sent))
    lunch, going = made["Lunch is on us"], made["Autumn menu"]
    for name in ("Summer menu", "Lunch is on us"):
        sql.run(*sql.clicks(made[name]), sql.events(made[name]), sql.withdrawals(made[name]))
    sql.run(*sql.redemptions(offer, devices), *sql.refused_scans(devices))
    sql.run(sql.suppressions(), *sql.texts())
    records(sql)
    drafts = [save_draft(draft(f"Idea {number}", Channel.EMAIL, offer)) for number in range(4)]
    now_going(going, sql.at)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if sql.is_sqlite else "VACUUM ANALYZE")
    return Shop(lunch, going, drafts[0], list(made.values())[-6:], offer)


# --- What is few ------------------------------------------------------------------------------------------------------


def tills() -> list[Device]:
    """Make two scanners for each place, and staff."""
    places = [Location.objects.create(name=name) for name in PLACES]
    Staff.objects.bulk_create(Staff(name=f"Server {number}", pin_hash=f"hash {number}") for number in range(12))
    return [
        Device.objects.create(name=f"{kind} {place}", location=place, enrolled_at=timezone.now())
        for place in places
        for kind in ("Till", "Phone")
    ]


def draft(name: str, channel: Channel, offer: Offer | None) -> Draft:
    words = f'Hi {{{{ first_name | default: "there" }}}}, come by: {URLS[0]}'
    return Draft(name=name, channel=channel, subject=name if channel == Channel.EMAIL else "", body=words, offer=offer)


def campaign_of(sent: Sent, offer: Offer, sql: Sql) -> Campaign:
    campaign = save_draft(draft(sent.name, sent.channel, offer if sent.has_deal else None))
    begun = sql.at - timedelta(days=sent.days_ago)
    Campaign.objects.filter(pk=campaign.pk).update(
        status=sent.status,
        audience={},
        starts_at=begun,
        launched_at=begun,
        begun_at=begun,
        planned_at=begun,
        finished_at=begun + timedelta(hours=3) if sent.status == Status.SENT else None,
        size_at_launch=sql.rows * sent.percent // 100,
    )
    variant = Variant.objects.get(campaign=campaign)
    Link.objects.bulk_create(Link(variant=variant, position=number, url=url) for number, url in enumerate(URLS, 1))
    campaign.refresh_from_db()
    return campaign


def now_going(campaign: Campaign, at: datetime) -> None:
    Heartbeat.objects.update_or_create(name="clock", defaults={"at": at})
    Tally.objects.create(campaign=campaign, at=at - timedelta(seconds=30), sent=2_000)


def records(sql: Sql) -> None:
    """Write the audit, bulk jobs, printed codes, people who sign in, and the counts of the days before."""
    user = User.objects.create_user("owner", is_staff=True)
    actions = (AuditEvent.Action.SIGNED_IN, AuditEvent.Action.REVEALED, AuditEvent.Action.EXPORTED_ONE)
    AuditEvent.objects.bulk_create(
        (
            AuditEvent(
                action=actions[number % 3],
                actor=user,
                via="admin",
                address="192.0.2.0/24",
                detail=f"contact {number}",
                at=sql.at - timedelta(minutes=5 * number),
            )
            for number in range(sql.scaled(AUDITED))
        ),
        batch_size=5_000,
    )
    Job.objects.bulk_create(Job(kind=Job.Kind.TAG, status=Job.Status.DONE, created_by=user) for _ in range(300))
    CodeSheet.objects.bulk_create(
        CodeSheet(offer=Offer.objects.all()[0], name=f"Flyers {number}", count=100) for number in range(60)
    )
    today = sql.at.date()
    Fact.objects.bulk_create(fact(today - timedelta(days=days), sql) for days in range(1, 60))


def fact(day: date, sql: Sql) -> Fact:
    names = ("contacts", "email_subscribed", "email_unsubscribed", "sms_subscribed", "sms_unsubscribed")
    return Fact(name=fact_name(day), detail=dict.fromkeys(names, sql.rows // 2), at=sql.at)


# --- What is many -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sql:
    """Statements in the words of the database."""

    rows: int
    is_sqlite: bool
    at: datetime

    def run(self, *statements: str) -> None:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def scaled(self, count: int) -> int:
        return max(20, count * self.rows // 1_000_000)

    def drawn(self, salt: int, of: int, number: str = "id") -> str:
        return f"((({number} * {2654435761 + 2 * salt}) % 4294967296) / 65536 % {of})"

    def moment(self, at: datetime) -> str:
        return f"'{at:%Y-%m-%d %H:%M:%S}{'' if self.is_sqlite else '+00'}'"

    def later(self, at: str, seconds: str) -> str:
        """Return a time and so many seconds, as Django keeps times."""
        if self.is_sqlite:
            return f"datetime({at}, '+' || CAST({seconds} AS integer) || ' seconds')"
        return f"(({at})::timestamptz + ({seconds}) * interval '1 second')"

    def digest(self, kind: str, number: str = "id") -> str:
        if self.is_sqlite:
            return f"CAST('{kind}' || printf('%030d', {number}) AS blob)"
        return f"sha256(('{kind}' || {number})::bytea)"

    def unique(self, kind: str, width: int, number: str = "id") -> str:
        """Return a text of so many characters that no other row has."""
        zeros = width - len(kind)
        if self.is_sqlite:
            return f"'{kind}' || printf('%0{zeros}d', {number})"
        return f"'{kind}' || lpad(({number})::text, {zeros}, '0')"

    @property
    def uuid(self) -> str:
        return "lower(hex(randomblob(16)))" if self.is_sqlite else "gen_random_uuid()"

    @property
    def false(self) -> str:
        return "0" if self.is_sqlite else "false"

    @property
    def true(self) -> str:
        return "1" if self.is_sqlite else "true"

    def name_index(self) -> str:
        """Return what finds everybody by the one word of their name, and a few by the other."""
        everybody, rare = name_digest(f"p:{NAMED}"), name_digest(f"p:{RARE_NAME}")
        return f"""INSERT INTO contacts_nameindex (digest, contact_id)
            SELECT {everybody}, id FROM contacts_contact
            UNION ALL SELECT {rare}, id FROM contacts_contact WHERE {self.drawn(4, 2000)} = {int(RARE_NAME)}"""

    def codes(self, offer: Offer) -> list[str]:
        token, typed = encrypt("0123456789ABCDEFGHJKMNPQRS"), encrypt("0123456789")
        return [
            f"""INSERT INTO redemptions_code (offer_id, contact_id, token, token_index, typed, typed_index,
                index_key_id, image_reference, used, max_uses, is_test, created_at)
            SELECT {offer.pk}, id, '{token}', {self.digest("t")}, '{typed}', {self.digest("y")}, 'bench',
                {self.unique("r", 22)}, 0, 1, {self.false}, {self.moment(self.at - timedelta(days=25))}
            FROM contacts_contact WHERE email_status = 'subscribed' OR sms_status = 'subscribed' ORDER BY id"""
        ]

    def messages(self, campaign: Campaign, sent: Sent) -> str:
        """Return a campaign's messages: delivered but for a few; of one on its way the half that comes first."""
        variant, begun = Variant.objects.get(campaign=campaign), campaign.begun_at
        assert begun
        column = "email" if sent.channel == Channel.EMAIL else "sms"
        draw = self.drawn(campaign.pk, 1000)
        ended, why = (self.by_share(draw, [(below, words[which]) for below, *words in ENDS]) for which in (0, 1))
        handed = self.later(self.moment(begun), f"id * 7200.0 / {self.rows}")
        waits = f"id > {self.rows // 2}" if sent.status in {Status.SENDING, Status.PAUSED} else "1 = 0"
        code = "NULL"
        if sent.has_deal:
            code = "(SELECT id FROM redemptions_code WHERE contact_id = people.id)"  # everybody has one
        return f"""INSERT INTO messaging_message (reference, campaign_id, variant_id, contact_id, channel, code_id,
                status, reason, attempts, not_before, handed_at, look_ups, provider, provider_id, status_at, created_at)
            SELECT {self.uuid}, {campaign.pk}, {variant.pk}, id, '{sent.channel}', {code},
                CASE WHEN {waits} THEN 'queued' ELSE {ended} END, CASE WHEN {waits} THEN '' ELSE {why} END,
                0, {self.moment(begun)}, CASE WHEN {waits} OR {draw} BETWEEN 960 AND 984 THEN NULL ELSE {handed} END,
                0, 'sendgrid', CASE WHEN {waits} THEN '' ELSE {self.unique(f"sg{campaign.pk}-", 30)} END,
                {self.later(handed, self.drawn(3, 90_000))}, {self.moment(begun)}
            FROM contacts_contact AS people
            WHERE {column}_status = 'subscribed' AND {self.drawn(50 + campaign.pk, 100, "people.id")} < {sent.percent}
            ORDER BY people.id"""

    def by_share(self, draw: str, steps: list[tuple[int, str]]) -> str:
        whens = (f"WHEN {draw} < {below} THEN '{word}'" for below, word in steps)
        return f"CASE {' '.join(whens)} END"

    def clicks(self, campaign: Campaign) -> list[str]:
        """Return who clicked: one in twelve, some of them twice, and a tenth are machines."""
        variant = Variant.objects.get(campaign=campaign)
        links = list(Link.objects.filter(variant=variant).values_list("pk", flat=True))
        return [
            f"""INSERT INTO messaging_click (message_id, link_id, machine, at)
            SELECT id, {link}, CASE WHEN {self.drawn(7 + number, 10)} = 0 THEN 'fast' ELSE '' END,
                {self.later("status_at", self.drawn(8 + number, 60_000))}
            FROM messaging_message
            WHERE campaign_id = {campaign.pk} AND status = 'delivered' AND {self.drawn(9, 1000)} < {share}
            ORDER BY id"""
            for number, (link, share) in enumerate(zip(links, (80, 25, 8), strict=True))
        ]

    def events(self, campaign: Campaign) -> str:
        """Return what the provider reported of each: delivered, or bounced."""
        kind = "CASE WHEN status = 'bounced' THEN 'bounced' ELSE 'delivered' END"
        payload = encrypt("{}")
        return f"""INSERT INTO messaging_providerevent (provider, event_key, event_type, reject_reason, verdict, code,
                message_id, provider_id, payload, occurred_at, received_at, applied_at)
            SELECT 'sendgrid', {self.unique("e", 40)}, {kind}, '',
                CASE WHEN status = 'bounced' THEN 'hard' ELSE '' END,
                '', id, provider_id, '{payload}', status_at, status_at, status_at
            FROM messaging_message WHERE campaign_id = {campaign.pk} AND status IN ('delivered', 'bounced')
            ORDER BY id"""

    def withdrawals(self, campaign: Campaign) -> str:
        """Return who unsubscribed by the link in a message: one in two hundred."""
        return f"""INSERT INTO contacts_consentevent (contact_id, channel, address_index, index_key_id, action, source,
                at, wording, version, reference)
            SELECT contact_id, channel, {self.digest("e", "contact_id")}, 'bench', 'revoked', 'one_click', status_at,
                '', '', 'message ' || id
            FROM messaging_message WHERE campaign_id = {campaign.pk} AND {self.drawn(31, 200)} = 0 ORDER BY id"""

    def redemptions(self, offer: Offer, devices: list[Device]) -> list[str]:
        """Return 50,000 lines of the ledger, one in a hundred taken back, each with its scan."""
        count, begun = self.scaled(REDEEMED), self.moment(self.at - timedelta(days=24))
        first, many = devices[0].pk, len(devices)
        order = f"{self.drawn(41, 9000)} / 100.0 + 10"
        device = f"{first} + {self.drawn(43, many)}"
        places = " ".join(f"WHEN {device.pk} THEN {device.location_id}" for device in devices)
        given = f"""INSERT INTO redemptions_redemption (public_id, entry_no, kind, code_id, offer_id, location_id,
                device_id, at, recorded_at, is_offline, conflict, override, is_use, void_key, is_burned, order_value,
                discount, currency, receipt_no, reason, note)
            SELECT {self.unique("g", 20)}, row_number() OVER (ORDER BY at, id), 'redeemed', id, {offer.pk},
                CASE {device} {places} END, {device}, at, at, {self.false}, '', '', {self.true}, '', {self.false},
                CASE WHEN {self.drawn(42, 5)} > 0 THEN {order} END,
                CASE WHEN {self.drawn(42, 5)} > 0 THEN ({order}) / 5 END, 'USD', {self.unique("T", 8)}, '', ''
            FROM (SELECT id, {self.later(begun, f"{self.drawn(44, 2000)} * 1000.0 + {self.drawn(45, 1000)}")} AS at
                FROM redemptions_code
                WHERE id IN (SELECT code_id FROM messaging_message WHERE status = 'delivered')
                ORDER BY {self.drawn(46, 60_000)} LIMIT {count}) AS came"""
        void = f"""INSERT INTO redemptions_redemption (public_id, entry_no, kind, code_id, offer_id, location_id,
                device_id, reverses_id, at, recorded_at, is_offline, conflict, override, is_use, void_key, is_burned,
                currency, receipt_no, reason, note)
            SELECT {self.unique("v", 20)}, {count} + row_number() OVER (ORDER BY id), 'voided', code_id, offer_id,
                location_id, device_id, id, {self.later("at", "60")}, {self.later("at", "60")}, {self.false}, '', '',
                {self.true}, '', {self.false}, 'USD', '', 'duplicate', ''
            FROM redemptions_redemption WHERE {self.drawn(47, 100)} = 0"""
        scans = f"""INSERT INTO redemptions_scan ({self.SCAN}, code_id, redemption_id)
            SELECT {self.unique("s", 20)}, device_id, location_id, {self.unique("k", 32)}, {self.digest("f")}, 'qr',
                'accepted', '', {self.false}, at, at, {self.false}, '', code_id, id
            FROM redemptions_redemption WHERE kind = 'redeemed' ORDER BY entry_no"""
        used = "UPDATE redemptions_code SET used = 1 WHERE id IN (SELECT code_id FROM redemptions_redemption)"
        lines = count + count // 50 + 10
        counter = f"INSERT INTO {EntryCounter._meta.db_table} (id, last_entry_no) VALUES (1, {lines})"
        return [given, void, scans, used, counter]

    SCAN = """public_id, device_id, location_id, key, fingerprint, entry, result, reason, is_mistyped, scanned_at, at,
        is_offline, decision"""

    def refused_scans(self, devices: list[Device]) -> list[str]:
        """Return scans that were refused over ninety days: half of them of codes that do not exist."""
        begun, device = self.moment(self.at - timedelta(days=90)), devices[0]
        reason = f"CASE WHEN {self.drawn(51, 2)} = 0 THEN 'unknown_code' ELSE 'already_redeemed' END"
        return [
            f"""INSERT INTO redemptions_scan ({self.SCAN})
            SELECT {self.unique("x", 20)}, {device.pk} + {self.drawn(52, len(devices))}, {device.location_id},
                {self.unique("z", 32)}, {self.digest("q")}, 'typed', 'refused', {reason}, {self.false}, NULL,
                {self.later(begun, f"id * 7776000.0 / {self.scaled(REFUSED)}")}, {self.false}, ''
            FROM contacts_contact WHERE id <= {self.scaled(REFUSED)} ORDER BY id"""
        ]

    def suppressions(self) -> str:
        return """INSERT INTO contacts_suppression (channel, address_index, index_key_id, reason, source, created_at,
                lifted_because)
            SELECT 'email', email_index, 'bench', CASE WHEN email_status = 'suppressed' THEN 'bounced'
                ELSE 'unsubscribed' END, 'message ' || id, created_at, ''
            FROM contacts_contact WHERE email_status IN ('suppressed', 'unsubscribed') ORDER BY id"""

    def texts(self) -> list[str]:
        body, sender = encrypt("Are you open on Monday?"), encrypt("+12175550123")
        return [
            f"""INSERT INTO messaging_inboundtext (provider, provider_id, sender, sender_index, index_key_id, body,
                meaning, received_at, handled_at)
            SELECT 'twilio', {self.unique("SM", 34)}, '{sender}', {self.digest("p")}, 'bench', '{body}', 'review',
                created_at, CASE WHEN id % 1000 > 2 THEN created_at END
            FROM contacts_contact WHERE id <= {self.scaled(20_000)} ORDER BY id"""
        ]
