"""How many clicks a second `manage.py demo_traffic` writes, with the impressions and conversions that go with them.

    python -m benchmarks.demo_traffic [--rounds 5]

The database is the embedded PostgreSQL as `make run` starts it, with the demo network in it, made for this and thrown
away; every round begins with empty tables of traffic. The figure is the command's own: from before it reads the
partners and offers until all is committed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil
import psycopg

from benchmarks.report import write_section
from portal.postgres import PROJECT, Server

# Clicks, and impressions for each of them: by default, and twice as many.
CASES = ((300_000, 0.5), (1_000_000, 0.5), (1_000_000, 1.0))
Case = tuple[int, float]
TABLES = "traffic_click, traffic_impression, traffic_conversion, traffic_receipt, traffic_hold, traffic_capcount"
SAID = re.compile(r"clicks, ([\d,]+) impressions and ([\d,]+) conversions .*, ([\d,]+) clicks a second")


class Round(NamedTuple):
    rate: int
    # Impressions and conversions.
    others: int
    # Of all processes, with the command's start; half of it is the least that two processors can need.
    processor_seconds: float
    load_before: float


def run(rounds: int) -> dict[Case, list[Round]]:
    (PROJECT / "var").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="benchmark-demo-traffic-", dir=PROJECT / "var"))
    server = Server(folder / "postgres")
    try:
        server.start()
        server.ensure_database()
        manage(server, "migrate", "--no-input", "--verbosity=0")
        manage(server, "demo")
        measured: dict[Case, list[Round]] = {case: [] for case in CASES}
        for _ in range(rounds):
            for case in CASES:
                measured[case].append(load(server, *case))
                print(f"{case}: {measured[case][-1]}", file=sys.stderr, flush=True)
        return measured
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def load(server: Server, clicks: int, impressions: float) -> Round:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"TRUNCATE {TABLES}".encode())
        connection.execute("CHECKPOINT")
    load_before, spent_before = os.getloadavg()[0], processor_seconds(server)
    found = SAID.search(manage(server, "demo_traffic", f"--clicks={clicks}", f"--impressions={impressions}"))
    if found is None:
        raise RuntimeError("demo_traffic did not say how fast it was.")
    shown, sold, rate = (int(figure.replace(",", "")) for figure in found.groups())
    return Round(rate, shown + sold, processor_seconds(server) - spent_before, load_before)


def manage(server: Server, *command: str) -> str:
    environment = {**os.environ, "DEBUG": "1", "DATABASE_URL": server.url(), "DEMO_PASSWORD": "not-for-people"}
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=PROJECT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def processor_seconds(server: Server) -> float:
    """What our commands and all processes of PostgreSQL have spent so far, those that have ended, too."""
    commands, postmaster = resource.getrusage(resource.RUSAGE_CHILDREN), psutil.Process(server.pid)
    running = 0.0
    for process in (postmaster, *postmaster.children()):
        # One that ends meanwhile is among those that have ended below.
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            running += times.user + times.system
    ended = postmaster.cpu_times()
    return float(commands.ru_utime + commands.ru_stime + ended.children_user + ended.children_system + running)


def told(measured: dict[Case, list[Round]]) -> str:
    machine = f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"
    lines = [
        f"{date.today()}, {machine}; rounds in turn: {len(measured[CASES[0]])}; medians.",  # noqa: DTZ011
        "",
        "| clicks | other rows | clicks/s | slowest, fastest | processor s | load before |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for (clicks, _), rounds in measured.items():
        rates, others, spent, loads = zip(*rounds, strict=True)
        figures = (f"{clicks:,}", f"{median(others):,.0f}", f"{median(rates):,.0f}", f"{min(rates):,}, {max(rates):,}")
        lines.append(f"| {' | '.join(figures)} | {median(spent):.1f} | {median(loads):.1f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    write_section("demo traffic", told(run(parser.parse_args().rounds)))


if __name__ == "__main__":
    main()
