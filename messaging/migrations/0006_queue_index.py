"""An index for taking a task out of the queue, which django-q brings none for."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ("django_q", "0019_alter_task_options_alter_ormq_key_alter_ormq_lock_and_more"),
        ("messaging", "0005_pumps_and_pace"),
    ]

    operations = [
        migrations.RunSQL(
            'CREATE INDEX queue_by_key_and_lock ON django_q_ormq ("key", "lock")',
            "DROP INDEX queue_by_key_and_lock",
        ),
    ]
