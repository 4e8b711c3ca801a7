from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apilog import histogram, tallies
from apilog.histogram import MOST_BARS, OutcomeClass, cut, histogram_of
from apilog.models import LoggedCall, Tally, TallyMark
from apilog.search import Search
from keys.gate import Outcome
from keys.models import Key
from partners.models import Partner
from tests.apilog.conftest import Log
from tests.conftest import SETUP

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def busy_day(acme: Partner, log: Log) -> list[Key]:
    """300 calls of two keys and of nobody, at odd moments of the day that ends at NOON."""
    chance = random.Random(4)
    keys = [Key.issue(partner=acme, label=label, by=SETUP)[0] for label in ("One", "Two")]
    for _ in range(300):
        log(
            chance.choice([*keys, None]),
            at=NOON - timedelta(seconds=chance.random() * 86_400),
            outcome=chance.choice([Outcome.OK, Outcome.OK, Outcome.NO_KEY, Outcome.RATE_LIMITED, Outcome.ERROR]),
            action=chance.choice(["read_network", "list_affiliates"]),
        )
    return keys


def by_hand(search: Search) -> list[Counter[OutcomeClass]]:
    """The bars, counted from the log one by one."""
    bars = histogram_of(search).bars
    calls = list(search.calls())
    return [
        Counter(OutcomeClass.of(call.outcome) for call in calls if bar.start <= call.received_at < bar.end)
        for bar in bars
    ]


RANGES = {
    "a day": (NOON - timedelta(days=1), NOON),
    "an hour": (NOON - timedelta(hours=1), NOON),
    "odd edges": (NOON - timedelta(hours=17, minutes=13, seconds=7), NOON - timedelta(minutes=3, seconds=11)),
    "a week": (NOON - timedelta(days=7), NOON + timedelta(minutes=1)),
    "a moment": (NOON - timedelta(seconds=40), NOON),
}


@pytest.mark.parametrize("kept_up_to", [None, timedelta(0), timedelta(hours=5, minutes=7)])
@pytest.mark.parametrize("range_of_time", RANGES)
def test_the_histogram_is_the_same_with_tallies_and_without(
    busy_day: list[Key], range_of_time: str, kept_up_to: timedelta | None
) -> None:
    if kept_up_to is not None:
        tallies.keep_up(NOON - kept_up_to)
    start, end = RANGES[range_of_time]

    for filters in ({}, {"key_id": busy_day[0].pk}, {"partner_id": busy_day[0].partner_id}, {"action": "read_network"}):
        search = Search(start, end, **filters)
        assert [bar.calls for bar in histogram_of(search).bars] == by_hand(search)
        assert histogram_of(search).total == search.calls().count()


def test_a_long_range_is_drawn_without_reading_its_calls(busy_day: list[Key]) -> None:
    tallies.keep_up(NOON + timedelta(hours=2))

    with CaptureQueriesContext(connection) as queries:
        found = histogram_of(Search(NOON - timedelta(days=1), NOON))

    assert found.total == 300
    assert not [query for query in queries.captured_queries if "apilog_call" in query["sql"]]


def test_keeping_up_twice_counts_nothing_twice(busy_day: list[Key], log: Log) -> None:
    tallies.keep_up(NOON)
    before = Tally.objects.count()

    tallies.keep_up(NOON)

    assert Tally.objects.count() == before


def test_a_minute_is_tallied_once_it_has_settled(log: Log) -> None:
    log(at=NOON)
    log(at=NOON + timedelta(seconds=59))

    tallies.keep_up(NOON + timedelta(minutes=2, seconds=59))
    assert not Tally.objects.filter(began_at__gte=NOON).exists()
    tallies.keep_up(NOON + timedelta(minutes=3))

    assert list(Tally.objects.filter(span=60).values_list("began_at", "calls")) == [(NOON, 2)]


def test_every_span_adds_up_to_the_same(busy_day: list[Key]) -> None:
    tallies.keep_up(NOON + timedelta(hours=2))

    def total(*, span: int, by_key: bool) -> int:
        return sum(Tally.objects.filter(span=span, key_id__isnull=not by_key).values_list("calls", flat=True))

    with_key = LoggedCall.objects.exclude(key_id=None).count()
    assert [total(span=span, by_key=False) for span in (60, 600, 3600)] == [300, 300, 300]
    assert [total(span=span, by_key=True) for span in (60, 600, 3600)] == [0, with_key, with_key]


def test_an_empty_log_is_kept_up_with_too() -> None:
    tallies.keep_up(timezone.now())

    assert not TallyMark.objects.exists()


def test_more_calls_than_are_worth_counting_are_said_to_be_missing(
    busy_day: list[Key], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histogram, "MOST_COUNTED", 100)

    found = histogram_of(Search(NOON - timedelta(days=1), NOON))

    assert found.total == 100
    assert found.gap is not None
    assert found.gap[0] == NOON - timedelta(days=1)
    assert NOON - timedelta(days=1) < found.gap[1] < NOON


@given(
    start=st.integers(0, 200_000),
    length=st.integers(1, 700_000),
    marks=st.tuples(*[st.integers(0, 900_000)] * 3),
    longest=st.sampled_from([0, 1, 2, 3]),
)
def test_a_range_is_cut_without_gaps_or_overlaps(
    start: int, length: int, marks: tuple[int, int, int], longest: int
) -> None:
    epoch = datetime(2026, 1, 1, tzinfo=UTC)
    spans = tallies.SPANS[::-1][3 - longest :]
    usable = [(span, tallies.floor(epoch + timedelta(seconds=mark), span)) for span, mark in zip(spans, marks)]  # noqa: B905
    first, last = epoch + timedelta(seconds=start), epoch + timedelta(seconds=start + length)

    pieces = list(cut(first, last, usable))

    assert [piece.start for piece in pieces] == [first, *(piece.end for piece in pieces[:-1])]
    assert pieces[-1].end == last
    for piece in pieces:
        assert piece.start < piece.end
        if piece.span:
            assert piece.end <= dict(usable)[piece.span]
            assert tallies.floor(piece.start, piece.span) == piece.start
            assert tallies.floor(piece.end, piece.span) == piece.end


@pytest.mark.parametrize("days", [0.001, 0.04, 1, 7, 30, 90, 365, 3650])
def test_any_range_has_a_readable_number_of_bars(days: float) -> None:
    found = histogram_of(Search(NOON - timedelta(days=days), NOON))

    assert 10 <= len(found.bars) <= MOST_BARS


@pytest.mark.parametrize(
    ("constraint", "values"),
    [
        ("tally_has_a_span", {"span": 0, "calls": 1}),
        ("tally_counts_calls", {"span": 60, "calls": 0}),
        ("tally_of_a_partner_names_its_key", {"span": 60, "calls": 1, "partner_id": 1}),
    ],
)
def test_the_database_refuses_a_tally_that_makes_no_sense(constraint: str, values: dict[str, int]) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Tally.objects.create(began_at=NOON, status=200, outcome="ok", **values)
