"""What the worker does for the Firehose, and how often."""

from __future__ import annotations

import logging
from datetime import UTC, timedelta

from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from partners.firehose.chosen import jetstream
from partners.firehose.log import Away
from partners.firehose.models import MOST_NUMBERED, Firehose, forget_before, number_events
from partners.firehose.partitions import create_ahead

logger = logging.getLogger(__name__)


@app.periodic(cron="*/10 * * * *")
@app.task(name="firehose.partitions", lock="firehose.partitions", queueing_lock="firehose.partitions")
def keep_partitions(timestamp: int) -> None:
    """Makes the partitions of the coming days, and drops the events that are past the retention."""
    today = timezone.now().astimezone(UTC).date()
    create_ahead(today)
    forget_before(today - timedelta(days=settings.FIREHOSE_RETENTION_DAYS))


@app.periodic(cron="*/10 * * * *")
@app.task(name="firehose.number", lock="firehose.number", queueing_lock="firehose.number")
def number_unread(timestamp: int) -> None:
    """Numbers the events of partners who do not read at the moment: what has no number is past no retention. Where
    JetStream carries them, it relays them, and deletes there what is of runs that have ended."""
    for partner_id in Firehose.objects.enabled().values_list("pk", flat=True):
        while (numbered := number_events(partner_id)) and numbered.events == MOST_NUMBERED:
            pass
    if log := jetstream():
        try:
            log.keep_up()
        except Away as away:
            # They wait here; whoever reads relays them when it is back, and so does the next run.
            logger.warning("The Firehose's events were not relayed: %s", away)
