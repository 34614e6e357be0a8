"""What the words of other products say about consent, and when they say it happened. Pure."""

from __future__ import annotations

import enum
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache


class Claim(enum.Enum):
    """What a file says about a person and a channel."""

    GRANTED = "granted"
    REVOKED = "revoked"
    PENDING = "pending"
    NOT_GIVEN = "not_given"  # asked and not agreed: no sentence about the whole file covers this row
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"  # a word that is not understood


REFUSALS = frozenset({Claim.REVOKED, Claim.BOUNCED, Claim.COMPLAINED, Claim.BLOCKED})

# The further back, the stronger: of two claims the later of these holds.
STRENGTH = (
    Claim.GRANTED,
    Claim.UNKNOWN,
    Claim.PENDING,
    Claim.NOT_GIVEN,
    Claim.BOUNCED,
    Claim.BLOCKED,
    Claim.REVOKED,
    Claim.COMPLAINED,
)

YES = frozenset(
    [
        "yes",
        "y",
        "true",
        "t",
        "1",
        "x",
        "on",
        "ja",
        "j",
        "wahr",
        "si",
        "s",
        "sim",
        "oui",
        "o",
        "vrai",
        "verdadero",
        "verdadeiro",
        "vero",
        "waar",
        "checked",
        "ticked",
    ]
)
NO = frozenset(
    [
        "no",
        "n",
        "false",
        "f",
        "0",
        "off",
        "nein",
        "non",
        "nao",
        "nee",
        "falsch",
        "faux",
        "falso",
        "onwaar",
        "unchecked",
        "unticked",
    ]
)

_PHRASES = {
    Claim.GRANTED: "subscribed|subscribe|active|opted in|opt in|optin|confirmed|granted|consented|agreed|accepted|"
    "express|explicit|implied|implicit|permission granted|double opt in|double optin|single opt in|single optin|"
    "subscribed confirmed|abonniert|angemeldet|eingewilligt|suscrito|suscrita|abonne|abonnee|inscrit|inscrite|"
    "iscritto|iscritta|inscrito|inscrita|assinante|ingeschreven|geabonneerd|aangemeld|aktiv|activo|actif|attivo|"
    "ativo|actief",
    Claim.NOT_GIVEN: "never subscribed|not subscribed|non subscribed|nonsubscribed|not opted in|never opted in|"
    "none|no consent|no permission|no permissions set|no permission set|permission not set|not set|not given|"
    "not consented|not agreed|not granted|transactional|transactional only|inactive|disabled|archived|deleted|"
    "temp hold|temporary hold|redacted|nicht abonniert|nicht angemeldet|no suscrito|non abonne|non inscrit|"
    "non iscritto|nao inscrito|niet ingeschreven|inaktiv|inactivo|inactif|inattivo|inativo|inactief|"
    "non marketing contact",
    Claim.REVOKED: "unsubscribed|unsubscribe|opted out|opt out|optout|optedout|revoked|withdrawn|withdrew|declined|"
    "removed|stopped|stop|do not email|do not contact|do not text|do not mail|cancelled|canceled|abgemeldet|"
    "ausgetragen|widerrufen|abbestellt|desuscrito|dado de baja|dada de baja|baja|cancelado|desabonne|desabonnee|"
    "desinscrit|desinscrite|disiscritto|disiscritta|cancellato|descadastrado|cancelou|uitgeschreven|afgemeld",
    Claim.BOUNCED: "cleaned|bounced|bounce|hard bounced|hard bounce|hardbounce|hardbounced|invalid|invalid email|"
    "invalid address|undeliverable|bereinigt|depurado|nettoye|nonexistent|non existent|does not exist",
    Claim.COMPLAINED: "complained|complaint|spam|spam complaint|spam report|abuse|abuse complaint|marked as spam|"
    "reported spam|reported as spam",
    Claim.BLOCKED: "blocklisted|blacklisted|blocked|block listed|black listed|suppressed|user suppressed|"
    "manually suppressed|banned|gesperrt|blockiert|bloqueado|bloque|bloccato|geblokkeerd",
    Claim.PENDING: "pending|unconfirmed|not confirmed|awaiting confirmation|pending confirmation|"
    "confirmation pending|double opt in pending|waiting|requested|unverified|ausstehend|unbestatigt|pendiente|"
    "en attente|in attesa|pendente",
}
_CLAIM_OF_PHRASE = {phrase: claim for claim, phrases in _PHRASES.items() for phrase in phrases.split("|")}
_SILENT = frozenset(
    {"", "unknown", "n a", "na", "null", "nil", "nan", "enabled", "unbekannt", "desconocido", "inconnu"}
)

