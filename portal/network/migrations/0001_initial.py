import django.core.validators
import django.utils.timezone
from django.db import migrations, models

import portal.network.currencies
import portal.network.timezones


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Network",
            fields=[
                (
                    "id",
                    models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False),
                ),
                ("name", models.CharField(max_length=120)),
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
                (
                    "support_name",
                    models.CharField(blank=True, max_length=120, verbose_name="support contact"),
                ),
                (
                    "support_email",
                    models.EmailField(blank=True, max_length=254, verbose_name="support e-mail"),
                ),
                (
                    "tracking_domain",
                    models.CharField(
                        blank=True,
                        max_length=253,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$",
                                "Enter a host name alone, such as go.example.com: no https://, no path.",
                            )
                        ],
                    ),
                ),
                (
                    "budget_requests",
                    models.PositiveIntegerField(default=60, verbose_name="requests"),
                ),
                (
                    "budget_seconds",
                    models.PositiveIntegerField(default=60, verbose_name="seconds"),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("updated_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="network_is_one_row"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("budget_requests__gte", 1),
                            ("budget_requests__lte", 1000000),
                        ),
                        name="network_budget_requests",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("budget_seconds__gte", 1), ("budget_seconds__lte", 86400)),
                        name="network_budget_seconds",
                    ),
                ],
            },
        ),
    ]
