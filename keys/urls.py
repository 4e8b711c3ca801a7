from __future__ import annotations

from django.urls import URLPattern, path

from keys.views import account, allowlist, key_requests, network, partner, share

app_name = "keys"

urlpatterns: list[URLPattern] = [
    path("partners/<int:partner_id>/api/", partner.keys, name="partner"),
    path("partners/<int:partner_id>/api/add/", partner.add, name="add"),
    path("partners/<int:partner_id>/api/export/", partner.export, name="export"),
    path("partners/<int:partner_id>/api/keys/<int:key_id>/send/", partner.send, name="send"),
    path("partners/<int:partner_id>/api/keys/<int:key_id>/share/", share.make, name="share"),
    path("partners/<int:partner_id>/api/keys/<int:key_id>/reveal/", partner.reveal, name="reveal"),
    path("partners/<int:partner_id>/api/keys/<int:key_id>/rename/", partner.rename, name="rename"),
    path("partners/<int:partner_id>/api/keys/<int:key_id>/ceiling/", partner.ceiling, name="ceiling"),
    path("partners/<int:partner_id>/api/keys/<int:key_id>/rotate/", partner.rotate, name="rotate"),
    path("partners/<int:partner_id>/api/keys/<int:key_id>/revoke/", partner.revoke, name="revoke"),
    path(
        "partners/<int:partner_id>/api/keys/<int:key_id>/allowlist/",
        allowlist.of_partner_key,
        name="allowlist",
    ),
    path(
        "partners/<int:partner_id>/api/keys/<int:key_id>/allowlist/add/",
        allowlist.allow_partner_key,
        name="allow",
    ),
    path(
        "partners/<int:partner_id>/api/keys/<int:key_id>/allowlist/<int:entry_id>/remove/",
        allowlist.disallow_partner_key,
        name="disallow",
    ),
    path("partners/<int:partner_id>/api/requests/<int:request_id>/approve/", key_requests.approve, name="approve"),
    path("partners/<int:partner_id>/api/requests/<int:request_id>/decline/", key_requests.decline, name="decline"),
    path("shared/<str:token>/", share.shared, name="shared"),
    path("account/api/", account.keys, name="account"),
    path("account/api/keys/<int:key_id>/reveal/", account.reveal, name="account_reveal"),
    path("account/api/request/", key_requests.make, name="request"),
    path("account/api/requests/<int:request_id>/withdraw/", key_requests.withdraw, name="withdraw"),
    path("system/api/", network.key, name="network"),
    path("system/api/generate/", network.generate, name="generate"),
    path("system/api/budget/", network.budget, name="budget"),
    path("system/api/limits/", network.limits, name="limits"),
    path("system/api/requests/", network.self_service, name="self_service"),
    path("system/api/keys/<int:key_id>/revoke/", network.revoke, name="network_revoke"),
    path("system/api/keys/<int:key_id>/allowlist/", allowlist.of_network_key, name="network_allowlist"),
    path("system/api/keys/<int:key_id>/allowlist/add/", allowlist.allow_network_key, name="network_allow"),
    path(
        "system/api/keys/<int:key_id>/allowlist/<int:entry_id>/remove/",
        allowlist.disallow_network_key,
        name="network_disallow",
    ),
]
