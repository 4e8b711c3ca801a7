"""What the worker does for traffic, and how often."""

from __future__ import annotations

from datetime import UTC

from django.utils import timezone
from procrastinate.contrib.django import app

from partners.traffic.partitions import create_ahead


@app.periodic(cron="*/10 * * * *")
@app.task(name="traffic.partitions", lock="traffic.partitions", queueing_lock="traffic.partitions")
def keep_partitions(timestamp: int) -> None:
    create_ahead(timezone.now().astimezone(UTC).date())
