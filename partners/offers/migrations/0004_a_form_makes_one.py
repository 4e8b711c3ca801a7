from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("offers", "0003_labels"),
    ]

    operations = [
        migrations.AddField(
            model_name="offer",
            name="submission",
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name="creative",
            name="submission",
            field=models.UUIDField(null=True),
        ),
        migrations.AddConstraint(
            model_name="offer",
            constraint=models.UniqueConstraint(fields=("submission",), name="offer_submission_launches_once"),
        ),
        migrations.AddConstraint(
            model_name="creative",
            constraint=models.UniqueConstraint(fields=("offer", "submission"), name="creative_submission_adds_once"),
        ),
    ]
