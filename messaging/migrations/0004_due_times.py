from django.db import migrations
from django.db.models import F


def fill(apps, schema_editor):
    """Every message is due from a time on: those that were due at once, from when they were made."""
    messages = apps.get_model("messaging", "Message").objects.using(schema_editor.connection.alias)
    messages.filter(not_before=None).update(not_before=F("created_at"))


class Migration(migrations.Migration):

    dependencies = [
        ('messaging', '0003_fill_activity'),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]
