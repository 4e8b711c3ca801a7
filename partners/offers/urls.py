from __future__ import annotations

from django.urls import URLPattern, path

from partners.offers.views import core, feeds, own, parts, promotions

app_name = "offers"

urlpatterns: list[URLPattern] = [
    path("offers/", core.offers, name="offers"),
    path("offers/new/", core.new, name="new"),
    path("offers/<int:offer_id>/", core.detail, name="detail"),
    path("offers/<int:offer_id>/edit/", core.edit, name="edit"),
    path("offers/<int:offer_id>/status/", core.change_status, name="change_status"),
    path("offers/<int:offer_id>/token/", core.issue_token, name="issue_token"),
    path("offers/<int:offer_id>/applications/<int:application_id>/approve/", core.approve, name="approve"),
    path("offers/<int:offer_id>/applications/<int:application_id>/reject/", core.reject, name="reject"),
    path("offers/<int:offer_id>/payouts/add/", parts.add_event, name="add_event"),
    path("offers/<int:offer_id>/payouts/<int:payout_id>/", parts.change_payout, name="change_payout"),
    path("offers/<int:offer_id>/terms/add/", parts.add_terms, name="add_terms"),
    path("offers/<int:offer_id>/terms/<int:terms_id>/", parts.change_terms, name="change_terms"),
    path("offers/<int:offer_id>/terms/<int:terms_id>/end/", parts.end_terms, name="end_terms"),
    path("offers/<int:offer_id>/landing-pages/add/", parts.add_landing_page, name="add_landing_page"),
    path("offers/<int:offer_id>/landing-pages/<int:url_id>/", parts.change_landing_page, name="change_landing_page"),
    path(
        "offers/<int:offer_id>/landing-pages/<int:url_id>/withdraw/",
        parts.withdraw_landing_page,
        name="withdraw_landing_page",
    ),
    path("offers/<int:offer_id>/creatives/add/", parts.add_creative, name="add_creative"),
    path(
        "offers/<int:offer_id>/creatives/<int:creative_id>/withdraw/", parts.withdraw_creative, name="withdraw_creative"
    ),
    path("offers/<int:offer_id>/coupons/add/", promotions.add_coupon, name="add_coupon"),
    path("offers/<int:offer_id>/coupons/<int:coupon_id>/withdraw/", promotions.withdraw_coupon, name="withdraw_coupon"),
    path("offers/<int:offer_id>/deals/add/", promotions.add_deal, name="add_deal"),
    path("offers/<int:offer_id>/deals/<int:deal_id>/", promotions.change_deal, name="change_deal"),
    path("offers/<int:offer_id>/deals/<int:deal_id>/withdraw/", promotions.withdraw_deal, name="withdraw_deal"),
    path("offers/<int:offer_id>/feeds/add/", feeds.add_feed, name="add_feed"),
    path("offers/<int:offer_id>/feeds/<int:feed_id>/", feeds.change_feed, name="change_feed"),
    path("offers/<int:offer_id>/feeds/<int:feed_id>/fill/", feeds.fill_feed, name="fill_feed"),
    path("offers/<int:offer_id>/feeds/<int:feed_id>/withdraw/", feeds.withdraw_feed, name="withdraw_feed"),
    path("my/offers/", own.offers, name="own"),
    path("my/offers/<int:offer_id>/", own.detail, name="own_offer"),
    path("my/offers/<int:offer_id>/link/", own.link, name="own_link"),
    path("my/offers/<int:offer_id>/apply/", own.apply, name="apply"),
]
