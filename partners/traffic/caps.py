"""How much of an offer's caps is taken: counted exactly, whoever clicks or reports at the same moment.

A cap counts from when it is set: an offer without any is not counted, because all its clicks would then queue for one
row. What would go beyond a cap is refused, so no span ever comes to more than its cap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
from django.db import connection

SPANS = ("daily", "weekly", "monthly", "global")
# When the span began that never ends.
FIRST_DAY = date(1970, 1, 1)
NOTHING = Decimal(0)

Key = tuple[int, str, date]


def beginnings(day: date) -> dict[str, date]:
    """When each span began that the day lies in. Weeks begin on Monday."""
    return {
        "daily": day,
        "weekly": day - timedelta(days=day.weekday()),
        "monthly": day.replace(day=1),
        "global": FIRST_DAY,
    }


@dataclass(frozen=True, slots=True)
class Caps:
    """An offer's caps by span, in the order of ``SPANS``; 0: as much as comes. All empty for one without caps."""

    clicks: Sequence[int | Decimal]
    conversions: Sequence[int | Decimal]
    payout: Sequence[Decimal]

    @classmethod
    def of(cls, offer: object) -> Caps:
        clicks, conversions, payout = (
            tuple(getattr(offer, f"{span}_{what}_cap") for span in SPANS) for what in ("click", "conversion", "payout")
        )
        return cls(clicks, conversions, payout)

    def __bool__(self) -> bool:
        return any(self.clicks) or any(self.conversions) or any(self.payout)


@dataclass(slots=True)
class Count:
    clicks: int = 0
    conversions: int = 0
    payout: Decimal = NOTHING


# Makes the rows that are missing, and locks all of them until the transaction ends; in one order for everybody, so
# that nobody waits for somebody who waits for them.
LOCK = """
INSERT INTO traffic_capcount AS counted (offer_id, span, began_on, clicks, conversions, payout)
SELECT offer_id, span, began_on, 0, 0, 0
FROM unnest(%s::bigint[], %s::text[], %s::date[]) AS asked (offer_id, span, began_on)
ORDER BY offer_id, span, began_on
ON CONFLICT (offer_id, span, began_on) DO UPDATE SET clicks = counted.clicks
RETURNING offer_id, span, began_on, clicks, conversions, payout
"""
ADD = """
UPDATE traffic_capcount AS counted
SET clicks = counted.clicks + more.clicks,
    -- What is given back may have been taken before the cap was set, when nobody counted.
    conversions = GREATEST(0, counted.conversions + more.conversions),
    payout = GREATEST(0, counted.payout + more.payout)
FROM unnest(%s::bigint[], %s::text[], %s::date[], %s::bigint[], %s::bigint[], %s::numeric[])
    AS more (offer_id, span, began_on, clicks, conversions, payout)
WHERE counted.offer_id = more.offer_id AND counted.span = more.span AND counted.began_on = more.began_on
"""


class Rooms:
    """What is left under the caps of some offers, on some days. Their rows are locked until the transaction ends."""

    def __init__(self, caps: Mapping[int, Caps], asked: Iterable[tuple[int, date]]) -> None:
        self._caps = caps
        self._keys = {
            (offer_id, day): [(offer_id, span, began) for span, began in beginnings(day).items()]
            for offer_id, day in asked
            if caps.get(offer_id)
        }
        self._counts: dict[Key, Count] = {}
        self._added: defaultdict[Key, Count] = defaultdict(Count)
        if keys := {key for each in self._keys.values() for key in each}:
            rows = run(LOCK, [list(column) for column in zip(*keys, strict=True)])
            self._counts = {(row[0], row[1], row[2]): Count(*row[3:]) for row in rows}

    def has_click(self, offer_id: int, day: date) -> bool:
        return all(not cap or count.clicks < cap for cap, count in self._each("clicks", offer_id, day))

    def has_conversion(self, offer_id: int, day: date) -> bool:
        return all(not cap or count.conversions < cap for cap, count in self._each("conversions", offer_id, day))

    def has_payout(self, offer_id: int, day: date, due: Decimal) -> bool:
        """Whether ``due`` can be paid; when nothing is due, whether anything could."""
        return all(
            not cap or (count.payout + due <= cap if due else count.payout < cap)
            for cap, count in self._each("payout", offer_id, day)
        )

    def take(
        self, offer_id: int, day: date, *, clicks: int = 0, conversions: int = 0, payout: Decimal = NOTHING
    ) -> None:
        for key in self._keys.get((offer_id, day), ()):
            for count in (self._counts[key], self._added[key]):
                count.clicks += clicks
                count.conversions += conversions
                count.payout += payout

    def write(self) -> None:
        if self._added:
            rows = [(*key, count.clicks, count.conversions, count.payout) for key, count in self._added.items()]
            run(ADD, [list(column) for column in zip(*rows, strict=True)])

    def _each(self, what: str, offer_id: int, day: date) -> Iterable[tuple[Decimal, Count]]:
        keys = self._keys.get((offer_id, day))
        if keys is None:
            return ()
        return zip(getattr(self._caps[offer_id], what), (self._counts[key] for key in keys), strict=True)


def array_of(values: Iterable[object]) -> str:
    """Numbers, ids and moments as the array that PostgreSQL reads; psycopg takes ten times as long to write one."""
    return f"{{{','.join(map(str, values))}}}"


def run(statement: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
    """Runs a statement that is prepared on the server, on Django's connection and in its transaction."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement.encode(), parameters, prepare=True)
        # Asking for the description would make an object of each column.
        return cursor.fetchall() if cursor.pgresult is not None and cursor.pgresult.nfields else []
