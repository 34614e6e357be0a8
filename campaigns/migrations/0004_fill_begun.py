from django.db import migrations
from django.db.models import F, Q


def fill(apps, schema_editor):
    """What is on its way or was sent began when it was to start."""
    campaigns = apps.get_model("campaigns", "Campaign").objects.using(schema_editor.connection.alias)
    begun = Q(status__in=["sending", "sent"]) | Q(planned_at__isnull=False) | Q(plan_position__gt=0)
    campaigns.filter(begun, begun_at=None).update(begun_at=F("starts_at"))


class Migration(migrations.Migration):

    dependencies = [
        ('campaigns', '0003_begun_and_spread'),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]
