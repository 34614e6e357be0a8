"""Pages people reach without logging in: joining, and deciding what they get."""

from contacts.views import joining, preferences

__all__ = ["joining", "preferences"]
