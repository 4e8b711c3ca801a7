from __future__ import annotations

from typing import ClassVar

import django_tables2 as tables
from django_tables2.utils import A

from partners.offers.models import Application, CouponCode, Deal, Offer, PartnerPayout, ProductFeed


class OwnOfferTable(tables.Table):  # type: ignore[misc]  # django-tables2 ships no types
    # Every order ends in the primary key, or rows could trade places between two pages.
    name = tables.Column("Offer", order_by=("name", "pk"), linkify=("offers:own_offer", {"offer_id": A("pk")}))
    category = tables.Column("Category", accessor="category__name", order_by=("category__name", "name", "pk"))
    payout = tables.TemplateColumn(
        template_name="offers/cells/own_payout.html", empty_values=(), orderable=False, verbose_name="You earn"
    )
    countries = tables.TemplateColumn(template_name="offers/cells/countries.html", empty_values=(), orderable=False)
    standing = tables.TemplateColumn(
        template_name="offers/cells/standing.html", empty_values=(), orderable=False, verbose_name="Can I run it?"
    )

    class Meta:
        model = Offer
        fields = ("name", "category", "payout", "countries", "standing")
        attrs: ClassVar = {"aria-label": "Offers"}
        empty_text = "No offer matches"


class OfferTable(tables.Table):  # type: ignore[misc]
    name = tables.Column("Offer", order_by=("name", "pk"), linkify=("offers:detail", {"offer_id": A("pk")}))
    advertiser = tables.Column("Advertiser", accessor="advertiser__name", order_by=("advertiser__name", "name", "pk"))
    category = tables.Column("Category", accessor="category__name", order_by=("category__name", "name", "pk"))
    payout = tables.TemplateColumn(template_name="offers/cells/payout.html", empty_values=(), orderable=False)
    revenue = tables.TemplateColumn(template_name="offers/cells/revenue.html", empty_values=(), orderable=False)
    visibility = tables.Column(order_by=("visibility", "name", "pk"))
    status = tables.TemplateColumn(template_name="offers/cells/status.html", order_by=("status", "name", "pk"))
    pending_count = tables.TemplateColumn(
        template_name="offers/cells/pending.html",
        verbose_name="To answer",
        attrs={"td": {"class": "numeric"}},
        order_by=("pending_count", "name", "pk"),
    )

    # What the Network API calls these orders.
    on_the_wire: ClassVar = {
        "name": "name",
        "advertiser": "network_advertiser_name",
        "category": "network_category_name",
        "visibility": "visibility",
        "status": "offer_status",
        "pending_count": "pending_applications",
    }

    class Meta:
        model = Offer
        fields = ("name", "advertiser", "category", "payout", "revenue", "visibility", "status", "pending_count")
        attrs: ClassVar = {"aria-label": "Offers"}
        empty_text = "No offer matches"

    @property
    def as_order(self) -> dict[str, str]:
        """What of the body of POST /networks/offerstable puts the offers in the same order."""
        first = next(iter(self.order_by), "name")
        name = self.on_the_wire[first.removeprefix("-")]
        return {"order_field": name, "order_direction": "desc" if first.startswith("-") else "asc"}


class ApplicationTable(tables.Table):  # type: ignore[misc]
    partner = tables.Column(
        "Partner",
        accessor="partner__name",
        linkify=("partners:detail", {"partner_id": A("partner_id")}),
        orderable=False,
    )
    applied_at = tables.TemplateColumn(
        template_name="offers/cells/applied.html", verbose_name="Applied", orderable=False
    )
    answer = tables.TemplateColumn(template_name="offers/cells/answer.html", empty_values=(), orderable=False)

    class Meta:
        model = Application
        fields = ("partner", "applied_at", "answer")
        attrs: ClassVar = {"aria-label": "Applications"}
        empty_text = "Nobody has applied"


class OwnTermsTable(tables.Table):  # type: ignore[misc]
    partner = tables.Column(
        "Partner",
        accessor="partner__name",
        linkify=("partners:detail", {"partner_id": A("partner_id")}),
        orderable=False,
    )
    pays_for = tables.Column("For", accessor="replaces__title", orderable=False)
    payout = tables.TemplateColumn(template_name="offers/cells/terms.html", empty_values=(), orderable=False)
    since = tables.TemplateColumn(
        template_name="offers/cells/since.html", accessor="created_at", verbose_name="Since", orderable=False
    )
    menu = tables.TemplateColumn(
        template_name="offers/cells/terms_menu.html", empty_values=(), orderable=False, verbose_name=""
    )

    class Meta:
        model = PartnerPayout
        fields = ("partner", "pays_for", "payout", "since", "menu")
        attrs: ClassVar = {"aria-label": "Terms of single partners"}
        empty_text = "Everybody is paid the same"


class WithdrawableTable(tables.Table):  # type: ignore[misc]
    """What partners are told of for some days, or until it is withdrawn."""

    lasts = tables.TemplateColumn(
        template_name="offers/cells/lasts.html", empty_values=(), orderable=False, verbose_name="Days"
    )

    class Meta:
        row_attrs: ClassVar = {"data-muted": lambda record: "" if record.withdrawn_at else None}


class CouponTable(WithdrawableTable):
    code = tables.TemplateColumn(template_name="offers/cells/code.html", orderable=False)
    partner = tables.Column(
        "Whose",
        accessor="partner__name",
        linkify=("partners:detail", {"partner_id": A("partner_id")}),
        default="Everybody’s",
        orderable=False,
    )
    menu = tables.TemplateColumn(
        template_name="offers/cells/coupon_menu.html", empty_values=(), orderable=False, verbose_name=""
    )

    class Meta(WithdrawableTable.Meta):
        model = CouponCode
        fields = ("code", "partner", "lasts", "menu")
        attrs: ClassVar = {"aria-label": "Coupon codes"}
        empty_text = "No coupon codes yet"


class DealTable(WithdrawableTable):
    name = tables.TemplateColumn(template_name="offers/cells/deal.html", verbose_name="Deal", orderable=False)
    discount = tables.Column("Customers save", accessor="discount_told", empty_values=("",), orderable=False)
    menu = tables.TemplateColumn(
        template_name="offers/cells/deal_menu.html", empty_values=(), orderable=False, verbose_name=""
    )

    class Meta(WithdrawableTable.Meta):
        model = Deal
        fields = ("name", "discount", "lasts", "menu")
        attrs: ClassVar = {"aria-label": "Deals"}
        empty_text = "No deals yet"


class FeedTable(WithdrawableTable):
    name = tables.Column("Feed", orderable=False)
    item_count = tables.Column("Products", attrs={"td": {"class": "numeric"}}, orderable=False)
    filled_at = tables.TemplateColumn(
        template_name="offers/cells/filled.html", empty_values=(), orderable=False, verbose_name="Filled"
    )
    menu = tables.TemplateColumn(
        template_name="offers/cells/feed_menu.html", empty_values=(), orderable=False, verbose_name=""
    )

    class Meta(WithdrawableTable.Meta):
        model = ProductFeed
        fields = ("name", "item_count", "filled_at", "lasts", "menu")
        attrs: ClassVar = {"aria-label": "Product feeds"}
        empty_text = "No product feeds yet"
