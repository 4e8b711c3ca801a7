from __future__ import annotations

from django.urls import URLPattern, path

from portal.network import views

app_name = "network"

urlpatterns: list[URLPattern] = [path("system/general/", views.general, name="general")]
