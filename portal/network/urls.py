from __future__ import annotations

from django.urls import URLPattern, path

from portal.network import views

app_name = "network"

urlpatterns: list[URLPattern] = [
    path("system/general/", views.general, name="general"),
    path("system/general/rates/", views.rates, name="rates"),
    path("system/general/rates/add/", views.add_rate, name="add_rate"),
]
