"""How long after its commit an event reaches who follows the Firehose, and how many a second it carries.

    python -m benchmarks.firehose [stream | push] [--seconds 15] [--rate 400] [--events 60000]

Both ways out are measured in the same two steps, with one receiver that parses each line:

- latency: clicks are written at a steady rate by the code that records them, in transactions of a few, and the moment
  after each commit is noted; the receiver notes when it has the line;
- capacity: so many events stand there already, and are read, or pushed, from the first to the last.

The stream is read from a web server that runs as in production, with one worker. The push is a worker's shift as in
production, which sends batches by HTTPS, each over a connection of its own, to a server on the same machine.

The database is the embedded PostgreSQL with its durable settings, made for this and thrown away. Takes a few minutes.
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
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.push_receiver import Receiver
from benchmarks.report import write_section
from portal.postgres import PROJECT, Server
from portal.run import web_server

START_SECONDS = 60
PATH = "/v1/affiliates/firehose"


@contextmanager
def prepared() -> Iterator[tuple[Path, dict[str, str], str]]:
    """A folder that is thrown away, the environment of the site's processes, and the partner's key."""
    (PROJECT / "var").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="benchmark-firehose-", dir=PROJECT / "var"))
    server = Server(folder / "postgres")
    try:
        server.start()
        server.ensure_database()
        environment = {
            **os.environ,
            "DEBUG": "1",
            "DATABASE_URL": server.url(),
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "LOG_LEVEL": "ERROR",
            # The receiver of the push is on this machine, too.
            "POSTBACKS_ALLOW_PRIVATE": "1",
        }
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity=0"],
            cwd=PROJECT, env=environment, check=True,
        )  # fmt: skip
        yield folder, environment, site(environment, "prepare()")["secret"]
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[int]:
    """The port of a web server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [part.replace("--workers=2", "--workers=1") for part in web_server(port)]
    web = subprocess.Popen([sys.executable, *command], cwd=PROJECT, env=environment)
    try:
        wait_for(port)
        yield port
    finally:
        web.terminate()
        web.wait(30)


@contextmanager
def pushing(environment: dict[str, str], certificate: Path) -> Iterator[None]:
    """A worker's shift, which trusts the receiver."""
    command = site_command("push_until_told()")
    trusting = {**environment, "SSL_CERT_FILE": str(certificate)}
    shift = subprocess.Popen(command, cwd=PROJECT, env=trusting, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        shift.communicate()


def site(environment: dict[str, str], call: str) -> dict[str, Any]:
    """What a function of ``firehose_site`` answers, in a process of its own."""
    command = site_command(call)
    said = subprocess.run(command, cwd=PROJECT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    figures: dict[str, Any] = json.loads(said.splitlines()[-1])
    return figures


def site_command(call: str) -> list[str]:
    program = f"from benchmarks import firehose_site; import json; print(json.dumps(firehose_site.{call}))"
    return [sys.executable, "manage.py", "shell", "--no-imports", "-c", program]


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


@dataclass(frozen=True)
class Figures:
    """What one way out of the Firehose took, in seconds and events a second."""

    latencies: list[float]
    events: int
    capacity: float

    def percentile(self, share: float) -> float:
        return sorted(self.latencies)[min(int(len(self.latencies) * share), len(self.latencies) - 1)]


def measure_stream(seconds: float, rate: int, events: int) -> Figures:
    with prepared() as (_, environment, secret), serving(environment) as port:
        client = Client(port, secret, "")
        assert client.is_open.wait(START_SECONDS)
        committed = site(environment, f"write_steadily({seconds}, {rate})")
        wait_until(lambda: len(client.seen) >= len(committed))
        latencies = [client.seen[event_id] - at for event_id, at in committed.items()]

        site(environment, f"write_at_once({events})")
        began = time.monotonic()
        reader = Client(port, secret, "beginning", most=len(committed) + events)
        reader.join(120)
        elapsed = time.monotonic() - began
        check(reader.cursors, len(committed) + events)
        return Figures(latencies, len(reader.cursors), len(reader.cursors) / elapsed)


def measure_push(seconds: float, rate: int, events: int) -> Figures:
    with prepared() as (folder, environment, _), Receiver(folder) as receiver:
        site(environment, f"push_to({receiver.url!r})")
        with pushing(environment, receiver.certificate):
            # Until the first has arrived the shift may not have begun.
            early = site(environment, "write_at_once(500)")["events"]
            wait_until(lambda: len(receiver.seen) >= early)
            committed = site(environment, f"write_steadily({seconds}, {rate})")
            wait_until(lambda: len(receiver.seen) >= early + len(committed))
        latencies = [receiver.seen[event_id] - at for event_id, at in committed.items()]

        site(environment, f"write_at_once({events})")
        before, batches = len(receiver.seen), receiver.batches
        with pushing(environment, receiver.certificate):
            # From its first batch: what comes before is a process that starts.
            wait_until(lambda: receiver.batches > batches, pause=0.001)
            began, first = time.monotonic(), len(receiver.seen)
            wait_until(lambda: len(receiver.seen) >= before + events, pause=0.001)
            elapsed = time.monotonic() - began
        check(receiver.cursors, before + events)
        return Figures(latencies, events, (before + events - first) / elapsed)


def wait_until(is_so: Callable[[], bool], pause: float = 0.05) -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit("The events did not arrive.")
        time.sleep(pause)


def check(cursors: list[int], last: int) -> None:
    assert cursors == list(range(1, last + 1)), "A number is missing, or came twice."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["stream", "push"], help="both, if it is left out")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rate", type=int, default=400)
    parser.add_argument("--events", type=int, default=60_000)
    asked = parser.parse_args()
    measured = (asked.seconds, asked.rate, asked.events)
    if asked.what != "push":
        setting = "granian with 1 worker of 24 threads; server, PostgreSQL, writer and reader"
        write_section("firehose", told(setting, asked.rate, measure_stream(*measured), "through one stream"))
    if asked.what != "stream":
        setting = "one worker; worker, PostgreSQL, writer and receiver"
        write_section("push", told(setting, asked.rate, measure_push(*measured), "by one push"))


def told(setting: str, rate: int, figures: Figures, way: str) -> str:
    machine = f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"
    lines = [
        (
            f"{date.today()}, {machine}; {setting} on the same machine;"  # noqa: DTZ011
            f" {len(figures.latencies):,} clicks at {rate} a second, then {figures.events:,} events at once."
        ),
        "",
        "| | |",
        "| --- | ---: |",
        f"| from the commit to the receiver, median | {figures.percentile(0.5) * 1000:.0f} ms |",
        f"| p95 | {figures.percentile(0.95) * 1000:.0f} ms |",
        f"| p99 | {figures.percentile(0.99) * 1000:.0f} ms |",
        f"| events a second {way} | {figures.capacity:,.0f} |",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
