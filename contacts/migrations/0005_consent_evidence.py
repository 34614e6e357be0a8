from django.db import migrations

import contacts.fields


class Migration(migrations.Migration):

    dependencies = [
        ('contacts', '0004_consent_is_append_only'),
    ]

    operations = [
        migrations.AddField(
            model_name='consentevent',
            name='evidence',
            field=contacts.fields.EncryptedTextField(blank=True, null=True),
        ),
    ]
