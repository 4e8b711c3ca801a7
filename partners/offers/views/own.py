"""Partner Platform → Offers: what a partner may promote, and the links it does that with."""

from __future__ import annotations

from csp.decorators import csp_update
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.timezone import localdate
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from partners.models import Partner
from partners.offers.forms import LinkForm, OwnFilter
from partners.offers.links import Links
from partners.offers.models import CouponCode, NeedsNoApproval, Offer, Standing
from partners.offers.tables import OwnOfferTable
from partners.visible import own_partner
from portal.accounts.rights import CHANGE_OWN_ACCOUNT, MY_ACCOUNT
from portal.network.models import Network
from portal.web.access import requires
from portal.web.api import MAXIMUM_PAGE_SIZE
from portal.web.api_request import curl
from portal.web.htmx import done, render_page
from portal.web.requests import UserRequest
from portal.web.tables import configure

PER_PAGE = 25
# Creatives are shown from where the advertiser keeps them.
PREVIEWS = {"img-src": ["https:"], "media-src": ["'self'", "https:"]}


def offer_of(partner: Partner, offer_id: int) -> Offer:
    return get_object_or_404(Offer.objects.visible_to_partner(partner).for_answer(partner), pk=offer_id)


@require_safe
@requires(MY_ACCOUNT)
@never_cache
def offers(request: UserRequest) -> HttpResponse:
    """Every offer that the partner can see, searched, filtered and sorted by the URL."""
    partner = own_partner(request)
    filters = OwnFilter(request.GET, partner=partner)
    seen = Offer.objects.visible_to_partner(partner).for_answer(partner).order_by("name", "pk")
    table = OwnOfferTable(filters.narrow(seen))
    configure(request, table, per_page=PER_PAGE)
    path = "/affiliates/offersrunnable" if filters.asked.get("run") == "yes" else "/affiliates/alloffers"
    asked = curl("GET", path, query={"page_size": MAXIMUM_PAGE_SIZE})
    context = {"filters": filters, "table": table, "api_request": asked}
    return render_page(request, "offers/own.html", context, partial="offer-table")


@csp_update(PREVIEWS)
@require_safe
@requires(MY_ACCOUNT)
@never_cache
def detail(request: UserRequest, offer_id: int) -> HttpResponse:
    partner = own_partner(request)
    offer, links = offer_of(partner, offer_id), Links.of(partner)
    codes = [
        (creative, links.code(creative, offer) if offer.is_runnable else creative.html_code)
        for creative in offer.creatives.all()
    ]
    today = localdate(timezone=Network.load().zone)
    context = {
        "offer": offer,
        "codes": codes,
        "deals": offer.deals.standing(Standing.ACTIVE, today).for_answer(),
        "coupons": usable_coupons(partner, offer),
        "feeds": offer.product_feeds.kept().for_answer(),
        "api_request": curl("GET", f"/affiliates/offers/{offer.pk}"),
    }
    return render_page(request, "offers/own_offer.html", context)


@require_safe
@requires(MY_ACCOUNT)
@never_cache
def link(request: UserRequest, offer_id: int) -> HttpResponse:
    """The form that a link is put together with, and the link. Without JavaScript its button asks for it."""
    partner = own_partner(request)
    offer, links = offer_of(partner, offer_id), Links.of(partner)
    coupons = [coupon.code for coupon in usable_coupons(partner, offer)]
    form = LinkForm(request.GET, offer=offer, coupons=coupons)
    carried = form.parameters
    path = f"/affiliates/offers/{offer.pk}/url/{carried.get('url_id', 0)}"
    query = {name: value for name, value in carried.items() if name != "url_id"}
    context = {
        "offer": offer,
        "form": form,
        "reason": f"You cannot run it: {offer.obstacle}.",
        "tracking_link": links.click(offer, **carried),
        "impression_link": links.impression(offer, **carried),
        "api_request": curl("GET", path, query=query),
    }
    status = 200 if form.is_valid() else 422
    return render_page(request, "offers/own_link.html", context, partial="links", status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_OWN_ACCOUNT)
@never_cache
def apply(request: UserRequest, offer_id: int) -> HttpResponse:
    offer = offer_of(partner := own_partner(request), offer_id)
    if request.method == "POST":
        try:
            offer.apply(partner=partner, by=request.actor)
        except NeedsNoApproval:
            messages.info(request, f"{offer} is public: you can run it without applying.")
        else:
            messages.success(request, f"Your application for {offer} is with {Network.load()}.")
        url = reverse("offers:own_offer", args=[offer.pk])
        return done(request, redirect_to=url)
    return render_page(request, "offers/apply.html", {"offer": offer})


def usable_coupons(partner: Partner, offer: Offer) -> list[CouponCode]:
    """Those that a customer can enter today, when the offer is open to the partner."""
    if not Offer.objects.open_to(partner).filter(pk=offer.pk).exists():
        return []
    today = localdate(timezone=Network.load().zone)
    return list(offer.coupon_codes.usable_by(partner).standing(Standing.ACTIVE, today).for_answer())
