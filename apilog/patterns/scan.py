"""Searching the API Log for unusual patterns: each call is read once, soon after it has settled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Sum

from apilog.models import LoggedCall, Tally, TallyMark
from apilog.patterns.models import MOST_SUBJECTS, Habit, KeyAndRule, Pattern, ScanMark
from apilog.patterns.rules import (
    DAY,
    LET_IN,
    RULES,
    SUSPICIOUS,
    Finding,
    History,
    Kind,
    LimitBurst,
    RefusedAgain,
    Sighting,
    Unused,
)
from apilog.tallies import HOUR, SETTLED_AFTER, TEN_MINUTES, beginning, floor
from keys.gate import Outcome
from keys.models import Key
from portal.accounts.actors import Actor
from portal.network.models import Network
from portal.web.ids import first_id_at, moment_of

WORKER = Actor.system("worker")
# So that catching up after a standstill, or with the log of a network that had no scan before, takes many short
# transactions and not a long one.
STEP = timedelta(minutes=20)
# A key that is called from thousands of networks must not fill the table of habits. More than any rule calls usual.
MOST_HABITS = MOST_SUBJECTS
# In one run; the next one takes those that are left.
MOST_UNUSED = 200

Habits = dict[int, dict[Kind, dict[str, Sighting]]]

# One pass over the calls of the range, a line for each thing that each key did. What a key was refused for its rate is
# only noticed here: how often, the tallies know.
FACTS = """
SELECT key_id, kind, value, calls, first_at, last_at
FROM (
    SELECT key_id, kind, value, count(*) AS calls, min(received_at) AS first_at, max(received_at) AS last_at,
        row_number() OVER (PARTITION BY key_id, kind ORDER BY min(received_at), value) AS place
    FROM (
        SELECT key_id, received_at, action, outcome,
            network(set_masklen(ip, CASE family(ip) WHEN 4 THEN 24 ELSE 48 END))::text AS source
        FROM apilog_call
        WHERE id >= %(first_id)s AND id < %(end_id)s AND key_id IS NOT NULL
    ) AS called
    CROSS JOIN LATERAL (VALUES
        ('action', CASE WHEN outcome = ANY(%(let_in)s) THEN nullif(action, '') END),
        ('hour', CASE WHEN outcome = ANY(%(let_in)s) THEN to_char(received_at AT TIME ZONE 'UTC', 'HH24') END),
        ('network', CASE WHEN outcome = ANY(%(let_in)s) THEN source END),
        ('refused', CASE WHEN outcome = ANY(%(suspicious)s) THEN outcome || ' ' || coalesce(source, 'nowhere') END)
    ) AS done (kind, value)
    WHERE value IS NOT NULL
    GROUP BY key_id, kind, value
) AS counted
WHERE place <= %(most)s
"""


def scan(now: datetime) -> None:
    """Reads the calls that have settled since the last time and raises what is unusual; one worker at a time."""
    while scan_step(now - SETTLED_AFTER):
        pass
    look_for_unused_keys(now)


@transaction.atomic
def scan_step(settled: datetime) -> bool:
    """Scans at most a step of the log, and answers whether there is more to do."""
    if not is_the_only_one():
        return False
    mark = ScanMark.objects.first()
    start = mark.through_at if mark else beginning(HOUR)
    if start is None or start >= settled:
        return False
    unread = LoggedCall.objects.between(start, settled).order_by("id").values_list("id", flat=True).first()
    # Hours in which nobody called are passed over at once.
    end = settled if unread is None else min(settled, moment_of(unread) + STEP)
    if unread is not None:
        look(moment_of(unread), end)
    ScanMark.objects.update_or_create(pk=1, defaults={"through_at": end})
    return end < settled


def is_the_only_one() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('latchkey:patterns', 0))")
        return bool(cursor.fetchone()[0])


def look(start: datetime, end: datetime) -> None:
    """Judges every key that called between ``start`` and ``end``; the same number of queries for any number of keys."""
    facts = facts_between(start, end)
    keys = list(Key.objects.filter(pk__in=facts))
    known = {key.pk: facts[key.pk] for key in keys}
    habits = learn(known)
    refusals = refusals_of(known, start, end)
    watched = watched_subjects(known)
    zone = Network.load().zone
    findings: dict[KeyAndRule, Finding] = {}
    for key in keys:
        history = History(
            end=end,
            created_at=key.created_at,
            last_used_at=key.last_used_at,
            is_live=key.is_live,
            zone=zone,
            habits=habits[key.pk],
            refusals=refusals.get(key.pk, {}),
            watched=watched.get(key.pk, {}),
        )
        for rule in RULES:
            finding = rule.look(history)
            if finding is not None:
                findings[key.pk, rule.name] = finding
    Pattern.raise_all(findings, at=end)


def facts_between(start: datetime, end: datetime) -> Habits:
    """What each key did in that time."""
    facts: Habits = defaultdict(lambda: defaultdict(dict))
    parameters: dict[str, Any] = {
        "first_id": first_id_at(start),
        "end_id": first_id_at(end),
        "let_in": sorted(LET_IN),
        "suspicious": list(SUSPICIOUS),
        "most": MOST_HABITS,
    }
    with connection.cursor() as cursor:
        cursor.execute(FACTS, parameters)
        for key_id, kind, value, calls, first_at, last_at in cursor.fetchall():
            facts[key_id][Kind(kind)][value] = Sighting(calls, first_at, last_at)
    return facts


def learn(facts: Habits) -> Habits:
    """Adds what the keys did to their habits, and answers all of these."""
    habits: Habits = {key_id: {kind: {} for kind in Kind} for key_id in facts}
    for habit in Habit.objects.filter(key_id__in=facts):
        seen = Sighting(habit.calls, habit.first_at, habit.last_at)
        habits[habit.key_id][Kind(habit.kind)][habit.value] = seen
    learnt = []
    for key_id, kinds in facts.items():
        for kind, values in kinds.items():
            known = habits[key_id][kind]
            for value, new in values.items():
                if value not in known and len(known) >= MOST_HABITS:
                    continue
                known[value] = now = added(kind, known.get(value), new)
                learnt.append(
                    Habit(
                        key_id=key_id,
                        kind=kind,
                        value=value,
                        calls=now.calls,
                        first_at=now.first_at,
                        last_at=now.last_at,
                    )
                )
    Habit.objects.bulk_create(
        learnt,
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["key", "kind", "value"],
        update_fields=["calls", "first_at", "last_at"],
    )
    return habits


def added(kind: Kind, known: Sighting | None, new: Sighting) -> Sighting:
    """Refusals are counted anew after a pause, because what counts is "again and again"; all else adds up."""
    if known is None or (kind is Kind.REFUSED and new.first_at - known.last_at > RefusedAgain.PAUSE):
        return new
    return Sighting(known.calls + new.calls, min(known.first_at, new.first_at), max(known.last_at, new.last_at))


def refusals_of(keys: Collection[int], start: datetime, end: datetime) -> dict[int, dict[datetime, int]]:
    """How often keys that were refused for their rate since ``start`` were so in each ten minutes of the last days.

    From the tallies, and the log for what these do not have yet.
    """
    limited = LoggedCall.objects.filter(outcome=Outcome.RATE_LIMITED)
    concerned = list(limited.between(start, end).filter(key_id__in=keys).values_list("key_id", flat=True).distinct())
    found: dict[int, dict[datetime, int]] = defaultdict(lambda: defaultdict(int))
    if not concerned:
        return found
    since = floor(end - LimitBurst.USUAL_DAYS * DAY, TEN_MINUTES)
    through = TallyMark.objects.filter(span=TEN_MINUTES).values_list("through_at", flat=True).first() or since
    edge = max(since, min(through, floor(end, TEN_MINUTES)))
    tallied = Tally.objects.by_key().filter(
        key_id__in=concerned, span=TEN_MINUTES, outcome=Outcome.RATE_LIMITED, began_at__gte=since, began_at__lt=edge
    )
    for key_id, began_at, calls in tallied.values_list("key_id", "began_at").annotate(Sum("calls")).order_by():
        found[key_id][began_at] += calls
    recent = limited.between(edge, end).filter(key_id__in=concerned).order_by()
    for key_id, received_at in recent.values_list("key_id", "received_at").iterator():
        found[key_id or 0][floor(received_at, TEN_MINUTES)] += 1
    return found


def watched_subjects(keys: Collection[int]) -> dict[int, dict[str, Collection[str]]]:
    """What the keys' open patterns are about, by rule."""
    watched: dict[int, dict[str, Collection[str]]] = defaultdict(dict)
    for key_id, rule, seen in Pattern.objects.open().filter(key_id__in=keys).values_list("key_id", "rule", "seen"):
        watched[key_id][rule] = seen.keys()
    return watched


