from __future__ import annotations

from django.urls import URLPattern, path

from partners.offers.views import core, own

app_name = "offers"

urlpatterns: list[URLPattern] = [
    path("offers/", core.offers, name="offers"),
    path("offers/<int:offer_id>/", core.detail, name="detail"),
    path("offers/<int:offer_id>/status/", core.change_status, name="change_status"),
    path("offers/<int:offer_id>/token/", core.issue_token, name="issue_token"),
    path("offers/<int:offer_id>/applications/<int:application_id>/approve/", core.approve, name="approve"),
    path("offers/<int:offer_id>/applications/<int:application_id>/reject/", core.reject, name="reject"),
    path("my/offers/", own.offers, name="own"),
    path("my/offers/<int:offer_id>/", own.detail, name="own_offer"),
    path("my/offers/<int:offer_id>/link/", own.link, name="own_link"),
    path("my/offers/<int:offer_id>/apply/", own.apply, name="apply"),
]
