"""The API Log's partitions: one a day, made ahead, dropped whole."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from django.db import connection, transaction

from apilog.models import first_id_at

DAYS_AHEAD = 7


def name_of(day: date) -> str:
    return f"apilog_call_{day:%Y%m%d}"


@transaction.atomic
def create_ahead(today: date, *, days: int = DAYS_AHEAD) -> list[str]:
    """Makes the missing partitions from ``today`` on, and answers their names.

    A day whose rows already stand in the default partition is left there: moving them would lock the log.
    """
    made = []
    with connection.cursor() as cursor:
        # One maker at a time; CREATE TABLE IF NOT EXISTS alone still races.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('latchkey:apilog-partitions', 0))")
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


def bound(day: date) -> str:
    return str(first_id_at(datetime(day.year, day.month, day.day, tzinfo=UTC)))
