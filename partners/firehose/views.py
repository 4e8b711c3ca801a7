"""Who may follow its traffic: decided on Partner Details → API, told on My Account → API."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from partners.firehose.models import AlreadyDisabled, AlreadyEnabled, Firehose
from partners.models import Partner
from partners.traffic.models import TrafficIsBusy
from portal.accounts.rights import CHANGE_PARTNERS, MY_ACCOUNT, VIEW_PARTNERS
from portal.web.access import requires
from portal.web.api_request import curl
from portal.web.htmx import done, render_page
from portal.web.requests import UserRequest

CHANGED = "firehose:changed"


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
def partner(request: UserRequest, partner_id: int) -> HttpResponse:
    partner = partner_of(request, partner_id)
    context = {"partner": partner, "firehose": Firehose.of(partner)}
    return render_page(request, "firehose/partner.html", context, partial="firehose")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def enable(request: UserRequest, partner_id: int) -> HttpResponse:
    partner = partner_of(request, partner_id)
    if request.method != "POST":
        return ask(request, partner, "Enable")
    try:
        Firehose.enable(partner, by=request.actor)
    except AlreadyEnabled:
        messages.info(request, f"The Firehose of {partner} was enabled already.")
    except TrafficIsBusy:
        text = "A large report of conversions is being written. Nothing has changed; try again in a minute."
        return ask(request, partner, "Enable", problem=text)
    else:
        messages.success(request, f"The Firehose of {partner} is enabled.")
    return back_to(request, partner)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def disable(request: UserRequest, partner_id: int) -> HttpResponse:
    partner = partner_of(request, partner_id)
    if request.method != "POST":
        return ask(request, partner, "Disable")
    try:
        get_object_or_404(Firehose, partner=partner).disable(by=request.actor)
    except AlreadyDisabled:
        messages.info(request, f"The Firehose of {partner} was disabled already.")
    else:
        messages.success(request, f"The Firehose of {partner} is disabled.")
    return back_to(request, partner)


@require_safe
@requires(MY_ACCOUNT)
@never_cache
def account(request: UserRequest) -> HttpResponse:
    partner = get_object_or_404(Partner.objects.select_related("manager"), pk=request.user.partner_id)
    context = {
        "partner": partner,
        "firehose": Firehose.of(partner),
        "command": curl("GET", "/affiliates/firehose", accept="application/x-ndjson", options="-N"),
    }
    return render_page(request, "firehose/account.html", context, partial="firehose")


def ask(request: UserRequest, partner: Partner, verb: str, *, problem: str = "") -> HttpResponse:
    context = {"partner": partner, "verb": verb, "problem": problem}
    return render_page(request, "firehose/switch.html", context, status=422 if problem else 200)


def partner_of(request: UserRequest, partner_id: int) -> Partner:
    return get_object_or_404(Partner.objects.visible_to(request.user), pk=partner_id)


def back_to(request: UserRequest, partner: Partner) -> HttpResponse:
    return done(request, redirect_to=reverse("keys:partner", args=[partner.pk]), event=CHANGED)
