from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest
from django.db import DataError, OperationalError
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.web.combining import Combiner, Ticket, WorkStopped

PATIENCE = 120


class Desk:
    """A combiner whose first batch is one item that works until told to go on, so that the test fills the second."""

    def __init__(self, work: Callable[[list[Any]], list[Any]], **options: Any) -> None:
        self.batches: list[list[Any]] = []
        self.busy = threading.Event()
        self.go_on = threading.Event()
        self._work = work
        self.combine: Combiner[Any, Any] = Combiner(self._at_work, **options)

    def _at_work(self, items: list[Any]) -> list[Any]:
        self.batches.append(items)
        if len(self.batches) == 1:
            self.busy.set()
            assert self.go_on.wait(PATIENCE)
        return self._work(items)

    def serve(self, first: Any, rest: list[Any]) -> list[Future[Any]]:
        """What becomes of the first item and of the others, which all come while it is worked on, in this order."""
        with ThreadPoolExecutor(len(rest) + 1) as threads:
            futures = [threads.submit(self.combine, first)]
            assert self.busy.wait(PATIENCE)
            for number, item in enumerate(rest, start=1):
                futures.append(threads.submit(self.combine, item))
                self.wait_for(number)
            self.go_on.set()
            assert not wait(futures, PATIENCE).not_done
        return futures

    def wait_for(self, number: int) -> None:
        until(lambda: len(self.combine._waiting) == number)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.0005)


def doubled(items: list[int]) -> list[int]:
    return [2 * item for item in items]


def test_those_who_come_while_one_works_are_worked_for_together() -> None:
    desk = Desk(doubled)

    futures = desk.serve(1, [2, 3, 4])

    assert [future.result() for future in futures] == [2, 4, 6, 8]
    assert desk.batches == [[1], [2, 3, 4]]


def test_a_thread_alone_works_for_itself_at_once() -> None:
    combine = Combiner(doubled)

    assert [combine(number) for number in range(3)] == [0, 2, 4]


def test_no_batch_is_larger_than_it_may_be() -> None:
    desk = Desk(doubled, at_most=2)

    futures = desk.serve(0, [1, 2, 3, 4, 5])

    assert [future.result() for future in futures] == [0, 2, 4, 6, 8, 10]
    assert desk.batches == [[0], [1, 2], [3, 4], [5]]


def test_an_error_reaches_every_thread_of_its_batch_and_no_other() -> None:
    def work(items: list[int]) -> list[int]:
        if 2 in items:
            raise OperationalError("the server is gone")
        return doubled(items)

    desk = Desk(work, at_most=3)

    futures = desk.serve(1, [2, 3, 4, 5])

    errors = [future.exception() for future in futures]
    assert [type(error) for error in errors] == [type(None), *[OperationalError] * 3, type(None)]
    assert {str(error) for error in errors[1:4]} == {"the server is gone"}


def test_each_thread_gets_an_exception_of_its_own_with_the_first_as_its_cause() -> None:
    failure = OperationalError("the server is gone")
    failure.sqlstate = "57P01"  # type: ignore[attr-defined]

    def work(items: list[int]) -> list[int]:
        if 2 in items:
            raise failure
        return items

    futures = Desk(work).serve(1, [2, 3, 4])

    leaders, *others = [future.exception() for future in futures[1:]]
    assert leaders is failure
    assert len({id(error) for error in [leaders, *others]}) == 3
    assert all(error.__cause__ is failure for error in others if error)
    assert all(vars(error) == vars(failure) for error in others if error)


def test_an_error_that_cannot_be_made_anew_still_reaches_every_thread() -> None:
    class Particular(Exception):
        def __new__(cls, *, only: str) -> Particular:
            return super().__new__(cls)

        def __init__(self, *, only: str) -> None:
            super().__init__(only)

    def work(items: list[int]) -> list[int]:
        if 2 in items:
            raise Particular(only="this way")
        return items

    futures = Desk(work).serve(1, [2, 3])

    assert isinstance(futures[1].exception(), Particular)
    assert isinstance(futures[2].exception(), WorkStopped)


def test_what_stops_the_working_thread_does_not_stop_the_others() -> None:
    def work(items: list[int]) -> list[int]:
        if 2 in items:
            raise SystemExit
        return items

    futures = Desk(work, at_most=2).serve(1, [2, 3, 4])

    assert [type(future.exception()) for future in futures] == [type(None), SystemExit, WorkStopped, type(None)]


