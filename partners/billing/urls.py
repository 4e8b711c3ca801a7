from __future__ import annotations

from django.urls import URLPattern, path

from partners.billing.views import own, partner

app_name = "billing"

INVOICE = "partners/<int:partner_id>/billing/<int:invoice_id>/"

urlpatterns: list[URLPattern] = [
    path("partners/<int:partner_id>/billing/", partner.invoices, name="partner"),
    path("partners/<int:partner_id>/billing/raise/", partner.raise_invoice, name="raise"),
    path(INVOICE, partner.invoice, name="invoice"),
    path(f"{INVOICE}lines.csv", partner.lines, name="lines"),
    path(f"{INVOICE}pay/", partner.pay, name="pay"),
    path(f"{INVOICE}adjust/", partner.adjust, name="adjust"),
    path(f"{INVOICE}cancel/", partner.cancel, name="cancel"),
    path(f"{INVOICE}payments/<int:payment_id>/take-back/", partner.take_back, name="take_back"),
    path("my/billing/", own.invoices, name="own"),
    path("my/billing/<int:invoice_id>/", own.invoice, name="own_invoice"),
    path("my/billing/<int:invoice_id>/lines.csv", own.lines, name="own_lines"),
]
