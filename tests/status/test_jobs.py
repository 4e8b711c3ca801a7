from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django import app

from portal.status import snapshot
from portal.status.jobs import MOST_ATTEMPTS, probe_what_is_due, take_up_left_jobs
from portal.status.models import Check
from portal.status.probes import PROBES
from tests.status.conftest import Checked

pytestmark = pytest.mark.django_db
ALL = [probe.slug for probe in PROBES]


def test_every_minute_each_probe_is_run_and_the_snapshot_written(snapshot_path: Path) -> None:
    now = timezone.now()

    ran = probe_what_is_due(now)

    kept = snapshot.read()
    assert ran == ALL
    assert sorted(Check.objects.values_list("probe", flat=True)) == sorted(ALL)
    assert kept is not None
    assert [row.slug for row in kept.rows] == ALL
    assert list(snapshot_path.parent.iterdir()) == [snapshot_path]


def test_a_probe_whose_interval_has_not_passed_waits_for_its_turn(checked: Checked) -> None:
    now = timezone.now()
    checked("database", at=now - timedelta(seconds=20))
    checked("api-log", at=now - timedelta(seconds=58))

    ran = probe_what_is_due(now)

    assert ran == [slug for slug in ALL if slug != "database"]


def test_checks_are_dropped_after_eight_days(checked: Checked) -> None:
    now = timezone.now()
    old = checked("database", at=now - timedelta(days=8, minutes=1))
    young = checked("database", at=now - timedelta(days=7, hours=23))

    probe_what_is_due(now)

    left = set(Check.objects.values_list("pk", flat=True))
    assert young.pk in left
    assert old.pk not in left


def test_probes_run_every_minute_in_the_worker() -> None:
    crons = {periodic.task.name: periodic.cron for periodic in app.periodic_registry.periodic_tasks.values()}

    assert crons["status.probe"] == "* * * * *"
    assert app.tasks["status.probe"].queueing_lock == "status.probe"


def left(*, silent: str, attempts: int = 0, queueing_lock: str | None = None) -> int:
    """A job that somebody began who has said nothing for so long."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH worker AS (INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - %s::interval)"
            "  RETURNING id)"
            " INSERT INTO procrastinate_jobs (queue_name, task_name, status, lock, queueing_lock, attempts, worker_id)"
            " SELECT 'default', 'mending', 'doing', %s, %s, %s, id FROM worker RETURNING id",
            [silent, queueing_lock, queueing_lock, attempts],
        )
        (job_id,) = cursor.fetchone()
    return int(job_id)


def jobs_now() -> dict[int, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, status FROM procrastinate_jobs WHERE task_name = 'mending'")
        return dict(cursor.fetchall())


def test_the_jobs_of_a_worker_that_was_killed_are_done_again_and_keep_nobody_waiting() -> None:
    killed, alive = left(silent="31 seconds", queueing_lock="mending"), left(silent="0 seconds")
    forgotten = left(silent="1 day")
    with connection.cursor() as cursor:
        cursor.execute("SELECT procrastinate_prune_stalled_workers_v1(3600)")

    take_up_left_jobs()

    assert jobs_now() == {killed: "todo", alive: "doing", forgotten: "todo"}
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_name FROM procrastinate_fetch_job_v2(NULL, NULL) WHERE lock = 'mending'")
        assert cursor.fetchall() == [("mending",)]


def test_a_job_that_was_left_is_dropped_when_the_next_of_its_kind_is_queued() -> None:
    killed = left(silent="31 seconds", queueing_lock="mending")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock)"
            " VALUES ('default', 'mending', 'mending', 'mending') RETURNING id"
        )
        (next_one,) = cursor.fetchone()

    take_up_left_jobs()

    assert killed not in jobs_now()
    assert jobs_now() == {next_one: "todo"}


def test_a_job_that_no_worker_survives_is_given_up() -> None:
    deadly = left(silent="31 seconds", attempts=MOST_ATTEMPTS - 1)

    take_up_left_jobs()

    assert jobs_now() == {deadly: "failed"}


def test_what_was_left_is_taken_up_every_minute_and_waits_for_no_lock() -> None:
    crons = {periodic.task.name: periodic.cron for periodic in app.periodic_registry.periodic_tasks.values()}

    assert crons["status.take_up"] == "* * * * *"
    assert app.tasks["status.take_up"].lock is None
