"""What the worker does for postbacks, and how often."""

from __future__ import annotations

import time

from django.db import connection
from django.utils.timezone import now
from procrastinate.contrib.django import app
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
    forget_cut_short()
    ends = time.monotonic() + SHIFT_SECONDS
    Shift(lambda: time.monotonic() > ends or context.should_abort()).run()


def forget_cut_short() -> None:
    """A worker that is killed is in the middle of a shift nearly always. Nothing is left to do for that job, and System
    Status should not name it for ever."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT procrastinate_finish_job_v1(job.id, 'aborted', true) FROM procrastinate_jobs AS job"
            " LEFT JOIN procrastinate_workers AS worker ON worker.id = job.worker_id"
            " WHERE job.task_name = 'postbacks.deliver' AND job.status = 'doing'"
            " AND (worker.id IS NULL OR worker.last_heartbeat < now() - interval '30 seconds')"
        )


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
