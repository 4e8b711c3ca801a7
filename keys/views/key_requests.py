"""Requests for keys: a partner's users make and withdraw them, the network's people approve or decline them."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from keys.forms import ApproveForm, DeclineForm, KeyRequestForm
from keys.models import AlreadyDecided, CannotRequest, KeyRequest, RequestsTurnedOff
from keys.readiness import concerns_about_request_of
from keys.views.partner import partner_of
from partners.models import Partner
from partners.visible import own_partner
from portal.accounts.rights import ISSUE_PARTNER_KEYS, REVEAL_OWN_KEYS
from portal.web.access import requires
from portal.web.htmx import done, render_page
from portal.web.limits import by_user, limited
from portal.web.requests import UserRequest


@require_http_methods(["GET", "HEAD", "POST"])
@requires(REVEAL_OWN_KEYS)
@never_cache
@limited("20/h", by=by_user, what="Requesting keys")
def make(request: UserRequest) -> HttpResponse:
    partner, back = own_partner(request), reverse("keys:account")
    contact = partner.technical_contact_email or request.user.email
    form = KeyRequestForm(request.POST or None, initial={"contact_email": contact})
    try:
        KeyRequest.ensure_possible(partner)
        if not form.is_valid():
            context = {"partner": partner, "form": form, "back": back}
            return render_page(request, "keys/request.html", context, status=422 if form.is_bound else 200)
        KeyRequest.make(partner=partner, by=request.actor, **form.cleaned_data)
    except RequestsTurnedOff:
        raise Http404 from None
    except CannotRequest as reason:
        messages.info(request, str(reason))
        return done(request, redirect_to=back)
    messages.success(request, "Your key is requested. You are told by mail once it is decided.")
    return done(request, redirect_to=back, event="requests:changed")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(REVEAL_OWN_KEYS)
@never_cache
def withdraw(request: UserRequest, request_id: int) -> HttpResponse:
    wish = get_object_or_404(own_partner(request).key_requests, pk=request_id)
    back = reverse("keys:account")
    if request.method != "POST":
        return render_page(request, "keys/withdraw.html", {"wish": wish, "back": back})
    try:
        wish.withdraw(by=request.actor)
        messages.success(request, "Your request was withdrawn. You may make another.")
    except AlreadyDecided as decided:
        messages.info(request, f"Your request had been {decided.request.state.label.lower()} already.")
    return done(request, redirect_to=back, event="requests:changed")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(ISSUE_PARTNER_KEYS)
@never_cache
@limited("20/m", by=by_user, what="Issuing keys")
def approve(request: UserRequest, partner_id: int, request_id: int) -> HttpResponse:
    # Before the request is read: whoever is overtaken must not be asked about the very key that answered it.
    concerns = concerns_about_request_of(partner_of(request, partner_id))
    wish = request_of(request, partner_id, request_id)
    form = ApproveForm(request.POST or None, request=wish, concerns=concerns)
    back = reverse("keys:partner", args=[partner_id])
    if not form.is_valid():
        context = {"wish": wish, "form": form, "back": back}
        status = 422 if form.is_bound and wish.is_open else 200
        return render_page(request, "keys/approve.html", context, status=status)
    try:
        label, networks = form.cleaned_data["label"], form.cleaned_data["networks"]
        key, _ = wish.approve(label=label, networks=networks, by=request.actor)
    except AlreadyDecided as decided:
        return tell_decided(request, decided.request, back=back)
    messages.success(request, f"{key} was issued. The users of {wish.partner} are told by mail.")
    send_url = reverse("keys:send", args=[partner_id, key.pk])
    return done(request, redirect_to=send_url, event="keys:changed", next_dialog=send_url)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(ISSUE_PARTNER_KEYS)
@never_cache
def decline(request: UserRequest, partner_id: int, request_id: int) -> HttpResponse:
    wish = request_of(request, partner_id, request_id)
    form = DeclineForm(request.POST or None)
    back = reverse("keys:partner", args=[partner_id])
    if not form.is_valid():
        context = {"wish": wish, "form": form, "back": back}
        return render_page(request, "keys/decline.html", context, status=422 if form.is_bound else 200)
    try:
        wish.decline(reason=form.cleaned_data["reason"], by=request.actor)
        messages.success(request, f"The request was declined. The users of {wish.partner} are told by mail.")
    except AlreadyDecided as decided:
        return tell_decided(request, decided.request, back=back)
    return done(request, redirect_to=back, event="requests:changed")


def tell_decided(request: UserRequest, wish: KeyRequest, *, back: str) -> HttpResponse:
    state = wish.state.label.lower()
    messages.info(request, f"The request had been {state} already, by {wish.ended_by}. Nothing was changed.")
    return done(request, redirect_to=back, event="requests:changed")


def request_of(request: UserRequest, partner_id: int, request_id: int) -> KeyRequest:
    partners = Partner.objects.visible_to(request.user).filter(pk=partner_id)
    requests = KeyRequest.objects.filter(partner__in=partners).select_related("partner__manager", "key")
    return get_object_or_404(requests, pk=request_id)
