"""A port for a server that a test is about to start."""

from __future__ import annotations

import random
import socket

# Below those that Linux hands out by itself: one of them could be given to anybody's connection before the server of
# the test has taken it.
PORTS = range(10_000, 32_000)


def free_port() -> int:
    # Of its own: pytest-randomly gives every process the same seed, and two would try the same ports.
    dice = random.SystemRandom()
    while True:
        port = dice.choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
