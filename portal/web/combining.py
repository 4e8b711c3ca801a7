"""Doing for many threads in one go what each of them would do alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkStopped(Exception):
    """The thread that worked for this one was stopped in the middle; whether the work was done is not known."""


class Ticket(Generic[Item, Result]):
    """One thread's place in the queue. ``turn`` is held until there is something for the thread to do."""

    __slots__ = ("error", "is_done", "item", "leads", "result", "turn")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.turn = Lock()
        self.turn.acquire()
        self.leads = False
        self.is_done = False
        self.result: Result
        self.error: BaseException | None = None


class Combiner(Generic[Item, Result]):
    """Calls ``work`` with the items of all the threads that came while the last call of it was under way.

    The first thread to come works at once, for itself; those that come meanwhile wait, and one of them then works
    for them all. A thread alone waits for nothing, and the busier it gets the larger the batches: no timer, no
    thread of its own, nothing to start or stop. ``work`` runs on the connection of the thread that does it, and
    answers one result an item, in order.

    What it raises is raised in every thread of its batch. Errors of the kinds in ``by_an_item`` are the fault of one
    item and must mean that nothing was done: the items are then worked on one by one, so that none fails for another.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], Sequence[Result]],
        *,
        at_most: int = 256,
        by_an_item: tuple[type[Exception], ...] = (),
    ) -> None:
        self._work = work
        self._at_most = at_most
        self._by_an_item = by_an_item
        self._mutex = Lock()
        self._waiting: list[Ticket[Item, Result]] = []
        self._is_led = False

    def __call__(self, item: Item) -> Result:
        ticket: Ticket[Item, Result] = Ticket(item)
        with self._mutex:
            self._waiting.append(ticket)
            ticket.leads, self._is_led = not self._is_led, True
        try:
            if not ticket.leads:
                ticket.turn.acquire()
            if not ticket.is_done:
                self._lead(ticket)
        except BaseException:
            # A signal's handler has raised in this thread. The others must not wait for what it will no longer do.
            self._leave(ticket)
            raise
        if ticket.error is not None:
            raise ticket.error
        return ticket.result

    def _lead(self, own: Ticket[Item, Result]) -> None:
        batch: list[Ticket[Item, Result]] = []
        try:
            with self._mutex:
                batch, self._waiting = self._waiting[: self._at_most], self._waiting[self._at_most :]
            self._work_for(batch)
        except BaseException as error:  # noqa: BLE001
            # Whatever it is, a thread that waits must not wait for ever.
            for ticket in batch:
                ticket.error = error if ticket is own else for_another_thread(error)
        # The next batch starts before this one's threads are woken: they have their answers to write first.
        with self._mutex:
            self._hand_on(own)
        for ticket in batch:
            ticket.is_done = True
            if ticket is not own:
                ticket.turn.release()

    def _work_for(self, batch: list[Ticket[Item, Result]]) -> None:
        try:
            for ticket, result in zip(batch, self._work([ticket.item for ticket in batch]), strict=True):
                ticket.result = result
        except self._by_an_item:
            if len(batch) == 1:
                raise
            for ticket in batch:
                try:
                    [ticket.result] = self._work([ticket.item])
                except Exception as error:  # noqa: BLE001
                    ticket.error = error

    def _hand_on(self, leader: Ticket[Item, Result]) -> None:
        leader.leads = False
        self._is_led = bool(self._waiting)
        if self._is_led:
            self._waiting[0].leads = True
            self._waiting[0].turn.release()

    def _leave(self, ticket: Ticket[Item, Result]) -> None:
        with self._mutex:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
            if ticket.leads:
                self._hand_on(ticket)


def for_another_thread(error: BaseException) -> BaseException:
    """The same error once more: one exception raised in two threads would collect the frames and contexts of both.

    What stops a thread, such as KeyboardInterrupt, is meant for that thread alone.
    """
    twin: BaseException = WorkStopped()
    if isinstance(error, Exception):
        try:
            twin = type(error).__new__(type(error), *error.args)
            vars(twin).update(vars(error))
        except TypeError:
            # Its class wants to be made in a way of its own.
            twin = WorkStopped(*error.args)
    twin.__cause__ = error
    return twin
