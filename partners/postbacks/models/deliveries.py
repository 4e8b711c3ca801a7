"""What is sent: a delivery for each thing that a postback has to tell, an attempt for each time it was tried.

The table of deliveries is the queue. A conversion's transaction adds to it, so nothing is queued that did not happen
and nothing happens unqueued; a worker claims what is due with SKIP LOCKED, sends without holding a lock, and settles. A
job per delivery would cost every conversion several rows of the job queue, and could not wait for the one before it.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from json import loads
from typing import Any, ClassVar, Self
from uuid import UUID

from django.db import connection, models, transaction
from django.db.models import Q
from django.utils.timezone import now

from partners.macros import Template
from partners.models import Partner
from partners.postbacks.models.postbacks import FAILURES_TO_PAUSE, Postback
from portal.accounts.actors import Actor
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.network.models import Network

DELIVERY = Actor.system("The delivery of postbacks")
# After that long nobody waits for it any more.
TRIED_FOR = timedelta(hours=72)
# How long to wait after the first, second, … failed attempt: ten attempts fall within two days, the last on the third.
HOUR = 3600
PAUSES = (15, 60, 300, 900, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 16 * HOUR, 24 * HOUR)
# Whoever has claimed a delivery and says nothing for so long is taken for dead. An attempt takes 10 s at most.
LEASE = timedelta(seconds=30)
ATTEMPTS_KEPT = timedelta(days=30)
ANSWER_KEPT = 1024
LONGEST_PROBLEM = 300
# How many due deliveries are looked through for those that may go.
LOOKED_AT = 1000
CUT_SHORT = "The worker was stopped before it knew of an answer."


class NotWaiting(Exception):
    """It is delivered, or on its way at this moment."""


class Overtaken(Exception):
    """A later status of the same conversion was delivered: what this says is not so any more."""


class PostbackPaused(Exception):
    """Nothing of this postback is sent until somebody resumes it; then all of it is."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours to attempt, until the lease ends."""

    delivery_id: int
    # Which attempt it is, from 1. Whoever claims after us has a higher one, and our result counts no longer.
    number: int
    postback_id: int
    partner_id: int
    conversion_id: UUID
    url: str
    created_at: datetime
    delay_ms: int

    @property
    def last_at(self) -> datetime:
        return self.created_at + timedelta(milliseconds=self.delay_ms) + TRIED_FOR

    def lost_before(self, at: datetime) -> Sent:
        """The attempt before this one, of which nobody ever told how it went: it may have arrived."""
        earlier = replace(self, number=self.number - 1)
        return Sent(earlier, at, self.url, status=None, problem=CUT_SHORT, answer="", duration_ms=0)


