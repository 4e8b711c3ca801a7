from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Self

from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, LessThanOrEqual
from django.utils import timezone

from apilog.patterns.rules import BY_NAME, Finding, Kind, Rule, Sighting, Unused
from keys.models import Key, KeyQuerySet
from portal.accounts.actors import Actor
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.accounts.rights import CHANGE_SYSTEM_SETTINGS, ISSUE_PARTNER_KEYS, CoreRight
from portal.notifications.kinds import Kind as NotificationKind
from portal.notifications.models import Notification, Telling

FINDER = Actor.system("worker")
REASON_LENGTH = 300
# More things would tell a reader nothing that so many do not.
MOST_SUBJECTS = 50

KeyAndRule = tuple[int, str]


class AlreadyClosed(Exception):
    """The pattern was dismissed, perhaps a moment ago, or has settled by itself; ``by`` says who was faster."""

    def __init__(self, by: str) -> None:
        self.by = by
        super().__init__(by)


class WentOn(Exception):
    """More was found since whoever dismisses had looked, which must not be hidden unseen; ``current`` has it."""

    def __init__(self, current: Pattern) -> None:
        self.current = current
        super().__init__(str(current))


class PatternQuerySet(models.QuerySet["Pattern"]):
    def open(self) -> Self:
        return self.filter(closed_at=None)

    def closed(self) -> Self:
        return self.filter(closed_at__isnull=False)

    def about_partner(self, partner_id: int) -> Self:
        return self.filter(key__partner_id=partner_id)

    def for_listing(self) -> Self:
        """With what a row shows, newest first."""
        return self.select_related("key__partner").order_by("-pk")

    def no_longer_unused(self) -> Self:
        """Of those about unused keys: the key was used again, or is no longer live."""
        return self.exclude(is_still_unused())

    def forgettable(self, moment: datetime) -> Self:
        """Closed before ``moment``, and not gone on since: whatever comes back after that long is new again."""
        forgettable = self.filter(closed_at__lt=moment, last_at__lt=moment)
        return forgettable.exclude(is_still_unused(), rule=Unused.name)


# A key's last use, or its issue when it was never used.
UNUSED_SINCE = Coalesce("last_used_at", "created_at")


def is_still_unused() -> Exists:
    """Of a pattern about an unused key: whether that is still so, and since the same moment."""
    return Exists(Key.objects.live().filter(Exact(UNUSED_SINCE, OuterRef("first_at")), pk=OuterRef("key_id")))


