"""Tables partitioned by their UUIDv7 ids, whose ranges are ranges of time: a partition a day or a month, made ahead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum

from django.db import connection, transaction

from portal.web.ids import first_id_at

# Making and dropping a partition locks its table for a moment. Whoever waits for that lock makes everybody who writes
# wait behind it, so it is given up after this long; the next run of the job tries again.
LOCK_TIMEOUT = "3s"


class Span(Enum):
    """How much time one partition holds, by the suffix of its name."""

    DAY = "%Y%m%d"
    MONTH = "%Y%m"

    def start_of(self, day: date) -> date:
        return day if self is Span.DAY else day.replace(day=1)

    def after(self, start: date) -> date:
        return start + timedelta(days=1) if self is Span.DAY else (start + timedelta(days=31)).replace(day=1)


@dataclass(frozen=True)
class PartitionedTable:
    """A table that a migration has made with ``PARTITION BY RANGE (id)`` and a default partition ``{name}_default``."""

    name: str
    span: Span

    def name_of(self, start: date) -> str:
        return f"{self.name}_{start.strftime(self.span.value)}"

    @transaction.atomic
    def create(self, first: date, last: date) -> list[str]:
        """Makes the missing partitions for the days from ``first`` to ``last``, and answers their names.

        A span whose rows already stand in the default partition is left there: moving them would lock the table.
        :raises django.db.OperationalError: when the table stayed locked; the next run tries again
        """
        made = []
        with connection.cursor() as cursor:
            self.be_only_maker()
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
            for start in self.starts_between(first, last):
                name, low, high = self.name_of(start), bound(start), bound(self.span.after(start))
                cursor.execute("SELECT to_regclass(%s)", [name])
                if cursor.fetchone()[0] is not None:
                    continue
                cursor.execute(
                    f"SELECT EXISTS (SELECT 1 FROM {self.name}_default WHERE id >= %s AND id < %s)",  # noqa: S608
                    [low, high],
                )
                if cursor.fetchone()[0]:
                    continue
                cursor.execute(f"CREATE TABLE {name} PARTITION OF {self.name} FOR VALUES FROM ('{low}') TO ('{high}')")
                made.append(name)
        return made

    def drop_before(self, day: date) -> list[str]:
        """Drops the partitions whose time had ended by ``day`` for good, and answers their names.

        :raises django.db.OperationalError: when the table stayed locked; the next run tries again
        """
        dropped = []
        for start in self.starts():
            if self.span.after(start) <= day:
                # One transaction each, so that the table is never locked for longer than one takes.
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
                    cursor.execute(f"DROP TABLE IF EXISTS {self.name_of(start)}")
                dropped.append(self.name_of(start))
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {self.name}_default WHERE id < %s", [bound(day)])  # noqa: S608
        return dropped

    def starts(self) -> list[date]:
        """The first days of the partitions there are, in order."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid "
                "WHERE inhparent = %s::regclass AND relname <> %s ORDER BY relname",
                [self.name, f"{self.name}_default"],
            )
            suffixes = [name.removeprefix(f"{self.name}_") for (name,) in cursor.fetchall()]
        return [datetime.strptime(suffix, self.span.value).replace(tzinfo=UTC).date() for suffix in suffixes]

    def has_strays(self) -> bool:
        """Whether the default partition holds rows: then the worker did not make partitions when it should have.

        Nothing is lost, but these rows are only dropped one by one, and their spans can have no partition any more.
        """
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT EXISTS (SELECT 1 FROM {self.name}_default)")  # noqa: S608
            return bool(cursor.fetchone()[0])

    def starts_between(self, first: date, last: date) -> Iterator[date]:
        start = self.span.start_of(first)
        while start <= last:
            yield start
            start = self.span.after(start)

    def be_only_maker(self) -> None:
        """Until the transaction ends nobody else makes partitions; CREATE TABLE IF NOT EXISTS alone still races."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"latchkey:partitions:{self.name}"]
            )


def bound(day: date) -> str:
    return str(first_id_at(datetime(day.year, day.month, day.day, tzinfo=UTC)))