@dataclass(frozen=True, slots=True)
class Sent:
    """How an attempt went. ``problem`` is empty when it arrived."""

    claimed: Claimed
    at: datetime
    url: str
    status: int | None
    problem: str
    answer: str
    duration_ms: int

    @property
    def is_delivered(self) -> bool:
        return not self.problem


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def open(self) -> Self:
        return self.filter(delivered_at=None, given_up_at=None)

    def given_up(self) -> Self:
        return self.filter(given_up_at__isnull=False)

    def count_up_to(self, most: int) -> int:
        """How many there are; ``most`` when there are as many or more, of which no more are looked at."""
        return self.order_by()[:most].count()

    def claim(self, most: int, *, busy: Mapping[int, int] | None = None, share: int = 64) -> list[Claimed]:
        """At most so many that are due, each of them ours for the length of the lease.

        ``busy`` says how many of each postback are under way here; one postback has ``share`` at once, so that a
        receiver that takes its time keeps nobody else waiting. A conversion's second status is not due before its
        first has ended.
        """
        moment = now()
        places = Counter(busy or {})
        full = [postback_id for postback_id, under_way in places.items() if under_way >= share]
        chosen: list[int] = []
        behind: list[int] = []
        stopped: set[int] = set()
        for delivery_id, postback_id, is_active, is_behind in due_now(moment, full):
            if not is_active:
                stopped.add(postback_id)
            elif is_behind:
                behind.append(delivery_id)
            elif len(chosen) < most and places[postback_id] < share:
                places[postback_id] += 1
                chosen.append(delivery_id)
        if behind:
            wait_behind(moment, behind)
        if stopped:
            park(stopped)
        return claim_these(moment, chosen) if chosen else []

    @transaction.atomic
    def settle(self, results: Sequence[Sent]) -> None:
        """Writes down how attempts went: delivered, to be tried again, or given up; and pauses a postback of which
        ten in a row failed. The result of a claim that somebody else has by now leaves its attempt and nothing else.
        """
        # Postbacks are locked before deliveries here as in ``pause``, or the two could wait for each other.
        touched = {sent.claimed.postback_id for sent in results if sent.problem}
        locked = Postback.objects.select_for_update().filter(pk__in=touched).order_by("pk")
        postbacks = {postback.pk: postback for postback in locked}
        fine = {sent.claimed.postback_id for sent in results if not sent.problem} - touched
        Postback.objects.filter(pk__in=fine, failures__gt=0).update(failures=0)
        current = settle_these(results, postbacks)
        Attempt.objects.bulk_create(Attempt.of(sent) for sent in results)
        Day.count(results)
        for postback in postbacks.values():
            own = [sent for sent in results if sent.claimed.postback_id == postback.pk]
            self._count_failures(postback, [sent for sent in own if sent.claimed.delivery_id in current])

    def _count_failures(self, postback: Postback, results: Sequence[Sent]) -> None:
        problem = ""
        for sent in sorted(results, key=lambda sent: (sent.at, sent.claimed.delivery_id)):
            postback.failures = postback.failures + 1 if sent.problem else 0
            problem = sent.problem or problem
        postback.save(update_fields=["failures"])
        if postback.failures >= FAILURES_TO_PAUSE and postback.paused_at is None and postback.removed_at is None:
            postback.pause_after(problem, by=DELIVERY)

    def drop_before(self, moment: datetime, *, most: int) -> int:
        """Removes, of so many oldest ones, those from before then of which no attempt is kept, and says how many."""
        return drop(
            "DELETE FROM postbacks_delivery AS old WHERE id = ANY (ARRAY (SELECT id FROM postbacks_delivery"
            "  ORDER BY id LIMIT %s)) AND created_at < %s"
            " AND NOT EXISTS (SELECT FROM postbacks_attempt WHERE delivery_id = old.id)",
            [most, moment],
        )

    @transaction.atomic
    def give_up_overdue(self) -> int:
        """Ends those that waited out their time, for their postback to be resumed. Says how many."""
        overdue = now() - TRIED_FOR - timedelta(minutes=10)
        waiting = self.open().filter(created_at__lt=overdue, due_at=None, is_under_way=False)
        return waiting.update(given_up_at=now())


class Delivery(models.Model):
    """Something that one postback has to tell of one conversion.

    Ids are given while the conversion's row is locked: their order is the order in which it came to its statuses.
    """

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    postback = models.ForeignKey(Postback, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    # Conversions are in a partitioned table, to which nothing has a foreign key.
    conversion_id = models.UUIDField()
    # The conversion's at that moment, as the partner is told it.
    status = models.CharField(max_length=10)
    # What the macros stood for at that moment. The URL is filled when it is called, so that one that was mended in
    # the meantime is called as it is now.
    facts = models.JSONField()
    created_at = models.DateTimeField(default=now)
    # When it is to be attempted next; while it is, when whoever does is taken for dead. None: with its postback paused.
    due_at = models.DateTimeField(null=True)
    is_under_way = models.BooleanField(default=False)
    attempts_made = models.PositiveIntegerField(default=0)
    delivered_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(delivered_at=None) | Q(given_up_at=None), name="delivery_ended_in_one_way"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["due_at", "id"],
                condition=Q(delivered_at=None, given_up_at=None, due_at__isnull=False),
                name="delivery_due",
            ),
            models.Index(fields=["postback", "conversion_id", "id"], name="delivery_of_conversion"),
            models.Index(
                fields=["postback", "id"], condition=Q(delivered_at=None, given_up_at=None), name="delivery_open"
            ),
            models.Index(
                fields=["created_at"],
                condition=Q(delivered_at=None, given_up_at=None, due_at=None),
                name="delivery_parked",
            ),
            models.Index(fields=["postback"], condition=Q(given_up_at__isnull=False), name="delivery_given_up"),
        ]

    def __str__(self) -> str:
        return f"Delivery {self.pk}"

    @property
    def is_open(self) -> bool:
        return self.delivered_at is None and self.given_up_at is None

    @property
    def can_be_retried(self) -> bool:
        return self.delivered_at is None and not self.is_under_way

    @transaction.atomic
    def retry(self, *, by: Actor) -> None:
        """Has it attempted at once, whether it waits for its turn or was given up.

        :raises PostbackPaused: when nothing of its postback is sent
        :raises NotWaiting: when it is delivered or on its way
        :raises Overtaken: when a later status of the conversion was told meanwhile
        """
        postback = Postback.objects.select_for_update(of=("self",)).select_related("partner").get(pk=self.postback_id)
        if postback.paused_at is not None or postback.removed_at is not None:
            raise PostbackPaused
        same = Delivery.objects.filter(postback=self.postback_id, conversion_id=self.conversion_id, pk__gte=self.pk)
        rows = list(same.select_for_update().order_by("pk"))
        if rows[0].delivered_at is not None or rows[0].is_under_way:
            raise NotWaiting
        if any(row.delivered_at is not None or row.is_under_way for row in rows[1:]):
            raise Overtaken
        # Whoever is about to claim a later one finds that its row has changed, and looks again.
        later = [row.pk for row in rows[1:] if row.is_open]
        Delivery.objects.filter(pk__in=later).update(due_at=now() + timedelta(seconds=1))
        self.due_at, self.given_up_at = now(), None
        self.save(update_fields=["due_at", "given_up_at"])
        details = {"delivery": self.pk, "conversion": self.conversion_id.hex, "status": self.status}
        kind = EventKind.POSTBACK_RETRIED
        Event.record(kind, by=by, subject=postback, partner=postback.partner, details=details)


