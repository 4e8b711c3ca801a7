"""How far a long command is, for the person who waits at a terminal; nothing is said to a file or a pipe."""

from __future__ import annotations

import time
from typing import Self, TextIO

from django.core.management.base import OutputWrapper

WIDTH = 30
SECONDS = 0.2


class Progress:
    """A line that is written over until the end, and gone then."""

    def __init__(self, out: OutputWrapper | TextIO, *, total: int, unit: str) -> None:
        self.out, self.total, self.unit = out, total, unit
        self.done = 0
        self.began = self.told_at = time.monotonic()
        self.is_told = out.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *of: object) -> None:
        if self.is_told:
            self._write("\r\x1b[K")

    def advance(self, by: int) -> None:
        self.done += by
        now = time.monotonic()
        if self.is_told and now - self.told_at >= SECONDS:
            self.told_at = now
            self._write(f"\r{self.line(now - self.began)}\x1b[K")

    def line(self, seconds: float) -> str:
        part = min(self.done / self.total, 1.0) if self.total else 1.0
        bar = "█" * round(part * WIDTH)
        speed = self.done / seconds if seconds else 0.0
        left = (self.total - self.done) / speed if speed else 0.0
        return f"{bar:░<{WIDTH}} {part:4.0%}  {self.done:,} {self.unit}, {speed:,.0f} a second, {left:.0f} s left"

    def _write(self, text: str) -> None:
        if isinstance(self.out, OutputWrapper):
            self.out.write(text, ending="")
        else:
            self.out.write(text)
        self.out.flush()
