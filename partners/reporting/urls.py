from __future__ import annotations

from django.urls import URLPattern, path

from partners.reporting.views import network, own

app_name = "reporting"

urlpatterns: list[URLPattern] = [
    path("dashboard/", own.dashboard, name="dashboard"),
    path("my/reports/", own.report, name="own"),
    path("my/reports/export/", own.export, name="own_export"),
    path("reports/", network.report, name="network"),
    path("reports/export/", network.export, name="network_export"),
    path("partners/<int:partner_id>/traffic/", network.traffic, name="partner_traffic"),
]
