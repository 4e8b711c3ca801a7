"""The partitions of the Firehose's events: one a day, made ahead, dropped whole."""

from __future__ import annotations

from datetime import date, timedelta

from portal.web.postgresql.partitions import PartitionedTable, Span

DAYS_AHEAD = 3
EVENT_PARTITIONS = PartitionedTable("firehose_event", Span.DAY)


def create_ahead(today: date) -> list[str]:
    """:raises django.db.OperationalError: when the table stayed locked; the next run tries again"""
    return EVENT_PARTITIONS.create(today, today + timedelta(days=DAYS_AHEAD))
