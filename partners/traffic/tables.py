from __future__ import annotations

from typing import ClassVar

import django_tables2 as tables


def cell(name: str, **options: object) -> tables.TemplateColumn:
    return tables.TemplateColumn(template_name=f"traffic/cells/{name}.html", empty_values=(), **options)


class ConversionTable(tables.Table):  # type: ignore[misc]  # django-tables2 ships no types
    """A partner's conversions. They are in the order of time alone: a page of them costs the same wherever it is."""

    at = cell("at", verbose_name="Time")
    offer = cell("offer", verbose_name="Offer")
    order_id = cell("order", verbose_name="Order ID")
    sub1 = cell("sub1", verbose_name="Sub 1")
    sale_amount = cell("sale_amount", verbose_name="Sale", attrs={"td": {"class": "numeric"}})
    payout = cell("payout", verbose_name="Payout", attrs={"td": {"class": "numeric"}})
    status = cell("status", verbose_name="Status")

    class Meta:
        orderable = False
        attrs: ClassVar = {"aria-label": "Conversions, newest first"}
        empty_text = "No conversions"


class HoldTable(ConversionTable):
    status = None
    held_until = cell("held_until", verbose_name="Approved on")

    class Meta(ConversionTable.Meta):
        attrs: ClassVar = {"aria-label": "Conversions on hold, newest first"}
        empty_text = "Nothing is on hold"


class NetworkConversionTable(tables.Table):  # type: ignore[misc]  # django-tables2 ships no types
    """Everybody's conversions, to be decided over."""

    chosen = cell("chosen", verbose_name="Chosen")
    at = cell("at", verbose_name="Time")
    partner = cell("partner", verbose_name="Partner")
    offer = cell("offer", verbose_name="Offer")
    order_id = cell("order", verbose_name="Order ID")
    payout = cell("payout", verbose_name="Payout", attrs={"td": {"class": "numeric"}})
    revenue = cell("revenue", verbose_name="Revenue", attrs={"td": {"class": "numeric"}})
    status = cell("status", verbose_name="Status")

    class Meta:
        orderable = False
        attrs: ClassVar = {"aria-label": "Conversions, newest first"}
        empty_text = "No conversions"


class ControlTable(tables.Table):  # type: ignore[misc]  # django-tables2 ships no types
    # Every order ends in the primary key, or rows could trade places between two pages.
    name = cell("control_name", verbose_name="Name", order_by=("name", "pk"))
    rule = cell("rule", verbose_name="Rule", orderable=False)
    offer = tables.Column("Offer", accessor="offer__name", default="Every offer", order_by=("offer__name", "pk"))
    partners = cell("control_partners", verbose_name="Partners", orderable=False)
    status = cell("control_status", verbose_name="Status", order_by=("-is_active", "pk"))
    menu = cell("control_menu", verbose_name="Actions", orderable=False)

    class Meta:
        attrs: ClassVar = {"aria-label": "Traffic controls"}
        empty_text = "No traffic controls yet"
