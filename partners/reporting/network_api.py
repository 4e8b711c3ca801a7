"""Reports across all partners and the network's summary, by API (wire.md section 10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.utils import timezone
from ninja import Router
from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.config import JsonDict

from partners.api import NetworkRequest
from partners.reporting.api import (
    ASKED,
    FIGURES,
    UNITS,
    AskedExport,
    AskedSummary,
    CellInfo,
    ComparisonInfo,
    file_of,
    json_answer,
    table_of,
    understood,
)
from partners.reporting.columns import columns_of
from partners.reporting.dashboard import SHOWN_TO_NETWORK, summary
from partners.reporting.engine import MOST_ROWS, ask, one_snapshot, series
from partners.reporting.metrics import METRICS, Unit, metrics_of
from partners.reporting.question import AskedReport, Question, currency_of
from partners.traffic.periods import zone_of
from portal.network.models import Network
from portal.web.api import EXPORTS, REPORTING, limited, reads

networks = Router(tags=["Reporting"])

ASKED_BY_NETWORK: JsonDict = {**ASKED, "columns": [{"column": "affiliate"}, {"column": "advertiser"}]}
NETWORK_FIGURES: dict[str, Any] = {
    **FIGURES,
    "revenue": 2376.12,
    "rpc": 0.7616,
    "rpm": 49.2859,
    "payout": 1782.09,
    "profit": 594.03,
    "margin": 25.0,
    "cpc": 0.5712,
    "cpa": 18.3721,
}
EXAMPLE_ROW: dict[str, Any] = {
    "columns": [
        {"column_type": "affiliate", "id": "12", "label": "Acme Media"},
        {"column_type": "advertiser", "id": "7", "label": "Tallow & Reed"},
    ],
    "reporting": NETWORK_FIGURES,
}
TABLE: dict[str, Any] = {"table": [EXAMPLE_ROW], "incomplete_results": False, "total_rows": 1}


def field_of(name: str) -> Any:
    metric = METRICS[name]
    return (
        int if metric.unit is Unit.COUNT else float,
        Field(
            description=f"{metric.description}{UNITS[metric.unit]}",
            json_schema_extra={"example": NETWORK_FIGURES[name]},
        ),
    )


NetworkFigures: type[BaseModel] = create_model(
    "NetworkFigures", **{name: field_of(name) for name in metrics_of(is_network=True)}
)


class NetworkRowInfo(BaseModel):
    columns: list[CellInfo] = Field(description="One for each column, in the order asked for.")
    reporting: NetworkFigures = Field(description="Every metric.")  # type: ignore[valid-type]  # made of the metrics


class NetworkTable(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [TABLE]})

    table: list[NetworkRowInfo] = Field(
        description="By time, if a column is of time; then by revenue, clicks and impressions, most first; then by the "
        "columns. There is a row for everything with at least one click, impression or counted conversion."
    )
    incomplete_results: bool = Field(description=f"Whether there are more than the {MOST_ROWS:,} rows that are here.")
    total_rows: int = Field(description="How many rows there are.")


class NetworkPoint(BaseModel):
    unix: int = Field(description="When the hour or day begins: unix seconds.")
    reporting: NetworkFigures = Field(description="Every metric.")  # type: ignore[valid-type]


class NetworkEntity(NetworkTable):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **TABLE,
                    "summary": NETWORK_FIGURES,
                    "performance": [{"unix": 1777593600, "reporting": NETWORK_FIGURES}],
                }
            ]
        }
    )

    summary: NetworkFigures = Field(  # type: ignore[valid-type]
        description="All that the filters leave in one, whatever the metric filters choose for the table."
    )
    performance: list[NetworkPoint] = Field(
        description="The same over time: hours of a range of up to two days, days of a longer one, without gaps."
    )


COMPARED: dict[str, Any] = {
    name: (ComparisonInfo, Field(description=f"{METRICS[metric].description}{UNITS[METRICS[metric].unit]}"))
    for name, metric in SHOWN_TO_NETWORK.items()
}
NetworkSummary: type[BaseModel] = create_model("NetworkSummary", **COMPARED)
BODY = {"requestBody": {"content": {"application/json": {"example": ASKED_BY_NETWORK}}}}
FILES = {
    **BODY,
    "responses": {
        200: {
            "description": "The file, sent as it is read.",
            "headers": {
                "Content-Disposition": {
                    "description": "attachment, with a name of the range.",
                    "required": True,
                    "schema": {"type": "string"},
                }
            },
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/json": {"schema": {"type": "object"}, "example": {"table": [EXAMPLE_ROW]}},
            },
        }
    },
}


def documented(operation: Callable[..., Any]) -> Callable[..., Any]:
    """Adds to an operation's description which columns there are."""
    operation.__doc__ = f"{operation.__doc__}\n\nColumns: {', '.join(columns_of(is_network=True))}."
    return operation


@networks.post("/reporting/entity/table", response=NetworkTable, summary="Report: table", openapi_extra=BODY)
@limited(REPORTING)
@reads
@documented
def read_network_report_table(request: NetworkRequest, payload: AskedReport) -> HttpResponse:
    """All metrics of all partners' traffic by the columns you choose, current to the last click."""
    with understood():
        return json_answer(table_of(ask(Question.of(payload, partner=None))))


@networks.post(
    "/reporting/entity", response=NetworkEntity, summary="Report: table, summary, performance", openapi_extra=BODY
)
@limited(REPORTING)
@reads
@documented
def read_network_report(request: NetworkRequest, payload: AskedReport) -> HttpResponse:
    """The table, and with it all of it in one (summary) and over time (performance)."""
    with understood(), one_snapshot():
        question = Question.of(payload, partner=None)
        table, over_time = table_of(ask(question)), series(question)
    performance = [{"unix": int(begun.timestamp()), "reporting": figures} for begun, figures in over_time.points]
    return json_answer({**table, "summary": over_time.total, "performance": performance})


@networks.post("/reporting/entity/table/export", summary="Report: export", openapi_extra=FILES)
@limited(EXPORTS)
@reads
@documented
def export_network_report(request: NetworkRequest, payload: AskedExport) -> StreamingHttpResponse:
    """The table as a file, with all of its rows, however many they are."""
    with understood():
        return file_of(payload, partner=None)


@networks.post("/dashboard/summary", response=NetworkSummary, summary="Dashboard: summary")
@limited(REPORTING)
@reads
def read_network_dashboard_summary(request: NetworkRequest, payload: AskedSummary) -> HttpResponse:
    """Today and yesterday, this month and the last, of what the network earns and pays, and of what it comes from."""
    with understood():
        network = Network.load()
        zone, currency = zone_of(payload.timezone_id), currency_of(payload.currency_id, network)
        return json_answer(summary(partner=None, zone=zone, currency=currency, now=timezone.now()))
