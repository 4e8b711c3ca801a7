from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from portal.api import api
from portal.gallery import gallery
from portal.guide import guide
from portal.home import home
from portal.reference import reference, reference_document

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home, name="home"),
    path("", include("portal.accounts.urls")),
    path("", include("portal.network.urls")),
    path("", include("portal.notifications.urls")),
    path("", include("partners.urls")),
    path("", include("partners.billing.urls")),
    path("", include("partners.reporting.urls")),
    path("", include("partners.postbacks.urls")),
    path("", include("partners.firehose.urls")),
    path("", include("partners.firehose.push.urls")),
    path("", include("partners.offers.urls")),
    path("", include("partners.traffic.urls")),
    path("", include("keys.urls")),
    path("", include("keys.leaks.urls")),
    path("", include("apilog.urls")),
    path("", include("apilog.patterns.urls")),
    path("", include("portal.status.urls")),
    path("guide/", guide, name="guide"),
    path("docs/", reference, {"name": "reference"}, name="reference"),
    path("docs/openapi.json", reference_document, {"name": "reference"}, name="reference_document"),
    path("docs/network/", reference, {"name": "network_reference"}, name="network_reference"),
    path(
        "docs/network/openapi.json",
        reference_document,
        {"name": "network_reference"},
        name="network_reference_document",
    ),
    path("v1/", api.urls),
]

if settings.DEBUG:
    urlpatterns.append(path("ui/", gallery, name="ui"))
