import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import portal.network.currencies
import portal.network.timezones


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Partner",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("name", models.CharField(max_length=120)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("onboarding", "Onboarding"),
                            ("active", "Active"),
                            ("paused", "Paused"),
                        ],
                        default="onboarding",
                        max_length=20,
                    ),
                ),
                (
                    "technical_contact_name",
                    models.CharField(blank=True, max_length=120, verbose_name="technical contact"),
                ),
                (
                    "technical_contact_email",
                    models.EmailField(
                        blank=True,
                        max_length=254,
                        verbose_name="technical contact's e-mail",
                    ),
                ),
                ("website", models.URLField(blank=True, max_length=300)),
                (
                    "country_code",
                    models.CharField(blank=True, max_length=2, verbose_name="country"),
                ),
                (
                    "timezone",
                    models.CharField(
                        choices=portal.network.timezones.timezone_choices,
                        default="UTC",
                        max_length=60,
                        verbose_name="time zone",
                    ),
                ),
                (
                    "currency",
                    models.CharField(
                        choices=portal.network.currencies.currency_choices,
                        default="USD",
                        max_length=3,
                    ),
                ),
                ("notes", models.TextField(blank=True, verbose_name="internal notes")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("updated_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "manager",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="managed_partners",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="manager",
                    ),
                ),
            ],
            options={
                "ordering": ("name", "pk"),
            },
        ),
        migrations.CreateModel(
            name="Flag",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("fraud", "Fraud"), ("quality", "Quality")],
                        max_length=20,
                    ),
                ),
                ("note", models.CharField(max_length=300)),
                ("raised_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("raised_by", models.CharField(max_length=200)),
                ("closed_at", models.DateTimeField(null=True)),
                ("closed_by", models.CharField(blank=True, max_length=200)),
                (
                    "partner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="flags",
                        to="partners.partner",
                    ),
                ),
            ],
            options={
                "ordering": ("-raised_at", "-pk"),
            },
        ),
        migrations.AddIndex(
            model_name="partner",
            index=models.Index(fields=["name", "id"], name="partner_name"),
        ),
        migrations.AddConstraint(
            model_name="partner",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["onboarding", "active", "paused"])),
                name="partner_status_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="flag",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["fraud", "quality"])),
                name="flag_kind_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="flag",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at", None), ("closed_by", "")),
                    models.Q(
                        ("closed_at__isnull", False),
                        models.Q(("closed_by", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="flag_closed_at_and_by",
            ),
        ),
    ]
