from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from partners.offers.models import Advertiser, Category, Offer, PayoutType, Terms
from tests.conftest import SETUP

Launch = Callable[..., Offer]


@pytest.fixture
def launch(db: None) -> Launch:
    """``launch(name)``: an offer that is active, public and pays 10 per conversion, unless told otherwise."""
    advertiser = Advertiser.sign_up(name="Tallow & Reed", by=SETUP)
    category = Category.add(name="Home", by=SETUP)

    def launched(name: str = "Candles", **fields: Any) -> Offer:
        given = {"status": "active", "visibility": "public", "pays": Terms(PayoutType.CPA, Decimal(10)), **fields}
        where = f"https://{name.lower().replace(' ', '-')}.example/"
        return Offer.launch(
            advertiser=advertiser, category=category, name=name, destination_url=where, by=SETUP, **given
        )

    return launched


@pytest.fixture
def offer(db: None) -> Offer:
    return Offer.launch(
        name="Summer Shoes",
        advertiser=Advertiser.sign_up(name="Shoe House", by=SETUP),
        category=Category.add(name="Fashion", by=SETUP),
        status=Offer.Status.ACTIVE,
        visibility=Offer.Visibility.PUBLIC,
        destination_url="https://shop.example/",
        pays=Terms(PayoutType.CPA, Decimal(10)),
        by=SETUP,
    )
