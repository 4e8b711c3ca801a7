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

    port: int
    reply: Reply = field(default_factory=answering)
    paths: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    # How many bytes it got rid of, for answers without end.
    sent: int = 0

    def url(self, path: str = "/in") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

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
def receiving() -> Iterator[Receiver]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(256)
        receiver = Receiver(listener.getsockname()[1])

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=receiver.serve, args=[connection], daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
