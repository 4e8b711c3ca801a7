from __future__ import annotations

import django.contrib.postgres.indexes
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("apilog", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Tally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("span", models.PositiveIntegerField()),
                ("began_at", models.DateTimeField()),
                ("partner_id", models.BigIntegerField(null=True)),
                ("key_id", models.BigIntegerField(null=True)),
                ("realm", models.CharField(blank=True, max_length=20)),
                ("action", models.CharField(blank=True, max_length=80)),
                ("status", models.PositiveSmallIntegerField()),
                ("outcome", models.CharField(max_length=20)),
                ("calls", models.PositiveBigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="TallyMark",
            fields=[
                ("span", models.PositiveIntegerField(primary_key=True, serialize=False)),
                ("through_at", models.DateTimeField()),
            ],
        ),
        migrations.AddIndex(
            model_name="loggedcall",
            index=models.Index(fields=["status", "-id"], name="call_status"),
        ),
        migrations.AddIndex(
            model_name="loggedcall",
            index=models.Index(fields=["action", "-id"], name="call_action"),
        ),
        migrations.AddIndex(
            model_name="loggedcall",
            index=models.Index(fields=["realm", "-id"], name="call_realm"),
        ),
        migrations.AddIndex(
            model_name="loggedcall",
            index=models.Index(fields=["ip", "-id"], name="call_ip"),
        ),
        migrations.AddIndex(
            model_name="tally",
            index=models.Index(
                condition=models.Q(("key_id", None)), fields=["span", "began_at"], name="tally_of_everyone"
            ),
        ),
        migrations.AddIndex(
            model_name="tally",
            index=models.Index(fields=["key_id", "span", "began_at"], name="tally_key"),
        ),
        migrations.AddIndex(
            model_name="tally",
            index=models.Index(fields=["partner_id", "span", "began_at"], name="tally_partner"),
        ),
        migrations.AddIndex(
            model_name="tally",
            index=django.contrib.postgres.indexes.BrinIndex(fields=["began_at"], name="tally_began_at"),
        ),
        migrations.AddConstraint(
            model_name="tally",
            constraint=models.CheckConstraint(condition=models.Q(("span__gte", 1)), name="tally_has_a_span"),
        ),
        migrations.AddConstraint(
            model_name="tally",
            constraint=models.CheckConstraint(condition=models.Q(("calls__gte", 1)), name="tally_counts_calls"),
        ),
        migrations.AddConstraint(
            model_name="tally",
            constraint=models.CheckConstraint(
                condition=models.Q(("partner_id", None), ("key_id__isnull", False), _connector="OR"),
                name="tally_of_a_partner_names_its_key",
            ),
        ),
    ]