class AttemptQuerySet(models.QuerySet["Attempt"]):
    def newest_first(self) -> Self:
        return self.order_by("-at", "-pk")

    def failed(self) -> Self:
        """Those of real conversions that did not arrive."""
        return self.filter(delivery__isnull=False).exclude(problem="")

    def delivered(self) -> Self:
        """Those of real conversions that arrived."""
        return self.filter(delivery__isnull=False, problem="")

    def tests(self) -> Self:
        return self.filter(delivery=None)

    def between(self, start: datetime | None, end: datetime | None) -> Self:
        """From the one moment on, up to before the other; None: as far as there are any."""
        attempts = self if start is None else self.filter(at__gte=start)
        return attempts if end is None else attempts.filter(at__lt=end)

    def drop_before(self, moment: datetime, *, most: int) -> int:
        """Removes, of so many oldest ones, those from before then, and says how many."""
        return drop(
            "DELETE FROM postbacks_attempt WHERE id = ANY (ARRAY (SELECT id FROM postbacks_attempt"
            "  ORDER BY id LIMIT %s)) AND at < %s",
            [most, moment],
        )


class Attempt(models.Model):
    """One call of a postback's URL, and what came of it. ``ATTEMPTS_KEPT`` is how long it is there."""

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="attempts", db_index=False)
    postback = models.ForeignKey(Postback, on_delete=models.PROTECT, related_name="attempts", db_index=False)
    # None: a test, with an invented conversion.
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, null=True, related_name="attempts")
    conversion_id = models.UUIDField(null=True)
    number = models.PositiveIntegerField(default=1)
    at = models.DateTimeField()
    url = models.TextField()
    # None: nobody answered.
    status = models.PositiveSmallIntegerField(null=True)
    # Why it failed, in a sentence; empty when it arrived.
    problem = models.CharField(max_length=LONGEST_PROBLEM, blank=True)
    # The first kilobyte of it.
    answer = models.TextField(blank=True)
    duration_ms = models.PositiveIntegerField()

    objects = AttemptQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        indexes: ClassVar = [
            # Every list is of one postback, newest first, perhaps from one day to another.
            models.Index(fields=["postback", "-at", "-id"], name="attempt_by_time"),
            # What is rare among the others. What arrived is not: after ten failures in a row nothing is sent.
            models.Index(
                fields=["postback", "-at", "-id"],
                condition=Q(delivery__isnull=False) & ~Q(problem=""),
                name="attempt_failed",
            ),
            models.Index(fields=["postback", "-at", "-id"], condition=Q(delivery=None), name="attempt_test"),
        ]

    def __str__(self) -> str:
        return f"Attempt {self.pk}"

    @property
    def is_test(self) -> bool:
        return self.delivery_id is None

    @property
    def is_delivered(self) -> bool:
        return not self.problem

    @property
    def is_latest(self) -> bool:
        """Of its delivery; a test is of none."""
        return self.delivery is not None and self.number == self.delivery.attempts_made

    @classmethod
    def of(cls, sent: Sent) -> Attempt:
        claimed = sent.claimed
        return cls(
            partner_id=claimed.partner_id,
            postback_id=claimed.postback_id,
            delivery_id=claimed.delivery_id,
            conversion_id=claimed.conversion_id,
            number=claimed.number,
            at=sent.at,
            url=sent.url,
            status=sent.status,
            problem=sent.problem[:LONGEST_PROBLEM],
            answer=sent.answer,
            duration_ms=sent.duration_ms,
        )


