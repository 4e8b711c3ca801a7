"""The partitions of traffic: one a month, made ahead."""

from __future__ import annotations

from datetime import date, timedelta

from portal.web.postgresql.partitions import PartitionedTable, Span

DAYS_AHEAD = 40
CLICK_PARTITIONS = PartitionedTable("traffic_click", Span.MONTH)
IMPRESSION_PARTITIONS = PartitionedTable("traffic_impression", Span.MONTH)
CONVERSION_PARTITIONS = PartitionedTable("traffic_conversion", Span.MONTH)
TRAFFIC_PARTITIONS = (CLICK_PARTITIONS, IMPRESSION_PARTITIONS, CONVERSION_PARTITIONS)


def create_partitions(first: date, last: date) -> list[str]:
    """Makes the missing partitions of all traffic from one day to another, and answers their names.

    :raises django.db.OperationalError: when a table stayed locked; the next run tries again
    """
    return [name for table in TRAFFIC_PARTITIONS for name in table.create(first, last)]


def create_ahead(today: date) -> list[str]:
    return create_partitions(today, today + timedelta(days=DAYS_AHEAD))
