"""Rollups: sums of clicks and impressions, kept ready for days that are over and that nobody has touched since.

A sealed day's sums are exactly those of its rows, whoever writes meanwhile; ADR 14 says why that cannot go wrong. It
rests on two rules:

1. Who writes a row of an earlier day than today takes the day's lock, shared, until the end of the transaction, and
   deletes its seal. Triggers do, so nobody can forget to (migrations/0002).
2. Who seals a day has its lock alone, and first waits until every transaction has ended that may have written rows of
   the day while it still was today, without a lock.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import OperationalError, connection, models, transaction
from django.utils.timezone import now

from partners.reporting.models import DailySums, DailySumsByPlace, DailySumsBySub, Day, HourlySums
from partners.traffic.models import Click, Impression
from portal.web.ids import first_id_at, moment_of

# A day is looked at this long after its end: a clock that is set back by less cannot make it today again.
SETTLES_IN = timedelta(hours=1)
ONE_DAY = timedelta(days=1)
# Sealing waits for those who are writing into the day, and whoever writes next waits for it: not for long.
LOCK_TIMEOUT = "3s"


@dataclass(frozen=True, slots=True)
class Rollup:
    """A table of sums by partner, offer and span, and by what else it knows of the rows."""

    model: type[models.Model]
    knows: tuple[str, ...] = ()
    is_hourly: bool = False

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    def covers(self, needed: set[str]) -> bool:
        return needed <= {"partner_id", "offer_id", *self.knows}


HOURLY = Rollup(HourlySums, is_hourly=True)
# The smallest that covers a report answers it, so they are in that order.
DAILY = (
    Rollup(DailySums),
    Rollup(DailySumsByPlace, knows=("country_code", "device_type")),
    Rollup(DailySumsBySub, knows=("sub1",)),
)
ROLLUPS = (HOURLY, *DAILY)

FROM_ROWS = """
INSERT INTO {table} (partner_id, began_at, offer_id, {knows} valid, uniques, invalid, impressions,
                     payout, revenue, redirected_payout, redirected_revenue)
SELECT partner_id, began_at, offer_id, {knows} sum(valid), sum(uniques), sum(invalid), sum(impressions),
       sum(payout), sum(revenue), sum(redirected_payout), sum(redirected_revenue)
FROM (
    SELECT partner_id, date_bin('{span}', at, %(start)s) AS began_at, offer_id, {knows}
           count(*) FILTER (WHERE error_code = 0) AS valid,
           count(*) FILTER (WHERE error_code = 0 AND is_unique) AS uniques,
           count(*) FILTER (WHERE error_code <> 0) AS invalid, 0 AS impressions,
           sum(payout) AS payout, sum(revenue) AS revenue,
           coalesce(sum(payout) FILTER (WHERE redirected_from IS NOT NULL), 0) AS redirected_payout,
           coalesce(sum(revenue) FILTER (WHERE redirected_from IS NOT NULL), 0) AS redirected_revenue
    FROM traffic_click
    WHERE id >= %(first_id)s AND id < %(end_id)s AND at >= %(start)s AND at < %(end)s
    GROUP BY {groups}
    UNION ALL
    SELECT partner_id, date_bin('{span}', at, %(start)s), offer_id, {knows} 0, 0, 0, count(*),
           sum(payout), sum(revenue), 0, 0
    FROM traffic_impression
    WHERE id >= %(first_id)s AND id < %(end_id)s AND at >= %(start)s AND at < %(end)s
    GROUP BY {groups}
) AS visits
GROUP BY {groups} ORDER BY {groups}
"""


def sealed_days(start: datetime, end: datetime) -> set[date]:
    """The sealed days that have a part between two moments, as this transaction sees them."""
    first, last = start.astimezone(UTC).date(), end.astimezone(UTC).date()
    return set(Day.objects.filter(day__range=(first, last), sealed_at__isnull=False).values_list("day", flat=True))


def keep_up(moment: datetime) -> list[date]:
    """Seals every day that is over and can be sealed, and answers which those were; the newest first."""
    first = oldest_day()
    if first is None:
        return []
    last = (moment - SETTLES_IN).astimezone(UTC).date() - ONE_DAY
    note_horizons(first, last)
    waiting = Day.objects.filter(sealed_at=None, day__range=(first, last)).order_by("-day")
    return [day for day in waiting.values_list("day", flat=True) if seal(day)]


def oldest_day() -> date | None:
    """The day of the oldest click or impression; None while there is none."""
    kinds = (Click, Impression)
    oldest = [kind._default_manager.order_by("id").values_list("id", flat=True).first() for kind in kinds]
    moments = [moment_of(found) for found in oldest if found is not None]
    return min(moments).astimezone(UTC).date() if moments else None


def note_horizons(first: date, last: date) -> None:
    """Notes, for each day that is new here, which transactions have to have ended before it can be sealed.

    Those with a lower number than this one's own, which it is given now: whoever has written a row of these days
    without taking their lock did so before they ended, and had a number then. (A snapshot's xmax would not do: a
    transaction that still runs may have a higher one.)
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO reporting_day (day, horizon) "
            "SELECT day::date, pg_current_xact_id()::text::bigint "
            "FROM generate_series(%s::date, %s::date, interval '1 day') AS day ON CONFLICT DO NOTHING",
            [first, last],
        )


