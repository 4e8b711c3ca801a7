from __future__ import annotations

from django.urls import URLPattern, path

from portal.notifications import views

app_name = "notifications"

urlpatterns: list[URLPattern] = [
    path("notifications/", views.notifications, name="list"),
    path("notifications/choices/", views.choices, name="choices"),
    path("notifications/read/", views.read_all, name="read_all"),
    path("notifications/<int:notification_id>/read/", views.read, name="read"),
    path("notifications/<int:notification_id>/open/", views.open_page, name="open"),
]
