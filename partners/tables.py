from __future__ import annotations

from typing import ClassVar

import django_tables2 as tables
from django.db.models import F
from django_tables2.utils import A

from partners.models import Partner, PartnerQuerySet


class PartnerTable(tables.Table):  # type: ignore[misc]  # django-tables2 ships no types
    # Every order ends in the primary key, or rows could trade places between two pages.
    name = tables.Column(
        order_by=("name", "pk"), linkify=("partners:detail", {"partner_id": A("pk")}), attrs={"a": {"dir": "auto"}}
    )
    status = tables.TemplateColumn(template_name="partners/cells/status.html", order_by=("status", "name", "pk"))
    manager = tables.Column(
        accessor="manager__name", verbose_name="Manager", default="Nobody", order_by=("manager__name", "name", "pk")
    )
    flags = tables.TemplateColumn(
        template_name="partners/cells/flags.html",
        accessor="open_flags",
        empty_values=([],),
        default="",
        order_by=("has_open_flags", "name", "pk"),
    )
    live_keys = tables.TemplateColumn(
        template_name="partners/cells/live_keys.html",
        verbose_name="Live keys",
        attrs={"td": {"class": "numeric"}},
        order_by=("live_keys", "name", "pk"),
    )
    last_call_at = tables.TemplateColumn(
        template_name="partners/cells/last_call.html", verbose_name="Last call", empty_values=()
    )

    class Meta:
        model = Partner
        fields = ("name", "status", "manager", "flags", "live_keys", "last_call_at")
        attrs: ClassVar = {"aria-label": "Partners"}
        empty_text = "No partner matches"

    def order_last_call_at(self, partners: PartnerQuerySet, is_descending: bool) -> tuple[PartnerQuerySet, bool]:
        """Those that never called count as the oldest."""
        last_call = F("last_call_at")
        order = last_call.desc(nulls_last=True) if is_descending else last_call.asc(nulls_first=True)
        return partners.order_by(order, "name", "pk"), True
