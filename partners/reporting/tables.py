from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import django_tables2 as tables
from django.utils.html import format_html

from partners.reporting.columns import Column
from partners.reporting.engine import Figures, Report
from partners.reporting.figures import bare
from partners.reporting.metrics import Metric, Unit

NUMERIC = {"td": {"class": "numeric"}, "tf": {"class": "numeric"}}
UNNAMED = "None"
NO_TRAFFIC, NO_LINE = "No traffic in this range", "No line has such figures"


class CellColumn(tables.Column):  # type: ignore[misc]  # django-tables2 ships no types
    """What a line is about. A cell leads to the same report of that alone."""

    def __init__(self, column: Column, narrowed: Callable[[str, str], str], *, is_first: bool) -> None:
        name = column.name
        # Times are ordered as such, and words as people read them; equal ones by their ids.
        order = (f"{name}_id",) if column.is_time else (f"{name}_order", f"{name}_id")
        footer = "Total" if is_first else ""
        super().__init__(column.title, accessor=name, order_by=order, empty_values=(), footer=footer)
        self.narrowed, self.asked = narrowed, column

    def render(self, record: Mapping[str, Any]) -> str:
        label, identity = record[self.asked.name], record[f"{self.asked.name}_id"]
        text = label or UNNAMED
        if self.asked.is_time:
            # A date keeps to one line, however many columns there are.
            return format_html('<span class="nowrap">{}</span>', text)
        return format_html(
            '<a href="{}" dir="auto"{}>{}</a>',
            self.narrowed(self.asked.name, str(identity)),
            "" if label else format_html(' class="{}"', "muted"),
            text,
        )


class FigureColumn(tables.Column):  # type: ignore[misc]
    def __init__(self, metric: Metric, currency: str, total: Figures) -> None:
        named = f"{metric.title}, {currency}" if metric.unit in (Unit.MONEY, Unit.PRICE) else metric.title
        footer = bare(total[metric.name], metric, currency)
        super().__init__(named, attrs=NUMERIC, empty_values=(), footer=footer)
        self.metric, self.currency = metric, currency

    def render(self, value: float) -> str:
        return bare(value, self.metric, self.currency)


class ReportTable(tables.Table):  # type: ignore[misc]
    class Meta:
        attrs: ClassVar = {"aria-label": "Report"}
        empty_text = NO_TRAFFIC


def table_of(
    report: Report, *, total: Figures, metrics: Sequence[Metric], narrowed: Callable[[str, str], str]
) -> ReportTable:
    """The report's lines; ``narrowed`` answers the URL of the report of one value of a column."""
    question = report.question
    rows: list[dict[str, Any]] = []
    for line in report.rows:
        row: dict[str, Any] = dict(line["reporting"])
        for column, cell in zip(question.columns, line["columns"], strict=True):
            row[column.name] = cell["label"]
            row[f"{column.name}_id"] = int(cell["id"]) if column.is_time else cell["id"]
            row[f"{column.name}_order"] = cell["label"].casefold()
        rows.append(row)
    columns = [
        (column.name, CellColumn(column, narrowed, is_first=place == 0))
        for place, column in enumerate(question.columns)
    ]
    columns += [(metric.name, FigureColumn(metric, question.currency, total)) for metric in metrics]
    return ReportTable(rows, extra_columns=columns, empty_text=NO_LINE if question.bounds else NO_TRAFFIC)
