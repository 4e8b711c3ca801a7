"""The Network API about what partners are owed (wire.md section 10)."""

from __future__ import annotations

from typing import Any

from ninja import Router
from ninja.errors import HttpError
from pydantic import ValidationError

from partners.api import NetworkRequest
from partners.billing.api import AffiliateInvoices, InvoiceFilters, brief
from partners.billing.models import Invoice
from portal.web.api import PAGED, paged, paging

networks = Router(tags=["Billing"])

PARTNER = "network_affiliate_id"
TIME = "YYYY-MM-DD or YYYY-MM-DD HH:MM:SS in the invoice's own time zone, or Unix seconds."
FILTERS = {
    "affiliate_invoice_status": "unpaid: something is still owed; paid: nothing is.",
    "min_start_time": f"Invoices whose period starts then or later: {TIME}",
    "max_end_time": f"Invoices whose period ends then or earlier: {TIME}",
    "min_balance": "Invoices of which at least so much is owed.",
    "max_balance": "Invoices of which at most so much is owed.",
}


@networks.get(
    "/billings/affiliates/invoices",
    response=AffiliateInvoices,
    summary="All invoices",
    openapi_extra={
        "parameters": [
            {"name": PARTNER, "in": "query", "description": "Invoices of this partner.", "schema": {"type": "integer"}},
            *(
                {"name": name, "in": "query", "description": said, "schema": {"type": "string"}}
                for name, said in FILTERS.items()
            ),
            *PAGED["parameters"],
        ]
    },
)
def list_network_invoices(request: NetworkRequest) -> dict[str, Any]:
    """All partners' invoices that pass the filters, the latest period first. Cancelled ones are not among them."""
    given = {name: str(request.GET[name]) for name in request.GET if name not in ("page", "page_size")}
    invoices = Invoice.objects.standing().for_listing()
    if (number := given.pop(PARTNER, None)) is not None:
        if not (number.isascii() and number.isdecimal() and len(number) < 19):
            raise HttpError(400, f"{PARTNER}: {number[:80]} is not a number")
        invoices = invoices.filter(partner_id=int(number))
    invoices = filters_of(given).narrow(invoices)
    page, page_size = paged(request)
    first = (page - 1) * page_size
    return {
        "invoices": [brief(invoice) for invoice in invoices[first : first + page_size]],
        **paging(page, page_size, invoices.count()),
    }


def filters_of(given: dict[str, str]) -> InvoiceFilters:
    """:raises HttpError: 400 that names the filter"""
    said: dict[str, Any] = dict(given)
    for name in ("min_balance", "max_balance"):
        if name in said:
            try:
                said[name] = float(given[name])
            except ValueError:
                raise HttpError(400, f"{name}: {given[name][:80]} is not a number") from None
    try:
        return InvoiceFilters.model_validate(said)
    except ValidationError as errors:
        first = errors.errors()[0]
        raise HttpError(400, f"{str(first['loc'][0])[:80]}: {first['msg']}") from None
