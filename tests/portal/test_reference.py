from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from keys.models import OperationLimit
from portal.accounts.models import User
from portal.network.models import Network
from portal.reference import REALMS, operations_of
from portal.web.api import EXPORTS, OPERATION_LIMITS
from tests.conftest import SETUP, Browse
from tests.page import page

pytestmark = pytest.mark.django_db

DOCUMENTS = {"/docs/": "/docs/openapi.json", "/docs/network/": "/docs/network/openapi.json"}


@pytest.mark.parametrize("url", DOCUMENTS)
def test_anyone_can_read_the_reference(network: Network, cast: list[User], browse: Browse, url: str) -> None:
    for client in [Client(), *map(browse, cast)]:
        read = page(client.get(url))

        assert read.heading in {title for title, _ in REALMS.values()}
        assert {"Affiliate API": "/docs/", "Network API": "/docs/network/"}.items() <= read.links.items()
        assert read.links["the OpenAPI document"] == DOCUMENTS[url]
        assert read.region("reference").element["data-document"] == DOCUMENTS[url]


def test_the_reference_loads_nothing_from_elsewhere_and_has_nothing_inline(network: Network) -> None:
    read = page(Client().get("/docs/"))

    loaded = [str(tag.get("src") or tag.get("href")) for tag in read.element.select("script, link")]
    assert all(address.startswith("/static/") for address in loaded)
    assert not read.element.select("[style], style, script:not([src])")
    assert "unsafe" not in Client().get("/docs/")["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("url", "prefixes"),
    [
        ("/docs/openapi.json", ("/v1/affiliates/", "/v1/meta/")),
        ("/docs/network/openapi.json", ("/v1/networks/", "/v1/meta/")),
    ],
)
def test_a_document_is_about_one_realm_and_lacks_nothing_it_refers_to(
    network: Network, url: str, prefixes: tuple[str, ...]
) -> None:
    answer = Client().get(url, HTTP_HOST="localhost:8123")

    text, found = answer.content.decode(), answer.json()
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert all(path.startswith(prefixes) for path in found["paths"])
    assert all(any(path.startswith(prefix) for path in found["paths"]) for prefix in prefixes)
    for kind, name in set(re.findall(r"#/components/(\w+)/([^\"]+)", text)):
        assert name in found["components"][kind]
    for kind, named in found["components"].items():
        for name in named:
            assert kind == "securitySchemes" or f"#/components/{kind}/{name}" in text
    assert found["servers"] == [{"url": "http://localhost:8123"}]
    assert "Northwind Affiliates" in found["info"]["title"]


def test_stricter_limits_stand_beside_their_operations_with_the_figures_in_force(network: Network) -> None:
    network.change(by=SETUP, budget_requests=1000)
    OperationLimit.change(EXPORTS, requests=7, seconds=90, by=SETUP)

    operations = [operation for url in DOCUMENTS.values() for operation in operations_of(Client().get(url).json())]

    declared = {limit.name for limit in OPERATION_LIMITS}
    for operation in operations:
        if "x-limit" in operation:
            limit = operation["x-limit"]
            assert limit["name"] in declared
            figures = f"t most {limit['requests']} calls per {limit['seconds']} s"
            assert figures in operation["summary"]
            assert figures in operation["description"]
            if limit["name"] == EXPORTS.name:
                assert (limit["requests"], limit["seconds"]) == (7, 90)


def test_the_document_holds_no_key(network: Network, acme_key: Any) -> None:
    assert acme_key[1] not in json.dumps(Client().get("/docs/openapi.json").json())


def test_the_files_of_the_reference_are_found_when_static_files_are_collected(settings: Any, tmp_path: Any) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }

    call_command("collectstatic", "--no-input", verbosity=0)

    (sheet,) = tmp_path.glob("css/reference.*.css")
    assert re.search(r'@import url\("\.\./ninja/swagger-ui\.\w+\.css"\) layer\(swagger\)', sheet.read_text())
