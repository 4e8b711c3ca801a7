"""An invoice as a file for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpResponseBase

from partners.billing.models import Invoice
from portal.network.currencies import money
from portal.web.exports import Row, stream_csv

COLUMNS = (
    "invoice",
    "first_day",
    "last_day",
    "timezone",
    "type",
    "offer_id",
    "offer",
    "quantity",
    "amount",
    "currency",
    "notes",
)


def lines_as_csv(invoice: Invoice) -> HttpResponseBase:
    return stream_csv(f"{invoice}.csv", COLUMNS, rows_of(invoice))


def rows_of(invoice: Invoice) -> Iterator[Row]:
    for line in invoice.lines.select_related("corrects"):
        yield {
            "invoice": str(invoice),
            "first_day": invoice.starts_on,
            "last_day": invoice.ends_on,
            "timezone": invoice.timezone,
            "type": line.kind,
            "offer_id": line.offer_id,
            "offer": line.offer_name,
            "quantity": line.quantity,
            # A number: as a text, what starts with a minus would be taken for a formula and be quoted.
            "amount": money(line.amount, invoice.currency),
            "currency": invoice.currency,
            "notes": line.explanation,
        }
