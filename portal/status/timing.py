"""How long something takes, as probes measure it and as people read it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from time import perf_counter

from portal.status.judgement import Window

READINGS = 5


def readings_of(work: Callable[[], object]) -> Window:
    """What a few turns of it took."""
    return Window.of_readings([timed(work) for _ in range(READINGS)])


def timed(work: Callable[[], object]) -> float:
    """How many milliseconds it took."""
    started = perf_counter()
    work()
    return (perf_counter() - started) * 1000


def spoken(span: timedelta) -> str:
    seconds = max(0, round(span.total_seconds()))
    for unit, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
