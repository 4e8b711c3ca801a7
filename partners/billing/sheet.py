"""What the sheet of an invoice shows, whoever looks at it."""

from __future__ import annotations

from typing import Any

from partners.billing.models import Invoice
from partners.models import Partner


def sheet_of(partner: Partner, invoice: Invoice) -> dict[str, Any]:
    """The context of billing/sheet.html; ``invoice`` has its totals."""
    return {
        "partner": partner,
        "invoice": invoice,
        "lines": invoice.lines.select_related("corrects"),
        "payments": invoice.payments.standing(),
    }