_NEGATED = re.compile(r"\b(not|never|no|non|nicht|kein|keine|nao|niet|isn t|hasn t|hasnt)\b")
# Tried in order on a phrase that is not listed, with whether a "not" in it spoils the reading.
_PATTERNS = (
    (re.compile(r"\bhard ?bounc|^(?!.*\bsoft\b).*\bbounced?\b|\bundeliver"), Claim.BOUNCED),
    (re.compile(r"\bcomplain|\bspam\b|\babuse\b"), Claim.COMPLAINED),
    (re.compile(r"\b(black|block) ?list|\bsuppress"), Claim.BLOCKED),
    (re.compile(r"\bunsubscri|\bopt(ed)? ?out\b|\bwithdr[ae]w|\brevoked\b"), Claim.REVOKED),
    (re.compile(r"\bpending\b|\bawaiting\b|\bunconfirmed\b"), Claim.PENDING),
)
_AGREED = re.compile(r"\bsubscribed\b|\bopt(ed)? ?in\b|\bconsent(ed)?\b|\bagreed\b|\baccept(s|ed)\b|\bpermission\b")

TICKS = frozenset("✓✔☑✅")
CROSSES = frozenset("✗✘☒❌")


def words_of_status(text: str) -> str:
    """`NEVER_SUBSCRIBED ` -> `never subscribed`: without case, accents, signs and doubled spaces."""
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(char for char in plain if not unicodedata.combining(char)).casefold()
    return " ".join(re.sub(r"[\W_]+", " ", plain).split())


@lru_cache(maxsize=4096)
def read_status(text: str) -> Claim | None:
    """Return what a word says about consent. None: blank, or it says nothing (`unknown`, listmonk's `enabled`).

    Of a list (`["UNSUBSCRIBED","HARD_BOUNCE"]`) the strongest refusal holds.
    """
    if len(text) > 500:
        return Claim.UNKNOWN
    parts = [part for part in re.split(r"[,;|\[\]\n]", text) if part.strip(" \"'")]
    claims = [claim for part in parts if (claim := _read_one(part)) is not None]
    return max(claims, key=STRENGTH.index, default=None)


def _read_one(text: str) -> Claim | None:
    words = words_of_status(text)
    if not words and (signs := set(text.strip())):
        return Claim.GRANTED if signs <= TICKS | {"\ufe0f"} else Claim.NOT_GIVEN if signs <= CROSSES else None
    if words in YES:
        return Claim.GRANTED
    if words in NO:
        return Claim.NOT_GIVEN
    if words in _SILENT:
        return None
    return _CLAIM_OF_PHRASE.get(words) or _read_phrase(words)


def _read_phrase(words: str) -> Claim:
    negated = _NEGATED.search(words) is not None
    for pattern, claim in _PATTERNS:
        if pattern.search(words):
            return Claim.UNKNOWN if negated else claim
    if _AGREED.search(words):
        return Claim.NOT_GIVEN if negated else Claim.GRANTED
    return Claim.UNKNOWN


def is_yes(text: str) -> bool:
    """Whether a cell is a plain yes: the claim is then in the header alone."""
    return words_of_status(text) in YES or (bool(text.strip()) and set(text.strip()) <= TICKS | {"\ufe0f"})


def is_no(text: str) -> bool:
    """Whether a cell is a plain no."""
    return words_of_status(text) in NO or (bool(text.strip()) and set(text.strip()) <= CROSSES)


