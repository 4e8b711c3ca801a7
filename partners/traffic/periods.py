"""From when to when somebody asks: dates and times in a time zone, as calls name them (wire.md sections 1, 3 to 5).

The one reader of ``from``, ``to`` and ``timezone_id``, for conversions, clicks and reports alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from portal.network.models import Network
from portal.network.timezones import BY_ID, BY_NAME

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
YEAR_DAYS = 366
FIRST_YEAR, LAST_YEAR = 2000, 2100

NUMBER = re.compile(r"\d{1,18}", re.ASCII)
MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}:\d{2}))?", re.ASCII)


class NoSuchPeriod(Exception):
    """The message is a sentence for the client that names the field."""


@dataclass(frozen=True, slots=True)
class Period:
    """From ``start`` on, until before ``end``, both as instants; and the zone they were meant in."""

    start: datetime
    end: datetime
    zone: ZoneInfo

    @classmethod
    def asked(cls, first: str, last: str, timezone_id: int | str | None, *, most_days: int = YEAR_DAYS) -> Period:
        """The period of a call's ``from``, ``to`` and ``timezone_id`` (None: the network's).

        ``to`` belongs to it: the whole day of a date, the second of a time. Where clocks are set back, ``from`` means
        the first of the two moments of its name and ``to`` the second; where they are set forward, a moment that is
        skipped means the one at which they are. Its length is measured on the clock: a change of clocks makes no
        fortnight longer.

        :raises NoSuchPeriod: when one cannot be read, they are in the wrong order, or too far apart
        """
        zone = zone_of(timezone_id)
        start, _ = moment_in(first, "from")
        end, is_day = moment_in(last, "to")
        if end < start:
            raise NoSuchPeriod(f"to: {last[:40]} is before from, which is {first[:40]}")
        if end + (DAY if is_day else SECOND) - start > timedelta(days=most_days):
            span = "a year" if most_days == YEAR_DAYS else f"{most_days} days"
            raise NoSuchPeriod(f"to: at most {span} can be asked for at once")
        after = instant(end + DAY, zone) if is_day else instant(end, zone, latest=True) + SECOND
        return cls(instant(start, zone), after, zone)

    @classmethod
    def of_days(cls, first: date, last: date, zone: ZoneInfo) -> Period:
        """Both days and all between them."""
        end = datetime.combine(last, time.min) + DAY
        return cls(instant(datetime.combine(first, time.min), zone), instant(end, zone), zone)


def zone_of(timezone_id: int | str | None) -> ZoneInfo:
    """Some clients write numbers as texts.

    :raises NoSuchPeriod: when there is no such time zone
    """
    if timezone_id is None:
        return BY_NAME[Network.load().timezone].zone
    if isinstance(timezone_id, str):
        if not NUMBER.fullmatch(timezone_id):
            raise NoSuchPeriod(f"timezone_id: {timezone_id[:40]} is not a number")
        timezone_id = int(timezone_id)
    if timezone_id not in BY_ID:
        raise NoSuchPeriod(f"timezone_id: {timezone_id} is not one; /v1/meta/timezones has them all")
    return BY_ID[timezone_id].zone


def moment_in(text: str, field: str) -> tuple[datetime, bool]:
    """What a clock shows then, and whether only the day was said.

    :raises NoSuchPeriod: when the text says neither, or a day that no calendar has
    """
    found = MOMENT.fullmatch(text.strip())
    try:
        moment = datetime.fromisoformat(f"{found[1]} {found[2] or '00:00:00'}") if found else None
    except ValueError:
        moment = None
    if found is None or moment is None:
        raise NoSuchPeriod(f"{field}: {text[:40]} is no date; it is written 2026-05-31 or 2026-05-31 23:59:59")
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise NoSuchPeriod(f"{field}: {text[:40]} is out of range; years are {FIRST_YEAR} to {LAST_YEAR}")
    return moment, found[2] is None


def instant(clock: datetime, zone: ZoneInfo, *, latest: bool = False) -> datetime:
    """When a clock in the zone shows that, the first time or the last; for what it skips, when it is set forward."""
    first, last = (clock.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first <= last:
        return last if latest else first
    # The clock is set forward somewhere between the two.
    before, after = last, first
    offset = after.astimezone(zone).utcoffset()
    while after - before > SECOND:
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after
