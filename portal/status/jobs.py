"""What the worker does for System Status, and how often."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from procrastinate import builtin_tasks
from procrastinate.contrib.django import app
from procrastinate.job_context import JobContext

from portal.status import snapshot
from portal.status.models import KEPT, Check
from portal.status.overview import newest_checks
from portal.status.probes import PROBES

# Jobs that went well are of no interest after this; those that failed stay until somebody has seen to them.
JOBS_KEPT_HOURS = 72


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
