"""The admin pages about people: who they are, what they agreed to, and where they came from."""

from contacts.admin import business, consent, groups, imports, people

__all__ = ["business", "consent", "groups", "imports", "people"]