def test_leadership_is_handed_on_after_an_error() -> None:
    def work(items: list[int]) -> list[int]:
        if items == [1]:
            raise ValueError
        return doubled(items)

    desk = Desk(work)

    futures = desk.serve(1, [2, 3])

    assert isinstance(futures[0].exception(), ValueError)
    assert [future.result() for future in futures[1:]] == [4, 6]
    assert desk.combine(4) == 8


def test_too_few_results_are_an_error_for_all() -> None:
    futures = Desk(lambda items: items[:1]).serve(1, [2, 3])

    assert [type(future.exception()) for future in futures] == [type(None), ValueError, ValueError]


def test_an_item_that_cannot_be_worked_on_does_not_fail_its_neighbours() -> None:
    def work(items: list[int]) -> list[int]:
        if 3 in items:
            raise DataError("3 cannot be stored")
        return doubled(items)

    desk = Desk(work, by_an_item=(DataError,))

    futures = desk.serve(1, [2, 3, 4])

    assert [future.result() for future in (futures[0], futures[1], futures[3])] == [2, 4, 8]
    assert isinstance(futures[2].exception(), DataError)


def test_a_waiting_thread_that_is_stopped_holds_up_nobody() -> None:
    # Only the main thread can be interrupted while it waits, by the handler of a signal.
    class Stop(BaseException):
        pass

    def stop(number: int, frame: object) -> None:
        raise Stop

    desk = Desk(doubled)
    before = signal.signal(signal.SIGUSR1, stop)
    main = threading.get_ident()
    try:
        with ThreadPoolExecutor(3) as threads:
            first = threads.submit(desk.combine, 1)
            assert desk.busy.wait(PATIENCE)

            def interrupt() -> Any:
                desk.wait_for(1)
                signal.pthread_kill(main, signal.SIGUSR1)
                desk.wait_for(0)
                return desk.combine(2)

            second = threads.submit(interrupt)
            with pytest.raises(Stop):
                desk.combine(9)
            desk.wait_for(1)
            desk.go_on.set()

            assert (first.result(PATIENCE), second.result(PATIENCE)) == (2, 4)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert desk.batches == [[1], [2]]


def test_one_who_was_chosen_to_lead_and_is_stopped_hands_on() -> None:
    combine = Combiner(doubled)
    # As a signal leaves it that strikes between being chosen and starting to work.
    chosen, waiting = stand_in_line(combine, 1), stand_in_line(combine, 2)
    chosen.leads = combine._is_led = True

    combine._leave(chosen)

    assert (waiting.leads, waiting.turn.locked(), combine._waiting) == (True, False, [waiting])


def stand_in_line(combine: Combiner[int, int], item: int) -> Any:
    ticket: Ticket[int, int] = Ticket(item)
    combine._waiting.append(ticket)
    return ticket


@settings(max_examples=25, deadline=None)
@given(
    threads=st.integers(1, 12),
    at_most=st.integers(1, 6),
    fails=st.sets(st.integers(0, 239), max_size=20),
    by_an_item=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_every_thread_gets_its_own_result_and_none_is_lost(threads, at_most, fails, by_an_item, seed) -> None:
    chance = random.Random(seed)
    done: list[int] = []

    def work(items: list[int]) -> list[int]:
        assert 1 <= len(items) <= at_most
        if chance.random() < 0.3:
            time.sleep(0.0005)
        if fails.intersection(items):
            raise DataError(sorted(fails.intersection(items)))
        done.extend(items)
        return doubled(items)

    combine = Combiner(work, at_most=at_most, by_an_item=(DataError,) if by_an_item else ())
    outcomes: dict[int, int | DataError] = {}

    def ask(thread: int) -> None:
        for item in range(thread * 20, thread * 20 + 20):
            try:
                outcomes[item] = combine(item)
            except DataError as error:
                outcomes[item] = error

    askers = [threading.Thread(target=ask, args=[thread], daemon=True) for thread in range(threads)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(PATIENCE)

    assert not any(asker.is_alive() for asker in askers)
    assert sorted(outcomes) == list(range(threads * 20))
    passed = {item: outcome for item, outcome in outcomes.items() if not isinstance(outcome, DataError)}
    assert passed == {item: 2 * item for item in passed}
    assert sorted(done) == sorted(passed)
    assert fails.isdisjoint(passed)
    if by_an_item:
        assert set(outcomes) - set(passed) == fails.intersection(outcomes)
    assert (combine._waiting, combine._is_led) == ([], False)
