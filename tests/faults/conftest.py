"""A whole Latchkey for tests to break: a PostgreSQL of its own with its data on disk, the web server, the worker."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from portal.postgres import PROJECT, PostgresUnusable, Server
from portal.run import web_server
from tests.ports import free_port

# `make faults` breaks things more often than `make test`.
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "0"))
START_SECONDS = 180
RECOVER_SECONDS = 240
# After so long a call counts as one that is never answered.
ANSWER_SECONDS = 120
READ, CHANGE = "/v1/affiliates/affiliate", "/v1/faults/change"

MAKE_KEY = """
from keys.models import Key
from partners.models import Partner
from portal.accounts.actors import Actor
by = Actor.system("tests")
partner = Partner.create(by=by, name="Acme Media", status="active", technical_contact_email="ada@acme.example")
print(Key.issue(partner=partner, label="Reporting", by=by)[1])
"""


@dataclass
class Answers:
    """What clients were told, by the name under which each call went; calls without an answer are not in it."""

    statuses: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    odd: list[str] = field(default_factory=list)

    def named(self, *statuses: int) -> set[str]:
        return {name for name, status in self.statuses.items() if status in statuses}


class Web:
    """The web server, as `make run` starts it, with the settings given."""

    def __init__(self, folder: Path, environment: Mapping[str, str], **extra: str) -> None:
        self.port = free_port()
        self.log = folder / f"web-{self.port}.log"
        command = [sys.executable, *web_server(self.port)]
        command[-1] = "tests.faults.wsgi:application"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=PROJECT, env={**environment, **extra}, stdout=log, stderr=log, start_new_session=True
            )

    def workers(self) -> list[psutil.Process]:
        return [
            child
            for child in psutil.Process(self.process.pid).children(recursive=True)
            if child.status() != psutil.STATUS_ZOMBIE
            and any("granian" in part or "spawn_main" in part for part in child.cmdline())
            and not any("resource_tracker" in part for part in child.cmdline())
        ]

    def call(
        self, secret: str, name: str, *, changes: bool = False, timeout: float = ANSWER_SECONDS
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            return self.call_over(connection, secret, name, changes=changes)
        finally:
            connection.close()

    def call_over(
        self, connection: http.client.HTTPConnection, secret: str, name: str, *, changes: bool
    ) -> tuple[int, dict[str, str], bytes]:
        headers = {"Authorization": f"Bearer {secret}", "User-Agent": name, "Accept": "application/json"}
        connection.request("POST" if changes else "GET", CHANGE if changes else READ, headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def wait_until_it_answers(self, secret: str, *statuses: int, seconds: float = RECOVER_SECONDS) -> float:
        """Seconds until it answers with one of the statuses."""
        started = time.monotonic()
        seen: list[Any] = []
        while time.monotonic() < started + seconds:
            try:
                seen.append(self.call(secret, "waiting")[0])
            except (OSError, http.client.HTTPException) as reason:
                seen.append(repr(reason))
            if seen[-1] in statuses:
                return time.monotonic() - started
            time.sleep(0.05)
        raise AssertionError(f"No {statuses} within {seconds} s, but {seen[-5:]}; see {self.log}")

    def stop(self) -> None:
        workers = self.workers() if self.process.poll() is None else []
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for worker in workers:
            if worker.is_running():
                worker.kill()


class Site:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = Server(folder / "postgres")
        self.server.start()
        self.server.ensure_database()
        self.environment = {
            **os.environ,
            "DATABASE_URL": self.server.url(),
            "DATABASE_POOL_TIMEOUT": "5",
            "LOG_LEVEL": "ERROR",
            # The receiver of postbacks is on this machine, too.
            "POSTBACKS_ALLOW_PRIVATE": "1",
        }
        self.manage("migrate", "--no-input", "--verbosity=0")
        self.secret = self.manage("shell", "--no-imports", "-c", MAKE_KEY).split()[-1]
        with self.connect() as connection:
            connection.execute("CREATE TABLE faults_change (name text)")
        self.worker = self.start_worker()
        self.web = Web(folder, self.environment, DATABASE_STATEMENT_TIMEOUT_MS="2000")
        self.web.wait_until_it_answers(self.secret, 200, seconds=START_SECONDS)

    def manage(self, *arguments: str) -> str:
        made = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        return made.stdout

    def start_worker(self, log_name: str = "worker.log") -> subprocess.Popen[bytes]:
        with (self.folder / log_name).open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "manage.py", "worker"],
                cwd=PROJECT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.server.url(), autocommit=True)

    def query(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def set_budget(self, requests: int) -> None:
        """That many calls a day, of which none is spent."""
        with self.connect() as connection, connection.transaction():
            connection.execute("DELETE FROM keys_window")
            connection.execute("DELETE FROM network_network")
            connection.execute(
                "INSERT INTO network_network (id, name, timezone, currency, support_name, support_email,"
                " tracking_domain, budget_requests, budget_seconds, created_at, updated_at)"
                " VALUES (1, 'Northwind', 'UTC', 'USD', '', '', '', %s, 86400, now(), now())",
                [requests],
            )

    # What can go wrong.

    def kill_postgres(self) -> None:
        self.server.kill()
        time.sleep(0.3)
        self.server.start()

    def kill_backend(self) -> None:
        """PostgreSQL ends all connections and recovers when one of its processes is killed."""
        rows = self.query(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            " ORDER BY state_change DESC NULLS LAST LIMIT 1"
        )
        for (pid,) in rows:
            os.kill(pid, signal.SIGKILL)

    def kill_web(self) -> None:
        self.web.workers()[0].kill()

    def kill_worker(self) -> None:
        os.killpg(self.worker.pid, signal.SIGKILL)
        self.worker.wait()
        self.worker = self.start_worker()

    def stop(self) -> None:
        self.web.stop()
        if self.worker.poll() is None:
            os.killpg(self.worker.pid, signal.SIGKILL)
        self.worker.wait()
        self.server.stop()


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    # Not among pytest's temporary folders: nobody else may enter those, and PostgreSQL, when we are root, is somebody.
    (PROJECT / "var").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="faults-", dir=PROJECT / "var"))
    try:
        site = Site(folder)
    except PostgresUnusable as reason:
        shutil.rmtree(folder)
        pytest.skip(str(reason))
    try:
        yield site
    finally:
        site.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Clients:
    """Threads that call without pause, each call under a name of its own, and note what they are told."""

    def __init__(self, web: Web, secret: str, prefix: str, *, threads: int = 8) -> None:
        self.answers = Answers()
        self._web, self._secret, self._prefix = web, secret, prefix
        self._stop = threading.Event()
        self._mutex = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=[n], daemon=True) for n in range(threads)]

    def __enter__(self) -> Answers:
        for thread in self._threads:
            thread.start()
        return self.answers

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * ANSWER_SECONDS)
        assert not any(thread.is_alive() for thread in self._threads), "A call was never answered, nor refused."

    def _run(self, thread: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._web.port, timeout=ANSWER_SECONDS)
        number = 0
        while not self._stop.wait(0.004):
            number += 1
            name = f"{self._prefix}-{thread}-{number}"
            with self._mutex:
                self.answers.sent += 1
            try:
                status, headers, body = self._web.call_over(
                    connection, self._secret, name, changes=(thread + number) % 3 == 0
                )
            except TimeoutError:
                with self._mutex:
                    self.answers.odd.append(f"{name}: no answer for {ANSWER_SECONDS} s")
                connection.close()
            except (OSError, http.client.HTTPException):
                # Without an answer nothing was promised.
                connection.close()
                time.sleep(0.02)
            else:
                with self._mutex:
                    self.answers.statuses[name] = status
                    self._look_at(name, status, headers, body)
        connection.close()

    def _look_at(self, name: str, status: int, headers: dict[str, str], body: bytes) -> None:
        fits = status in {200, 429, 503} and "x-request-id" in headers
        if status != 200:
            fits = fits and json.loads(body)["code"] == str(status)
        if not fits:
            self.answers.odd.append(f"{name}: {status} {headers} {body[:200]!r}")


Calling = Callable[..., Clients]


def wait_until(is_so: Callable[[], bool], seconds: float = RECOVER_SECONDS) -> None:
    ends = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < ends, f"Not within {seconds} s"
        time.sleep(0.05)


@pytest.fixture
def calling(site: Site) -> Calling:
    """``with calling("prefix") as answers:`` lets clients call while the block does its damage."""

    def start(prefix: str, web: Web | None = None, **options: Any) -> Clients:
        return Clients(web or site.web, site.secret, prefix, **options)

    return start
