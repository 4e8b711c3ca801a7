"""Traffic into the database: by COPY, several tables at once, all of it or nothing."""

from __future__ import annotations

import contextlib
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

import psycopg
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Aggregate, Count, Q, QuerySet, Sum
from psycopg import sql

from partners.models import Partner
from partners.offers.models import Offer
from partners.reporting.rollups import unseal
from partners.traffic.caps import beginnings
from partners.traffic.models import CapCount, Click, Conversion, Impression
from partners.traffic.partitions import create_partitions
from portal.demo.traffic.flow import COLUMNS, Flow
from portal.demo.traffic.lanes import Market
from portal.network.models import Network

# Rows that go in one COPY: enough for its beginning and end not to matter, few enough to keep in memory.
ROWS = 25_000
NOT_COUNTED = (Conversion.Status.REJECTED, Conversion.Status.INVALID)


class TrafficExists(Exception):
    """There is traffic already, and what was asked for would mix with it."""


class NobodyToSend(Exception):
    """No partner who is active may run an offer in that time."""


@dataclass(slots=True)
class Loaded:
    """How many rows of each were written."""

    clicks: int = 0
    impressions: int = 0
    conversions: int = 0
    holds: int = 0


def load_traffic(
    *,
    clicks: int,
    days: int,
    seed: int,
    until: datetime,
    impressions: float = 1.0,
    add: bool = False,
    partners: Sequence[Partner] | None = None,
    offers: Sequence[Offer] | None = None,
    progress: Callable[[int], object] | None = None,
) -> Loaded:
    """Writes ``clicks`` clicks of the ``days`` before ``until``, with the impressions (so many a click) and conversions
    that go with them, between the given partners and offers, or all there are. All of it is committed, or nothing.

    The same seed and ``until`` write the same rows for the same partners, offers and terms. ``progress`` is told how
    many clicks more there are.

    :raises TrafficExists: when there is traffic already, unless ``add``
    :raises NobodyToSend: when no active partner may run any of the offers before ``until``
    """
    if not add and (Click.objects.exists() or Impression.objects.exists() or Conversion.objects.exists()):
        raise TrafficExists
    until = until.astimezone(UTC).replace(microsecond=0)
    start = until - timedelta(days=days)
    random = Random(f"{seed} {until.isoformat()}")  # noqa: S311 -- invented traffic, no secrets
    found = Partner.objects.order_by("pk") if partners is None else partners
    catalogue = Offer.objects.order_by("pk") if offers is None else Offer.objects.filter(pk__in=[o.pk for o in offers])
    market = Market(catalogue.order_by("pk").prefetch_related("creatives", "urls"), random=random)
    lanes = market.lanes(list(found), clicks=clicks, until=until)
    if not lanes:
        raise NobodyToSend
    create_partitions(start.date(), until.date())
    flow = Flow(lanes, clicks=clicks, impressions=impressions, start=start, until=until, random=random)
    written = Loaded()
    with Writer.connected() as writer:
        unseal(start.date(), until.date(), *writer.connections)
        for count, lines in flow.hours():
            for table, rows in lines.by_table().items():
                writer.add(table, rows)
            written.clicks += count
            written.impressions += len(lines.impression)
            written.conversions += len(lines.conversion)
            written.holds += len(lines.hold)
            if progress is not None:
                progress(count)
    count_caps(market.offers.values(), until)
    return written


def count_caps(offers: Iterable[Offer], until: datetime) -> None:
    """What the caps of the offers have had by then, as tracking counts it: valid clicks, conversions, payout."""
    zone = Network.load().zone
    spans = beginnings(until.astimezone(zone).date())
    capped = [offer.pk for offer in offers if offer.has_caps]
    starts = {span: datetime.combine(began_on, time(), zone) for span, began_on in spans.items()}
    clicks, conversions = (
        had(rows.filter(offer__in=capped, at__lt=until), starts)
        for rows in (
            Click.objects.valid(),
            Conversion.objects.filter(is_event=False).exclude(status__in=NOT_COUNTED),
        )
    )
    CapCount.objects.bulk_create(
        [
            CapCount(
                offer_id=offer_id,
                span=span,
                began_on=began_on,
                clicks=clicks[offer_id, span].number,
                conversions=conversions[offer_id, span].number,
                payout=clicks[offer_id, span].payout + conversions[offer_id, span].payout,
            )
            for offer_id in capped
            for span, began_on in spans.items()
        ],
        update_conflicts=True,
        unique_fields=["offer_id", "span", "began_on"],
        update_fields=["clicks", "conversions", "payout"],
    )


