"""Traffic into the database: by COPY, into tables that become partitions when they are full; all of it or nothing."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple, TypeVar

from django.db import connection, transaction
from django.db.models import Aggregate, Count, Q, QuerySet, Sum
from psycopg import sql

from partners.models import Partner
from partners.offers.models import Offer
from partners.reporting.rollups import unseal
from partners.traffic.caps import beginnings
from partners.traffic.models import CapCount, Click, Conversion, Impression
from partners.traffic.partitions import TRAFFIC_PARTITIONS
from portal.demo.resuming import wait_for_others
from portal.demo.traffic.binary import END, SIGNATURE
from portal.demo.traffic.flow import COLUMNS, Flow
from portal.demo.traffic.lanes import Market
from portal.network.models import Network
from portal.web.postgresql.partitions import Span
from portal.web.postgresql.staging import Staging, lock_alone

Item = TypeVar("Item")

# Rows that go in one COPY: enough for its beginning and end not to matter, few enough to keep in memory.
ROWS = 25_000
# Batches that are made ahead, so that nobody who makes rows waits while the indexes of a month are built.
AHEAD = 6
NOT_COUNTED = (Conversion.Status.REJECTED, Conversion.Status.INVALID)


class TrafficExists(Exception):
    """There is traffic already, and what was asked for would mix with it."""


class NobodyToSend(Exception):
    """No partner who is active may run an offer in that time."""


@dataclass(slots=True)
class Loaded:
    """How many rows of each were written."""

    clicks: int
    impressions: int
    conversions: int


def load_traffic(
    *,
    clicks: int,
    days: int,
    seed: int,
    until: datetime,
    impressions: float = 0.5,
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
    :raises TablesInUse: when at the end the tables of traffic were not free for a moment
    """
    until = until.astimezone(UTC).replace(microsecond=0)
    start = until - timedelta(days=days)
    with transaction.atomic():
        begin()
        if not add and (Click.objects.exists() or Impression.objects.exists() or Conversion.objects.exists()):
            raise TrafficExists
        random = Random(f"{seed} {until.isoformat()}")  # noqa: S311 -- invented traffic, no secrets
        found = Partner.objects.order_by("pk") if partners is None else partners
        catalogue = Offer.objects.all() if offers is None else Offer.objects.filter(pk__in=[o.pk for o in offers])
        market = Market(catalogue.order_by("pk").prefetch_related("creatives", "urls"), random=random)
        lanes = market.lanes(list(found), clicks=clicks, until=until)
        if not lanes:
            raise NobodyToSend
        flow = Flow(lanes, clicks=clicks, impressions=impressions, start=start, until=until, random=random)
        staging = {table.name: Staging(table, start.date(), until.date()) for table in TRAFFIC_PARTITIONS}
        loaded = write(flow, staging, progress)
        unseal(start.date(), until.date())
        lock_alone(TRAFFIC_PARTITIONS)
        for tables in staging.values():
            tables.take_in()
        count_caps(market.offers.values(), until)
    return loaded


def begin() -> None:
    """One load at a time, of which each statement may take as long as it takes."""
    wait_for_others()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")


def write(flow: Flow, staging: Mapping[str, Staging], progress: Callable[[int], object] | None) -> Loaded:
    """All rows, those of partitioned tables into their staging tables, which have their indexes then."""
    for tables in staging.values():
        tables.create()
    written: Counter[str] = Counter()
    for table, day, rows in ahead(batches(flow), by=AHEAD):
        into = table
        if table in staging:
            staging[table].index_before(day)
            into = staging[table].name_for(day)
        copy(into, COLUMNS[table], rows)
        written[table] += len(rows)
        if progress is not None and table == "traffic_click":
            progress(len(rows))
    for tables in staging.values():
        tables.index_before(date.max)
    return Loaded(written["traffic_click"], written["traffic_impression"], written["traffic_conversion"])


def batches(flow: Flow) -> Iterator[tuple[str, date, list[bytes]]]:
    """Lines of one table and month, many at a time: the table, a day of the month, and the lines."""
    waiting: defaultdict[str, list[bytes]] = defaultdict(list)
    day = flow.start.date()
    for hour, lines in flow.hours():
        if Span.MONTH.start_of(hour.date()) != Span.MONTH.start_of(day):
            for table in list(waiting):
                yield table, day, waiting.pop(table)
        day = hour.date()
        for table, more in lines.by_table().items():
            waiting[table] += more
            if len(waiting[table]) >= ROWS:
                yield table, day, waiting.pop(table)
    for table, rest in waiting.items():
        yield table, day, rest


def ahead(items: Iterator[Item], *, by: int) -> Iterator[Item]:
    """The same items, of which so many are made while one is used."""
    with short_turns(), ThreadPoolExecutor(1) as thread:
        coming = deque(thread.submit(next, items, None) for _ in range(by))
        try:
            while (item := coming.popleft().result()) is not None:
                coming.append(thread.submit(next, items, None))
                yield item
        finally:
            thread.shutdown(cancel_futures=True)


def copy(table: str, columns: Sequence[str], lines: list[bytes]) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(sql.Identifier(table), names)
    with connection.cursor() as cursor, cursor.copy(statement) as rows:
        rows.write(b"".join((SIGNATURE, *lines, END)))


@contextlib.contextmanager
def short_turns() -> Iterator[None]:
    """Who makes rows leaves the interpreter after 50 µs to who sends them. They need it for a moment each time the
    socket has taken a fifth of a megabyte, and with Python's own 5 ms PostgreSQL waited for them.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.00005)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


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
