from __future__ import annotations

from datetime import UTC, datetime, timedelta

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

import partners.traffic.models.rules
from portal.web.postgresql.operations import CreatePartitionedModel
from portal.web.postgresql.partitions import PartitionedTable, Span


def make_partitions(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    # So that what comes before the worker's first run does not stand in the default partitions.
    today = datetime.now(UTC).date()
    for kind in ("click", "impression", "conversion"):
        PartitionedTable(f"traffic_{kind}", Span.MONTH).create(today, today + timedelta(days=40))


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("offers", "0001_offers_payouts_and_applications"),
        ("partners", "0002_flags_closed_with_a_note"),
    ]

    operations = [
        migrations.CreateModel(
            name="Receipt",
            fields=[
                ("digest", models.BinaryField(max_length=32, primary_key=True, serialize=False)),
                ("partner_id", models.BigIntegerField()),
                ("conversion_id", models.UUIDField()),
                ("received_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name="CapCount",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "offer_id", "span", "began_on", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("offer_id", models.BigIntegerField()),
                (
                    "span",
                    models.CharField(
                        choices=[
                            ("daily", "daily"),
                            ("weekly", "weekly"),
                            ("monthly", "monthly"),
                            ("global", "global"),
                        ],
                        max_length=10,
                    ),
                ),
                ("began_on", models.DateField()),
                ("clicks", models.BigIntegerField(default=0)),
                ("conversions", models.BigIntegerField(default=0)),
                ("payout", models.DecimalField(decimal_places=4, default=0, max_digits=18)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("clicks__gte", 0), ("conversions__gte", 0), ("payout__gte", 0)),
                        name="cap_counts_are_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("span__in", ["daily", "weekly", "monthly", "global"])),
                        name="cap_span_is_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Visitor",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "partner_id",
                        "offer_id",
                        "fingerprint",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("partner_id", models.BigIntegerField()),
                ("offer_id", models.BigIntegerField()),
                ("fingerprint", models.UUIDField()),
                ("seen_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["seen_at"], name="visitor_seen_at")],
            },
        ),
        CreatePartitionedModel(
            name="Click",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "partner_id", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("id", models.UUIDField()),
                ("at", models.DateTimeField()),
                ("offer_url_id", models.BigIntegerField(default=0)),
                ("creative_id", models.BigIntegerField(default=0)),
                ("coupon_code", models.CharField(blank=True, max_length=80)),
                ("source_id", models.CharField(blank=True, max_length=500)),
                ("sub1", models.CharField(blank=True, max_length=500)),
                ("sub2", models.CharField(blank=True, max_length=500)),
                ("sub3", models.CharField(blank=True, max_length=500)),
                ("sub4", models.CharField(blank=True, max_length=500)),
                ("sub5", models.CharField(blank=True, max_length=500)),
                ("sub6", models.CharField(blank=True, max_length=500)),
                ("sub7", models.CharField(blank=True, max_length=500)),
                ("sub8", models.CharField(blank=True, max_length=500)),
                ("sub9", models.CharField(blank=True, max_length=500)),
                ("sub10", models.CharField(blank=True, max_length=500)),
                ("referer", models.CharField(blank=True, max_length=1000)),
                ("ip", models.GenericIPAddressField(null=True)),
                ("user_agent", models.CharField(blank=True, max_length=500)),
                ("country_code", models.CharField(blank=True, max_length=2)),
                ("region", models.CharField(blank=True, max_length=80)),
                ("city", models.CharField(blank=True, max_length=120)),
                ("dma", models.CharField(blank=True, max_length=20)),
                ("carrier", models.CharField(blank=True, max_length=120)),
                ("isp", models.CharField(blank=True, max_length=120)),
                ("connection_type", models.CharField(blank=True, max_length=20)),
                ("place", models.JSONField(default=dict)),
                ("platform", models.CharField(blank=True, max_length=40)),
                ("os_version", models.CharField(blank=True, max_length=40)),
                ("device_type", models.CharField(blank=True, max_length=20)),
                ("device_make", models.CharField(blank=True, max_length=60)),
                ("device_model", models.CharField(blank=True, max_length=80)),
                ("browser", models.CharField(blank=True, max_length=60)),
                ("browser_version", models.CharField(blank=True, max_length=40)),
                ("language", models.CharField(blank=True, max_length=20)),
                ("is_robot", models.BooleanField(default=False)),
                ("tracking_domain", models.CharField(blank=True, max_length=253)),
                ("payout_type", models.CharField(max_length=10)),
                ("payout", models.DecimalField(decimal_places=4, default=0, max_digits=14)),
                ("revenue_type", models.CharField(max_length=10)),
                ("revenue", models.DecimalField(decimal_places=4, default=0, max_digits=14)),
                ("is_unique", models.BooleanField(default=False)),
                (
                    "error_code",
                    models.PositiveSmallIntegerField(
                        choices=[
                            (0, ""),
                            (1, "The offer is not active."),
                            (2, "The offer is over."),
                            (3, "The partner is not approved for the offer."),
                            (4, "The partner is not active."),
                            (5, "The offer does not take visitors from this country."),
                            (6, "The offer's click cap is reached."),
                            (7, "The offer's conversion cap is reached."),
                            (8, "The offer's payout cap is reached."),
                            (9, "The traffic is blocked."),
                            (10, "A source control keeps the traffic out."),
                            (11, "The visitor is a robot."),
                        ],
                        default=0,
                    ),
                ),
                ("redirected_from", models.BigIntegerField(null=True)),
                ("tracking_url", models.CharField(max_length=2000)),
                ("parameters", models.JSONField(default=dict)),
                (
                    "offer",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="%(class)ss",
                        to="offers.offer",
                    ),
                ),
                (
                    "partner",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="%(class)ss",
                        to="partners.partner",
                    ),
                ),
            ],
            options={
                "db_table": "traffic_click",
                "ordering": ["-id"],
                "abstract": False,
                "indexes": [models.Index(fields=["id"], name="click_id")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("error_code", 0),
                            models.Q(("is_unique", False), ("payout", 0), ("revenue", 0)),
                            _connector="OR",
                        ),
                        name="invalid_click_counts_for_nothing",
                    )
                ],
            },
        ),
        CreatePartitionedModel(
            name="Conversion",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "partner_id", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("id", models.UUIDField()),
                ("at", models.DateTimeField()),
                ("offer_url_id", models.BigIntegerField(default=0)),
                ("creative_id", models.BigIntegerField(default=0)),
                ("coupon_code", models.CharField(blank=True, max_length=80)),
                ("source_id", models.CharField(blank=True, max_length=500)),
                ("sub1", models.CharField(blank=True, max_length=500)),
                ("sub2", models.CharField(blank=True, max_length=500)),
                ("sub3", models.CharField(blank=True, max_length=500)),
                ("sub4", models.CharField(blank=True, max_length=500)),
                ("sub5", models.CharField(blank=True, max_length=500)),
                ("sub6", models.CharField(blank=True, max_length=500)),
                ("sub7", models.CharField(blank=True, max_length=500)),
                ("sub8", models.CharField(blank=True, max_length=500)),
                ("sub9", models.CharField(blank=True, max_length=500)),
                ("sub10", models.CharField(blank=True, max_length=500)),
                ("referer", models.CharField(blank=True, max_length=1000)),
                ("ip", models.GenericIPAddressField(null=True)),
                ("user_agent", models.CharField(blank=True, max_length=500)),
                ("country_code", models.CharField(blank=True, max_length=2)),
                ("region", models.CharField(blank=True, max_length=80)),
                ("city", models.CharField(blank=True, max_length=120)),
                ("dma", models.CharField(blank=True, max_length=20)),
                ("carrier", models.CharField(blank=True, max_length=120)),
                ("isp", models.CharField(blank=True, max_length=120)),
                ("connection_type", models.CharField(blank=True, max_length=20)),
                ("place", models.JSONField(default=dict)),
                ("platform", models.CharField(blank=True, max_length=40)),
                ("os_version", models.CharField(blank=True, max_length=40)),
                ("device_type", models.CharField(blank=True, max_length=20)),
                ("device_make", models.CharField(blank=True, max_length=60)),
                ("device_model", models.CharField(blank=True, max_length=80)),
                ("browser", models.CharField(blank=True, max_length=60)),
                ("browser_version", models.CharField(blank=True, max_length=40)),
                ("language", models.CharField(blank=True, max_length=20)),
                ("is_robot", models.BooleanField(default=False)),
                ("tracking_domain", models.CharField(blank=True, max_length=253)),
                ("payout_type", models.CharField(max_length=10)),
                ("payout", models.DecimalField(decimal_places=4, default=0, max_digits=14)),
                ("revenue_type", models.CharField(max_length=10)),
                ("revenue", models.DecimalField(decimal_places=4, default=0, max_digits=14)),
                ("transaction_id", models.UUIDField()),
                ("clicked_at", models.DateTimeField(null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("approved", "Approved"),
                            ("pending", "Pending"),
                            ("rejected", "Rejected"),
                            ("invalid", "Invalid"),
                            ("on_hold", "On hold"),
                        ],
                        max_length=10,
                    ),
                ),
                ("is_event", models.BooleanField(default=False)),
                ("event_name", models.CharField(blank=True, max_length=80)),
                ("is_view_through", models.BooleanField(default=False)),
                ("order_id", models.CharField(blank=True, max_length=120)),
                ("sale_amount", models.DecimalField(decimal_places=4, default=0, max_digits=14)),
                ("conversion_ip", models.GenericIPAddressField(null=True)),
                ("adv1", models.CharField(blank=True, max_length=500)),
                ("adv2", models.CharField(blank=True, max_length=500)),
                ("adv3", models.CharField(blank=True, max_length=500)),
                ("adv4", models.CharField(blank=True, max_length=500)),
                ("adv5", models.CharField(blank=True, max_length=500)),
                ("redirected_from", models.BigIntegerField(null=True)),
                ("error_message", models.CharField(blank=True, max_length=300)),
                ("notes", models.CharField(blank=True, max_length=500)),
                ("updated_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "offer",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="%(class)ss",
                        to="offers.offer",
                    ),
                ),
                (
                    "partner",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="%(class)ss",
                        to="partners.partner",
                    ),
                ),
            ],
            options={
                "db_table": "traffic_conversion",
                "ordering": ["-id"],
                "abstract": False,
                "indexes": [
                    models.Index(fields=["id"], name="conversion_id"),
                    models.Index(fields=["partner_id", "transaction_id"], name="conversion_transaction"),
                    models.Index(fields=["partner_id", "updated_at", "id"], name="conversion_updated_at"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["approved", "pending", "rejected", "invalid", "on_hold"])),
                        name="conversion_status_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("is_event", True), models.Q(("event_name", ""), _negated=True)),
                            models.Q(("event_name", ""), ("is_event", False)),
                            _connector="OR",
                        ),
                        name="event_has_its_name",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Hold",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("conversion_id", models.UUIDField()),
                ("until", models.DateTimeField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.CharField(blank=True, max_length=200)),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[("approved", "Approved"), ("released", "Released"), ("rejected", "Rejected")],
                        max_length=10,
                    ),
                ),
                (
                    "partner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="holds", to="partners.partner"
                    ),
                ),
            ],
            options={
                "ordering": ("-pk",),
                "indexes": [models.Index(condition=models.Q(("ended_at", None)), fields=["until"], name="hold_due")],
                "constraints": [
                    models.UniqueConstraint(fields=("partner", "conversion_id"), name="conversion_is_held_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ended_at", None), ("ended_by", ""), ("outcome", "")),
                            models.Q(
                                ("ended_at__isnull", False),
                                ("outcome__in", ["approved", "released", "rejected"]),
                                models.Q(("ended_by", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="hold_ended_at_and_by",
                    ),
                ],
            },
        ),
        CreatePartitionedModel(
            name="Impression",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "partner_id", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("id", models.UUIDField()),
                ("at", models.DateTimeField()),
                ("offer_url_id", models.BigIntegerField(default=0)),
                ("creative_id", models.BigIntegerField(default=0)),
                ("coupon_code", models.CharField(blank=True, max_length=80)),
                ("source_id", models.CharField(blank=True, max_length=500)),
                ("sub1", models.CharField(blank=True, max_length=500)),
                ("sub2", models.CharField(blank=True, max_length=500)),
                ("sub3", models.CharField(blank=True, max_length=500)),
                ("sub4", models.CharField(blank=True, max_length=500)),
                ("sub5", models.CharField(blank=True, max_length=500)),
                ("sub6", models.CharField(blank=True, max_length=500)),
                ("sub7", models.CharField(blank=True, max_length=500)),
                ("sub8", models.CharField(blank=True, max_length=500)),
                ("sub9", models.CharField(blank=True, max_length=500)),
                ("sub10", models.CharField(blank=True, max_length=500)),
                ("referer", models.CharField(blank=True, max_length=1000)),
                ("ip", models.GenericIPAddressField(null=True)),
                ("user_agent", models.CharField(blank=True, max_length=500)),
                ("country_code", models.CharField(blank=True, max_length=2)),
                ("region", models.CharField(blank=True, max_length=80)),
                ("city", models.CharField(blank=True, max_length=120)),
                ("dma", models.CharField(blank=True, max_length=20)),
                ("carrier", models.CharField(blank=True, max_length=120)),
                ("isp", models.CharField(blank=True, max_length=120)),
                ("connection_type", models.CharField(blank=True, max_length=20)),
                ("place", models.JSONField(default=dict)),
                ("platform", models.CharField(blank=True, max_length=40)),
                ("os_version", models.CharField(blank=True, max_length=40)),
                ("device_type", models.CharField(blank=True, max_length=20)),
                ("device_make", models.CharField(blank=True, max_length=60)),
                ("device_model", models.CharField(blank=True, max_length=80)),
                ("browser", models.CharField(blank=True, max_length=60)),
                ("browser_version", models.CharField(blank=True, max_length=40)),
                ("language", models.CharField(blank=True, max_length=20)),
                ("is_robot", models.BooleanField(default=False)),
                ("tracking_domain", models.CharField(blank=True, max_length=253)),
                ("payout_type", models.CharField(max_length=10)),
                ("payout", models.DecimalField(decimal_places=4, default=0, max_digits=14)),
                ("revenue_type", models.CharField(max_length=10)),
                ("revenue", models.DecimalField(decimal_places=4, default=0, max_digits=14)),
                (
                    "offer",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="%(class)ss",
                        to="offers.offer",
                    ),
                ),
                (
                    "partner",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="%(class)ss",
                        to="partners.partner",
                    ),
                ),
            ],
            options={
                "db_table": "traffic_impression",
                "ordering": ["-id"],
                "abstract": False,
                "indexes": [models.Index(fields=["id"], name="impression_id")],
            },
        ),
        migrations.CreateModel(
            name="TrafficBlock",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("variable", models.CharField(choices=partners.traffic.models.rules.variable_choices, max_length=10)),
                ("value", models.CharField(max_length=500)),
                ("reason", models.CharField(blank=True, max_length=200)),
                ("blocked_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("blocked_by", models.CharField(max_length=200)),
                ("lifted_at", models.DateTimeField(null=True)),
                ("lifted_by", models.CharField(blank=True, max_length=200)),
                (
                    "offer",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="traffic_blocks",
                        to="offers.offer",
                    ),
                ),
                (
                    "partner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="traffic_blocks",
                        to="partners.partner",
                    ),
                ),
            ],
            options={
                "ordering": ("-pk",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "variable__in",
                                [
                                    "source_id",
                                    "sub1",
                                    "sub2",
                                    "sub3",
                                    "sub4",
                                    "sub5",
                                    "sub6",
                                    "sub7",
                                    "sub8",
                                    "sub9",
                                    "sub10",
                                ],
                            )
                        ),
                        name="traffic_block_variable_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("value", ""), _negated=True), name="traffic_block_has_a_value"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("blocked_by", ""), _negated=True), name="traffic_block_blocked_at_and_by"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("lifted_at", None), ("lifted_by", "")),
                            models.Q(("lifted_at__isnull", False), models.Q(("lifted_by", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="traffic_block_lifted_at_and_by",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("lifted_at", None)),
                        fields=("partner", "offer", "variable", "value"),
                        name="traffic_is_blocked_once",
                        nulls_distinct=False,
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TrafficControl",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=120)),
                (
                    "control_type",
                    models.CharField(choices=[("blacklist", "Blacklist"), ("whitelist", "Whitelist")], max_length=10),
                ),
                ("variable", models.CharField(choices=partners.traffic.models.rules.variable_choices, max_length=10)),
                (
                    "comparison_method",
                    models.CharField(
                        choices=[("exact", "is"), ("contains", "contains"), ("starts_with", "starts with")],
                        max_length=12,
                    ),
                ),
                (
                    "values",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=500), size=None),
                ),
                ("is_for_all_partners", models.BooleanField(default=True)),
                ("is_active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("updated_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "offer",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="traffic_controls",
                        to="offers.offer",
                    ),
                ),
                (
                    "partners",
                    models.ManyToManyField(blank=True, related_name="traffic_controls", to="partners.partner"),
                ),
            ],
            options={
                "ordering": ("name", "pk"),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("control_type__in", ["blacklist", "whitelist"])),
                        name="traffic_control_type_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "variable__in",
                                [
                                    "source_id",
                                    "sub1",
                                    "sub2",
                                    "sub3",
                                    "sub4",
                                    "sub5",
                                    "sub6",
                                    "sub7",
                                    "sub8",
                                    "sub9",
                                    "sub10",
                                ],
                            )
                        ),
                        name="traffic_control_variable_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("comparison_method__in", ["exact", "contains", "starts_with"])),
                        name="traffic_control_comparison_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("values__len__gte", 1)), name="traffic_control_has_values"
                    ),
                ],
            },
        ),
        migrations.RunPython(make_partitions, migrations.RunPython.noop),
    ]
