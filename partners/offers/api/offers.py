"""Which offers there are, which a partner may run, and the links it runs them with."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router
from ninja.errors import HttpError
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from partners.api import Paging, PartnerRequest
from partners.offers.links import Links
from partners.offers.models import Creative, NeedsNoApproval, Offer, OfferPayout, OfferUrl, PayoutType
from partners.offers.models.offer import CAP_SPANS, CAPPED, OfferQuerySet
from portal.network.countries import COUNTRIES
from portal.network.currencies import money
from portal.web.api import PAGED, collection, day, paged, paging, seconds

affiliates = Router(tags=["Offers"])

LARGEST_ID = 2**63 - 1
# What a call may say in the query string to have it in the link; creative_id is looked up first.
TEXTS = (*(f"sub{number}" for number in range(1, 11)), "source_id", "coupon_code")
LONGEST_TEXT = 500

EXAMPLE_PAYOUT: JsonDict = {
    "network_offer_payout_revenue_id": 61,
    "entry_name": "Base",
    "payout_type": "cpa_cps",
    "payout_amount": 4.0,
    "payout_percentage": 6.0,
    "is_default": True,
}
EXAMPLE: JsonDict = {
    "network_offer_id": 42,
    "network_id": 1,
    "name": "Tallow & Reed: candles by post",
    "thumbnail_url": "https://cdn.tallow-reed.example/thumbnail.png",
    "network_category_id": 3,
    "network_category_name": "Home & Garden",
    "preview_url": "https://www.tallow-reed.example/",
    "offer_status": "active",
    "currency_id": "EUR",
    "visibility": "require_approval",
    "html_description": "<p>Beeswax candles, poured to order.</p>",
    "terms_and_conditions": "No bidding on the brand.",
    "is_caps_enabled": True,
    **{f"{span}_{what}_cap": 0 for span in CAP_SPANS for what in CAPPED},
    "daily_conversion_cap": 200,
    "date_live_until": "2026-12-31",
    "tracking_url": "https://go.example.com/t/9HMHV4/5NLZGC/",
    "impression_tracking_url": "https://go.example.com/i/9HMHV4/5NLZGC/",
    "time_created": 1777593600,
    "time_saved": 1777680000,
    "default_payout": 4.0,
    "payout_type": "cpa_cps",
    "relationship": {
        "offer_affiliate_status": "approved",
        "status": "approved",
        "category": {"network_category_id": 3, "network_id": 1, "name": "Home & Garden", "status": "active"},
        "payouts": {"total": 1, "entries": [EXAMPLE_PAYOUT]},
        "urls": {
            "total": 1,
            "entries": [
                {
                    "network_offer_url_id": 17,
                    "name": "Winter sale",
                    "destination_url": "https://www.tallow-reed.example/sale",
                    "preview_url": "https://www.tallow-reed.example/sale",
                }
            ],
        },
        "creatives": {
            "total": 1,
            "entries": [
                {
                    "network_offer_creative_id": 88,
                    "name": "Leaderboard",
                    "creative_type": "image",
                    "resource_url": "https://cdn.tallow-reed.example/728x90.png",
                    "width": 728,
                    "height": 90,
                    "html_code": '<a href="https://go.example.com/t/9HMHV4/5NLZGC/?creative_id=88">…</a>',
                }
            ],
        },
        "ruleset": {
            "countries": [
                {"country_code": "DE", "label": "Germany", "targeting_type": "include", "match_type": "exact"}
            ]
        },
    },
}


class CategoryInfo(BaseModel):
    network_category_id: int = Field(description="Number of the category.")
    network_id: int = Field(description="Number of the network; always 1.")
    name: str = Field(description="What the category is called.")
    status: str = Field(description="Always active.")


class PayoutInfo(BaseModel):
    network_offer_payout_revenue_id: int = Field(description="Number of the payout.")
    entry_name: str = Field(description="Base for the conversion itself, else the name of the event that is paid.")
    payout_type: str = Field(
        description="cpa: per conversion. cps: a share of the sale. cpa_cps: both. cpc: per click. cpm: per 1000 "
        "impressions."
    )
    payout_amount: float = Field(
        description="What you are paid, in the offer's currency, with up to 4 decimals; 0 when only a share is paid."
    )
    payout_percentage: float = Field(description="Your share of the sale in percent; 0 when only an amount is paid.")
    is_default: bool = Field(description="Whether it is for the conversion itself.")


class Payouts(BaseModel):
    total: int = Field(description="How many entries there are.")
    entries: list[PayoutInfo]


class UrlInfo(BaseModel):
    network_offer_url_id: int = Field(description="Number of the landing page: url_id in links.")
    name: str = Field(description="What the landing page is called.")
    destination_url: str = Field(description="Where it leads, with the macros that a click fills.")
    preview_url: str = Field(description="The same as destination_url.")


class Urls(BaseModel):
    total: int = Field(description="How many entries there are.")
    entries: list[UrlInfo]


class CreativeInfo(BaseModel):
    network_offer_creative_id: int = Field(description="Number of the creative: creative_id in links.")
    name: str = Field(description="What the creative is called.")
    creative_type: str = Field(description="image, video, html, text or email.")
    resource_url: str = Field(description="The picture or film; empty for the other types.")
    width: int = Field(description="Pixels; 0 when it has no size.")
    height: int = Field(description="Pixels; 0 when it has no size.")
    html_code: str = Field(
        description="What to put into your page, your tracking link in it. While you cannot run the offer: as the "
        "advertiser gave it, with {tracking_link} where the link will stand."
    )


class Creatives(BaseModel):
    total: int = Field(description="How many entries there are.")
    entries: list[CreativeInfo]


class CountryRule(BaseModel):
    country_code: str = Field(description="ISO 3166-1 alpha-2.")
    label: str = Field(description="Name for people.")
    targeting_type: str = Field(description="Always include: traffic from there is taken.")
    match_type: str = Field(description="Always exact.")


class Ruleset(BaseModel):
    countries: list[CountryRule] = Field(description="Where traffic may come from; empty: from everywhere.")


class Relationship(BaseModel):
    offer_affiliate_status: str = Field(
        description="How you stand to it. public: you may run it. require_approval: apply for it. pending, approved, "
        "rejected: what has become of your application."
    )
    status: str = Field(description="The same as offer_affiliate_status.")
    category: CategoryInfo
    payouts: Payouts
    urls: Urls
    creatives: Creatives
    ruleset: Ruleset


class OfferFields(BaseModel):
    network_offer_id: int = Field(description="Number of the offer.")
    network_id: int = Field(description="Number of the network; always 1.")
    name: str = Field(description="What the offer is called.")
    thumbnail_url: str = Field(description="A small picture; empty without one.")
    network_category_id: int = Field(description="Number of the category.")
    network_category_name: str = Field(description="What its category is called.")
    preview_url: str = Field(description="Where to look at what is promoted; no link to promote it with.")
    offer_status: str = Field(description="active, paused or pending.")
    currency_id: str = Field(description="ISO 4217 code of the currency that all its amounts are in.")
    visibility: str = Field(description="public, require_approval or private.")
    html_description: str = Field(description="What it is about, as HTML; may be empty.")
    terms_and_conditions: str = Field(description="What you agree to when you run it; may be empty.")
    is_caps_enabled: bool = Field(description="Whether any of its caps is not 0.")
    date_live_until: str = Field(description="The last day, YYYY-MM-DD, in the network's time zone; empty: no end.")
    tracking_url: str = Field(description="Your link to it; empty while you cannot run it.")
    impression_tracking_url: str = Field(description="Your impression pixel; empty while you cannot run it.")
    time_created: int = Field(description="Unix seconds.")
    time_saved: int = Field(description="Unix seconds.")
    default_payout: float = Field(
        description="What a conversion pays you: an amount in the offer's currency, or for cps the percentage."
    )
    payout_type: str = Field(description="Of the default payout: cpa, cps, cpa_cps, cpc or cpm.")


class Caps(BaseModel):
    daily_conversion_cap: int = Field(description="Conversions a day; 0: no cap.")
    daily_payout_cap: float = Field(description="Payout a day, in the offer's currency; 0: no cap.")
    daily_click_cap: int = Field(description="Clicks a day; 0: no cap.")
    weekly_conversion_cap: int = Field(description="Conversions a week; 0: no cap.")
    weekly_payout_cap: float = Field(description="Payout a week, in the offer's currency; 0: no cap.")
    weekly_click_cap: int = Field(description="Clicks a week; 0: no cap.")
    monthly_conversion_cap: int = Field(description="Conversions a month; 0: no cap.")
    monthly_payout_cap: float = Field(description="Payout a month, in the offer's currency; 0: no cap.")
    monthly_click_cap: int = Field(description="Clicks a month; 0: no cap.")
    global_conversion_cap: int = Field(description="Conversions in all; 0: no cap.")
    global_payout_cap: float = Field(description="Payout in all, in the offer's currency; 0: no cap.")
    global_click_cap: int = Field(description="Clicks in all; 0: no cap.")


class OfferInfo(Caps, OfferFields):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    relationship: Relationship


class Offers(Paging):
    offers: list[OfferInfo]
    paging: Paging


class LinkAnswer(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": "https://go.example.com/t/9HMHV4/5NLZGC/?sub1=blog"}]}
    )

    url: str = Field(description="The link, with what the query string asked for in it.")


class Applied(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"result": True, "network_offer_id": 42, "offer_affiliate_status": "pending"}]}
    )

    result: bool = Field(description="Always true.")
    network_offer_id: int = Field(description="Number of the offer.")
    offer_affiliate_status: str = Field(description="pending; or approved or rejected, when that was decided before.")


def text_parameter(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": {"type": "string", "maxLength": LONGEST_TEXT},
    }


LINKED = {
    "parameters": [
        *(
            text_parameter(f"sub{number}", "Text of yours that reports can be broken down by.")
            for number in range(1, 11)
        ),
        text_parameter("source_id", "Where the traffic comes from, such as one of your sites."),
        {
            "name": "creative_id",
            "in": "query",
            "description": "Number of the creative that is shown.",
            "schema": {"type": "integer", "minimum": 0},
        },
        text_parameter("coupon_code", "The coupon code that the advertisement names."),
    ]
}


def payout_info(payout: OfferPayout) -> dict[str, Any]:
    terms = payout.own_terms
    return {
        "network_offer_payout_revenue_id": payout.pk,
        "entry_name": payout.event_name or "Base",
        "payout_type": terms.payout_type.value,
        # A rate, such as 0.0125 a click, and no sum of money: rounded to cents it would be another one.
        "payout_amount": float(terms.amount),
        "payout_percentage": float(terms.percentage),
        "is_default": payout.is_default,
    }


def url_info(url: OfferUrl) -> dict[str, Any]:
    return {
        "network_offer_url_id": url.pk,
        "name": url.name,
        "destination_url": url.destination_url,
        "preview_url": url.destination_url,
    }


def creative_info(creative: Creative, offer: Offer, links: Links | None) -> dict[str, Any]:
    return {
        "network_offer_creative_id": creative.pk,
        "name": creative.name,
        "creative_type": creative.creative_type,
        "resource_url": creative.resource_url,
        "width": creative.width,
        "height": creative.height,
        "html_code": links.code(creative, offer) if links is not None else creative.html_code,
    }


def country_rule(code: str) -> dict[str, Any]:
    return {
        "country_code": code,
        "label": COUNTRIES.get(code, code),
        "targeting_type": "include",
        "match_type": "exact",
    }


def caps_of(offer: Offer) -> dict[str, Any]:
    caps = {}
    for span in CAP_SPANS:
        caps[f"{span}_conversion_cap"] = getattr(offer, f"{span}_conversion_cap")
        caps[f"{span}_payout_cap"] = money(getattr(offer, f"{span}_payout_cap"), offer.currency)
        caps[f"{span}_click_cap"] = getattr(offer, f"{span}_click_cap")
    return caps


def offer_info(offer: Offer, links: Links | None) -> dict[str, Any]:
    """An offer as its partner sees it, or the network: a row of for_answer() and the partner's links, or one of
    for_network_answer() and none."""
    terms = offer.default_payout.own_terms
    links = links if offer.is_runnable else None
    return {
        "network_offer_id": offer.pk,
        "network_id": 1,
        "name": offer.name,
        "thumbnail_url": offer.thumbnail_url,
        "network_category_id": offer.category_id,
        "network_category_name": offer.category.name,
        "preview_url": offer.preview_url,
        "offer_status": offer.status,
        "currency_id": offer.currency,
        "visibility": offer.visibility,
        "html_description": offer.description,
        "terms_and_conditions": offer.terms_and_conditions,
        "is_caps_enabled": offer.has_caps,
        **caps_of(offer),
        "date_live_until": day(offer.live_until),
        "tracking_url": links.click(offer) if links is not None else "",
        "impression_tracking_url": links.impression(offer) if links is not None else "",
        "time_created": seconds(offer.created_at),
        "time_saved": seconds(offer.updated_at),
        "default_payout": float(terms.percentage if terms.payout_type == PayoutType.CPS else terms.amount),
        "payout_type": terms.payout_type.value,
        "relationship": {
            "offer_affiliate_status": offer.own_status,
            "status": offer.own_status,
            "category": {
                "network_category_id": offer.category_id,
                "network_id": 1,
                "name": offer.category.name,
                "status": "active",
            },
            "payouts": collection(map(payout_info, offer.payouts.all())),
            "urls": collection(map(url_info, offer.urls.all())),
            "creatives": collection(creative_info(creative, offer, links) for creative in offer.creatives.all()),
            "ruleset": {"countries": [country_rule(code) for code in offer.countries]},
        },
    }


@affiliates.get("/alloffers", response=Offers, summary="All offers", openapi_extra=PAGED)
def list_offers(request: PartnerRequest) -> dict[str, Any]:
    """Every offer that you can see, whether you may run it or not, by number."""
    return listed(request, Offer.objects.visible_to_partner(request.call.partner))


@affiliates.get("/offersrunnable", response=Offers, summary="Offers you can run", openapi_extra=PAGED)
def list_runnable_offers(request: PartnerRequest) -> dict[str, Any]:
    """The offers that take your traffic today, by number: active, and public or approved for you."""
    return listed(request, Offer.objects.runnable_by(request.call.partner))


@affiliates.get("/offers/{offer_id}", response=OfferInfo, summary="An offer")
def read_offer(request: PartnerRequest, offer_id: int) -> dict[str, Any]:
    """One of the offers that you can see, with what it pays you, its landing pages, creatives and countries."""
    return offer_info(offer_of(request, offer_id), Links.of(request.call.partner))


@affiliates.get("/offers/{offer_id}/url/{url_id}", response=LinkAnswer, summary="A tracking link", openapi_extra=LINKED)
def make_tracking_link(request: PartnerRequest, offer_id: int, url_id: int) -> dict[str, Any]:
    """Your link to the offer, or with a `url_id` to another of its landing pages (0: its own). What the query string
    says of `sub1` to `sub10`, `source_id`, `creative_id` and `coupon_code` is carried into it.

    For an offer that you cannot run this is a 400 that says why.
    """
    offer = runnable_offer_of(request, offer_id)
    return {"url": Links.of(request.call.partner).click(offer, **carried(request, offer, url_id))}


@affiliates.get(
    "/offers/{offer_id}/impressionurl/{url_id}",
    response=LinkAnswer,
    summary="An impression pixel",
    openapi_extra=LINKED,
)
def make_impression_link(request: PartnerRequest, offer_id: int, url_id: int) -> dict[str, Any]:
    """The address of a picture that nobody sees, to be loaded where the offer is advertised. What it carries is as for
    the tracking link.

    For an offer that you cannot run this is a 400 that says why.
    """
    offer = runnable_offer_of(request, offer_id)
    return {"url": Links.of(request.call.partner).impression(offer, **carried(request, offer, url_id))}


@affiliates.post("/offers/{offer_id}/application", response=Applied, summary="Apply for an offer")
def apply_for_offer(request: PartnerRequest, offer_id: int) -> dict[str, Any]:
    """Asks the network to let you run an offer that needs approval. Whoever asks again gets the same answer, and what
    has become of the application. A public offer needs no application: 400."""
    offer, partner = offer_of(request, offer_id), request.call.partner
    try:
        application = offer.apply(partner=partner, by=request.call.actor)
    except NeedsNoApproval:
        raise HttpError(400, f"offer_id: {offer.pk} is public, so you can run it without applying") from None
    return {"result": True, "network_offer_id": offer.pk, "offer_affiliate_status": application.status.value}


def listed(request: PartnerRequest, offers: OfferQuerySet) -> dict[str, Any]:
    page, page_size = paged(request)
    partner, first = request.call.partner, (page - 1) * page_size
    links, rows = Links.of(partner), offers.for_answer(partner)[first : first + page_size]
    return {"offers": [offer_info(offer, links) for offer in rows], **paging(page, page_size, offers.count())}


def offer_of(request: PartnerRequest, offer_id: int) -> Offer:
    """The offer, as the partner that calls may see it.

    :raises Http404: when it may not
    """
    partner = request.call.partner
    return get_object_or_404(Offer.objects.visible_to_partner(partner).for_answer(partner), pk=offer_id)


def runnable_offer_of(request: PartnerRequest, offer_id: int) -> Offer:
    """:raises HttpError: 400 when the partner that calls sees the offer but cannot run it; 404 when it sees none"""
    offer = offer_of(request, offer_id)
    if offer.obstacle:
        raise HttpError(400, f"offer_id: you cannot run {offer.pk}: {offer.obstacle}")
    return offer


def carried(request: HttpRequest, offer: Offer, url_id: int) -> dict[str, object]:
    """What the link that is asked for carries.

    :raises HttpError: 400 naming the parameter that it cannot, 404 for a landing page that the offer does not have
    """
    if url_id and all(url.pk != url_id for url in offer.urls.all()):
        raise HttpError(404, "There is no such object")
    given: dict[str, object] = {name: request.GET.get(name, "") for name in TEXTS}
    for name, text in given.items():
        if len(str(text)) > LONGEST_TEXT:
            raise HttpError(400, f"{name}: at most {LONGEST_TEXT} characters are kept")
    return {**given, "creative_id": creative_in(request, offer), "url_id": url_id}


def creative_in(request: HttpRequest, offer: Offer) -> int:
    """:raises HttpError: 400 when creative_id is no number, or not of a creative of the offer"""
    text = request.GET.get("creative_id", "").strip()
    if text in ("", "0"):
        return 0
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise HttpError(400, "creative_id: it has to be a number")
    if all(creative.pk != int(text) for creative in offer.creatives.all()):
        raise HttpError(400, f"creative_id: {text} is not a creative of this offer")
    return int(text)
