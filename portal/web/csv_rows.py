"""Lines of CSV as COPY sends them, without a text in them that a spreadsheet would run as a formula.

To look at each text of each row takes PostgreSQL half as long again as to send them. Next to no row has such a text,
and that a block of rows has none is seen at a glance: here, beside PostgreSQL on another processor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from portal.web.exports import STARTS_FORMULA
from portal.web.json_rows import are_texts

STARTS = "".join(STARTS_FORMULA).encode()
# A value with what ends it. COPY has quotes around a text with a quote, a comma or a line break in it.
VALUE = re.compile(rb'(?:"[^"]*(?:""[^"]*)*"|[^",\n]*)[,\n]')
QUOTED, BARE = re.compile(rb'"[%b]' % re.escape(STARTS)), re.compile(rb"[%b]" % re.escape(STARTS.replace(b"\n", b"")))
# What stands before a value becomes a comma, and what starts a formula an equals sign. A line feed can be either.
AT_A_GLANCE = bytes.maketrans(b'"\n' + STARTS.replace(b"\n", b""), b",," + b"=" * (len(STARTS) - 1))


class CsvRow:
    """The columns of a CSV file. An expression that is ``Bare`` is not a text, so it is left as it is."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.columns = ", ".join(f'{expression} AS "{name}"' for name, expression in fields.items())
        self._are_texts = are_texts(fields.values())

    def __call__(self, block: bytes) -> bytes:
        """The lines of the block, with a quote before each text that starts like a formula."""
        if b",=" not in (b"\n" + block).translate(AT_A_GLANCE) and b'"\n' not in block:
            return block
        values = VALUE.findall(block)
        width = len(self._are_texts)
        for column, is_text in enumerate(self._are_texts):
            if is_text:
                values[column::width] = map(guarded, values[column::width])
        return b"".join(values)


def guarded(value: bytes) -> bytes:
    if QUOTED.match(value):
        return b"\"'" + value[1:]
    return b"'" + value if BARE.match(value) else value
