"""The component reference at /ui/, routed while DEBUG is on: every component, in both color schemes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import django_tables2 as tables
from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET

from partners.macros import DESTINATION
from partners.reporting.charts import Chart, chart_of
from partners.reporting.engine import Series
from partners.reporting.question import Question
from portal.web.access import public
from portal.web.api_request import curl

PARTNERS: list[dict[str, Any]] = [
    {"name": "Acme Deals", "status": "active", "manager": "Vera Holm", "keys": 3, "last_call": "2026-11-20 17:42"},
    {"name": "Bluebird Coupons", "status": "onboarding", "manager": "Amir Haddad", "keys": 0, "last_call": "never"},
    {"name": "Cashback Cove", "status": "paused", "manager": "Vera Holm", "keys": 1, "last_call": "2026-10-02 08:05"},
]
STATUSES = {
    "A partner": ["active", "onboarding", "paused"],
    "A key": ["live", "revoked", "expired"],
    "A call": [
        "ok",
        "bad_request",
        "no_key",
        "unknown_key",
        "revoked_key",
        "expired_key",
        "wrong_realm",
        "ip_denied",
        "rate_limited",
        "not_found",
        "method_not_allowed",
        "unreleased",
        "error",
    ],
    "An invoice": ["paid", "unpaid", "overdue", "cancelled"],
    "An account": ["active", "invited", "deactivated"],
}
EXAMPLE = (
    'curl https://tracking.northwind.example/v1/affiliates/affiliate \\\n  -H "Authorization: Bearer $LATCHKEY_KEY"'
)
REPORT = {"from": "2026-11-01", "to": "2026-11-20", "timezone_id": 67, "columns": [{"column": "offer"}]}


class PartnerTable(tables.Table):  # type: ignore[misc]  # django-tables2 ships no types
    name = tables.Column()
    status = tables.Column()
    manager = tables.Column()
    keys = tables.Column("Live keys", attrs={"td": {"class": "numeric"}})
    last_call = tables.Column()
    menu = tables.Column("", empty_values=(), orderable=False)

    class Meta:
        empty_text = "No partner matches"
        attrs: ClassVar = {"aria-label": "Partners"}

    def render_status(self, value: str) -> str:
        return render_to_string("ui/status.html", {"status": value, "label": value.capitalize()})

    def render_menu(self, record: dict[str, Any]) -> str:
        row = PARTNERS.index(record)
        return render_to_string("ui/gallery_menu.html", {"id": f"{self.prefix}menu-{row}", "name": record["name"]})


class KeyForm(forms.Form):
    label = forms.CharField(help_text="What the partner will use it for, such as “Billing” or “Daily report”.")
    environment = forms.ChoiceField(choices=[("live", "Live"), ("staging", "Staging")])
    note = forms.CharField(widget=forms.Textarea(attrs={"rows": 2}), required=False)
    password = forms.CharField(widget=forms.PasswordInput, help_text="At least 10 characters.")
    realm = forms.ChoiceField(
        widget=forms.RadioSelect, choices=[("affiliate", "Affiliate API"), ("network", "Network API")]
    )
    anyway = forms.BooleanField(
        label="Issue it although the partner is not ready",
        help_text="The partner is onboarding and has no technical contact.",
    )


class FilterForm(forms.Form):
    q = forms.CharField(label="Search", required=False, widget=forms.SearchInput(attrs={"placeholder": "Name"}))
    status = forms.ChoiceField(
        required=False, choices=[("", "Any"), ("active", "Active"), ("onboarding", "Onboarding"), ("paused", "Paused")]
    )


@require_GET
@public(reason="the component reference shows nothing of the network and is routed only while DEBUG is on")
def gallery(request: HttpRequest) -> HttpResponse:
    return render(request, "ui/gallery.html", {"schemes": [scheme(name) for name in ("light", "dark")]})


def chart() -> Chart:
    """Two weeks of clicks and of what is left of them, which was not always something."""
    days = [datetime(2026, 5, 1, tzinfo=UTC) + timedelta(days=number) for number in range(14)]
    clicks = [820, 1240, 990, 1010, 1130, 870, 640, 910, 1320, 1460, 1180, 1090, 930, 710]
    profit = [88.5, 120.1, 61.0, -34.2, 75.4, 66.0, 12.3, 95.0, 140.7, 151.2, 99.9, -12.5, 70.0, 48.1]
    question = Question(None, days[0], days[-1], ZoneInfo("UTC"), "USD")
    points = [
        (day, {"total_click": clicked, "profit": left}) for day, clicked, left in zip(days, clicks, profit, strict=True)
    ]
    total = {"total_click": sum(clicks), "profit": round(sum(profit), 2)}
    return chart_of(Series(question, "date", points, total), ("total_click", "profit"))


def scheme(name: str) -> dict[str, Any]:
    """What one column of the gallery shows; the names within it are its own, since the page has two."""
    invalid = KeyForm({"environment": "live", "realm": "affiliate"}, auto_id=f"{name}-invalid-%s", prefix=name)
    return {
        "name": name,
        "form": KeyForm(auto_id=f"{name}-%s", prefix=name),
        "invalid": invalid,
        "filters": FilterForm(auto_id=f"{name}-filter-%s"),
        "table": PartnerTable(PARTNERS, prefix=f"{name}-", order_by="name"),
        "empty": PartnerTable([], prefix=f"{name}-empty-"),
        "statuses": STATUSES,
        "chart": chart(),
        "example": EXAMPLE,
        "request": curl("POST", "/affiliates/reporting/entity/table", body=REPORT),
        "macros": DESTINATION,
        "marked": DESTINATION.marked("https://shop.example/{offer_id}?click={transaction_id}&source={source_id}"),
        "hint": "lk_aff_••••••9f2c",
        "secret": "lk_aff_" + "Example" * 4 + "NotAKey000",
    }
