"""Calls over time by what became of them, drawn without counting them one by one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import QuerySet

from apilog.models import TallyMark
from apilog.search import Search, fetch_all
from apilog.tallies import DAY, HOUR, MINUTE, SPANS, SPANS_BY_KEY, TEN_MINUTES, ceiling, floor
from keys.gate import Outcome

WIDTHS = (
    *(1, 5, 10, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, TEN_MINUTES, 30 * MINUTE),
    *(HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 30 * DAY, 90 * DAY),
)
MOST_BARS = 62
# Calls that no tally counts are counted from the log, the newest first and no more than these.
MOST_COUNTED = 100_000


class OutcomeClass(StrEnum):
    """What became of a call, coarse enough to see at a glance."""

    OK = "ok"
    REFUSED = "refused"
    LIMITED = "limited"
    ERROR = "error"

    @classmethod
    def of(cls, outcome: str) -> OutcomeClass:
        return CLASS_OF.get(outcome, OutcomeClass.REFUSED)

    @property
    def label(self) -> str:
        return {"ok": "OK", "refused": "Refused (4xx)", "limited": "Rate limited", "error": "Error"}[self.value]


CLASS_OF: dict[str, OutcomeClass] = {
    Outcome.OK: OutcomeClass.OK,
    Outcome.RATE_LIMITED: OutcomeClass.LIMITED,
    Outcome.ERROR: OutcomeClass.ERROR,
}


@dataclass(frozen=True)
class Bar:
    """The calls of one stretch of the range."""

    start: datetime
    end: datetime
    calls: Counter[OutcomeClass]

    @property
    def total(self) -> int:
        return self.calls.total()


@dataclass(frozen=True)
class Histogram:
    """``gap`` is a stretch in which there were too many calls to count them all."""

    bars: list[Bar]
    width: timedelta
    gap: tuple[datetime, datetime] | None = None

    @property
    def calls(self) -> Counter[OutcomeClass]:
        return sum((bar.calls for bar in self.bars), Counter())

    @property
    def total(self) -> int:
        return self.calls.total()

    @property
    def highest(self) -> int:
        return max((bar.total for bar in self.bars), default=0)


def histogram_of(search: Search) -> Histogram:
    """The calls of the search in at most MOST_BARS bars; the time it takes does not grow with their number.

    :raises apilog.search.SearchTooLong: when the filters together read too much of the log
    """
    seconds = (search.end - search.start).total_seconds()
    width = next((width for width in WIDTHS if seconds / width <= MOST_BARS - 2), WIDTHS[-1])
    counts: defaultdict[datetime, Counter[OutcomeClass]] = defaultdict(Counter)
    gap = None
    for piece in pieces_of(search, width):
        rows = tallied(search, piece, width) if piece.span else counted(search, piece, width)
        for began_at, outcome, calls in rows:
            counts[began_at][OutcomeClass.of(outcome)] += calls
        if not piece.span and sum(calls for _, _, calls in rows) == MOST_COUNTED:
            gap = piece.start, min(began_at for began_at, _, _ in rows)
    bars = []
    start = floor(search.start, width)
    while start < search.end:
        end = start + timedelta(seconds=width)
        bars.append(Bar(start, end, counts[start]))
        start = end
    return Histogram(bars, timedelta(seconds=width), gap)


@dataclass(frozen=True)
class Piece:
    """A stretch of the range and the tallies that count it; span 0 is the log itself."""

    start: datetime
    end: datetime
    span: int


def pieces_of(search: Search, width: int) -> Iterator[Piece]:
    """The range cut into stretches that the longest fitting tallies count, and edges for shorter ones or the log."""
    if search.tallies() is None:
        yield Piece(search.start, search.end, 0)
        return
    marks = dict(TallyMark.objects.values_list("span", "through_at"))
    spans = SPANS_BY_KEY if search.is_of_one_owner else SPANS
    usable = [(span, marks[span]) for span in reversed(spans) if span <= width and span in marks]
    yield from cut(search.start, search.end, usable)


def cut(start: datetime, end: datetime, usable: list[tuple[int, datetime]]) -> Iterator[Piece]:
    if start >= end:
        return
    if not usable:
        yield Piece(start, end, 0)
        return
    (span, through_at), shorter = usable[0], usable[1:]
    first, last = ceiling(start, span), min(floor(end, span), through_at)
    if first >= last:
        yield from cut(start, end, shorter)
        return
    yield from cut(start, first, shorter)
    yield Piece(first, last, span)
    yield from cut(last, end, shorter)


Row = tuple[datetime, str, int]


def tallied(search: Search, piece: Piece, width: int) -> list[Row]:
    tallies = search.tallies()
    assert tallies is not None
    during = tallies.filter(span=piece.span, began_at__gte=piece.start, began_at__lt=piece.end)
    return add_up(during.values_list("began_at", "outcome", "calls"), "began_at", "sum(calls)::bigint", width)


def counted(search: Search, piece: Piece, width: int) -> list[Row]:
    newest = search.within(piece.start, piece.end).calls().newest_first()[:MOST_COUNTED]
    return add_up(newest.values_list("received_at", "outcome"), "received_at", "count(*)", width, clamp_to=piece)


def add_up(
    rows: QuerySet[Any, Any], moment: str, measure: str, width: int, *, clamp_to: Piece | None = None
) -> list[Row]:
    """The rows by bar and outcome. In SQL, because the ORM cannot group what it has limited."""
    sql, parameters = rows.query.sql_with_params()
    if clamp_to is not None:
        # A call's id can be a millisecond off its received_at, and must not stand in a bar outside the range for it.
        moment = f"greatest('{clamp_to.start.isoformat()}', {moment})"
    statement = f"""
        SELECT date_bin('{width} seconds', {moment}, '1970-01-01 00:00+00') AS bar, outcome, {measure}
        FROM ({sql}) AS counted GROUP BY 1, 2
    """  # noqa: S608
    return fetch_all(statement, parameters)


@dataclass(frozen=True)
class Segment:
    """One colour of a bar, in the drawing's own units: y from the top, out of HEIGHT."""

    outcome_class: OutcomeClass
    y: float
    height: float


