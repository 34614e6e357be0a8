"""Make the people who are here already findable by name and birthday, and close imports whose file is gone."""

from django.db import migrations

from contacts.fields import keyed_hash
from contacts.names import terms_of

PAGE = 500


def fill(apps, schema_editor):
    contact_model = apps.get_model("contacts", "Contact")
    name_index = apps.get_model("contacts", "NameIndex")
    last = 0
    while page := list(contact_model.objects.filter(pk__gt=last).order_by("pk")[:PAGE]):
        last = page[-1].pk
        for contact in page:
            if contact.birthday is not None:
                contact.save(update_fields=["birthday_index"])
        name_index.objects.bulk_create(
            [
                name_index(digest=_digest(term), contact_id=contact.pk)
                for contact in page
                for term in terms_of(contact.first_name, contact.last_name)
            ],
            ignore_conflicts=True,
        )
    apps.get_model("contacts", "Import").objects.exclude(status__in=["done", "cancelled"]).update(status="cancelled")


def _digest(term):
    return int.from_bytes(keyed_hash("name", term)[:8], "big", signed=True)


class Migration(migrations.Migration):
    dependencies = [("contacts", "0002_background_imports_and_people_tools")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
