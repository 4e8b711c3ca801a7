from __future__ import annotations

from django.urls import path

from keys.leaks import views

app_name = "leaks"

urlpatterns = [
    path("partners/<int:partner_id>/api/keys/<int:key_id>/leaks/", views.of_partner_key, name="of_partner_key"),
    path("system/api/keys/<int:key_id>/leaks/", views.of_network_key, name="of_network_key"),
    path("system/api/leaked-keys/", views.rule, name="rule"),
]
