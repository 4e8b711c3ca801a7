from __future__ import annotations

from django.urls import path

from portal.status import views

app_name = "status"

urlpatterns = [
    path("system/status/", views.page, name="page"),
    path("system/status/notices/add/", views.add_notice, name="notice_add"),
    path("system/status/notices/<int:notice_id>/end/", views.end_notice, name="notice_end"),
    path("account/status/", views.account, name="account"),
    path("account/status/brief/", views.account_brief, name="account_brief"),
    path("status/", views.public_page, name="public"),
    path("status.json", views.status_json, name="json"),
    path("livez", views.livez, name="livez"),
    path("readyz", views.readyz, name="readyz"),
]
