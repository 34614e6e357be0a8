from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0007_blocks_pictures_and_templates")]

    operations = [
        migrations.AddField(
            model_name="campaign",
            name="language",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=7),
        ),
    ]
