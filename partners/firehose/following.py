"""A stream of the Firehose: what a client is sent for as long as it listens."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from django.db import InterfaceError, OperationalError, connection

from partners.firehose.cursor import Cursor
from partners.firehose.log import Away, Forgotten, Log, LoggedEvent, NotEnabled, NotYetThere
from portal.web.stopping import stopping

# An event waits for half of it on average. Nobody is woken: a notification would make those who write wait for each
# other, and a question that finds nothing takes less than a millisecond.
POLL_SECONDS = 0.1
MOST_AT_ONCE = 500
HEARTBEAT_SECONDS = 15.0
# How often it is asked whether the key still opens this, and whether anybody still listens.
ASK_SECONDS = 1.0
# Its row in the API Log holds durations of half an hour and a bit.
LONGEST_SECONDS = 1800.0


class Ending(Enum):
    """Why a stream ends that its client has not left, and what the client is told."""

    TIME = "time", "It has lasted 30 minutes. Go on with the cursor."
    STOPPING = "stopping", "The server is being restarted. Go on with the cursor."
    UNAVAILABLE = "unavailable", "The database is away. Go on with the cursor in a moment."
    AWAY = "unavailable", "What carries the events is away. Go on with the cursor in a moment."
    CURSOR = "cursor", "What follows the cursor is kept no longer. Begin with cursor=beginning."
    DISABLED = "disabled", "The Firehose has been disabled, or enabled anew."
    KEY = "key", "The key does not open the Firehose any more."
    ADDRESS = "address", "The key may no longer be used from this address."

    def __init__(self, reason: str, sentence: str) -> None:
        self.reason, self.sentence = reason, sentence


class Lines:
    """One object a line."""

    content_type = "application/x-ndjson"

    def event(self, event: LoggedEvent) -> bytes:
        return event.json + b"\n"

    def notice(self, kind: str, cursor: Cursor, **said: str) -> bytes:
        return json.dumps({"cursor": str(cursor), "type": kind, **said}).encode() + b"\n"


class ServerSentEvents:
    """As browsers' EventSource takes them: the cursor is the id that it sends back when it connects again."""

    content_type = "text/event-stream"

    def event(self, event: LoggedEvent) -> bytes:
        return f"id: {event.cursor}\nevent: {event.kind.label}\ndata: ".encode() + event.json + b"\n\n"

    def notice(self, kind: str, cursor: Cursor, **said: str) -> bytes:
        data = json.dumps({"cursor": str(cursor), "type": kind, **said})
        return f"id: {cursor}\nevent: {kind}\ndata: {data}\n\n".encode()


Form = Lines | ServerSentEvents


@contextmanager
def a_moment() -> Iterator[None]:
    """Of a connection to the database, which the thread then gives back: it may have nothing to ask for hours."""
    try:
        yield
    finally:
        if not connection.in_atomic_block:
            connection.close()


@dataclass
class Following:
    """Who follows which partner's events, from where on, and how it is told.

    ``may_not_go_on`` answers why, or None; ``nap`` waits, and says whether the process is asked to stop.
    """

    log: Log
    partner_id: int
    cursor: Cursor
    form: Form
    may_not_go_on: Callable[[], Ending | None]
    nap: Callable[[float], bool] = stopping.nap
    clock: Callable[[], float] = time.monotonic

    def blocks(self) -> Iterator[bytes]:
        """The first says from where on the stream is; the last why it has ended, unless its client has left."""
        began = told = self.clock()
        asked = began - ASK_SECONDS
        yield self.form.notice("heartbeat", self.cursor)
        ending: Ending | None = None
        while True:
            is_time_to_ask = self.clock() - asked >= ASK_SECONDS
            if is_time_to_ask:
                asked = self.clock()
            events, ending = self._ask(is_time_to_ask=is_time_to_ask)
            if events:
                yield b"".join([self.form.event(event) for event in events])
                self.cursor, told = events[-1].cursor, self.clock()
            if ending is None and self.clock() - began >= LONGEST_SECONDS:
                ending = Ending.TIME
            if ending is not None:
                break
            if self.clock() - told >= HEARTBEAT_SECONDS:
                told = self.clock()
                yield self.form.notice("heartbeat", self.cursor)
            elif is_time_to_ask:
                yield b""
            if self.nap(0 if events else POLL_SECONDS):
                ending = Ending.STOPPING
                break
        yield self.form.notice("end", self.cursor, reason=ending.reason, error=ending.sentence)

    def _ask(self, *, is_time_to_ask: bool) -> tuple[list[LoggedEvent], Ending | None]:
        """What is next, or why there is nothing any more."""
        try:
            with a_moment():
                if is_time_to_ask and (ending := self.may_not_go_on()):
                    return [], ending
                return list(self.log.read(self.partner_id, self.cursor, MOST_AT_ONCE)), None
        except NotEnabled:
            return [], Ending.DISABLED
        except (Forgotten, NotYetThere):
            return [], Ending.CURSOR
        except Away:
            return [], Ending.AWAY
        except (OperationalError, InterfaceError):
            return [], Ending.UNAVAILABLE
