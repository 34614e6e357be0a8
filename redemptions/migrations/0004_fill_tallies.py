"""Count what was given of each deal, and say of what is in the ledger that it was known at once."""

from decimal import Decimal

from django.db import migrations
from django.db.models import F


def fill(apps, schema_editor):
    Redemption = apps.get_model("redemptions", "Redemption")
    OfferTally = apps.get_model("redemptions", "OfferTally")
    Redemption.objects.update(recorded_at=F("at"))
    tallies = {}
    lines = Redemption.objects.order_by().values_list("offer_id", "kind", "discount")
    for offer_id, kind, discount in lines.iterator():
        tally = tallies.setdefault(offer_id, [0, Decimal(0)])
        sign = -1 if kind == "voided" else 1
        tally[0] += sign
        tally[1] += sign * (discount or 0)
    OfferTally.objects.bulk_create(
        OfferTally(offer_id=offer_id, used=max(used, 0), given=max(given, Decimal(0)))
        for offer_id, (used, given) in tallies.items()
    )


class Migration(migrations.Migration):
    dependencies = [("redemptions", "0003_limits_staff_and_offline")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]
