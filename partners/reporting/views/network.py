from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from partners.models import Partner
from partners.reporting.charts import NETWORKS_BANDS
from partners.reporting.overviews import overview_of
from partners.reporting.pages import report_file, report_page
from portal.accounts.rights import VIEW_PARTNERS
from portal.network.rates import RateMissing
from portal.web.access import requires
from portal.web.api_request import curl
from portal.web.htmx import render_page
from portal.web.requests import UserRequest


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
def report(request: UserRequest) -> HttpResponse:
    """Reports across partners."""
    return report_page(
        request,
        "reporting/network.html",
        partner=None,
        bands=NETWORKS_BANDS,
        context={"export_url": reverse("reporting:network_export")},
        api_path="/networks/reporting/entity/table",
    )


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
def export(request: UserRequest) -> HttpResponseBase:
    return report_file(
        request, "reporting/network.html", partner=None, context={"form_url": reverse("reporting:network")}
    )


@require_safe
@requires(VIEW_PARTNERS)
@never_cache
def traffic(request: UserRequest, partner_id: int) -> HttpResponse:
    """A partner's last thirty days: a region of Partner Details, and a page for who follows its link."""
    partner = get_object_or_404(Partner.objects.visible_to(request.user), pk=partner_id)
    context: dict[str, Any] = {
        "partner": partner,
        "reports_url": f"{reverse('reporting:network')}?column=offer&filter=affiliate:{partner.pk}",
    }
    try:
        context["overview"] = overview = overview_of(partner, now=timezone.now())
        context["api_request"] = curl("POST", "/networks/reporting/entity", body=overview.as_networks_question)
    except RateMissing as missing:
        context["missing_rate"] = missing.currency
    return render_page(request, "reporting/partner.html", context, partial="partner-traffic")
