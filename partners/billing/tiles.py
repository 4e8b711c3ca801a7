"""How a partner stands, in three figures at the top of its invoices."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum
from django.utils.timezone import localdate

from partners.billing.models import Invoice, Payment
from partners.billing.models.invoice import NOTHING
from partners.billing.statement import unbilled
from partners.models import Partner
from portal.network.currencies import amount_in_words
from portal.network.models import Network

Amounts = dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class Tile:
    label: str
    value: str
    note: str


def tiles_of(partner: Partner, *, owed: str) -> list[Tile]:
    """What is owed, in the words ``owed``; what was paid this year; and what is still to be invoiced."""
    year = localdate(timezone=Network.load().zone).year
    invoices = list(partner.invoices.standing().with_totals().unpaid().order_by("pk"))
    return [
        tile(owed, owed_on(invoices), partner.currency, when_due(invoices)),
        tile(f"Paid in {year}", paid_in(partner, year), partner.currency, ""),
        tile("Not yet invoiced", unbilled(partner), partner.currency, "Up to this moment"),
    ]


def tile(label: str, amounts: Amounts, own: str, note: str) -> Tile:
    """The partner's own currency in large, the others below."""
    others = [amount_in_words(amount, currency) for currency, amount in sorted(amounts.items()) if amount]
    value = amount_in_words(amounts.get(own, NOTHING), own)
    rest = " and ".join(words for words in others if words != value and not words.endswith(own))
    return Tile(label, value, " · ".join(filter(None, [rest and f"and {rest}", note])))


def owed_on(invoices: list[Invoice]) -> Amounts:
    owed: Amounts = {}
    for invoice in invoices:
        owed[invoice.currency] = owed.get(invoice.currency, NOTHING) + invoice.balance
    return owed


def when_due(invoices: list[Invoice]) -> str:
    late = [invoice for invoice in invoices if invoice.is_overdue]
    if late:
        return f"{len(late)} invoice{'s are' if len(late) > 1 else ' is'} overdue"
    if not invoices:
        return "Nothing is open"
    due = min(invoice.due_on for invoice in invoices)
    return f"Due on {due.day} {due:%b %Y}"


def paid_in(partner: Partner, year: int) -> Amounts:
    payments = Payment.objects.standing().filter(
        invoice__partner=partner, invoice__cancelled_at=None, paid_on__year=year
    )
    sums = payments.order_by().values("invoice__currency").annotate(sum=Sum("amount"))
    return {row["invoice__currency"]: row["sum"] for row in sums}
