"""Core Platform → Offers: what belongs to one: payouts, terms of single partners, landing pages, creatives.

Each is a dialog over the page of the offer, which shows what it has anew when one of them has changed it.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from partners.offers.forms import (
    CreativeForm,
    EventForm,
    LandingPageForm,
    PartnerTermsForm,
    PayoutForm,
)
from partners.offers.models import (
    AlreadyEnded,
    AlreadySubmitted,
    AlreadyWithdrawn,
    Offer,
    PartnerPayout,
    Withdrawable,
)
from portal.accounts.rights import CHANGE_PARTNERS
from portal.web.access import requires
from portal.web.htmx import done, render_page
from portal.web.requests import UserRequest


def done_with(request: UserRequest, offer: Offer, said: str, *, level: int = messages.SUCCESS) -> HttpResponse:
    messages.add_message(request, level, said)
    return done(request, redirect_to=reverse("offers:detail", args=[offer.pk]), event="offer:changed")


def withdraw(request: UserRequest, offer: Offer, thing: Withdrawable, says: str) -> HttpResponse:
    """Withdraws what belongs to the offer once the dialog that ``says`` what follows is confirmed."""
    if request.method != "POST":
        return answer(request, "offers/withdraw.html", offer, f"Withdraw {thing}?", thing=thing, says=says)
    try:
        thing.withdraw(by=request.actor)
    except AlreadyWithdrawn:
        return done_with(request, offer, f"{thing} was withdrawn before. Nothing changed.", level=messages.INFO)
    return done_with(request, offer, f"{thing} was withdrawn.")


def sent_twice(earlier: AlreadySubmitted) -> str:
    return f"This form added {earlier.made} before, so there is one. For another, begin a new form."


def ask(request: UserRequest, fields: str, offer: Offer, title: str, *, action: str, **context: Any) -> HttpResponse:
    """The form over the page of the offer; ``fields`` is their template, ``action`` the words of the button."""
    return answer(request, "offers/part_form.html", offer, title, fields=fields, action=action, **context)


def answer(request: UserRequest, template: str, offer: Offer, title: str, **context: Any) -> HttpResponse:
    context |= {"offer": offer, "title": title, "back": reverse("offers:detail", args=[offer.pk])}
    return render_page(request, template, context, status=422 if request.method == "POST" else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def add_event(request: UserRequest, offer_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer, pk=offer_id)
    form = EventForm(request.POST or None)
    if form.is_bound and form.saved(offer, by=request.actor):
        return done_with(request, offer, f"{offer} pays for {form.cleaned_data['event_name']} now.")
    return ask(request, "offers/payout_fields.html", offer, "Pay for an event", form=form, action="Add")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def change_payout(request: UserRequest, offer_id: int, payout_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer, pk=offer_id)
    payout = get_object_or_404(offer.payouts.select_related("offer"), pk=payout_id)
    form = PayoutForm(request.POST or None, payout=payout)
    if form.is_bound and form.saved(by=request.actor):
        return done_with(request, offer, f"{payout.title}: partners earn {form.terms.told(offer.currency)} now.")
    title = f"{payout.title}: payout and revenue"
    return ask(request, "offers/payout_fields.html", offer, title, form=form, action="Save")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def add_terms(request: UserRequest, offer_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer, pk=offer_id)
    form = PartnerTermsForm(request.POST or None, offer=offer)
    if form.is_bound and form.saved(by=request.actor):
        partner = form.cleaned_data["partner"]
        return done_with(request, offer, f"{partner} earns {form.terms.told(offer.currency)} now.")
    return ask(request, "offers/terms_fields.html", offer, "Terms of a single partner", form=form, action="Add")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def change_terms(request: UserRequest, offer_id: int, terms_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer, pk=offer_id)
    standing = get_object_or_404(terms_of(offer), pk=terms_id)
    form = PartnerTermsForm(request.POST or None, offer=offer, standing=standing)
    if form.is_bound and form.saved(by=request.actor):
        return done_with(request, offer, f"{standing.partner} earns {form.terms.told(offer.currency)} now.")
    title = f"What {standing.partner} earns"
    return ask(request, "offers/terms_fields.html", offer, title, form=form, standing=standing, action="Save")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def end_terms(request: UserRequest, offer_id: int, terms_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer, pk=offer_id)
    standing = get_object_or_404(terms_of(offer), pk=terms_id)
    if request.method != "POST":
        title = f"End the terms of {standing.partner}?"
        return answer(request, "offers/end_terms.html", offer, title, standing=standing)
    try:
        standing.end(by=request.actor)
    except AlreadyEnded:
        return done_with(request, offer, "Somebody else ended these terms a moment ago.", level=messages.INFO)
    return done_with(request, offer, f"{standing.partner} earns what everybody does now.")


def terms_of(offer: Offer) -> Any:
    return PartnerPayout.objects.filter(replaces__offer=offer).select_related("partner", "replaces__offer")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def add_landing_page(request: UserRequest, offer_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer, pk=offer_id)
    form = LandingPageForm(request.POST or None, offer=offer)
    if form.is_bound and form.saved(by=request.actor):
        return done_with(request, offer, f"Links can lead to {form.cleaned_data['name']} now.")
    return ask(request, "offers/landing_page_fields.html", offer, "Add a landing page", form=form, action="Add")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def change_landing_page(request: UserRequest, offer_id: int, url_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer, pk=offer_id)
    url = get_object_or_404(offer.urls, pk=url_id)
    form = LandingPageForm(request.POST or None, offer=offer, url=url)
    if form.is_bound and form.saved(by=request.actor):
        return done_with(request, offer, f"{url} was saved. Links lead there from the next click on.")
    return ask(request, "offers/landing_page_fields.html", offer, f"Landing page {url}", form=form, action="Save")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def withdraw_landing_page(request: UserRequest, offer_id: int, url_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer, pk=offer_id)
    url = get_object_or_404(offer.urls, pk=url_id)
    says = "Partners can no longer choose it. Its links lead to the offer’s own page from the next click on."
    return withdraw(request, offer, url, says)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def add_creative(request: UserRequest, offer_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer, pk=offer_id)
    form = CreativeForm(request.POST or None)
    if not form.is_valid():
        return ask(request, "offers/creative_fields.html", offer, "Add a creative", form=form, action="Add")
    try:
        creative = offer.add_creative(by=request.actor, **form.given)
    except AlreadySubmitted as earlier:
        return done_with(request, offer, sent_twice(earlier), level=messages.INFO)
    return done_with(request, offer, f"Partners can promote {offer} with {creative} now.")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def withdraw_creative(request: UserRequest, offer_id: int, creative_id: int) -> HttpResponse:
    offer = get_object_or_404(Offer, pk=offer_id)
    creative = get_object_or_404(offer.creatives, pk=creative_id)
    says = "Partners can no longer take it. Where it is shown its links go on working, and reports still name it."
    return withdraw(request, offer, creative, says)
