"""Transactions and threads beside the test's own, and waiting for what they do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from threading import Event, Thread

from django.db import connection, transaction

from partners.models import Partner
from partners.offers.models import Offer
from tests.partners.traffic import arriving

# For conditions that come true in milliseconds: only a failure waits so long.
PATIENCE = 120


class Open:
    """A transaction of another thread: what it writes is written on return, and committed by ``commit``."""

    def __init__(self, write: Callable[[], object]) -> None:
        self._write = write
        self._written, self._may_commit = Event(), Event()
        self._failure: BaseException | None = None
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with transaction.atomic():
                self._write()
                self._written.set()
                assert self._may_commit.wait(PATIENCE)
        except BaseException as failure:  # noqa: BLE001 -- raised where it is waited for
            self._failure = failure
        finally:
            self._written.set()
            connection.close()

    def written(self) -> Open:
        assert self._written.wait(PATIENCE)
        if self._failure is not None:
            raise self._failure
        return self

    def commit(self) -> None:
        self._may_commit.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        if self._failure is not None:
            raise self._failure


@contextmanager
def elsewhere(do: Callable[[], object]) -> Iterator[Thread]:
    """Done in another thread, which has ended after the block."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            do()
        except BaseException as failure:  # noqa: BLE001 -- raised where it is waited for
            failures.append(failure)
        finally:
            connection.close()

    thread = Thread(target=run, daemon=True)
    thread.start()
    yield thread
    thread.join(PATIENCE)
    assert not thread.is_alive()
    if failures:
        raise failures[0]


def until(condition: Callable[[], bool]) -> None:
    pause = Event()
    for _ in range(PATIENCE * 50):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("It did not come to be.")


visitors = count(1)


def click(partner: Partner, offer: Offer, query: str = "") -> None:
    """Of a visitor each: who clicks a second time waits for what becomes of the first."""
    number = next(visitors)
    address = f"203.0.{number // 250}.{number % 250 + 1}"
    assert arriving.click(partner, offer, query, REMOTE_ADDR=address).status_code == 302
