"""NATS JetStream as the log of the Firehose, for networks whose events outgrow one database.

PostgreSQL gives the numbers as ever. What has its number is relayed into a stream of JetStream of the partner's run,
whose sequence is our number, and is dropped here once JetStream has confirmed it. Whoever waits for an event relays it,
as it numbers it.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import re
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import TimeoutError as TookTooLong
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import nats
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils.timezone import now
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import StorageType, StreamConfig, StreamInfo
from nats.js.errors import NotFoundError

from partners.firehose.cursor import Cursor
from partners.firehose.log import Away, Forgotten, Kind, LoggedEvent, NotEnabled, NotYetThere, postgres, visits_of
from partners.firehose.models import Firehose, NumberedEvent, number_events
from partners.traffic.models import OutboxEntry

log = logging.getLogger(__name__)

# Of one question, with the connecting before it.
LONGEST_SECONDS = 3.0
CONNECT_SECONDS = 1.0
RETRY_SECONDS = 0.1
# Those who ask every 100 ms need not knock at a closed door each time.
AWAY_SECONDS = 1.0
MOST_RELAYED = 1000
# Nor need they send a thousand events to one that has just refused them.
REFUSED = timedelta(seconds=1)
# Of what somebody else has sent in this very moment; its codes differ between servers.
NOT_NEXT = "wrong last sequence"
DAY_SECONDS = 86_400
STREAM = re.compile(r"FIREHOSE_([0-9]+)_([0-9]+)", re.ASCII)
TYPE = "Latchkey-Type"
ID = "Nats-Msg-Id"
EXPECTED = "Nats-Expected-Last-Sequence"
KINDS = {kind.label: kind for kind in Kind}
LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))"
STANDING = f"""
SELECT run, last_seq, relayed_seq,
    EXISTS (SELECT FROM {OutboxEntry._meta.db_table} entry WHERE entry.partner_id = firehose.partner_id)
FROM {Firehose._meta.db_table} firehose WHERE partner_id = %s AND disabled_at IS NULL
"""  # noqa: S608 -- the names of our tables

Answer = TypeVar("Answer")
Question = Callable[[Client, JetStreamContext], Awaitable[Answer]]


class Server:
    """The NATS server, or the cluster's servers: asked from any thread, answered by one loop in a thread of its own,
    which each process starts when it first asks.

    A connection that breaks is not mended but made anew by the next question: nothing that was said before is said
    again behind anybody's back.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = [url.strip() for url in urls if url.strip()]
        self._begin()
        # A child has none of its parent's threads, and may not speak on its parent's connection.
        os.register_at_fork(after_in_child=self._begin)
        atexit.register(self.close)

    def _begin(self) -> None:
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._connecting = asyncio.Lock()
        self._client: Client | None = None
        self._jetstream: JetStreamContext | None = None
        self._away_until = 0.0

    def ask(self, question: Question[Answer]) -> Answer:
        """:raises Away: when it does not answer in time"""
        future = asyncio.run_coroutine_threadsafe(self._answer(question), self._running())
        try:
            return future.result(LONGEST_SECONDS + CONNECT_SECONDS)
        except TookTooLong:
            future.cancel()
            raise Away("NATS does not answer.") from None

    def close(self) -> None:
        """Ends the connection and the thread; the next question begins both anew."""
        with self._starting:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
            if loop is None or thread is None:
                return
            with suppress(Exception):
                asyncio.run_coroutine_threadsafe(self._disconnect(), loop).result(CONNECT_SECONDS)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(CONNECT_SECONDS)
            if not thread.is_alive():
                loop.close()
            self._connecting, self._client, self._away_until = asyncio.Lock(), None, 0.0

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="firehose-nats", daemon=True)
                self._thread.start()
            return self._loop

    async def _answer(self, question: Question[Answer]) -> Answer:
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                return await question(*await self._connected())
        except (nats.errors.Error, OSError) as failure:
            if isinstance(failure, TimeoutError):
                # Perhaps nobody is there any more, without having said so.
                self._away_until = asyncio.get_running_loop().time() + AWAY_SECONDS
                await self._disconnect()
            raise Away(f"NATS: {str(failure) or type(failure).__name__}") from failure

    async def _connected(self) -> tuple[Client, JetStreamContext]:
        async with self._connecting:
            if self._client is not None and self._jetstream is not None and self._client.is_connected:
                return self._client, self._jetstream
            clock = asyncio.get_running_loop().time
            if clock() < self._away_until:
                raise Away("NATS was away a moment ago.")
            self._client = None
            try:
                # In any order, twice each. It never connects by itself again.
                self._client = await nats.connect(
                    servers=self._urls,
                    name="Latchkey",
                    allow_reconnect=False,
                    connect_timeout=CONNECT_SECONDS,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=RETRY_SECONDS,
                    error_cb=note,
                )
            except (nats.errors.Error, OSError) as failure:
                self._away_until = clock() + AWAY_SECONDS
                log.warning("NATS is away, and the Firehose's events wait in the database: %r", failure)
                raise Away(f"NATS: {failure}") from failure
            self._jetstream = self._client.jetstream(timeout=LONGEST_SECONDS)
            return self._client, self._jetstream

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                async with asyncio.timeout(CONNECT_SECONDS):
                    await client.close()


