"""The Network API about what partners are owed (wire.md section 10)."""

from __future__ import annotations

from typing import Any

from ninja import Router
from ninja.errors import HttpError
from pydantic import ConfigDict, Field, ValidationError

from partners.api import NetworkRequest, Paging
from partners.billing.api import EXAMPLE, AffiliateInvoice, InvoiceFilters, brief
from partners.billing.models import Invoice, InvoiceQuerySet
from portal.web.api import PAGED, filters_in, paged, paging

networks = Router(tags=["Billing"])

PARTNER = "network_affiliate_id"
STATUS = "affiliate_invoice_status"
WITH_CANCELLED = "with_cancelled"
TIME = "YYYY-MM-DD or YYYY-MM-DD HH:MM:SS in the invoice's own time zone, or Unix seconds."
FILTERS = {
    "affiliate_invoice_status": "unpaid: something is still owed; paid: nothing is; overdue: something is, and for "
    "longer than agreed; cancelled.",
    "min_start_time": f"Invoices whose period starts then or later: {TIME}",
    "max_start_time": f"Invoices whose period starts then or earlier: {TIME}",
    "max_end_time": f"Invoices whose period ends then or earlier: {TIME}",
    "min_balance": "Invoices of which at least so much is owed.",
    "max_balance": "Invoices of which at most so much is owed.",
}


class NetworkInvoice(AffiliateInvoice):
    model_config = ConfigDict(json_schema_extra={"examples": [{**EXAMPLE, "is_cancelled": False}]})

    is_cancelled: bool = Field(description="Whether it was cancelled, and counts for nothing.")


class NetworkInvoices(Paging):
    invoices: list[NetworkInvoice]
    paging: Paging


@networks.get(
    "/billings/affiliates/invoices",
    response=NetworkInvoices,
    summary="All invoices",
    openapi_extra={
        "parameters": [
            {"name": PARTNER, "in": "query", "description": "Invoices of this partner.", "schema": {"type": "integer"}},
            *(
                {"name": name, "in": "query", "description": said, "schema": {"type": "string"}}
                for name, said in FILTERS.items()
            ),
            {
                "name": WITH_CANCELLED,
                "in": "query",
                "description": "true: the cancelled ones, too. Left out, or false: those only when asked for.",
                "schema": {"enum": ["true", "false"]},
            },
            *PAGED["parameters"],
        ]
    },
)
def list_network_invoices(request: NetworkRequest) -> dict[str, Any]:
    """All partners' invoices that pass the filters, the latest period first."""
    given = {name: values[-1] for name, values in filters_in(request).items()}
    invoices = of_status(given)
    if (number := given.pop(PARTNER, None)) is not None:
        if not (number.isascii() and number.isdecimal() and len(number) < 19):
            raise HttpError(400, f"{PARTNER}: {number[:80]} is not a number")
        invoices = invoices.filter(partner_id=int(number))
    invoices = filters_of(given).narrow(invoices)
    page, page_size = paged(request)
    first = (page - 1) * page_size
    return {
        "invoices": [
            {**brief(invoice), "is_cancelled": invoice.is_cancelled} for invoice in invoices[first : first + page_size]
        ],
        **paging(page, page_size, invoices.count()),
    }


def of_status(given: dict[str, str]) -> InvoiceQuerySet:
    """The invoices by what only the network asks; takes that out of what was ``given``.

    :raises HttpError: 400 for another with_cancelled than true and false
    """
    everything: InvoiceQuerySet = Invoice.objects.for_listing()
    with_cancelled = given.pop(WITH_CANCELLED, "false")
    if with_cancelled not in ("true", "false"):
        raise HttpError(400, f"{WITH_CANCELLED}: {with_cancelled[:80]} is neither true nor false")
    if given.get(STATUS) == "cancelled":
        del given[STATUS]
        return everything.exclude(cancelled_at=None)
    if given.get(STATUS) == "overdue":
        del given[STATUS]
        return everything.overdue()
    return everything if with_cancelled == "true" else everything.standing()


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