@transaction.atomic
def look_for_unused_keys(now: datetime) -> None:
    """Raises the live keys that nobody has used for long, and settles those patterns of which that is no longer so."""
    if not is_the_only_one():
        return
    for pattern in Pattern.objects.open().filter(rule=Unused.name).no_longer_unused().for_listing():
        pattern.settle(because="It was used again." if pattern.key.is_live else "It is no longer live.", by=WORKER)
    zone, rule = Network.load().zone, Unused()
    findings: dict[KeyAndRule, Finding] = {}
    for key in Pattern.unreported_unused_keys(before=now - rule.DAYS * DAY)[:MOST_UNUSED]:
        history = History(
            end=now, created_at=key.created_at, last_used_at=key.last_used_at, is_live=key.is_live, zone=zone
        )
        finding = rule.look(history)
        if finding is not None:
            findings[key.pk, rule.name] = finding
    Pattern.raise_all(findings, at=now)


def forget(now: datetime) -> int:
    """Drops what is older than the log's retention, and settles the patterns whose calls the log no longer has."""
    oldest = now - timedelta(days=Network.load().log_retention_days)
    for pattern in Pattern.objects.open().exclude(rule=Unused.name).filter(last_at__lt=oldest):
        pattern.settle(because="The API Log no longer has its calls.", by=WORKER)
    Habit.objects.filter(last_at__lt=oldest)._raw_delete("default")
    forgotten, _ = Pattern.objects.forgettable(oldest).delete()
    return forgotten
