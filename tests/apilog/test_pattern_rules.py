from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from apilog.patterns.rules import (
    RULES,
    Finding,
    History,
    Kind,
    LimitBurst,
    NewAction,
    NewHour,
    NewNetwork,
    RefusedAgain,
    Sighting,
    Unused,
    in_ranges,
)

END = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
NEVER_BEFORE = [
    (NewNetwork(), Kind.NETWORK, "198.51.100.0/24"),
    (NewAction(), Kind.ACTION, "list_offers"),
    (NewHour(), Kind.HOUR, "03"),
]


def seen(calls: int = 40, *, since: timedelta = 30 * DAY, until: timedelta = MINUTE) -> Sighting:
    """So many calls, the first and the last so long ago."""
    return Sighting(calls, END - since, END - until)


def news(calls: int = 5, *, since: timedelta = HOUR) -> Sighting:
    return seen(calls, since=since)


def history(**other: Any) -> History:
    """A key that has worked for a month, by day, from one network, with one action; ``habits`` adds to that."""
    habits = {
        Kind.ACTION: {"read_network": seen()},
        Kind.HOUR: {f"{hour:02}": seen() for hour in range(8, 18)},
        Kind.NETWORK: {"203.0.113.0/24": seen()},
    }
    for kind, values in other.pop("habits", {}).items():
        habits[kind] = habits.get(kind, {}) | values
    known: dict[str, Any] = {"end": END, "created_at": END - 200 * DAY, "last_used_at": END, "habits": habits}
    return History(**known | other)


def young(kind: Kind, value: str) -> History:
    """A key that was issued a week ago, and does something for the first time."""
    recent = seen(since=7 * DAY)
    known = {Kind.ACTION: {"read_network": recent}, Kind.HOUR: {"09": recent}, Kind.NETWORK: {"203.0.113.0/24": recent}}
    known[kind] = known[kind] | {value: news()}
    return History(end=END, created_at=END - 7 * DAY, last_used_at=END, habits=known)


def refusals(*, ago: timedelta = 20 * MINUTE, counts: tuple[int, ...] = (40, 35)) -> dict[datetime, int]:
    """Counts of refusals in ten minutes each, the first of them so long ago."""
    return {END - ago + index * 10 * MINUTE: count for index, count in enumerate(counts)}


def test_a_key_that_does_what_it_always_does_is_not_unusual() -> None:
    assert [rule.name for rule in RULES if rule.look(history()) is not None] == []


def test_a_network_from_which_the_key_never_was_used_is_unusual() -> None:
    found = NewNetwork().look(history(habits={Kind.NETWORK: {"198.51.100.0/24": news(), "2001:db8:7::/48": news(1)}}))

    assert found == Finding("It is used from 203.0.113.0/24.", {"198.51.100.0/24": news(), "2001:db8:7::/48": news(1)})


def test_an_action_that_the_key_never_called_is_unusual() -> None:
    found = NewAction().look(history(habits={Kind.ACTION: {"list_offers": news(1)}}))

    assert found == Finding("It calls “Read network”.", {"list_offers": news(1)})


def test_an_hour_in_which_the_key_never_was_used_is_unusual() -> None:
    found = NewHour().look(history(habits={Kind.HOUR: {"03": news(2), "04": news(1)}}))

    assert found == Finding("It is used between 08:00–18:00.", {"03": news(2), "04": news(1)})


@pytest.mark.parametrize(("rule", "kind", "value"), NEVER_BEFORE)
def test_what_was_never_before_is_learnt_first_and_news_for_a_day(rule, kind: Kind, value: str) -> None:
    few = History(
        end=END,
        created_at=END - 200 * DAY,
        habits={each: {"01": seen(5)} for each in (Kind.ACTION, Kind.HOUR, Kind.NETWORK)} | {kind: {value: news()}},
    )

    assert rule.look(young(kind, value)) is None
    assert rule.look(few) is None
    assert rule.look(history(habits={kind: {value: news(since=23 * HOUR)}})) is not None
    assert rule.look(history(habits={kind: {value: news(since=25 * HOUR)}})) is None