@dataclass(frozen=True)
class DrawnBar:
    bar: Bar
    x: int
    url: str
    segments: list[Segment]
    counts: list[int]


@dataclass(frozen=True)
class Drawing:
    """A histogram as the template puts it into SVG."""

    bars: list[DrawnBar]
    width: int
    height: int
    classes: list[tuple[OutcomeClass, str, int]]


BAR_WIDTH, HEIGHT = 10, 100
# What most calls are stands at the bottom, what is rare and matters on top of it.
STACKED = (OutcomeClass.OK, OutcomeClass.REFUSED, OutcomeClass.LIMITED, OutcomeClass.ERROR)
# A single error among millions still shows.
LEAST_HEIGHT = 2.0


def draw(histogram: Histogram, url_of: Callable[[Bar], str]) -> Drawing:
    scale = (HEIGHT - LEAST_HEIGHT * len(STACKED)) / (histogram.highest or 1)
    bars = [
        DrawnBar(bar, place * BAR_WIDTH, url_of(bar), segments_of(bar, scale), [bar.calls[one] for one in STACKED])
        for place, bar in enumerate(histogram.bars)
    ]
    calls = histogram.calls
    return Drawing(bars, len(bars) * BAR_WIDTH, HEIGHT, [(one, one.label, calls[one]) for one in STACKED])


def segments_of(bar: Bar, scale: float) -> list[Segment]:
    segments = []
    top = float(HEIGHT)
    for one in STACKED:
        if calls := bar.calls[one]:
            height = round(max(calls * scale, LEAST_HEIGHT), 2)
            top = round(top - height, 2)
            segments.append(Segment(one, top, height))
    return segments
