"""What System Status measures. A feature that wants a row of its own adds a Probe to ``PROBES``, and nothing else."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import perf_counter
from typing import Any

from django.db import connection, transaction

from apilog.models import write_alone
from apilog.partitions import CALL_PARTITIONS
from keys.gate import Call, Realm
from partners.postbacks.backlog import first_due
from portal.status.firehose import measure_firehose
from portal.status.judgement import Figures, Window
from portal.status.timing import readings_of, spoken
from portal.web.ids import first_id_at

WINDOW = timedelta(minutes=5)
MINUTE = timedelta(minutes=1)
# A probe must not wait for what it measures for as long as a page would.
PROBE_TIMEOUT = "5s"
# A job that has waited this long waits for a worker that is not there.
LONGEST_WAIT = timedelta(minutes=5)
# procrastinate's workers say every 10 s that they live, and are taken for dead after 30.
WORKER_SILENT_AFTER = timedelta(seconds=30)
CONNECTIONS_SHARE = 0.8
# Refusals are quick and many; among them the calls that did something would not be seen.
REFUSED_AT_THE_GATE = (
    "no_key",
    "unknown_key",
    "revoked_key",
    "expired_key",
    "wrong_realm",
    "ip_denied",
    "rate_limited",
)


@dataclass(frozen=True)
class Probe:
    """One row of System Status. ``measure`` is called by the worker, about every ``interval``, with the moment it
    shall measure at; what it raises is an outage. ``quiet`` says what there was none of when nothing happened."""

    slug: str
    name: str
    measures: str
    interval: timedelta
    threshold_ms: float
    measure: Callable[[datetime], Figures]
    quiet: str = "Nothing to measure in the last 5 minutes"


def measure_calls(now: datetime, *, realm: Realm, interval: timedelta = MINUTE) -> Figures:
    """What the API Log says about one realm. A call is ours to answer for when its outcome is ``error``, and only then:
    4xx and 429 are answers."""
    spoken: dict[str, Any] = {
        "window_id": first_id_at(now - WINDOW),
        "latest_id": first_id_at(now - interval),
        "end_id": first_id_at(now),
        "realm": realm.value,
        "refused": list(REFUSED_AT_THE_GATE),
    }
    with connection.cursor() as cursor:
        cursor.execute(CALLS, spoken)
        row = cursor.fetchone()
    return Figures(window=Window(*row[:5]), latest=Window(*row[5:]))


SPAN = """
    count(*) FILTER (WHERE {within}),
    count(*) FILTER (WHERE {within} AND outcome = 'error'),
    count(*) FILTER (WHERE {within} AND is_timed),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) FILTER (WHERE {within} AND is_timed),
    percentile_cont(0.95) WITHIN GROUP (ORDER BY ms) FILTER (WHERE {within} AND is_timed)
"""
CALLS = f"""
SELECT {SPAN.format(within="true")}, {SPAN.format(within="id >= %(latest_id)s")}
FROM (
    SELECT id, outcome, duration_us / 1000.0 AS ms, outcome <> ALL(%(refused)s) AS is_timed
    FROM apilog_call WHERE id >= %(window_id)s AND id < %(end_id)s AND realm = %(realm)s
) AS call
"""  # noqa: S608


def measure_database(now: datetime) -> Figures:
    """Round trips to the database, and how many of its connections are taken."""
    with connection.cursor() as cursor:
        readings = readings_of(lambda: cursor.execute("SELECT 1"))
        cursor.execute(
            "SELECT count(*), current_setting('max_connections')::int FROM pg_stat_activity"
            " WHERE backend_type = 'client backend'"
        )
        taken, allowed = cursor.fetchone()
    warning = f"{taken} of {allowed} connections are taken." if taken >= allowed * CONNECTIONS_SHARE else ""
    return Figures(window=readings, latest=readings, warning=warning)


def measure_log(now: datetime) -> Figures:
    """Writing a call's row, which every answer waits for. The rows are taken back."""
    with transaction.atomic():
        readings = readings_of(lambda: write_alone(made_up_call(now)))
        transaction.set_rollback(True)
    warning = ""
    if CALL_PARTITIONS.has_strays():
        warning = "Calls are in the default partition: the worker did not make the partitions of their days in time."
    return Figures(window=readings, latest=readings, warning=warning)


def made_up_call(now: datetime) -> Call:
    # A random part of its own, so that no real call can have the id.
    call_id = uuid.UUID(int=first_id_at(now).int | (uuid.uuid4().int & (1 << 80) - 1))
    return Call("GET", "/", "", "System Status", None, call_id, now, perf_counter())


