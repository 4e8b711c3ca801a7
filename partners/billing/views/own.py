from __future__ import annotations

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from partners.billing.export import lines_as_csv
from partners.billing.forms import InvoiceFilter
from partners.billing.sheet import sheet_of
from partners.billing.tables import InvoiceTable
from partners.billing.tiles import tiles_of
from partners.visible import own_partner
from portal.accounts.rights import MY_ACCOUNT
from portal.web.access import requires
from portal.web.api_request import curl
from portal.web.htmx import render_page
from portal.web.requests import UserRequest
from portal.web.tables import configure

PER_PAGE = 25
API = "/affiliates/billings/affiliates"


@require_safe
@requires(MY_ACCOUNT)
@never_cache
def invoices(request: UserRequest) -> HttpResponse:
    """Billing, for the partner's own users."""
    partner = own_partner(request)
    filters = InvoiceFilter(request.GET, partner=partner)
    table = InvoiceTable(filters.narrow(partner.invoices.standing().for_listing()))
    configure(request, table, per_page=PER_PAGE)
    context = {
        "partner": partner,
        "filters": filters,
        "table": table,
        "tiles": tiles_of(partner, owed="Balance due to you"),
        "api_request": curl("POST", f"{API}/invoicestable", body={"filters": filters.api_filters}),
    }
    return render_page(request, "billing/own.html", context, partial="invoice-table")


@require_safe
@requires(MY_ACCOUNT)
@never_cache
def invoice(request: UserRequest, invoice_id: int) -> HttpResponse:
    partner = own_partner(request)
    shown = get_object_or_404(partner.invoices.with_totals(), pk=invoice_id)
    text = curl("GET", f"{API}/invoices/{shown.pk}", query={"relationship": "all"})
    return render_page(request, "billing/own_invoice.html", sheet_of(partner, shown) | {"api_request": text})


@require_safe
@requires(MY_ACCOUNT)
@never_cache
def lines(request: UserRequest, invoice_id: int) -> HttpResponseBase:
    return lines_as_csv(get_object_or_404(own_partner(request).invoices, pk=invoice_id))
