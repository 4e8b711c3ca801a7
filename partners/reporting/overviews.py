"""What a partner's traffic comes to at a glance: the tiles, thirty days of it, the offers that bring the most."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from partners.models import Partner
from partners.reporting.buckets import beginning_of
from partners.reporting.charts import Chart, chart_of
from partners.reporting.columns import COLUMNS
from partners.reporting.dashboard import SHOWN_TO_NETWORK, summary
from partners.reporting.engine import Row, ask, one_snapshot, series
from partners.reporting.figures import bare, shown
from partners.reporting.metrics import METRICS, metrics_of
from partners.reporting.question import Question
from portal.network.models import Network
from portal.network.rates import RateMissing
from portal.network.timezones import BY_NAME

DAYS = 30
MOST_OFFERS = 5
TILES = ("revenue", "click", "conversion", "cvr", "events", "on_hold_potential_revenue")
TOP_METRICS = ("total_click", "cv", "cvr", "revenue")


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure today against yesterday, and this month against the last."""

    label: str
    today: str
    yesterday: str
    current_month: str
    last_month: str
    # By how many percent today is above yesterday up to the same time.
    trend: float

    @property
    def trend_shown(self) -> str:
        return f"{abs(self.trend):,.1f}".removesuffix(".0")


@dataclass(frozen=True, slots=True)
class TopOffer:
    offer_id: str
    name: str
    # Each with its heading.
    figures: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Overview:
    partner: Partner
    currency: str
    zone: ZoneInfo
    question: Question
    tiles: list[Tile]
    chart: Chart
    headings: list[str]
    top_offers: list[TopOffer]

    @property
    def as_question(self) -> dict[str, Any]:
        """The body of POST /affiliates/reporting/entity that asks for the thirty days and the offers in them."""
        first, last = (
            moment.astimezone(self.zone).date()
            for moment in (self.question.start, self.question.end - timedelta(seconds=1))
        )
        return {
            "from": first.isoformat(),
            "to": last.isoformat(),
            "timezone_id": BY_NAME[self.zone.key].timezone_id,
            "currency_id": self.currency,
            "columns": [{"column": "offer"}],
        }

    @property
    def as_networks_question(self) -> dict[str, Any]:
        """The same of POST /networks/reporting/entity, where what the partner earns is the payout."""
        whose = {"resource_type": "affiliate", "filter_id_value": str(self.partner.pk)}
        return {**self.as_question, "query": {"filters": [whose]}}


def overview_of(partner: Partner, *, now: datetime) -> Overview:
    """In the partner's time zone and currency, or the network's where there is no exchange rate for that.

    :raises portal.network.rates.RateMissing: when there is none for the network's either
    """
    network = Network.load()
    zone = BY_NAME[partner.timezone].zone if partner.timezone in BY_NAME else network.zone
    try:
        return overview_in(partner, currency=partner.currency or network.currency, zone=zone, now=now)
    except RateMissing:
        if partner.currency == network.currency:
            raise
        return overview_in(partner, currency=network.currency, zone=zone, now=now)


def overview_in(partner: Partner, *, currency: str, zone: ZoneInfo, now: datetime) -> Overview:
    today = now.astimezone(zone).date()
    question = Question(
        partner=partner,
        start=beginning_of(today - timedelta(days=DAYS - 1), zone),
        end=beginning_of(today + timedelta(days=1), zone),
        zone=zone,
        currency=currency,
    )
    with one_snapshot():
        compared = summary(partner=partner, zone=zone, currency=currency, now=now)
        over_time = series(question, "date")
        best = ask(replace(question, columns=(COLUMNS["offer"],)))
    titles = metrics_of(is_network=False)
    tiles = []
    for name in TILES:
        metric, figures = METRICS[SHOWN_TO_NETWORK[name]], compared[name]
        tiles.append(
            Tile(
                label=metric.title,
                today=bare(figures["today"], metric, currency),
                yesterday=bare(figures["yesterday"], metric, currency),
                current_month=bare(figures["current_month"], metric, currency),
                last_month=bare(figures["last_month"], metric, currency),
                trend=figures["trending_percentage"],
            )
        )
    return Overview(
        partner=partner,
        currency=currency,
        zone=zone,
        question=question,
        tiles=tiles,
        chart=chart_of(over_time, ("total_click", "cv", "revenue")),
        headings=[titles[name].title for name in TOP_METRICS],
        top_offers=[top_offer(row, currency) for row in best.rows[:MOST_OFFERS]],
    )


def top_offer(row: Row, currency: str) -> TopOffer:
    [offer] = row["columns"]
    figures: dict[str, Any] = row["reporting"]
    return TopOffer(
        offer["id"],
        offer["label"],
        [(METRICS[name].title, shown(figures[name], METRICS[name], currency)) for name in TOP_METRICS],
    )
