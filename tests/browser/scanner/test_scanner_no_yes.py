"""Answers with status 200 that are no yes: what staff see of them is not green."""

from __future__ import annotations

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route

from redemptions.models import Code, Redemption, Scan
from redemptions.services import VoidReason, void
from tests.browser.scanner.conftest import REDEEM, enter, expect_result, expect_status, journal, lose, try_again

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_says_that_a_deal_was_taken_back_before_its_answer_came(scanner: Page, code: Code):
    scanner.route(REDEEM, lose)
    enter(scanner, code.token)
    expect_result(scanner, "unsure", "Not confirmed")
    void(redemption=Redemption.objects.get(), reason=VoidReason.MISTAKE, at=timezone.now())
    scanner.unroute(REDEEM)

    try_again(scanner)

    expect_result(scanner, "noted", "Taken back", "taken back since")
    assert journal(scanner) == []
    enter(scanner, code.token)
    expect_result(scanner, "good", "Redeemed")


def test_says_that_what_was_turned_down_is_recorded(scanner: Page, code: Code):
    def away(route: Route) -> None:
        route.abort()

    scanner.route(REDEEM, away)
    enter(scanner, code.token)
    expect_result(scanner, "unsure", "Not confirmed")
    scanner.get_by_role("button", name="Sent away").click()
    expect_result(scanner, "noted", "Sent away")
    scanner.unroute(REDEEM)

    try_again(scanner)

    expect_result(scanner, "noted", "Recorded", "Nothing was given.")
    expect_status(scanner, "All sent")
    assert Scan.objects.get().decision == Scan.Decision.REFUSED
