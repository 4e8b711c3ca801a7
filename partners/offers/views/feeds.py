"""Core Platform → Offers: product feeds of one."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from partners.offers.forms import FeedForm, FillForm, NewFeedForm
from partners.offers.models import Offer
from partners.offers.views.parts import ask, done_with, withdraw
from portal.accounts.rights import CHANGE_PARTNERS
from portal.web.access import requires
from portal.web.requests import UserRequest


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def add_feed(request: UserRequest, offer_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer, pk=offer_id)
    form = NewFeedForm(request.POST or None, request.FILES or None)
    if form.is_bound and form.added(offer, by=request.actor):
        return done_with(request, offer, f"The feed {form.cleaned_data['name']} was added.")
    return ask(request, "offers/feed_fields.html", offer, "Add a product feed", form=form, action="Add")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def change_feed(request: UserRequest, offer_id: int, feed_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer, pk=offer_id)
    feed = get_object_or_404(offer.product_feeds, pk=feed_id)
    form = FeedForm(request.POST or None, instance=feed)
    if form.is_bound and form.saved_to(feed, by=request.actor):
        return done_with(request, offer, f"The feed {feed} was saved.")
    return ask(request, "offers/feed_fields.html", offer, f"Product feed {feed}", form=form, action="Save")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def fill_feed(request: UserRequest, offer_id: int, feed_id: int) -> HttpResponse:
    """Takes a file of products, which become all that the feed holds."""
    offer = get_object_or_404(Offer, pk=offer_id)
    feed = get_object_or_404(offer.product_feeds.for_answer(), pk=feed_id)
    form = FillForm(request.POST or None, request.FILES or None)
    if form.is_bound and form.filled(feed, by=request.actor):
        count = len(form.cleaned_data["products"])
        said = "one product" if count == 1 else f"{count:,} products"
        return done_with(request, offer, f"{feed} holds {said} now.")
    return ask(
        request, "offers/fill_feed_fields.html", offer, f"Products of {feed}", form=form, feed=feed, action="Replace"
    )


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def withdraw_feed(request: UserRequest, offer_id: int, feed_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer, pk=offer_id)
    feed = get_object_or_404(offer.product_feeds.select_related("offer"), pk=feed_id)
    says = "Partners can no longer download it. Links to its products lead to the offer’s own page from now on."
    return withdraw(request, offer, feed, says)
