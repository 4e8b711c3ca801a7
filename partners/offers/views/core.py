"""Core Platform → Offers: what the network runs, on which terms, and who wants to join."""

from __future__ import annotations

from collections.abc import Callable

from csp.decorators import csp_update
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from partners.offers.forms import NewOfferForm, OfferForm, ReviewFilter
from partners.offers.models import (
    AlreadyDecided,
    AlreadyReplaced,
    AlreadySubmitted,
    Application,
    Offer,
    PartnerPayout,
)
from partners.offers.tables import ApplicationTable, CouponTable, DealTable, FeedTable, OfferTable, OwnTermsTable
from partners.offers.views.own import PREVIEWS
from portal.accounts.rights import CHANGE_PARTNERS, VIEW_PARTNERS
from portal.web.access import requires
from portal.web.api_request import curl
from portal.web.htmx import done, render_page
from portal.web.requests import UserRequest
from portal.web.tables import configure

PER_PAGE = 25


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
def offers(request: UserRequest) -> HttpResponse:
    """Every offer of the network, searched, filtered and sorted by the URL."""
    filters = ReviewFilter(request.GET)
    table = OfferTable(filters.narrow(Offer.objects.for_review().order_by("name", "pk")))
    configure(request, table, per_page=PER_PAGE)
    page = {"page": table.page.number, "page_size": PER_PAGE}
    asked = curl("POST", "/networks/offerstable", body={**filters.as_search, **table.as_order, **page})
    context = {"filters": filters, "table": table, "api_request": asked}
    return render_page(request, "offers/offers.html", context, partial="offer-table")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def new(request: UserRequest) -> HttpResponse:
    form = NewOfferForm(request.POST or None)
    if not form.is_valid():
        status = 422 if form.is_bound else 200
        return render_page(request, "offers/new.html", {"form": form}, partial="offer-form", status=status)
    try:
        offer = form.launch(by=request.actor)
    except AlreadySubmitted as earlier:
        said = f"This form launched {earlier.made} before, so there is one offer. For another, begin a new form."
        messages.info(request, said)
        return done(request, redirect_to=reverse("offers:detail", args=[earlier.made.pk]))
    messages.success(request, f"{offer} was launched. It is {offer.get_status_display().lower()}.")
    return done(request, redirect_to=reverse("offers:detail", args=[offer.pk]))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def edit(request: UserRequest, offer_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer, pk=offer_id)
    form = OfferForm(request.POST or None, instance=offer)
    if form.is_bound and form.saved_to(offer, by=request.actor):
        messages.success(request, f"{offer} was saved.")
        return done(request, redirect_to=reverse("offers:detail", args=[offer.pk]))
    context, status = {"offer": offer, "form": form}, 422 if form.is_bound else 200
    return render_page(request, "offers/edit.html", context, partial="offer-form", status=status)


@csp_update(PREVIEWS)
@require_safe
@requires(VIEW_PARTNERS)
@never_cache
def detail(request: UserRequest, offer_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer.objects.for_review().select_related("redirect_offer"), pk=offer_id)
    terms = PartnerPayout.objects.filter(replaces__offer=offer).select_related("partner", "replaces__offer")
    context = {
        "offer": offer,
        "applications": ApplicationTable(offer.applications.select_related("partner").pending_first()),
        "own_terms": OwnTermsTable(terms.order_by("partner__name", "pk")),
        "codes": [(creative, creative.html_code) for creative in offer.creatives.kept()],
        "withdrawn_creatives": offer.creatives.exclude(withdrawn_at=None).kept_first(),
        "landing_pages": offer.urls.kept_first(),
        "api_request": curl("GET", f"/networks/offers/{offer.pk}"),
        "coupons": CouponTable(offer.coupon_codes.for_review()),
        "deals": DealTable(offer.deals.kept_first()),
        "feeds": FeedTable(offer.product_feeds.for_answer().kept_first()),
    }
    return render_page(request, "offers/detail.html", context, partial=("application-table", "offer-parts"))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def change_status(request: UserRequest, offer_id: int) -> HttpResponse:
    """Pauses an offer that is active, and makes any other one active."""
    offer = get_object_or_404(Offer, pk=offer_id)
    active = Offer.Status.ACTIVE
    if request.method == "POST":
        wanted = Offer.Status.PAUSED if request.POST.get("to") == "paused" else active
        offer.change(by=request.actor, status=wanted)
        messages.success(request, f"{offer} is {wanted.label.lower()}.")
        return done(request, redirect_to=reverse("offers:detail", args=[offer.pk]))
    return render_page(request, "offers/change_status.html", {"offer": offer, "pauses": offer.status == active})


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def issue_token(request: UserRequest, offer_id: int) -> HttpResponse:
    """A new token for the offer's advertiser, in this answer and nowhere else."""
    offer = get_object_or_404(Offer.objects.select_related("advertiser"), pk=offer_id)
    context: dict[str, object] = {"offer": offer, "back": reverse("offers:detail", args=[offer.pk])}
    if request.method != "POST":
        return render_page(request, "offers/issue_token.html", context)
    try:
        context["token"] = offer.advertiser.issue_token(by=request.actor, replacing=request.POST.get("replacing", ""))
    except AlreadyReplaced:
        messages.info(request, "No token was issued: somebody else did a moment ago, and theirs is good.")
        return done(request, redirect_to=reverse("offers:detail", args=[offer.pk]))
    return render_page(request, "offers/issued_token.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def approve(request: UserRequest, offer_id: int, application_id: int) -> HttpResponse:
    return decide(request, offer_id, application_id, "Approve", Application.approve)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def reject(request: UserRequest, offer_id: int, application_id: int) -> HttpResponse:
    return decide(request, offer_id, application_id, "Reject", Application.reject)


def decide(
    request: UserRequest, offer_id: int, application_id: int, verb: str, decision: Callable[..., None]
) -> HttpResponse:
    applications = Application.objects.select_related("partner", "offer")
    application = get_object_or_404(applications, pk=application_id, offer=offer_id)
    if request.method == "POST":
        try:
            decision(application, by=request.actor)
        except AlreadyDecided:
            messages.info(request, "Somebody else answered this application a moment ago; their answer stands.")
        else:
            told = f"{application.partner} may run {application.offer} now." if verb == "Approve" else None
            messages.success(request, told or f"The application of {application.partner} was rejected.")
        url = reverse("offers:detail", args=[offer_id])
        return done(request, redirect_to=url, event="applications:changed")
    return render_page(request, "offers/decide.html", {"application": application, "verb": verb})
