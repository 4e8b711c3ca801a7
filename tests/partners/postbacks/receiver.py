"""What a partner's tracker may do to whoever calls it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Reply = Callable[[socket.socket, str], None]


def answering(status: int = 200, body: str = "ok", **headers: str) -> Reply:
    said = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())

    def reply(connection: socket.socket, path: str) -> None:
        head = f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\n{said}\r\n"
        connection.sendall((head + body).encode())

    return reply


def dripping(first: bytes, then: bytes, every: float = 0.05) -> Reply:
    def reply(connection: socket.socket, path: str) -> None:
        connection.sendall(first)
        while True:
            time.sleep(every)
            connection.sendall(then)

    return reply


@dataclass
class Receiver:
    """A server of raw bytes on this machine. ``paths`` are what it was asked for, in order."""

    port: int = 0
    reply: Reply = field(default_factory=answering)
    paths: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    # How many bytes it got rid of, for answers without end.
    sent: int = 0

    def url(self, path: str = "/in") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def come(self) -> None:
        """Listens, at the port it had before when it went away."""
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(256)
        self.port = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, args=[self._listener, self._open], daemon=True)
        self._thread.start()

    def go(self) -> None:
        """Breaks off what it is at, and refuses connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(60)
        self._listener.close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket, connections: set[socket.socket]) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.add(connection)
            threading.Thread(target=self._attend, args=[connection, connections], daemon=True).start()

    def _attend(self, connection: socket.socket, connections: set[socket.socket]) -> None:
        try:
            self.serve(connection)
        finally:
            connections.discard(connection)

    def serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, IndexError):
            head = b""
            while b"\r\n\r\n" not in head:
                if not (data := connection.recv(65536)):
                    return
                head += data
            path = head.split(b" ")[1].decode()
            self.heads.append(head.decode())
            self.paths.append(path)
            self.reply(connection, path)


@contextmanager
def receiving(kind: type[Receiver] | None = None) -> Iterator[Receiver]:
    receiver = (kind or Receiver)()
    receiver.come()
    try:
        yield receiver
    finally:
        receiver.go()
