"""What was paid on an invoice."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models, transaction
from django.db.models import Q
from django.utils.timezone import now

from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.network.currencies import amount_in_words

if TYPE_CHECKING:
    from portal.accounts.actors import Actor


class AlreadyTakenBack(Exception):
    """The payment was taken back before, perhaps by someone else a moment ago."""


class PaymentQuerySet(models.QuerySet["Payment"]):
    def standing(self) -> Self:
        """Those that count: they were not taken back."""
        return self.filter(taken_back_at=None)


class Payment(models.Model):
    """Money that was sent to the partner for one invoice. Latchkey sends none itself: it keeps what people say."""

    class Method(models.TextChoices):
        BANK_TRANSFER = "bank_transfer", "Bank transfer"
        PAYPAL = "paypal", "PayPal"
        CHECK = "check", "Check"
        OTHER = "other", "Other"

    invoice = models.ForeignKey("billing.Invoice", on_delete=models.PROTECT, related_name="payments")
    amount = models.DecimalField(max_digits=16, decimal_places=4)
    method = models.CharField(max_length=20, choices=Method.choices)
    paid_on = models.DateField()
    reference = models.CharField(max_length=120, blank=True)
    recorded_at = models.DateTimeField(default=now)
    recorded_by = models.CharField(max_length=200)
    taken_back_at = models.DateTimeField(null=True)
    taken_back_by = models.CharField(max_length=200, blank=True)

    objects = PaymentQuerySet.as_manager()

    class Meta:
        ordering = ("paid_on", "pk")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_amount_is_positive"),
            models.CheckConstraint(
                condition=Q(method__in=["bank_transfer", "paypal", "check", "other"]), name="payment_method_is_known"
            ),
            models.CheckConstraint(condition=~Q(recorded_by=""), name="payment_recorded_at_and_by"),
            models.CheckConstraint(
                condition=Q(taken_back_at=None, taken_back_by="")
                | (Q(taken_back_at__isnull=False) & ~Q(taken_back_by="")),
                name="payment_taken_back_at_and_by",
            ),
        ]

    def __str__(self) -> str:
        return f"{amount_in_words(self.amount, self.invoice.currency)} on {self.paid_on}"

    @transaction.atomic
    def take_back(self, *, by: Actor) -> None:
        """Says that the payment never was, or went wrong; its invoice is owed again.

        :raises AlreadyTakenBack: when someone was faster
        """
        invoice = self.invoice.locked()
        taking = {"taken_back_at": now(), "taken_back_by": by.full_label}
        if not Payment.objects.standing().filter(pk=self.pk).update(**taking):
            raise AlreadyTakenBack
        for field, value in taking.items():
            setattr(self, field, value)
        invoice.touch()
        Event.record(
            EventKind.PAYMENT_TAKEN_BACK,
            by=by,
            subject=invoice,
            partner=invoice.partner,
            details={"amount": amount_in_words(self.amount, invoice.currency), "reference": self.reference},
        )
