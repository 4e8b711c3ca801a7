from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from partners.billing.models import Invoice, Item, LineKind, Period
from partners.models import Partner
from tests.conftest import SETUP

Bill = Callable[..., Invoice]


def month(number: int, *, timezone: str = "UTC") -> Period:
    return Period.month(date(2026, number, 1), timezone)


def item(amount: str = "100.00", **fields: Any) -> Item:
    given = {"kind": LineKind.CONVERSIONS, "offer_id": 42, "offer_name": "Candles", "quantity": 10, **fields}
    return Item(amount=Decimal(amount), **given)


@pytest.fixture
def bill(acme: Partner) -> Bill:
    """``bill("100.00")``: an invoice to Acme over so much, for January 2026 in US dollars unless told otherwise."""

    def raised(*amounts: str, partner: Partner = acme, **fields: Any) -> Invoice:
        items = [item(amount, offer_id=42 + number) for number, amount in enumerate(amounts or ("100.00",))]
        given = {"period": month(1), "currency": "USD", "items": items, "by": SETUP, **fields}
        return Invoice.raise_for(partner, **given)

    return raised
