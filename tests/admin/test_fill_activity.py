"""An installation from before activity was kept learns what happened until then."""

import importlib

from django.apps import apps

from contacts.models import Activity
from messaging.models import Message
from redemptions.models import Redemption

migration = importlib.import_module("messaging.migrations.0003_fill_activity")


def test_adds_up_messages_and_redemptions(shop):
    Activity.objects.all().delete()
    redemption = Redemption.objects.get()
    Redemption.objects.filter(pk=redemption.pk).update(order_value="12.50")

    migration.fill(apps, None)
    migration.fill(apps, None)

    activity = Activity.objects.get()
    message = Message.objects.get(status=Message.Status.DELIVERED)
    assert (activity.contact_id, activity.last_sent_at) == (message.contact_id, message.handed_at)
    assert (activity.redemptions, str(activity.spend)) == (1, "12.50")
    assert activity.last_redeemed_at == redemption.at
