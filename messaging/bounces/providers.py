"""What the providers of e-mail report of a failure, each in its own words.

What the receiving server said goes first where it is clear; then the provider's own verdict. A complaint is no failure,
and has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from messaging.bounces.judging import Judgement, weigh
from messaging.incoming import Verdict

HARD, SOFT, SENDER, NONE = Verdict.HARD, Verdict.SOFT, Verdict.SENDER, Verdict.NONE
Event = Mapping[str, Any]

# Why SendGrid dropped a mail: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
SENDGRID_DROPS = {
    "bounced address": HARD,
    "invalid": HARD,
    "spam reporting address": HARD,
    "unsubscribed address": HARD,
}
# https://www.twilio.com/docs/sendgrid/ui/sending-email/bounce-classifications
SENDGRID_CLASSES = {
    "invalid address": HARD,
    "mailbox unavailable": SOFT,
    "technical": SOFT,
    "technical failure": SOFT,
    "reputation": SENDER,
    "content": SENDER,
    "frequency": SENDER,
    "frequency/volume": SENDER,
    "frequency or volume too high": SENDER,
}
# https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html; Resend uses the same words.
SES_BOUNCES = {
    ("permanent", "general"): HARD,
    ("permanent", "noemail"): HARD,
    ("permanent", "suppressed"): HARD,
    ("permanent", "onaccountsuppressionlist"): HARD,
    ("transient", "messagetoolarge"): SENDER,
    ("transient", "contentrejected"): SENDER,
    ("transient", "attachmentrejected"): SENDER,
}
SES_TYPES = {"permanent": HARD, "transient": SOFT, "undetermined": SOFT}
# https://documentation.mailgun.com/docs/mailgun/user-manual/events
MAILGUN_REASONS = {
    "bounce": HARD,
    "suppress-bounce": HARD,
    "suppress-complaint": HARD,
    "suppress-unsubscribe": HARD,
    "espblock": SENDER,
}
# https://postmarkapp.com/developer/api/bounce-api#bounce-types
POSTMARK_TYPES = {
    "hardbounce": HARD,
    "bademailaddress": HARD,
    "manuallydeactivated": HARD,
    "transient": SOFT,
    "dnserror": SOFT,
    "softbounce": SOFT,
    "blocked": SOFT,
    "unknown": SOFT,
    "unconfirmed": SOFT,
    "spamnotification": SENDER,
    "virusnotification": SENDER,
    "dmarcpolicy": SENDER,
    "smtpapierror": SENDER,
    "templaterenderingfailed": SENDER,
}
# https://developers.brevo.com/docs/transactional-webhooks
BREVO_EVENTS = {
    "hard_bounce": HARD,
    "invalid_email": HARD,
    "soft_bounce": SOFT,
    "deferred": SOFT,
    "blocked": SENDER,
    "error": SENDER,
}


def classify(provider: str, event: Event, *, recipient: str = "") -> Judgement:
    """Return the verdict on one event as the provider sent it; none where it reports no failure.

    `event`: for SES the message that SNS carried, with `recipient` where it may name several; for the others the JSON
    of the one event. Whatever is missing or of another type than documented counts as not said.
    """
    read = READERS.get(provider)
    return read(event, recipient) if read else Judgement(NONE)


def _sendgrid(event: Event, recipient: str) -> Judgement:
    name, kind, reason = _word(event, "event"), _word(event, "type"), _text(event, "reason")
    if name == "dropped":
        drop = reason.strip().lower()
        return Judgement(SENDGRID_DROPS.get(drop, SENDER), drop.title() if drop in SENDGRID_DROPS else "")
    if name not in {"bounce", "blocked", "deferred"}:
        return Judgement(NONE)
    said = weigh(_text(event, "status"), "", reason or _text(event, "response"))
    classed = SENDGRID_CLASSES.get(_word(event, "bounce_classification"), NONE)
    is_bounce = name == "bounce" and kind in {"", "bounce"}
    return _first(said, classed or (HARD if is_bounce else SOFT))


def _ses(event: Event, recipient: str) -> Judgement:
    name = (_word(event, "eventType") or _word(event, "notificationType")).replace(" ", "")
    if name in {"reject", "renderingfailure"}:
        return Judgement(SENDER)
    if name == "deliverydelay":
        delay = _part(event, "deliveryDelay")
        entry = _entry(delay.get("delayedRecipients"), recipient)
        said = weigh(_text(entry, "status"), "", _text(entry, "diagnosticCode"))
        return _first(said, SENDER if _word(delay, "delayType") in {"spamdetected", "ipfailure"} else SOFT)
    if name != "bounce":
        return Judgement(NONE)
    bounce = _part(event, "bounce")
    entry = _entry(bounce.get("bouncedRecipients"), recipient)
    said = weigh(_text(entry, "status"), "", _text(entry, "diagnosticCode"))
    return _by_ses_words(said, _word(bounce, "bounceType"), _word(bounce, "bounceSubType"))


def _by_ses_words(said: Judgement, kind: str, subtype: str) -> Judgement:
    by_word = SES_BOUNCES.get((kind, subtype)) or SES_TYPES.get(kind, SOFT)
    if kind == "transient" and said.verdict == HARD:
        return Judgement(SOFT, said.code)  # Amazon saw the whole conversation; it also calls absence notes so
    if subtype in {"suppressed", "onaccountsuppressionlist"}:
        return Judgement(HARD, said.code)  # what is said is about Amazon's own list
    return _first(said, by_word)


def _mailgun(event: Event, recipient: str) -> Judgement:
    data = _part(event, "event-data") or event
    name = _word(data, "event")
    if name == "rejected":
        return Judgement(SENDER)
    if name != "failed":
        return Judgement(NONE)
    status, reason = _part(data, "delivery-status"), _word(data, "reason")
    if reason.startswith("suppress-"):
        return Judgement(MAILGUN_REASONS.get(reason, HARD), reason if reason in MAILGUN_REASONS else "")
    text = f"{_text(status, 'message')} {_text(status, 'description')}"
    said = weigh(_text(status, "enhanced-code"), _text(status, "code"), text)
    by_word = MAILGUN_REASONS.get(reason, SOFT) if _word(data, "severity") != "temporary" else SOFT
    return _first(said, SENDER if reason == "espblock" else by_word)


def _postmark(event: Event, recipient: str) -> Judgement:
    kind = _word(event, "Type")
    if _word(event, "RecordType") == "subscriptionchange":
        is_bounce = event.get("SuppressSending") is True and _word(event, "SuppressionReason") == "hardbounce"
        return Judgement(HARD, "HardBounce") if is_bounce else Judgement(NONE)
    if kind not in POSTMARK_TYPES:
        return Judgement(NONE)
    said = weigh("", "", _text(event, "Details"))
    verdict = HARD if event.get("Inactive") is True else POSTMARK_TYPES[kind]
    if POSTMARK_TYPES[kind] == SENDER:
        return Judgement(SENDER, said.code)
    return _first(said, verdict)


def _brevo(event: Event, recipient: str) -> Judgement:
    name, reason = _word(event, "event"), _text(event, "reason")
    if name not in BREVO_EVENTS:
        return Judgement(NONE)
    if name == "blocked" and "user" in reason.lower():
        return Judgement(HARD)  # "due to blacklist user": Brevo will not send to this person any more
    return _first(weigh("", "", reason), BREVO_EVENTS[name])


def _resend(event: Event, recipient: str) -> Judgement:
    name = _word(event, "type")
    if name in {"email.failed", "email.suppressed", "email.delivery_delayed"}:
        by_name = {"email.failed": SENDER, "email.suppressed": HARD, "email.delivery_delayed": SOFT}
        return Judgement(by_name[name])
    if name != "email.bounced":
        return Judgement(NONE)
    bounce = _part(_part(event, "data"), "bounce")
    codes = bounce.get("diagnosticCode")
    said = weigh("", "", " ".join(map(str, codes)) if isinstance(codes, list) else _text(bounce, "diagnosticCode"))
    kind, subtype, text = _word(bounce, "type"), _word(bounce, "subType"), _text(bounce, "message").lower()
    if not kind:  # events of before there were types
        kind = "permanent" if "hard bounce" in text or "suppress" in text else "transient"
    return _by_ses_words(said, kind, subtype or ("suppressed" if "suppress" in text else ""))


def _first(said: Judgement, by_word: Verdict) -> Judgement:
    return said if said.verdict != NONE else Judgement(by_word, said.code)


def _text(event: Event, name: str) -> str:
    value = event.get(name)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _word(event: Event, name: str) -> str:
    return _text(event, name).strip().lower()


def _part(event: Event, name: str) -> Event:
    value = event.get(name)
    return value if isinstance(value, Mapping) else {}


def _entry(entries: object, recipient: str) -> Event:
    """Return the entry of this recipient, or the first."""
    known = [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
    named = [entry for entry in known if recipient and _word(entry, "emailAddress") == recipient.strip().lower()]
    return next(iter(named or known), {})


READERS: dict[str, Callable[[Event, str], Judgement]] = {
    "sendgrid": _sendgrid,
    "ses": _ses,
    "mailgun": _mailgun,
    "postmark": _postmark,
    "brevo": _brevo,
    "resend": _resend,
}
