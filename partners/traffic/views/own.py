"""Partner Platform → Conversions: a partner's own."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from partners.offers.models import Offer
from partners.traffic.forms import ConversionFilter, HoldFilter
from partners.traffic.rows import CONVERSIONS, answer_file
from partners.traffic.tables import ConversionTable, HoldTable
from partners.traffic.timeline import facts_of, timeline_of
from partners.visible import own_partner
from portal.accounts.rights import MY_ACCOUNT
from portal.network.zone import in_network_time
from portal.web.access import requires
from portal.web.api_request import curl
from portal.web.htmx import render_page
from portal.web.paging import key_page
from portal.web.requests import UserRequest

REPORTING = "/affiliates/reporting"


@require_safe
@requires(MY_ACCOUNT)
@never_cache
@in_network_time
def conversions(request: UserRequest) -> HttpResponse:
    partner = own_partner(request)
    form = ConversionFilter(request.GET, offers=Offer.objects.visible_to_partner(partner))
    context: dict[str, Any] = {"partner": partner, "form": form}
    if form.is_valid():
        page = key_page(request, form.narrow(partner.conversions.for_listing()), column="id")
        context |= {
            "page": page,
            "table": ConversionTable(page.rows),
            "api_request": curl("POST", f"{REPORTING}/conversions", body=form.as_search()),
        }
    return answer_list(request, "traffic/own.html", context)


@require_safe
@requires(MY_ACCOUNT)
@never_cache
@in_network_time
def on_hold(request: UserRequest) -> HttpResponse:
    partner = own_partner(request)
    form = HoldFilter(request.GET, offers=Offer.objects.visible_to_partner(partner))
    context: dict[str, Any] = {"partner": partner, "form": form}
    if form.is_valid():
        held = partner.conversions.held(outcomes=[""]).for_listing()
        page = key_page(request, form.narrow(held), column="id")
        context |= {
            "page": page,
            "table": HoldTable(page.rows),
            "api_request": curl("POST", f"{REPORTING}/onhold", body=form.as_search()),
        }
    return answer_list(request, "traffic/own_on_hold.html", context)


def answer_list(request: UserRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    status = 422 if context["form"].errors else 200
    return render_page(request, template, context, partial="conversion-list", status=status)


@require_safe
@requires(MY_ACCOUNT)
@never_cache
@in_network_time
def export(request: UserRequest, form: str) -> HttpResponseBase:
    """What the list shows, as a file: the rows are those that the API exports."""
    if form not in ("csv", "json"):
        raise Http404
    partner = own_partner(request)
    filters = ConversionFilter(request.GET, offers=Offer.objects.visible_to_partner(partner))
    if not filters.is_valid():
        context = {"partner": partner, "form": filters, "form_url": reverse("traffic:own")}
        return answer_list(request, "traffic/own.html", context)
    rows = filters.narrow(partner.conversions.all()).newest_first()
    days = filters.cleaned_data
    return answer_file(rows, days["from"], days["to"], form, CONVERSIONS)


@require_safe
@requires(MY_ACCOUNT)
@never_cache
@in_network_time
def conversion(request: UserRequest, conversion_id: UUID) -> HttpResponse:
    shown = get_object_or_404(own_partner(request).conversions.for_listing(), id=conversion_id)
    context = {
        "conversion": shown,
        "timeline": timeline_of(shown, names_people=False),
        "facts": facts_of(shown, names_people=False),
        "api_request": curl("GET", f"{REPORTING}/conversions/{shown.id.hex}"),
        "list_url": reverse("traffic:own"),
    }
    return render_page(request, "traffic/conversion.html", context)
