from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("network", "0004_leaked_keys"),
    ]

    operations = [
        migrations.AddField(
            model_name="network",
            name="partners_may_request_keys",
            field=models.BooleanField(db_default=True, default=True),
        ),
    ]
