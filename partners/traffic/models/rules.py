"""What the network keeps out: blocked traffic of one partner, and controls over the sources of many."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.models.visits import SUBS, TEXT_LENGTH

VARIABLES = ("source_id", *SUBS)


def variable_choices() -> list[tuple[str, str]]:
    return [(name, name) for name in VARIABLES]


class TrafficBlock(models.Model):
    """Clicks of one partner that carry exactly this value are invalid: on one offer, or on all."""

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="traffic_blocks")
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, null=True, related_name="traffic_blocks")
    variable = models.CharField(max_length=10, choices=variable_choices)
    value = models.CharField(max_length=TEXT_LENGTH)
    reason = models.CharField(max_length=200, blank=True)
    blocked_at = models.DateTimeField(default=now)
    blocked_by = models.CharField(max_length=200)
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("-pk",)
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(variable__in=list(VARIABLES)), name="traffic_block_variable_is_known"),
            models.CheckConstraint(condition=~Q(value=""), name="traffic_block_has_a_value"),
            models.CheckConstraint(condition=~Q(blocked_by=""), name="traffic_block_blocked_at_and_by"),
            models.CheckConstraint(
                condition=Q(lifted_at=None, lifted_by="") | (Q(lifted_at__isnull=False) & ~Q(lifted_by="")),
                name="traffic_block_lifted_at_and_by",
            ),
            models.UniqueConstraint(
                fields=["partner", "offer", "variable", "value"],
                condition=Q(lifted_at=None),
                nulls_distinct=False,
                name="traffic_is_blocked_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.variable} = {self.value}"


class TrafficControl(models.Model):
    """Which sources may send traffic: those on a whitelist alone, or all but those on a blacklist."""

    class Type(models.TextChoices):
        BLACKLIST = "blacklist", "Blacklist"
        WHITELIST = "whitelist", "Whitelist"

    class Comparison(models.TextChoices):
        EXACT = "exact", "is"
        CONTAINS = "contains", "contains"
        STARTS_WITH = "starts_with", "starts with"

    name = models.CharField(max_length=120)
    control_type = models.CharField(max_length=10, choices=Type.choices)
    variable = models.CharField(max_length=10, choices=variable_choices)
    comparison_method = models.CharField(max_length=12, choices=Comparison.choices)
    values = ArrayField(models.CharField(max_length=TEXT_LENGTH))
    # Null: every offer. Which partners it is for: all of them, or those named.
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, null=True, related_name="traffic_controls")
    is_for_all_partners = models.BooleanField(default=True)
    partners = models.ManyToManyField(Partner, related_name="traffic_controls", blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=now)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ("name", "pk")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(control_type__in=["blacklist", "whitelist"]), name="traffic_control_type_is_known"
            ),
            models.CheckConstraint(condition=Q(variable__in=list(VARIABLES)), name="traffic_control_variable_is_known"),
            models.CheckConstraint(
                condition=Q(comparison_method__in=["exact", "contains", "starts_with"]),
                name="traffic_control_comparison_is_known",
            ),
            models.CheckConstraint(condition=Q(values__len__gte=1), name="traffic_control_has_values"),
        ]

    def __str__(self) -> str:
        return self.name
