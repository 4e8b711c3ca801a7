"""Doing for many threads in one go what each of them would do alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Ticket(Generic[Item, Result]):
    """One thread's place in the queue. ``turn`` is held until there is something for the thread to do."""

    __slots__ = ("error", "is_done", "item", "result", "turn")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.turn = Lock()
        self.turn.acquire()
        self.is_done = False
        self.result: Result
        self.error: BaseException | None = None


class Combiner(Generic[Item, Result]):
    """Calls ``work`` with the items of all the threads that came while the last call of it was under way.

    The first thread to come works at once, for itself; those that come meanwhile wait, and one of them then works
    for them all. A thread alone waits for nothing, and the busier it gets the larger the batches: no timer, no
    thread of its own, nothing to start or stop. ``work`` runs on the connection of the thread that does it, and
    answers one result an item, in order. What it raises is raised in every thread of its batch.
    """

    def __init__(self, work: Callable[[list[Item]], Sequence[Result]], *, at_most: int = 256) -> None:
        self._work = work
        self._at_most = at_most
        self._mutex = Lock()
        self._waiting: list[Ticket[Item, Result]] = []
        self._is_led = False

    def __call__(self, item: Item) -> Result:
        ticket: Ticket[Item, Result] = Ticket(item)
        with self._mutex:
            self._waiting.append(ticket)
            leads, self._is_led = not self._is_led, True
        if not leads:
            ticket.turn.acquire()
        if not ticket.is_done:
            self._lead(ticket)
        if ticket.error is not None:
            raise ticket.error
        return ticket.result

    def _lead(self, own: Ticket[Item, Result]) -> None:
        with self._mutex:
            batch, self._waiting = self._waiting[: self._at_most], self._waiting[self._at_most :]
        try:
            for ticket, result in zip(batch, self._work([ticket.item for ticket in batch]), strict=True):
                ticket.result = result
        except BaseException as error:  # noqa: BLE001
            # Whatever it is, a thread that waits must not wait for ever.
            for ticket in batch:
                ticket.error = error
        with self._mutex:
            successor = self._waiting[0] if self._waiting else None
            self._is_led = successor is not None
        # The next batch starts before this one's threads are woken: they have their answers to write first.
        if successor is not None:
            successor.turn.release()
        for ticket in batch:
            ticket.is_done = True
            if ticket is not own:
                ticket.turn.release()
