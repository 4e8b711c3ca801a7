"""How long after its commit an event reaches a client of the Firehose, and how many a second one stream carries.

    python -m benchmarks.firehose [--seconds 15] [--rate 400] [--events 60000]

The web server runs as in production, with one worker. Two measurements, each with one client that parses each line:

- latency: clicks are written at a steady rate by the code that records them, in transactions of a few, and the moment
  after each commit is noted; the client notes when it has the line;
- capacity: so many events stand there already, and the client reads them from the beginning.

The database is the embedded PostgreSQL with its durable settings, made for this and thrown away. Takes a minute or two.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.report import write_section
from portal.postgres import PROJECT, Server
from portal.run import web_server

START_SECONDS = 60
PATH = "/v1/affiliates/firehose"


@contextmanager
def serving() -> Iterator[tuple[int, dict[str, str], str]]:
    """The port of a web server, the environment of its processes, and the partner's key."""
    (PROJECT / "var").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="benchmark-firehose-", dir=PROJECT / "var"))
    server, web = Server(folder / "postgres"), None
    try:
        server.start()
        server.ensure_database()
        environment = {
            **os.environ,
            "DEBUG": "1",
            "DATABASE_URL": server.url(),
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "LOG_LEVEL": "ERROR",
        }
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity=0"],
            cwd=PROJECT, env=environment, check=True,
        )  # fmt: skip
        secret = site(environment, "prepare()")["secret"]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        command = [part.replace("--workers=2", "--workers=1") for part in web_server(port)]
        web = subprocess.Popen([sys.executable, *command], cwd=PROJECT, env=environment)
        wait_for(port)
        yield port, environment, secret
    finally:
        if web is not None:
            web.terminate()
            web.wait(30)
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def site(environment: dict[str, str], call: str) -> dict[str, Any]:
    """What a function of ``firehose_site`` answers, in a process of its own."""
    program = f"from benchmarks import firehose_site; import json; print(json.dumps(firehose_site.{call}))"
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", program]
    said = subprocess.run(command, cwd=PROJECT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    figures: dict[str, Any] = json.loads(said.splitlines()[-1])
    return figures


def wait_for(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                connection.request("GET", "/sign-in/")
                connection.getresponse()
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("The web server did not answer.")


class Client(threading.Thread):
    """Reads a stream, and notes of each event when its line was there."""

    def __init__(self, port: int, secret: str, cursor: str, most: int | None = None) -> None:
        super().__init__(daemon=True)
        self.seen: dict[str, float] = {}
        self.cursors: list[int] = []
        self.is_open = threading.Event()
        self._most = most
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Authorization": f"Bearer {secret}", "Accept": "application/x-ndjson"}
        self._connection.request("GET", f"{PATH}?cursor={cursor}", headers=headers)
        self.start()

    def run(self) -> None:
        answer = self._connection.getresponse()
        assert answer.status == 200, answer.read()
        for line in answer:
            event = json.loads(line)
            if "id" not in event:
                # A heartbeat, or that the server is stopped.
                self.is_open.set()
                continue
            self.seen[event["id"]] = time.time()
            self.cursors.append(int(event["cursor"].partition("-")[2]))
            if self._most is not None and len(self.cursors) >= self._most:
                break
        self._connection.close()


def measure(seconds: float, rate: int, events: int) -> dict[str, float]:
    with serving() as (port, environment, secret):
        client = Client(port, secret, "")
        assert client.is_open.wait(START_SECONDS)
        committed = site(environment, f"write_steadily({seconds}, {rate})")
        deadline = time.monotonic() + 30
        while len(client.seen) < len(committed) and time.monotonic() < deadline:
            time.sleep(0.05)
        latencies = sorted(client.seen[event_id] - at for event_id, at in committed.items())

        site(environment, f"write_at_once({events})")
        began = time.monotonic()
        reader = Client(port, secret, "beginning", most=len(committed) + events)
        reader.join(120)
        elapsed = time.monotonic() - began
        assert reader.cursors == list(range(1, len(committed) + events + 1)), "A number is missing."
        return {
            "p50": latencies[len(latencies) // 2] * 1000,
            "p95": latencies[int(len(latencies) * 0.95)] * 1000,
            "p99": latencies[int(len(latencies) * 0.99)] * 1000,
            "latencies": len(latencies),
            "capacity": len(reader.cursors) / elapsed,
            "events": len(reader.cursors),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rate", type=int, default=400)
    parser.add_argument("--events", type=int, default=60_000)
    asked = parser.parse_args()
    write_section("firehose", told(asked.rate, measure(asked.seconds, asked.rate, asked.events)))


def told(rate: int, figures: dict[str, float]) -> str:
    machine = f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"
    lines = [
        (
            f"{date.today()}, {machine}; granian with 1 worker of 24 threads; server, PostgreSQL, writer and"  # noqa: DTZ011
            f" reader on the same machine; {figures['latencies']:,.0f} clicks at {rate} a second,"
            f" then {figures['events']:,.0f} events from the beginning."
        ),
        "",
        "| | |",
        "| --- | ---: |",
        f"| from the commit to the client, median | {figures['p50']:.0f} ms |",
        f"| p95 | {figures['p95']:.0f} ms |",
        f"| p99 | {figures['p99']:.0f} ms |",
        f"| events a second through one stream | {figures['capacity']:,.0f} |",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
