"""What a report counts, and how its figures follow from one another. Nothing else says it.

The engine adds up the *sums* below over rows; each metric is an expression over them, worked out at the very end.

Of what kind each row counts, by its own ``at``:

- imp: impressions. total_click: valid clicks, of which unique_click are unique and duplicate_click are not.
  invalid_click: clicks with an error code. gross_click: all of them.
- cv: approved conversions that are no events, those after a mere impression (view_through_cv) included.
  event: approved events.
- revenue: what approved conversions and events, clicks and impressions pay: the partner, in a partner's report; the
  network, in the network's, where payout is the partner's part of it. redirect_traffic_revenue: the part of it from
  rows that came to the offer because another one could not take them. sale_amount: of approved conversions and events.
- on_hold_conversion_count: conversions on hold, without events; on_hold_potential_revenue: theirs and events' revenue.
- ctr, cvr, margin: percentages. evr is events per conversion, as the dialect has it, in percent. rpc, cpc: per valid
  click. rpm: per thousand impressions. cpa: per conversion. A division by zero is 0.

A report that has conversion_status among its columns, filters or exclusions asks for conversions of whatever status:
cv, view_through_cv, event, revenue, redirect_traffic_revenue and sale_amount then count each row, approved or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Unit(Enum):
    COUNT = "count"
    PERCENT = "percent"
    # In the report's currency, rounded to it.
    MONEY = "money"
    # Money for one click, action or thousand impressions: two decimals more than the currency has.
    PRICE = "price"


# How many decimals a percentage has.
PERCENT_DECIMALS = 3
PRICE_DECIMALS_MORE = 2

COUNTS = ("impressions", "valid", "uniques", "invalid", "conversions", "view_through", "events", "held")
# `earned` is the revenue of the realm: the partner's payout, or the network's revenue; `paid` is always the partner's.
AMOUNTS = ("earned", "redirected", "held_amount", "sales", "paid")
SUMS = (*COUNTS, *AMOUNTS)


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    title: str
    unit: Unit
    # SQL over the sums; for rates over the two that are divided.
    expression: str
    divisor: str = ""
    is_network_only: bool = False
    description: str = ""


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("imp", "Impressions", Unit.COUNT, "impressions", description="Impressions."),
        Metric("total_click", "Clicks", Unit.COUNT, "valid", description="Valid clicks, unique ones and duplicates."),
        Metric("unique_click", "Unique clicks", Unit.COUNT, "uniques", description="Valid clicks that are unique."),
        Metric("invalid_click", "Invalid clicks", Unit.COUNT, "invalid", description="Clicks with an error code."),
        Metric(
            "duplicate_click",
            "Duplicate clicks",
            Unit.COUNT,
            "valid - uniques",
            description="Valid clicks by a visitor who had clicked in the 24 hours before.",
        ),
        Metric(
            "gross_click", "Gross clicks", Unit.COUNT, "valid + invalid", description="All clicks, invalid ones too."
        ),
        Metric(
            "ctr", "CTR", Unit.PERCENT, "100 * valid", "impressions", description="Valid clicks of impressions, in %."
        ),
        Metric(
            "cv",
            "Conversions",
            Unit.COUNT,
            "conversions",
            description="Approved conversions that are no events, view-through ones included.",
        ),
        Metric(
            "view_through_cv",
            "View-through",
            Unit.COUNT,
            "view_through",
            description="Those of cv that came from an impression without a click.",
        ),
        Metric("event", "Events", Unit.COUNT, "events", description="Approved events."),
        Metric("cvr", "CVR", Unit.PERCENT, "100 * conversions", "valid", description="cv of total_click, in %."),
        Metric("evr", "EVR", Unit.PERCENT, "100 * events", "conversions", description="event of cv, in %."),
        Metric("rpc", "RPC", Unit.PRICE, "earned", "valid", description="Revenue per valid click."),
        Metric("rpm", "RPM", Unit.PRICE, "1000 * earned", "impressions", description="Revenue per 1,000 impressions."),
        Metric(
            "revenue",
            "Revenue",
            Unit.MONEY,
            "earned",
            description="What approved conversions and events, clicks and impressions earn.",
        ),
        Metric(
            "redirect_traffic_revenue",
            "Redirect revenue",
            Unit.MONEY,
            "redirected",
            description="The part of revenue from traffic that another offer had handed on.",
        ),
        Metric(
            "on_hold_conversion_count",
            "On hold",
            Unit.COUNT,
            "held",
            description="Conversions on hold, without events.",
        ),
        Metric(
            "on_hold_potential_revenue",
            "On hold revenue",
            Unit.MONEY,
            "held_amount",
            description="What conversions and events on hold will earn if they are approved.",
        ),
        Metric(
            "sale_amount",
            "Sale amount",
            Unit.MONEY,
            "sales",
            description="What customers paid: of approved conversions and events.",
        ),
        Metric(
            "payout", "Payout", Unit.MONEY, "paid", is_network_only=True, description="The partners' part of revenue."
        ),
        Metric("profit", "Profit", Unit.MONEY, "earned - paid", is_network_only=True, description="revenue − payout."),
        Metric(
            "margin",
            "Margin",
            Unit.PERCENT,
            "100 * (earned - paid)",
            "earned",
            is_network_only=True,
            description="profit of revenue, in %.",
        ),
        Metric("cpc", "CPC", Unit.PRICE, "paid", "valid", is_network_only=True, description="Payout per valid click."),
        Metric(
            "cpa", "CPA", Unit.PRICE, "paid", "conversions", is_network_only=True, description="Payout per conversion."
        ),
    )
}


def metrics_of(*, is_network: bool) -> dict[str, Metric]:
    return {name: metric for name, metric in METRICS.items() if is_network or not metric.is_network_only}


def decimals_of(unit: Unit, currency_decimals: int) -> int:
    if unit is Unit.PERCENT:
        return PERCENT_DECIMALS
    return currency_decimals + (PRICE_DECIMALS_MORE if unit is Unit.PRICE else 0)
