"""Core Platform → Offers: coupon codes and deals of one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from partners.offers.forms import CouponForm, DealForm, NewDealForm
from partners.offers.models import AlreadySubmitted, Offer
from partners.offers.views.parts import ask, done_with, sent_twice, withdraw
from portal.accounts.rights import CHANGE_PARTNERS
from portal.web.access import requires
from portal.web.requests import UserRequest


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def add_coupon(request: UserRequest, offer_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer, pk=offer_id)
    form = CouponForm(request.POST or None)
    if form.is_bound and form.added(offer, by=request.actor):
        return done_with(request, offer, f"The code {form.cleaned_data['code']} was added.")
    return ask(request, "offers/coupon_fields.html", offer, "Add a coupon code", form=form, action="Add")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def withdraw_coupon(request: UserRequest, offer_id: int, coupon_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer, pk=offer_id)
    coupon = get_object_or_404(offer.coupon_codes.for_review(), pk=coupon_id)
    whose = f"Sales with it are no longer {coupon.partner}’s" if coupon.partner else "Partners no longer see it"
    return withdraw(request, offer, coupon, f"{whose}, and the code is free for another coupon.")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def add_deal(request: UserRequest, offer_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer, pk=offer_id)
    form = NewDealForm(request.POST or None, offer=offer)
    if not form.is_valid():
        return ask(request, "offers/deal_fields.html", offer, "Add a deal", form=form, action="Add")
    try:
        deal = form.add(by=request.actor)
    except AlreadySubmitted as earlier:
        return done_with(request, offer, sent_twice(earlier), level=messages.INFO)
    return done_with(request, offer, f"The deal {deal} was added.")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def change_deal(request: UserRequest, offer_id: int, deal_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer, pk=offer_id)
    deal = get_object_or_404(offer.deals.select_related("offer"), pk=deal_id)
    form = DealForm(request.POST or None, instance=deal)
    if form.is_bound and form.saved_to(deal, by=request.actor):
        return done_with(request, offer, f"The deal {deal} was saved.")
    return ask(request, "offers/deal_fields.html", offer, f"Deal {deal}", form=form, action="Save")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def withdraw_deal(request: UserRequest, offer_id: int, deal_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer, pk=offer_id)
    deal = get_object_or_404(offer.deals.select_related("offer"), pk=deal_id)
    return withdraw(request, offer, deal, "Partners are told of it no more, on their pages and by API.")
