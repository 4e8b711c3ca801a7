from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Literal

import jsonschema_rs
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import OperationalError, close_old_connections
from django.urls import resolve
from hypothesis import HealthCheck, settings
from pydantic import BaseModel
from schemathesis.specs.openapi import checks

import portal.urls  # noqa: F401
from keys.gate import Call
from keys.models import Key, OperationLimit
from partners.models import Partner
from portal.api import api
from portal.network.models import Network
from portal.web.api import OPERATION_LIMITS
from tests.conftest import SETUP

DOCUMENT = json.loads(json.dumps(api.get_openapi_schema(path_prefix="/v1")))
CONFORMS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
OPERATIONS = [
    (path, method, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
]
# What these take depends on more than a schema can say: the offers there are, what a URL may call, the calendar.
RULED = {
    "GET /affiliates/offers/{offer_id}/impressionurl/{url_id}",
    "GET /affiliates/offers/{offer_id}/url/{url_id}",
    "POST /affiliates/billings/affiliates/invoicestable",
    "POST /affiliates/billings/affiliates/summary",
    "POST /affiliates/blockedvariables",
    "POST /affiliates/dashboard/summary",
    "POST /affiliates/deals",
    "POST /affiliates/pixels",
    "POST /affiliates/pixels/search",
    "POST /affiliates/reporting/clicks",
    "POST /affiliates/reporting/clicks/stream",
    "POST /affiliates/reporting/conversions",
    "POST /affiliates/reporting/conversions/export",
    "POST /affiliates/reporting/entity",
    "POST /affiliates/reporting/entity/table",
    "POST /affiliates/reporting/entity/table/export",
    "POST /affiliates/reporting/onhold",
    "POST /networks/affiliates",
    "POST /networks/apikey",
    "GET /networks/apilog",
    "GET /networks/billings/affiliates/invoices",
    "POST /networks/conversions",
    "POST /networks/dashboard/summary",
    "POST /networks/offers",
    "POST /networks/offerstable",
    "POST /networks/pixelstable",
    "POST /networks/reporting/clicks",
    "POST /networks/reporting/clicks/stream",
    "POST /networks/reporting/conversions",
    "POST /networks/reporting/conversions/export",
    "POST /networks/reporting/entity",
    "POST /networks/reporting/entity/table",
    "POST /networks/reporting/entity/table/export",
    "POST /networks/reporting/onhold",
    "PUT /affiliates/pixels/{pixel_id}",
    "POST /networks/tracking/offers/clicks",
    "POST /networks/tracking/offers/impressions",
    "PUT /networks/affiliates/{partner_id}",
    "PUT /networks/offers/{offer_id}",
    "PUT /networks/reporting/conversions/{conversion_id}",
}
site = get_wsgi_application()

pytestmark = pytest.mark.django_db


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    """The site, with the document at a path where nobody else finds it."""
    if environ["PATH_INFO"] == "/document.json":
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(DOCUMENT).encode()]
    return site(environ, start_response)


