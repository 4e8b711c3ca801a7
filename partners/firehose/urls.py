from __future__ import annotations

from django.urls import URLPattern, path

from partners.firehose import views

app_name = "firehose"

urlpatterns: list[URLPattern] = [
    path("partners/<int:partner_id>/firehose/", views.partner, name="partner"),
    path("partners/<int:partner_id>/firehose/enable/", views.enable, name="enable"),
    path("partners/<int:partner_id>/firehose/disable/", views.disable, name="disable"),
    path("account/firehose/", views.account, name="account"),
]
