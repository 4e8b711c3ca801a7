"""What is unusual about a key: one small class per rule, each judging a key's history without asking the database.

Where a call came from is told by its network of addresses, an IPv4 /24 or an IPv6 /48: about what one provider gives to
one customer. Countries would need a GeoIP database, and the product has no place to configure one; so networks it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from itertools import pairwise
from typing import Protocol

from keys.gate import Outcome

# A call that got past the key, its realm and its allowlist was made by whoever has the key and may use it.
KEYLESS = frozenset({Outcome.NO_KEY, Outcome.UNKNOWN_KEY})
TURNED_AWAY = KEYLESS | {Outcome.REVOKED_KEY, Outcome.EXPIRED_KEY, Outcome.WRONG_REALM, Outcome.IP_DENIED}
LET_IN = frozenset(Outcome) - TURNED_AWAY
# The refusals that say somebody uses a key who should not, or no longer.
SUSPICIOUS = (Outcome.REVOKED_KEY, Outcome.IP_DENIED)

SLOT = timedelta(minutes=10)
DAY = timedelta(days=1)


class Kind(StrEnum):
    """What is remembered of a key's calls."""

    ACTION = "action"
    HOUR = "hour"
    NETWORK = "network"
    REFUSED = "refused"


@dataclass(frozen=True)
class Sighting:
    """How often a key has done one thing, when first and when last."""

    calls: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class History:
    """What is known of one key at ``end``, the moment up to which its calls have been read.

    ``habits`` holds everything the key did up to then, the newest too; ``refusals`` how many of its calls were refused
    for their rate in each ten minutes of the last days; ``watched`` the subjects of its patterns that are still open.
    """

    end: datetime
    created_at: datetime
    last_used_at: datetime | None = None
    is_live: bool = True
    zone: tzinfo = UTC
    habits: Mapping[Kind, Mapping[str, Sighting]] = field(default_factory=dict)
    refusals: Mapping[datetime, int] = field(default_factory=dict)
    watched: Mapping[str, Collection[str]] = field(default_factory=dict)

    def of(self, kind: Kind) -> Mapping[str, Sighting]:
        return self.habits.get(kind, {})

    @property
    def unused_since(self) -> datetime:
        return self.last_used_at or self.created_at


@dataclass(frozen=True)
class Finding:
    """What a rule noticed: the things it noticed it about, by subject, and what is usual instead."""

    usual: str
    seen: Mapping[str, Sighting]


class Rule(Protocol):
    name: str
    title: str

    def look(self, history: History) -> Finding | None:
        """What is unusual; None when nothing is. The figures are totals, not what was added since the last look."""

    def happened(self, subjects: Collection[str]) -> str:
        """What happened, as a sentence."""

    def in_words(self, subject: str, zone: tzinfo) -> str:
        """The subject as people call it; "" when the sentence says it all."""

    def calls_of(self, subject: str) -> dict[str, str]:
        """The fields of the API Log's filter that show the subject's calls."""


class NeverBefore:
    """A key does something it has never done; for the rules that tell what."""

    # A script that runs once a week has then run at least twice, so what it does is known.
    LEARNING = timedelta(days=14)
    # And of a handful of calls nothing can be learnt, however long ago the first one was.
    LEARNING_CALLS = 30
    # A thing is news for a day. Afterwards it is usual: whoever minds has its open pattern before them.
    NEWS = DAY
    kind: Kind
    name: str

    def has_learnt(self, history: History) -> bool:
        hours = history.of(Kind.HOUR).values()
        return (
            sum(hour.calls for hour in hours) >= self.LEARNING_CALLS
            and min(hour.first_at for hour in hours) <= history.end - self.LEARNING
        )

    def split(self, history: History) -> tuple[dict[str, Sighting], dict[str, Sighting]]:
        """What is usual, and what is not: the news, and what was news when its pattern was found."""
        usual: dict[str, Sighting] = {}
        news: dict[str, Sighting] = {}
        watched = history.watched.get(self.name, ())
        for value, habit in history.of(self.kind).items():
            is_news = habit.first_at > history.end - self.NEWS or value in watched
            (news if is_news else usual)[value] = habit
        return usual, news


