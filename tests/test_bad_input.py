"""What every operation answers to what it cannot understand: a 400 that names it. The operations and their fields come
from the OpenAPI document, so that one which is added is asked the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

import portal.urls  # noqa: F401
from keys.models import Key, OperationLimit
from portal.api import api
from portal.network.models import Network
from portal.web.api import OPERATION_LIMITS
from tests.conftest import SETUP

pytestmark = pytest.mark.django_db

DOCUMENT = json.loads(json.dumps(api.get_openapi_schema(path_prefix="/v1")))
OPERATIONS = [
    (path, method, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
]
JSON = "application/json"
DEEP = 100_000
# Of each kind: something that no field of another kind takes.
WRONG = {"object": "text", "array": "text", "string": {"is": "an object"}, "boolean": {"is": "an object"}}
WRONG |= {"integer": "12 o'clock", "number": "much"}
NOT_NUMBERS = ["abc", "1.5", "1e5", "0x10", "-", "²", "%00", "9" * 30, "-" + "9" * 30, "1%202", "null", "..", "%2e%2e"]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return DOCUMENT["components"]["schemas"][name] if name else schema


def body_schema(operation: dict[str, Any]) -> dict[str, Any] | None:
    content = operation.get("requestBody", {}).get("content", {}).get(JSON)
    if content is None:
        return None
    choices = [resolved(choice) for choice in content["schema"].get("anyOf", [content["schema"]])]
    return next((choice for choice in choices if choice.get("type") == "object"), None)


def example_body(path: str, method: str) -> dict[str, Any]:
    operation = DOCUMENT["paths"][path][method]
    content = operation.get("requestBody", {}).get("content", {}).get(JSON, {})
    examples = (body_schema(operation) or {}).get("examples", [{}])
    example: dict[str, Any] = content.get("example", examples[0])
    return example


def kinds_of(schema: dict[str, Any]) -> set[str]:
    return {resolved(choice).get("type", "anything") for choice in schema.get("anyOf", [schema])}


TAKE_BODIES = [(path, method, schema) for path, method, operation in OPERATIONS if (schema := body_schema(operation))]
TAKE_NUMBERS = [
    (path, method, parameter["name"])
    for path, method, operation in OPERATIONS
    for parameter in operation.get("parameters", [])
    if parameter["in"] == "path" and parameter["schema"].get("type") == "integer"
]
IN_PAGES = [
    (path, method)
    for path, method, operation in OPERATIONS
    if {"page", "page_size"} <= {parameter["name"] for parameter in operation.get("parameters", [])}
]


@pytest.fixture
def ask(network: Network, acme_key: tuple[Key, str], call: Callable[..., Client]) -> Callable[..., Any]:
    """``ask(method, path, body)``: the answer, and a check that there is a sentence if it is an error."""
    network.change(by=SETUP, budget_requests=1_000_000, budget_seconds=86_400)
    for limit in OPERATION_LIMITS:
        OperationLimit.change(limit, requests=100_000, seconds=86_400, by=SETUP)
    clients = {
        "affiliates": call(acme_key[1]),
        "networks": call(Key.generate_network_key(by=SETUP, replacing=None)[1]),
        "meta": call(),
    }

    def asked(method: str, path: str, body: bytes = b"") -> Any:
        path = filled(path)
        client = clients[path.split("/")[2]]
        answer = client.generic(method.upper(), path, body, content_type=JSON)
        assert answer.status_code < 500, (path, body[:200], answer.getvalue()[:500])
        if answer.status_code >= 400:
            assert answer.json()["error"].endswith("."), answer.json()
        return answer

    return asked


def filled(path: str, **values: str) -> str:
    """The path, with a number for each parameter that has no value."""
    return "/".join(values.get(part[1:-1], "7") if part.startswith("{") else part for part in path.split("/"))


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"not JSON",
        b'{"a": }',
        b"[" * DEEP + b"]" * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        b'{"from": NaN}',
        b'{"from": "\\ud800"}',
        b'{"from": "\\u0000"}',
        b'{"from": "\x00"}',
        b"\xff\xfe{}",
        b"[]",
        b'"text"',
        b"7",
        b"true",
    ],
    ids=lambda body: repr(body[:24]),
)
@pytest.mark.parametrize(("path", "method", "schema"), TAKE_BODIES, ids=[f"{m} {p}" for p, m, _ in TAKE_BODIES])
def test_what_is_no_object_is_refused(
    ask: Callable[..., Any], path: str, method: str, schema: dict[str, Any], body: bytes
) -> None:
    assert ask(method, path, body).status_code == 400


@pytest.mark.parametrize(("path", "method", "schema"), TAKE_BODIES, ids=[f"{m} {p}" for p, m, _ in TAKE_BODIES])
def test_a_value_of_the_wrong_kind_is_refused_with_its_fields_name(
    ask: Callable[..., Any], path: str, method: str, schema: dict[str, Any]
) -> None:
    example = example_body(path, method)

    refusals = {}
    for name, field in schema["properties"].items():
        kinds = kinds_of(field)
        wrong = next((value for kind, value in WRONG.items() if kind in kinds), None)
        if "anything" in kinds or wrong is None or (isinstance(wrong, str) and "string" in kinds):
            continue
        answer = ask(method, path, json.dumps({**example, name: wrong}).encode())
        refusals[name] = (answer.status_code, answer.json().get("error", ""))

    for name, (status, sentence) in refusals.items():
        assert status == 400, name
        assert name in sentence


@pytest.mark.parametrize(
    ("path", "method", "name"), TAKE_NUMBERS, ids=[f"{m} {p} {name}" for p, m, name in TAKE_NUMBERS]
)
def test_what_is_no_number_finds_nothing(ask: Callable[..., Any], path: str, method: str, name: str) -> None:
    statuses = {text: ask(method, filled(path, **{name: text})).status_code for text in NOT_NUMBERS}

    assert set(statuses.values()) <= {400, 404, 405}, statuses


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=[f"{m} {p}" for p, m, _ in OPERATIONS])
def test_a_parameter_that_an_operation_does_not_take_is_refused_by_its_name(
    ask: Callable[..., Any], path: str, method: str, operation: dict[str, Any]
) -> None:
    taken = [parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "query"]
    example = example_body(path, method)

    answer = ask(method, f"{filled(path)}?page=1&colour=red&_=7", json.dumps(example).encode() if example else b"")

    unknown = ["colour", "_"] if "page" in taken else ["page", "colour", "_"]
    there_are = f"There are {', '.join(taken)}." if taken else "There are none."
    assert answer.status_code == 400
    assert answer.json()["error"] == f"{', '.join(unknown)}: there is no such parameter in this URL. {there_are}"


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=[f"{m} {p}" for p, m, _ in OPERATIONS])
def test_a_url_with_more_parameters_than_are_read_is_refused(
    ask: Callable[..., Any], path: str, method: str, operation: dict[str, Any]
) -> None:
    example = example_body(path, method)

    answer = ask(
        method, f"{filled(path)}?{'&'.join(['page=1'] * 1001)}", json.dumps(example).encode() if example else b""
    )

    assert (answer.status_code, answer.json()["error"]) == (400, "The URL has more than 1000 parameters.")


def test_a_name_of_any_length_is_not_repeated_as_a_whole(ask: Callable[..., Any]) -> None:
    answer = ask("post", "/v1/affiliates/reporting/entity", json.dumps({"k" * 100_000: 1}).encode())

    assert answer.status_code == 400
    assert len(answer.content) < 3000
    assert f"{'k' * 80}:" in answer.json()["error"]


@pytest.mark.parametrize("path", [path for path, method, _ in OPERATIONS if method == "get" and "/meta/" not in path])
def test_whatever_is_read_may_be_asked_for_with_its_relationships(ask: Callable[..., Any], path: str) -> None:
    without = ask("get", path).status_code

    assert ask("get", f"{filled(path)}?relationship=all").status_code == without


@pytest.mark.parametrize(("path", "method"), IN_PAGES, ids=[f"{m} {p}" for p, m in IN_PAGES])
def test_any_page_can_be_asked_for(ask: Callable[..., Any], path: str, method: str) -> None:
    example = example_body(path, method)
    body = json.dumps(example).encode() if example else b""

    for page, page_size in [("9" * 30, "9" * 30), ("-1", "0"), ("x", "²"), ("999999999999", "2000"), ("", "")]:
        answer = ask(method, f"{filled(path)}?page={page}&page_size={page_size}", body)
        if answer.status_code == 404 and "{" in path:
            continue
        assert answer.status_code == 200, answer.content
        paging = answer.json()["paging"]
        assert 1 <= paging["page_size"] <= 2000
        assert paging["page"] >= 1
