"""Offers for the network's own systems (wire.md section 10): here, because only traffic knows what is left under their
caps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils.timezone import localdate
from ninja import Router

from partners.api import NetworkRequest
from partners.offers.api.changes import NewOffer, OfferChange, change, launched
from partners.offers.api.finding import LISTED, SEARCHED, OfferSearch, listed, searched
from partners.offers.api.network_offers import NetworkOffer, NetworkOffers, network_offer_info
from partners.offers.models import Offer
from partners.offers.models.offer import OfferQuerySet
from partners.traffic.remaining import remaining_caps
from portal.network.models import Network
from portal.web.api import paged, paging, reads

networks = Router(tags=["Offers"])


@networks.get("/offers", response=NetworkOffers, summary="All offers", openapi_extra={"parameters": LISTED})
def list_network_offers(request: NetworkRequest) -> dict[str, Any]:
    """Every offer that matches the filters in the query string, deleted ones, too."""
    return answer_page(listed(request, Offer.objects.for_network_answer()), *paged(request))


@networks.post("/offers", response=NetworkOffer, summary="Launch an offer")
def launch_network_offer(request: NetworkRequest, payload: NewOffer) -> dict[str, Any]:
    """Adds an offer, with what it pays. What is left out is: pending, require_approval, USD, every country, no end, no
    caps, no holding period, 30 days from click to conversion, and empty."""
    return answer_one(launched(payload, by=request.call.actor).pk)


@networks.get("/offers/{offer_id}", response=NetworkOffer, summary="An offer")
def read_network_offer(request: NetworkRequest, offer_id: int) -> dict[str, Any]:
    """One offer, with what it pays and earns, and what is left under its caps."""
    return answer_one(offer_id)


@networks.put("/offers/{offer_id}", response=NetworkOffer, summary="Change an offer")
def change_network_offer(request: NetworkRequest, offer_id: int, payload: OfferChange) -> dict[str, Any]:
    """Changes the fields that are sent, such as offer_status to pause it. Those that are left out, or null, keep their
    value; lists, such as labels, are sent whole."""
    offer = get_object_or_404(Offer.objects.select_for_update(of=("self",)), pk=offer_id)
    change(offer, payload, by=request.call.actor)
    return answer_one(offer.pk)


@networks.post("/offerstable", response=NetworkOffers, summary="Search offers", openapi_extra={"parameters": SEARCHED})
@reads
def search_network_offers(request: NetworkRequest, payload: OfferSearch | None = None) -> dict[str, Any]:
    """The offers that match all filters and search terms, deleted ones, too."""
    search = payload or OfferSearch()
    offers = searched(request, search, Offer.objects.for_network_answer())
    return answer_page(offers, *paged(request, search.paging_fields))


def answer_one(offer_id: int) -> dict[str, Any]:
    return infos_of([get_object_or_404(Offer.objects.for_network_answer(), pk=offer_id)])[0]


def answer_page(offers: OfferQuerySet, page: int, page_size: int) -> dict[str, Any]:
    first = (page - 1) * page_size
    return {"offers": infos_of(offers[first : first + page_size]), **paging(page, page_size, offers.count())}


def infos_of(offers: Sequence[Offer] | OfferQuerySet) -> list[dict[str, Any]]:
    found = list(offers)
    left = remaining_caps(found, localdate(timezone=Network.load().zone))
    return [network_offer_info(offer, left[offer.pk]) for offer in found]
