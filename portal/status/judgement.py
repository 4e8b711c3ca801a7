"""From figures to a state: when a row of System Status is slow, when it is out, and when it is back.

Nothing here reads a clock, a database or a setting, so every rule can be tried on made-up figures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Self

# Fewer than this say too little about a percentile or a share to change a state by themselves.
ENOUGH = 20
# One failed call of a thousand is a bug to mend; one of twenty is an outage.
OUTAGE_SHARE = 0.05
IN_A_ROW = 3
BACK_AFTER = 2
# Older than so many intervals of its probe, a figure says nothing about now.
STALE_AFTER = 3


class State(StrEnum):
    OPERATIONAL = "operational"
    SLOW = "slow"
    OUTAGE = "outage"
    UNKNOWN = "unknown"

    @property
    def label(self) -> str:
        return self.value.capitalize()


class Sign(IntEnum):
    """What one probe speaks for; the higher is the worse."""

    GOOD = 0
    SLOW = 1
    OUTAGE = 2


@dataclass(frozen=True, slots=True)
class Window:
    """What happened in a span of time. ``answered`` counts everything that got an answer, refusals too; only what
    was really done is timed. ``errors`` are our own failures and never a refusal."""

    answered: int = 0
    errors: int = 0
    timed: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None

    @classmethod
    def of_readings(cls, readings_ms: list[float]) -> Self:
        """The window of a few readings that a probe took itself."""
        ranked = sorted(readings_ms)
        return cls(
            answered=len(ranked),
            timed=len(ranked),
            p50_ms=ranked[(len(ranked) - 1) // 2],
            p95_ms=ranked[-1 - len(ranked) // ENOUGH],
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """What a probe measured: in the last five minutes, and in the part of them since it last ran.

    ``outage`` says why the row is out whatever the windows hold; ``warning`` says what to see to before it is; ``note``
    what else is worth knowing, and changes no state.
    """

    window: Window = Window()
    latest: Window = Window()
    outage: str = ""
    warning: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What figures speak for. ``sign`` is None when they hold nothing new; ``settled`` is the worst sign that needs no
    repetition."""

    sign: Sign | None
    settled: Sign = Sign.GOOD


def evidence_of(figures: Figures, *, threshold_ms: float) -> Evidence | None:
    """None when nothing happened at all: there is nothing to judge by."""
    if figures.outage:
        return Evidence(Sign.OUTAGE, Sign.OUTAGE)
    if not figures.window.answered:
        return None
    # Few calls are judged by those since the last probe alone: else one bad call, seen by five probes, would count
    # as five.
    by_errors = figures.window if figures.window.answered >= ENOUGH else figures.latest
    by_speed = figures.window if figures.window.timed >= ENOUGH else figures.latest
    signs: dict[Sign, bool] = {}
    if by_errors.answered:
        is_out = by_errors.errors / by_errors.answered >= OUTAGE_SHARE
        signs[Sign.OUTAGE if is_out else Sign.GOOD] = by_errors is figures.window
    if by_speed.timed and by_speed.p95_ms is not None and by_speed.p95_ms > threshold_ms:
        signs[Sign.SLOW] = by_speed is figures.window
    settled = [sign for sign, is_settled in signs.items() if is_settled]
    return Evidence(max(signs, default=None), max(settled, default=Sign.GOOD))


@dataclass(frozen=True, slots=True)
class Standing:
    """A row's state after a probe, with how many signs in a row were at least so bad (positive) or better
    (negative)."""

    state: State = State.UNKNOWN
    slow_run: int = 0
    outage_run: int = 0
    at: datetime | None = None

    def after(self, evidence: Evidence | None, *, at: datetime, interval: timedelta) -> Standing:
        """The standing when a probe at ``at`` has found that."""
        if evidence is None:
            return Standing(at=at)
        # After a gap the past is no guide: what was slow an hour ago need not be waited for now.
        before = self if is_fresh(self.at, now=at, interval=interval) else Standing()
        if evidence.sign is None:
            return replace(before, at=at)
        slow_run = run(before.slow_run, is_hit=evidence.sign >= Sign.SLOW)
        outage_run = run(before.outage_run, is_hit=evidence.sign >= Sign.OUTAGE)
        was_out, was_slow = before.state is State.OUTAGE, before.state in (State.SLOW, State.OUTAGE)
        state = State.OPERATIONAL
        if is_raised(was_slow, slow_run, at_once=evidence.settled >= Sign.SLOW):
            state = State.SLOW
        if is_raised(was_out, outage_run, at_once=evidence.settled >= Sign.OUTAGE):
            state = State.OUTAGE
        return Standing(state, slow_run, outage_run, at)

    def state_at(self, now: datetime, *, interval: timedelta) -> State:
        """The state as it can be told at that moment: Unknown once the figures are old."""
        return self.state if is_fresh(self.at, now=now, interval=interval) else State.UNKNOWN


def is_fresh(at: datetime | None, *, now: datetime, interval: timedelta) -> bool:
    return at is not None and now - at <= STALE_AFTER * interval


def run(before: int, *, is_hit: bool) -> int:
    # Longer runs than the rules ask for need no counting.
    if is_hit:
        return min(before + 1, IN_A_ROW) if before > 0 else 1
    return max(before - 1, -BACK_AFTER) if before < 0 else -1


def is_raised(was_raised: bool, run: int, *, at_once: bool) -> bool:
    return at_once or (run > -BACK_AFTER if was_raised else run >= IN_A_ROW)


def worst(states: list[State]) -> State:
    """The state of all of them together: an outage anywhere, else what is slow, else what nobody knows."""
    for state in (State.OUTAGE, State.SLOW, State.UNKNOWN):
        if state in states:
            return state
    return State.OPERATIONAL if states else State.UNKNOWN
