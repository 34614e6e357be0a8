"""Contacts: the list that decrypts one page only, and everything about one person."""

from contacts.admin.people.contact import ContactAdmin

__all__ = ["ContactAdmin"]
