"""What the worker does for the API Log, and how often."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from django.utils import timezone
from procrastinate.contrib.django import app

from apilog import tallies
from apilog.partitions import CALL_PARTITIONS, create_ahead
from portal.network.models import Network


def keep_partitions() -> tuple[list[str], list[str]]:
    """Makes the partitions of the coming days and drops those that are past the network's retention."""
    today = timezone.now().astimezone(UTC).date()
    oldest = today - timedelta(days=Network.load().log_retention_days)
    made = create_ahead(today)
    dropped = CALL_PARTITIONS.drop_before(oldest)
    tallies.drop_before(datetime.combine(oldest, time.min, tzinfo=UTC))
    return made, dropped


# A lock each, so that a slow run is never overtaken by the next; a queueing lock, so that none pile up behind it.
@app.periodic(cron="*/10 * * * *")
@app.task(name="apilog.partitions", lock="apilog.partitions", queueing_lock="apilog.partitions")
def maintain_partitions(timestamp: int) -> None:
    keep_partitions()


@app.periodic(cron="* * * * *")
@app.task(name="apilog.tallies", lock="apilog.tallies", queueing_lock="apilog.tallies")
def keep_tallies(timestamp: int) -> None:
    tallies.keep_up(timezone.now())
