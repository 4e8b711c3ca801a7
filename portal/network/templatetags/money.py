from __future__ import annotations

from decimal import Decimal

from django import template

from portal.network.currencies import amount_in_words

register = template.Library()


@register.filter
def money(amount: Decimal, currency: str) -> str:
    """``{{ invoice.balance|money:invoice.currency }}``: "1,234.50 USD"."""
    return amount_in_words(amount, currency)
