"""Very many rows into partitioned tables at once: written into tables beside them, which then become partitions.

A row that COPY puts into a partition is entered into each of its indexes, shown to each of its triggers, and written
once more into the log of changes: for a row of traffic that is most of the work. A table that is made in the same
transaction has neither until it is full, its indexes are built in one go, and with ``wal_level = minimal`` it needs no
log.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date

from django.db import OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable

from portal.web.postgresql.partitions import LOCK_TIMEOUT, PartitionedTable, bound

# Who waits for a table makes all wait who come after: it is asked for in short turns, and given up after so many.
TURNS = 100
PAUSE_SECONDS = 1.0

INDEXES = """
SELECT pg_get_constraintdef(pg_constraint.oid), pg_get_indexdef(indexrelid)
FROM pg_index LEFT JOIN pg_constraint ON conindid = indexrelid AND contype IN ('p', 'u')
WHERE indrelid = %s::regclass ORDER BY indexrelid
"""


class TablesInUse(Exception):
    """Somebody has been reading or writing the tables all the while."""


class Staging:
    """Staging tables of a partitioned table, one for each span of time. They live within the caller's transaction.

    Triggers of the partitioned table do not fire for rows that become a partition: what they would have done is left to
    the caller.
    """

    def __init__(self, table: PartitionedTable, first: date, last: date) -> None:
        self.table = table
        self.names = {start: f"{table.name_of(start)}_staging" for start in table.starts_between(first, last)}
        self.indexed: set[date] = set()

    def create(self) -> None:
        with connection.cursor() as cursor:
            for name in self.names.values():
                cursor.execute(f"CREATE TABLE {name} (LIKE {self.table.name} INCLUDING ALL EXCLUDING INDEXES)")

    def name_for(self, day: date) -> str:
        """The staging table for the rows of a day."""
        return self.names[self.table.span.start_of(day)]

    def index_before(self, day: date) -> None:
        """Whose span is over by then, and full therefore, gets the indexes that its partition will have; and its bounds
        as a constraint, so that nobody has to wait while all rows are looked at."""
        full = [start for start in self.names if start not in self.indexed and self.table.span.after(start) <= day]
        if not full:
            return
        with connection.cursor() as cursor:
            cursor.execute(INDEXES, [self.table.name])
            indexes = cursor.fetchall()
            for start in full:
                name, (low, high) = self.names[start], self.bounds(start)
                cursor.execute(
                    f"ALTER TABLE {name} ADD CONSTRAINT {name}_bounds CHECK (id >= '{low}' AND id < '{high}')"
                )
                for constraint, index in indexes:
                    if constraint:
                        cursor.execute(f"ALTER TABLE {name} ADD {constraint}")
                    else:
                        cursor.execute(f"CREATE INDEX ON {name} USING {index.partition(' USING ')[2]}")
                self.indexed.add(start)

    def take_in(self) -> None:
        """Each becomes its span's partition, or its rows go where the span's rows are already. Needs `lock_alone`."""
        self.index_before(date.max)
        for start, name in self.names.items():
            with connection.cursor() as cursor:
                if self.has_rows(start):
                    cursor.execute(f"INSERT INTO {self.table.name} SELECT * FROM {name}")  # noqa: S608
                    cursor.execute(f"DROP TABLE {name}")
                    continue
                partition, (low, high) = self.table.name_of(start), self.bounds(start)
                cursor.execute(f"DROP TABLE IF EXISTS {partition}")
                cursor.execute(
                    f"ALTER TABLE {self.table.name} ATTACH PARTITION {name} FOR VALUES FROM ('{low}') TO ('{high}')"
                )
                cursor.execute(f"ALTER TABLE {name} DROP CONSTRAINT {name}_bounds")
                cursor.execute(f"ALTER TABLE {name} RENAME TO {partition}")

    def has_rows(self, start: date) -> bool:
        """Whether the span has rows, in its partition or in the default one."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT EXISTS (SELECT 1 FROM {self.table.name} WHERE id >= %s AND id < %s)",  # noqa: S608
                [*self.bounds(start)],
            )
            return bool(cursor.fetchone()[0])

    def bounds(self, start: date) -> tuple[str, str]:
        return bound(start), bound(self.table.span.after(start))


def lock_alone(tables: Sequence[PartitionedTable]) -> None:
    """Has the tables for this transaction alone, as soon as nobody reads or writes them.

    :raises TablesInUse: when they never were
    """
    names = ", ".join(table.name for table in tables)
    for _ in range(TURNS):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
                for table in tables:
                    table.be_only_maker()
                cursor.execute(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return
    raise TablesInUse(names)
