from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from portal.postgres import PROJECT, Server
from tests.ports import free_port

SECONDS = 240
# What a shell of a person has, and nothing that this test run was given.
NOT_INHERITED = {
    *("DATABASE_URL", "DATABASE_POOL_TIMEOUT", "SECRET_KEY", "KEY_ENCRYPTION_KEYS", "DEBUG", "BASE_URL", "PORT"),
    "LATCHKEY_VAR",
    *("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "DJANGO_SETTINGS_MODULE", "PYTEST_CURRENT_TEST"),
}
Run = Callable[..., "Running"]


class Running:
    """``python -m portal.run`` with data of its own."""

    def __init__(self, var: Path, *arguments: str, **environment: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        self.output = var.with_suffix(".output")
        with self.output.open("a") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "portal.run", *arguments],
                cwd=PROJECT,
                env={**inherited, "LATCHKEY_VAR": str(var), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def said(self) -> str:
        return self.output.read_text()

    def wait_until_it_says(self, text: str) -> None:
        deadline = time.monotonic() + SECONDS
        while text not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(SECONDS)

    def family(self) -> list[psutil.Process]:
        return list(psutil.Process(self.process.pid).children(recursive=True))


def words_of(process: psutil.Process) -> list[str]:
    """What it was started with, and its name; nothing of one that has ended, as PostgreSQL has one per connection."""
    try:
        return [*process.cmdline(), process.name()]
    except psutil.Error:
        return []


def is_left(process: psutil.Process) -> bool:
    """Whether it still runs. What has ended may be listed until process 1 has looked after it."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def var() -> Iterator[Path]:
    # Not tmp_path: pytest closes it to everybody else, and as root PostgreSQL is somebody else.
    (PROJECT / "var").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="test-run-", dir=PROJECT / "var"))
    yield folder / "var"
    shutil.rmtree(folder)


@pytest.fixture
def run(var: Path) -> Iterator[Run]:
    started: list[Running] = []

    def run(*arguments: str, **environment: str) -> Running:
        started.append(Running(var, *arguments, **environment))
        return started[-1]

    yield run
    for running in started:
        running.stop()


@pytest.fixture
def port() -> str:
    return str(free_port())


def test_it_serves_finds_its_data_again_and_leaves_nothing_running(run: Run, var: Path, port: str) -> None:
    first = run(PORT=port)
    first.wait_until_it_says("Ctrl-C stops everything.")
    family = first.family()
    answer = httpx.get(f"http://localhost:{port}/sign-in/", timeout=SECONDS)
    second = run(PORT=port)

    assert second.process.wait(SECONDS) == 1
    assert "Latchkey runs from this checkout already" in second.said()
    assert answer.status_code == 200
    assert {"postgres", "granian", "manage.py"} <= {word for process in family for word in words_of(process)}
    assert f"http://localhost:{port}/sign-in/" in first.said()
    assert "sonia@latchkey.example" in first.said()
    secrets = (var / "dev.env").read_text()
    assert stat.S_IMODE((var / "dev.env").stat().st_mode) == 0o600
    assert first.stop() == 0
    assert not [process for process in family if is_left(process)]
    assert "Traceback" not in first.said()

    first.output.unlink()
    again = run(PORT=port)
    again.wait_until_it_says("Ctrl-C stops everything.")
    family = again.family()
    # PostgreSQL has workers, too.
    worker = next(process for process in family if {"manage.py", "worker"} <= set(words_of(process)))
    worker.kill()

    assert again.process.wait(SECONDS) == 1
    assert "The worker has stopped by itself (exit code -9).\n" in again.said()
    assert "is set up" not in again.said()
    assert not [process for process in family if is_left(process)]
    assert (var / "dev.env").read_text() == secrets


def test_what_was_killed_while_it_wrote_the_demos_traffic_is_finished_by_the_next(
    run: Run, var: Path, port: str
) -> None:
    killed = run(PORT=port)
    killed.wait_until_it_says("Writing its last 60 days of traffic")
    with psycopg.connect(Server(var / "postgres").url()) as reading:
        # What is read cannot be given partitions: it cannot be done before it is killed.
        reading.execute("SELECT FROM traffic_click LIMIT 0")
        writer = writer_of_traffic(killed, Server(var / "postgres"))
        killed.process.kill()
        writer.kill()

    again = run(PORT=port)
    again.wait_until_it_says("Ctrl-C stops everything.")

    assert "Northwind Affiliates is set up, but its traffic was not complete." in again.said()
    assert "300,000 clicks" in again.said()
    assert "invoices raised for the months of the traffic." in again.said()


def writer_of_traffic(running: Running, server: Server) -> psutil.Process:
    """The process that writes the demo's traffic, in the transaction in which it does."""
    at_work = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        deadline = time.monotonic() + SECONDS
        while connection.execute(at_work).fetchone() == (0,):
            assert running.process.poll() is None, running.said()
            assert time.monotonic() < deadline, running.said()
            time.sleep(0.05)
    return next(process for process in running.family() if "demo_traffic" in words_of(process))


def test_it_can_be_stopped_while_it_is_still_starting(run: Run, var: Path, port: str) -> None:
    running = run(PORT=port)
    running.wait_until_it_says("Preparing the database")
    family = running.family()

    assert running.stop(signal.SIGTERM) == 0
    assert not [process for process in family if is_left(process)]
    assert "Traceback" not in running.said()


def test_a_command_of_manage_runs_in_the_same_environment(run: Run, var: Path) -> None:
    running = run(
        "shell", "-c", "from django.conf import settings; print('host', settings.DATABASES['default']['HOST'])"
    )

    assert running.process.wait(SECONDS) == 0
    assert f"host {var / 'postgres'}\n" in running.said()
    assert Server(var / "postgres").pid is None


def test_a_taken_port_is_one_clear_sentence(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        running = run(PORT=str(port))

        assert running.process.wait(SECONDS) == 1
    assert running.said() == f"Port {port} is taken; run `make run PORT={port + 1}`.\n"


def test_a_port_that_is_none_is_one_clear_sentence(run: Run) -> None:
    running = run(PORT="eighty")

    assert running.process.wait(SECONDS) == 1
    assert running.said() == "PORT is 'eighty' and should be a number from 1 to 65535.\n"


def test_a_database_that_does_not_answer_is_one_clear_sentence(run: Run, port: str) -> None:
    running = run(PORT=port, DATABASE_URL=f"postgresql://somebody:hidden@127.0.0.1:{port}/latchkey")

    assert running.process.wait(SECONDS) == 1
    assert running.said() == (
        f"The database at 127.0.0.1:{port} cannot be used (Connection refused); check DATABASE_URL.\n"
    )


def test_damaged_data_is_one_clear_sentence(run: Run, var: Path, port: str) -> None:
    (var / "postgres").mkdir(parents=True)
    (var / "postgres" / "PG_VERSION").write_text("18\n")

    running = run(PORT=port)

    assert running.process.wait(SECONDS) == 1
    [reason] = running.said().splitlines()[1:]
    assert reason.startswith(f"PostgreSQL did not start on {var / 'postgres'} (could not access the server config")
    assert reason.endswith(f"its log is {var / 'postgres.log'}, and without postgres a new, empty one is made.")


@pytest.mark.parametrize(
    ("interpreter", "complaint"),
    [
        (None, "there is no python3 here"),
        ("echo 'python3 here is 3.9'", "python3 here is 3.9"),
        ("exit 127", "python3 here does not start"),
    ],
)
def test_without_a_fitting_interpreter_make_ends_with_one_sentence(
    tmp_path: Path, interpreter: str | None, complaint: str
) -> None:
    for name in ["Makefile", "requirements.txt"]:
        shutil.copy(PROJECT / name, tmp_path)
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ["sh", "test", "rm", "make", "touch", "echo"]:
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    if interpreter is not None:
        (tools / "python3").write_text(f"#!/bin/sh\n{interpreter}\n")
        (tools / "python3").chmod(0o755)

    made = subprocess.run(
        ["make", "run"], cwd=tmp_path, env={"PATH": str(tools)}, capture_output=True, text=True, check=False
    )

    assert made.returncode == 2
    assert made.stdout == ""
    assert made.stderr.endswith(f"*** Latchkey needs Python 3.11 or newer: {complaint}.  Stop.\n")
    assert len(made.stderr.splitlines()) == 1
