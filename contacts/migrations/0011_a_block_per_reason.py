"""Blocks for several reasons bind beside each other: the end of one is not the end of the others."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("contacts", "0010_import_check_states")]

    operations = [
        migrations.RemoveConstraint(model_name="suppression", name="one_live_suppression_per_address"),
        migrations.AddConstraint(
            model_name="suppression",
            constraint=models.UniqueConstraint(
                fields=["channel", "address_index", "reason"],
                condition=Q(lifted_at__isnull=True),
                name="one_live_suppression_per_address_and_reason",
            ),
        ),
    ]