class NewNetwork(NeverBefore):
    """A live key is used from a network of addresses from which it never was: moved servers, or a stolen key."""

    name = "new_network"
    title = "New network of addresses"
    kind = Kind.NETWORK
    # Whoever calls from everywhere (a cloud without fixed addresses) has no usual place to deviate from.
    MOST_USUAL = 8

    def look(self, history: History) -> Finding | None:
        usual, news = self.split(history)
        if not news or not 0 < len(usual) <= self.MOST_USUAL or not self.has_learnt(history):
            return None
        return Finding(f"It is used from {listed(sorted(usual))}.", news)

    def happened(self, subjects: Collection[str]) -> str:
        return "It was used from addresses it had never been used from."

    def in_words(self, subject: str, zone: tzinfo) -> str:
        return subject

    def calls_of(self, subject: str) -> dict[str, str]:
        return {"ip": subject}


class NewAction(NeverBefore):
    """A key calls an operation that it never called: a new feature of its program, or somebody looking around."""

    name = "new_action"
    title = "New action"
    kind = Kind.ACTION
    # One of so many tries everything; one more tells nothing.
    MOST_USUAL = 20

    def look(self, history: History) -> Finding | None:
        usual, news = self.split(history)
        if not news or not 0 < len(usual) <= self.MOST_USUAL or not self.has_learnt(history):
            return None
        return Finding(f"It calls {listed([quoted(action) for action in sorted(usual)])}.", news)

    def happened(self, subjects: Collection[str]) -> str:
        return "It called what it had never called."

    def in_words(self, subject: str, zone: tzinfo) -> str:
        return quoted(subject)

    def calls_of(self, subject: str) -> dict[str, str]:
        return {"action": subject}


class NewHour(NeverBefore):
    """A key is used in an hour of the day in which it never was. Hours are UTC's, which no change of clocks moves."""

    name = "new_hour"
    title = "Unusual hour"
    kind = Kind.HOUR
    # One call is somebody who tried something late; a program makes more.
    CALLS = 3
    # A job's start wanders, and where clocks change it moves by an hour: so the hours next to usual ones are usual too.
    NEAR = 1

    def look(self, history: History) -> Finding | None:
        usual, news = self.split(history)
        expected = {(int(hour) + step) % 24 for hour in usual for step in range(-self.NEAR, self.NEAR + 1)}
        news = {hour: habit for hour, habit in news.items() if int(hour) not in expected}
        if not usual or sum(habit.calls for habit in news.values()) < self.CALLS or not self.has_learnt(history):
            return None
        return Finding(f"It is used between {in_ranges(usual, history.zone, history.end)}.", news)

    def happened(self, subjects: Collection[str]) -> str:
        return "It was used at a time of day at which it had never been used."

    def in_words(self, subject: str, zone: tzinfo) -> str:
        return in_ranges([subject], zone, datetime.now(UTC))

    def calls_of(self, subject: str) -> dict[str, str]:
        return {}


class LimitBurst:
    """A key runs into the rate limit far more than it used to: a loop without a pause, or a copy of the program."""

    name = "limit_burst"
    title = "Burst of rate-limit refusals"
    # In ten minutes. A client that waits for Retry-After, as it is told, is refused once a window: ten times with the
    # default of 60 seconds, and a few clients that share a key still stay below.
    REFUSALS = 30
    # What happens every day is a budget that is too small, and no news.
    TIMES_USUAL = 3
    # Refusals with a shorter pause than this belong to one burst.
    PAUSE = timedelta(hours=1)
    USUAL_DAYS = 7

    def look(self, history: History) -> Finding | None:
        slots = sorted(slot for slot in history.refusals if slot <= history.end)
        if not slots or slots[-1] <= history.end - self.PAUSE:
            return None
        start = next((late for early, late in reversed(list(pairwise(slots))) if late - early > self.PAUSE), slots[0])
        burst = [slot for slot in slots if slot >= start]
        peak = max(history.refusals[slot] for slot in burst)
        usual = max((history.refusals[slot] for slot in slots if slot < start), default=0)
        if peak < max(self.REFUSALS, usual * self.TIMES_USUAL):
            return None
        habit = Sighting(sum(history.refusals[slot] for slot in burst), start, min(burst[-1] + SLOT, history.end))
        often = f"At most {usual:,} refusals in ten minutes" if usual else "No refusal"
        return Finding(f"{often} in the {self.USUAL_DAYS} days before.", {start.isoformat(): habit})

    def happened(self, subjects: Collection[str]) -> str:
        return "Its calls were refused for their rate, one after another."

    def in_words(self, subject: str, zone: tzinfo) -> str:
        return ""

    def calls_of(self, subject: str) -> dict[str, str]:
        return {"outcome": Outcome.RATE_LIMITED}


