from __future__ import annotations

from dataclasses import astuple
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django import app

from apilog.partitions import create_ahead
from keys.gate import Outcome, Realm
from portal.status import probes
from portal.status.judgement import Figures, State, Window
from portal.status.models import Check
from portal.status.probes import MINUTE, Probe, measure_calls, measure_database, measure_jobs, measure_log
from tests.status.conftest import Log, logged

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_an_apis_figures_are_those_of_its_own_calls_in_the_last_five_minutes(log: Log) -> None:
    log(3, at=NOON - timedelta(minutes=4), ms=100)
    log(1, at=NOON - timedelta(seconds=30), ms=300)
    log(7, at=NOON - timedelta(minutes=6), ms=999)
    log(7, at=NOON - timedelta(seconds=30), ms=999, realm=Realm.NETWORK)
    log(7, at=NOON - timedelta(seconds=30), ms=999, realm=None)
    log(7, at=NOON + timedelta(seconds=1), ms=999)

    figures = measure_calls(NOON, realm=Realm.AFFILIATE)

    assert astuple(figures.window) == (4, 0, 4, 100, pytest.approx(270))
    assert figures.latest == Window(answered=1, errors=0, timed=1, p50_ms=300, p95_ms=300)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_only_the_outcome_error_is_ours_to_answer_for(outcome: Outcome, log: Log) -> None:
    log(2, at=NOON - timedelta(seconds=5), outcome=outcome)

    window = measure_calls(NOON, realm=Realm.AFFILIATE).window

    assert window.answered == 2
    assert window.errors == (2 if outcome is Outcome.ERROR else 0)


def test_a_flood_of_refusals_does_not_hide_slow_calls(log: Log) -> None:
    log(50, at=NOON - timedelta(seconds=5), outcome=Outcome.RATE_LIMITED, ms=1)
    log(2, at=NOON - timedelta(seconds=5), ms=800)

    window = measure_calls(NOON, realm=Realm.AFFILIATE).window

    assert (window.answered, window.timed, window.p50_ms) == (52, 2, 800)


def test_without_calls_there_is_nothing_to_judge_by() -> None:
    assert measure_calls(NOON, realm=Realm.NETWORK) == Figures()


def test_the_database_is_timed_by_its_round_trips() -> None:
    figures = measure_database(NOON)

    assert figures.window == figures.latest
    assert figures.window.answered == 5
    assert 0 < (figures.window.p50_ms or 0) <= (figures.window.p95_ms or 0)
    assert not figures.outage


def test_the_database_warns_when_its_connections_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "CONNECTIONS_SHARE", 0)

    assert "connections are taken" in measure_database(NOON).warning


def test_the_log_is_timed_by_writing_rows_that_it_does_not_keep() -> None:
    figures = measure_log(NOON)

    assert (figures.window.answered, logged()) == (5, 0)


def test_the_log_warns_of_calls_in_the_default_partition(log: Log) -> None:
    now = timezone.now()
    create_ahead(now.date(), days=1)

    log(1, at=now)
    in_a_partition = measure_log(now).warning
    log(1, at=now - timedelta(days=3))
    in_none = measure_log(now).warning

    assert in_a_partition == ""
    assert "default partition" in in_none


