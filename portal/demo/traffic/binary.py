"""Rows in the binary format of COPY: the number of columns, then each value with its length before it.

PostgreSQL spends a fifth less on a row of traffic than in the text format.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from psycopg.types.numeric import DecimalBinaryDumper

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"

NULL = b"\xff\xff\xff\xff"
EMPTY = bytes(4)
FALSE, TRUE = b"\0\0\0\1\0", b"\0\0\0\1\1"
# Before the 8 bytes of a time or the 16 of a UUID, where these are made for many rows at once.
EIGHT, SIXTEEN = (8).to_bytes(4), (16).to_bytes(4)
# PostgreSQL counts from here.
EPOCH_MS = 946_684_800_000
DECIMALS = DecimalBinaryDumper(Decimal)


def row_start(columns: Collection[str]) -> bytes:
    """What a row of these columns begins with."""
    return len(columns).to_bytes(2)


def value(content: bytes) -> bytes:
    return len(content).to_bytes(4) + content


def text(content: str) -> bytes:
    return value(content.encode())


def bigint(number: int) -> bytes:
    return EIGHT + number.to_bytes(8, signed=True)


def smallint(number: int) -> bytes:
    return value(number.to_bytes(2, signed=True))


def numeric(number: Decimal) -> bytes:
    dumped = DECIMALS.dump(number)
    assert dumped is not None
    return value(bytes(dumped))


def boolean(fact: bool) -> bytes:
    return TRUE if fact else FALSE


def jsonb(content: str) -> bytes:
    """``content`` is JSON; the byte before it is the version of the format."""
    return value(b"\1" + content.encode())


def timestamp(millisecond: int) -> bytes:
    """Of a moment in milliseconds since 1970."""
    return bigint((millisecond - EPOCH_MS) * 1000)


def network_of_addresses(first: int, second: int) -> bytes:
    """An IPv4 address that lacks its last two bytes: its family, the bits of its mask, no network, its length."""
    return EIGHT + bytes((2, 32, 0, 4, first, second))


def address(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    return network_of_addresses(first, second) + bytes(rest)
