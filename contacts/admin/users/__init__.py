"""The pages about those who sign in: who they are, what they may, their second factor, and the way in."""

from contacts.admin.users import people
from contacts.admin.users.forms import SignInForm
from contacts.admin.users.pages import sign_in_urls

__all__ = ["SignInForm", "people", "sign_in_urls"]
