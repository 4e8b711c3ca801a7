from __future__ import annotations

from django.urls import path

from apilog import views

app_name = "apilog"

urlpatterns = [
    path("system/api-log/", views.calls, name="calls"),
    path("system/api-log/tail/", views.tail, name="tail"),
    path("system/api-log/export/<str:form>/", views.export, name="export"),
    path("system/api-log/retention/", views.retention, name="retention"),
    path("system/api-log/calls/<uuid:call_id>/", views.call, name="call"),
    path("system/api/meter/", views.meter, name="meter"),
    path("partners/<int:partner_id>/api/keys/<int:key_id>/allowlist/dry-run/", views.dry_run, name="dry_run"),
    path("system/api/keys/<int:key_id>/allowlist/dry-run/", views.network_dry_run, name="network_dry_run"),
    path("account/api/meter/", views.account_meter, name="account_meter"),
    path("partners/<int:partner_id>/api/calls/", views.partner_calls, name="partner_calls"),
    path("partners/<int:partner_id>/api/calls/<uuid:call_id>/", views.partner_call, name="partner_call"),
    path("account/api/calls/", views.account_calls, name="account_calls"),
    path("account/api/calls/<uuid:call_id>/", views.account_call, name="account_call"),
]
