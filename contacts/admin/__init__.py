"""The admin pages about people: who they are, what they agreed to, and where they came from."""

from contacts.admin import audit, business, consent, forms, groups, imports, jobs, people, users

__all__ = ["audit", "business", "consent", "forms", "groups", "imports", "jobs", "people", "users"]
