"""An offer as the Network API tells of it: what its partners are told, and what the network keeps to itself.

Its operations stand in partners.traffic, which knows what is left under the caps.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from partners.api import Paging
from partners.offers.api.offers import (
    EXAMPLE,
    EXAMPLE_PAYOUT,
    Caps,
    OfferFields,
    PayoutInfo,
    Relationship,
    offer_info,
    payout_info,
)
from partners.offers.models import Advertiser, Offer, OfferPayout
from partners.offers.models.offer import CAP_SPANS, CAPPED
from portal.network.currencies import money
from portal.web.api import collection, seconds

ADVERTISER: JsonDict = {
    "network_advertiser_id": 7,
    "network_id": 1,
    "name": "Tallow & Reed",
    "account_status": "active",
    "verification_token": "lk_adv_…9f2c",
    "time_created": 1777593600,
    "time_saved": 1777680000,
}
PAYOUT_REVENUE: JsonDict = {
    **EXAMPLE_PAYOUT,
    "revenue_type": "rpa_rps",
    "revenue_amount": 5.5,
    "revenue_percentage": 8.0,
}
REMAINING: JsonDict = {
    **{f"remaining_{span}_{what}_cap": 0 for span in CAP_SPANS for what in CAPPED},
    "remaining_daily_conversion_cap": 158,
}
RELATED: JsonDict = {
    **EXAMPLE["relationship"],  # type: ignore[dict-item]  # it is an object
    "offer_affiliate_status": "require_approval",
    "status": "require_approval",
    "payout_revenue": {"total": 1, "entries": [PAYOUT_REVENUE]},
    "advertiser": ADVERTISER,
    "remaining_caps": REMAINING,
    "encoded_value": "5NLZGC",
    "labels": {"total": 1, "entries": ["Seasonal"]},
}
SETTINGS: JsonDict = {
    "destination_url": "https://www.tallow-reed.example/?click={transaction_id}",
    "labels": ["Seasonal"],
    "holding_period_days": 14,
    "is_must_approve_conversion": False,
    "click_lifespan_days": 30,
    "redirect_network_offer_id": 0,
}
OFFER: JsonDict = {
    **EXAMPLE,
    **SETTINGS,
    "tracking_url": "",
    "impression_tracking_url": "",
    "network_advertiser_id": 7,
    "network_advertiser_name": "Tallow & Reed",
    "encoded_value": "5NLZGC",
    "pending_applications": 2,
    "relationship": RELATED,
}


class AdvertiserInfo(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [ADVERTISER]})

    network_advertiser_id: int = Field(description="Number of the advertiser.")
    network_id: int = Field(description="Number of the network; always 1.")
    name: str = Field(description="What the advertiser is called.")
    account_status: str = Field(description="Always active.")
    verification_token: str = Field(
        description="The hint of the token that proves its reports of conversions; empty while it has none."
    )
    time_created: int = Field(description="Unix seconds.")
    time_saved: int = Field(description="When it was added, or given its token. Unix seconds.")


class PayoutRevenueInfo(PayoutInfo):
    payout_amount: float = Field(
        description="What affiliates are paid, in the offer's currency, with up to 4 decimals; 0 when only a share is."
    )
    payout_percentage: float = Field(
        description="The affiliate's share of the sale in percent; 0 when only an amount is paid."
    )
    revenue_type: str = Field(
        description="What the network gets. rpa: per conversion. rps: a share of the sale. rpa_rps: both. rpc: per "
        "click. rpm: per 1000 impressions."
    )
    revenue_amount: float = Field(description="In the offer's currency, with up to 4 decimals.")
    revenue_percentage: float = Field(description="The network's share of the sale in percent.")


class PayoutRevenues(BaseModel):
    total: int = Field(description="How many entries there are.")
    entries: list[PayoutRevenueInfo]


class Labels(BaseModel):
    total: int = Field(description="How many entries there are.")
    entries: list[str] = Field(description="The network's own words for the offer; affiliates never see them.")


class RemainingCaps(BaseModel):
    """What is left under each cap now, and 0 as well where there is no cap: see is_caps_enabled and the caps."""

    remaining_daily_conversion_cap: int = Field(description="Conversions today.")
    remaining_daily_payout_cap: float = Field(description="Payout today, in the offer's currency.")
    remaining_daily_click_cap: int = Field(description="Clicks today.")
    remaining_weekly_conversion_cap: int = Field(description="Conversions this week, which began on Monday.")
    remaining_weekly_payout_cap: float = Field(description="Payout this week, in the offer's currency.")
    remaining_weekly_click_cap: int = Field(description="Clicks this week.")
    remaining_monthly_conversion_cap: int = Field(description="Conversions this month.")
    remaining_monthly_payout_cap: float = Field(description="Payout this month, in the offer's currency.")
    remaining_monthly_click_cap: int = Field(description="Clicks this month.")
    remaining_global_conversion_cap: int = Field(description="Conversions in all.")
    remaining_global_payout_cap: float = Field(description="Payout in all, in the offer's currency.")
    remaining_global_click_cap: int = Field(description="Clicks in all.")


class NetworkRelationship(Relationship):
    offer_affiliate_status: str = Field(
        description="public: every affiliate may run it. require_approval: those that the network has approved."
    )
    payout_revenue: PayoutRevenues
    advertiser: AdvertiserInfo
    remaining_caps: RemainingCaps
    encoded_value: str = Field(description="What stands for the offer in tracking links.")
    labels: Labels


class NetworkOffer(Caps, OfferFields):
    model_config = ConfigDict(json_schema_extra={"examples": [OFFER]})

    offer_status: str = Field(description="active, paused, pending or deleted.")
    terms_and_conditions: str = Field(description="What affiliates agree to when they run it; may be empty.")
    tracking_url: str = Field(description="Empty: links are an affiliate's. See /v1/networks/tracking/offers/clicks.")
    impression_tracking_url: str = Field(description="Empty. See /v1/networks/tracking/offers/impressions.")
    default_payout: float = Field(
        description="What a conversion pays affiliates without terms of their own: an amount in the offer's currency, "
        "or for cps the percentage."
    )
    network_advertiser_id: int = Field(description="Number of the advertiser.")
    network_advertiser_name: str = Field(description="What the advertiser is called.")
    destination_url: str = Field(description="Where its links lead, with the macros that a click fills.")
    holding_period_days: int = Field(description="For how many days a conversion is on hold before it counts.")
    is_must_approve_conversion: bool = Field(description="Whether conversions wait for somebody to approve them.")
    click_lifespan_days: int = Field(description="For how many days after its click a conversion counts.")
    redirect_network_offer_id: int = Field(
        description="Number of the offer that gets the traffic that this one cannot take; 0: none."
    )
    labels: list[str] = Field(description="The network's own words for it; affiliates never see them.")
    encoded_value: str = Field(description="What stands for it in tracking links.")
    pending_applications: int = Field(description="How many affiliates wait to be told whether they may run it.")
    relationship: NetworkRelationship


class NetworkOffers(Paging):
    offers: list[NetworkOffer]
    paging: Paging


def advertiser_info(advertiser: Advertiser) -> dict[str, Any]:
    return {
        "network_advertiser_id": advertiser.pk,
        "network_id": 1,
        "name": advertiser.name,
        "account_status": "active",
        "verification_token": advertiser.token_hint,
        "time_created": seconds(advertiser.created_at),
        "time_saved": seconds(advertiser.token_issued_at or advertiser.created_at),
    }


def payout_revenue_info(payout: OfferPayout) -> dict[str, Any]:
    earns = payout.revenue
    return {
        **payout_info(payout),
        "revenue_type": earns.revenue_type.value,
        "revenue_amount": float(earns.amount),
        "revenue_percentage": float(earns.percentage),
    }


def network_offer_info(offer: Offer, left: Mapping[str, int | Decimal]) -> dict[str, Any]:
    """An offer of for_network_answer(), with what is ``left`` under each of its caps."""
    told = offer_info(offer, None)
    remaining = {
        f"remaining_{cap}": money(amount, offer.currency) if isinstance(amount, Decimal) else amount
        for cap, amount in left.items()
    }
    return {
        **told,
        "network_advertiser_id": offer.advertiser_id,
        "network_advertiser_name": offer.advertiser.name,
        "destination_url": offer.destination_url,
        "holding_period_days": offer.holding_period_days,
        "is_must_approve_conversion": offer.conversion_approval == Offer.ConversionApproval.MANUAL,
        "click_lifespan_days": offer.click_lifespan_days,
        "redirect_network_offer_id": offer.redirect_offer_id or 0,
        "labels": offer.labels,
        "encoded_value": offer.code,
        "pending_applications": offer.pending_count,
        "relationship": {
            **told["relationship"],
            "payout_revenue": collection(map(payout_revenue_info, offer.payouts.all())),
            "advertiser": advertiser_info(offer.advertiser),
            "remaining_caps": remaining,
            "encoded_value": offer.code,
            "labels": collection(offer.labels),
        },
    }