async def note(failure: Exception) -> None:
    log.info("NATS: %r", failure)


@dataclass(frozen=True, slots=True)
class Message:
    """An event on its way to JetStream, or as it comes from there."""

    seq: int
    id: str
    type: str
    data: bytes

    def event(self, run: int) -> LoggedEvent:
        return LoggedEvent(Cursor(run, self.seq), UUID(hex=self.id), KINDS[self.type], self.data)


class Appended(NamedTuple):
    """Up to which number all are there, and why not more of them: empty when all are, or somebody else is at it."""

    last: int
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Stream:
    """The stream of JetStream that holds one run of a partner."""

    partner_id: int
    run: int

    @property
    def name(self) -> str:
        return f"FIREHOSE_{self.partner_id}_{self.run}"

    @property
    def subject(self) -> str:
        return f"firehose.{self.partner_id}.{self.run}"

    def info(self) -> Question[StreamInfo | None]:
        async def ask(client: Client, jetstream: JetStreamContext) -> StreamInfo | None:
            try:
                return await jetstream.stream_info(self.name)
            except NotFoundError:
                return None

        return ask

    def read(self, first: int, most: int) -> Question[list[Message]]:
        """At most so many messages from this sequence on, by a direct get: it leaves no consumer behind."""

        async def ask(client: Client, jetstream: JetStreamContext) -> list[Message]:
            inbox = client.new_inbox()
            answers = await client.subscribe(inbox)
            wanted = json.dumps({"seq": first, "batch": most, "next_by_subj": self.subject}).encode()
            found: list[Message] = []
            try:
                await client.publish(f"$JS.API.DIRECT.GET.{self.name}", wanted, reply=inbox)
                while True:
                    answer = await answers.next_msg(LONGEST_SECONDS)
                    headers = answer.headers or {}
                    if "Status" in headers:
                        # 204: that was all of them. 404: there are none. 503: there is no such stream, or no JetStream.
                        if headers["Status"] not in ("204", "404", "503"):
                            raise Away(f"NATS: {headers}")
                        return found
                    found.append(Message(int(headers["Nats-Sequence"]), headers[ID], headers[TYPE], answer.data))
            finally:
                await answers.unsubscribe()

        return ask

    def append(self, base: int, messages: Sequence[Message]) -> Question[Appended]:
        """Appends messages, the first of which has the number after ``base``, and answers up to which of them it is
        known that all are there. What is there already is not sent again, whoever has sent it."""

        async def ask(client: Client, jetstream: JetStreamContext) -> Appended:
            there = await self._made(jetstream, base)
            if there > base:
                await self._compare(client, jetstream, messages[: there - base])
            last = min(there, base + len(messages))
            answers = await self._sent(client, messages[last - base :])
            while (answer := answers.get(last + 1)) is not None and answer.get("seq") == last + 1:
                last += 1
            if last == base + len(messages):
                return Appended(last)
            # Somebody else is at it, or there is no room. Whoever comes next asks how far it went, and goes on.
            log.warning("%s goes up to %s for now: %s", self.name, last, answers.get(last + 1))
            return Appended(last, refusal_in(answers.get(last + 1, {})))

        return ask

    async def _sent(self, client: Client, messages: Sequence[Message]) -> dict[int, dict[str, Any]]:
        """What JetStream answers to each of them. All are on their way before the first is answered: each names the
        number before it as the last that it expects, so when one is refused those behind it are, too."""
        inbox = client.new_inbox()
        confirmations = await client.subscribe(f"{inbox}.*")
        answers: dict[int, dict[str, Any]] = {}
        try:
            for message in messages:
                headers = {EXPECTED: str(message.seq - 1), ID: message.id, TYPE: message.type}
                await client.publish(self.subject, message.data, f"{inbox}.{message.seq}", headers)
            while len(answers) < len(messages):
                answer = await confirmations.next_msg(LONGEST_SECONDS)
                # Without a body: nobody is there who would take it.
                answers[int(answer.subject.rsplit(".", 1)[1])] = json.loads(answer.data or b"{}")
        finally:
            await confirmations.unsubscribe()
        return answers

    async def _made(self, jetstream: JetStreamContext, base: int) -> int:
        """Its last sequence, after making it what it has to be: there, and numbered as we are."""
        config = StreamConfig(
            name=self.name,
            subjects=[self.subject],
            storage=StorageType.FILE,
            max_age=settings.FIREHOSE_RETENTION_DAYS * DAY_SECONDS,
            num_replicas=settings.FIREHOSE_NATS_REPLICAS,
            allow_direct=True,
            first_seq=base + 1,
        )
        try:
            info = await jetstream.stream_info(self.name)
        except NotFoundError:
            info = await jetstream.add_stream(config)
        wanted = {"max_age": config.max_age, "num_replicas": config.num_replicas}
        if any(getattr(info.config, name) != value for name, value in wanted.items()):
            await jetstream.update_stream(info.config.evolve(**wanted))
        if info.state.last_seq >= base:
            return info.state.last_seq
        # It has lost what it had confirmed, or what it should have had is past the retention here: then it begins after
        # that, and readers are told that what is missing is kept no longer.
        log.error("%s ends at %s, and goes on behind %s: what is between is lost", self.name, info.state.last_seq, base)
        await jetstream.purge_stream(self.name, seq=base + 1)
        return base

    async def _compare(self, client: Client, jetstream: JetStreamContext, ours: Sequence[Message]) -> None:
        """Of somebody who was killed before it could drop them here, or of another time of this database.

        :raises Away: when the stream has other events at our numbers
        """
        theirs: list[Message] = []
        while len(theirs) < len(ours):
            more = await self.read(ours[len(theirs)].seq, len(ours) - len(theirs))(client, jetstream)
            if not more:
                break
            theirs += more
        ids = {message.seq: message.id for message in theirs}
        if any(message.id != ids.get(message.seq, message.id) for message in ours):
            log.error("%s holds other events than the database. Disable this Firehose and enable it anew.", self.name)
            raise Away(f"{self.name} holds other events than the database.")