class RefusedAgain:
    """Somebody goes on using a key that was revoked, or from where it may not be used: a forgotten job, or a thief.

    Needs no learning: no key is meant to be refused.
    """

    name = "refused_again"
    title = "Refused again and again"
    # More than somebody who finds out, by hand, that the key no longer works. Counted as long as no pause is longer
    # than PAUSE (see the scan), so that a job that fails once a day is found too.
    REFUSALS = 10
    PAUSE = timedelta(hours=48)

    def look(self, history: History) -> Finding | None:
        seen = {
            subject: habit
            for subject, habit in history.of(Kind.REFUSED).items()
            if habit.last_at > history.end - self.PAUSE
        }
        if sum(habit.calls for habit in seen.values()) < self.REFUSALS:
            return None
        return Finding("A key is rarely refused like this, and not for long.", seen)

    def happened(self, subjects: Collection[str]) -> str:
        outcomes = {subject.partition(" ")[0] for subject in subjects}
        if outcomes == {Outcome.REVOKED_KEY}:
            return "It is revoked, and something goes on calling with it."
        if outcomes == {Outcome.IP_DENIED}:
            return "Something goes on calling with it from addresses that its allowlist does not have."
        return "It is revoked, and something goes on calling with it; before, from addresses off its allowlist."

    def in_words(self, subject: str, zone: tzinfo) -> str:
        return subject.partition(" ")[2]

    def calls_of(self, subject: str) -> dict[str, str]:
        outcome, _, source = subject.partition(" ")
        return {"outcome": outcome, "ip": source if "/" in source else ""}


class Unused:
    """A live key that nobody has used for so long that nobody would notice it being used by somebody else."""

    name = "unused"
    title = "Unused key"
    # Longer than any report that is made once a quarter takes to be made again.
    DAYS = 90

    def look(self, history: History) -> Finding | None:
        since = history.unused_since
        if not history.is_live or since > history.end - self.DAYS * DAY:
            return None
        day = since.astimezone(history.zone)
        usual = "was used until" if history.last_used_at else "was never used; it was issued on"
        return Finding(f"It {usual} {day.day} {day:%b %Y}.", {since.isoformat(): Sighting(0, since, since)})

    def happened(self, subjects: Collection[str]) -> str:
        return f"No call has used it for {self.DAYS} days. If nobody needs it, revoke it."

    def in_words(self, subject: str, zone: tzinfo) -> str:
        return ""

    def calls_of(self, subject: str) -> dict[str, str]:
        return {}


RULES: tuple[Rule, ...] = (NewNetwork(), NewAction(), NewHour(), LimitBurst(), RefusedAgain(), Unused())
BY_NAME: dict[str, Rule] = {rule.name: rule for rule in RULES}


def quoted(action: str) -> str:
    return f"“{action.replace('_', ' ').capitalize()}”"


def listed(words: Iterable[str]) -> str:
    """The words as a sentence has them: a, b and c."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def in_ranges(hours: Iterable[str], zone: tzinfo, near: datetime) -> str:
    """Hours of the day in UTC, as ranges of time in ``zone``: 08:00–17:00, and those that adjoin as one."""
    chosen = {int(hour) for hour in hours}
    if len(chosen) == 24:
        return "00:00–24:00"
    ranges = []
    for first in sorted(hour for hour in chosen if (hour - 1) % 24 not in chosen):
        length = next(step for step in range(1, 25) if (first + step) % 24 not in chosen)
        start = near.astimezone(UTC).replace(hour=first, minute=0, second=0, microsecond=0)
        ranges.append((start.astimezone(zone), (start + timedelta(hours=length)).astimezone(zone)))
    return listed(f"{start:%H:%M}–{end:%H:%M}" for start, end in sorted(ranges, key=lambda span: f"{span[0]:%H:%M}"))
