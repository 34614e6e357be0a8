"""The pages about those who sign in: who they are, what they may, their second factor, and the way in."""

from contacts.admin.users import people
from contacts.admin.users.forms import SignInForm
from contacts.admin.users.pages import knows_password, locked_out, sign_in_urls

__all__ = ["SignInForm", "knows_password", "locked_out", "people", "sign_in_urls"]
