"""Figures as people read them."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from partners.reporting.metrics import Metric, Unit, decimals_of
from portal.network.currencies import DECIMALS

# What a person is told of a percentage; the third decimal is for scripts.
PERCENT_SHOWN = Decimal("0.01")


def shown(value: float, metric: Metric, currency: str) -> str:
    """The figure with its unit: "1,234", "3.11 %", "1,782.09 USD"."""
    figure = bare(value, metric, currency)
    return f"{figure}\N{NO-BREAK SPACE}{currency}" if metric.unit in (Unit.MONEY, Unit.PRICE) else figure


def bare(value: float, metric: Metric, currency: str) -> str:
    """The figure without its currency, for a column that has named it in its heading."""
    if metric.unit is Unit.COUNT:
        return f"{int(value):,}"
    if metric.unit is Unit.PERCENT:
        return f"{Decimal(str(value)).quantize(PERCENT_SHOWN, ROUND_HALF_UP):,}\N{NO-BREAK SPACE}%"
    decimals = decimals_of(metric.unit, DECIMALS.get(currency, 2))
    return f"{Decimal(str(value)):,.{decimals}f}"
