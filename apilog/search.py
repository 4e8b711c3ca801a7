"""What someone looks for in the API Log, and its answer a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.utils import OperationalError

from apilog.models import LoggedCall, LoggedCallQuerySet, Tally, TallyQuerySet, name_keys_and_partners
from apilog.tallies import DAY, ceiling, floor
from portal.web.client_ip import Network
from portal.web.ids import first_id_at

PAGE_SIZE = 50
EXPORT_BATCH = 1000
# Each filter alone is served by its index. Several rare ones together may not be; then it is better to say so than
# to keep a thread and the reader waiting.
LONGEST_SEARCH_MS = 4000
MOST_READ_FOR_ACTIONS = 5000


class SearchTooLong(Exception):
    """The filters together would read more of the log than is worth waiting for; a shorter range helps."""


@dataclass(frozen=True)
class Search:
    """The calls of a range of time that fit every filter that is set."""

    start: datetime
    end: datetime
    partner_id: int | None = None
    key_id: int | None = None
    realm: str = ""
    action: str = ""
    statuses: tuple[int, int] | None = None
    outcome: str = ""
    network: Network | None = None

    def calls(self) -> LoggedCallQuerySet:
        calls = LoggedCall.objects.between(self.start, self.end).filter(**self.kinds())
        return calls.from_network(self.network) if self.network is not None else calls

    def kinds(self) -> dict[str, object]:
        """The filters that calls and tallies share."""
        chosen: dict[str, object] = {
            name: getattr(self, name)
            for name in ("partner_id", "key_id", "realm", "action", "outcome")
            if getattr(self, name) not in (None, "")
        }
        if self.statuses is not None:
            low, high = self.statuses
            chosen |= {"status": low} if low == high else {"status__gte": low, "status__lte": high}
        return chosen

    @property
    def is_of_one_owner(self) -> bool:
        return self.partner_id is not None or self.key_id is not None

    def tallies(self) -> TallyQuerySet | None:
        """The tallies that count these calls; None where tallies do not tell them apart."""
        if self.network is not None:
            return None
        tallies = Tally.objects.by_key() if self.is_of_one_owner else Tally.objects.of_everyone()
        return tallies.filter(**self.kinds())

    def within(self, start: datetime, end: datetime) -> Search:
        return replace(self, start=start, end=end)


@dataclass(frozen=True)
class CallPage:
    """Some of the calls, newest first, and where those before and after them are."""

    calls: list[LoggedCall]
    newer: UUID | None
    older: UUID | None


def page_of(
    search: Search, *, before: UUID | None = None, after: UUID | None = None, size: int = PAGE_SIZE
) -> CallPage:
    """The newest calls; or those next older than ``before``, or next newer than ``after``. Never counts, never skips.

    :raises SearchTooLong: when the filters together read too much of the log
    """
    calls = search.calls()
    newer: UUID | None = None
    older: UUID | None = None
    if after is not None:
        found = fetch(calls.after(after).order_by("id")[: size + 1])
        shown = found[:size][::-1]
        newer = shown[0].pk if len(found) > size else None
        older = shown[-1].pk if shown else after
    else:
        found = fetch((calls.before(before) if before is not None else calls).newest_first()[: size + 1])
        shown = found[:size]
        newer = shown[0].pk if before is not None and shown else before
        older = shown[-1].pk if len(found) > size else None
    name_keys_and_partners(shown)
    return CallPage(shown, newer=newer, older=older)


def fetch(calls: LoggedCallQuerySet) -> list[LoggedCall]:
    with limited_search():
        return list(calls)


def fetch_all(sql: str, parameters: tuple[Any, ...]) -> list[Any]:
    with limited_search(), connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


@contextmanager
def limited_search() -> Iterator[None]:
    """:raises SearchTooLong: when a statement in it takes longer than LONGEST_SEARCH_MS"""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(LONGEST_SEARCH_MS)])
            yield
    except OperationalError as error:
        if is_timeout(error):
            raise SearchTooLong from error
        raise


def is_timeout(error: OperationalError) -> bool:
    return getattr(error.__cause__, "sqlstate", "") == "57014"


def export_of(search: Search) -> Iterator[LoggedCall]:
    """Every call of the search, newest first, in constant memory.

    Batches by key rather than one cursor: a download as slow as its reader's line would hold a snapshot, and with it
    the vacuuming of the whole database, for as long as it lasts.
    """
    before: UUID | None = None
    while True:
        calls = search.calls() if before is None else search.calls().before(before)
        batch = list(calls.newest_first()[:EXPORT_BATCH])
        name_keys_and_partners(batch)
        yield from batch
        if len(batch) < EXPORT_BATCH:
            return
        before = batch[-1].pk


def actions_between(start: datetime, end: datetime) -> list[str]:
    """The actions called on those days. Hops from one to the next in their index instead of reading the calls.

    Whole days, because within a partition the index has one action's calls of all its hours before the next action.
    """
    low, high = first_id_at(floor(start, DAY)), first_id_at(ceiling(end, DAY))
    with connection.cursor() as cursor:
        cursor.execute(HOPS, {"low": low, "high": high})
        return [action for (action,) in cursor.fetchall()]


def actions_of(partner_id: int, start: datetime) -> list[str]:
    """The actions among the partner's newest calls since then; more of them than these are never read."""
    newest = LoggedCall.objects.about_partner(partner_id).filter(id__gte=first_id_at(start)).newest_first()
    actions = newest.values_list("action", flat=True)[:MOST_READ_FOR_ACTIONS]
    return sorted(set(actions) - {""})


HOPS = """
WITH RECURSIVE hops AS (
    (SELECT action FROM apilog_call WHERE id >= %(low)s AND id < %(high)s AND action > '' ORDER BY action LIMIT 1)
    UNION ALL
    SELECT (
        SELECT action FROM apilog_call WHERE id >= %(low)s AND id < %(high)s AND action > hops.action
        ORDER BY action LIMIT 1
    )
    FROM hops WHERE hops.action IS NOT NULL
)
SELECT action FROM hops WHERE action IS NOT NULL
"""
