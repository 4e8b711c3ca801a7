from __future__ import annotations

from django.urls import URLPattern, path

from partners.firehose.push import views

app_name = "push"

OF_PARTNER = "partners/<int:partner_id>/api/push"

urlpatterns: list[URLPattern] = [
    path("account/api/push/", views.own, name="own"),
    path("account/api/push/add/", views.own_add, name="own_add"),
    path("account/api/push/edit/", views.own_edit, name="own_edit"),
    path("account/api/push/secret/", views.own_secret, name="own_secret"),
    path("account/api/push/test/", views.own_test, name="own_test"),
    path("account/api/push/pause/", views.own_pause, name="own_pause"),
    path("account/api/push/resume/", views.own_resume, name="own_resume"),
    path("account/api/push/remove/", views.own_remove, name="own_remove"),
    path(f"{OF_PARTNER}/", views.partner, name="partner"),
    path(f"{OF_PARTNER}/pause/", views.partner_pause, name="partner_pause"),
    path(f"{OF_PARTNER}/resume/", views.partner_resume, name="partner_resume"),
]
