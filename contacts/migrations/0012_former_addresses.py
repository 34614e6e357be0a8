"""The addresses a contact had before, by their hashes: an edit or a merge leaves a trace."""

import django.db.models.deletion
from django.db import migrations, models

import contacts.fields


class Migration(migrations.Migration):
    dependencies = [("contacts", "0011_a_block_per_reason")]

    operations = [
        migrations.CreateModel(
            name="FormerAddress",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("channel", models.CharField(choices=[("email", "E-mail"), ("sms", "SMS")], max_length=5)),
                ("address_index", contacts.fields.DigestField()),
                ("index_key_id", models.CharField(default=contacts.fields.key_id, max_length=8)),
                (
                    "contact",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="former_addresses",
                        to="contacts.contact",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("contact", "channel", "address_index"), name="former_address_once")
                ],
            },
        ),
    ]
