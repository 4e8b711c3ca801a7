"""What an invoice is made of."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from portal.network.currencies import rounded

if TYPE_CHECKING:
    from partners.billing.models.invoice import Invoice


class TooFine(Exception):
    """The amount has more decimals than its currency."""


class LineKind(models.TextChoices):
    CONVERSIONS = "conversions", "Conversions"
    EVENTS = "events", "Events"
    CLICKS = "clicks", "Clicks"
    IMPRESSIONS = "impressions", "Impressions"
    ADJUSTMENT = "adjustment", "Adjustment"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to bill: so many conversions of an offer, for so much; or an adjustment, whose note says what for.

    ``corrects`` is the earlier invoice whose period they fall into, when they were approved or rejected after it was
    raised; what was taken away again is negative.
    """

    kind: LineKind
    offer_id: int | None
    offer_name: str
    quantity: int
    amount: Decimal
    corrects: Invoice | None = None
    note: str = ""

    @classmethod
    def adjustment(cls, amount: Decimal, note: str) -> Item:
        return cls(LineKind.ADJUSTMENT, None, "", 1, amount, note=note)

    @property
    def kind_label(self) -> str:
        return str(self.kind.label)

    @property
    def explanation(self) -> str:
        """What the partner reads beside the figures."""
        return self.note if self.corrects is None else f"Correction of {self.corrects} ({self.corrects.period})"


class InvoiceLine(models.Model):
    """An item as it was billed, with its offer as it was called then; or an adjustment somebody made."""

    invoice = models.ForeignKey("billing.Invoice", on_delete=models.PROTECT, related_name="lines")
    kind = models.CharField(max_length=20, choices=LineKind.choices)
    # No foreign key: an invoice stays as it was sent, whatever becomes of the offer.
    offer_id = models.BigIntegerField(null=True)
    offer_name = models.CharField(max_length=160, blank=True)
    corrects = models.ForeignKey("billing.Invoice", on_delete=models.PROTECT, null=True, related_name="corrections")
    quantity = models.BigIntegerField(default=1)
    amount = models.DecimalField(max_digits=16, decimal_places=4)
    note = models.CharField(max_length=300, blank=True)
    added_at = models.DateTimeField(default=now)
    added_by = models.CharField(max_length=200)

    class Meta:
        ordering = ("pk",)
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(amount=0), name="line_amount_is_not_zero"),
            models.CheckConstraint(
                condition=Q(kind__in=["conversions", "events", "clicks", "impressions", "adjustment"]),
                name="line_kind_is_known",
            ),
            models.CheckConstraint(
                condition=(Q(kind="adjustment", offer_id=None, corrects=None) & ~Q(note=""))
                | (~Q(kind="adjustment") & Q(offer_id__isnull=False) & ~Q(offer_name="")),
                name="line_says_what_it_is_for",
            ),
            models.CheckConstraint(
                condition=Q(corrects__isnull=False) | Q(quantity__gte=1), name="line_takes_back_in_corrections_alone"
            ),
            models.CheckConstraint(condition=~Q(added_by=""), name="line_added_at_and_by"),
            models.UniqueConstraint(
                fields=["invoice", "kind", "offer_id"],
                condition=Q(corrects=None) & ~Q(kind="adjustment"),
                name="line_of_an_offer_is_one",
            ),
            models.UniqueConstraint(
                fields=["invoice", "kind", "offer_id", "corrects"],
                condition=Q(corrects__isnull=False),
                name="correction_of_an_offer_is_one",
            ),
        ]

    def __str__(self) -> str:
        return self.note if self.kind == LineKind.ADJUSTMENT else f"{self.offer_name}: {self.get_kind_display()}"

    @property
    def kind_label(self) -> str:
        return str(LineKind(self.kind).label)

    @property
    def explanation(self) -> str:
        """What the partner reads beside the figures. Of a row that was read with the invoice it corrects."""
        return self.item.explanation

    @property
    def item(self) -> Item:
        kind = LineKind(self.kind)
        return Item(kind, self.offer_id, self.offer_name, self.quantity, self.amount, self.corrects, self.note)


def refuse_too_fine(amount: Decimal, currency: str) -> None:
    """:raises TooFine: when nobody could pay the amount, because the currency has no such small coins"""
    if rounded(amount, currency) != amount:
        raise TooFine
