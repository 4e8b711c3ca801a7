"""Figures over time, drawn: one band of bars for each metric, one above the other, over one axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from partners.reporting.engine import Series
from partners.reporting.figures import shown
from partners.reporting.metrics import METRICS, Metric

PARTNERS_BANDS = ("total_click", "cv", "revenue")
NETWORKS_BANDS = ("total_click", "cv", "revenue", "profit")
# In the drawing's own units: it is as wide as its page.
STEP, HEIGHT, GAP = 10, 100, 1.5
# The least thing that happened still shows.
LEAST_HEIGHT = 1.5
DATES = {
    "hour": "%a %-d %b, %H:%M",
    "date": "%a %-d %b %Y",
    "week": "Week of %-d %b %Y",
    "month": "%B %Y",
    "year": "%Y",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, and the whole height that a pointer finds it by."""

    hit_x: int
    x: float
    y: float
    height: float
    is_loss: bool
    title: str


@dataclass(frozen=True, slots=True)
class Band:
    """One metric over time. Where some of it is a loss, those bars hang down from nothing."""

    title: str
    bars: list[Bar]
    total: str
    highest: str
    # "good" or "bad", of what is one of the two.
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One hour, day, week, month or year: what each band says of it, by the metric's title."""

    name: str
    figures: list[tuple[str, str]]

    @property
    def title(self) -> str:
        return "\n".join([self.name, *(f"{title}: {figure}" for title, figure in self.figures)])


@dataclass(frozen=True, slots=True)
class Chart:
    bands: list[Band]
    stretches: list[Stretch]
    unit: str
    width: int
    height: int = HEIGHT
    bar_width: float = STEP - 2 * GAP

    @property
    def is_empty(self) -> bool:
        return not any(bar.height for band in self.bands for bar in band.bars)


def chart_of(series: Series, metrics: Sequence[str]) -> Chart:
    chosen = [METRICS[name] for name in metrics]
    currency, zone = series.question.currency, series.question.zone
    stretches = [
        Stretch(
            begins_at.astimezone(zone).strftime(DATES[series.unit]),
            [(metric.title, shown(figures[metric.name], metric, currency)) for metric in chosen],
        )
        for begins_at, figures in series.points
    ]
    titles = [stretch.title for stretch in stretches]
    unit = {"date": "day"}.get(series.unit, series.unit)
    return Chart([band_of(series, metric, titles) for metric in chosen], stretches, unit, len(stretches) * STEP)


def band_of(series: Series, metric: Metric, titles: Sequence[str]) -> Band:
    currency = series.question.currency
    values = [figures[metric.name] for _, figures in series.points]
    total = shown(series.total[metric.name], metric, currency)
    return Band(metric.title, bars_of(values, titles), total, shown(max([*values, 0]), metric, currency))


def bars_of(values: Sequence[Any], titles: Sequence[str]) -> list[Bar]:
    highest, lowest = max([*values, 0]), min([*values, 0])
    scale = HEIGHT / ((highest - lowest) or 1)
    zero = highest * scale
    bars = []
    for place, (value, title) in enumerate(zip(values, titles, strict=True)):
        height = max(abs(value) * scale, LEAST_HEIGHT) if value else 0.0
        y = min(zero, HEIGHT - height) if value < 0 else max(zero - height, 0.0)
        bars.append(Bar(place * STEP, place * STEP + GAP, round(y, 2), round(height, 2), value < 0, title))
    return bars


def days_chart(bands: Mapping[str, Sequence[int]], days: Sequence[date], *, tones: Mapping[str, str]) -> Chart:
    """How many of each there were on each of the days, by the bands' titles."""
    stretches = [
        Stretch(day.strftime(DATES["date"]), [(title, f"{counts[place]:,}") for title, counts in bands.items()])
        for place, day in enumerate(days)
    ]
    titles = [stretch.title for stretch in stretches]
    drawn = [
        Band(title, bars_of(counts, titles), f"{sum(counts):,}", f"{max([*counts, 0]):,}", tones.get(title, ""))
        for title, counts in bands.items()
    ]
    return Chart(drawn, stretches, "day", len(stretches) * STEP)
