"""Add up what happened before there was an activity row beside each contact: the last message, and the redemptions."""

from django.db import migrations
from django.db.models import Count, Max, Sum

PAGE = 1000
WENT_OUT = ["accepted", "delivered", "bounced", "complained", "unknown"]


def fill(apps, schema_editor):
    contact_model = apps.get_model("contacts", "Contact")
    last = 0
    while ids := list(contact_model.objects.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:PAGE]):
        last = ids[-1]
        _fill_page(apps, ids)


def _fill_page(apps, ids):
    activity_model = apps.get_model("contacts", "Activity")
    rows = {}
    sent = apps.get_model("messaging", "Message").objects.filter(contact__in=ids, status__in=WENT_OUT).order_by()
    for pk, at in sent.values_list("contact").annotate(Max("handed_at")):
        rows[pk] = activity_model(contact_id=pk, last_sent_at=at)
    redeemed = apps.get_model("redemptions", "Redemption").objects.filter(
        code__contact__in=ids, kind="redeemed", reversal=None
    )
    counted = redeemed.order_by().values_list("code__contact")
    for pk, at, count, spend in counted.annotate(Max("at"), Count("id"), Sum("order_value")):
        row = rows.setdefault(pk, activity_model(contact_id=pk))
        row.last_redeemed_at, row.redemptions, row.spend = at, count, spend or 0
    activity_model.objects.bulk_create(rows.values(), ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0009_segment_rules"),
        ("messaging", "0002_fewer_messages_and_answers"),
        ("redemptions", "0002_welcome_deal"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
