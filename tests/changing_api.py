"""URLs with an operation that changes data, for tests of what every such operation can rely on."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import include, path
from ninja import NinjaAPI, Router
from ninja.errors import HttpError

from keys.gate import Realm
from partners.models import Partner
from portal.api import http_error, passing_the_gate, unexpected
from tests.conftest import SETUP

changing = Router()


@changing.post("/changes")
def create_partner(request: HttpRequest, then: str = "") -> dict[str, int]:
    partner = Partner.create(by=SETUP, name="Made by a call")
    if then == "refuse":
        raise HttpError(400, "name: it is taken")
    if then == "fail":
        raise RuntimeError("halfway")
    return {"id": partner.pk}


changing.add_decorator(passing_the_gate(Realm.NETWORK), mode="view")
api = NinjaAPI(title="Changes", urls_namespace="changes", docs_url=None, openapi_url=None)
api.add_router("/networks", changing)
api.exception_handler(HttpError)(http_error)
api.exception_handler(Exception)(unexpected)

urlpatterns = [path("v1/", api.urls), path("", include("portal.urls"))]
