from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from keys.models import Key
from portal.api import api

Call = Callable[..., Client]

OPERATIONS = [
    (method, path)
    for path, methods in api.get_openapi_schema(path_prefix="/v1")["paths"].items()
    for method in methods
    if path.startswith("/v1/networks/")
]
OF_THE_WIRE = {
    "GET /offers",
    "POST /offers",
    "GET /offers/{}",
    "PUT /offers/{}",
    "POST /offerstable",
    "GET /advertisers",
    "GET /couponcodes",
    "POST /tracking/offers/clicks",
    "POST /tracking/offers/impressions",
    "POST /reporting/entity",
    "POST /reporting/entity/table",
    "POST /reporting/entity/table/export",
    "POST /reporting/conversions",
    "POST /reporting/conversions/export",
    "GET /reporting/conversions/{}",
    "POST /reporting/clicks",
    "POST /reporting/clicks/stream",
    "GET /reporting/clicks/{}",
    "POST /reporting/onhold",
    "POST /dashboard/summary",
    "PUT /reporting/conversions/{}",
    "POST /conversions",
    "GET /pixels",
    "POST /pixelstable",
    "DELETE /pixels/{}",
    "GET /billings/affiliates/invoices",
    "GET /trafficcontrols",
    "GET /apilog",
    "GET /affiliates",
    "POST /affiliates",
    "GET /affiliates/{}",
    "PUT /affiliates/{}",
    "GET /affiliates/{}/apikeys",
    "POST /apikey",
    "DELETE /apikey/{}",
}

pytestmark = pytest.mark.django_db


def test_the_network_api_has_every_operation_of_the_dialect() -> None:
    there = {
        f"{method.upper()} {re.sub(r'{[^}]+}', '{}', path.removeprefix('/v1/networks'))}" for method, path in OPERATIONS
    }

    assert there >= OF_THE_WIRE


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[f"{method} {path}" for method, path in OPERATIONS])
def test_a_partners_key_opens_no_operation_of_the_network_api(
    method: str, path: str, acme_key: tuple[Key, str], call: Call
) -> None:
    path = re.sub(r"\{[^}]+\}", "1", path)

    answer = getattr(call(acme_key[1]), method)(path, {}, content_type="application/json")

    assert answer.status_code == 403
    assert "This key opens the Affiliate API" in answer.json()["error"]
