"""Reports and the dashboard's summary, by API (wire.md sections 2 and 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from django.http import HttpResponse, StreamingHttpResponse
from django.utils import timezone
from ninja import Router
from ninja.errors import HttpError
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, create_model
from pydantic.config import JsonDict
from pydantic_core import to_json

from partners.api import PartnerRequest
from partners.models import Partner
from partners.reporting.columns import columns_of
from partners.reporting.dashboard import SHOWN, summary
from partners.reporting.engine import MOST_ROWS, Report, ask, export_csv, export_json, one_snapshot, series
from partners.reporting.metrics import METRICS, Unit, metrics_of
from partners.reporting.question import AskedReport, Misunderstood, Question, currency_of
from partners.traffic.periods import NoSuchPeriod, zone_of
from portal.network.models import Network
from portal.network.rates import RateMissing
from portal.web.api import EXPORTS, REPORTING, limited, reads
from portal.web.streams import stream

affiliates = Router(tags=["Reporting"])

ASKED: JsonDict = {
    "from": "2026-05-01",
    "to": "2026-05-31",
    "timezone_id": 67,
    "currency_id": "USD",
    "columns": [{"column": "offer"}, {"column": "sub1"}],
    "query": {
        "filters": [{"resource_type": "country", "filter_id_value": "US"}],
        "exclusions": [{"resource_type": "sub1", "filter_id_value": "test"}],
        "metric_filters": [{"metric_type": "total_click", "operator": "greater_than", "metric_value": 10}],
        "settings": {},
    },
}
UNITS = {
    Unit.COUNT: "",
    Unit.PERCENT: " Three decimals; 0 when divided by zero.",
    Unit.MONEY: " In currency_id, rounded to it.",
    Unit.PRICE: " In currency_id, two decimals more than it has; 0 when divided by zero.",
}
FIGURES: dict[str, Any] = {
    "imp": 48211,
    "total_click": 3120,
    "unique_click": 2877,
    "invalid_click": 64,
    "duplicate_click": 243,
    "gross_click": 3184,
    "ctr": 6.472,
    "cv": 97,
    "view_through_cv": 3,
    "event": 41,
    "cvr": 3.109,
    "evr": 42.268,
    "rpc": 0.5712,
    "rpm": 36.9643,
    "revenue": 1782.09,
    "redirect_traffic_revenue": 0.0,
    "on_hold_conversion_count": 4,
    "on_hold_potential_revenue": 72.0,
    "sale_amount": 9120.4,
}
EXAMPLE_ROW: dict[str, Any] = {
    "columns": [
        {"column_type": "offer", "id": "42", "label": "Summer Shoes"},
        {"column_type": "sub1", "id": "newsletter", "label": "newsletter"},
    ],
    "reporting": FIGURES,
}


def figures_model(name: str, example: dict[str, Any], *, is_network: bool) -> type[BaseModel]:
    """All metrics of a realm. Their own list is what a report has; a model written out beside it would repeat it."""
    fields: dict[str, Any] = {
        metric.name: (
            int if metric.unit is Unit.COUNT else float,
            Field(
                description=f"{metric.description}{UNITS[metric.unit]}",
                json_schema_extra={"example": example[metric.name]},
            ),
        )
        for metric in metrics_of(is_network=is_network).values()
    }
    return create_model(name, **fields)


Figures = figures_model("Figures", FIGURES, is_network=False)


class CellInfo(BaseModel):
    column_type: str = Field(description="The column's name.")
    id: str = Field(
        description="Always text: the number of an offer, creative or offer URL (0: none, or the offer's own URL), the "
        "code of a country, the second since 1970 (UTC) in which a time begins, or the text itself; empty when unknown."
    )
    label: str = Field(description="What people read: a name, a date in timezone_id, or the same as id.")


class RowInfo(BaseModel):
    columns: list[CellInfo] = Field(description="One for each column, in the order asked for.")
    reporting: Figures = Field(description="Every metric.")  # type: ignore[valid-type]  # made of the list of metrics


class Table(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"table": [EXAMPLE_ROW], "incomplete_results": False, "total_rows": 1}]}
    )

    table: list[RowInfo] = Field(
        description="By time, if a column is of time; then by revenue, clicks and impressions, most first; then by the "
        "columns. There is a row for everything with at least one click, impression or counted conversion."
    )
    incomplete_results: bool = Field(description=f"Whether there are more than the {MOST_ROWS:,} rows that are here.")
    total_rows: int = Field(description="How many rows there are.")


class Point(BaseModel):
    unix: int = Field(description="When the hour or day begins: unix seconds.")
    reporting: Figures = Field(description="Every metric.")  # type: ignore[valid-type]


class Entity(Table):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "table": [EXAMPLE_ROW],
                    "incomplete_results": False,
                    "total_rows": 1,
                    "summary": FIGURES,
                    "performance": [{"unix": 1777593600, "reporting": FIGURES}],
                }
            ]
        }
    )

    summary: Figures = Field(  # type: ignore[valid-type]
        description="All that the filters leave in one, whatever the metric filters choose for the table."
    )
    performance: list[Point] = Field(
        description="The same over time: hours of a range of up to two days, days of a longer one, without gaps."
    )


class AskedExport(AskedReport):
    model_config = ConfigDict(json_schema_extra={"examples": [{**ASKED, "format": "csv"}]})

    format: Literal["csv", "json"] = Field(
        default="csv", description="csv: a line of names first. json: the object of entity/table, table alone."
    )


class AskedSummary(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"timezone_id": 67, "currency_id": "USD"}]}
    )

    timezone_id: StrictInt | StrictStr | None = Field(
        default=None, description="Whose days they are, of /v1/meta/timezones. Without it, the network's."
    )
    currency_id: str | None = Field(default=None, description="ISO 4217. Without it, the network's currency.")


class ComparisonInfo(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "today": 41.0,
                    "yesterday": 120.0,
                    "current_month": 2210.0,
                    "last_month": 2874.0,
                    "trending_percentage": 7.9,
                }
            ]
        }
    )

    today: float = Field(description="Today so far.")
    yesterday: float = Field(description="All of yesterday.")
    current_month: float = Field(description="This month so far.")
    last_month: float = Field(description="All of last month.")
    trending_percentage: float = Field(
        description="By how many percent today so far is above yesterday up to the same time of day; one decimal, 0 "
        "when there was nothing yesterday until then."
    )


def comparisons(shown: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a summary, by the metrics that it shows."""
    return {
        name: (ComparisonInfo, Field(description=f"{METRICS[metric].description}{UNITS[METRICS[metric].unit]}"))
        for name, metric in shown.items()
    }


