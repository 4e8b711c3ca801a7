"""Stretches of time as a time zone counts them: its hours, days, weeks, months and years.

They are worked out here, once, and the database is told where each begins. So there is one answer to what an hour is
when the clock is set back, whatever the database's own time zones say.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def beginning_of(day: date, zone: ZoneInfo) -> datetime:
    """The moment a day begins: its first midnight, or the moment the clock jumped over it."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def buckets(unit: str, start: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
    """The beginnings of all buckets that have a part between ``start`` and ``end``, in order, in UTC.

    Half-open, as everything: a bucket lasts until the next one begins. A day is 23 to 25 hours long, a week begins on
    Monday. The hour that is repeated when the clock is set back is two buckets, one for each offset.
    """
    if unit == "hour":
        return list(hours(start.astimezone(UTC), end, zone))
    beginnings = [beginning_of(day, zone) for day in DAYS[unit](start.astimezone(zone).date(), end, zone)]
    # What lies before the start's own bucket, and days that a zone has skipped altogether.
    first = max(bisect_right(beginnings, start) - 1, 0)
    return sorted({beginning for beginning in beginnings[first:] if beginning < end})


def hours(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    moment = hour_of(start, zone)
    while moment < end:
        yield moment
        moment = after_hour(moment, zone)


def hour_of(moment: datetime, zone: ZoneInfo) -> datetime:
    """The beginning of the hour that the moment is in, or the change of offset in that hour before it."""
    local = moment.astimezone(zone)
    beginning = moment - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    return beginning if offset(beginning, zone) == local.utcoffset() else change_between(beginning, moment, zone)


def after_hour(moment: datetime, zone: ZoneInfo) -> datetime:
    local = moment.astimezone(zone)
    following = moment + HOUR - timedelta(minutes=local.minute, seconds=local.second)
    last = following - SECOND
    return following if offset(last, zone) == local.utcoffset() else change_between(moment, last, zone)


def change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first whole second between two moments, of different offsets, that has another offset than the first."""
    old = offset(before, zone)
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if offset(datetime.fromtimestamp(middle, tz=UTC), zone) == old:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, tz=UTC)


def offset(moment: datetime, zone: ZoneInfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()


def days(day: date, end: datetime, zone: ZoneInfo, step: int = 1) -> Iterator[date]:
    # One earlier, for a moment before the day's own beginning: where the clock is set back over midnight there is one.
    day -= timedelta(days=step)
    while beginning_of(day, zone) < end:
        yield day
        day += timedelta(days=step)


def weeks(day: date, end: datetime, zone: ZoneInfo) -> Iterator[date]:
    return days(day - timedelta(days=day.weekday()), end, zone, step=7)


def months(day: date, end: datetime, zone: ZoneInfo) -> Iterator[date]:
    day = (day.replace(day=1) - timedelta(days=1)).replace(day=1)
    while beginning_of(day, zone) < end:
        yield day
        day = (day + timedelta(days=31)).replace(day=1)


def years(day: date, end: datetime, zone: ZoneInfo) -> Iterator[date]:
    day = date(day.year - 1, 1, 1)
    while beginning_of(day, zone) < end:
        yield day
        day = date(day.year + 1, 1, 1)


DAYS: dict[str, Callable[[date, datetime, ZoneInfo], Iterator[date]]] = {
    "date": days,
    "week": weeks,
    "month": months,
    "year": years,
}
