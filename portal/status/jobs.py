"""What the worker does for System Status, and how often."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from procrastinate import builtin_tasks
from procrastinate.contrib.django import app
from procrastinate.job_context import JobContext

from portal.status import snapshot
from portal.status.models import KEPT, Check
from portal.status.overview import newest_checks
from portal.status.probes import PROBES, WORKER_SILENT_AFTER

# Jobs that went well are of no interest after this; those that failed stay until somebody has seen to them.
JOBS_KEPT_HOURS = 72
# A job that its worker did not survive so often is what kills them.
MOST_ATTEMPTS = 5


def probe_what_is_due(now: datetime) -> list[str]:
    """Runs each probe whose interval has passed, drops old checks, renews the snapshot; answers which probes ran."""
    newest = newest_checks()
    ran = []
    for probe in PROBES:
        last = newest.get(probe.slug)
        # The worker's minutes are not exact; half an interval is nearer to this turn than to the next.
        if last is None or now - last.measured_at > probe.interval / 2:
            Check.make(probe, now=now)
            ran.append(probe.slug)
    Check.objects.older_than(now - KEPT).delete()
    snapshot.overview_at(now, trouble="")
    return ran


@app.periodic(cron="* * * * *")
@app.task(name="status.probe", lock="status.probe", queueing_lock="status.probe")
def probe(timestamp: int) -> None:
    probe_what_is_due(timezone.now())


@app.periodic(cron="17 3 * * *")
@app.task(name="status.forget_jobs", queueing_lock="status.forget_jobs", pass_context=True)
async def forget_finished_jobs(context: JobContext, timestamp: int) -> None:
    """procrastinate keeps every job it ever ran unless it is told to let go of them."""
    await builtin_tasks.remove_old_jobs(context, max_hours=JOBS_KEPT_HOURS)


# No lock: its own worker may be killed, too.
@app.periodic(cron="* * * * *")
@app.task(name="status.take_up", queueing_lock="status.take_up")
def take_up(timestamp: int) -> None:
    take_up_left_jobs()


@transaction.atomic
def take_up_left_jobs() -> None:
    """Has the jobs done again whose worker was killed or lost its database halfway. Nobody else would: they are marked
    as being done for ever, and every later job with the same lock would wait for them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT job.id, job.attempts FROM procrastinate_jobs AS job"
            " LEFT JOIN procrastinate_workers AS worker ON worker.id = job.worker_id"
            " WHERE job.status = 'doing' AND (worker.id IS NULL"
            "  OR worker.last_heartbeat < now() - make_interval(secs => %s))"
            " ORDER BY job.id FOR UPDATE OF job SKIP LOCKED",
            [WORKER_SILENT_AFTER.total_seconds()],
        )
        for job_id, attempts in cursor.fetchall():
            if attempts + 1 >= MOST_ATTEMPTS:
                cursor.execute("SELECT procrastinate_finish_job_v1(%s, 'failed', false)", [job_id])
                continue
            try:
                with transaction.atomic():
                    cursor.execute("SELECT procrastinate_retry_job_v2(%s, now(), NULL, NULL, NULL)", [job_id])
            except IntegrityError:
                # The next of its kind is queued already, and does what this did not.
                cursor.execute("SELECT procrastinate_finish_job_v1(%s, 'aborted', true)", [job_id])
