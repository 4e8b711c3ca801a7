"""A worker's shift at a queue that is a table: claims what is due, sends many at once, settles what came of it.

One loop of asyncio sends; one thread beside it speaks to the database, because Django's connections belong to threads.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from django.db import InterfaceError, OperationalError, connection

POLL_SECONDS = 0.25
# A claim that waited longer for its turn is left to whoever takes it up when the lease ends.
STALE_SECONDS = 10.0
LOOK_UP_THREADS = 32
DATABASE_AWAY_SECONDS = 1.0

Claim = TypeVar("Claim")
Result = TypeVar("Result")


class Shift(ABC, Generic[Claim, Result]):
    """``run`` delivers until ``is_over`` says so, and then until what is under way has ended."""

    # How many are sent at once.
    at_once = 200

    def __init__(self, is_over: Callable[[], bool], *, poll_seconds: float = POLL_SECONDS) -> None:
        self._is_over = is_over
        self._poll_seconds = poll_seconds
        self._under_way: Counter[int] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._results: list[Result] = []
        self._something_ended = asyncio.Event()
        self.delivered = 0

    @abstractmethod
    def settle_and_claim(self, results: Sequence[Result], room: int, busy: Counter[int]) -> Sequence[Claim]:
        """Writes down how it went, and claims at most ``room`` of what is due; in the thread of the database. ``busy``
        says how many of each owner are under way."""

    @abstractmethod
    async def attempted(self, claim: Claim) -> Result:
        """Sends it. It never raises for what the other side does, and ends within seconds."""

    @abstractmethod
    def owner_of(self, claim: Claim) -> int: ...

    @abstractmethod
    def is_delivered(self, result: Result) -> bool: ...

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        # A name server that does not answer holds a thread for as long as it likes.
        look_ups = ThreadPoolExecutor(LOOK_UP_THREADS, thread_name_prefix="shift-names")
        asyncio.get_running_loop().set_default_executor(look_ups)
        with ThreadPoolExecutor(1, thread_name_prefix="shift-database") as database:
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
            room = 0 if is_over else self.at_once - len(self._tasks)
            asked_at = time.monotonic()
            try:
                busy = self._under_way.copy()
                claimed = await loop.run_in_executor(database, self.settle_and_claim, results, room, busy)
            except (OperationalError, InterfaceError):
                # It is away. What was sent is settled when it is back; if that takes longer than the lease, it is
                # sent again, which a receiver has to expect.
                self._results = results + self._results
                if is_over:
                    return
                await loop.run_in_executor(database, leave_database)
                await asyncio.sleep(DATABASE_AWAY_SECONDS)
                continue
            self.delivered += sum(map(self.is_delivered, results))
            self._start(claimed, asked_at)
            if is_over and not self._tasks and not self._results:
                return
            if not claimed and not self._results:
                await self._wait()

    def _start(self, claimed: Sequence[Claim], claimed_at: float) -> None:
        for each in claimed:
            self._under_way[self.owner_of(each)] += 1
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

    async def _attempt(self, claim: Claim, claimed_at: float) -> None:
        try:
            if time.monotonic() - claimed_at < STALE_SECONDS:
                result = await self.attempted(claim)
                # Only now: the list that was there before the await has been taken away and settled.
                self._results.append(result)
        finally:
            self._under_way[self.owner_of(claim)] -= 1
            self._something_ended.set()


def leave_database() -> None:
    # A connection is its thread's: this is looked up where it runs.
    connection.close()
