"""A client that asks over a number of connections, each asking again as soon as it is answered."""

from __future__ import annotations

import selectors
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle


@dataclass
class Figures:
    """What a run of the client saw. Times in milliseconds."""

    per_second: float
    p50: float
    p99: float
    statuses: Counter[int]


@dataclass
class Connection:
    socket: socket.socket
    sent_at: float
    received: bytes = b""


def ask(port: int, path: str, headers: dict[str, str], *, connections: int, seconds: float) -> Figures:
    """Asks for one URL."""
    return ask_for(port, [request_for(path, headers)], connections=connections, seconds=seconds)


def request_for(path: str, headers: dict[str, str]) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def ask_for(port: int, requests: Sequence[bytes], *, connections: int, seconds: float) -> Figures:
    """Sends the requests one after the other, from the first again after the last."""
    upcoming = cycle(requests)
    selector = selectors.DefaultSelector()
    times: list[float] = []
    statuses: Counter[int] = Counter()
    for _ in range(connections):
        channel = socket.create_connection(("127.0.0.1", port))
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(channel, selectors.EVENT_READ, Connection(channel, time.perf_counter()))
        channel.sendall(next(upcoming))
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        for ready, _ in selector.select(timeout=0.5):
            connection: Connection = ready.data
            chunk = connection.socket.recv(65536)
            if not chunk:
                raise ConnectionError("The server closed a connection.")
            connection.received += chunk
            if not is_whole(connection.received):
                continue
            moment = time.perf_counter()
            times.append(moment - connection.sent_at)
            statuses[int(connection.received[9:12])] += 1
            connection.received, connection.sent_at = b"", moment
            connection.socket.sendall(next(upcoming))
    elapsed = time.perf_counter() - started
    for key in list(selector.get_map().values()):
        key.data.socket.close()
    times.sort()
    return Figures(len(times) / elapsed, times[len(times) // 2] * 1000, times[int(len(times) * 0.99)] * 1000, statuses)


def is_whole(received: bytes) -> bool:
    head, found, body = received.partition(b"\r\n\r\n")
    if not found:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return body.endswith(b"0\r\n\r\n")
