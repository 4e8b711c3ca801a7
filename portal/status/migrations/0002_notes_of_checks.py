from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("status", "0001_checks_and_notices"),
    ]

    operations = [
        migrations.AddField(
            model_name="check",
            name="note",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
    ]
