"""Long lists by key: a page costs the same wherever it is, and nothing is counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import models
from django.http import HttpRequest

M = TypeVar("M", bound=models.Model)

PAGE_SIZE = 50
BATCH_SIZE = 1000


@dataclass(frozen=True)
class KeyPage(Generic[M]):
    """One page of a list, newest first, with the addresses of its neighbours ("" at either end)."""

    rows: list[M]
    newer: str
    older: str


def key_page(request: HttpRequest, queryset: models.QuerySet[M], *, size: int = PAGE_SIZE) -> KeyPage[M]:
    """The page that ``before`` or ``after`` in the URL names; the newest rows when neither does, or names no key."""
    before, after = key_in(request, "before"), key_in(request, "after")
    if after is not None:
        ascending = list(queryset.filter(pk__gt=after).order_by("pk")[: size + 1])
        if len(ascending) > size:
            rows = ascending[:size][::-1]
            return KeyPage(rows, newer=page_url(request, after=rows[0].pk), older=page_url(request, before=rows[-1].pk))
        # Fewer than a page are newer: the first page shows them all.
        before = None
    newest = queryset if before is None else queryset.filter(pk__lt=before)
    rows = list(newest.order_by("-pk")[: size + 1])
    has_older, rows = len(rows) > size, rows[:size]
    return KeyPage(
        rows,
        newer=page_url(request, after=rows[0].pk if rows else before - 1) if before is not None else "",
        older=page_url(request, before=rows[-1].pk) if has_older else "",
    )


def newest_first(queryset: models.QuerySet[M], *, size: int = BATCH_SIZE) -> Iterator[M]:
    """Every row, newest first, in batches by key.

    Each batch is a query of its own, so an export of any length holds neither a transaction nor a cursor open.
    """
    batch = list(queryset.order_by("-pk")[:size])
    while batch:
        yield from batch
        batch = list(queryset.filter(pk__lt=batch[-1].pk).order_by("-pk")[:size])


def key_in(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    # Eighteen digits fit every key; more would overflow in the database.
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None


def page_url(request: HttpRequest, **key: Any) -> str:
    """The URL of the request with its filters, at another key."""
    query = request.GET.copy()
    for name in ("before", "after"):
        query.pop(name, None)
    for name, value in key.items():
        query[name] = str(value)
    return f"{request.path}?{query.urlencode()}"
