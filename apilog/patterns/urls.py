from __future__ import annotations

from django.urls import path

from apilog.patterns import views

app_name = "patterns"

urlpatterns = [
    path("system/api-log/patterns/", views.network_patterns, name="network"),
    path("system/api-log/patterns/<int:pattern_id>/dismiss/", views.dismiss, name="dismiss"),
    path("partners/<int:partner_id>/api/patterns/", views.partner_patterns, name="partner"),
    path(
        "partners/<int:partner_id>/api/patterns/<int:pattern_id>/dismiss/",
        views.dismiss_of_partner,
        name="dismiss_of_partner",
    ),
]
