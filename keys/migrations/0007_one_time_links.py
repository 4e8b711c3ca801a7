from __future__ import annotations

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0006_rotation"),
    ]

    operations = [
        migrations.CreateModel(
            name="ShareLink",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("created_by", models.CharField(max_length=200)),
                ("expires_at", models.DateTimeField()),
                ("viewed_at", models.DateTimeField(null=True)),
                ("viewed_ip", models.GenericIPAddressField(null=True)),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="share_links", to="keys.key"
                    ),
                ),
            ],
            options={
                "ordering": ("-pk",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("created_by", ""), _negated=True), name="share_link_created_at_and_by"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("viewed_at__isnull", False), ("viewed_ip", None), _connector="OR"),
                        name="share_link_viewed_at_and_ip",
                    ),
                ],
            },
        ),
    ]