class JetStreamLog:
    """Reads what JetStream holds, and has numbered and relayed first what stands here."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def last(self, partner_id: int) -> Cursor:
        # Numbers are given here: JetStream need not be there to say which was the last.
        return postgres.last(partner_id)

    def oldest(self, partner_id: int) -> Cursor:
        last, _ = self._standing(partner_id)
        return self._oldest(partner_id, last.run)

    def read(self, partner_id: int, after: Cursor, most: int) -> Sequence[LoggedEvent]:
        last, relayed_seq = self._standing(partner_id)
        if after.run != last.run:
            raise NotEnabled
        if after.seq > last.seq:
            raise NotYetThere(last)
        if after == last:
            return ()
        if relayed_seq < last.seq:
            self.relay(partner_id)
        found = self.server.ask(Stream(partner_id, after.run).read(after.seq + 1, most))
        if not found or found[0].seq != after.seq + 1:
            # Either somebody else relays it in this very moment, or it is kept no longer.
            oldest = self._oldest(partner_id, after.run)
            if after.seq < oldest.seq:
                raise Forgotten(oldest)
            return ()
        return [message.event(after.run) for seq, message in enumerate(found, found[0].seq) if message.seq == seq]

    def relay(self, partner_id: int) -> int:
        """Hands at most MOST_RELAYED numbered events on to JetStream, and drops them here when it has confirmed them.
        Answers how many; 0 also when somebody else is at it.

        Killed before the dropping, it leaves them here and there: the next finds that JetStream has them. The lock is
        for peace alone; that nothing comes twice or out of order is the sequence's doing, which each of them expects.

        :raises Away:
        """
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(LOCK, [f"latchkey:firehose-relay:{partner_id}"])
                (is_ours,) = cursor.fetchone()
            firehose = Firehose.objects.enabled().filter(pk=partner_id).first() if is_ours else None
            if firehose is None or (firehose.refused_at is not None and now() - firehose.refused_at < REFUSED):
                return 0
            base = firehose.oldest.seq
            events = NumberedEvent.objects.filter(partner_id=partner_id, run=firehose.run)
            due = messages_of(partner_id, events.filter(seq__gt=base, seq__lte=base + MOST_RELAYED))
            if [message.seq for message in due] != list(range(base + 1, base + 1 + len(due))) or not due:
                # They were dropped in this very moment, being past the retention.
                return 0
            last, refusal = self.server.ask(Stream(partner_id, firehose.run).append(base, due))
            events.filter(seq__lte=last).delete()
            moment = now()
            Firehose.objects.filter(pk=partner_id, run=firehose.run).update(
                relayed_seq=Greatest(F("relayed_seq"), last),
                relayed_at=moment if last > base else firehose.relayed_at,
                refused_at=moment if refusal else None,
                refusal=refusal,
            )
            return last - base

    def keep_up(self) -> None:
        """Relays what nobody reads, and deletes the streams of runs that have ended.

        :raises Away: after doing what could be done
        """
        failure: Away | None = None
        for partner_id in Firehose.objects.enabled().values_list("pk", flat=True):
            try:
                while self.relay(partner_id):
                    pass
            except Away as away:
                failure = away
        there = self.server.ask(names)
        # Asked afterwards: whatever run begins meanwhile has no stream among these.
        live = {Stream(*row).name for row in Firehose.objects.enabled().values_list("pk", "run")}
        for name in there:
            if name not in live:
                self.server.ask(deleting(name))
        if failure is not None:
            raise failure

    def _oldest(self, partner_id: int, run: int) -> Cursor:
        info = self.server.ask(Stream(partner_id, run).info())
        firehose = Firehose.objects.enabled().filter(pk=partner_id, run=run).first()
        if firehose is None:
            raise NotEnabled
        if info is None or info.state.last_seq < firehose.oldest.seq:
            return firehose.oldest
        return Cursor(run, info.state.first_seq - 1 if info.state.messages else info.state.last_seq)

    def _standing(self, partner_id: int) -> tuple[Cursor, int]:
        """The last cursor, after numbering what there is, and up to which number it is relayed."""
        with connection.cursor() as cursor:
            cursor.execute(STANDING, [partner_id])
            row = cursor.fetchone()
        if row is None:
            raise NotEnabled
        run, last_seq, relayed_seq, is_waiting = row
        if is_waiting and (numbered := number_events(partner_id)):
            return numbered.last, relayed_seq if numbered.last.run == run else 0
        return Cursor(run, last_seq), relayed_seq


def messages_of(partner_id: int, events: Any) -> list[Message]:
    rows = list(events.order_by("seq").values_list("seq", "id", "kind", "data"))
    visits = visits_of(partner_id, rows)
    return [
        Message(
            seq,
            event_id.hex,
            Kind(kind).label,
            visits.get(event_id, b"null") if data is None else data.encode(),
        )
        for seq, event_id, kind, data in rows
    ]


def refusal_in(answer: Mapping[str, Any]) -> str:
    said = str(answer.get("error", {}).get("description") or "it confirms nothing")
    return "" if said.startswith(NOT_NEXT) else said[:200]


async def streams(client: Client, jetstream: JetStreamContext) -> list[StreamInfo]:
    """All that are ours."""
    found: list[StreamInfo] = []
    while page := await jetstream.streams_info(offset=len(found)):
        found += page
    return [info for info in found if STREAM.fullmatch(info.config.name or "")]


async def names(client: Client, jetstream: JetStreamContext) -> list[str]:
    return [info.config.name or "" for info in await streams(client, jetstream)]


def deleting(name: str) -> Question[None]:
    async def ask(client: Client, jetstream: JetStreamContext) -> None:
        with suppress(NotFoundError):
            await jetstream.delete_stream(name)

    return ask
