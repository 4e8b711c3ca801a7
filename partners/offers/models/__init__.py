"""What partners promote, what that earns them, and who may."""

from __future__ import annotations

from partners.offers.models.applications import AlreadyDecided, Application, NeedsNoApproval
from partners.offers.models.catalogue import Advertiser, AlreadyReplaced, Category
from partners.offers.models.materials import Creative, OfferUrl
from partners.offers.models.offer import CurrencyIsFixed, Offer
from partners.offers.models.payouts import OfferPayout, PartnerPayout, PayoutType, Revenue, RevenueType, Terms
from partners.offers.models.promotions import (
    AlreadyWithdrawn,
    CodeIsTaken,
    CouponCode,
    Deal,
    ProductFeed,
    ProductFeedItem,
    Standing,
)

__all__ = [
    "Advertiser",
    "AlreadyDecided",
    "AlreadyReplaced",
    "AlreadyWithdrawn",
    "Application",
    "Category",
    "CodeIsTaken",
    "CouponCode",
    "Creative",
    "CurrencyIsFixed",
    "Deal",
    "NeedsNoApproval",
    "Offer",
    "OfferPayout",
    "OfferUrl",
    "PartnerPayout",
    "PayoutType",
    "ProductFeed",
    "ProductFeedItem",
    "Revenue",
    "RevenueType",
    "Standing",
    "Terms",
]
