from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0001_initial"),
        ("partners", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="OperationLimit",
            fields=[
                ("name", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("requests", models.PositiveIntegerField()),
                ("seconds", models.PositiveIntegerField()),
            ],
            options={
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="Window",
            fields=[
                ("scope", models.CharField(max_length=60, primary_key=True, serialize=False)),
                ("started_at", models.DateTimeField()),
                ("used", models.PositiveIntegerField()),
            ],
            options={
                "ordering": ("scope",),
            },
        ),
        migrations.AddField(
            model_name="key",
            name="ceiling",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddConstraint(
            model_name="key",
            constraint=models.CheckConstraint(
                condition=models.Q(("ceiling", None), ("ceiling__gte", 1), _connector="OR"),
                name="key_ceiling_lets_calls_through",
            ),
        ),
        migrations.AddConstraint(
            model_name="operationlimit",
            constraint=models.CheckConstraint(
                condition=models.Q(("requests__gte", 1), ("seconds__gte", 1)), name="operation_limit_lets_calls_through"
            ),
        ),
    ]
