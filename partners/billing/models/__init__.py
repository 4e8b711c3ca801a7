"""What a partner is owed: invoices, their lines, and what was paid on them."""

from __future__ import annotations

from partners.billing.models.invoice import (
    AlreadyBilled,
    AlreadyCancelled,
    BalanceChanged,
    BelowPaid,
    CarriedOn,
    HasPayments,
    Invoice,
    InvoiceQuerySet,
    MoreThanOwed,
    NothingToBill,
)
from partners.billing.models.line import InvoiceLine, Item, LineKind, TooFine
from partners.billing.models.payment import AlreadyTakenBack, Payment
from partners.billing.models.period import Period

__all__ = [
    "AlreadyBilled",
    "AlreadyCancelled",
    "AlreadyTakenBack",
    "BalanceChanged",
    "BelowPaid",
    "CarriedOn",
    "HasPayments",
    "Invoice",
    "InvoiceLine",
    "InvoiceQuerySet",
    "Item",
    "LineKind",
    "MoreThanOwed",
    "NothingToBill",
    "Payment",
    "Period",
    "TooFine",
]
