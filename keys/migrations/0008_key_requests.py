from __future__ import annotations

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
import netfields.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0007_one_time_links"),
        ("partners", "0002_flags_closed_with_a_note"),
    ]

    operations = [
        migrations.CreateModel(
            name="KeyRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("purpose", models.CharField(max_length=300)),
                ("contact_email", models.EmailField(max_length=254)),
                (
                    "networks",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=netfields.fields.CidrAddressField(max_length=43), blank=True, default=list, size=None
                    ),
                ),
                ("requested_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("requested_by", models.CharField(max_length=200)),
                ("approved_at", models.DateTimeField(null=True)),
                ("approved_by", models.CharField(blank=True, max_length=200)),
                ("declined_at", models.DateTimeField(null=True)),
                ("declined_by", models.CharField(blank=True, max_length=200)),
                ("reason", models.CharField(blank=True, max_length=300)),
                ("withdrawn_at", models.DateTimeField(null=True)),
                ("withdrawn_by", models.CharField(blank=True, max_length=200)),
                (
                    "key",
                    models.OneToOneField(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="request", to="keys.key"
                    ),
                ),
                (
                    "partner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="key_requests", to="partners.partner"
                    ),
                ),
            ],
            options={
                "ordering": ("-pk",),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("approved_at", None), ("declined_at", None), ("withdrawn_at", None)),
                        fields=("partner",),
                        name="partner_has_one_open_key_request",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("requested_by", ""), _negated=True), name="key_request_requested_at_and_by"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("approved_at", None), ("approved_by", "")),
                            models.Q(("approved_at__isnull", False), models.Q(("approved_by", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="key_request_approved_at_and_by",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("declined_at", None), ("declined_by", "")),
                            models.Q(("declined_at__isnull", False), models.Q(("declined_by", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="key_request_declined_at_and_by",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("withdrawn_at", None), ("withdrawn_by", "")),
                            models.Q(("withdrawn_at__isnull", False), models.Q(("withdrawn_by", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="key_request_withdrawn_at_and_by",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("approved_at", None), ("declined_at", None)),
                            models.Q(("approved_at", None), ("withdrawn_at", None)),
                            models.Q(("declined_at", None), ("withdrawn_at", None)),
                            _connector="OR",
                        ),
                        name="key_request_has_one_end",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("approved_at", None), ("key", None)),
                            models.Q(("approved_at__isnull", False), ("key__isnull", False)),
                            _connector="OR",
                        ),
                        name="key_request_has_its_key_once_approved",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("declined_at", None), ("reason", "")),
                            models.Q(("declined_at__isnull", False), models.Q(("reason", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="key_request_has_a_reason_once_declined",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("purpose", ""), _negated=True), models.Q(("contact_email", ""), _negated=True)
                        ),
                        name="key_request_says_what_for",
                    ),
                ],
            },
        ),
    ]
