import uuid

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="User",
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
                ("password", models.CharField(max_length=128, verbose_name="password")),
                (
                    "last_login",
                    models.DateTimeField(blank=True, null=True, verbose_name="last login"),
                ),
                ("email", models.EmailField(max_length=254)),
                ("name", models.CharField(max_length=120)),
                (
                    "is_superuser",
                    models.BooleanField(default=False, verbose_name="Super User"),
                ),
                ("is_active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("sessions_id", models.UUIDField(default=uuid.uuid4)),
            ],
            options={
                "ordering": ("name", "pk"),
            },
        ),
        migrations.CreateModel(
            name="Event",
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
                    "occurred_at",
                    models.DateTimeField(default=django.utils.timezone.now),
                ),
                ("kind", models.CharField(max_length=40)),
                ("actor_id", models.BigIntegerField(null=True)),
                ("actor_label", models.CharField(max_length=200)),
                ("impersonator_id", models.BigIntegerField(null=True)),
                ("impersonator_label", models.CharField(blank=True, max_length=200)),
                ("subject_type", models.CharField(max_length=40)),
                ("subject_id", models.BigIntegerField(null=True)),
                ("subject_label", models.CharField(max_length=200)),
                ("partner_id", models.BigIntegerField(null=True)),
                ("partner_label", models.CharField(blank=True, max_length=200)),
                ("ip", models.GenericIPAddressField(null=True)),
                ("details", models.JSONField(default=dict)),
            ],
            options={
                "ordering": ("-pk",),
            },
        ),
        migrations.CreateModel(
            name="Role",
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
                ("name", models.CharField(max_length=60, unique=True)),
                (
                    "security",
                    models.CharField(
                        choices=[
                            ("none", "None"),
                            ("view", "View"),
                            ("full_control", "Full control"),
                        ],
                        default="none",
                        max_length=20,
                    ),
                ),
                (
                    "accounts_history_logs",
                    models.CharField(
                        choices=[
                            ("none", "None"),
                            ("read", "Read"),
                            ("full_access", "Full access"),
                        ],
                        default="none",
                        max_length=20,
                    ),
                ),
                (
                    "system_settings",
                    models.CharField(
                        choices=[("none", "None"), ("view", "View"), ("full", "Full")],
                        default="none",
                        max_length=20,
                    ),
                ),
                (
                    "partners",
                    models.CharField(
                        choices=[("none", "None"), ("view", "View"), ("full", "Full")],
                        default="none",
                        max_length=20,
                    ),
                ),
            ],
            options={
                "ordering": ("name", "pk"),
            },
        ),
    ]