class Pattern(models.Model):
    """An unusual pattern: what one rule noticed about one key. While it is open, more of the same joins it.

    Closed by whoever looked at it and dismissed it, or by the worker once there is nothing left to look at.
    """

    rule = models.CharField(max_length=40)
    key = models.ForeignKey(Key, on_delete=models.CASCADE, related_name="patterns")
    found_at = models.DateTimeField(default=timezone.now)
    # How many calls there were of each thing that is unusual, by what the rule calls it: {"203.0.113.0/24": 14}.
    seen = models.JSONField()
    usual = models.TextField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=200, null=True)
    closed_because = models.CharField(max_length=REASON_LENGTH, blank=True)

    objects = PatternQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["rule", "key"], condition=Q(closed_at=None), name="one_open_pattern_per_rule_and_key"
            ),
            models.CheckConstraint(
                condition=Q(closed_at=None, closed_by=None, closed_because="")
                | (Q(closed_at__isnull=False, closed_by__isnull=False) & ~Q(closed_because="")),
                name="pattern_closed_at_and_by",
            ),
            models.CheckConstraint(condition=~Q(seen={}), name="pattern_is_about_something"),
            models.CheckConstraint(condition=Q(last_at__gte=F("first_at")), name="pattern_ends_after_its_start"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["closed_at"], name="pattern_closed_at"),
        ]

    def __str__(self) -> str:
        return f"{self.title}: {self.key}"

    @property
    def title(self) -> str:
        return self.judge.title if self.judge else self.rule

    @property
    def happened(self) -> str:
        return self.judge.happened(list(self.seen)) if self.judge else ""

    @property
    def judge(self) -> Rule | None:
        """None for a rule that only another release has."""
        return BY_NAME.get(self.rule)

    @property
    def calls(self) -> int:
        return sum(self.seen.values())

    @property
    def right_to_dismiss(self) -> CoreRight:
        """Dismissing says "I know what this is": said by who could act instead, which is to revoke the key.

        That is whoever issues partner keys, or runs the system; for the network key the latter alone.
        """
        if self.key.partner_id is None:
            return CHANGE_SYSTEM_SETTINGS
        return CHANGE_SYSTEM_SETTINGS | ISSUE_PARTNER_KEYS

    @staticmethod
    def unreported_unused_keys(*, before: datetime) -> KeyQuerySet:
        """Live keys, unused since ``before``, whose disuse nobody was told of; the longest unused first."""
        told = Pattern.objects.filter(rule=Unused.name, key_id=OuterRef("pk"), first_at=OuterRef("unused_since"))
        keys = Key.objects.live().annotate(unused_since=UNUSED_SINCE)
        return keys.filter(~Exists(told), LessThanOrEqual(UNUSED_SINCE, before)).order_by(UNUSED_SINCE, "pk")

    @staticmethod
    @transaction.atomic
    def raise_all(findings: Mapping[KeyAndRule, Finding], *, at: datetime) -> None:
        """Opens a pattern for each finding, or adds it to the open one; what was closed before is not raised again.

        The same number of queries for any number of findings.
        """
        about = Pattern.objects.filter(key_id__in={key_id for key_id, _ in findings})
        # Whoever dismisses one meanwhile waits, and is told that it went on.
        opened = {(found.key_id, found.rule): found for found in about.open().order_by("pk").select_for_update()}
        closed: dict[KeyAndRule, list[Pattern]] = {}
        for pattern in about.closed():
            closed.setdefault((pattern.key_id, pattern.rule), []).append(pattern)
        gone_on: list[Pattern] = []
        raised: list[Pattern] = []
        changed: list[Pattern] = []
        for (key_id, rule), finding in findings.items():
            earlier = closed.get((key_id, rule), [])
            gone_on += [pattern for pattern in earlier if pattern.seen.keys() & finding.seen.keys()]
            settled = {subject for pattern in earlier for subject in pattern.seen}
            fresh = {subject: sighting for subject, sighting in finding.seen.items() if subject not in settled}
            if not fresh:
                continue
            if (key_id, rule) in opened:
                joined = opened[key_id, rule]
                changed.append(joined)
            else:
                joined = Pattern(rule=rule, key_id=key_id, found_at=at, usual=finding.usual, seen={})
                raised.append(joined)
            joined._add(fresh)
        Pattern.objects.bulk_create(raised)
        Pattern._tell(raised)
        Pattern.objects.bulk_update(changed, ["seen", "first_at", "last_at"])
        # So that what was dismissed is remembered for as long as it goes on.
        Pattern.objects.filter(pk__in=[pattern.pk for pattern in gone_on], last_at__lt=at).update(last_at=at)

    @staticmethod
    def _tell(raised: Sequence[Pattern]) -> None:
        """Has everybody told whom it concerns. What joins an open pattern later is there for whoever looks at it."""
        keys = Key.objects.select_related("partner").in_bulk({pattern.key_id for pattern in raised}) if raised else {}
        Notification.tell_all([pattern.telling(keys[pattern.key_id]) for pattern in raised])

    def telling(self, key: Key) -> Telling:
        if self.rule == Unused.name:
            kind, subject = NotificationKind.KEY_UNUSED, f"Key {key.label} is unused for {Unused.DAYS} days"
            facts: dict[str, str | datetime] = {"Key": str(key), "Unused since": self.first_at}
        else:
            kind, subject = NotificationKind.UNUSUAL_PATTERN, f"{self.title}, of key {key.label}"
            facts = {"Key": str(key), "What": self.happened, "Usually": self.usual, "Since": self.first_at}
        return Telling(kind=kind, subject=subject, once=str(self.pk), partner=key.partner, by=FINDER, facts=facts)

    def _add(self, seen: Mapping[str, Sighting]) -> None:
        """Joins what was seen; figures are totals, so those of what is there already are replaced."""
        for subject, sighting in seen.items():
            if subject in self.seen or len(self.seen) < MOST_SUBJECTS:
                self.seen[subject] = sighting.calls
        firsts, lasts = zip(*[(sighting.first_at, sighting.last_at) for sighting in seen.values()], strict=True)
        is_new = self.pk is None
        self.first_at = min(firsts) if is_new else min(*firsts, self.first_at)
        self.last_at = max(lasts) if is_new else max(*lasts, self.last_at)

    @transaction.atomic
    def dismiss(self, *, reason: str, by: Actor, subjects: Collection[str] | None = None) -> None:
        """Closes the pattern for good: the same is not raised again, only what is new.

        ``subjects`` is what the one who dismisses has seen of it. :raises WentOn: when there is more by now
        :raises AlreadyClosed: when it is closed already
        """
        current = Pattern.objects.select_for_update(of=("self",)).for_listing().get(pk=self.pk)
        if current.closed_at is not None:
            raise AlreadyClosed(str(current.closed_by))
        if subjects is not None and set(current.seen) != set(subjects):
            raise WentOn(current)
        self._close(because=reason, by=by.full_label)
        Event.record(
            EventKind.PATTERN_DISMISSED,
            by=by,
            subject=self,
            partner=self.key.partner,
            details={"reason": reason},
        )

    def settle(self, *, because: str, by: Actor) -> None:
        """Closes a pattern that has come to an end by itself, unless somebody was faster.

        Nobody has decided anything, so it leaves no event.
        """
        self._close(because=because, by=by.full_label)

    def _close(self, *, because: str, by: str) -> None:
        closed = {"closed_at": timezone.now(), "closed_by": by, "closed_because": because}
        Pattern.objects.open().filter(pk=self.pk).update(**closed)
        for field, value in closed.items():
            setattr(self, field, value)


class Habit(models.Model):
    """One thing a key does, so that the rules need not read the log again to know what it never did.

    A row goes when the key has not done it for as long as the log keeps calls.
    """

    key = models.ForeignKey(Key, on_delete=models.CASCADE, related_name="habits")
    kind = models.CharField(max_length=10, choices=[(kind.value, kind.value) for kind in Kind])
    value = models.CharField(max_length=100)
    calls = models.PositiveBigIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["key", "kind", "value"], name="habit_stands_once"),
            models.CheckConstraint(
                condition=Q(kind__in=["action", "hour", "network", "refused"]), name="habit_kind_is_known"
            ),
            models.CheckConstraint(condition=Q(calls__gte=1), name="habit_counts_calls"),
            models.CheckConstraint(condition=Q(last_at__gte=F("first_at")), name="habit_ends_after_its_start"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["last_at"], name="habit_last_at"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}: {self.calls}"


class ScanMark(models.Model):
    """Up to when the calls have been searched for unusual patterns: one row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    through_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(id=1), name="there_is_one_scan_mark"),
        ]

    def __str__(self) -> str:
        return f"through {self.through_at:%Y-%m-%d %H:%M}"
