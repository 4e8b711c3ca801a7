"""The site with one more operation, which changes something that tests can count."""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpRequest  # noqa: E402
from ninja import Router  # noqa: E402

from keys.gate import Realm  # noqa: E402
from portal import api  # noqa: E402

faults = Router()


@faults.post("/change")
def change_something(request: HttpRequest) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO faults_change VALUES (%s)", [request.headers["User-Agent"]])
    return {"changed": "something"}


api.mount("/faults", faults, opened_by=Realm.AFFILIATE)
application = get_wsgi_application()
