"""What partners promote, what that earns them, and who may."""

from __future__ import annotations

from partners.offers.models.applications import AlreadyDecided, Application, NeedsNoApproval
from partners.offers.models.catalogue import Advertiser, AlreadyReplaced, Category
from partners.offers.models.materials import Creative, OfferUrl
from partners.offers.models.offer import CurrencyIsFixed, Offer
from partners.offers.models.payouts import (
    AlreadyEnded,
    OfferPayout,
    PartnerPayout,
    PayoutType,
    Revenue,
    RevenueType,
    Terms,
    TermsMoved,
)
from partners.offers.models.promotions import (
    CodeIsTaken,
    CouponCode,
    Deal,
    ProductFeed,
    ProductFeedItem,
    Standing,
)
from partners.offers.models.uniqueness import AlreadySubmitted, NameIsTaken
from partners.offers.models.withdrawing import AlreadyWithdrawn, Withdrawable

__all__ = [
    "Advertiser",
    "AlreadyDecided",
    "AlreadyEnded",
    "AlreadyReplaced",
    "AlreadySubmitted",
    "AlreadyWithdrawn",
    "Application",
    "Category",
    "CodeIsTaken",
    "CouponCode",
    "Creative",
    "CurrencyIsFixed",
    "Deal",
    "NameIsTaken",
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
    "TermsMoved",
    "Withdrawable",
]
