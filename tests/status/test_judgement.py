from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.status.judgement import (
    Evidence,
    Figures,
    Sign,
    Standing,
    State,
    Window,
    evidence_of,
    worst,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

GOOD, SLOW, OUT = Evidence(Sign.GOOD), Evidence(Sign.SLOW), Evidence(Sign.OUTAGE)
SLOW_AT_ONCE = Evidence(Sign.SLOW, Sign.SLOW)
OUT_AT_ONCE = Evidence(Sign.OUTAGE, Sign.OUTAGE)
NOTHING_NEW, QUIET = Evidence(None), None
LETTERS = {"g": GOOD, "s": SLOW, "o": OUT, "S": SLOW_AT_ONCE, "O": OUT_AT_ONCE, "-": NOTHING_NEW, "?": QUIET}
STATES = {State.OPERATIONAL: "g", State.SLOW: "s", State.OUTAGE: "o", State.UNKNOWN: "?"}


def told(story: str) -> str:
    """The state after each probe of a story, one a minute."""
    standing, states = Standing(), ""
    for minute, letter in enumerate(story):
        standing = standing.after(LETTERS[letter], at=NOON + minute * MINUTE, interval=MINUTE)
        states += STATES[standing.state]
    return states


@pytest.mark.parametrize(
    ("found", "states"),
    [
        ("g", "g"),
        # Three slow probes in a row, not two; two good ones in a row, not one.
        ("gssg", "gggg"),
        ("gsss", "gggs"),
        ("gsssg", "gggss"),
        ("gsssgg", "gggssg"),
        ("gsssgsgg", "gggssssg"),
        ("sgssgs", "gggggg"),
        # What many calls say needs no repetition, but its end does.
        ("gS", "gs"),
        ("gSgg", "gssg"),
        ("gSgSgg", "gssssg"),
        ("gO", "go"),
        ("gOgg", "goog"),
        # An outage seen by few calls.
        ("gooo", "gggo"),
        ("googo", "ggggg"),
        # Two bad and a slow one are three that were not good, but no outage.
        ("goos", "gggs"),
        ("gsso", "gggs"),
        # After an outage it is slow first when it answers slowly.
        ("gOss", "goos"),
        ("gOssgg", "goossg"),
        ("gOsg", "goos"),
        ("gSo", "gss"),
        ("gSooo", "gssso"),
        ("gSO", "gso"),
        # Nothing new changes nothing, and does not break a row of signs.
        ("gs-s-s", "gggggs"),
        ("gS-g-g", "gssssg"),
        ("-", "?"),
        # Nothing at all to judge by is Unknown at once, and what was before is over.
        ("g?", "g?"),
        ("gO?g", "go?g"),
        ("gss?s", "ggg?g"),
        ("?-g", "??g"),
    ],
)
def test_a_story_of_probes_and_the_state_after_each(found: str, states: str) -> None:
    assert told(found) == states


def test_after_a_gap_the_past_counts_no_more() -> None:
    slow = Standing(State.SLOW, slow_run=3, outage_run=-2, at=NOON)

    before, after = (
        slow.after(GOOD, at=NOON + gap, interval=MINUTE).state for gap in (3 * MINUTE, 3 * MINUTE + MINUTE / 60)
    )

    assert (before, after) == (State.SLOW, State.OPERATIONAL)


@pytest.mark.parametrize(
    ("age", "state"),
    [
        (timedelta(0), State.OPERATIONAL),
        (3 * MINUTE, State.OPERATIONAL),
        (3 * MINUTE + timedelta(microseconds=1), State.UNKNOWN),
        (timedelta(days=3), State.UNKNOWN),
    ],
)
def test_figures_older_than_three_intervals_are_never_green(age: timedelta, state: State) -> None:
    standing = Standing(State.OPERATIONAL, -2, -2, NOON)

    assert standing.state_at(NOON + age, interval=MINUTE) is state


def test_what_was_never_probed_is_unknown() -> None:
    assert Standing().state_at(NOON, interval=MINUTE) is State.UNKNOWN


def calls(answered: int, *, errors: int = 0, p95_ms: float | None = 10, timed: int | None = None) -> Window:
    timed = answered if timed is None else timed
    return Window(answered, errors, timed, p95_ms, p95_ms if timed else None)


NO_CALLS = Window()


@pytest.mark.parametrize(
    ("figures", "evidence"),
    [
        (Figures(calls(20), calls(4)), GOOD),
        # Slow needs more than the threshold, and 20 samples to need no repetition.
        (Figures(calls(20, p95_ms=100), calls(4, p95_ms=100)), GOOD),
        (Figures(calls(20, p95_ms=100.1), calls(4)), SLOW_AT_ONCE),
        (Figures(calls(19, p95_ms=500), calls(4)), GOOD),
        (Figures(calls(19), calls(4, p95_ms=101)), SLOW),
        # One error of twenty is an outage at once, one of twenty-one is not; of few it must be seen again.
        (Figures(calls(20, errors=1), calls(4)), OUT_AT_ONCE),
        (Figures(calls(21, errors=1), calls(4, errors=1)), GOOD),
        (Figures(calls(19, errors=19), calls(4)), GOOD),
        (Figures(calls(19), calls(4, errors=1)), OUT),
        # Few errors beside much slowness: slow at once, and perhaps an outage soon.
        (Figures(calls(40, errors=1, p95_ms=500), calls(4)), SLOW_AT_ONCE),
        # Refusals are answers: nothing was timed, and all is well.
        (Figures(calls(400, timed=0), calls(80, timed=0)), GOOD),
        # A slow call among many refusals is judged with the few that were let through.
        (Figures(calls(400, timed=19, p95_ms=900), calls(80, timed=3, p95_ms=900)), SLOW),
        # Nothing since the last probe says nothing new; nothing in all the time says nothing.
        (Figures(calls(4, p95_ms=900, errors=4), NO_CALLS), NOTHING_NEW),
        (Figures(NO_CALLS, NO_CALLS), QUIET),
        # Some things are an outage whatever was counted.
        (Figures(NO_CALLS, NO_CALLS, outage="gone"), OUT_AT_ONCE),
        # A warning changes no state.
        (Figures(calls(20), calls(4), warning="soon"), GOOD),
    ],
)
def test_what_figures_speak_for(figures: Figures, evidence: Evidence | None) -> None:
    assert evidence_of(figures, threshold_ms=100) == evidence


def test_a_windows_percentiles_are_of_the_readings_themselves() -> None:
    few = Window.of_readings([5.0, 1.0, 4.0, 2.0, 3.0])
    many = Window.of_readings([float(n) for n in range(1, 101)])

    assert (few.answered, few.timed, few.errors, few.p50_ms, few.p95_ms) == (5, 5, 0, 3.0, 5.0)
    assert (many.p50_ms, many.p95_ms) == (50.0, 95.0)


@pytest.mark.parametrize(
    ("states", "together"),
    [
        ([], State.UNKNOWN),
        ([State.OPERATIONAL], State.OPERATIONAL),
        ([State.OPERATIONAL, State.UNKNOWN], State.UNKNOWN),
        ([State.UNKNOWN, State.SLOW, State.OPERATIONAL], State.SLOW),
        ([State.SLOW, State.OUTAGE, State.UNKNOWN], State.OUTAGE),
    ],
)
def test_the_state_of_all_is_the_worst_of_them(states: list[State], together: State) -> None:
    assert worst(states) is together


stories = st.text(alphabet="gsoSO-?", max_size=40)


def naive(story: str) -> str:
    """The rules read off the whole story each time, without keeping anything."""
    state = "?"
    since = 0
    states = ""
    for here, letter in enumerate(story):
        if letter == "?":
            state, since = "?", here + 1
        elif letter != "-":
            # Signs since all was unknown, newest first.
            signs = [sign for sign in reversed(story[since : here + 1]) if sign != "-"]
            slow = raised(signs, "soSO", at_once=letter in "SO", was=state in ("s", "o"))
            out = raised(signs, "oO", at_once=letter == "O", was=state == "o")
            state = "o" if out else "s" if slow else "g"
        states += state
    return states


def raised(signs: list[str], bad: str, *, at_once: bool, was: bool) -> bool:
    if at_once:
        return True
    if was:
        return any(sign in bad for sign in signs[:2])
    return len(signs) >= 3 and all(sign in bad for sign in signs[:3])


@given(stories)
def test_every_story_goes_as_the_rules_read(story: str) -> None:
    assert told(story) == naive(story)


@given(stories)
def test_two_good_probes_end_every_trouble(story: str) -> None:
    assert told(story + "gg")[-1] == "g"


@given(stories)
def test_worse_evidence_never_makes_a_better_state(story: str) -> None:
    order = "gso"
    better = story.replace("?", "-")
    worse = better.replace("g", "s")

    for at_best, at_worst in zip(told(better), told(worse), strict=True):
        assert (at_best == "?") == (at_worst == "?")
        assert at_best == "?" or order.index(at_best) <= order.index(at_worst)


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500), st.floats(0, 10_000))
def test_without_an_error_of_ours_nothing_is_an_outage(answered: int, timed: int, latest: int, p95_ms: float) -> None:
    timed = min(answered, timed)
    window = calls(answered, timed=timed, p95_ms=p95_ms)
    figures = Figures(window, calls(min(latest, answered), timed=min(latest, timed), p95_ms=p95_ms))

    evidence = evidence_of(figures, threshold_ms=100)

    assert evidence is None or evidence.sign is not Sign.OUTAGE
