"""Coupon codes, deals and product feeds, as far as they are a partner's to use."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils.timezone import localdate
from ninja import Router
from ninja.errors import HttpError
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.config import JsonDict

from partners.api import Paging, PartnerRequest
from partners.offers.api.offers import LARGEST_ID, offer_of, runnable_offer_of
from partners.offers.links import Links
from partners.offers.models import CouponCode, Deal, Offer, ProductFeed, Standing
from partners.offers.models.promotions import DealQuerySet
from portal.network.currencies import money
from portal.network.models import Network
from portal.web.api import EXPORTS, PAGED, day, limited, paged, paging, reads
from portal.web.exports import stream_csv

affiliates = Router(tags=["Offers"])

# Withdrawn ones are nobody's to use, so nobody is told of them.
TOLD = (Standing.ACTIVE, Standing.UPCOMING, Standing.EXPIRED)
STATUSES = "active, upcoming (before its first day) or expired (after its last)."
DAY = "YYYY-MM-DD, in the network's time zone; empty: none."
CSV_COLUMNS = (
    "sku",
    "name",
    "description",
    "url_link",
    "price",
    "url_link_mobile",
    "image_url",
    "image_url_mobile",
    "brand",
    "availability",
    "date_valid_from",
    "date_valid_to",
)

COUPON_EXAMPLE: JsonDict = {
    "network_coupon_code_id": 12,
    "network_offer_id": 42,
    "coupon_code": "GLOW10",
    "coupon_status": "active",
    "description": "10 % off the first order",
    "start_date": "2026-05-01",
    "end_date": "",
}
DEAL_EXAMPLE: JsonDict = {
    "network_advertiser_deal_id": 5,
    "network_offer_id": 42,
    "name": "Spring sale",
    "brand_name": "Tallow & Reed",
    "deal_type": "discount",
    "deal_status": "active",
    "description": "15 % off all beeswax candles",
    "restrictions": "Not with other discounts.",
    "coupon_code": "SPRING15",
    "coupon_code_discount_percentage": 15.0,
    "coupon_code_discount_amount": 0.0,
    "coupon_code_discount_currency_id": "",
    "date_valid_from": "2026-05-01",
    "date_valid_to": "2026-05-31",
}
FEED_EXAMPLE: JsonDict = {
    "network_advertiser_product_feed_id": 3,
    "network_offer_id": 42,
    "name": "All candles",
    "number_of_products": 48,
    "date_valid_from": "2026-05-01",
    "date_valid_to": "",
}


class CouponInfo(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [COUPON_EXAMPLE]})

    network_coupon_code_id: int = Field(description="Number of the coupon code.")
    network_offer_id: int = Field(description="Number of the offer it is for.")
    coupon_code: str = Field(description="What customers enter.")
    coupon_status: str = Field(description=STATUSES)
    description: str = Field(description="What customers get; may be empty.")
    start_date: str = Field(description=f"First day, {DAY}")
    end_date: str = Field(description=f"Last day, {DAY}")


class Coupons(Paging):
    coupon_codes: list[CouponInfo]
    paging: Paging


class DealInfo(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [DEAL_EXAMPLE]})

    network_advertiser_deal_id: int = Field(description="Number of the deal.")
    network_offer_id: int = Field(description="Number of the offer it is for.")
    name: str = Field(description="What the deal is called.")
    brand_name: str = Field(description="Whose products it is about; may be empty.")
    deal_type: str = Field(description="discount, free_shipping, gift, bundle or other.")
    deal_status: str = Field(description=STATUSES)
    description: str = Field(description="What customers get; may be empty.")
    restrictions: str = Field(description="What it does not hold for; may be empty.")
    coupon_code: str = Field(description="What customers enter; empty when nothing has to be.")
    coupon_code_discount_percentage: float = Field(description="Percent off the price; 0: none.")
    coupon_code_discount_amount: float = Field(description="Money off the price, in its currency; 0: none.")
    coupon_code_discount_currency_id: str = Field(description="ISO 4217 code; empty without an amount.")
    date_valid_from: str = Field(description=f"First day, {DAY}")
    date_valid_to: str = Field(description=f"Last day, {DAY}")


class Deals(Paging):
    deals: list[DealInfo]
    paging: Paging


class DealFilter(BaseModel):
    model_config = ConfigDict(extra="forbid")

    resource_type: str = Field(
        description="offer (its number), deal_status or deal_type.",
        json_schema_extra={"enum": ["offer", "deal_status", "deal_type"]},
    )
    filter_id_value: str | int = Field(description="The value that is looked for.")

    @field_validator("filter_id_value", mode="before")
    @classmethod
    def be_no_truth(cls, value: object) -> object:
        """Python takes true for 1, and an offer 1 there may be."""
        if isinstance(value, bool):
            raise ValueError("it has to be a text or a number")
        return value


class DealQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    filters: list[DealFilter] = Field(
        default=[], description="Of the same resource_type: one of them; of different ones: all."
    )


class DealSearch(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "query": {
                        "filters": [
                            {"resource_type": "offer", "filter_id_value": 42},
                            {"resource_type": "deal_status", "filter_id_value": "active"},
                        ]
                    },
                    "page": 1,
                    "page_size": 50,
                }
            ]
        },
    )

    query: DealQuery | None = None
    page: Any = Field(default=None, description="Which page, from 1. The query string counts before it.")
    page_size: Any = Field(
        default=None, description="How many on a page, at most 2000. The query string counts before it."
    )


class FeedInfo(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [FEED_EXAMPLE]})

    network_advertiser_product_feed_id: int = Field(description="Number of the feed.")
    network_offer_id: int = Field(description="Number of the offer it is for.")
    name: str = Field(description="What the feed is called.")
    number_of_products: int = Field(description="How many products it holds now.")
    date_valid_from: str = Field(description=f"First day, {DAY}")
    date_valid_to: str = Field(description=f"Last day, {DAY}")


class Feeds(Paging):
    product_feeds: list[FeedInfo]
    paging: Paging


def coupon_info(coupon: CouponCode, today: date) -> dict[str, Any]:
    return {
        "network_coupon_code_id": coupon.pk,
        "network_offer_id": coupon.offer_id,
        "coupon_code": coupon.code,
        "coupon_status": coupon.standing(today).value,
        "description": coupon.description,
        "start_date": day(coupon.valid_from),
        "end_date": day(coupon.valid_to),
    }


def deal_info(deal: Deal, today: date) -> dict[str, Any]:
    return {
        "network_advertiser_deal_id": deal.pk,
        "network_offer_id": deal.offer_id,
        "name": deal.name,
        "brand_name": deal.brand_name,
        "deal_type": deal.deal_type,
        "deal_status": deal.standing(today).value,
        "description": deal.description,
        "restrictions": deal.restrictions,
        "coupon_code": deal.coupon_code,
        "coupon_code_discount_percentage": float(deal.discount_percentage),
        "coupon_code_discount_amount": money(deal.discount_amount, deal.discount_currency),
        "coupon_code_discount_currency_id": deal.discount_currency,
        "date_valid_from": day(deal.valid_from),
        "date_valid_to": day(deal.valid_to),
    }


def feed_info(feed: ProductFeed) -> dict[str, Any]:
    return {
        "network_advertiser_product_feed_id": feed.pk,
        "network_offer_id": feed.offer_id,
        "name": feed.name,
        "number_of_products": feed.item_count,
        "date_valid_from": day(feed.valid_from),
        "date_valid_to": day(feed.valid_to),
    }


@affiliates.get("/couponcodes", response=Coupons, summary="Your coupon codes", openapi_extra=PAGED)
def list_coupons(request: PartnerRequest) -> dict[str, Any]:
    """The coupon codes of the offers that are open to you: those for everybody, and your own. A sale with one of your
    own is yours, even without a click."""
    partner, today = request.call.partner, network_day()
    coupons = CouponCode.objects.usable_by(partner).of(Offer.objects.open_to(partner)).kept()
    page, page_size = paged(request)
    rows = page_of(coupons.for_answer(), page, page_size)
    return {
        "coupon_codes": [coupon_info(coupon, today) for coupon in rows],
        **paging(page, page_size, coupons.count()),
    }


@affiliates.get("/offers/{offer_id}/deals", response=Deals, summary="Deals of an offer", openapi_extra=PAGED)
def list_deals_of_offer(request: PartnerRequest, offer_id: int) -> dict[str, Any]:
    """What to tell customers of an offer that you can see, by number."""
    return deals_listed(request, offer_of(request, offer_id).deals.kept())


@affiliates.post("/deals", response=Deals, summary="Search deals", openapi_extra={"parameters": PAGED["parameters"]})
@reads
def search_deals(request: PartnerRequest, payload: DealSearch | None = None) -> dict[str, Any]:
    """The deals of all offers that you can see, those that match the filters, by number."""
    search = payload or DealSearch()
    deals = Deal.objects.kept().of(Offer.objects.visible_to_partner(request.call.partner))
    deals = narrowed(deals, (search.query or DealQuery()).filters)
    return deals_listed(request, deals, {"page": search.page, "page_size": search.page_size})


@affiliates.get(
    "/offers/{offer_id}/productfeeds", response=Feeds, summary="Product feeds of an offer", openapi_extra=PAGED
)
def list_feeds(request: PartnerRequest, offer_id: int) -> dict[str, Any]:
    """The feeds of the products that an offer sells, for who shows them one by one."""
    feeds = offer_of(request, offer_id).product_feeds.kept()
    page, page_size = paged(request)
    rows = page_of(feeds.for_answer(), page, page_size)
    return {"product_feeds": [feed_info(feed) for feed in rows], **paging(page, page_size, feeds.count())}


@affiliates.get(
    "/offers/{offer_id}/productfeeds/{feed_id}/download",
    summary="Download a product feed",
    openapi_extra={
        "responses": {
            200: {
                "description": "The products, one a line.",
                "content": {
                    "text/csv": {
                        "schema": {"type": "string"},
                        "example": (
                            f"{','.join(CSV_COLUMNS)}\n"
                            "BW-20,Candle,,https://go.example.com/t/9HMHV4/5NLZGC/?product_id=7,18.5,,,,,in stock,,\n"
                        ),
                    }
                },
            }
        }
    },
)
@limited(EXPORTS)
def download_feed(request: PartnerRequest, offer_id: int, feed_id: int) -> StreamingHttpResponse:
    """The products as CSV, by sku, prices in the offer's currency. The links are your tracking links, each to its
    product. For an offer that you cannot run this is a 400 that says why."""
    offer = runnable_offer_of(request, offer_id)
    feed = get_object_or_404(offer.product_feeds.kept(), pk=feed_id)
    rows = products(feed, offer, Links.of(request.call.partner))
    return stream_csv(f"products-{feed.pk}.csv", CSV_COLUMNS, rows)


def products(feed: ProductFeed, offer: Offer, links: Links) -> Iterator[dict[str, object]]:
    for item in feed.items.iterator():
        link = links.click(offer, product_id=item.pk)
        yield {
            "sku": item.sku,
            "name": item.name,
            "description": item.description,
            "url_link": link,
            "price": money(item.price, offer.currency),
            # One link for both: a click knows what it was made with, and leads there.
            "url_link_mobile": link if item.url_link_mobile else "",
            "image_url": item.image_url,
            "image_url_mobile": item.image_url_mobile,
            "brand": item.brand,
            "availability": item.availability,
            "date_valid_from": day(item.valid_from),
            "date_valid_to": day(item.valid_to),
        }


def network_day() -> date:
    return localdate(timezone=Network.load().zone)


def page_of(rows: QuerySet[Any], page: int, page_size: int) -> QuerySet[Any]:
    first = (page - 1) * page_size
    return rows[first : first + page_size]


def deals_listed(request: PartnerRequest, deals: DealQuerySet, body: dict[str, Any] | None = None) -> dict[str, Any]:
    today = network_day()
    page, page_size = paged(request, body)
    rows = page_of(deals.for_answer(), page, page_size)
    return {"deals": [deal_info(deal, today) for deal in rows], **paging(page, page_size, deals.count())}


def narrowed(deals: DealQuerySet, filters: list[DealFilter]) -> DealQuerySet:
    """:raises HttpError: 400 naming a filter that there is not, or a value that it does not take"""
    asked: dict[str, list[str]] = {}
    for each in filters:
        asked.setdefault(each.resource_type, []).append(str(each.filter_id_value))
    if unknown := asked.keys() - {"offer", "deal_status", "deal_type"}:
        raise HttpError(400, f"resource_type: {min(unknown)[:80]} is not one. There are offer, deal_status, deal_type")
    if "offer" in asked:
        deals = deals.filter(offer__in=[number_in(text) for text in asked["offer"]])
    if "deal_type" in asked:
        deals = deals.filter(deal_type__in=[one_of("deal_type", text, Deal.Type.values) for text in asked["deal_type"]])
    if "deal_status" in asked:
        statuses = [one_of("deal_status", text, [each.value for each in TOLD]) for text in asked["deal_status"]]
        deals = deals.standing_in([Standing(status) for status in statuses], network_day())
    return deals


def number_in(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 19 or int(text) > LARGEST_ID:
        raise HttpError(400, f"filter_id_value: {text[:80]} is not the number of an offer")
    return int(text)


def one_of(name: str, text: str, values: list[str]) -> str:
    if text not in values:
        raise HttpError(400, f"filter_id_value: {text[:80]} is not a {name}. There are {', '.join(values)}")
    return text
