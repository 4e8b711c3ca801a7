"""Offers as people fill them in: lists narrowed, links put together, offers and what belongs to them written."""

from __future__ import annotations

from partners.offers.forms.filters import OwnFilter, ReviewFilter
from partners.offers.forms.links import LinkForm
from partners.offers.forms.materials import CreativeForm, LandingPageForm
from partners.offers.forms.offer import NewOfferForm, OfferForm
from partners.offers.forms.products import FeedForm, FillForm, NewFeedForm
from partners.offers.forms.promotions import CouponForm, DealForm, NewDealForm
from partners.offers.forms.terms import EventForm, PartnerTermsForm, PayoutForm

__all__ = [
    "CouponForm",
    "CreativeForm",
    "DealForm",
    "EventForm",
    "FeedForm",
    "FillForm",
    "LandingPageForm",
    "LinkForm",
    "NewDealForm",
    "NewFeedForm",
    "NewOfferForm",
    "OfferForm",
    "OwnFilter",
    "PartnerTermsForm",
    "PayoutForm",
    "ReviewFilter",
]
