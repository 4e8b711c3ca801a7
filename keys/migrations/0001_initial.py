import django.db.models.deletion
import django.utils.timezone
import netfields.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("partners", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Key",
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
                    "realm",
                    models.CharField(
                        choices=[
                            ("affiliate", "Affiliate API"),
                            ("network", "Network API"),
                        ],
                        max_length=20,
                    ),
                ),
                ("label", models.CharField(max_length=80)),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                ("hint", models.CharField(max_length=20)),
                ("ciphertext", models.BinaryField(null=True)),
                ("encryption_key", models.PositiveSmallIntegerField(null=True)),
                ("submission", models.UUIDField(null=True, unique=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("created_by", models.CharField(max_length=200)),
                ("expires_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
                ("revoked_by", models.CharField(blank=True, max_length=200)),
                ("last_used_at", models.DateTimeField(null=True)),
                (
                    "last_used_ip",
                    netfields.fields.InetAddressField(max_length=39, null=True),
                ),
                (
                    "partner",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="keys",
                        to="partners.partner",
                    ),
                ),
            ],
            options={
                "ordering": ("-created_at", "-pk"),
            },
        ),
        migrations.CreateModel(
            name="AllowlistEntry",
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
                ("network", netfields.fields.CidrAddressField(max_length=43)),
                ("label", models.CharField(blank=True, max_length=80)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("created_by", models.CharField(max_length=200)),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="allowlist",
                        to="keys.key",
                    ),
                ),
            ],
            options={
                "ordering": ("pk",),
            },
        ),
        migrations.AddIndex(
            model_name="key",
            index=models.Index(fields=["encryption_key", "id"], name="key_encryption_key"),
        ),
        migrations.AddConstraint(
            model_name="key",
            constraint=models.CheckConstraint(
                condition=models.Q(("realm__in", ["affiliate", "network"])),
                name="key_realm_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="key",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("partner__isnull", False), ("realm", "affiliate")),
                    models.Q(("partner", None), ("realm", "network")),
                    _connector="OR",
                ),
                name="key_of_the_affiliate_realm_has_a_partner",
            ),
        ),
        migrations.AddConstraint(
            model_name="key",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("ciphertext__isnull", False),
                        ("encryption_key__isnull", False),
                        ("realm", "affiliate"),
                    ),
                    models.Q(
                        ("ciphertext", None),
                        ("encryption_key", None),
                        ("realm", "network"),
                    ),
                    _connector="OR",
                ),
                name="key_has_ciphertext_if_of_a_partner",
            ),
        ),
        migrations.AddConstraint(
            model_name="key",
            constraint=models.CheckConstraint(
                condition=models.Q(("realm", "affiliate"), ("expires_at", None), _connector="OR"),
                name="network_key_never_expires",
            ),
        ),
        migrations.AddConstraint(
            model_name="key",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("revoked_at", None), ("revoked_by", "")),
                    models.Q(
                        ("revoked_at__isnull", False),
                        models.Q(("revoked_by", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="key_revoked_at_and_by",
            ),
        ),
        migrations.AddConstraint(
            model_name="key",
            constraint=models.CheckConstraint(
                condition=models.Q(("created_by", ""), _negated=True),
                name="key_created_at_and_by",
            ),
        ),
        migrations.AddConstraint(
            model_name="key",
            constraint=models.UniqueConstraint(
                condition=models.Q(("realm", "network"), ("revoked_at", None)),
                fields=("realm",),
                name="at_most_one_live_network_key",
            ),
        ),
        migrations.AddConstraint(
            model_name="allowlistentry",
            constraint=models.UniqueConstraint(fields=("key", "network"), name="allowlist_entry_is_unique"),
        ),
        migrations.AddConstraint(
            model_name="allowlistentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("created_by", ""), _negated=True),
                name="allowlist_entry_created_at_and_by",
            ),
        ),
    ]