class Day(models.Model):
    """How many attempts of a postback arrived and failed on a day of the network's; tests are not among them."""

    pk = models.CompositePrimaryKey("postback_id", "day")
    postback = models.ForeignKey(Postback, on_delete=models.PROTECT, related_name="days", db_index=False)
    day = models.DateField()
    delivered = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"Postback {self.postback_id} on {self.day}"

    @classmethod
    def count(cls, results: Iterable[Sent]) -> None:
        zone = Network.load().zone
        counts: defaultdict[tuple[int, date], list[int]] = defaultdict(lambda: [0, 0])
        for sent in results:
            counts[sent.claimed.postback_id, sent.at.astimezone(zone).date()][bool(sent.problem)] += 1
        # In one order for all, or two workers could wait for each other.
        rows = [(*key, *counted) for key, counted in sorted(counts.items())]
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO postbacks_day AS day (postback_id, day, delivered, failed)"
                " SELECT * FROM unnest(%s::bigint[], %s::date[], %s::integer[], %s::integer[])"
                " ON CONFLICT (postback_id, day) DO UPDATE"
                " SET delivered = day.delivered + excluded.delivered, failed = day.failed + excluded.failed",
                columns(rows, 4),
            )


def due_now(moment: datetime, full: Collection[int]) -> list[tuple[int, int, bool, bool]]:
    """Of the deliveries that are due: which, whose, whether that postback is active, whether an earlier one of the same
    conversion is not through yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT due.id, due.postback_id, postback.paused_at IS NULL AND postback.removed_at IS NULL,"
            " EXISTS (SELECT FROM postbacks_delivery AS earlier WHERE earlier.postback_id = due.postback_id"
            "  AND earlier.conversion_id = due.conversion_id AND earlier.id < due.id"
            "  AND earlier.delivered_at IS NULL AND earlier.given_up_at IS NULL)"
            " FROM (SELECT id, postback_id, conversion_id FROM postbacks_delivery"
            "  WHERE delivered_at IS NULL AND given_up_at IS NULL AND due_at <= %s AND postback_id <> ALL (%s)"
            "  ORDER BY due_at, id LIMIT %s) AS due"
            " JOIN postbacks_postback AS postback ON postback.id = due.postback_id ORDER BY due.id",
            [moment, list(full), LOOKED_AT],
        )
        rows: list[tuple[int, int, bool, bool]] = cursor.fetchall()
        return rows


def wait_behind(moment: datetime, delivery_ids: Sequence[int]) -> None:
    """Those behind another have no business among the due ones: they are due again when it is, or, while it is
    attempted, in a second."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE postbacks_delivery AS later SET due_at = greatest("
            "  coalesce((SELECT max(earlier.due_at) FROM postbacks_delivery AS earlier"
            "   WHERE earlier.postback_id = later.postback_id AND earlier.conversion_id = later.conversion_id"
            "   AND earlier.id < later.id AND earlier.delivered_at IS NULL AND earlier.given_up_at IS NULL"
            "   AND NOT earlier.is_under_way), %(moment)s),"
            "  %(moment)s) + interval '1 second'"
            " WHERE later.id IN (SELECT id FROM postbacks_delivery WHERE id = ANY (%(ids)s) AND NOT is_under_way"
            "  AND due_at <= %(moment)s ORDER BY id FOR UPDATE SKIP LOCKED)",
            {"moment": moment, "ids": list(delivery_ids)},
        )


@transaction.atomic
def park(postback_ids: Collection[int]) -> None:
    """Takes what was queued for postbacks, while somebody paused or removed them, out of the due ones."""
    for postback in Postback.objects.select_for_update().filter(pk__in=postback_ids).order_by("pk"):
        waiting = postback.deliveries.open().filter(due_at__lte=now())
        if postback.removed_at is not None:
            waiting.update(due_at=None, is_under_way=False, given_up_at=now())
        elif postback.paused_at is not None:
            waiting.update(due_at=None, is_under_way=False)


