"""The Network API of what belongs to offers: advertisers, coupon codes, and affiliates' links (wire.md section 10)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router
from ninja.errors import HttpError
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr
from pydantic.config import JsonDict

from partners.api import NetworkRequest, Paging
from partners.models import Partner
from partners.offers.api.network_offers import AdvertiserInfo, advertiser_info
from partners.offers.api.offers import LARGEST_ID, LONGEST_TEXT, TEXTS, LinkAnswer
from partners.offers.api.promotions import COUPON_EXAMPLE, CouponInfo, coupon_info, network_day, page_of
from partners.offers.links import Links
from partners.offers.models import Advertiser, CouponCode, Offer, Standing
from partners.offers.models.promotions import CouponCodeQuerySet
from portal.web.api import PAGED, paged, paging, reads

networks = Router(tags=["Offers"])

SUB = "Text that reports can be broken down by."
NUMBERS = ("network_offer_id", "network_affiliate_id")
ORDER: JsonDict = {"network_offer_id": 42, "network_affiliate_id": 12, "sub1": "blog"}


class Advertisers(Paging):
    advertisers: list[AdvertiserInfo]
    paging: Paging


class NetworkCoupon(CouponInfo):
    model_config = ConfigDict(json_schema_extra={"examples": [{**COUPON_EXAMPLE, "network_affiliate_id": 12}]})

    coupon_status: str = Field(
        description="active, upcoming (before its first day), expired (after its last) or withdrawn."
    )
    network_affiliate_id: int = Field(description="Number of the affiliate whose it is; 0: everybody's.")


class NetworkCoupons(Paging):
    coupon_codes: list[NetworkCoupon]
    paging: Paging


class LinkOrder(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [ORDER]})

    network_offer_id: StrictInt = Field(description="Number of the offer.", ge=1, le=LARGEST_ID)
    network_affiliate_id: StrictInt = Field(description="Number of the affiliate.", ge=1, le=LARGEST_ID)
    network_offer_url_id: StrictInt = Field(
        default=0, description="Number of the landing page; 0: the offer's own.", ge=0, le=LARGEST_ID
    )
    creative_id: StrictInt = Field(default=0, description="Number of the creative; 0: none.", ge=0, le=LARGEST_ID)
    source_id: StrictStr = Field(default="", description="Where the traffic comes from.", max_length=LONGEST_TEXT)
    coupon_code: StrictStr = Field(
        default="", description="The coupon code that the advertisement names.", max_length=LONGEST_TEXT
    )
    sub1: StrictStr = Field(default="", description=SUB, max_length=LONGEST_TEXT)
    sub2: StrictStr = Field(default="", description=SUB, max_length=LONGEST_TEXT)
    sub3: StrictStr = Field(default="", description=SUB, max_length=LONGEST_TEXT)
    sub4: StrictStr = Field(default="", description=SUB, max_length=LONGEST_TEXT)
    sub5: StrictStr = Field(default="", description=SUB, max_length=LONGEST_TEXT)
    sub6: StrictStr = Field(default="", description=SUB, max_length=LONGEST_TEXT)
    sub7: StrictStr = Field(default="", description=SUB, max_length=LONGEST_TEXT)
    sub8: StrictStr = Field(default="", description=SUB, max_length=LONGEST_TEXT)
    sub9: StrictStr = Field(default="", description=SUB, max_length=LONGEST_TEXT)
    sub10: StrictStr = Field(default="", description=SUB, max_length=LONGEST_TEXT)


@networks.get("/advertisers", response=Advertisers, summary="All advertisers", openapi_extra=PAGED)
def list_advertisers(request: NetworkRequest) -> dict[str, Any]:
    """Whose offers there are, by number."""
    advertisers = Advertiser.objects.order_by("pk")
    page, page_size = paged(request)
    rows = page_of(advertisers, page, page_size)
    return {
        "advertisers": [advertiser_info(advertiser) for advertiser in rows],
        **paging(page, page_size, advertisers.count()),
    }


@networks.get(
    "/couponcodes",
    response=NetworkCoupons,
    summary="All coupon codes",
    openapi_extra={
        "parameters": [
            {
                "name": "network_offer_id",
                "in": "query",
                "description": "Those of this offer.",
                "schema": {"type": "integer", "minimum": 0},
            },
            {
                "name": "network_affiliate_id",
                "in": "query",
                "description": "Those of this affiliate; 0: those that are everybody's.",
                "schema": {"type": "integer", "minimum": 0},
            },
            {
                "name": "coupon_status",
                "in": "query",
                "description": "active, upcoming, expired or withdrawn.",
                "schema": {"enum": list(Standing.values)},
            },
            *PAGED["parameters"],
        ]
    },
)
def list_network_coupons(request: NetworkRequest) -> dict[str, Any]:
    """The coupon codes of all offers and affiliates, by number; withdrawn ones, too."""
    today = network_day()
    coupons = coupons_asked_for(request)
    page, page_size = paged(request)
    rows = page_of(coupons.order_by("pk"), page, page_size)
    return {
        "coupon_codes": [
            {**coupon_info(coupon, today), "network_affiliate_id": coupon.partner_id or 0} for coupon in rows
        ],
        **paging(page, page_size, coupons.count()),
    }


def coupons_asked_for(request: HttpRequest) -> CouponCodeQuerySet:
    """:raises HttpError: 400 that names an unknown value"""
    coupons: CouponCodeQuerySet = CouponCode.objects.all()
    for name in request.GET:
        value = str(request.GET[name])
        if name in NUMBERS:
            if not (value.isascii() and value.isdecimal()):
                raise HttpError(400, f"{name}: {value[:80]} is not a number")
            field = "offer" if name == "network_offer_id" else "partner"
            # A number that long is nobody's.
            coupons = coupons.filter(**{field: int(value) or None}) if len(value) < 19 else coupons.none()
        elif name == "coupon_status":
            if value not in Standing.values:
                raise HttpError(400, f"{name}: {value[:80]} is not one. There are {', '.join(Standing.values)}")
            coupons = coupons.standing(Standing(value), network_day())
    return coupons


@networks.post("/tracking/offers/clicks", response=LinkAnswer, summary="An affiliate's tracking link")
@reads
def make_network_tracking_link(request: NetworkRequest, payload: LinkOrder) -> dict[str, Any]:
    """The affiliate's link to the offer, or to another of its landing pages, with what else is sent carried in it.

    For an offer that the affiliate cannot run this is a 400 that says why.
    """
    links, offer = ordered_links(payload)
    return {"url": links.click(offer, **carried(payload))}


@networks.post("/tracking/offers/impressions", response=LinkAnswer, summary="An affiliate's impression pixel")
@reads
def make_network_impression_link(request: NetworkRequest, payload: LinkOrder) -> dict[str, Any]:
    """The address of a picture that nobody sees, to be loaded where the affiliate advertises the offer.

    For an offer that the affiliate cannot run this is a 400 that says why.
    """
    links, offer = ordered_links(payload)
    return {"url": links.impression(offer, **carried(payload))}


def ordered_links(payload: LinkOrder) -> tuple[Links, Offer]:
    """:raises HttpError: 400 that names what there is not, or why there is no link"""
    partner = Partner.objects.filter(pk=payload.network_affiliate_id).first()
    if partner is None:
        raise HttpError(400, f"network_affiliate_id: there is no affiliate {payload.network_affiliate_id}")
    offer = Offer.objects.for_answer(partner).filter(pk=payload.network_offer_id).first()
    if offer is None:
        raise HttpError(400, f"network_offer_id: there is no offer {payload.network_offer_id}")
    if offer.obstacle_to_others:
        raise HttpError(400, f"network_offer_id: {partner.pk} cannot run {offer.pk}: {offer.obstacle_to_others}")
    if payload.network_offer_url_id and all(url.pk != payload.network_offer_url_id for url in offer.urls.all()):
        raise HttpError(400, f"network_offer_url_id: {payload.network_offer_url_id} is not a landing page of the offer")
    if payload.creative_id and all(creative.pk != payload.creative_id for creative in offer.creatives.all()):
        raise HttpError(400, f"creative_id: {payload.creative_id} is not a creative of the offer")
    return Links.of(partner), offer


def carried(payload: LinkOrder) -> dict[str, object]:
    texts: dict[str, object] = {name: getattr(payload, name) for name in TEXTS}
    return {**texts, "creative_id": payload.creative_id, "url_id": payload.network_offer_url_id}
