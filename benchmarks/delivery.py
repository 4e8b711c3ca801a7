"""How many postbacks one worker delivers a second, to a receiver on the same machine.

    python -m benchmarks.delivery [--deliveries 10000]

A worker's shift works through the queue as in production: claims, calls over a connection of its own each, writes down
each attempt, and settles. The receiver is a process that answers 200 at once, so the figure is the worker's and the
database's. The database is the embedded PostgreSQL with its durable settings, made for this and thrown away.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.report import write_section
from portal.postgres import PROJECT, Server

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
ROUNDS = 3


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ANSWER)
    await writer.drain()
    writer.close()


def receive(pipe: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


def run(deliveries: int) -> dict[str, float]:
    (PROJECT / "var").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="benchmark-delivery-", dir=PROJECT / "var"))
    server = Server(folder / "postgres")
    try:
        server.start()
        server.ensure_database()
        environment = {
            **os.environ,
            "DEBUG": "1",
            "DATABASE_URL": server.url(),
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "POSTBACKS_ALLOW_PRIVATE": "1",
            "LOG_LEVEL": "ERROR",
        }
        migrate = [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity=0"]
        subprocess.run(migrate, cwd=PROJECT, env=environment, check=True)
        program = f"from benchmarks.delivery_site import measure; measure({deliveries})"
        command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", program]
        said = subprocess.run(command, cwd=PROJECT, env=environment, check=True, capture_output=True, text=True).stdout
        figures: dict[str, float] = json.loads(said.splitlines()[-1])
        return figures
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=10_000)
    asked = parser.parse_args()
    rounds = sorted((run(asked.deliveries) for _ in range(ROUNDS)), key=lambda figures: figures["rate"])
    write_section("delivery", told(asked.deliveries, rounds))


def told(deliveries: int, rounds: list[dict[str, float]]) -> str:
    slowest, median, fastest = rounds[0], rounds[len(rounds) // 2], rounds[-1]
    machine = f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}"
    lines = [
        (
            f"{date.today()}, {machine}; one worker, the receiver and PostgreSQL on the same machine;"  # noqa: DTZ011
            f" {deliveries:,} deliveries of 20 postbacks, {ROUNDS} rounds."
        ),
        "",
        "| | delivered/s |",
        "| --- | ---: |",
        f"| median | {median['rate']:.0f} |",
        f"| slowest, fastest round | {slowest['rate']:.0f}, {fastest['rate']:.0f} |",
        "",
        f"The worker's process took {median['cpu_ms']:.2f} ms of processor time for each.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
