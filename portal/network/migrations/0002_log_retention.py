from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("network", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="network",
            name="log_retention_days",
            field=models.PositiveIntegerField(db_default=90, default=90, verbose_name="days the API Log is kept"),
        ),
        migrations.AddConstraint(
            model_name="network",
            constraint=models.CheckConstraint(
                condition=models.Q(("log_retention_days__gte", 1), ("log_retention_days__lte", 3650)),
                name="network_log_retention_days",
            ),
        ),
    ]
