from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from partners.reporting.charts import PARTNERS_BANDS
from partners.reporting.overviews import overview_of
from partners.reporting.pages import report_file, report_page
from partners.visible import own_partner
from portal.accounts.rights import MY_ACCOUNT
from portal.network.rates import RateMissing
from portal.web.access import requires
from portal.web.api_request import curl
from portal.web.htmx import render_page
from portal.web.requests import UserRequest


@require_safe
@requires(MY_ACCOUNT)
@never_cache
def dashboard(request: UserRequest) -> HttpResponse:
    """The first page of the Partner Platform."""
    partner = own_partner(request)
    context: dict[str, Any] = {"partner": partner, "reports_url": reverse("reporting:own")}
    try:
        context["overview"] = overview = overview_of(partner, now=timezone.now())
        context["api_request"] = curl("POST", "/affiliates/reporting/entity", body=overview.as_question)
    except RateMissing as missing:
        context["missing_rate"] = missing.currency
    return render_page(request, "reporting/dashboard.html", context)


@require_safe
@requires(MY_ACCOUNT)
@never_cache
def report(request: UserRequest) -> HttpResponse:
    """Reports, for the partner's own users."""
    return report_page(
        request,
        "reporting/own.html",
        partner=own_partner(request),
        bands=PARTNERS_BANDS,
        context={"export_url": reverse("reporting:own_export")},
        api_path="/affiliates/reporting/entity/table",
    )


@require_safe
@requires(MY_ACCOUNT)
@never_cache
def export(request: UserRequest) -> HttpResponseBase:
    return report_file(
        request, "reporting/own.html", partner=own_partner(request), context={"form_url": reverse("reporting:own")}
    )
