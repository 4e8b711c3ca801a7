"""Answers that are sent as they are read: straight from PostgreSQL's COPY, in constant memory, a few at a time."""

from __future__ import annotations

import json
import select
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from threading import Lock
from time import monotonic
from typing import Any

import psycopg
from django.conf import settings
from django.db import OperationalError, connection
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header
from psycopg import pq, sql

from portal.web import precedence
from portal.web.csv_rows import CsvRow
from portal.web.json_rows import JsonRow

# What is handed to the web server at a time, at least. COPY sends a message for each row, and a call for each would
# cost more than the row.
BLOCK = 65_536
# Whatever has not had a block by then is refused as the slow query it is, while that can still be said. A call's row
# is written with its first block, and the API Log tallies a minute when no row can be added to it any more.
BEGINS_WITHIN_SECONDS = 50
# A stream keeps a thread of the web server for as long as its client reads, and for a minute when it stops reading
# (stalling.py). This many threads of each process at most, a quarter of them, and half of these for one partner.
AT_ONCE = 4
AT_ONCE_EACH = 2
# So do flows, which go on for as long as somebody listens. They have threads of their own in each process, on top of
# those that serve everything else (portal/run.py), so that they can never be what others wait for.
FLOWS_AT_ONCE = 8
FLOWS_AT_ONCE_EACH = 2

TEXT = "FORMAT text"
CSV = "FORMAT csv, HEADER true"
# One column as it is: what would have to be quoted in it are characters that JSON has no way to hold.
RAW = "FORMAT csv, HEADER false, DELIMITER E'\\x02', QUOTE E'\\x01'"

# Rows of one owner come from an index that begins with the owner. At the default of 4, which is for disks that turn,
# PostgreSQL prefers one of time alone and walks past the rows of everybody else.
BEGIN = "BEGIN READ ONLY; SET LOCAL statement_timeout = {timeout}; SET LOCAL random_page_cost = 1.1"

Query = str | sql.Composable
Parameters = Sequence[Any] | Mapping[str, Any] | None
Blocks = Generator[bytes, None, None]


def csv_out(query: Query, parameters: Parameters = None, row: CsvRow | None = None) -> Blocks:
    """The rows as CSV, a line with the names of the columns first.

    Where there are texts that come from strangers, the columns are those of ``row``.
    """
    with closing(copy_out(query, parameters, CSV)) as blocks:
        yield from blocks if row is None else map(row, blocks)


def json_lines(query: Query, parameters: Parameters = None, row: JsonRow | None = None) -> Blocks:
    """One JSON value a line (NDJSON): what ``row`` makes of each row of the query, or its one column.

    The column is ``jsonb``, or ``json`` that the query itself has built: stored ``json`` keeps its line breaks.
    """
    if row is None:
        yield from copy_out(query, parameters, RAW)
        return
    with closing(copy_out(query, parameters)) as blocks:
        for block in blocks:
            yield b"".join(row(line) + b"\n" for line in lines_of(block))


def json_array(name: str, query: Query, parameters: Parameters = None, row: JsonRow | None = None) -> Blocks:
    """``{"name":[…]}`` of what ``json_lines`` takes."""
    opening = b"{%s:[" % json.dumps(name).encode()
    with closing(json_lines(query, parameters, row)) as blocks:
        for block in blocks:
            # A block ends with a line, and no value has a line break inside.
            yield opening + block[:-1].replace(b"\n", b",\n")
            opening = b",\n"
    yield b"]}" if opening == b",\n" else opening + b"]}"


def copy_rows(query: Query, parameters: Parameters = None) -> list[bytes]:
    """The rows in COPY's text format, at once, on the connection of whoever asks.

    :raises django.db.Error:
    """
    return lines_of(copied(statement_of(query, TEXT), parameters))


def copied(statement: sql.Composed, parameters: Parameters) -> bytes:
    connection.ensure_connection()
    # Not connection.cursor(), which in DEBUG is one that cannot copy with parameters.
    cursor = connection.create_cursor()
    with connection.wrap_database_errors, cursor, cursor.copy(statement, parameters) as copy:
        return b"".join(copy)


def statement_of(query: Query, options: str) -> sql.Composed:
    inner = query if isinstance(query, sql.Composable) else sql.SQL(query)
    return sql.SQL("COPY ({}) TO STDOUT WITH ({})").format(inner, sql.SQL(options))