@pytest.mark.parametrize(("rule", "kind", "value"), NEVER_BEFORE)
def test_a_pattern_that_is_open_goes_on_being_unusual(rule, kind: Kind, value: str) -> None:
    for_days = history(habits={kind: {value: news(700, since=3 * DAY)}}, watched={rule.name: {value}})

    found = rule.look(for_days)

    assert found is not None
    assert found.seen == {value: news(700, since=3 * DAY)}


def test_a_key_without_a_usual_place_cannot_leave_it() -> None:
    roaming = {f"198.51.{number}.0/24": seen() for number in range(NewNetwork.MOST_USUAL)}

    assert NewNetwork().look(history(habits={Kind.NETWORK: roaming | {"192.0.2.0/24": news()}})) is None


def test_a_key_that_calls_everything_cannot_surprise_with_an_action() -> None:
    everything = {f"action_{number}": seen() for number in range(NewAction.MOST_USUAL)}

    assert NewAction().look(history(habits={Kind.ACTION: everything | {"list_offers": news()}})) is None


@pytest.mark.parametrize("hour", ["07", "18"])
def test_the_hours_next_to_the_usual_ones_are_usual(hour: str) -> None:
    assert NewHour().look(history(habits={Kind.HOUR: {hour: news(20)}})) is None


def test_midnight_is_next_to_the_last_hour_of_the_day() -> None:
    at_night = history(habits={Kind.HOUR: {"23": seen(), "00": news(20)}})

    assert NewHour().look(at_night) is None


def test_a_single_call_at_night_is_nothing() -> None:
    assert NewHour().look(history(habits={Kind.HOUR: {"03": news(NewHour.CALLS - 1)}})) is None


def test_usual_hours_are_told_in_the_networks_time() -> None:
    found = NewHour().look(history(habits={Kind.HOUR: {"03": news()}}, zone=ZoneInfo("Asia/Kolkata")))

    assert found is not None
    assert found.usual == "It is used between 13:30–23:30."


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (["08"], "08:00–09:00"),
        (["22", "23", "00", "01"], "22:00–02:00"),
        (["01", "08", "09", "20"], "01:00–02:00, 08:00–10:00 and 20:00–21:00"),
        ([f"{hour:02}" for hour in range(24)], "00:00–24:00"),
    ],
)
def test_hours_that_adjoin_are_one_range(hours: list[str], words: str) -> None:
    assert in_ranges(hours, UTC, END) == words


def test_many_refusals_for_the_rate_are_a_burst() -> None:
    found = LimitBurst().look(history(refusals=refusals()))

    start = END - 20 * MINUTE
    assert found == Finding("No refusal in the 7 days before.", {start.isoformat(): Sighting(75, start, END)})


@pytest.mark.parametrize(
    "found_refusals",
    [
        refusals(counts=(LimitBurst.REFUSALS - 1, LimitBurst.REFUSALS - 1)),
        refusals(ago=20 * MINUTE) | refusals(ago=3 * DAY, counts=(20,)),
        refusals(ago=2 * HOUR),
        {},
    ],
    ids=["too few", "three times as many as usual are not reached", "over for long", "none"],
)
def test_refusals_for_the_rate_that_are_no_burst(found_refusals: dict[datetime, int]) -> None:
    assert LimitBurst().look(history(refusals=found_refusals)) is None


def test_a_burst_is_measured_against_the_days_before() -> None:
    found = LimitBurst().look(history(refusals=refusals() | refusals(ago=3 * DAY, counts=(13, 4))))

    assert found is not None
    assert found.usual == "At most 13 refusals in ten minutes in the 7 days before."


