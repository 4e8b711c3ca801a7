from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils.timezone import now

from partners.models import Partner
from partners.offers.models import (
    AlreadyWithdrawn,
    CodeIsTaken,
    CouponCode,
    Deal,
    Offer,
    ProductFeed,
    ProductFeedItem,
    Standing,
)
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from tests.conftest import SETUP

pytestmark = pytest.mark.django_db

Launch = Callable[..., Offer]
TODAY = date(2031, 5, 10)


def product(sku: str, **fields: Any) -> ProductFeedItem:
    given = {"name": sku.title(), "url_link": f"https://shop.example/{sku}", "price": Decimal(20), **fields}
    return ProductFeedItem(sku=sku, **given)


@pytest.mark.parametrize(
    ("first", "last", "standing"),
    [
        (None, None, Standing.ACTIVE),
        (TODAY, TODAY, Standing.ACTIVE),
        (date(2031, 5, 11), None, Standing.UPCOMING),
        (None, date(2031, 5, 9), Standing.EXPIRED),
    ],
)
def test_a_deal_holds_from_its_first_day_to_its_last(
    first: date | None, last: date | None, standing: Standing, launch: Launch
) -> None:
    deal = launch().add_deal(name="Spring sale", deal_type="discount", valid_from=first, valid_to=last, by=SETUP)

    found = [each for each in Standing if Deal.objects.standing(each, TODAY).exists()]

    assert found == [standing] == [deal.standing(TODAY)]


def test_what_was_withdrawn_is_withdrawn_once_and_for_good(launch: Launch) -> None:
    deal = launch().add_deal(name="Spring sale", deal_type="discount", by=SETUP)
    seen_before = Deal.objects.get()
    deal.withdraw(by=SETUP)

    with pytest.raises(AlreadyWithdrawn):
        seen_before.withdraw(by=SETUP)

    assert Deal.objects.standing(Standing.WITHDRAWN, TODAY).get().standing(TODAY) == "withdrawn"
    assert Event.objects.filter(kind=EventKind.DEAL_WITHDRAWN).count() == 1


def test_a_coupon_code_is_one_coupons_in_any_case_until_that_is_withdrawn(launch: Launch, acme: Partner) -> None:
    offer, other = launch(), launch("Lamps")
    first = offer.add_coupon(code="GLOW10", partner=acme, by=SETUP)
    with pytest.raises(CodeIsTaken):
        other.add_coupon(code="glow10", by=SETUP)

    first.withdraw(by=SETUP)
    second = other.add_coupon(code="glow10", by=SETUP)

    assert CouponCode.objects.named("Glow10").get() == second
    assert Event.objects.get(kind=EventKind.COUPON_WITHDRAWN).partner_id == acme.pk


def test_a_partner_uses_its_own_coupons_and_everybodys(launch: Launch, acme: Partner, other_partner: Partner) -> None:
    offer = launch()
    offer.add_coupon(code="ALL", by=SETUP)
    offer.add_coupon(code="ACME", partner=acme, by=SETUP)

    usable = [
        [coupon.code for coupon in CouponCode.objects.usable_by(partner).for_answer()]
        for partner in (acme, other_partner)
    ]

    assert usable == [["ALL", "ACME"], ["ALL"]]


def test_a_feed_holds_what_it_was_last_filled_with_and_products_keep_their_numbers(launch: Launch) -> None:
    feed = launch().add_feed(name="All candles", by=SETUP)
    feed.fill([product("beeswax"), product("soy")], by=SETUP)
    beeswax = feed.items.get(sku="beeswax")

    count = feed.fill([product("beeswax", price=Decimal("18.5")), product("stearin")], by=SETUP)

    assert count == 2
    assert [item.sku for item in feed.items.all()] == ["beeswax", "stearin"]
    assert feed.items.get(pk=beeswax.pk).price == Decimal("18.5")
    assert Event.objects.filter(kind=EventKind.FEED_FILLED, details={"products": 2}).count() == 2
    assert feed.filled_at is not None


@pytest.mark.parametrize(
    ("model", "values", "constraint"),
    [
        (Deal, {"deal_type": "raffle"}, "deal_type_is_known"),
        (Deal, {"discount_percentage": 101}, "deal_discount_is_in_range"),
        (Deal, {"discount_amount": 5}, "deal_discount_has_a_currency"),
        (Deal, {"valid_from": date(2031, 2, 2), "valid_to": date(2031, 2, 1)}, "deal_ends_after_it_begins"),
        (Deal, {"withdrawn_at": now()}, "deal_withdrawn_at_and_by"),
        (CouponCode, {"code": ""}, "coupon_code_is_one_word"),
        (CouponCode, {"code": "TWO WORDS"}, "coupon_code_is_one_word"),
        (CouponCode, {"valid_from": date(2031, 2, 2), "valid_to": date(2031, 2, 1)}, "coupon_ends_after_it_begins"),
        (CouponCode, {"withdrawn_by": "Vera"}, "coupon_withdrawn_at_and_by"),
        (ProductFeed, {"valid_from": date(2031, 2, 2), "valid_to": date(2031, 2, 1)}, "product_feed_ends_after_it"),
        (ProductFeedItem, {"price": -1}, "product_price_is_not_negative"),
        (ProductFeedItem, {"url_link": ""}, "product_has_an_address"),
    ],
)
def test_the_database_refuses_what_cannot_be(
    model: Any, values: dict[str, Any], constraint: str, launch: Launch
) -> None:
    furnish(launch())

    with pytest.raises(IntegrityError, match=constraint):
        model.objects.update(**values)


@pytest.mark.parametrize(
    ("model", "constraint"),
    [
        (CouponCode, "coupon_code_is_taken_once"),
        (ProductFeed, "product_feed_name_is_unique"),
        (ProductFeedItem, "product_is_once_in_its_feed"),
    ],
)
def test_what_there_is_once_is_not_there_twice(model: Any, constraint: str, launch: Launch) -> None:
    furnish(launch())
    row = model.objects.get()
    row.pk = None

    with pytest.raises(IntegrityError, match=constraint):
        row.save(force_insert=True)


def furnish(offer: Offer) -> None:
    offer.add_deal(name="Spring sale", deal_type="discount", by=SETUP)
    offer.add_coupon(code="GLOW10", by=SETUP)
    offer.add_feed(name="All candles", by=SETUP).fill([product("beeswax")], by=SETUP)
