"""URLs with operations that change data and that stream, of two routers: for tests of what each can rely on."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import include, path
from ninja import Router
from ninja.errors import HttpError

from keys.gate import Realm, Refused
from partners.models import Partner
from portal.api import Api, http_error, refused, unexpected
from portal.web.api import quick, reads
from portal.web.streams import csv_out, stream
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


@reading.post("/reading-by-post")
@reads
def read_by_post(request: HttpRequest) -> dict[str, bool]:
    return {"in_a_transaction": connection.in_atomic_block}


@changing.post("/changing-by-post")
def change_by_post(request: HttpRequest) -> dict[str, bool]:
    return {"in_a_transaction": connection.in_atomic_block}


@reading.get("/quick-reading")
@quick
def read_quickly(request: HttpRequest) -> dict[str, bool]:
    return {"read": True}


@reading.get("/stream")
def stream_numbers(request: HttpRequest, rows: int, divide_by_zero_at: int = 0) -> StreamingHttpResponse:
    numbers = "SELECT g AS number, 1 / (g - %s) AS quotient FROM generate_series(1, %s) g"
    return stream(csv_out(numbers, [divide_by_zero_at, rows]), "text/csv; charset=utf-8", filename="numbers.csv")


@changing.post("/stream-objects")
def stream_objects(request: HttpRequest, form: str, refuse: bool = False) -> StreamingHttpResponse:
    return stream(objects(refuse), form)


def objects(refuse: bool) -> Iterator[bytes]:
    if refuse:
        raise HttpError(400, "from: it is after to")
    for _ in range(3):
        yield b'{"a": 1}\n' * 10_000
    raise RuntimeError("halfway")


api = Api(title="Changes", urls_namespace="changes")
api.mount("/networks", changing, opened_by=Realm.NETWORK)
api.mount("/networks", reading, opened_by=Realm.NETWORK)
api.exception_handler(Refused)(refused)
api.exception_handler(HttpError)(http_error)
api.exception_handler(Exception)(unexpected)

urlpatterns = [path("v1/", api.urls), path("", include("portal.urls"))]