def lines_of(block: bytes) -> list[bytes]:
    """The rows of a block: each ends with a line feed, and has none inside."""
    return block.split(b"\n")[:-1]


def copy_out(query: Query, parameters: Parameters = None, options: str = TEXT) -> Blocks:
    """What ``COPY (query) TO STDOUT`` sends, in blocks of whole rows; no more of it is read than is asked for.

    It runs on a connection of its own, for up to EXPORT_STATEMENT_TIMEOUT_MS, and sees what is committed. Closing the
    iterator ends the statement. Within a transaction it has to see what that has not committed: there it reads
    everything at once, on the transaction's connection.

    :raises django.db.Error: on the first ``next()``, or later if the query fails halfway
    """
    statement = statement_of(query, options)
    if connection.in_atomic_block:
        if everything := copied(statement, parameters):
            yield everything
        return
    own = connection.copy()
    # The server may ask for the next block from another thread than for the last one, though never from two at once.
    own.inc_thread_sharing()
    try:
        own.ensure_connection()
        with own.wrap_database_errors, own.create_cursor() as cursor:
            cursor.execute(BEGIN.format(timeout=settings.EXPORT_STATEMENT_TIMEOUT_MS))
            yield from blocks_of(own.connection.pgconn, cursor.mogrify(statement, parameters).encode())
            cursor.execute("COMMIT")
    finally:
        if own.connection is not None:
            leave(own.connection)
        own.close()


def blocks_of(pgconn: pq.abc.PGconn, copy: bytes) -> Blocks:
    """What a COPY sends. This asks libpq itself: psycopg's ``Copy`` takes half as long again, with a generator and a
    memoryview for each row, and waits for the first of them however long that takes."""
    deadline = monotonic() + BEGINS_WITHIN_SECONDS
    pgconn.send_query(copy)
    while pgconn.flush():
        wait(pgconn, select.POLLOUT, deadline)
    while pgconn.is_busy():
        wait(pgconn, select.POLLIN, deadline)
    result = pgconn.get_result()
    block = bytearray()
    while result is not None and result.status == pq.ExecStatus.COPY_OUT:
        size, row = pgconn.get_copy_data(1)
        if size > 0:
            block += row
            if len(block) >= BLOCK:
                yield bytes(block)
                block.clear()
                # From here on the statement's own timeout counts.
                deadline = float("inf")
        elif size == 0:
            wait(pgconn, select.POLLIN, deadline)
        else:
            result = pgconn.get_result()
    finish(pgconn, result)
    if block:
        yield bytes(block)


def finish(pgconn: pq.abc.PGconn, result: pq.abc.PGresult | None) -> None:
    """Takes the last results of a statement.

    :raises psycopg.Error: when one of them says that it failed
    """
    failure = None
    while result is not None:
        if result.status != pq.ExecStatus.COMMAND_OK:
            code = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"XX000").decode()
            failure = psycopg.errors.lookup(code)(result.get_error_message())
        result = pgconn.get_result()
    if failure is not None:
        raise failure


def wait(pgconn: pq.abc.PGconn, event: int, deadline: float) -> None:
    """Until the server has sent something, or takes something; a minute at most."""
    patience = deadline - monotonic()
    if patience <= 0:
        raise OperationalError(f"The stream had not begun after {BEGINS_WITHIN_SECONDS} s.")
    socket = select.poll()
    socket.register(pgconn.socket, event)
    socket.poll(min(patience, 60) * 1000)
    pgconn.consume_input()


def leave(own: psycopg.Connection[Any]) -> None:
    """Ends what is still running, and leaves the connection as the pool takes it back. One that is beyond that the pool
    replaces."""
    with suppress(psycopg.Error):
        if own.pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
            own.cancel_safe(timeout=5)
            while (result := own.pgconn.get_result()) is not None:
                while result.status == pq.ExecStatus.COPY_OUT and own.pgconn.get_copy_data(0)[0] > 0:
                    pass
        own.rollback()


def stream(blocks: Iterable[bytes], content_type: str, *, filename: str = "") -> StreamingHttpResponse:
    """The answer of an operation that streams; with a name, browsers save it as a file."""
    response = StreamingHttpResponse(blocks, content_type=content_type)
    if filename:
        response["Content-Disposition"] = content_disposition_header(True, filename) or "attachment"
    return response


