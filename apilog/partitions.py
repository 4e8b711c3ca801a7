"""The API Log's partitions: one a day, made ahead, dropped whole."""

from __future__ import annotations

from datetime import date, timedelta

from portal.web.postgresql.partitions import PartitionedTable, Span

DAYS_AHEAD = 7
CALL_PARTITIONS = PartitionedTable("apilog_call", Span.DAY)


def create_ahead(today: date, *, days: int = DAYS_AHEAD) -> list[str]:
    """Makes the missing partitions from ``today`` on, and answers their names.

    :raises django.db.OperationalError: when the log stayed locked; the next run tries again
    """
    return CALL_PARTITIONS.create(today, today + timedelta(days=days))
