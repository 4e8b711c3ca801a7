"""What the worker does for pushes, and how often."""

from __future__ import annotations

import time
from contextlib import suppress

from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.job_context import JobContext

from partners.firehose.push.sending import Shift

SHIFT_SECONDS = 60.0


# No lock, as the delivery of postbacks: a push is one shift's alone for as long as its batch is under way.
@app.periodic(cron="* * * * *")
@app.task(name="push.deliver", queueing_lock="push.deliver", pass_context=True)
def deliver(context: JobContext, timestamp: int) -> None:
    """Pushes for a minute. An event does not wait for this job to begin, but for the running one to look."""
    ends = time.monotonic() + SHIFT_SECONDS
    Shift(lambda: time.monotonic() > ends or context.should_abort()).run()
    if context.should_abort():
        # Whoever comes next begins at once, and not with the next minute.
        with suppress(AlreadyEnqueued):
            app.configure_task("push.deliver").defer(timestamp=timestamp)
