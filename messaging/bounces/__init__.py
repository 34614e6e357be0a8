"""Why a mail did not arrive, and whose fault it is. Pure: codes and texts in, a verdict out."""

from messaging.bounces.judging import Judgement, judge, weigh
from messaging.bounces.providers import classify
from messaging.bounces.returned import Returned, read_returned

__all__ = ["Judgement", "Returned", "classify", "judge", "read_returned", "weigh"]
