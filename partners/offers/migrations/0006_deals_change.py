from __future__ import annotations

import django.utils.timezone
from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [
        ("offers", "0005_withdrawn_materials"),
    ]

    operations = [
        migrations.AddField(
            model_name="deal",
            name="updated_at",
            field=models.DateTimeField(db_default=Now(), default=django.utils.timezone.now),
        ),
        migrations.AddField(
            model_name="deal",
            name="submission",
            field=models.UUIDField(null=True),
        ),
        migrations.AddConstraint(
            model_name="deal",
            constraint=models.UniqueConstraint(fields=("offer", "submission"), name="deal_submission_adds_once"),
        ),
    ]