def test_a_burst_goes_on_while_its_pauses_are_short() -> None:
    start = END - 3 * HOUR
    long = {start: 50, start + HOUR: 2, start + 2 * HOUR: 1, start + 3 * HOUR - 10 * MINUTE: 4}

    found = LimitBurst().look(history(refusals=long))

    assert found is not None
    assert found.seen == {start.isoformat(): Sighting(57, start, END)}


def test_a_key_that_is_refused_again_and_again_is_unusual() -> None:
    sources = {"revoked_key 203.0.113.0/24": news(7), "ip_denied 198.51.100.0/24": news(3, since=40 * HOUR)}

    found = RefusedAgain().look(history(habits={Kind.REFUSED: sources}))

    assert found is not None
    assert found.seen == sources


@pytest.mark.parametrize(
    "refused",
    [{"revoked_key 203.0.113.0/24": news(9)}, {"ip_denied 203.0.113.0/24": seen(500, until=49 * HOUR)}],
    ids=["a few times", "days ago"],
)
def test_a_key_that_was_refused_is_not_yet_unusual(refused: dict[str, Sighting]) -> None:
    assert RefusedAgain().look(history(habits={Kind.REFUSED: refused})) is None


def test_refusals_need_no_learning() -> None:
    only_refused = History(
        end=END, created_at=END - DAY, is_live=False, habits={Kind.REFUSED: {"revoked_key nowhere": news(12)}}
    )

    assert RefusedAgain().look(only_refused) is not None


@pytest.mark.parametrize(
    ("subjects", "sentence"),
    [
        (["revoked_key 203.0.113.0/24"], "revoked"),
        (["ip_denied 203.0.113.0/24", "ip_denied 192.0.2.0/24"], "allowlist"),
        (["ip_denied 203.0.113.0/24", "revoked_key 192.0.2.0/24"], "revoked, and something goes on"),
    ],
)
def test_what_is_refused_is_told_by_why(subjects: list[str], sentence: str) -> None:
    assert sentence in RefusedAgain().happened(subjects)


def test_a_live_key_unused_for_ninety_days_is_unusual() -> None:
    since = END - 90 * DAY

    used = Unused().look(History(end=END, created_at=END - 400 * DAY, last_used_at=since))
    never = Unused().look(History(end=END, created_at=since))

    assert used == Finding("It was used until 17 Mar 2026.", {since.isoformat(): Sighting(0, since, since)})
    assert never is not None
    assert never.usual == "It was never used; it was issued on 17 Mar 2026."


@pytest.mark.parametrize(
    "key",
    [
        {"created_at": END - 400 * DAY, "last_used_at": END - 89 * DAY},
        {"created_at": END - 89 * DAY},
        {"created_at": END - 400 * DAY, "is_live": False},
    ],
    ids=["used since", "young", "revoked"],
)
def test_a_key_that_need_not_be_looked_after(key: dict[str, Any]) -> None:
    assert Unused().look(History(end=END, **key)) is None


def test_every_rule_says_what_happened_and_where_its_calls_are() -> None:
    subjects = {
        "new_network": ("203.0.113.0/24", "203.0.113.0/24", {"ip": "203.0.113.0/24"}),
        "new_action": ("read_network", "“Read network”", {"action": "read_network"}),
        "new_hour": ("03", "03:00–04:00", {}),
        "limit_burst": (END.isoformat(), "", {"outcome": "rate_limited"}),
        "refused_again": (
            "ip_denied 2001:db8::/48",
            "2001:db8::/48",
            {"outcome": "ip_denied", "ip": "2001:db8::/48"},
        ),
        "unused": (END.isoformat(), "", {}),
    }

    assert {rule.name for rule in RULES} == subjects.keys()
    for rule in RULES:
        subject, words, filter_fields = subjects[rule.name]
        assert rule.title
        assert rule.happened([subject])
        assert (rule.in_words(subject, UTC), rule.calls_of(subject)) == (words, filter_fields)
