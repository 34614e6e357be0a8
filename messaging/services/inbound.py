"""Texts that come in: stored once, understood where they are clear, and kept for a person to read where not."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from campaigns import sms
from contacts.channels import AddressError, Channel, normalise_phone
from contacts.fields import keyed_hash
from contacts.models import Business, ChannelStatus, ConsentEvent, SignupForm, Suppression
from contacts.queries import derive_states
from contacts.services import signup, start_again, unsubscribe
from contacts.services.pausing import pause, resume
from contacts.texts import Meaning, meaning_of, meaningful_words
from messaging.models import InboundText
from messaging.services.reviewing import read_doubts

MAX_BODY = 1600  # Twilio joins parts up to this length
# To one number: two machines that answer each other would never end. Twilio cuts off at 15 (error 14107).
MOST_ANSWERS, ANSWERS_WITHIN = 5, timedelta(seconds=30)


def receive_text(
    *, provider: str, provider_id: str, sender: str, body: str, at: datetime, provider_says: str = ""
) -> str:
    """Store a text and do what it asks for; return the answer to send, or nothing.

    The same text again, which providers send when they missed our answer, gets the same answer and does nothing.
    `provider_says` is what the provider itself took it for (`STOP`, `START`, `HELP`) and answered already. The words
    are read all the same: a stop that it did not hear is one.
    """
    index = _index_of(sender)
    with transaction.atomic():
        text, is_new = InboundText.objects.get_or_create(
            provider=provider,
            provider_id=provider_id[:64],
            defaults={"sender": sender[:32], "sender_index": index, "body": body[:MAX_BODY], "received_at": at},
        )
        if not is_new:
            return text.answer or ""
        meaning = _meaning(body[:MAX_BODY], provider_says, _keywords())
        text.meaning = InboundText.Meaning(meaning.value)
        with override(settings.LANGUAGE_CODE):  # the call is a machine's, whatever language it names
            answer, is_done = _act(meaning, text, index, at)
        is_answered = answer and not provider_says and not _is_a_loop(index, at)
        text.answer = answer if is_answered else None
        text.handled_at = at if is_done else None
        text.save(update_fields=["meaning", "answer", "handled_at"])
    return text.answer or ""


def _keywords() -> frozenset[str]:
    """Return the words that join, in small letters."""
    words = SignupForm.objects.filter(is_open=True).exclude(keyword="").values_list("keyword", flat=True)
    return frozenset(word.lower() for word in words)


def _index_of(sender: str) -> bytes:
    """Return the blind index of a number; one that is none (a short code) has an index nobody else has."""
    try:
        return keyed_hash(Channel.SMS.value, normalise_phone(sender))
    except AddressError:
        return keyed_hash(Channel.SMS.value, sender)


def _meaning(body: str, provider_says: str, keywords: frozenset[str]) -> Meaning:
    said, heard = provider_says.lower(), meaning_of(body, keywords=keywords)
    return Meaning(said) if said in {"stop", "start", "help"} and heard != Meaning.STOP else heard


def _is_a_loop(index: bytes, at: datetime) -> bool:
    """Whether this number got as many answers in the last half minute as no person asks for."""
    lately = InboundText.objects.filter(sender_index=index, answer__isnull=False, received_at__gt=at - ANSWERS_WITHIN)
    return lately.count() >= MOST_ANSWERS


def _act(meaning: Meaning, text: InboundText, index: bytes, at: datetime) -> tuple[str, bool]:
    """Do what a text asks for; return the answer, and whether nobody needs to read it."""
    if meaning == Meaning.STOP:
        return _stop(text, index, at), True
    if meaning == Meaning.START:
        return _start(text, index, at)
    if meaning == Meaning.JOIN:
        return _join(text, index, at)
    if meaning == Meaning.HELP:
        return _help(), True
    if meaning == Meaning.DOUBT:
        pause(channel=Channel.SMS, address_index=index, because=f"text {text.pk}", at=at)
    return "", False


def _stop(text: InboundText, index: bytes, at: datetime) -> str:
    """Take the number off at once. The provider says so to the person; a second answer would be one too many."""
    unsubscribe(
        channel=Channel.SMS,
        address_index=index,
        source=ConsentEvent.Source.KEYWORD,
        at=at,
        reason=Suppression.Reason.STOPPED,
        reference=f"text {text.pk}",
    )
    resume(channel=Channel.SMS, address_index=index, because=f"text {text.pk}: stop", at=at)  # the stop is clearer
    read_doubts(index, at=at)
    return ""


def _start(text: InboundText, index: bytes, at: datetime) -> tuple[str, bool]:
    """Confirm what the number was asked, or take back its own STOP. Otherwise somebody should read it.

    START is clearer than what the person wrote before, and ends the pause for that. YES may answer anything.
    """
    resumed = "yes" not in meaningful_words(text.body) and resume(
        channel=Channel.SMS, address_index=index, because=f"text {text.pk}: start", at=at
    )
    if resumed:
        read_doubts(index, at=at)
    if joined := signup.confirm_by_text(address_index=index, at=at):
        gift = signup.welcome(joined, at=at)
        present = f" {sms.fold(gift.title)}: {gift.url}" if gift else ""
        words = _("%(shop)s: Thanks, you are on the list.%(present)s Reply STOP to end, HELP for help.")
        return words % {"shop": _shop(), "present": present}, True
    lifted = start_again(address_index=index, at=at, wording=f"Texted: {text.body[:40]}")
    return "", (lifted or resumed) and derive_states(Channel.SMS, [index])[index].state == ChannelStatus.SUBSCRIBED


def _join(text: InboundText, index: bytes, at: datetime) -> tuple[str, bool]:
    """Ask the number to confirm; the worker sends the question."""
    state = derive_states(Channel.SMS, [index])[index].state
    if state == ChannelStatus.SUBSCRIBED:
        words = _("%(shop)s: You are on the list already. Reply STOP to end, HELP for help.")
        return words % {"shop": _shop()}, True
    (word,) = meaningful_words(text.body)
    form = SignupForm.objects.filter(keyword__iexact=word, is_open=True)[:1].get()
    try:
        signup.request(form=form, addresses={Channel.SMS: text.sender}, source=ConsentEvent.Source.KEYWORD, at=at)
    except (signup.TooMany, AddressError):
        return "", False
    return "", state != ChannelStatus.SUPPRESSED


def _help() -> str:
    business = Business.load()
    words = _("%(shop)s: offers by text. Msg&data rates may apply. Reply STOP to end.")
    if business.from_email:
        words = _("%(shop)s: offers by text. Questions: %(address)s. Msg&data rates may apply. Reply STOP to end.")
    return words % {"shop": _shop(), "address": business.reply_to or business.from_email}


def _shop() -> str:
    return sms.plain(sms.fold(Business.load().name))
