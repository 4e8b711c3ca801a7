"""Requests go before streams: nobody waits for a page or a call because somebody else pulls an export.

A process runs Python for one thread at a time. A stream needs that for milliseconds on end, a request for many short
moments, and each of them would wait behind a block of each stream. So a stream gives way before each of its blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from time import monotonic, sleep
from typing import Any

# So long after the last answer the process still counts as busy: a client that asks again at once is back by then.
QUIET_SECONDS = 0.003
# A stream gives way for so long, and then sends a block all the same: 64 KB each time is 1.6 MB a second, however many
# requests there are.
AT_MOST_SECONDS = 0.04

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Precedence:
    """The requests that this process is answering. What it streams after its answer has begun is none of them."""

    def __init__(self) -> None:
        self._mutex = Lock()
        self._underway = 0
        self._last_answer = float("-inf")

    def __enter__(self) -> None:
        with self._mutex:
            self._underway += 1

    def __exit__(self, *_: object) -> None:
        with self._mutex:
            self._underway -= 1
            self._last_answer = monotonic()

    def is_claimed(self) -> bool:
        return self._underway > 0 or monotonic() - self._last_answer < QUIET_SECONDS

    def give_way(self) -> None:
        """Waits until nobody asks for anything, AT_MOST_SECONDS."""
        until = monotonic() + AT_MOST_SECONDS
        while self.is_claimed() and monotonic() < until:
            sleep(QUIET_SECONDS)


requests = Precedence()


def before_streams(application: Application) -> Application:
    """The WSGI application, with each of its requests before what this process streams."""

    def answering(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with requests:
            return application(environ, start_response)

    return answering
