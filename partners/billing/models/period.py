"""The days that an invoice is for."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days in a time zone, the first and the last included."""

    starts_on: date
    ends_on: date
    timezone: str

    @classmethod
    def month(cls, day: date, timezone: str) -> Period:
        """The month that ``day`` is in."""
        _, length = monthrange(day.year, day.month)
        return cls(day.replace(day=1), day.replace(day=length), timezone)

    @classmethod
    def month_before(cls, day: date, timezone: str) -> Period:
        return cls.month(day.replace(day=1) - DAY, timezone)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def start(self) -> datetime:
        return datetime.combine(self.starts_on, time.min, tzinfo=self.zone)

    @property
    def end(self) -> datetime:
        """The first moment that is no longer in it."""
        return datetime.combine(self.ends_on + DAY, time.min, tzinfo=self.zone)

    @property
    def is_whole_month(self) -> bool:
        return self == Period.month(self.starts_on, self.timezone)

    def __str__(self) -> str:
        """As people read it: "October 2026", "3 Oct 2026", "3 – 17 Oct 2026"."""
        first, last = self.starts_on, self.ends_on
        if self.is_whole_month:
            return f"{first:%B %Y}"
        end = f"{last.day} {last:%b %Y}"
        if first == last:
            return end
        if (first.year, first.month) == (last.year, last.month):
            return f"{first.day} – {end}"
        return f"{first.day} {first:%b}{f' {first.year}' * (first.year != last.year)} – {end}"
