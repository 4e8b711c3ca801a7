from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from portal.accounts.rights import CHANGE_SYSTEM_SETTINGS, VIEW_SYSTEM_SETTINGS
from portal.network.forms import ExchangeRateForm, NetworkForm
from portal.network.models import ExchangeRate, Network
from portal.web.access import demand, requires
from portal.web.htmx import done, render_page
from portal.web.requests import UserRequest

NEWEST_RATES = 200


@require_http_methods(["GET", "HEAD", "POST"])
@requires(VIEW_SYSTEM_SETTINGS)
@never_cache
def general(request: UserRequest) -> HttpResponse:
    """System Settings → General: who may view System Settings looks, who may change them saves."""
    network = Network.load()
    if request.method == "POST":
        demand(request, CHANGE_SYSTEM_SETTINGS)
    form = NetworkForm(request.POST or None, instance=network)
    if form.is_bound and form.saved_to(network, by=request.actor):
        messages.success(request, "The network’s settings were saved.")
        return done(request, redirect_to=reverse("network:general"))
    status = 422 if form.is_bound else 200
    context = {"form": form, "currency": network.currency, "rates": ExchangeRate.objects.all()[:NEWEST_RATES]}
    return render_page(request, "network/general.html", context, partial="network-form", status=status)


@require_GET
@requires(VIEW_SYSTEM_SETTINGS)
@never_cache
def rates(request: UserRequest) -> HttpResponse:
    """The exchange rates: a region of System Settings → General, fetched again when one was recorded."""
    context = {
        "form": NetworkForm(instance=(network := Network.load())),
        "currency": network.currency,
        "rates": ExchangeRate.objects.all()[:NEWEST_RATES],
    }
    return render_page(request, "network/general.html", context, partial="exchange-rates")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_SYSTEM_SETTINGS)
@never_cache
def add_rate(request: UserRequest) -> HttpResponse:
    form = ExchangeRateForm(request.POST or None, network=Network.load())
    if form.is_valid():
        rate = ExchangeRate.record(by=request.actor, **form.cleaned_data)
        messages.success(request, f"{rate} counts in reports now.")
        return done(request, redirect_to=reverse("network:general"), event="rates:changed")
    status = 422 if form.is_bound else 200
    return render_page(request, "network/add_rate.html", {"form": form}, status=status)
