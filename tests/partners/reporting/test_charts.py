from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from partners.reporting.charts import HEIGHT, LEAST_HEIGHT, chart_of
from partners.reporting.engine import Series
from partners.reporting.figures import bare, shown
from partners.reporting.metrics import METRICS
from partners.reporting.question import Question

START = datetime(2026, 5, 1, tzinfo=UTC)
NBSP = "\N{NO-BREAK SPACE}"


def over_days(*values: float, metric: str = "profit") -> Series:
    days = [START + timedelta(days=number) for number in range(len(values))]
    question = Question(None, START, START + timedelta(days=len(values)), ZoneInfo("UTC"), "USD")
    points = [(day, {metric: value}) for day, value in zip(days, values, strict=True)]
    return Series(question, "date", points, {metric: sum(values)})


def test_the_highest_bar_is_as_high_as_the_drawing_and_the_others_in_proportion() -> None:
    [band] = chart_of(over_days(10, 40, 0, 20), ["profit"]).bands

    assert [bar.height for bar in band.bars] == [25, HEIGHT, 0, 50]
    assert [bar.y + bar.height for bar in band.bars if bar.height] == [HEIGHT] * 3
    assert (band.total, band.highest) == (f"70.00{NBSP}USD", f"40.00{NBSP}USD")


def test_the_least_that_happened_still_shows() -> None:
    [band] = chart_of(over_days(1, 1_000_000), ["profit"]).bands

    assert band.bars[0].height == LEAST_HEIGHT


@pytest.mark.parametrize("values", [(10, -30), (-5, -40), (0.0001, -1_000_000)])
def test_a_loss_hangs_down_from_where_nothing_is_and_stays_in_the_drawing(values: tuple[float, ...]) -> None:
    [band] = chart_of(over_days(*values), ["profit"]).bands

    assert [bar.is_loss for bar in band.bars] == [value < 0 for value in values]
    assert all(bar.y >= 0 and bar.y + bar.height <= HEIGHT + 0.01 for bar in band.bars)


def test_a_pointer_finds_all_figures_of_a_day_on_each_of_its_bars() -> None:
    chart = chart_of(over_days(3.5, metric="revenue"), ["revenue"])

    assert chart.bands[0].bars[0].title == f"Fri 1 May 2026\nRevenue: 3.50{NBSP}USD"
    assert chart.stretches[0].figures == [("Revenue", f"3.50{NBSP}USD")]


def test_nothing_at_all_is_known_as_empty() -> None:
    assert chart_of(over_days(0, 0), ["profit"]).is_empty
    assert not chart_of(over_days(0, 1), ["profit"]).is_empty


@pytest.mark.parametrize(
    ("value", "metric", "currency", "said"),
    [
        (1234567, "total_click", "USD", "1,234,567"),
        (3.105, "cvr", "USD", f"3.11{NBSP}%"),
        (-12.5, "margin", "USD", f"-12.50{NBSP}%"),
        (1782.09, "revenue", "USD", "1,782.09"),
        (1782, "revenue", "JPY", "1,782"),
        (0.5712, "rpc", "USD", "0.5712"),
        (0.125, "rpc", "KWD", "0.12500"),
    ],
)
def test_figures_are_written_as_people_read_them(value: float, metric: str, currency: str, said: str) -> None:
    assert bare(value, METRICS[metric], currency) == said


def test_money_says_its_currency() -> None:
    assert shown(5, METRICS["revenue"], "EUR") == f"5.00{NBSP}EUR"
    assert shown(5, METRICS["cv"], "EUR") == "5"
