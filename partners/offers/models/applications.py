"""Who may run an offer that is not for everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models, transaction
from django.db.models import Case, F, Q, When
from django.utils.timezone import now

from partners.models import Partner
from portal.accounts.events import EventKind
from portal.accounts.models import Event

if TYPE_CHECKING:
    from portal.accounts.actors import Actor


class AlreadyDecided(Exception):
    """The application was approved or rejected before, perhaps by someone else a moment ago."""


class NeedsNoApproval(Exception):
    """The offer is public: every partner may run it."""


class ApplicationQuerySet(models.QuerySet["Application"]):
    def approved(self) -> Self:
        return self.filter(approved_at__isnull=False)

    def pending(self) -> Self:
        return self.filter(approved_at=None, rejected_at=None)

    def rejected(self) -> Self:
        return self.filter(rejected_at__isnull=False)

    def pending_first(self) -> Self:
        """Those that wait for an answer, the longest waiting first; then the others, the newest first."""
        waits = Case(When(approved_at=None, rejected_at=None, then=F("applied_at")))
        return self.order_by(waits.asc(nulls_last=True), "-applied_at", "-pk")


class Application(models.Model):
    """A partner's wish to run an offer, and what the network said to it. A partner has one per offer."""

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"

    offer = models.ForeignKey("offers.Offer", on_delete=models.PROTECT, related_name="applications")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="applications")
    applied_at = models.DateTimeField(default=now)
    applied_by = models.CharField(max_length=200)
    approved_at = models.DateTimeField(null=True)
    approved_by = models.CharField(max_length=200, blank=True)
    rejected_at = models.DateTimeField(null=True)
    rejected_by = models.CharField(max_length=200, blank=True)

    objects = ApplicationQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["offer", "partner"], name="partner_applies_once_for_an_offer"),
            models.CheckConstraint(condition=~Q(applied_by=""), name="application_applied_at_and_by"),
            models.CheckConstraint(
                condition=Q(approved_at=None, approved_by="") | (Q(approved_at__isnull=False) & ~Q(approved_by="")),
                name="application_approved_at_and_by",
            ),
            models.CheckConstraint(
                condition=Q(rejected_at=None, rejected_by="") | (Q(rejected_at__isnull=False) & ~Q(rejected_by="")),
                name="application_rejected_at_and_by",
            ),
            models.CheckConstraint(
                condition=Q(approved_at=None) | Q(rejected_at=None), name="application_has_one_decision"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.partner} for {self.offer}"

    @property
    def status(self) -> Status:
        if self.approved_at is not None:
            return self.Status.APPROVED
        return self.Status.REJECTED if self.rejected_at is not None else self.Status.PENDING

    @transaction.atomic
    def approve(self, *, by: Actor) -> None:
        """:raises AlreadyDecided: when it was approved or rejected before"""
        self._decide(EventKind.APPLICATION_APPROVED, by=by, approved_at=now(), approved_by=by.full_label)

    @transaction.atomic
    def reject(self, *, by: Actor) -> None:
        """:raises AlreadyDecided: when it was approved or rejected before"""
        self._decide(EventKind.APPLICATION_REJECTED, by=by, rejected_at=now(), rejected_by=by.full_label)

    def _decide(self, kind: EventKind, *, by: Actor, **decision: object) -> None:
        if not Application.objects.pending().filter(pk=self.pk).update(**decision):
            raise AlreadyDecided
        for field, value in decision.items():
            setattr(self, field, value)
        Event.record(kind, by=by, subject=self, partner=self.partner)
