"""Reports across all partners and the network's summary, by API (wire.md section 10)."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from ninja import Router
from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.config import JsonDict

from partners.api import NetworkRequest
from partners.reporting.api import (
    ASKED,
    FIGURES,
    AskedExport,
    AskedSummary,
    CellInfo,
    answer_entity,
    answer_file,
    answer_summary,
    answer_table,
    body_like,
    comparisons,
    figures_model,
    file_like,
    naming_columns,
)
from partners.reporting.dashboard import SHOWN_TO_NETWORK
from partners.reporting.engine import MOST_ROWS
from partners.reporting.question import AskedReport
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


NetworkFigures = figures_model("NetworkFigures", NETWORK_FIGURES, is_network=True)


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


NetworkSummary: type[BaseModel] = create_model("NetworkSummary", **comparisons(SHOWN_TO_NETWORK))
BODY = body_like(ASKED_BY_NETWORK)
FILES = BODY | file_like(EXAMPLE_ROW)


@networks.post("/reporting/entity/table", response=NetworkTable, summary="Report: table", openapi_extra=BODY)
@limited(REPORTING)
@reads
@naming_columns(is_network=True)
def read_network_report_table(request: NetworkRequest, payload: AskedReport) -> HttpResponse:
    """All metrics of all partners' traffic by the columns you choose, current to the last click."""
    return answer_table(payload, partner=None)


@networks.post(
    "/reporting/entity", response=NetworkEntity, summary="Report: table, summary, performance", openapi_extra=BODY
)
@limited(REPORTING)
@reads
@naming_columns(is_network=True)
def read_network_report(request: NetworkRequest, payload: AskedReport) -> HttpResponse:
    """The table, and with it all of it in one (summary) and over time (performance)."""
    return answer_entity(payload, partner=None)


@networks.post("/reporting/entity/table/export", summary="Report: export", openapi_extra=FILES)
@limited(EXPORTS)
@reads
@naming_columns(is_network=True)
def export_network_report(request: NetworkRequest, payload: AskedExport) -> StreamingHttpResponse:
    """The table as a file, with all of its rows, however many they are."""
    return answer_file(payload, partner=None)


@networks.post("/dashboard/summary", response=NetworkSummary, summary="Dashboard: summary")
@limited(REPORTING)
@reads
def read_network_dashboard_summary(request: NetworkRequest, payload: AskedSummary) -> HttpResponse:
    """Today and yesterday, this month and the last, of what the network earns and pays, and of what it comes from."""
    return answer_summary(payload, partner=None)
