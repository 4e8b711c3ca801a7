"""The cache that the limits on sensitive actions count in: Django's database cache, made exact.

Django's own DatabaseCache reads, computes and writes back, so of two who count at once one is lost, and a limit of five
lets six through. Here every operation is one statement, and PostgreSQL settles who came first.
"""

from __future__ import annotations

import base64
import itertools
import pickle
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.db import DatabaseCache
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

TABLE = "web_cache"
NEVER = datetime(9999, 12, 31, tzinfo=UTC)
# One write in this many also sweeps out what has expired, at most this many rows at a time.
SWEEP_EVERY = 100
SWEEP_ROWS = 1000


class AtomicDatabaseCache(DatabaseCache):
    """``add`` and ``incr`` are exact between any number of processes; the table is ``CacheEntry``.

    Inside a transaction an operation counts, and makes others with the same key wait, as the transaction ends; count
    outside of one.

    Nothing that still counts is ever thrown out to make room: MAX_ENTRIES and CULL_FREQUENCY are ignored, because
    whoever could fill the cache could else push the count of their own attempts out of it.
    """

    _writes = itertools.count(1)

    def __init__(self, table: str, params: dict[str, Any]) -> None:
        if table != TABLE:
            raise ImproperlyConfigured(f"The LOCATION of this cache is {TABLE}, the table that a migration makes.")
        super().__init__(table, params)

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        asked = {self.make_and_validate_key(key, version=version): key for key in keys}
        # What has expired is left for the sweep. Django deletes it here, and with it what was added in between.
        with self._cursor(write=False) as cursor:
            cursor.execute(
                "select cache_key, value from web_cache where cache_key = any(%s) and expires > %s",
                [list(asked), timezone.now()],
            )
            return {asked[key]: decode(value) for key, value in cursor.fetchall()}

    def set(self, key: Any, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        with self._cursor() as cursor:
            cursor.execute(
                "insert into web_cache (cache_key, value, expires) values (%s, %s, %s)"
                " on conflict (cache_key) do update set value = excluded.value, expires = excluded.expires",
                [self.make_and_validate_key(key, version=version), encode(value), self._expiry(timeout)],
            )
        self._sweep_now_and_then()

    def add(self, key: Any, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        with self._cursor() as cursor:
            # The second of two waits for the first, then finds a row that has not expired, and writes nothing.
            cursor.execute(
                "insert into web_cache as entry (cache_key, value, expires) values (%s, %s, %s)"
                " on conflict (cache_key) do update set value = excluded.value, expires = excluded.expires"
                " where entry.expires <= %s returning true",
                [
                    self.make_and_validate_key(key, version=version),
                    encode(value),
                    self._expiry(timeout),
                    timezone.now(),
                ],
            )
            added = cursor.fetchone() is not None
        self._sweep_now_and_then()
        return added

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        """:raises ValueError: when there is no such key, or no whole number under it."""
        with self._cursor() as cursor:
            # `case` because the planner may cast before it compares, and a pickled value is not a number.
            cursor.execute(
                "update web_cache set value = case when value ~ '^-?[0-9]+$'"
                " then (value::numeric + %s)::text else value end"
                " where cache_key = %s and expires > %s and value ~ '^-?[0-9]+$' returning value",
                [delta, self.make_and_validate_key(key, version=version), timezone.now()],
            )
            row = cursor.fetchone()
        if row is None:
            raise ValueError(f"There is no number under the key {key!r}.")
        return int(row[0])

    def touch(self, key: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        with self._cursor() as cursor:
            cursor.execute(
                "update web_cache set expires = %s where cache_key = %s and expires > %s",
                [self._expiry(timeout), self.make_and_validate_key(key, version=version), timezone.now()],
            )
            return bool(cursor.rowcount)

    def sweep(self) -> None:
        """Delete rows that have expired. Rows that somebody else holds are left for the next time, so that it neither
        waits nor takes part in a deadlock."""
        with self._cursor() as cursor:
            cursor.execute(
                "delete from web_cache where cache_key in (select cache_key from web_cache"
                " where expires <= %s limit %s for update skip locked)",
                [timezone.now(), SWEEP_ROWS],
            )

    def _sweep_now_and_then(self) -> None:
        # Never inside somebody's transaction, which would keep the rows locked for as long as it lasts.
        if next(self._writes) % SWEEP_EVERY == 0 and not connections[self._alias()].in_atomic_block:
            self.sweep()

    def _expiry(self, timeout: float | None) -> datetime:
        seconds = self.get_backend_timeout(timeout)
        return NEVER if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)

    def _alias(self, *, write: bool = True) -> str:
        return (router.db_for_write if write else router.db_for_read)(self.cache_model_class)

    def _cursor(self, *, write: bool = True) -> CursorWrapper:
        return connections[self._alias(write=write)].cursor()


def encode(value: Any) -> str:
    """Whole numbers as PostgreSQL can count them; anything else as Django keeps it, whose text never looks like one:
    a pickle in base64 begins with "gA"."""
    if type(value) is int:
        return str(value)
    return base64.b64encode(pickle.dumps(value, pickle.HIGHEST_PROTOCOL)).decode("ascii")


def decode(text: str) -> Any:
    if text.removeprefix("-").isdigit():
        return int(text)
    return pickle.loads(base64.b64decode(text))  # noqa: S301 - only this module writes the table