EARLIEST_EPOCH_S, LATEST_EPOCH_S = 946_684_800, 4_102_444_800  # the years 2000 to 2099
_CLOCKS = ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%I:%M%p", "%I:%M:%S%p", "%I %p")
_DAYS = (
    ("/", ("%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y", "%Y/%m/%d")),
    (".", ("%d.%m.%Y", "%d.%m.%y")),
    ("-", ("%m-%d-%Y", "%d-%m-%Y", "%d-%b-%Y", "%d-%b-%y")),
    (" ", ("%b %d %Y", "%B %d %Y", "%d %b %Y", "%d %B %Y", "%a %b %d %Y", "%A %B %d %Y")),
)
_CLOCK = re.compile(r"(?:[T ]|, ?|^)(\d{1,2}(?::\d{2}){1,2}|\d{1,2}(?= ?[ap]m))(?:\.\d+)?( ?[ap]m)?", re.I)
_ZONE = re.compile(r"\s*(?:(Z|UTC|GMT)|(?:UTC|GMT)?([+-])(\d{2}):?(\d{2}))(?: \([A-Za-z ]+\))?$", re.I)


@lru_cache(maxsize=65536)
def read_instant(text: str) -> datetime | None:
    """Return the instant meant, aware; UTC where no zone is told, midnight where no time is. None: cannot be told.

    Month first where both are possible, as in the United States. A number is seconds (or milliseconds) since 1970.
    """
    text = " ".join(unicodedata.normalize("NFKC", text[:100]).split()).strip(" '\"")
    text = re.sub(r"(?i)\b([ap])\.? ?m\.?(?=$|\W)", r"\1m", text)
    if re.fullmatch(r"\d{9,13}(\.\d+)?", text):
        return _of_epoch(text)
    try:
        return _of_iso(text) or _of_parts(text) or _of_mail(text)
    except (ValueError, OverflowError):
        return None


def _of_epoch(text: str) -> datetime | None:
    seconds = float(text) / (1000 if len(text.partition(".")[0]) == 13 else 1)
    if not EARLIEST_EPOCH_S <= seconds < LATEST_EPOCH_S:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _of_iso(text: str) -> datetime | None:
    if not re.match(r"(19|20)\d\d-?[01]\d-?[0-3]\d(?!\d)", text):
        return None
    text = re.sub(r" ?(UTC|GMT)$", "Z", text, flags=re.I)
    text = re.sub(r" ([+-]\d{2}:?\d{2})$", r"\1", text)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return _in_utc(instant)


def _of_parts(text: str) -> datetime | None:
    zone = _ZONE.search(text) if ":" in text else None
    offset = timedelta()
    if zone:
        text = text[: zone.start()].strip()
        if zone[2]:
            offset = timedelta(hours=int(zone[3]), minutes=int(zone[4])) * (-1 if zone[2] == "-" else 1)
    clock = _CLOCK.search(text)
    day_text = (text[: clock.start()] + " " + text[clock.end() :]) if clock else text
    day = _of_day(re.sub(r"\b(at|um|,)\b|,", " ", day_text))
    if day is None:
        return None
    time = _of_clock(f"{clock[1]}{(clock[2] or '').strip()}") if clock else timedelta()
    return None if time is None else (day + time - offset).replace(tzinfo=UTC)


def _of_day(text: str) -> datetime | None:
    text = re.sub(r"\b(\d{1,2})(st|nd|rd|th)\b", r"\1", " ".join(text.split()))
    for sign, formats in _DAYS:
        if sign in text:
            for day_format in formats:
                try:
                    day = datetime.strptime(text, day_format)  # noqa: DTZ007 - the zone is read apart
                except ValueError:
                    continue
                return day if 1900 <= day.year < 2100 else None
    if re.match(r"\d{4}-\d\d?-\d\d?$", text):
        year, month, number = map(int, text.split("-"))
        return datetime(year, month, number)  # noqa: DTZ001 - the zone is read apart
    return None


def _of_clock(text: str) -> timedelta | None:
    for clock_format in _CLOCKS:
        try:
            read = datetime.strptime(text, clock_format)  # noqa: DTZ007 - a time of day
        except ValueError:
            continue
        return timedelta(hours=read.hour, minutes=read.minute, seconds=read.second)
    return None


def _of_mail(text: str) -> datetime | None:
    if not re.match(r"[A-Za-z]{3},? ", text):
        return None
    try:
        return _in_utc(parsedate_to_datetime(text))
    except (TypeError, IndexError):
        return None


def _in_utc(instant: datetime) -> datetime | None:
    if not 1900 < instant.year < 2100:
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