def body_like(asked: JsonDict) -> dict[str, Any]:
    """An operation's documentation: what its body looks like."""
    return {"requestBody": {"content": {"application/json": {"example": asked}}}}


def file_like(row: dict[str, Any]) -> dict[str, Any]:
    """An operation's documentation: that it answers a file, of rows that look like that in JSON."""
    disposition = {
        "description": "attachment, with a name of the range.",
        "required": True,
        "schema": {"type": "string"},
    }
    return {
        "responses": {
            200: {
                "description": "The file, sent as it is read.",
                "headers": {"Content-Disposition": disposition},
                "content": {
                    "text/csv": {"schema": {"type": "string"}},
                    "application/json": {"schema": {"type": "object"}, "example": {"table": [row]}},
                },
            }
        }
    }


Summary: type[BaseModel] = create_model("Summary", **comparisons(SHOWN))
BODY = body_like(ASKED)
FILES = BODY | file_like(EXAMPLE_ROW)


@contextmanager
def understood() -> Iterator[None]:
    """What cannot be answered is a 400 that says why."""
    try:
        yield
    except (Misunderstood, NoSuchPeriod) as reason:
        raise HttpError(400, str(reason)) from None
    except RateMissing as missing:
        raise HttpError(400, missing.sentence) from None


def json_answer(answer: object) -> HttpResponse:
    """Straight to JSON: of ten thousand rows of twenty figures, checking each against its model would take longest."""
    return HttpResponse(to_json(answer), content_type="application/json")