def job(*, status: str = "todo", deferred: datetime, started: datetime | None = None, ended: str = "") -> int:
    """A background job with its events, written as procrastinate's triggers do."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES ('default', 't') RETURNING id")
        (job_id,) = cursor.fetchone()
        cursor.execute("DELETE FROM procrastinate_events WHERE job_id = %s", [job_id])
        cursor.execute("ALTER TABLE procrastinate_jobs DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE procrastinate_jobs SET status = %s::procrastinate_job_status WHERE id = %s", [status, job_id]
        )
        cursor.execute("ALTER TABLE procrastinate_jobs ENABLE TRIGGER USER")
        for kind, at in (("deferred", deferred), ("started", started), (ended, started)):
            if kind and at:
                cursor.execute(
                    "INSERT INTO procrastinate_events (job_id, type, at)"
                    " VALUES (%s, %s::procrastinate_job_event_type, %s)",
                    [job_id, kind, at],
                )
    return int(job_id)


def test_jobs_are_timed_by_how_long_they_waited_for_a_worker() -> None:
    early, late = NOON - timedelta(minutes=3), NOON - timedelta(seconds=20)
    job(status="succeeded", deferred=early, started=early + timedelta(seconds=2), ended="succeeded")
    job(status="failed", deferred=late, started=late + timedelta(seconds=4), ended="failed")
    long_ago = NOON - timedelta(minutes=10)
    job(status="failed", deferred=long_ago, started=long_ago + timedelta(seconds=60), ended="failed")

    figures = measure_jobs(NOON)

    assert astuple(figures.window) == (2, 1, 2, pytest.approx(3000), pytest.approx(3900))
    assert astuple(figures.latest) == (1, 1, 1, pytest.approx(4000), pytest.approx(4000))
    assert (figures.outage, figures.warning) == ("", "")


def test_a_job_for_later_has_not_waited_before_its_time() -> None:
    job_id = job(status="succeeded", deferred=NOON - timedelta(hours=2), started=NOON - MINUTE, ended="succeeded")
    with connection.cursor() as cursor:
        scheduled_at = NOON - MINUTE - timedelta(seconds=2)
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = %s WHERE id = %s", [scheduled_at, job_id])

    assert measure_jobs(NOON).window.p50_ms == pytest.approx(2000)


def test_a_job_that_nobody_takes_is_an_outage_and_one_that_is_not_due_is_not() -> None:
    job(deferred=NOON - timedelta(minutes=4))
    not_due = job(deferred=NOON - timedelta(minutes=40))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = %s WHERE id = %s", [NOON + MINUTE, not_due])
    before = measure_jobs(NOON).outage

    job(deferred=NOON - timedelta(minutes=12))
    after = measure_jobs(NOON).outage

    assert (before, after) == ("", "1 job is waiting for a worker, the first for 12 minutes.")


def test_a_job_whose_worker_is_gone_is_a_warning() -> None:
    job(status="doing", deferred=NOON - MINUTE, started=NOON - MINUTE)

    assert measure_jobs(NOON).warning == "1 job is left behind by a worker that stopped halfway."


def made_up(figures: Figures | Exception, *, slug: str = "made-up") -> Probe:
    def measure(now: datetime) -> Figures:
        if isinstance(figures, Exception):
            raise figures
        return figures

    return Probe(slug, "Made up", "", MINUTE, 100, measure)


def window(p95_ms: float) -> Figures:
    found = Window(answered=25, timed=25, p50_ms=p95_ms / 2, p95_ms=p95_ms)
    return Figures(found, found)


def test_a_check_keeps_what_was_measured_and_how_it_was_judged() -> None:
    states = [
        Check.make(made_up(window(p95_ms)), now=NOON + minute * MINUTE).state
        for minute, p95_ms in enumerate([50, 200, 50, 50])
    ]

    assert states == [State.OPERATIONAL, State.SLOW, State.SLOW, State.OPERATIONAL]


def test_usual_is_the_median_of_the_last_seven_days() -> None:
    for days, p95_ms in [(8, 9000), (6, 10), (2, 40), (1, 90)]:
        Check.make(made_up(window(p95_ms)), now=NOON - timedelta(days=days))
    Check.make(made_up(window(7000), slug="other"), now=NOON - timedelta(days=1))

    check = Check.make(made_up(window(500)), now=NOON)

    assert (check.p50_ms, check.p95_ms) == (250, 500)
    assert (check.usual_p50_ms, check.usual_p95_ms) == (20, 40)


def test_a_probe_that_fails_is_an_outage_and_leaves_the_database_usable() -> None:
    broken = made_up(Figures())

    def measure(now: datetime) -> Figures:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM no_such_table")
        return Figures()

    checks = [Check.make(Probe(broken.slug, "", "", MINUTE, 1, measure), now=NOON)]
    checks.append(Check.make(made_up(ValueError("no"), slug="also-broken"), now=NOON))

    assert [check.state for check in checks] == [State.OUTAGE, State.OUTAGE]
    assert "worker's output" in checks[0].outage


def test_a_probe_that_hangs_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.status.models.PROBE_TIMEOUT", "50ms")

    def measure(now: datetime) -> Figures:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(600)")
        return Figures()

    started = timezone.now()
    check = Check.make(Probe("hangs", "", "", MINUTE, 1, measure), now=NOON)

    assert check.state == State.OUTAGE
    assert timezone.now() - started < timedelta(seconds=300)


def test_the_slugs_of_probes_are_their_own() -> None:
    assert len({probe.slug for probe in probes.PROBES}) == len(probes.PROBES)
    assert {probe.name for probe in probes.PROBES} >= {
        "Network API",
        "Affiliate API",
        "Database",
        "API Log",
        "Background jobs",
    }


def test_the_worker_knows_the_jobs() -> None:
    assert {"status.probe", "status.forget_jobs"} <= set(app.tasks)