class Flow(StreamingHttpResponse):
    """An answer that goes on until its client leaves, or until it says that it ends.

    Its first block says that it has begun, and is sent however small it is. Empty blocks are not sent at all; but
    whoever hands one on is told by that when nobody listens any more, so a flow makes one now and then.
    """

    def __init__(self, blocks: Iterable[bytes], content_type: str) -> None:
        # Proxies that gather answers before they pass them on are told not to.
        super().__init__(blocks, content_type=content_type, headers={"X-Accel-Buffering": "no"})


class TooManyStreams(Exception):
    """The message is a sentence for the client."""


class Places:
    """How many streams there may be at once in this process, and how many for one owner."""

    def __init__(self, at_once: int, each: int, what: str) -> None:
        self._at_once, self._each, self._what = at_once, each, what
        self._mutex = Lock()
        self._taken: Counter[int | None] = Counter()

    def take(self, owner: int | None) -> None:
        """:raises TooManyStreams:"""
        with self._mutex:
            if self._taken[owner] >= self._each:
                raise TooManyStreams(f"{self._each} of your {self._what} are still being read; let one end first.")
            if self._taken.total() >= self._at_once:
                raise TooManyStreams(f"As many {self._what} are being read at the moment as there can be.")
            self._taken[owner] += 1

    def give_back(self, owner: int | None) -> None:
        with self._mutex:
            self._taken[owner] -= 1

    @property
    def taken(self) -> int:
        return self._taken.total()


places = Places(AT_ONCE, AT_ONCE_EACH, "exports or streams")
places_of_flows = Places(FLOWS_AT_ONCE, FLOWS_AT_ONCE_EACH, "Firehose streams")


class Stream:
    """What a response will send, begun: its first block is there, or all of it when that is less.

    It takes one of the ``places``, or of those of flows, until it ends, and ends once: read to its end, failed, or
    closed because nobody reads any more. ``on_end`` is then called, with what it failed of if it did; what that returns
    is still sent, since a failure after the first block can be told in no other way.
    """

    def __init__(self, response: StreamingHttpResponse, *, owner: int | None) -> None:
        """:raises TooManyStreams: and whatever the first block fails of; nothing is left open then"""
        self._response, self._owner = response, owner
        self._ended = False
        self.sent = 0
        self.on_end: Callable[[Exception | None], bytes] | None = None
        self._places = places_of_flows if isinstance(response, Flow) else places
        self._places.take(owner)
        try:
            self._blocks: Iterator[bytes] = iter(response.streaming_content)  # type: ignore[arg-type]  # not async here
            self._first, self.is_whole = self._read_first()
        except BaseException:
            self.close()
            raise
        if self.is_whole:
            self.close()

    def _read_first(self) -> tuple[bytes, bool]:
        if isinstance(self._response, Flow):
            return next(self._blocks), False
        first = bytearray()
        for block in self._blocks:
            first += block
            if len(first) >= BLOCK:
                return bytes(first), False
        return bytes(first), True

    @property
    def first(self) -> bytes:
        return self._first

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._first:
            return self._count(self._take_first())
        if self._ended:
            raise StopIteration
        precedence.requests.give_way()
        try:
            return self._count(next(self._blocks))
        except StopIteration:
            self.close()
            raise
        except Exception as failure:  # noqa: BLE001
            last_words = self._end(failure)
            if last_words:
                return self._count(last_words)
            raise StopIteration from None

    def close(self) -> None:
        self._end(None)

    def _take_first(self) -> bytes:
        first, self._first = self._first, b""
        return first

    def _count(self, block: bytes) -> bytes:
        self.sent += len(block)
        return block

    def _end(self, failure: Exception | None) -> bytes:
        if self._ended:
            return b""
        self._ended = True
        try:
            # The response's own close() would announce the end of the request. This ends what is behind its content.
            for close in self._response._resource_closers:  # type: ignore[attr-defined]
                close()
        except Exception as trouble:  # noqa: BLE001
            failure = failure or trouble
        self._places.give_back(self._owner)
        return self.on_end(failure) if self.on_end is not None else b""
