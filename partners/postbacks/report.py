"""What became of what a postback had to tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from partners.postbacks.models import Postback
from partners.reporting.charts import Chart, days_chart
from portal.network.models import Network

DAYS = 30
# Beyond that it only matters that there are many.
COUNTED = 10_000
TONES = {"Delivered": "good", "Failed": "bad"}


@dataclass(frozen=True, slots=True)
class Report:
    """``chart`` is of the attempts of the last thirty days of the network; tests are not among them."""

    chart: Chart
    delivered: str
    failed: str
    waiting: str
    given_up: str


def report_of(postback: Postback, *, now: datetime) -> Report:
    today = now.astimezone(Network.load().zone).date()
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    counts = {day.day: day for day in postback.days.filter(day__gte=days[0], day__lte=today)}
    delivered = [counts[day].delivered if day in counts else 0 for day in days]
    failed = [counts[day].failed if day in counts else 0 for day in days]
    return Report(
        chart=days_chart({"Delivered": delivered, "Failed": failed}, days, tones=TONES),
        delivered=f"{sum(delivered):,}",
        failed=f"{sum(failed):,}",
        waiting=counted(postback.deliveries.open().count_up_to(COUNTED)),
        given_up=counted(postback.deliveries.given_up().count_up_to(COUNTED)),
    )


def counted(number: int) -> str:
    return f"{number:,}" if number < COUNTED else f"{COUNTED:,} or more"
