from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("partners", "0002_flags_closed_with_a_note"),
        ("postbacks", "0003_deliveries"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="attempt", name="attempt_of_postback"),
        migrations.AddIndex(
            model_name="attempt",
            index=models.Index(fields=["postback", "-at", "-id"], name="attempt_by_time"),
        ),
        migrations.AddIndex(
            model_name="attempt",
            index=models.Index(
                condition=models.Q(("delivery__isnull", False), models.Q(("problem", ""), _negated=True)),
                fields=["postback", "-at", "-id"],
                name="attempt_failed",
            ),
        ),
        migrations.AddIndex(
            model_name="attempt",
            index=models.Index(
                condition=models.Q(("delivery", None)), fields=["postback", "-at", "-id"], name="attempt_test"
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("given_up_at__isnull", False)), fields=["postback"], name="delivery_given_up"
            ),
        ),
    ]
