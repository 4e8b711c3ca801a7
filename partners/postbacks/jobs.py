"""What the worker does for postbacks, and how often."""

from __future__ import annotations

import time
from contextlib import suppress

from django.utils.timezone import now
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.job_context import JobContext

from partners.postbacks.delivering import Shift
from partners.postbacks.models import ATTEMPTS_KEPT, Attempt, Delivery

# A shift ends when the next one begins, and a job that begins late makes no difference: the queue is a table.
SHIFT_SECONDS = 60.0
DROPPED_A_BATCH = 5000


# No lock: what two shifts do at once they divide among themselves, and one whose worker was killed keeps nobody out.
@app.periodic(cron="* * * * *")
@app.task(name="postbacks.deliver", queueing_lock="postbacks.deliver", pass_context=True)
def deliver(context: JobContext, timestamp: int) -> None:
    """Delivers for a minute. A conversion does not wait for this job to begin, but for the running one to look."""
    ends = time.monotonic() + SHIFT_SECONDS
    Shift(lambda: time.monotonic() > ends or context.should_abort()).run()
    if context.should_abort():
        # Whoever comes next begins at once, and not with the next minute.
        with suppress(AlreadyEnqueued):
            app.configure_task("postbacks.deliver").defer(timestamp=timestamp)


@app.periodic(cron="*/10 * * * *")
@app.task(name="postbacks.give_up", lock="postbacks.give_up", queueing_lock="postbacks.give_up")
def give_up(timestamp: int) -> None:
    Delivery.objects.all().give_up_overdue()


@app.periodic(cron="23 * * * *")
@app.task(name="postbacks.forget", lock="postbacks.forget", queueing_lock="postbacks.forget")
def forget(timestamp: int) -> None:
    """Drops what is older than attempts are kept. Each batch is committed by itself."""
    oldest = now() - ATTEMPTS_KEPT
    while Attempt.objects.all().drop_before(oldest, most=DROPPED_A_BATCH):
        pass
    while Delivery.objects.all().drop_before(oldest, most=DROPPED_A_BATCH):
        pass
