from __future__ import annotations

from typing import Any, ClassVar

import django_tables2 as tables

from partners.billing.models import Invoice, InvoiceQuerySet
from partners.billing.models.invoice import DUE_ON

NUMERIC = {"td": {"class": "numeric"}}


class InvoiceTable(tables.Table):  # type: ignore[misc]  # django-tables2 ships no types
    """A partner's invoices, as the partner sees them. Each row's link is to ``url_name`` of the context."""

    # Every order ends in the primary key, or rows could trade places between two pages.
    number = tables.TemplateColumn(template_name="billing/cells/number.html", order_by=("number", "pk"))
    period = tables.Column(accessor="period", order_by=("starts_on", "pk"))
    billed = tables.TemplateColumn(
        template_name="billing/cells/money.html", order_by=("billed", "pk"), attrs=NUMERIC, empty_values=()
    )
    paid = tables.TemplateColumn(
        template_name="billing/cells/money.html", order_by=("paid", "pk"), attrs=NUMERIC, empty_values=()
    )
    balance = tables.TemplateColumn(
        template_name="billing/cells/money.html", order_by=("balance", "pk"), attrs=NUMERIC, empty_values=()
    )
    due_on = tables.DateColumn(verbose_name="Due", format="j M Y")
    status = tables.TemplateColumn(template_name="billing/cells/status.html", orderable=False)

    class Meta:
        attrs: ClassVar = {"aria-label": "Invoices"}
        row_attrs: ClassVar = {"data-muted": lambda record: True if record.is_cancelled else None}
        empty_text = "No invoice matches"

    def order_due_on(self, invoices: InvoiceQuerySet, is_descending: bool) -> tuple[Any, bool]:
        return invoices.order_by(DUE_ON.desc() if is_descending else DUE_ON.asc(), "pk"), True

    def render_period(self, record: Invoice) -> str:
        return str(record.period)