def seal(day: date) -> bool:
    """Works out the rollups of a day and seals it, or answers False when it has to wait."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('lock_timeout', %s, true), set_config('work_mem', '64MB', true)", [LOCK_TIMEOUT]
            )
            cursor.execute("SELECT pg_advisory_xact_lock(reporting_lock_of(%s))", [day])
            # A statement of its own: what it sees, and what those after it see, is what was committed once it had the
            # lock.
            cursor.execute(
                "SELECT 1 FROM reporting_day WHERE day = %s AND sealed_at IS NULL "
                "AND horizon <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint",
                [day],
            )
            if cursor.fetchone() is None:
                return False
            work_out(day)
    except OperationalError:
        # Somebody is writing into the day; the next run tries again.
        return False
    return True


def unseal(first: date, last: date) -> None:
    """Breaks the seals of these days before many rows are written into them, instead of at the first row of each: the
    triggers then have nothing to do for any of them, and rows that come as a whole partition need none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reporting_unseal(day::date) FROM generate_series(%s::date, %s::date, interval '1 day') AS day",
            [first, last],
        )


def work_out(day: date) -> None:
    """Fills the rollups with a day's sums and seals it; nobody may write into it meanwhile."""
    for rollup in ROLLUPS:
        fill(rollup, datetime.combine(day, time(), tzinfo=UTC))
    Day.objects.filter(day=day).update(sealed_at=now())


def fill(rollup: Rollup, start: datetime) -> None:
    end = start + ONE_DAY
    times: dict[str, Any] = {"start": start, "end": end, "first_id": first_id_at(start), "end_id": first_id_at(end)}
    groups = ", ".join(str(n + 1) for n in range(3 + len(rollup.knows)))
    statement = FROM_ROWS.format(
        table=rollup.table,
        knows="".join(f"{name}, " for name in rollup.knows),
        span="1 hour" if rollup.is_hourly else "1 day",
        groups=groups,
    )
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {rollup.table} WHERE began_at >= %(start)s AND began_at < %(end)s", times)  # noqa: S608
        cursor.execute(statement, times)


@transaction.atomic
def forget() -> None:
    """Breaks every seal and empties the rollups; reports are answered from the rows until days are sealed again."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE reporting_day, {', '.join(rollup.table for rollup in ROLLUPS)}")


@dataclass(frozen=True, slots=True)
class Stretch:
    """A half-open range of time that is read from one table: a rollup's, or the rows' own."""

    start: datetime
    end: datetime
    rollup: Rollup | None = None


# More of them than this would be as many scans of the rows; one over all of it is better then.
MOST_STRETCHES_OF_ROWS = 4


def stretches(
    start: datetime, end: datetime, needed: set[str], marks: Sequence[datetime], sealed: Set[date]
) -> list[Stretch]:
    """How to read a range: what a rollup can answer from the smallest that can, the rest from the rows.

    ``needed``: the columns of the rows that the report is about. ``marks``: where its buckets of time begin; a rollup's
    spans must not lie across one.
    """
    inside = [mark for mark in marks if start < mark < end]
    daily = next((rollup for rollup in DAILY if rollup.covers(needed)), None) if all(map(on_a_day, inside)) else None
    hourly = HOURLY if HOURLY.covers(needed) and all(map(on_an_hour, inside)) else None
    found: list[Stretch] = []
    begun = start
    while begun < end:
        midnight = datetime.combine(begun.astimezone(UTC).date(), time(), tzinfo=UTC)
        ended = min(midnight + ONE_DAY, end)
        rollup = None
        if midnight.date() in sealed:
            if ended - begun == ONE_DAY:
                rollup = daily or hourly
            elif on_an_hour(begun) and on_an_hour(ended):
                rollup = hourly
        if found and found[-1].rollup is rollup:
            found[-1] = Stretch(found[-1].start, ended, rollup)
        else:
            found.append(Stretch(begun, ended, rollup))
        begun = ended
    if sum(stretch.rollup is None for stretch in found) > MOST_STRETCHES_OF_ROWS:
        return [Stretch(start, end)]
    return found


def on_a_day(moment: datetime) -> bool:
    return moment.timestamp() % 86_400 == 0


def on_an_hour(moment: datetime) -> bool:
    return moment.timestamp() % 3600 == 0
