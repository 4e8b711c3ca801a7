"""What the worker does for reports, and how often."""

from __future__ import annotations

from django.utils import timezone
from procrastinate.contrib.django import app

from partners.reporting.rollups import keep_up


@app.periodic(cron="*/10 * * * *")
@app.task(name="reporting.rollups", lock="reporting.rollups", queueing_lock="reporting.rollups")
def seal_days(timestamp: int) -> None:
    keep_up(timezone.now())
