"""The rows of System Status as pages show them, from the checks that the worker has made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from django.db import connection
from django.db.models import Count

from apilog.models import LoggedCall, outcome_name
from portal.status.judgement import State, is_fresh, worst
from portal.status.models import Check
from portal.status.probes import PROBES, Probe
from portal.web.ids import first_id_at

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
CELL = timedelta(minutes=30)
CELLS = DAY // CELL


@dataclass(frozen=True)
class Cell:
    """A piece of a row's last 24 hours."""

    starts_at: datetime
    state: State

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + CELL


@dataclass(frozen=True)
class Stretch:
    """Cells of one state on end."""

    state: State
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Speed:
    """One percentile in words, now and usually; "" where there is none."""

    name: str
    now: str = ""
    usual: str = ""


def spoken_ms(milliseconds: float | None) -> str:
    if milliseconds is None:
        return ""
    if milliseconds < 10:
        return f"{milliseconds:.1f} ms"
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


@dataclass(frozen=True)
class Row:
    """One line of System Status."""

    probe: Probe
    check: Check | None
    state: State
    is_fresh: bool = False
    cells: tuple[Cell, ...] = ()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is known because nothing happened, and not because nobody looked."""
        return self.is_fresh and self.state is State.UNKNOWN

    @property
    def reason(self) -> str:
        """Why the state is what it is, where the figures beside it do not say so."""
        if self.check is None:
            return "Not checked yet"
        if self.state is State.UNKNOWN:
            return self.probe.quiet if self.is_quiet else "Not checked for a while"
        return self.check.outage

    @property
    def speeds(self) -> list[Speed]:
        """Both percentiles now and as they usually are; nothing now once the figures are old."""
        if self.check is None:
            return [Speed("p50"), Speed("p95")]
        check, now = self.check, self.is_fresh
        return [
            Speed("p50", spoken_ms(check.p50_ms if now else None), spoken_ms(check.usual_p50_ms)),
            Speed("p95", spoken_ms(check.p95_ms if now else None), spoken_ms(check.usual_p95_ms)),
        ]

    @property
    def warning(self) -> str:
        return self.check.warning if self.check else ""

    @property
    def note(self) -> str:
        """Nothing once the figures are old: it is of that moment."""
        return self.check.note if self.check and self.is_fresh else ""

    @property
    def stretches(self) -> list[Stretch]:
        """The last 24 hours for whoever hears them: what differs from cell to cell, and nothing else."""
        found = []
        for state, cells in groupby(self.cells, key=lambda cell: cell.state):
            together = list(cells)
            found.append(Stretch(state, together[0].starts_at, together[-1].ends_at))
        return found


def rows_at(now: datetime, *, with_past: bool = True) -> list[Row]:
    """Every probe's row, in two queries for any number of probes; without the last 24 hours in one."""
    newest = newest_checks()
    pasts = cells_before(now) if with_past else {}
    rows = []
    for probe in PROBES:
        check = newest.get(probe.slug)
        fresh = check is not None and is_fresh(check.measured_at, now=now, interval=probe.interval)
        state = check.standing.state_at(now, interval=probe.interval) if check else State.UNKNOWN
        rows.append(Row(probe, check, state, fresh, pasts.get(probe.slug, ())))
    return rows


def newest_checks() -> dict[str, Check]:
    # One look into the index for each, however many checks there are.
    found = Check.objects.raw(
        "SELECT newest.* FROM unnest(%s::text[]) AS wanted (slug) CROSS JOIN LATERAL"
        " (SELECT * FROM status_check WHERE probe = slug ORDER BY measured_at DESC LIMIT 1) AS newest",
        [[probe.slug for probe in PROBES]],
    )
    return {check.probe: check for check in found}


def cells_before(now: datetime) -> dict[str, tuple[Cell, ...]]:
    start = now - DAY
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT probe, extract(epoch FROM measured_at - %s)::int / %s, state, count(*) FROM status_check"
            " WHERE measured_at >= %s AND measured_at < %s GROUP BY 1, 2, 3",
            [start, CELL.seconds, start, now],
        )
        found: dict[str, dict[int, Counter[str]]] = {}
        for probe, number, state, count in cursor.fetchall():
            found.setdefault(probe, {}).setdefault(min(number, CELLS - 1), Counter())[state] += count
    return {
        probe.slug: tuple(
            Cell(start + number * CELL, state_of_cell(found.get(probe.slug, {}).get(number, Counter()), probe))
            for number in range(CELLS)
        )
        for probe in PROBES
    }


def state_of_cell(counted: Counter[str], probe: Probe) -> State:
    """The worst that was seen; Operational only if that was known for half of the time."""
    for state in (State.OUTAGE, State.SLOW):
        if counted[state]:
            return state
    return State.OPERATIONAL if counted[State.OPERATIONAL] >= CELL / probe.interval / 2 else State.UNKNOWN


@dataclass(frozen=True)
class OutcomeCount:
    outcome: str
    calls: int

    @property
    def name(self) -> str:
        return outcome_name(self.outcome)


def outcomes_since(moment: datetime, *, partner_id: int | None = None) -> list[OutcomeCount]:
    """How the calls since then ended, the most frequent first; those of one partner when there is one."""
    calls = LoggedCall.objects.all() if partner_id is None else LoggedCall.objects.about_partner(partner_id)
    counted = (
        calls.filter(id__gte=first_id_at(moment))
        .order_by()
        .values("outcome")
        .annotate(calls=Count("id"))
        .values_list("outcome", "calls")
    )
    return [OutcomeCount(*pair) for pair in sorted(counted, key=lambda pair: (-pair[1], pair[0]))]


@dataclass(frozen=True)
class PublicRow:
    """What everyone may know of a row."""

    slug: str
    name: str
    state: State
    checked_at: datetime | None
    interval: timedelta
    is_quiet: bool = False


def public_rows(rows: Iterable[Row]) -> Iterator[PublicRow]:
    for row in rows:
        probe, check = row.probe, row.check
        checked_at = check.measured_at if check else None
        yield PublicRow(probe.slug, probe.name, row.state, checked_at, probe.interval, row.is_quiet)


@dataclass(frozen=True)
class Overview:
    """The states alone, as they were known at a moment. ``trouble`` says why the database could not be asked."""

    as_of: datetime | None
    rows: tuple[PublicRow, ...]
    trouble: str = ""

    @property
    def state(self) -> State:
        """The worst of the rows. One that is merely quiet, as an API is at night, troubles nobody."""
        return worst([row.state for row in self.rows if not row.is_quiet])

    @property
    def headline(self) -> str:
        return {
            State.OPERATIONAL: "No trouble known" if any(row.is_quiet for row in self.rows) else "Everything works",
            State.SLOW: "Some things are slow",
            State.OUTAGE: "Something is out of order",
            State.UNKNOWN: "Not everything is known",
        }[self.state]
