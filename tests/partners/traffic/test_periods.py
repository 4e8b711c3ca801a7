from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partners.traffic.periods import NoSuchPeriod, Period, instant
from portal.network.models import Network
from portal.network.timezones import BY_ID
from tests.conftest import SETUP

NEW_YORK, UTC_ID, SANTIAGO = 80, 67, 217
# After the day that Samoa has left out.
FIRST, LAST = datetime.fromisoformat("2012-01-01"), datetime.fromisoformat("2100-12-30")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("first", "last", "zone", "start", "end"),
    [
        ("2026-05-01", "2026-05-01", UTC_ID, "2026-05-01 00:00", "2026-05-02 00:00"),
        ("2026-05-01 10:00:00", "2026-05-01 10:00:00", UTC_ID, "2026-05-01 10:00:00", "2026-05-01 10:00:01"),
        ("2026-05-01T10:00:00", "2026-05-02", NEW_YORK, "2026-05-01 14:00", "2026-05-03 04:00"),
        # A day of 23 hours, and one of 25.
        ("2026-03-08", "2026-03-08", NEW_YORK, "2026-03-08 05:00", "2026-03-09 04:00"),
        ("2026-11-01", "2026-11-01", NEW_YORK, "2026-11-01 04:00", "2026-11-02 05:00"),
        # An hour that comes twice belongs to it as a whole; one that is skipped is the moment of the change.
        ("2026-11-01 01:00:00", "2026-11-01 01:59:59", NEW_YORK, "2026-11-01 05:00", "2026-11-01 07:00"),
        ("2026-03-08 02:30:00", "2026-03-08 03:59:59", NEW_YORK, "2026-03-08 07:00", "2026-03-08 08:00"),
        # A day that begins at one o'clock.
        ("2026-09-06", "2026-09-06", SANTIAGO, "2026-09-06 04:00", "2026-09-07 03:00"),
    ],
)
def test_dates_are_read_in_their_time_zone(first: str, last: str, zone: int, start: str, end: str) -> None:
    period = Period.asked(first, last, zone)

    assert (period.start, period.end) == (at(start), at(end))


@pytest.mark.django_db
def test_without_a_time_zone_it_is_the_networks(network: Network) -> None:
    network.change(by=SETUP, timezone="America/New_York")

    period = Period.asked("2026-05-01", "2026-05-01", None)

    assert (period.start, period.zone) == (at("2026-05-01 04:00"), ZoneInfo("America/New_York"))


@pytest.mark.parametrize(
    ("first", "last", "zone", "said"),
    [
        ("2026-05-02", "2026-05-01", UTC_ID, "is before from"),
        ("2025-05-01", "2026-05-02", UTC_ID, "to: at most a year"),
        ("2026-02-30", "2026-05-02", UTC_ID, "from: 2026-02-30 is no date"),
        ("2026-05-01", "tomorrow", UTC_ID, "to: tomorrow is no date"),
        ("2026-05-01", "2026-05-01 24:00:00", UTC_ID, "to: "),
        ("２026-05-01", "2026-05-01", UTC_ID, "from: "),
        ("0001-01-01", "2026-05-01", UTC_ID, "from: 0001-01-01 is out of range"),
        ("2026-05-01", "9999-12-31", UTC_ID, "to: 9999-12-31 is out of range"),
        ("2026-05-01", "2026-05-01", 66, "timezone_id: 66 is not one"),
    ],
)
def test_what_is_no_period_is_refused_by_the_name_of_its_field(first: str, last: str, zone: int, said: str) -> None:
    with pytest.raises(NoSuchPeriod, match=said):
        Period.asked(first, last, zone)


def test_a_fortnight_is_one_on_the_clock_whether_it_is_changed_or_not() -> None:
    for first, last in [("2026-10-25", "2026-11-07"), ("2026-03-01 00:00:00", "2026-03-14 23:59:59")]:
        Period.asked(first, last, NEW_YORK, most_days=14)

    with pytest.raises(NoSuchPeriod, match="at most 14 days"):
        Period.asked("2026-10-25", "2026-11-08", NEW_YORK, most_days=14)


@given(st.dates(FIRST.date(), LAST.date()), st.sampled_from(sorted(BY_ID)))
def test_days_follow_one_another_without_a_gap_in_every_time_zone(day: date, timezone_id: int) -> None:
    zone = BY_ID[timezone_id].zone

    today, tomorrow = Period.of_days(day, day, zone), Period.of_days(day + timedelta(1), day + timedelta(1), zone)

    assert today.end == tomorrow.start
    assert today.start.astimezone(zone).date() == day
    assert (today.end - timedelta(seconds=1)).astimezone(zone).date() == day


@given(st.datetimes(FIRST, LAST), st.sampled_from(sorted(BY_ID)))
def test_what_a_clock_shows_is_found_again(moment: datetime, timezone_id: int) -> None:
    zone = BY_ID[timezone_id].zone
    moment = moment.replace(microsecond=0)

    found = {instant(moment, zone), instant(moment, zone, latest=True)}

    assert all(one.astimezone(zone).replace(tzinfo=None) >= moment for one in found)
    shown = {one.astimezone(zone).replace(tzinfo=None) for one in found}
    assert len(shown) == 1 or len(found) == 2
