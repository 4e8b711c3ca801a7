"""The reference of the API at /docs/: its OpenAPI document, and the page on which each operation can be tried."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from keys.models import OperationLimit
from portal.api import api
from portal.network.models import Network
from portal.web.access import public
from portal.web.api import OPERATION_LIMITS
from portal.web.htmx import render_page

# What each document describes, by the name of its page. What needs no key is in each.
REALMS = {
    "reference": ("Affiliate API", ("/v1/affiliates/", "/v1/meta/")),
    "network_reference": ("Network API", ("/v1/networks/", "/v1/meta/")),
}
INTRODUCTION = """\
Send the key as `Authorization: Bearer KEY`, or in `X-API-Key` or `X-Eflow-API-Key`.
{network} answers {requests} calls every {seconds} s, shared by everybody who uses its API; where an operation has a
stricter limit of its own, that stands beside its name. A parameter or field that an operation does not have is refused
with a 400 that names it. [Using your API key]({guide}) has the first call, a retry,
paging, times and errors.
"""
REFERENCE = re.compile(r"#/components/(\w+)/(.+)")


@require_safe
@public(reason="developers read it without an account, and it holds nothing but public facts")
def reference(request: HttpRequest, name: str) -> HttpResponse:
    pages = [(title, reverse(page)) for page, (title, _) in REALMS.items()]
    context = {"title": REALMS[name][0], "pages": pages, "document_url": reverse(f"{name}_document")}
    return render_page(request, "guide/reference.html", context)


@require_safe
@public(reason="what /docs/ shows, for programs that make clients from it")
def reference_document(request: HttpRequest, name: str) -> HttpResponse:
    response = JsonResponse(document(request, name))
    # Editors and generators that run in a browser read it from an origin of their own.
    response["Access-Control-Allow-Origin"] = "*"
    return response


def document(request: HttpRequest, name: str) -> dict[str, Any]:
    """The OpenAPI document of a realm, with the figures that are in force at this moment."""
    network = Network.load()
    found = deepcopy(described(name))
    found["info"]["title"] = f"{network.name}: {REALMS[name][0]}"
    found["info"]["description"] = INTRODUCTION.format(
        network=network.name,
        requests=network.budget_requests,
        seconds=network.budget_seconds,
        guide=request.build_absolute_uri(reverse("guide")),
    )
    # Where it was read from, so that the page can try an operation under whichever name it was opened.
    found["servers"] = [{"url": request.build_absolute_uri("/").rstrip("/")}]
    declared = {limit.name: limit for limit in OPERATION_LIMITS}
    own = OperationLimit.objects.in_bulk()
    for operation in operations_of(found):
        if limit := declared.get(operation.get("x-limit", "")):
            figures = own.get(limit.name, limit)
            current = replace(limit, requests=figures.requests, seconds=figures.seconds)
            operation["x-limit"] = {"name": limit.name, "requests": current.requests, "seconds": current.seconds}
            operation["summary"] += f" (at most {current.requests} calls per {current.seconds} s)"
            operation["description"] = operation["description"].replace(limit.sentence, current.sentence)
    return found


@cache
def described(name: str) -> dict[str, Any]:
    """The part of the API's document that is about a realm, with what it refers to and nothing else."""
    whole = api.get_openapi_schema()
    prefixes = REALMS[name][1]
    paths = {path: item for path, item in whole["paths"].items() if path.startswith(prefixes)}
    components: dict[str, dict[str, Any]] = {"securitySchemes": whole["components"]["securitySchemes"]}
    ahead = set(references_in(paths))
    while ahead:
        kind, key = ahead.pop()
        if key not in components.setdefault(kind, {}):
            components[kind][key] = whole["components"][kind][key]
            ahead |= set(references_in(components[kind][key]))
    return {**whole, "paths": paths, "components": components}


def references_in(part: Any) -> Iterator[tuple[str, str]]:
    if isinstance(part, dict):
        if match := REFERENCE.fullmatch(str(part.get("$ref", ""))):
            yield match[1], match[2]
        for value in part.values():
            yield from references_in(value)
    elif isinstance(part, list):
        for value in part:
            yield from references_in(value)


def operations_of(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for operations in found["paths"].values():
        yield from operations.values()
