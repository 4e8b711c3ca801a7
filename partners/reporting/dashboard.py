"""The figures at the top of a dashboard: today and yesterday, this month and the last."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TypedDict
from zoneinfo import ZoneInfo

from partners.models import Partner
from partners.reporting.buckets import beginning_of
from partners.reporting.engine import one_snapshot, total
from partners.reporting.question import Question

# What the dialect calls a metric here, by what reports call it.
SHOWN = {
    "revenue": "revenue",
    "click": "total_click",
    "conversion": "cv",
    "cvr": "cvr",
    "events": "event",
    "evr": "evr",
    "impression": "imp",
    "redirect_revenue": "redirect_traffic_revenue",
    "on_hold_potential_revenue": "on_hold_potential_revenue",
    "on_hold_conversion_count": "on_hold_conversion_count",
}
# In the network's summary, which has the partners' part and what is left of it, too.
SHOWN_TO_NETWORK = {**SHOWN, "payout": "payout", "profit": "profit", "margin": "margin"}
TENTH = Decimal("0.1")


class Comparison(TypedDict):
    today: int | float
    yesterday: int | float
    current_month: int | float
    last_month: int | float
    trending_percentage: float


def summary(*, partner: Partner | None, zone: ZoneInfo, currency: str, now: datetime) -> dict[str, Comparison]:
    """Each metric today and this month so far, and in all of yesterday and of last month, as the zone counts days.

    ``trending_percentage`` is how much today so far is above yesterday up to the same time since midnight, in percent
    with one decimal; 0 when there was nothing to compare with.
    :raises portal.network.rates.RateMissing: when money cannot be converted into the currency
    """
    today = now.astimezone(zone).date()
    month = today.replace(day=1)
    midnight, before = beginning_of(today, zone), beginning_of(today - timedelta(days=1), zone)
    ahead = beginning_of(today + timedelta(days=1), zone)
    last_month, this_month = (beginning_of(day, zone) for day in ((month - timedelta(days=1)).replace(day=1), month))
    spans = {
        "today": (midnight, ahead),
        "yesterday": (before, midnight),
        "so_far": (before, min(before + (now - midnight), midnight)),
        "current_month": (this_month, ahead),
        "last_month": (last_month, this_month),
    }
    question = Question(partner=partner, start=midnight, end=ahead, zone=zone, currency=currency)
    with one_snapshot():
        found = {name: total(replace(question, start=start, end=end)) for name, (start, end) in spans.items()}
    shown = SHOWN if partner is not None else SHOWN_TO_NETWORK
    return {
        name: {
            "today": found["today"][metric],
            "yesterday": found["yesterday"][metric],
            "current_month": found["current_month"][metric],
            "last_month": found["last_month"][metric],
            "trending_percentage": change(found["so_far"][metric], found["today"][metric]),
        }
        for name, metric in shown.items()
    }


def change(before: float, after: float) -> float:
    """By how many percent of what it was before something is more."""
    if not before:
        return 0.0
    grown = (Decimal(str(after)) - Decimal(str(before))) / Decimal(str(before)) * 100
    return float(grown.quantize(TENTH, rounding=ROUND_HALF_UP))
