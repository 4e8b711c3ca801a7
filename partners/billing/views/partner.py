from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from partners.billing.export import lines_as_csv
from partners.billing.forms import AdjustmentForm, AllInvoicesFilter, PaymentForm, RaiseForm
from partners.billing.models import AlreadyCancelled, AlreadyTakenBack, CarriedOn, HasPayments, Invoice
from partners.billing.sheet import sheet_of
from partners.billing.tables import InvoiceTable
from partners.billing.tiles import tiles_of
from partners.models import Partner
from portal.accounts.rights import CHANGE_PARTNERS, VIEW_PARTNERS
from portal.network.currencies import amount_in_words
from portal.web.access import requires
from portal.web.api_request import curl
from portal.web.htmx import done, render_page
from portal.web.requests import UserRequest
from portal.web.tables import configure

PER_PAGE = 25
CHANGED = "billing:changed"


def partner_seen(request: UserRequest, partner_id: int) -> Partner:
    return get_object_or_404(Partner.objects.visible_to(request.user), pk=partner_id)


def invoice_seen(request: UserRequest, partner_id: int, invoice_id: int) -> Invoice:
    invoices = partner_seen(request, partner_id).invoices.with_totals().select_related("partner")
    return get_object_or_404(invoices, pk=invoice_id)


def url_of(invoice: Invoice) -> str:
    return reverse("billing:invoice", args=[invoice.partner_id, invoice.pk])


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
def invoices(request: UserRequest, partner_id: int) -> HttpResponse:
    """Partner Details → Billing."""
    partner = partner_seen(request, partner_id)
    filters = AllInvoicesFilter(request.GET, partner=partner)
    table = InvoiceTable(filters.narrow(partner.invoices.for_listing()))
    configure(request, table, per_page=PER_PAGE)
    context = {
        "partner": partner,
        "filters": filters,
        "table": table,
        "tiles": tiles_of(partner, owed="Owed to the partner"),
        "api_request": curl("GET", "/networks/billings/affiliates/invoices", query=filters.as_query(partner)),
    }
    return render_page(request, "billing/partner.html", context, partial="invoice-table")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def raise_invoice(request: UserRequest, partner_id: int) -> HttpResponse:
    """A period, what it comes to, and the button that bills it."""
    partner = partner_seen(request, partner_id)
    is_order = request.method == "POST"
    form = RaiseForm((request.POST if is_order else request.GET) or None, partner=partner)
    if is_order and form.raise_invoice(by=request.actor):
        assert form.raised is not None
        messages.success(request, f"{form.raised} was raised for {form.raised.period}.")
        return done(request, redirect_to=url_of(form.raised))
    context = {"partner": partner, "form": form}
    return render_page(
        request, "billing/raise.html", context, partial="invoice-preview", status=422 if is_order else 200
    )


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
def invoice(request: UserRequest, partner_id: int, invoice_id: int) -> HttpResponse:
    shown = invoice_seen(request, partner_id, invoice_id)
    return render_page(request, "billing/invoice.html", sheet_of(shown.partner, shown), partial="invoice")


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
def lines(request: UserRequest, partner_id: int, invoice_id: int) -> HttpResponseBase:
    return lines_as_csv(invoice_seen(request, partner_id, invoice_id))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def pay(request: UserRequest, partner_id: int, invoice_id: int) -> HttpResponse:
    shown = invoice_seen(request, partner_id, invoice_id)
    form = PaymentForm(request.POST or None, invoice=shown)
    if payment := form.record(by=request.actor):
        amount = amount_in_words(payment.amount, shown.currency)
        messages.success(request, f"{amount} was recorded as paid on {shown}.")
        return done(request, redirect_to=url_of(shown), event=CHANGED)
    context = {"invoice": shown, "form": form}
    return render_page(request, "billing/pay.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def adjust(request: UserRequest, partner_id: int, invoice_id: int) -> HttpResponse:
    shown = invoice_seen(request, partner_id, invoice_id)
    form = AdjustmentForm(request.POST or None, invoice=shown)
    if line := form.add(by=request.actor):
        messages.success(request, f"{shown} was adjusted by {amount_in_words(line.amount, shown.currency)}.")
        return done(request, redirect_to=url_of(shown), event=CHANGED)
    context = {"invoice": shown, "form": form}
    return render_page(request, "billing/adjust.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def cancel(request: UserRequest, partner_id: int, invoice_id: int) -> HttpResponse:
    shown = invoice_seen(request, partner_id, invoice_id)
    if request.method != "POST":
        return render_page(request, "billing/cancel.html", {"invoice": shown})
    try:
        shown.cancel(by=request.actor)
    except AlreadyCancelled:
        messages.info(request, f"{shown} was cancelled already.")
    except HasPayments:
        messages.error(request, f"Something was paid on {shown}, so it stands. Take the payment back first.")
    except CarriedOn as later:
        messages.error(request, f"{later.invoice} corrects {shown}. Cancel that one first.")
    else:
        messages.success(request, f"{shown} was cancelled. Its days can be billed anew.")
    return done(request, redirect_to=url_of(shown), event=CHANGED)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(CHANGE_PARTNERS)
@never_cache
def take_back(request: UserRequest, partner_id: int, invoice_id: int, payment_id: int) -> HttpResponse:
    shown = invoice_seen(request, partner_id, invoice_id)
    payment = get_object_or_404(shown.payments.select_related("invoice__partner"), pk=payment_id)
    if request.method != "POST":
        return render_page(request, "billing/take_back.html", {"invoice": shown, "payment": payment})
    try:
        payment.take_back(by=request.actor)
    except AlreadyTakenBack:
        messages.info(request, "This payment was taken back already.")
    else:
        messages.success(request, f"The payment was taken back: {shown} is owed again.")
    return done(request, redirect_to=url_of(shown), event=CHANGED)
