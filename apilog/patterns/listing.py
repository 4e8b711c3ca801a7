"""Patterns as their lists show them: with what was seen, and where the calls are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from django.utils import timezone

from apilog.patterns.models import Pattern

SUBJECTS_SHOWN = 5


@dataclass(frozen=True)
class Subject:
    """One thing a pattern is about; ``url`` shows its calls in the API Log, or is empty."""

    text: str
    calls: int
    url: str


@dataclass(frozen=True)
class Row:
    pattern: Pattern
    subjects: list[Subject]

    @property
    def not_shown(self) -> int:
        return len(self.pattern.seen) - len(self.subjects)

    @property
    def times(self) -> str:
        """When the first and the last call were: 20 Nov, 23:21–23:36 EST."""
        first, last = timezone.localtime(self.pattern.first_at), timezone.localtime(self.pattern.last_at)
        begins, ends = f"{first.day} {first:%b, %H:%M}", f"{last.day} {last:%b, %H:%M}"
        if begins == ends:
            return f"{begins} {last:%Z}"
        return f"{begins}–{ends if first.date() != last.date() else f'{last:%H:%M}'} {last:%Z}"


def rows_of(patterns: Iterable[Pattern], *, calls_url: str = "") -> list[Row]:
    return [Row(pattern, list(subjects_of(pattern, calls_url))) for pattern in patterns]


def subjects_of(pattern: Pattern, calls_url: str) -> Iterator[Subject]:
    """Those with the most calls."""
    rule = pattern.judge
    zone = timezone.get_current_timezone()
    most_first = sorted(pattern.seen.items(), key=lambda seen: (-seen[1], seen[0]))
    for subject, calls in most_first[:SUBJECTS_SHOWN] if rule else ():
        assert rule is not None
        url = f"{calls_url}?{query(pattern, rule.calls_of(subject))}" if calls_url else ""
        yield Subject(rule.in_words(subject, zone), calls, url)


def query(pattern: Pattern, narrowed: dict[str, str]) -> str:
    """The API Log's filter for the pattern's calls; it reads times to the second, and its end is not included."""
    start, end = timezone.localtime(pattern.first_at), timezone.localtime(pattern.last_at) + timedelta(seconds=1)
    fields = {
        "key": str(pattern.key_id),
        "from": f"{start:%Y-%m-%dT%H:%M:%S}",
        "to": f"{end:%Y-%m-%dT%H:%M:%S}",
        **narrowed,
    }
    return urlencode({name: value for name, value in fields.items() if value})
