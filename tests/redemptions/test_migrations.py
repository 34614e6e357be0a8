"""What a shop that is open already finds after an update."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.apps.registry import Apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

NOON = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)


def migrate(name: str) -> Apps:
    executor = MigrationExecutor(connection)
    executor.migrate([("redemptions", name)])
    return executor.loader.project_state([("redemptions", name)]).apps


@pytest.fixture
def latest(transactional_db: None):
    """Bring the tables back to what they are today, whatever happens."""
    yield next(name for app, name in MigrationExecutor(connection).loader.graph.leaf_nodes() if app == "redemptions")
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


@pytest.mark.parametrize(
    ("terms", "discounts", "given"),
    [
        ({"type": "percent", "value": 20}, [Decimal("1.50"), None], Decimal("1.50")),
        ({"type": "amount", "value": 5}, [Decimal("4.25"), None, None], Decimal("14.25")),
        ({"type": "item", "value": None}, [None], Decimal(0)),
    ],
)
def test_counts_what_was_given_before_there_were_limits(terms, discounts, given, latest):
    old = migrate("0002_welcome_deal")
    offer = old.get_model("redemptions", "Offer").objects.create(name="Deal", **terms)
    place = old.get_model("redemptions", "Location").objects.create(name="Main St")
    phone = old.get_model("redemptions", "Device").objects.create(name="Bar phone", location=place)
    code = old.get_model("redemptions", "Code").objects.create(
        offer=offer, token="T" * 26, token_index=b"t" * 32, typed="T" * 9, typed_index=b"y" * 32, max_uses=9
    )
    for number, discount in enumerate(discounts, start=1):
        old.get_model("redemptions", "Redemption").objects.create(
            entry_no=number, code=code, offer=offer, location=place, device=phone, at=NOON, discount=discount
        )

    now = migrate(latest)

    tally = now.get_model("redemptions", "OfferTally").objects.get()
    assert (tally.offer_id, tally.used, tally.given) == (offer.pk, len(discounts), given)
    lines = now.get_model("redemptions", "Redemption").objects.all()
    assert sum(line.cost or Decimal(0) for line in lines) == given
    assert all(line.is_use and line.recorded_at == NOON for line in lines)