class Had(NamedTuple):
    number: int = 0
    payout: Decimal = Decimal(0)


def had(rows: QuerySet[Any], starts: Mapping[str, datetime]) -> defaultdict[tuple[int, str], Had]:
    """How many of the rows each offer has had since the start of each span, and what they pay; in one pass."""
    figures: dict[str, Aggregate] = {}
    for span, start in starts.items():
        since = Q(at__gte=start)
        figures |= {f"{span}_count": Count("at", filter=since), f"{span}_payout": Sum("payout", filter=since)}
    of_each: defaultdict[tuple[int, str], Had] = defaultdict(Had)
    for row in rows.order_by().values("offer").annotate(**figures):
        for span in starts:
            of_each[row["offer"], span] = Had(row[f"{span}_count"], row[f"{span}_payout"] or Decimal(0))
    return of_each


class Writer:
    """Gathers rows, and lets each of its connections copy its tables while the next rows are being made."""

    def __init__(self, connections: Sequence[psycopg.Connection[Any]], threads: Sequence[ThreadPoolExecutor]) -> None:
        self.connections, self.threads = connections, threads
        self.rows: dict[str, list[bytes]] = {table: [] for table in COLUMNS}
        self.running: dict[int, Future[None]] = {}

    @classmethod
    @contextlib.contextmanager
    def connected(cls) -> Iterator[Writer]:
        """Two connections of its own, so that the processors are busy; within a transaction that one's connection,
        because only there is everything seen, and undone.

        The two are committed one right after the other, when both have written all.
        """
        with contextlib.ExitStack() as stack:
            if connection.in_atomic_block:
                connection.ensure_connection()
                own = []
                connections = [connection.connection]
            else:
                own = [stack.enter_context(own_connection()) for _ in range(2)]
                connections = [each.connection for each in own]
            stack.enter_context(short_turns())
            threads = [stack.enter_context(ThreadPoolExecutor(1)) for _ in connections]
            writer = cls(connections, threads)
            yield writer
            writer.finish()
            for each in own:
                each.commit()

    def add(self, table: str, rows: list[bytes]) -> None:
        waiting = self.rows[table]
        waiting += rows
        if len(waiting) >= ROWS:
            self.flush(table)

    def flush(self, table: str) -> None:
        # Clicks have one connection to themselves, when there are two.
        place = 0 if table == "traffic_click" else len(self.connections) - 1
        if place in self.running:
            self.running[place].result()
        rows, self.rows[table] = self.rows[table], []
        self.running[place] = self.threads[place].submit(copy, self.connections[place], table, rows)

    def finish(self) -> None:
        for table in COLUMNS:
            self.flush(table)
        for running in self.running.values():
            running.result()


def copy(to: psycopg.Connection[Any], table: str, rows: list[bytes]) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, COLUMNS[table]))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), columns)
    with to.cursor() as cursor, cursor.copy(statement) as lines:
        lines.write(b"\n".join((*rows, b"")))


@contextlib.contextmanager
def own_connection() -> Iterator[BaseDatabaseWrapper]:
    """Another connection than the one that everybody uses. What is not committed at the end is rolled back."""
    own = connection.copy()
    own.set_autocommit(False)
    try:
        with own.cursor() as cursor:
            # One may have nothing to write for minutes, while the other has.
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield own
    finally:
        own.close()


@contextlib.contextmanager
def short_turns() -> Iterator[None]:
    """Who makes rows leaves the interpreter after a fifth of a millisecond to those who send them. These need it for a
    moment each time the socket has taken a fifth of a megabyte, and with Python's own 5 ms PostgreSQL waited for them.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
