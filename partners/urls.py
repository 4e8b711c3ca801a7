from __future__ import annotations

from django.urls import URLPattern, path

from partners import views

app_name = "partners"

urlpatterns: list[URLPattern] = [
    path("partners/", views.manage, name="manage"),
    path("partners/new/", views.new, name="new"),
    path("partners/<int:partner_id>/", views.detail, name="detail"),
    path("partners/<int:partner_id>/edit/", views.edit, name="edit"),
    path("partners/<int:partner_id>/flags/raise/", views.raise_flag, name="raise_flag"),
    path("partners/<int:partner_id>/flags/<int:flag_id>/close/", views.close_flag, name="close_flag"),
    path("account/", views.account, name="account"),
    path("account/contact/", views.contact, name="contact"),
]