# The test presents the key; made-up ones beside it would be what the API rightly refuses.
document = schemathesis.openapi.from_wsgi(
    "/document.json",
    application,
    config=schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}}),
)


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """The end of a request would close the connection that holds the test's transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def secrets_of(network: Network, acme: Partner, acme_key: tuple[Key, str]) -> dict[str, str]:
    """The key that opens each realm; the budget is large enough for all that will be tried."""
    network.change(by=SETUP, budget_requests=1_000_000, budget_seconds=86_400)
    for limit in OPERATION_LIMITS:
        OperationLimit.change(limit, requests=1_000_000, seconds=86_400, by=SETUP)
    return {"affiliates": acme_key[1], "networks": Key.generate_network_key(by=SETUP, replacing=None)[1], "meta": ""}


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
@document.parametrize()
@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_sent_is_answered_as_the_document_says(
    case: schemathesis.Case[Any], secrets_of: dict[str, str], accept: str
) -> None:
    secret = secrets_of[case.path.split("/")[2]]

    # What the project's own texts say is tried, too; a key in a URL is refused whatever the operation takes there.
    is_ruled = f"{case.method} {case.path.removeprefix('/v1')}" in RULED or "lk_" in str(case.query)

    case.call_and_validate(
        headers={"Accept": accept, **({"Authorization": f"Bearer {secret}"} if secret else {})},
        excluded_checks=[checks.positive_data_acceptance] if is_ruled else [],
    )


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=[f"{m} {p}" for p, m, _ in OPERATIONS])
def test_every_operation_says_which_errors_it_can_answer(path: str, method: str, operation: dict[str, Any]) -> None:
    errors = {"400", "405", "413", "500", "503"} | (set() if "/meta/" in path else {"401", "403", "404", "429"})

    own = {"410"} if path.endswith("/firehose") else set()

    assert set(operation["responses"]) - {"200"} == errors | own
    assert bool(operation.get("security")) is ("/meta/" not in path)
    assert operation["summary"] and operation["description"]


def test_no_object_of_the_document_has_a_name_twice() -> None:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert not [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
        return dict(pairs)

    json.loads(json.dumps(api.get_openapi_schema(path_prefix="/v1")), object_pairs_hook=once)


def test_no_two_models_share_a_name_and_with_it_a_schema() -> None:
    ours = [model.__name__ for model in models_below(BaseModel) if model.__module__.startswith(("partners", "portal"))]

    assert not [name for name, count in Counter(ours).items() if count > 1]


def models_below(model: type[BaseModel]) -> set[type[BaseModel]]:
    return {each for child in model.__subclasses__() for each in ({child} | models_below(child))}


def test_every_field_and_parameter_says_what_it_is() -> None:
    fields = {
        f"{schema}.{name}": field
        for schema, said in DOCUMENT["components"]["schemas"].items()
        for name, field in said.get("properties", {}).items()
    }
    parameters = {
        f"{method} {path} {parameter['name']}": parameter
        for path, method, operation in OPERATIONS
        for parameter in operation.get("parameters", [])
    }

    # What refers to another schema is described by that.
    assert [name for name, field in fields.items() if not field.get("description") and "$ref" not in str(field)] == []
    assert [name for name, parameter in parameters.items() if not parameter.get("description")] == []


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=[f"{m} {p}" for p, m, _ in OPERATIONS])
def test_every_operation_shows_an_example_of_what_is_sent_and_answered(
    path: str, method: str, operation: dict[str, Any]
) -> None:
    for side in (operation.get("requestBody", {}), operation["responses"]["200"]):
        for content_type, content in side.get("content", {}).items():
            if content_type == "application/json":
                names = re.findall(r"#/components/schemas/(\w+)", json.dumps(content["schema"]))
                schemas = [content, content["schema"], *(DOCUMENT["components"]["schemas"][name] for name in names)]
                assert any("example" in schema or "examples" in schema for schema in schemas)


@pytest.mark.parametrize(
    "name", [name for name, schema in DOCUMENT["components"]["schemas"].items() if "examples" in schema]
)
def test_every_example_is_what_its_schema_says(name: str) -> None:
    schemas = DOCUMENT["components"]["schemas"]
    validator = jsonschema_rs.validator_for(
        {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    )

    for example in schemas[name]["examples"]:
        assert [error.message for error in validator.iter_errors(example)] == []


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_no_operation_is_hidden_behind_another_whose_path_fits(path: str) -> None:
    found = resolve(re.sub(r"\{[^}]+\}", "7", path))

    assert re.sub(r"<[^>]+>", "{}", f"/{found.route}") == re.sub(r"\{[^}]+\}", "{}", path)


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_every_error_is_answered_as_the_document_says(
    secrets_of: dict[str, str], network: Network, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    operation = document["/v1/affiliates/affiliate"]["GET"]
    secret = secrets_of["affiliates"]

    def answer(
        method: Literal["GET", "DELETE"] = "GET", *, key: str = secret, query: dict[str, str] | None = None
    ) -> Any:
        headers = {"Authorization": f"Bearer {key}", "Accept": accept}
        case = operation.Case(method=method, headers=headers, query=query or {})
        response = case.call()
        case.validate_response(response, checks=CONFORMS)
        return response

    answers = [
        answer(),
        answer(query={"key": secret}),
        answer(key="lk_aff_mistyped"),
        answer(key=secrets_of["networks"]),
        answer("DELETE"),
    ]
    with monkeypatch.context() as broken:
        for failure in [ZeroDivisionError(), OperationalError("the connection is lost")]:
            broken.setattr(Call, "partner", property(raising(failure)))
            answers.append(answer())
    network.change(by=SETUP, budget_requests=1)
    answers.append(answer())

    assert [answer.status_code for answer in answers] == [200, 400, 401, 403, 405, 500, 503, 429]


def raising(failure: Exception) -> Callable[[Call], Partner]:
    def fail(call: Call) -> Partner:
        raise failure

    return fail
