from __future__ import annotations

import csv
import io
import json
import threading
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DataError, OperationalError, ProgrammingError, connection
from django.http import StreamingHttpResponse
from psycopg import sql

from portal.web import streams
from portal.web.streams import (
    BLOCK,
    Places,
    Stream,
    TooManyStreams,
    copy_out,
    csv_out,
    json_array,
    json_lines,
    stream,
)

MANY = "SELECT g AS number, md5(g::text) AS hash FROM generate_series(1, %s) g"
OBJECTS = "SELECT jsonb_build_object('number', g, 'text', %s::text) FROM generate_series(1, %s) g"
# Everything that JSON has to escape, and what the formats of COPY would.
ODD = "a\nb\tc\r\\\"',\x01\x02\x03é\u2028\\."

committed = pytest.mark.django_db(transaction=True)
within_a_transaction = pytest.mark.django_db


def copies_under_way() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND state <> 'idle' AND query LIKE 'COPY%%'"
        )
        (count,) = cursor.fetchone()
    return int(count)


@committed
@pytest.mark.parametrize("rows", [0, 1, 100, 50_000])
def test_csv_has_a_line_of_names_and_then_the_rows(rows: int) -> None:
    blocks = list(csv_out(MANY, [rows]))

    assert all(len(block) >= BLOCK and block.endswith(b"\n") for block in blocks[:-1])
    lines = list(csv.DictReader(io.StringIO(b"".join(blocks).decode(), newline="")))
    assert len(lines) == rows
    assert [int(line["number"]) for line in lines] == list(range(1, rows + 1))


@committed
@pytest.mark.parametrize("rows", [0, 1, 5_000])
def test_json_comes_as_lines_or_as_an_array(rows: int) -> None:
    lines = b"".join(json_lines(OBJECTS, [ODD, rows]))
    array = b"".join(json_array("clicks", OBJECTS, [ODD, rows]))

    expected = [{"number": number, "text": ODD} for number in range(1, rows + 1)]
    assert [json.loads(line) for line in lines.split(b"\n")[:-1]] == expected
    assert json.loads(array) == {"clicks": expected}


@within_a_transaction
def test_within_a_transaction_a_stream_sees_what_is_not_committed() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE fresh AS SELECT 7 AS number")

    assert b"".join(csv_out("SELECT * FROM fresh")) == b"number\n7\n"
    assert b"".join(copy_out(sql.SQL("SELECT number FROM {}").format(sql.Identifier("fresh")))) == b"7\n"


@committed
def test_no_more_is_read_than_is_asked_for() -> None:
    blocks = csv_out(MANY, [20_000_000])
    next(blocks)
    tracemalloc.start()

    for _ in range(500):
        next(blocks)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    blocks.close()

    assert peak < 10 * BLOCK


@committed
def test_a_stream_that_nobody_reads_ends_its_statement() -> None:
    blocks = csv_out(MANY, [20_000_000])
    next(blocks)
    assert copies_under_way() == 1

    blocks.close()

    assert copies_under_way() == 0
    assert b"".join(csv_out(MANY, [1])).startswith(b"number,hash\n1,")


@committed
@pytest.mark.parametrize(
    ("query", "kind"),
    [("SELECT nothing", ProgrammingError), ("SELECT 1 / (g - 100000) FROM generate_series(1, 200000) g", DataError)],
)
def test_what_the_query_fails_of_is_raised(query: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        list(csv_out(query))

    assert copies_under_way() == 0


@committed
def test_a_stream_ends_after_its_time(settings: Any) -> None:
    settings.EXPORT_STATEMENT_TIMEOUT_MS = 200

    with pytest.raises(OperationalError, match="statement timeout"):
        list(csv_out("SELECT g, pg_sleep(0.001) FROM generate_series(1, 100000) g"))


@committed
def test_a_stream_that_does_not_begin_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BEGINS_WITHIN_SECONDS", 0.2)

    with pytest.raises(OperationalError, match="had not begun"):
        list(csv_out("SELECT pg_sleep(10)"))

    assert copies_under_way() == 0


@committed
def test_the_blocks_may_be_asked_for_from_several_threads() -> None:
    blocks = csv_out(MANY, [20_000])
    read = [next(blocks)]

    def read_on() -> None:
        read.extend(blocks)

    thread = threading.Thread(target=read_on)
    thread.start()
    thread.join()

    assert b"".join(read).count(b"\n") == 20_001


def test_there_are_so_many_places_and_fewer_for_one() -> None:
    places = Places(at_once=3, each=2, what="exports")
    places.take(1)
    places.take(1)

    with pytest.raises(TooManyStreams, match="your exports"):
        places.take(1)
    places.take(2)
    with pytest.raises(TooManyStreams, match="as there can be"):
        places.take(3)
    places.give_back(1)
    places.take(3)

    assert places.taken == 3


class Pulled:
    """Blocks that count how many of them were asked for, and whether they were closed."""

    def __init__(self, *blocks: bytes | Exception) -> None:
        self.blocks = list(blocks)
        self.pulled = 0
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        for block in self.blocks:
            self.pulled += 1
            if isinstance(block, Exception):
                raise block
            yield block

    def close(self) -> None:
        self.is_closed = True


def begun(source: Pulled) -> Stream:
    return Stream(StreamingHttpResponse(source), owner=1)


def test_what_ends_within_a_block_is_whole() -> None:
    source = Pulled(b"a", b"b", b"c")

    found = begun(source)

    assert (found.is_whole, found.first, source.is_closed, streams.places.taken) == (True, b"abc", True, 0)


def test_a_stream_is_read_no_further_than_its_first_block() -> None:
    source = Pulled(b"a" * BLOCK, b"b", b"c")

    found = begun(source)
    assert (found.is_whole, source.pulled, streams.places.taken) == (False, 1, 1)
    rest = list(found)

    assert b"".join(rest) == b"a" * BLOCK + b"bc"
    assert (found.sent, source.is_closed, streams.places.taken) == (BLOCK + 2, True, 0)


def test_a_stream_that_cannot_begin_leaves_nothing_open() -> None:
    source = Pulled(b"a", ZeroDivisionError())

    with pytest.raises(ZeroDivisionError):
        begun(source)

    assert (source.is_closed, streams.places.taken) == (True, 0)


def test_a_stream_ends_once_and_says_how() -> None:
    said: list[Exception | None] = []
    failure = ZeroDivisionError()
    source = Pulled(b"a" * BLOCK, b"b", failure)
    found = begun(source)

    def on_end(failure: Exception | None) -> bytes:
        said.append(failure)
        return b"that was not all"

    found.on_end = on_end
    sent = b"".join(found)
    found.close()

    assert sent == b"a" * BLOCK + b"bthat was not all"
    assert (said, found.sent, streams.places.taken) == ([failure], len(sent), 0)


def test_a_file_is_named_in_a_header_that_nobody_can_break() -> None:
    answer = stream([b""], "text/csv; charset=utf-8", filename='a "b"\né.csv')

    assert answer["Content-Disposition"].startswith("attachment; filename")
    assert "\n" not in answer["Content-Disposition"]
    assert "Content-Disposition" not in stream([b""], "application/json")
