from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import Client, RequestFactory
from django.urls import include, path
from ninja import NinjaAPI, Router
from ninja.errors import HttpError, ValidationError
from pydantic import BaseModel

import portal.urls
from apilog.models import LoggedCall
from keys.gate import Realm
from keys.models import Key
from portal import api as portal_api
from tests.page import page

Call = Callable[..., Client]

MEGABYTE = 1_048_576
ACCOUNT, SAY = "/v1/affiliates/affiliate", "/v1/say"

pytestmark = pytest.mark.django_db


class Said(BaseModel):
    words: str
    times: int = 1


@pytest.fixture(autouse=True)
def say(settings: Any) -> Iterator[None]:
    """An operation that takes a body, as none of the product does yet."""
    router = Router()
    router.add_decorator(portal_api.passing_the_gate(Realm.AFFILIATE), mode="view")

    @router.post("/say")
    def say(request: Any, payload: Said) -> dict[str, int]:
        return {"length": len(payload.words) * payload.times}

    api = NinjaAPI(urls_namespace="bodies", docs_url=None, openapi_url=None, parser=portal_api.JsonParser())
    api.add_router("/", router)
    api.exception_handler(HttpError)(portal_api.http_error)
    api.exception_handler(ValidationError)(portal_api.invalid)
    api.exception_handler(Exception)(portal_api.unexpected)

    class Urls:
        urlpatterns = [path("v1/", api.urls), path("", include(portal.urls))]

    settings.ROOT_URLCONF = Urls
    portal_api.find.cache_clear()
    yield
    portal_api.find.cache_clear()


def body_of(size: int) -> bytes:
    return json.dumps({"words": "x" * (size - len('{"words": ""}'))}).encode()


def chunked(secret: str, body: BytesIO, **headers: str) -> Any:
    """The answer to a body whose length is not announced; the server has put its chunks together."""
    environ = (
        RequestFactory(headers={"X-API-Key": secret, **headers}).post(SAY, content_type="application/json").environ
    )
    del environ["CONTENT_LENGTH"]
    environ |= {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": body}
    return portal_api.answer(WSGIRequest(environ))


def test_a_body_of_a_megabyte_is_taken(call: Call, acme_key: tuple[Key, str]) -> None:
    answer = call(acme_key[1]).post(SAY, body_of(MEGABYTE), content_type="application/json")

    assert (answer.status_code, answer.json()) == (200, {"length": MEGABYTE - 13})


@pytest.mark.parametrize("method", ["get", "post", "head"])
def test_a_larger_body_is_refused_wherever_it_is_sent_and_spends_nothing(
    call: Call, acme_key: tuple[Key, str], method: str
) -> None:
    answer = call(acme_key[1]).generic(method, ACCOUNT, body_of(MEGABYTE + 1), content_type="application/json")

    assert answer.status_code == 413
    assert "X-RateLimit-Limit" not in answer
    assert LoggedCall.objects.get(pk=answer["X-Request-ID"]).outcome == "bad_request"
    if method != "head":
        assert answer.json()["error"] == "The body is too large: at most 1 MB can be sent in one call."


def test_people_are_told_of_a_body_that_is_too_large_on_a_page(acme_key: tuple[Key, str]) -> None:
    client = Client(headers={"X-API-Key": acme_key[1]})

    answer = client.post(SAY, {"words": "x" * MEGABYTE})

    assert answer.status_code == 413
    assert page(answer).title.startswith("413")


@pytest.mark.parametrize("length", [str(10**12), "9" * 5000])
def test_a_length_that_is_only_announced_is_believed(acme_key: tuple[Key, str], length: str) -> None:
    client = Client(headers={"X-API-Key": acme_key[1]})

    answer = client.post(SAY, b"{}", content_type="application/json", CONTENT_LENGTH=length)

    assert answer.status_code == 413


def test_a_body_of_unannounced_length_is_read(acme_key: tuple[Key, str]) -> None:
    answer = chunked(acme_key[1], BytesIO(body_of(100)))

    assert (answer.status_code, json.loads(answer.content)) == (200, {"length": 87})


def test_a_body_of_unannounced_length_is_read_no_further_than_a_megabyte(acme_key: tuple[Key, str]) -> None:
    endless = BytesIO(b" " * 3 * MEGABYTE)

    answer = chunked(acme_key[1], endless, Accept="application/json")

    assert (answer.status_code, json.loads(answer.content)["code"]) == (413, "413")
    assert endless.tell() == MEGABYTE + 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"\x00",
        b'{"words": ',
        b'{"words": "\xed\xa0\x80"}',
        b'{"words": "\\ud800"}',
        b'{"words": "\\\\\\u0000"}',
        b"[" * 100_000,
        b'{"words": ' * 50_000,
        b'{"words": "a", "times": ' + b"9" * 5000 + b"}",
        b"null",
        b"[]",
        b'"words"',
        b'{"words": 1}',
        b'{"times": 2}',
        b'{"words": "a", "times": "many"}',
        b'{"words": "a", "times": NaN}',
    ],
    ids=range(18),
)
def test_a_body_that_cannot_be_understood_is_400(call: Call, acme_key: tuple[Key, str], body: bytes) -> None:
    answer = call(acme_key[1]).post(SAY, body, content_type="application/json")

    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "error", "Error"}
    assert answer["X-RateLimit-Limit"] == "60"
    assert LoggedCall.objects.get(pk=answer["X-Request-ID"]).outcome == "bad_request"


def test_a_backslash_before_four_zeroes_is_no_nul(call: Call, acme_key: tuple[Key, str]) -> None:
    answer = call(acme_key[1]).post(SAY, b'{"words": "\\\\u0000"}', content_type="application/json")

    assert answer.json() == {"length": 6}


def test_a_refused_body_names_its_field(call: Call, acme_key: tuple[Key, str]) -> None:
    answer = call(acme_key[1]).post(SAY, {"words": "a", "times": "many"}, content_type="application/json")

    assert answer.json()["error"].startswith("times: ")


def test_head_and_options_say_how_an_operation_with_a_body_is_called(call: Call, acme_key: tuple[Key, str]) -> None:
    client = call(acme_key[1])

    head, options = client.head(SAY), client.options(SAY)

    assert (head.status_code, head["Allow"], head.content) == (405, "POST", b"")
    assert (options.status_code, options["Allow"], options.content) == (204, "POST", b"")
    assert "Content-Length" not in options
