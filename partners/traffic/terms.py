"""What a click, an impression or a conversion comes to under given terms."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

NOTHING = Decimal(0)
# As exact as the columns of a conversion and of an impression.
CENTS = Decimal("0.0001")
CENTS_OF_A_THOUSANDTH = Decimal("0.0000001")

PER_CLICK = frozenset({"cpc", "rpc"})
PER_THOUSAND = frozenset({"cpm", "rpm"})
PER_CONVERSION = frozenset({"cpa", "cpa_cps", "rpa", "rpa_rps"})
SHARE_OF_SALE = frozenset({"cps", "cpa_cps", "rps", "rpa_rps"})


def for_click(kind: str, amount: Decimal) -> Decimal:
    """What one unique click comes to."""
    return amount if kind in PER_CLICK else NOTHING


def for_impression(kind: str, amount: Decimal) -> Decimal:
    """What one impression comes to: exactly a thousandth of the amount."""
    return (amount / 1000).quantize(CENTS_OF_A_THOUSANDTH) if kind in PER_THOUSAND else NOTHING


def for_conversion(kind: str, amount: Decimal, percentage: Decimal, sale: Decimal) -> Decimal:
    """What one conversion comes to; nothing when clicks or impressions are paid for."""
    fixed = amount if kind in PER_CONVERSION else NOTHING
    share = sale * percentage / 100 if kind in SHARE_OF_SALE else NOTHING
    return (fixed + share).quantize(CENTS, ROUND_HALF_UP)
