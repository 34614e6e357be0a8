"""Remember who signed in on which device; a PIN is one person's; a token ends by its follower's first use alone."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q


def forget_doubled_pins(apps, schema_editor):
    """Two who share a PIN were both taken for the first of them, who keeps it; the others need a new one."""
    Staff = apps.get_model("redemptions", "Staff")
    known = set()
    for pk, pin_hash in Staff.objects.filter(is_active=True).exclude(pin_hash="").order_by("pk").values_list("pk", "pin_hash"):
        if pin_hash in known:
            Staff.objects.filter(pk=pk).update(pin_hash="")
        known.add(pin_hash)


class Migration(migrations.Migration):
    dependencies = [("redemptions", "0004_fill_tallies")]

    operations = [
        migrations.CreateModel(
            name="SignIn",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sign_ins",
                        to="redemptions.device",
                    ),
                ),
                (
                    "staff",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sign_ins",
                        to="redemptions.staff",
                    ),
                ),
            ],
            options={"ordering": ["-id"]},
        ),
        migrations.AddIndex(
            model_name="signin",
            index=models.Index(fields=["device", "at"], name="sign_in_by_device_and_time"),
        ),
        migrations.RemoveField(model_name="staff", name="failures"),
        migrations.RemoveField(model_name="staff", name="locked_until"),
        migrations.AddField(
            model_name="staff", name="left_at", field=models.DateTimeField(editable=False, null=True)
        ),
        migrations.RunPython(forget_doubled_pins, migrations.RunPython.noop, elidable=True),
        migrations.AddConstraint(
            model_name="staff",
            constraint=models.UniqueConstraint(
                condition=Q(is_active=True) & ~Q(pin_hash=""),
                fields=["pin_hash"],
                name="pin_once_among_those_who_work_here",
                violation_error_message="Somebody else has this PIN. Choose another one.",
            ),
        ),
        migrations.RemoveField(model_name="device", name="next_token_at"),
        migrations.RemoveField(model_name="device", name="rotate_key"),
    ]