def table_of(report: Report) -> dict[str, Any]:
    return {"table": report.rows, "incomplete_results": report.is_incomplete, "total_rows": report.total_rows}


def answer_table(asked: AskedReport, *, partner: Partner | None) -> HttpResponse:
    with understood():
        return json_answer(table_of(ask(Question.of(asked, partner=partner))))


def answer_entity(asked: AskedReport, *, partner: Partner | None) -> HttpResponse:
    with understood(), one_snapshot():
        question = Question.of(asked, partner=partner)
        table, over_time = table_of(ask(question)), series(question)
    performance = [{"unix": int(begun.timestamp()), "reporting": figures} for begun, figures in over_time.points]
    return json_answer({**table, "summary": over_time.total, "performance": performance})


def answer_file(asked: AskedExport, *, partner: Partner | None) -> StreamingHttpResponse:
    with understood():
        return file_of(asked, partner=partner)


def file_of(asked: AskedExport, *, partner: Partner | None) -> StreamingHttpResponse:
    question = Question.of(asked, partner=partner)
    name = f"report_{asked.from_[:10]}_{asked.to[:10]}.{asked.format}"
    if asked.format == "json":
        return stream(export_json(question), "application/json", filename=name)
    return stream(export_csv(question), "text/csv; charset=utf-8", filename=name)


def answer_summary(asked: AskedSummary, *, partner: Partner | None) -> HttpResponse:
    with understood():
        zone, currency = zone_of(asked.timezone_id), currency_of(asked.currency_id, Network.load())
        return json_answer(summary(partner=partner, zone=zone, currency=currency, now=timezone.now()))


def naming_columns(*, is_network: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds to an operation's description which columns there are."""

    def describe(operation: Callable[..., Any]) -> Callable[..., Any]:
        operation.__doc__ = f"{operation.__doc__}\n\nColumns: {', '.join(columns_of(is_network=is_network))}."
        return operation

    return describe


@affiliates.post("/reporting/entity/table", response=Table, summary="Report: table", openapi_extra=BODY)
@limited(REPORTING)
@reads
@naming_columns(is_network=False)
def read_report_table(request: PartnerRequest, payload: AskedReport) -> HttpResponse:
    """All metrics of your traffic by the columns you choose, current to the last click."""
    return answer_table(payload, partner=request.call.partner)


@affiliates.post(
    "/reporting/entity", response=Entity, summary="Report: table, summary, performance", openapi_extra=BODY
)
@limited(REPORTING)
@reads
@naming_columns(is_network=False)
def read_report(request: PartnerRequest, payload: AskedReport) -> HttpResponse:
    """The table, and with it all of it in one (summary) and over time (performance)."""
    return answer_entity(payload, partner=request.call.partner)


@affiliates.post("/reporting/entity/table/export", summary="Report: export", openapi_extra=FILES)
@limited(EXPORTS)
@reads
@naming_columns(is_network=False)
def export_report(request: PartnerRequest, payload: AskedExport) -> StreamingHttpResponse:
    """The table as a file, with all of its rows, however many they are."""
    return answer_file(payload, partner=request.call.partner)


@affiliates.post("/dashboard/summary", response=Summary, summary="Dashboard: summary")
@limited(REPORTING)
@reads
def read_dashboard_summary(request: PartnerRequest, payload: AskedSummary) -> HttpResponse:
    """Today and yesterday, this month and the last, of what you earn and of what it comes from."""
    return answer_summary(payload, partner=request.call.partner)