@transaction.atomic
def claim_these(moment: datetime, delivery_ids: Sequence[int]) -> list[Claimed]:
    """Those of them that nobody else has claimed in the meantime."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH mine AS MATERIALIZED (SELECT id, due_at, is_under_way AS was_cut_short"
            "  FROM postbacks_delivery AS this WHERE id = ANY (%s)"
            "  AND delivered_at IS NULL AND given_up_at IS NULL AND due_at <= %s"
            "  AND NOT EXISTS (SELECT FROM postbacks_delivery AS earlier WHERE earlier.postback_id = this.postback_id"
            "   AND earlier.conversion_id = this.conversion_id AND earlier.id < this.id"
            "   AND earlier.delivered_at IS NULL AND earlier.given_up_at IS NULL)"
            "  ORDER BY id FOR UPDATE SKIP LOCKED)"
            " UPDATE postbacks_delivery AS delivery"
            " SET due_at = %s, is_under_way = true, attempts_made = attempts_made + 1"
            " FROM mine, postbacks_postback AS postback"
            " WHERE delivery.id = mine.id AND postback.id = delivery.postback_id"
            " RETURNING delivery.id, delivery.attempts_made, postback.id, delivery.partner_id, delivery.conversion_id,"
            " delivery.created_at, postback.delay_ms, postback.url, delivery.facts::text, mine.was_cut_short,"
            " mine.due_at",
            [list(delivery_ids), moment, moment + LEASE],
        )
        rows = sorted(cursor.fetchall())
    claimed, cut_short = [], []
    for (
        delivery_id,
        number,
        postback_id,
        partner_id,
        conversion_id,
        created_at,
        delay_ms,
        url,
        facts,
        lost,
        due,
    ) in rows:
        filled = Template.parse(url).fill(loads(facts))
        each = Claimed(delivery_id, number, postback_id, partner_id, conversion_id, filled, created_at, delay_ms)
        claimed.append(each)
        if lost:
            cut_short.append(each.lost_before(due - LEASE))
    Attempt.objects.bulk_create(Attempt.of(sent) for sent in cut_short)
    return claimed


def settle_these(results: Sequence[Sent], postbacks: Mapping[int, Postback]) -> set[int]:
    """The ids of those whose claim was still good."""
    moment = now()
    rows: list[tuple[int, int, bool, datetime | None, bool]] = []
    for sent in results:
        due_at, is_given_up = None, False
        if sent.problem:
            last_at = sent.claimed.last_at
            is_given_up = moment >= last_at
            postback = postbacks[sent.claimed.postback_id]
            if postback.removed_at is not None:
                is_given_up = True
            elif postback.paused_at is None and not is_given_up:
                due_at = min(moment + pause_after_attempt(sent.claimed.number), last_at)
        rows.append((sent.claimed.delivery_id, sent.claimed.number, sent.is_delivered, due_at, is_given_up))
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH result AS MATERIALIZED (SELECT * FROM unnest(%s::bigint[], %s::integer[], %s::boolean[],"
            "  %s::timestamptz[], %s::boolean[]) AS result (id, number, is_delivered, due_at, is_given_up)),"
            # In one order for all, or two could wait for each other.
            " locked AS MATERIALIZED (SELECT delivery.id FROM postbacks_delivery AS delivery"
            "  JOIN result USING (id) WHERE delivery.attempts_made = result.number AND delivery.is_under_way"
            "  ORDER BY delivery.id FOR UPDATE OF delivery)"
            " UPDATE postbacks_delivery AS delivery SET is_under_way = false, due_at = result.due_at,"
            " delivered_at = CASE WHEN result.is_delivered THEN %s END,"
            " given_up_at = CASE WHEN result.is_given_up THEN %s END"
            " FROM result JOIN locked USING (id) WHERE delivery.id = result.id RETURNING delivery.id",
            [*columns(sorted(rows), 5), moment, moment],
        )
        return {delivery_id for (delivery_id,) in cursor.fetchall()}


def pause_after_attempt(number: int) -> timedelta:
    """Growing, and never quite the same: what failed together does not come back together."""
    return timedelta(seconds=PAUSES[min(number, len(PAUSES)) - 1] * random.uniform(0.9, 1.1))  # noqa: S311


def columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [[row[column] for row in rows] for column in range(width)]


def drop(statement: str, parameters: list[Any]) -> int:
    # Numbers are given in the order of time, so no index over the time is needed to find the oldest.
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.rowcount)
