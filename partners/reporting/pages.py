"""A report as both platforms show it: the form, the chart, the table with its totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.http import HttpResponse, HttpResponseBase

from partners.models import Partner
from partners.reporting.api import AskedExport, file_of
from partners.reporting.charts import chart_of
from partners.reporting.engine import MOST_ROWS, ask, one_snapshot, series
from partners.reporting.forms import ReportForm
from partners.reporting.tables import table_of
from portal.network.rates import RateMissing
from portal.web.api_request import curl
from portal.web.htmx import render_page
from portal.web.requests import UserRequest
from portal.web.tables import configure

PER_PAGE = 50
FORMATS = ("csv", "json")


def report_page(
    request: UserRequest,
    template: str,
    *,
    partner: Partner | None,
    bands: Sequence[str],
    context: dict[str, Any],
    api_path: str = "",
) -> HttpResponse:
    """The report that the query string asks for; what cannot be answered is the form again, with a sentence.

    ``api_path`` is where the API answers the same question.
    """
    form = ReportForm(request.GET, partner=partner)
    found: dict[str, Any] = {"form": form, **context}
    if form.is_valid():
        try:
            found |= answer(request, form, bands, api_path)
        except RateMissing as missing:
            form.add_error("currency", no_rate_for(missing))
    return render_page(request, template, found, partial="report", status=422 if form.errors else 200)


def answer(request: UserRequest, form: ReportForm, bands: Sequence[str], api_path: str) -> dict[str, Any]:
    with one_snapshot():
        report = ask(form.question)
        over_time = series(replace(form.question, bounds=()))
    path = request.path

    def narrowed(column: str, value: str) -> str:
        return f"{path}?{form.query(and_filter=f'{column}:{value}')}"

    table = table_of(report, total=over_time.total, metrics=form.chosen_metrics, narrowed=narrowed)
    configure(request, table, per_page=PER_PAGE)
    return {
        "report": report,
        "table": table,
        "chart": chart_of(over_time, bands),
        "most_rows": MOST_ROWS,
        "exports": [(name, f"{form.query()}&format={name}") for name in FORMATS],
        "api_request": curl("POST", api_path, body=form.body) if api_path else "",
    }


def report_file(
    request: UserRequest, template: str, *, partner: Partner | None, context: dict[str, Any]
) -> HttpResponseBase:
    """The same report with all of its lines, as ``format`` says: csv or json."""
    form = ReportForm(request.GET, partner=partner)
    chosen = request.GET.get("format", FORMATS[0])
    if form.is_valid() and chosen in FORMATS:
        try:
            return file_of(AskedExport.model_validate({**form.body, "format": chosen}), partner=partner)
        except RateMissing as missing:
            form.add_error("currency", no_rate_for(missing))
    elif form.is_valid():
        form.add_error(None, "A report can be exported as csv or json.")
    return render_page(request, template, {"form": form, **context}, partial="report", status=422)


def no_rate_for(missing: RateMissing) -> str:
    return f"There is no exchange rate for {missing.currency} yet. Choose another currency."
