"""The API Log's partitions: one a day, made ahead, dropped whole."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from django.db import connection, transaction

from apilog.models import first_id_at

DAYS_AHEAD = 7
NAME = re.compile(r"apilog_call_(\d{8})")
# Making and dropping a partition locks the log for a moment. Whoever waits for that lock makes every call wait
# behind it, so it is given up after this long; the next run of the job tries again.
LOCK_TIMEOUT = "3s"


def name_of(day: date) -> str:
    return f"apilog_call_{day:%Y%m%d}"


@transaction.atomic
def create_ahead(today: date, *, days: int = DAYS_AHEAD) -> list[str]:
    """Makes the missing partitions from ``today`` on, and answers their names.

    A day whose rows already stand in the default partition is left there: moving them would lock the log.
    :raises django.db.OperationalError: when the log stayed locked; the next run tries again
    """
    made = []
    with connection.cursor() as cursor:
        # One maker at a time; CREATE TABLE IF NOT EXISTS alone still races.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('latchkey:apilog-partitions', 0))")
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        for offset in range(days + 1):
            day = today + timedelta(days=offset)
            start, end = (bound(day + timedelta(days=step)) for step in (0, 1))
            cursor.execute("SELECT to_regclass(%s)", [name_of(day)])
            if cursor.fetchone()[0] is not None:
                continue
            cursor.execute(
                "SELECT EXISTS (SELECT 1 FROM apilog_call_default WHERE id >= %s AND id < %s)",
                [start, end],
            )
            if cursor.fetchone()[0]:
                continue
            cursor.execute(
                f"CREATE TABLE {name_of(day)} PARTITION OF apilog_call FOR VALUES FROM ('{start}') TO ('{end}')"
            )
            made.append(name_of(day))
    return made


def drop_before(day: date) -> list[str]:
    """Drops the partitions of the days before ``day`` for good, and answers their names.

    :raises django.db.OperationalError: when the log stayed locked; the next run tries again
    """
    dropped = []
    for partition_day in days():
        if partition_day < day:
            # One transaction each, so that the log is never locked for longer than one takes.
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
                cursor.execute(f"DROP TABLE IF EXISTS {name_of(partition_day)}")
            dropped.append(name_of(partition_day))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM apilog_call_default WHERE id < %s", [bound(day)])
    return dropped


def days() -> list[date]:
    """The days that have a partition."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid "
            "WHERE inhparent = 'apilog_call'::regclass ORDER BY relname"
        )
        names = [NAME.fullmatch(name) for (name,) in cursor.fetchall()]
    return [datetime.strptime(name[1], "%Y%m%d").replace(tzinfo=UTC).date() for name in names if name]


def has_strays() -> bool:
    """Whether the default partition holds rows: then the worker did not make partitions when it should have.

    Nothing is lost, but these rows are only dropped one by one, and their days can have no partition any more.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM apilog_call_default)")
        return bool(cursor.fetchone()[0])


def bound(day: date) -> str:
    return str(first_id_at(datetime(day.year, day.month, day.day, tzinfo=UTC)))
