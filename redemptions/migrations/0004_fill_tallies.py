"""Count what was given of each deal, and say of what is in the ledger that it was known at once."""

from decimal import Decimal

from django.db import migrations
from django.db.models import Case, F, OuterRef, Subquery, Value, When
from django.db.models.functions import Coalesce


def fill(apps, schema_editor):
    Offer = apps.get_model("redemptions", "Offer")
    Redemption = apps.get_model("redemptions", "Redemption")
    OfferTally = apps.get_model("redemptions", "OfferTally")
    # Of an order nobody knows, money off took all of its worth.
    of_offer = Offer.objects.filter(pk=OuterRef("offer_id"))
    worth = of_offer.values_list(Case(When(type="amount", then="value"), default=Value(Decimal(0))))
    Redemption.objects.update(recorded_at=F("at"), cost=Coalesce("discount", Subquery(worth[:1])))
    tallies = {}
    for offer_id, cost in Redemption.objects.order_by().values_list("offer_id", "cost").iterator():
        tally = tallies.setdefault(offer_id, [0, Decimal(0)])
        tally[0] += 1
        tally[1] += cost or 0
    OfferTally.objects.bulk_create(
        OfferTally(offer_id=offer_id, used=used, given=given) for offer_id, (used, given) in tallies.items()
    )


class Migration(migrations.Migration):
    dependencies = [("redemptions", "0003_limits_staff_and_offline")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]
