"""URLs with operations of two routers, one of which changes data: for tests of what every operation can rely on."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import include, path
from ninja import Router
from ninja.errors import HttpError

from keys.gate import Realm, Refused
from partners.models import Partner
from portal.api import Api, http_error, refused, unexpected
from portal.web.api import quick
from tests.conftest import SETUP

changing, reading = Router(), Router()


@changing.post("/changes")
def create_partner(request: HttpRequest, then: str = "") -> dict[str, int]:
    partner = Partner.create(by=SETUP, name="Made by a call")
    if then == "refuse":
        raise HttpError(400, "name: it is taken")
    if then == "fail":
        raise RuntimeError("halfway")
    return {"id": partner.pk}


@reading.get("/reading")
def read(request: HttpRequest) -> dict[str, bool]:
    return {"read": True}


@reading.get("/quick-reading")
@quick
def read_quickly(request: HttpRequest) -> dict[str, bool]:
    return {"read": True}


api = Api(title="Changes", urls_namespace="changes")
api.mount("/networks", changing, opened_by=Realm.NETWORK)
api.mount("/networks", reading, opened_by=Realm.NETWORK)
api.exception_handler(Refused)(refused)
api.exception_handler(HttpError)(http_error)
api.exception_handler(Exception)(unexpected)

urlpatterns = [path("v1/", api.urls), path("", include("portal.urls"))]