def measure_jobs(now: datetime) -> Figures:
    """How long jobs waited before a worker started them, and how many failed for good."""
    with connection.cursor() as cursor:
        cursor.execute(JOBS, {"window": now - WINDOW, "latest": now - MINUTE})
        row = cursor.fetchone()
        cursor.execute(
            "SELECT extract(epoch FROM max(waited))::float, count(*) FROM ("
            " SELECT %s - greatest(job.scheduled_at, (SELECT max(at) FROM procrastinate_events WHERE job_id = job.id))"
            " AS waited FROM procrastinate_jobs AS job WHERE job.status = 'todo') AS waiting"
            " WHERE waited > make_interval(secs => %s)",
            [now, LONGEST_WAIT.total_seconds()],
        )
        longest, waiting = cursor.fetchone()
        cursor.execute(
            "SELECT count(*) FROM procrastinate_jobs AS job LEFT JOIN procrastinate_workers AS worker"
            " ON worker.id = job.worker_id WHERE job.status = 'doing'"
            " AND (worker.id IS NULL OR worker.last_heartbeat < %s)",
            [now - WORKER_SILENT_AFTER],
        )
        (left,) = cursor.fetchone()
    outage = warning = ""
    if waiting:
        outage = f"{jobs(waiting)} waiting for a worker, the first for {round(longest / 60)} minutes."
    if left:
        warning = f"{jobs(left)} left behind by a worker that stopped halfway."
    return Figures(window=Window(*row[:5]), latest=Window(*row[5:]), outage=outage, warning=warning)


STARTS = """
    count(*) FILTER (WHERE {within} AND type <> 'started'),
    count(*) FILTER (WHERE {within} AND type = 'failed'),
    count(*) FILTER (WHERE {within} AND type = 'started'),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) FILTER (WHERE {within} AND type = 'started'),
    percentile_cont(0.95) WITHIN GROUP (ORDER BY ms) FILTER (WHERE {within} AND type = 'started')
"""
# procrastinate has no index over the time of its events; the newest of them are found by their numbers.
JOBS = f"""
SELECT {STARTS.format(within="true")}, {STARTS.format(within="at >= %(latest)s")}
FROM (
    SELECT event.type, event.at, 1000 * extract(epoch FROM event.at - greatest(
        CASE WHEN job.scheduled_at <= event.at THEN job.scheduled_at END,
        (SELECT max(earlier.at) FROM procrastinate_events AS earlier WHERE earlier.job_id = event.job_id
         AND earlier.id < event.id AND earlier.type IN ('deferred', 'deferred_for_retry', 'retried'))
    ))::float AS ms
    FROM procrastinate_events AS event JOIN procrastinate_jobs AS job ON job.id = event.job_id
    WHERE event.id > (SELECT max(id) - 5000 FROM procrastinate_events)
    AND event.type IN ('started', 'succeeded', 'failed') AND event.at >= %(window)s
) AS event
"""  # noqa: S608


def jobs(count: int) -> str:
    return "1 job is" if count == 1 else f"{count} jobs are"


def measure_postbacks(now: datetime) -> Figures:
    """How late the postback is that should have been sent first."""
    due_at = first_due(now)
    late = now - due_at if due_at else timedelta()
    reading = Window.of_readings([late.total_seconds() * 1000])
    outage = f"The first that is due has been so for {spoken(late)}." if late > LONGEST_WAIT else ""
    return Figures(window=reading, latest=reading, outage=outage)


PROBES = (
    Probe(
        "network-api",
        "Network API",
        "Calls with the network key",
        MINUTE,
        500,
        partial(measure_calls, realm=Realm.NETWORK),
        quiet="No calls in the last 5 minutes",
    ),
    Probe(
        "affiliate-api",
        "Affiliate API",
        "Calls with partner keys",
        MINUTE,
        500,
        partial(measure_calls, realm=Realm.AFFILIATE),
        quiet="No calls in the last 5 minutes",
    ),
    Probe("database", "Database", "Round trips to PostgreSQL", MINUTE, 50, measure_database),
    Probe("api-log", "API Log", "Writing a call's row", MINUTE, 100, measure_log),
    Probe("background-jobs", "Background jobs", "Waiting for a worker", MINUTE, 15_000, measure_jobs),
    Probe("postbacks", "Postbacks", "How late the first one due is", MINUTE, 60_000, measure_postbacks),
    Probe("firehose", "Firehose", "Asking what carries the events", MINUTE, 500, measure_firehose),
)
