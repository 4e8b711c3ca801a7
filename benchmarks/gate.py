"""What the gate costs: a call through all of it, against a bare Django view and against the usual way to build it.

``make bench`` runs it and writes the ratios into docs/benchmarks.md. All three servers run at the same time under the
same settings and are asked in turn, so that what else the machine does falls on all of them; the medians are compared.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.load import Figures, ask
from benchmarks.report import write_section
from portal.postgres import Server

ROOT = Path(__file__).resolve().parent.parent
VAR = ROOT / "var" / "bench"
PATH = "/v1/affiliates/affiliate"
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = float(os.environ.get("SECONDS", "4"))
CONNECTIONS = int(os.environ.get("CONNECTIONS", "64"))
WORKERS = os.environ.get("WORKERS", "1")
THREADS = os.environ.get("THREADS", "32")


@dataclass
class Contender:
    name: str
    application: str
    python: Path
    port: int
    environment: dict[str, str]
    headers: dict[str, str]


def main() -> None:
    with ExitStack() as stack:
        database = stack.enter_context(own_postgres())
        contenders = [bare(), gate(database), usual(database)]
        for contender in contenders:
            stack.enter_context(serving(contender))
        figures: dict[str, list[Figures]] = {contender.name: [] for contender in contenders}
        for contender in contenders:
            ask(contender.port, PATH, contender.headers, connections=CONNECTIONS, seconds=1)
        for _ in range(ROUNDS):
            for contender in contenders:
                seen = ask(contender.port, PATH, contender.headers, connections=CONNECTIONS, seconds=SECONDS)
                assert set(seen.statuses) == {200}, f"{contender.name} answered {seen.statuses}"
                figures[contender.name].append(seen)
                print(f"{contender.name:5} {seen.per_second:8.0f}/s  p50 {seen.p50:6.1f} ms  p99 {seen.p99:6.1f} ms")
        steps = subprocess.run(
            [sys.executable, "-m", "benchmarks.gate_steps"],
            env={**os.environ, **gate(database).environment},
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        ).stdout
    write_section("gate", report(figures, steps))


def bare() -> Contender:
    return Contender("bare", "benchmarks.bare:application", Path(sys.executable), 9321, {}, {})


def gate(database: Server) -> Contender:
    environment = site(database, "gate", DATABASE_POOL_MAX="40")
    key = run(
        [sys.executable, "-c", PREPARE],
        environment,
    )
    headers = {"Authorization": f"Bearer {key}", "Accept": "application/json", "User-Agent": "benchmark/1"}
    return Contender("gate", "portal.wsgi:application", Path(sys.executable), 9322, environment, headers)


PREPARE = """
import os, django
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()
from django.core.management import call_command
from django.utils.timezone import now
call_command("migrate", verbosity=0)
from apilog.partitions import create_ahead
from keys.models import Key
from partners.models import Partner
from portal.accounts.actors import Actor
from portal.network.models import Network
create_ahead(now().date())
by = Actor.system("benchmarks")
Network.load().change(by=by, name="Benchmark", budget_requests=1_000_000, budget_seconds=60)
partner = Partner.create(by=by, name="Partner 1", status="active")
print(Key.issue(partner=partner, label="Benchmark", by=by)[1])
"""


def usual(database: Server) -> Contender:
    python = VAR / "venv" / "bin" / "python"
    if not python.exists():
        venv.create(VAR / "venv", with_pip=True)
    run([str(python), "-m", "pip", "install", "-q", "-r", str(ROOT / "benchmarks" / "requirements.txt")], {})
    database.ensure_database("usual")
    environment = {
        "BENCHMARK_DATABASE_URL": database.url("usual"),
        "DJANGO_SETTINGS_MODULE": "benchmarks.drf_site.settings",
        "PYTHONWARNINGS": "ignore",
    }
    for command in (["migrate", "--run-syncdb", "-v0"], ["createcachetable"]):
        run([str(python), "-m", "django", *command], environment)
    key = run([str(python), "-c", PREPARE_USUAL], environment)
    headers = {"Authorization": f"Api-Key {key}", "Accept": "application/json", "User-Agent": "benchmark/1"}
    return Contender("usual", "benchmarks.drf_site.wsgi:application", python, 9323, environment, headers)


PREPARE_USUAL = """
import django
django.setup()
from benchmarks.drf_site.models import Partner, PartnerKey
print(PartnerKey.objects.create_key(name="Benchmark", partner=Partner.objects.create(name="Partner 1"))[1])
"""


@contextmanager
def own_postgres() -> Iterator[Server]:
    """The benchmarks' own PostgreSQL, for as long as it is needed; what it holds stays for the next time."""
    VAR.mkdir(parents=True, exist_ok=True)
    server = Server(VAR / "postgres")
    server.start()
    try:
        yield server
    finally:
        server.stop()


def site(database: Server, name: str, **more: str) -> dict[str, str]:
    """The environment of a site as in production, on a database of that name."""
    database.ensure_database(name)
    return {
        "DEBUG": "0",
        "SECRET_KEY": "benchmark-" * 6,
        "ALLOWED_HOSTS": "*",
        "KEY_ENCRYPTION_KEYS": "1:" + "A" * 43 + "=",
        "DATABASE_URL": database.url(name),
        "PYTHONWARNINGS": "ignore",
        **more,
    }


def run(command: list[str], environment: dict[str, str]) -> str:
    ended = subprocess.run(
        command,
        env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return ended.stdout.strip()


@contextmanager
def serving(contender: Contender) -> Iterator[None]:
    command = [
        str(contender.python), "-m", "granian", "--interface", "wsgi", "--workers", WORKERS,
        "--blocking-threads", THREADS, "--host", "127.0.0.1", "--port", str(contender.port),
        "--log-level", "error", "--no-ws", contender.application,
    ]  # fmt: skip
    environment = {**os.environ, **contender.environment, "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(contender))
        yield
    finally:
        server.terminate()
        server.wait(timeout=20)


def answers(contender: Contender) -> bool:
    try:
        return bool(ask(contender.port, PATH, contender.headers, connections=1, seconds=0.05).statuses)
    except (OSError, IndexError):
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("A server did not answer.")
        time.sleep(0.2)


def report(figures: dict[str, list[Figures]], steps: str) -> str:
    rate = {name: median(seen.per_second for seen in rounds) for name, rounds in figures.items()}
    lines = [
        (
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({platform.machine()}), Python "
            f"{platform.python_version()}; {CONNECTIONS} connections, granian with {WORKERS} worker(s) of {THREADS} "
            f"threads, client and PostgreSQL on the same machine; medians of {ROUNDS} rounds of {SECONDS:g} s in turn."
        ),
        "",
        "| | calls/s | of bare | p50 ms | p99 ms |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    names = {
        "bare": "(a) bare Django JSON view",
        "gate": "(b) `/v1/affiliates/affiliate` through the whole gate",
        "usual": "(c) Django REST framework, API key, throttling, request log",
    }
    for name, rounds in figures.items():
        p50, p99 = median(seen.p50 for seen in rounds), median(seen.p99 for seen in rounds)
        lines.append(f"| {names[name]} | {rate[name]:.0f} | {rate[name] / rate['bare']:.2f} | {p50:.1f} | {p99:.1f} |")
    lines += [
        "",
        (
            f"(b) is **{rate['gate'] / rate['usual']:.1f} × (c)** (goal: 5) and "
            f"**{rate['gate'] / rate['bare']:.2f} × (a)** (goal: 0.5)."
        ),
        "",
        steps.strip(),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
