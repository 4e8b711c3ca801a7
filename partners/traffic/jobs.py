"""What the worker does for traffic, and how often."""

from __future__ import annotations

from datetime import UTC

from django.utils import timezone
from procrastinate.contrib.django import app

from partners.traffic.models import NEW_AGAIN_AFTER, Hold, Visitor
from partners.traffic.partitions import create_ahead
from portal.accounts.actors import Actor

HOLDS_A_BATCH = 200
VISITORS_A_BATCH = 5000
THE_HOLDING_PERIOD = Actor.system("The holding period")


@app.periodic(cron="*/10 * * * *")
@app.task(name="traffic.partitions", lock="traffic.partitions", queueing_lock="traffic.partitions")
def keep_partitions(timestamp: int) -> None:
    create_ahead(timezone.now().astimezone(UTC).date())


@app.periodic(cron="* * * * *")
@app.task(name="traffic.holds", lock="traffic.holds", queueing_lock="traffic.holds")
def end_holds(timestamp: int) -> None:
    """Approves what was held back long enough. Each batch is committed by itself, so a worker that is stopped halfway
    leaves only what the next run takes up."""
    now = timezone.now()
    while Hold.objects.end_due(now, by=THE_HOLDING_PERIOD, most=HOLDS_A_BATCH):
        pass


@app.periodic(cron="*/10 * * * *")
@app.task(name="traffic.visitors", lock="traffic.visitors", queueing_lock="traffic.visitors")
def forget_visitors(timestamp: int) -> None:
    """Removes visitors who would be new again anyway. Each batch is committed by itself."""
    now = timezone.now()
    while Visitor.objects.forget_before(now - NEW_AGAIN_AFTER, most=VISITORS_A_BATCH):
        pass
