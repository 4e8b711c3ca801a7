"""What partners promote, what that earns them, and who may."""

from __future__ import annotations

from partners.offers.models.applications import AlreadyDecided, Application, NeedsNoApproval
from partners.offers.models.catalogue import Advertiser, Category
from partners.offers.models.materials import Creative, OfferUrl
from partners.offers.models.offer import Offer
from partners.offers.models.payouts import OfferPayout, PartnerPayout, PayoutType, Terms

__all__ = [
    "Advertiser",
    "AlreadyDecided",
    "Application",
    "Category",
    "Creative",
    "NeedsNoApproval",
    "Offer",
    "OfferPayout",
    "OfferUrl",
    "PartnerPayout",
    "PayoutType",
    "Terms",
]
