"""JSON objects made of rows as COPY sends them.

PostgreSQL finds out anew for each value of each row how JSON writes it: to make objects of rows of sixty columns takes
it three times as long as to send them. So it sends the columns, and the objects are made here, beside it on another
processor. What many rows share, such as their device, is written once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

# Name to SQL expression, in the order in which they are answered; or to the fields of an object within.
Fields = Mapping[str, "str | Fields"]

# What JSON does not write as COPY does. Tabs are between the values, never in one.
ODD = re.compile(rb'["\\\x00-\x08\x0b-\x1f]')
ESCAPED = re.compile(rb"\\(.)")
ESCAPES = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
NULL = rb"\N"
# How many objects of a kind are kept for the next row that has the same: a few megabytes.
MOST_SHARED = 5000


class Bare(str):
    """An expression whose value JSON has without quotes: a number, a truth, jsonb. Any other is a text."""

    __slots__ = ()


class JsonRow:
    """Makes the object that has these fields of a row that has ``columns``, as COPY's text format has it.

    An object within that has no object within itself is one that rows share.
    """

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._expressions: list[str] = []
        self._runs: list[tuple[int, int, Shared | None]] = []
        quoted, unquoted = self._add(fields)
        self._quoted, self._unquoted = quoted.encode(), unquoted.encode()
        self._are_texts = are_texts(self._expressions)
        self.columns = ", ".join(
            f"({expression})::text" if isinstance(expression, Bare) else expression for expression in self._expressions
        )

    @property
    def in_sql(self) -> str:
        """SQL for the object itself, where it is kept by a statement or a few are wanted among other columns."""
        return object_in_sql(self._fields)

    def __call__(self, row: bytes) -> bytes:
        values = row.split(b"\t")
        is_odd = ODD.search(row) is not None
        filled: list[bytes] = []
        for start, stop, shared in self._runs:
            if shared is not None:
                filled.append(shared[tuple(values[start:stop])])
            elif is_odd:
                filled += written(values[start:stop], self._are_texts[start:stop])
            else:
                filled += values[start:stop]
        return (self._unquoted if is_odd else self._quoted) % tuple(filled)

    def _add(self, fields: Fields) -> tuple[str, str]:
        """Templates of the object: for texts that need quotes and nothing else, and for texts that come with theirs."""
        quoted, unquoted = [], []
        for name, value in fields.items():
            with_quotes = without = "%b"
            if isinstance(value, str):
                self._add_run([value])
                with_quotes = "%b" if isinstance(value, Bare) else '"%b"'
            elif len(flat := [each for each in value.values() if isinstance(each, str)]) == len(value):
                self._add_run(flat, Shared(value, are_texts(flat)))
            else:
                with_quotes, without = self._add(value)
            quoted.append(f"{key_of(name)}:{with_quotes}")
            unquoted.append(f"{key_of(name)}:{without}")
        return f"{{{','.join(quoted)}}}", f"{{{','.join(unquoted)}}}"

    def _add_run(self, expressions: Sequence[str], shared: Shared | None = None) -> None:
        start = len(self._expressions)
        self._expressions += expressions
        if shared is None and self._runs and self._runs[-1][2] is None:
            start = self._runs.pop()[0]
        self._runs.append((start, len(self._expressions), shared))


class Shared(dict[tuple[bytes, ...], bytes]):
    """The object of one kind for each group of values that rows had."""

    def __init__(self, names: Iterable[str], are_texts: Sequence[bool]) -> None:
        super().__init__()
        pairs = (f"{key_of(name)}:%b" for name in names)
        self._template = f"{{{','.join(pairs)}}}".encode()
        self._are_texts = are_texts

    def __missing__(self, values: tuple[bytes, ...]) -> bytes:
        if len(self) >= MOST_SHARED:
            self.clear()
        made = self[values] = self._template % tuple(written(values, self._are_texts))
        return made


def key_of(name: str) -> str:
    return json.dumps(name).replace("%", "%%")


def object_in_sql(fields: Fields) -> str:
    columns = ", ".join(
        f'{value if isinstance(value, str) else object_in_sql(value)} AS "{name}"' for name, value in fields.items()
    )
    # Not json_build_object, which takes fifty fields at most.
    return f"(SELECT row_to_json(r) FROM (SELECT {columns}) r)"  # noqa: S608 -- our own words


def are_texts(expressions: Iterable[str]) -> list[bool]:
    return [not isinstance(expression, Bare) for expression in expressions]


def written(values: Iterable[bytes], are_texts: Iterable[bool]) -> Iterator[bytes]:
    """The values as JSON has them."""
    for value, is_text in zip(values, are_texts, strict=True):
        if value == NULL:
            yield b"null"
        elif not is_text:
            yield unescaped(value)
        elif ODD.search(value):
            yield json.dumps(unescaped(value).decode(), ensure_ascii=False).encode()
        else:
            yield b'"%b"' % value


def unescaped(value: bytes) -> bytes:
    """The value without what COPY escaped in it."""
    return ESCAPED.sub(lambda found: ESCAPES.get(found[1], found[1]), value) if b"\\" in value else value
