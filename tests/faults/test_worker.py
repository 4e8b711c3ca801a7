from __future__ import annotations

import signal

from tests.faults.conftest import START_SECONDS, Site, wait_until

QUEUE_A_JOB = (
    "INSERT INTO procrastinate_jobs (queue_name, task_name, args)"
    " VALUES ('default', 'traffic.visitors', '{\"timestamp\": 0}') RETURNING id"
)


def do_a_job(site: Site) -> None:
    [(job,)] = site.query(QUEUE_A_JOB)
    asked = "SELECT status::text FROM procrastinate_jobs WHERE id = %s"
    wait_until(lambda: site.query(asked, job) == [("succeeded",)])


def test_the_worker_outlives_its_database_and_goes_on_with_its_jobs(site: Site) -> None:
    do_a_job(site)

    site.kill_postgres()

    do_a_job(site)
    assert site.worker.poll() is None


def test_a_worker_without_a_database_waits_for_it_and_can_be_stopped(site: Site) -> None:
    log = site.folder / "waiting-worker.log"
    site.server.kill()
    try:
        worker = site.start_worker(log.name)
        wait_until(lambda: "waits for it" in log.read_text())
        was_waiting = worker.poll() is None
        worker.send_signal(signal.SIGTERM)
        code = worker.wait(START_SECONDS)
    finally:
        site.server.start()

    assert was_waiting
    assert code == 0
    do_a_job(site)
