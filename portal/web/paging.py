"""Long lists by key: a page costs the same wherever it is, and nothing is counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import models
from django.http import HttpRequest

M = TypeVar("M", bound=models.Model)

PAGE_SIZE = 50
BATCH_SIZE = 1000
EPOCH = datetime.fromtimestamp(0, UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class KeyPage(Generic[M]):
    """One page of a list, newest first, with the addresses of its neighbours ("" at either end)."""

    rows: list[M]
    newer: str
    older: str


def key_page(
    request: HttpRequest, queryset: models.QuerySet[M], *, size: int = PAGE_SIZE, column: str = "pk"
) -> KeyPage[M]:
    """The page that ``before`` or ``after`` in the URL names; the newest rows when neither does, or names no key.

    ``column`` is what they are in order of: the key, or an id that rises with time and is a key together with others.
    """
    read = key_in if column == "pk" else id_in

    def key_of(row: M) -> object:
        return getattr(row, column)

    before, after = read(request, "before"), read(request, "after")
    if after is not None:
        ascending = list(queryset.filter((f"{column}__gt", after)).order_by(column)[: size + 1])
        if len(ascending) > size:
            rows = ascending[:size][::-1]
            newer, older = page_url(request, after=key_of(rows[0])), page_url(request, before=key_of(rows[-1]))
            return KeyPage(rows, newer=newer, older=older)
        # Fewer than a page are newer: the first page shows them all.
        before = None
    newest = queryset if before is None else queryset.filter((f"{column}__lt", before))
    rows = list(newest.order_by(f"-{column}")[: size + 1])
    has_older, rows = len(rows) > size, rows[:size]
    # Past the end there is no row to name, and the way back leads from where one is.
    newer_than = key_of(rows[0]) if rows else just_before(before)
    return KeyPage(
        rows,
        newer=page_url(request, after=newer_than) if before is not None else "",
        older=page_url(request, before=key_of(rows[-1])) if has_older else "",
    )


def time_page(
    request: HttpRequest, queryset: models.QuerySet[M], *, size: int = PAGE_SIZE, column: str = "at"
) -> KeyPage[M]:
    """As ``key_page``, of rows in order of a moment, and of the key where moments are alike."""

    def key_of(row: M) -> str:
        return f"{(getattr(row, column) - EPOCH) // MICROSECOND}-{row.pk}"

    def beyond(key: tuple[datetime, int], side: str) -> models.QuerySet[M]:
        at, pk = key
        # The first condition is what an index over the column is read by.
        rows = queryset.filter((f"{column}__{side}e", at))
        return rows.filter(models.Q((f"{column}__{side}", at)) | models.Q((column, at), (f"pk__{side}", pk)))

    before, after = moment_in(request, "before"), moment_in(request, "after")
    if after is not None:
        ascending = list(beyond(after, "gt").order_by(column, "pk")[: size + 1])
        if len(ascending) > size:
            rows = ascending[:size][::-1]
            newer, older = page_url(request, after=key_of(rows[0])), page_url(request, before=key_of(rows[-1]))
            return KeyPage(rows, newer=newer, older=older)
        before = None
    newest = queryset if before is None else beyond(before, "lt")
    rows = list(newest.order_by(f"-{column}", "-pk")[: size + 1])
    has_older, rows = len(rows) > size, rows[:size]
    # Past the end there is no row to name: the way back leads to the newest.
    newer = page_url(request, after=key_of(rows[0])) if rows else page_url(request)
    return KeyPage(
        rows,
        newer=newer if before is not None else "",
        older=page_url(request, before=key_of(rows[-1])) if has_older else "",
    )


def just_before(key: int | UUID | None) -> object:
    return UUID(int=max(key.int - 1, 0)) if isinstance(key, UUID) else (key or 0) - 1


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


def id_in(request: HttpRequest, name: str) -> UUID | None:
    try:
        return UUID(request.GET.get(name, ""))
    except ValueError:
        return None


def moment_in(request: HttpRequest, name: str) -> tuple[datetime, int] | None:
    microseconds, _, key = request.GET.get(name, "").partition("-")
    if not all(text.isascii() and text.isdecimal() and len(text) <= 18 for text in (microseconds, key)):
        return None
    try:
        return EPOCH + int(microseconds) * MICROSECOND, int(key)
    except OverflowError:
        return None


def page_url(request: HttpRequest, **key: Any) -> str:
    """The URL of the request with its filters, at another key."""
    query = request.GET.copy()
    for name in ("before", "after"):
        query.pop(name, None)
    for name, value in key.items():
        query[name] = str(value)
    return f"{request.path}?{query.urlencode()}"
