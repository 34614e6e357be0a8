"""What people are shown of a deal: its page, its sheet of paper, and what goes into their calendar."""

from redemptions.rendering.calendar import calendar_file
from redemptions.rendering.coupon import HEADLINES, Coupon, coupon_of, facts_of, money, terms_in_short, worth

__all__ = ["HEADLINES", "Coupon", "calendar_file", "coupon_of", "facts_of", "money", "terms_in_short", "worth"]
