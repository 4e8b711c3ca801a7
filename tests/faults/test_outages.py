from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from portal.postgres import ACCOUNT
from tests.faults.conftest import RECOVER_SECONDS, ROUNDS, Calling, Site, Web, wait_until

PLENTY = 1_000_000
# What takes a second or five on a machine that has nothing else to do.
SOON_SECONDS = 60


def statuses(site: Site, web: Web, number: int, *, at_once: int, changes: bool = False) -> Counter[int]:
    with ThreadPoolExecutor(at_once) as threads:
        answers = threads.map(lambda n: web.call(site.secret, "outage", changes=changes)[0], range(number))
        return Counter(answers)


def test_after_a_restart_of_postgres_no_connection_that_died_with_it_is_used(site: Site) -> None:
    site.set_budget(PLENTY)
    assert statuses(site, site.web, 100, at_once=16) == {200: 100}

    site.kill_postgres()

    assert statuses(site, site.web, 100, at_once=4) == {200: 100}


@pytest.mark.parametrize("seconds", [1, 20] if ROUNDS else [1])
def test_while_postgres_is_away_calls_get_503_within_seconds_and_soon_after_it_is_back_200(
    site: Site, seconds: int
) -> None:
    site.set_budget(PLENTY)
    site.server.kill()

    started = time.monotonic()
    away = site.web.call(site.secret, "away")[0]
    took = time.monotonic() - started
    time.sleep(max(0, seconds - took))
    site.server.start()

    assert away == 503
    assert took < SOON_SECONDS
    assert site.web.wait_until_it_answers(site.secret, 200) < SOON_SECONDS
    assert statuses(site, site.web, 50, at_once=4) == {200: 50}


@pytest.mark.parametrize(
    "lock",
    ["SELECT FROM keys_window WHERE scope = 'network' FOR UPDATE", "LOCK apilog_call IN ACCESS EXCLUSIVE MODE"],
    ids=["deciding", "logging"],
)
@pytest.mark.parametrize("changes", [False, True], ids=["reads", "changes"])
def test_a_statement_that_takes_too_long_is_503_and_changes_nothing(site: Site, lock: str, changes: bool) -> None:
    site.set_budget(PLENTY)
    assert site.web.call(site.secret, "before")[0] == 200
    before = site.query("SELECT count(*) FROM faults_change")

    with site.connect() as connection, connection.transaction():
        connection.execute(lock.encode())
        during = statuses(site, site.web, 8, at_once=8, changes=changes)

    assert during == {503: 8}
    assert site.query("SELECT count(*) FROM faults_change") == before
    assert statuses(site, site.web, 20, at_once=4, changes=changes) == {200: 20}


@pytest.fixture
def narrow(site: Site) -> Iterator[Web]:
    """A web server that has fewer connections than threads."""
    site.set_budget(PLENTY)
    web = Web(
        site.folder,
        site.environment,
        DATABASE_POOL_MAX="2",
        DATABASE_POOL_TIMEOUT="0.5",
        DATABASE_STATEMENT_TIMEOUT_MS="2000",
    )
    try:
        web.wait_until_it_answers(site.secret, 200)
        yield web
    finally:
        web.stop()


def test_a_pool_that_is_used_up_is_503_until_it_is_not(site: Site, narrow: Web, calling: Calling) -> None:
    with site.connect() as connection, connection.transaction():
        connection.execute("LOCK faults_change")
        during = statuses(site, narrow, 32, at_once=32, changes=True)

    assert set(during) == {503}
    assert narrow.wait_until_it_answers(site.secret, 200) < SOON_SECONDS
    with calling("narrow", narrow, threads=24) as answers:
        wait_until(lambda: len(answers.named(200)) > 50)
    assert not answers.odd
    logged = dict(site.query("SELECT user_agent, status FROM apilog_call WHERE user_agent LIKE 'narrow-%%'"))
    promised = {name: status for name, status in answers.statuses.items() if status != 503}
    assert {name: logged.get(name) for name in promised} == promised


@pytest.fixture
def small_disk(site: Site) -> Iterator[Path]:
    """A tmpfs of a few megabytes that PostgreSQL keeps the API Log of today on."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("Only root can mount a small disk to fill.")
    # Where PostgreSQL, which has an account of its own, may pass.
    disk = Path(tempfile.mkdtemp(prefix="latchkey-disk-"))
    disk.chmod(0o755)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        disk.rmdir()
        pytest.skip(f"No small disk can be mounted here: {mounted.stderr.strip()}")
    table_space = disk / "data"
    table_space.mkdir()
    shutil.chown(table_space, ACCOUNT, ACCOUNT)
    try:
        with site.connect() as connection:
            connection.execute("TRUNCATE apilog_call")
            connection.execute(f"CREATE TABLESPACE small LOCATION '{table_space}'".encode())
            move_log(site, "small")
        yield disk
    finally:
        (disk / "filler").unlink(missing_ok=True)
        move_log(site, "pg_default")
        with site.connect() as connection:
            connection.execute("DROP TABLESPACE IF EXISTS small")
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
        disk.rmdir()


def move_log(site: Site, table_space: str) -> None:
    with site.connect() as connection:
        partitions = connection.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'apilog_call'::regclass"
        ).fetchall()
        for (partition,) in partitions:
            connection.execute(f"ALTER TABLE {partition} SET TABLESPACE {table_space}".encode())


def test_a_full_disk_is_503_and_nothing_worse(site: Site, small_disk: Path) -> None:
    site.set_budget(PLENTY)
    assert site.web.call(site.secret, "roomy")[0] == 200
    before = site.query("SELECT count(*) FROM faults_change")
    with (small_disk / "filler").open("wb") as filler:
        try:
            while True:
                filler.write(b"\0" * 8192)
                filler.flush()
        except OSError:
            pass
    # The first calls still find room in the last pages of the log.
    seen: Counter[int] = Counter()
    deadline = time.monotonic() + RECOVER_SECONDS
    while not seen[503] and time.monotonic() < deadline:
        seen += statuses(site, site.web, 50, at_once=8)
    full = statuses(site, site.web, 20, at_once=8, changes=True)

    (small_disk / "filler").unlink()

    assert set(seen) <= {200, 503}
    assert full == {503: 20}
    assert site.query("SELECT count(*) FROM faults_change") == before
    assert site.web.wait_until_it_answers(site.secret, 200) < SOON_SECONDS
    assert statuses(site, site.web, 20, at_once=4, changes=True) == {200: 20}
