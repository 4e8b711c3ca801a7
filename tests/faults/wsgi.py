"""The site with two more operations: one changes something that tests can count, one streams without end."""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpRequest, StreamingHttpResponse  # noqa: E402
from ninja import Router  # noqa: E402

from keys.gate import Realm  # noqa: E402
from partners.traffic.arrivals.middleware import links_first  # noqa: E402
from portal import api  # noqa: E402
from portal.web import stalling  # noqa: E402
from portal.web.streams import csv_out, stream  # noqa: E402

faults = Router()


@faults.post("/change")
def change_something(request: HttpRequest) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO faults_change VALUES (%s)", [request.headers["User-Agent"]])
    return {"changed": "something"}


@faults.get("/stream")
def stream_without_end(request: HttpRequest, rows: int) -> StreamingHttpResponse:
    # Not FROM generate_series: PostgreSQL would make all of its rows before it sent the first.
    numbers = "SELECT generate_series(1, %s) AS number"
    query = f"SELECT number, repeat(md5(number::text), 8) AS text FROM ({numbers}) AS numbers"
    return stream(csv_out(query, [rows]), "text/csv; charset=utf-8")


api.mount("/faults", faults, opened_by=Realm.AFFILIATE)
stalling.TAKES_WITHIN_SECONDS = int(os.environ.get("FAULTS_TAKES_WITHIN", stalling.TAKES_WITHIN_SECONDS))
application = links_first(stalling.ending_stalled(get_wsgi_application()))
