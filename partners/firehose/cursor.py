"""Where a reader of the Firehose is: behind which event."""

from __future__ import annotations

import re
from typing import NamedTuple, Self

LARGEST = 2**63 - 1
FORM = re.compile(r"([1-9][0-9]{0,8})-(0|[1-9][0-9]{0,18})", re.ASCII)


class NotACursor(ValueError):
    """The text has not the form of a cursor."""


class Cursor(NamedTuple):
    """Behind event ``seq`` of the ``run``; 0: before its first.

    A run begins each time the network enables a partner's Firehose. Its events are numbered from 1 without a gap, so
    whoever sees a number that is not the next one has lost something. Cursors are compared within a run alone.
    """

    run: int
    seq: int

    def __str__(self) -> str:
        return f"{self.run}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """:raises NotACursor:"""
        found = FORM.fullmatch(text)
        if found is None or int(found[2]) > LARGEST:
            raise NotACursor(text[:40])
        return cls(int(found[1]), int(found[2]))
