from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0004_no_entry_for_any_address"),
        ("partners", "0002_flags_closed_with_a_note"),
    ]

    operations = [
        migrations.AlterField(
            model_name="key",
            name="submission",
            field=models.UUIDField(null=True),
        ),
        migrations.AddConstraint(
            model_name="key",
            constraint=models.UniqueConstraint(fields=("partner", "submission"), name="key_submission_issues_once"),
        ),
    ]
