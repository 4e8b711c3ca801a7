"""What the API's answers have in common: their errors, in the form the client speaks, and their paging."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from ninja.errors import HttpError

DEFAULT_PAGE_SIZE = 50
MAXIMUM_PAGE_SIZE = 2000
BESIDE_FILTERS = frozenset({"page", "page_size", "order_field", "order_direction", "relationship"})

TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    410: "Gone",
    413: "Body too large",
    418: "Not released yet",
    429: "Too many requests",
    500: "Unexpected error",
    503: "Temporarily unavailable",
}


class NotNow(HttpError):
    """Something that the operation needs is away; the client may come again after so many seconds."""

    def __init__(self, sentence: str, *, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(503, sentence)


@dataclass(frozen=True, slots=True)
class OperationLimit:
    """A stricter limit that an operation declares, on top of the network's budget; admins can change its figures."""

    name: str
    requests: int
    seconds: int

    @property
    def label(self) -> str:
        return self.name.replace("_", " ").capitalize()

    @property
    def sentence(self) -> str:
        """How the documentation of the operation says it."""
        return f"At most {self.requests} calls per {self.seconds} s, within the network's budget."


EXPORTS = OperationLimit("exports", requests=10, seconds=60)
CLICK_STREAM = OperationLimit("click_stream", requests=20, seconds=60)
REPORTING = OperationLimit("reporting", requests=30, seconds=60)
# Each waits for somebody else's server, for up to ten seconds.
POSTBACK_TESTS = OperationLimit("postback_tests", requests=10, seconds=60)
OPERATION_LIMITS = (EXPORTS, CLICK_STREAM, REPORTING, POSTBACK_TESTS)

Operation = TypeVar("Operation", bound=Callable[..., Any])


def limited(limit: OperationLimit) -> Callable[[Operation], Operation]:
    """Declares an operation's stricter limit, and says so in its documentation. Goes below the router's decorator."""

    def declare(operation: Operation) -> Operation:
        operation.limit = limit  # type: ignore[attr-defined]
        operation.__doc__ = f"{operation.__doc__ or ''}\n\n{limit.sentence}".strip()
        return operation

    return declare


def quick(operation: Operation) -> Operation:
    """Declares that an operation reads a row or two at most, and so may be carried out for several calls in a row
    by the thread that works for them all. One that may take longer would keep the others waiting."""
    operation.is_quick = True  # type: ignore[attr-defined]
    return operation


def reads(operation: Operation) -> Operation:
    """Declares that an operation only reads, although its method is POST because its question is a long one.

    It runs without a transaction then, so that what it streams is sent as it is read, and its row is written like that
    of a GET. Goes below the router's decorator.
    """
    operation.is_reading = True  # type: ignore[attr-defined]
    return operation


def large_bodies(most: int) -> Callable[[Operation], Operation]:
    """Declares that an operation takes bodies of up to ``most`` bytes, more than others do. Goes below the router's
    decorator; its path may have no parameters."""

    def declare(operation: Operation) -> Operation:
        operation.most_bytes = most  # type: ignore[attr-defined]
        return operation

    return declare


def speaks_json(request: HttpRequest) -> bool:
    """Whether the client speaks JSON: it accepts it by name, sent it, or uses the dialect's own key header."""
    return (
        "application/json" in request.headers.get("Accept", "").lower()
        or "json" in request.headers.get("Content-Type", "").lower()
        or "X-Eflow-API-Key" in request.headers
    )


def error_answer(request: HttpRequest, status: int, sentence: str) -> HttpResponse:
    """The error as JSON or as a page. In JSON ``error`` and ``Error`` say the same: clients in the wild read either."""
    if speaks_json(request):
        content = json.dumps({"code": str(status), "error": sentence, "Error": sentence})
        return HttpResponse(content, status=status, content_type="application/json")
    page = render_to_string(
        "api_error.html",
        {"status": status, "title": TITLES[status], "sentence": sentence},
    )
    response = HttpResponse(page, status=status)
    # The page needs nothing, so it may load nothing: what it says may come from whoever made the URL.
    response["Content-Security-Policy"] = "default-src 'none'; style-src 'self'; frame-ancestors 'none'"
    return response


def paged(request: HttpRequest, body: dict[str, Any] | None = None) -> tuple[int, int]:
    """``page`` and ``page_size`` from the query string or, failing that, the body.

    What is not a number counts as absent, and a page_size over the maximum as the maximum (wire.md section 1).
    """
    given = body or {}
    page = positive(request.GET.get("page", given.get("page")), 1)
    page_size = positive(request.GET.get("page_size", given.get("page_size")), DEFAULT_PAGE_SIZE)
    # Beyond this OFFSET itself overflows; such a page is empty anyway.
    return min(page, 1_000_000_000), min(page_size, MAXIMUM_PAGE_SIZE)


def positive(value: object, default: int) -> int:
    """A whole number from 1 on, however long, and also as programs write it that know only decimals (2.0)."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    whole, _, fraction = str(value).strip().partition(".")
    if not whole.isascii() or not whole.isdecimal() or fraction.strip("0"):
        return default
    # Its first digits tell that it is above any maximum, and int() refuses to read a very long one.
    return int(whole.lstrip("0")[:13] or 0) or default


def filters_in(request: HttpRequest) -> dict[str, list[str]]:
    """What the query string of a list says beside its paging and its order: which filter, and the values of each."""
    return {name: request.GET.getlist(name) for name in request.GET if name not in BESIDE_FILTERS}


# How `paged` reads them, for the documentation of an operation: openapi_extra=PAGED. Any text is taken, see there.
PAGED = {
    "parameters": [
        {
            "name": "page",
            "in": "query",
            "description": "Which page, from 1. What is not a number counts as 1.",
            "schema": {"type": "string", "default": "1"},
        },
        {
            "name": "page_size",
            "in": "query",
            "description": (
                f"How many on a page, at most {MAXIMUM_PAGE_SIZE}. What is not a number counts as {DEFAULT_PAGE_SIZE}."
            ),
            "schema": {"type": "string", "default": str(DEFAULT_PAGE_SIZE)},
        },
    ]
}


def paging(page: int, page_size: int, total_count: int) -> dict[str, Any]:
    """The three paging fields as every list answers them: as an object, and beside it."""
    fields = {"page": page, "page_size": page_size, "total_count": total_count}
    return {"paging": fields, **fields}


def collection(entries: Iterable[object]) -> dict[str, Any]:
    """A list as it stands inside an object's ``relationship``."""
    listed = list(entries)
    return {"total": len(listed), "entries": listed}


def seconds(at: datetime | None) -> int:
    """A moment in unix seconds; 0 when there is none."""
    return int(at.timestamp()) if at is not None else 0


def day(on: date | None) -> str:
    """A day as YYYY-MM-DD; empty when there is none."""
    return on.isoformat() if on is not None else ""
