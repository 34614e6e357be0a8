"""What people mean by a short text to the shop's number. Pure."""

from contacts.texts.meaning import Meaning, meaning_of, meaningful_words
from contacts.texts.phrases import HELP, START, STOP

RESERVED = STOP | START | HELP

__all__ = ["RESERVED", "Meaning", "meaning_of", "meaningful_words"]
