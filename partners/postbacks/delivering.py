"""A worker's shift at the queue: claims what is due, sends many at once, settles what came of it.

One loop of asyncio sends; one thread beside it speaks to the database, because Django's connections belong to threads.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from django.db import InterfaceError, OperationalError, connection, transaction

from partners.postbacks.models import LONGEST_PROBLEM, Attempt, Claimed, Delivery, Postback, Sent
from partners.postbacks.sending import send
from partners.postbacks.vocabulary import POSTBACK
from portal.accounts.events import EventKind
from portal.accounts.models import Event

if TYPE_CHECKING:
    from portal.accounts.actors import Actor

AT_ONCE = 200
# Of one postback: its receiver is a machine, too.
AT_ONCE_OF_ONE = 64
POLL_SECONDS = 0.25
# A claim that waited longer for its turn is left to whoever takes it up when the lease ends.
STALE_SECONDS = 10.0
LOOK_UP_THREADS = 32
DATABASE_AWAY_SECONDS = 1.0


class Shift:
    """``run`` delivers until ``is_over`` says so, and then until what is under way has ended."""

    def __init__(self, is_over: Callable[[], bool], *, poll_seconds: float = POLL_SECONDS) -> None:
        self._is_over = is_over
        self._poll_seconds = poll_seconds
        self._under_way: Counter[int] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._results: list[Sent] = []
        self._something_ended = asyncio.Event()
        self.delivered = 0

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        # A name server that does not answer holds a thread for as long as it likes.
        look_ups = ThreadPoolExecutor(LOOK_UP_THREADS, thread_name_prefix="postback-names")
        asyncio.get_running_loop().set_default_executor(look_ups)
        with ThreadPoolExecutor(1, thread_name_prefix="postback-database") as database:
            try:
                await self._deliver(database)
            finally:
                database.submit(leave_database).result()
                look_ups.shutdown(wait=False, cancel_futures=True)

    async def _deliver(self, database: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while True:
            is_over = self._is_over()
            results, self._results = self._results, []
            room = 0 if is_over else AT_ONCE - len(self._tasks)
            try:
                claimed = await loop.run_in_executor(database, settle_and_claim, results, room, self._under_way.copy())
            except (OperationalError, InterfaceError):
                # It is away. What was sent is settled when it is back; if that takes longer than the lease, it is
                # sent again, which a receiver has to expect.
                self._results = results + self._results
                if is_over:
                    return
                await loop.run_in_executor(database, leave_database)
                await asyncio.sleep(DATABASE_AWAY_SECONDS)
                continue
            self.delivered += sum(sent.is_delivered for sent in results)
            self._start(claimed)
            if is_over and not self._tasks and not self._results:
                return
            if not claimed and not self._results:
                await self._wait()

    def _start(self, claimed: Sequence[Claimed]) -> None:
        claimed_at = time.monotonic()
        for each in claimed:
            self._under_way[each.postback_id] += 1
            task = asyncio.create_task(self._attempt(each, claimed_at))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _wait(self) -> None:
        self._something_ended.clear()
        try:
            async with asyncio.timeout(self._poll_seconds):
                await self._something_ended.wait()
        except TimeoutError:
            return
        # What ends at almost the same time is settled in one transaction.
        await asyncio.sleep(0.005)

    async def _attempt(self, claimed: Claimed, claimed_at: float) -> None:
        try:
            if time.monotonic() - claimed_at < STALE_SECONDS:
                sent = await attempted(claimed)
                # Only now: the list that was there before the await has been taken away and settled.
                self._results.append(sent)
        finally:
            self._under_way[claimed.postback_id] -= 1
            self._something_ended.set()


def settle_and_claim(results: Sequence[Sent], room: int, busy: Counter[int]) -> list[Claimed]:
    if results:
        Delivery.objects.settle(results)
    return Delivery.objects.claim(room, busy=busy, share=AT_ONCE_OF_ONE) if room else []


def send_test(postback: Postback, *, by: Actor) -> Attempt:
    """Calls the postback's URL now, once, with an invented conversion, and keeps the attempt as a test: it counts in no
    statistics, repeats nothing and pauses nothing, but leaves an event, because the receiver is somebody's. Takes ten
    seconds at most. The header Latchkey-Test says what it is.
    """
    facts: dict[str, object] = dict(POSTBACK.samples) | {"affiliate_id": postback.partner_id}
    if postback.offer is not None:
        own = {"offer_id": postback.offer.pk, "offer_name": postback.offer.name, "currency": postback.offer.currency}
        facts |= own
    answer = asyncio.run(send(postback.template.fill(facts), (("Latchkey-Test", "1"),)))
    with transaction.atomic():
        attempt = Attempt.objects.create(
            partner=postback.partner,
            postback=postback,
            at=answer.at,
            url=answer.url,
            status=answer.status,
            problem=answer.problem[:LONGEST_PROBLEM],
            answer=answer.body,
            duration_ms=answer.duration_ms,
        )
        details = {"result": attempt.problem or "It arrived."}
        Event.record(EventKind.POSTBACK_TESTED, by=by, subject=postback, partner=postback.partner, details=details)
    return attempt


def leave_database() -> None:
    # A connection is its thread's: this is looked up where it runs.
    connection.close()


async def attempted(claimed: Claimed) -> Sent:
    # With it a receiver tells a repeated call from a second conversion.
    answer = await send(claimed.url, (("Latchkey-Delivery", str(claimed.delivery_id)),))
    return Sent(claimed, answer.at, answer.url, answer.status, answer.problem, answer.body, answer.duration_ms)
