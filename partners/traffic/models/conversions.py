"""What visits came to: conversions, the events after them, and those that are held back for a while."""

from __future__ import annotations

from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from partners.models import Partner
from partners.traffic.models.visits import TEXT_LENGTH, Visit, VisitQuerySet


class ConversionQuerySet(VisitQuerySet):
    def approved(self) -> Self:
        return self.filter(status=Conversion.Status.APPROVED)


class Conversion(Visit):
    """A visitor did what the offer pays for; or, when it carries an event's name, did something more afterwards.

    It keeps all that is known of the click or the impression before it, so that no report has to look for that.
    ``ip`` and ``user_agent`` are the visitor's at the click, ``conversion_ip`` is where the report of it came from.
    """

    class Status(models.TextChoices):
        APPROVED = "approved", "Approved"
        PENDING = "pending", "Pending"
        REJECTED = "rejected", "Rejected"
        INVALID = "invalid", "Invalid"
        ON_HOLD = "on_hold", "On hold"

    # The click or the impression; an id of its own when a coupon code alone says whose conversion it is.
    transaction_id = models.UUIDField()
    clicked_at = models.DateTimeField(null=True)
    status = models.CharField(max_length=10, choices=Status.choices)
    is_event = models.BooleanField(default=False)
    event_name = models.CharField(max_length=80, blank=True)
    is_view_through = models.BooleanField(default=False)
    order_id = models.CharField(max_length=120, blank=True)
    # In the offer's currency.
    sale_amount = models.DecimalField(max_digits=14, decimal_places=4, default=0)
    conversion_ip = models.GenericIPAddressField(null=True)
    adv1 = models.CharField(max_length=TEXT_LENGTH, blank=True)
    adv2 = models.CharField(max_length=TEXT_LENGTH, blank=True)
    adv3 = models.CharField(max_length=TEXT_LENGTH, blank=True)
    adv4 = models.CharField(max_length=TEXT_LENGTH, blank=True)
    adv5 = models.CharField(max_length=TEXT_LENGTH, blank=True)
    redirected_from = models.BigIntegerField(null=True)
    # Why it is invalid or was rejected; for the partner too. Notes are the network's own.
    error_message = models.CharField(max_length=300, blank=True)
    notes = models.CharField(max_length=TEXT_LENGTH, blank=True)
    updated_at = models.DateTimeField(default=now)

    objects = ConversionQuerySet.as_manager()

    class Meta(Visit.Meta):
        db_table = "traffic_conversion"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status__in=["approved", "pending", "rejected", "invalid", "on_hold"]),
                name="conversion_status_is_known",
            ),
            models.CheckConstraint(
                condition=Q(is_event=True) & ~Q(event_name="") | Q(is_event=False, event_name=""),
                name="event_has_its_name",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], name="conversion_id"),
            models.Index(fields=["partner_id", "transaction_id"], name="conversion_transaction"),
            models.Index(fields=["partner_id", "updated_at", "id"], name="conversion_updated_at"),
        ]

    def __str__(self) -> str:
        return f"Conversion {self.id.hex}"


class Receipt(models.Model):
    """That a conversion was reported: whoever reports it again is told the same, and nothing is counted twice.

    Its own small table, because a unique constraint on a partitioned one would have to hold the row's own id.
    """

    # What makes one report another's repetition: the transaction, the event and the order, digested.
    digest = models.BinaryField(primary_key=True, max_length=32)
    partner_id = models.BigIntegerField()
    conversion_id = models.UUIDField()
    received_at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return f"Receipt of {self.conversion_id.hex}"


class HoldQuerySet(models.QuerySet["Hold"]):
    def open(self) -> Self:
        return self.filter(ended_at=None)


class Hold(models.Model):
    """A conversion is held back until ``until``, and approved then, unless it is released or rejected before."""

    class Outcome(models.TextChoices):
        APPROVED = "approved", "Approved"
        RELEASED = "released", "Released"
        REJECTED = "rejected", "Rejected"

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="holds")
    conversion_id = models.UUIDField()
    until = models.DateTimeField()
    created_at = models.DateTimeField(default=now)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=200, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)

    objects = HoldQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["partner", "conversion_id"], name="conversion_is_held_once"),
            models.CheckConstraint(
                condition=Q(ended_at=None, ended_by="", outcome="")
                | (Q(ended_at__isnull=False, outcome__in=["approved", "released", "rejected"]) & ~Q(ended_by="")),
                name="hold_ended_at_and_by",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["until"], condition=Q(ended_at=None), name="hold_due"),
        ]

    def __str__(self) -> str:
        return f"Hold of {self.conversion_id.hex} until {self.until:%Y-%m-%d}"
