"""Whose Firehose is enabled, and the events that have their number."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

from django.db import connection, models, transaction
from django.db.models import Q
from django.utils.timezone import now

from partners.firehose.cursor import Cursor
from partners.firehose.partitions import EVENT_PARTITIONS
from partners.models import Partner
from partners.traffic.models import Followed, OutboxEntry
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.web.postgresql.partitions import bound

if TYPE_CHECKING:
    from portal.accounts.actors import Actor


class AlreadyEnabled(Exception):
    """The partner's Firehose is enabled, perhaps since a moment ago."""


class AlreadyDisabled(Exception):
    """The partner's Firehose is disabled, perhaps since a moment ago."""


class FirehoseQuerySet(models.QuerySet["Firehose"]):
    def enabled(self) -> Self:
        return self.filter(disabled_at=None)

    def refused(self) -> Self:
        """Those whose next event JetStream did not take when it last was asked to."""
        return self.enabled().exclude(refused_at=None)


class Firehose(models.Model):
    """That a partner may follow its traffic as it happens: clicks, impressions, conversions and what becomes of them.

    Its events are numbered as they can be seen (``number_events``), under a lock on this row.
    """

    partner = models.OneToOneField(Partner, on_delete=models.PROTECT, primary_key=True, related_name="firehose")
    # How often it was enabled. What happened in between is in no run, so no cursor leads from one into the next.
    run = models.PositiveIntegerField(default=1)
    last_seq = models.BigIntegerField(default=0)
    # Up to which number the events of this run are past the retention.
    forgotten_seq = models.BigIntegerField(default=0)
    # Up to which number JetStream has them, where it carries them: these are no longer here.
    relayed_seq = models.BigIntegerField(default=0, db_default=0)
    relayed_at = models.DateTimeField(null=True)
    # When JetStream last took fewer of them than it was sent, and why; None since it has taken them all.
    refused_at = models.DateTimeField(null=True)
    refusal = models.CharField(max_length=200, blank=True, default="", db_default="")
    enabled_at = models.DateTimeField(default=now)
    enabled_by = models.CharField(max_length=200)
    disabled_at = models.DateTimeField(null=True)
    disabled_by = models.CharField(max_length=200, blank=True)

    objects = FirehoseQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(enabled_by=""), name="firehose_enabled_at_and_by"),
            models.CheckConstraint(
                condition=Q(disabled_at=None, disabled_by="") | (Q(disabled_at__isnull=False) & ~Q(disabled_by="")),
                name="firehose_disabled_at_and_by",
            ),
            models.CheckConstraint(
                condition=Q(run__gte=1, forgotten_seq__gte=0, forgotten_seq__lte=models.F("last_seq")),
                name="firehose_forgets_what_it_numbered",
            ),
            models.CheckConstraint(
                condition=Q(relayed_seq__gte=0, relayed_seq__lte=models.F("last_seq")),
                name="firehose_relays_what_it_numbered",
            ),
            models.CheckConstraint(
                condition=Q(refused_at=None, refusal="") | (Q(refused_at__isnull=False) & ~Q(refusal="")),
                name="firehose_refused_at_and_why",
            ),
        ]

    def __str__(self) -> str:
        return f"Firehose of {self.partner}"

    @property
    def is_enabled(self) -> bool:
        return self.disabled_at is None

    @property
    def last(self) -> Cursor:
        """Behind the last event that has a number."""
        return Cursor(self.run, self.last_seq)

    @property
    def oldest(self) -> Cursor:
        """Before the first event that is kept here, whatever JetStream has."""
        return Cursor(self.run, max(self.forgotten_seq, self.relayed_seq))

    @classmethod
    def of(cls, partner: Partner) -> Firehose | None:
        """The partner's, enabled or not; None when it never was."""
        return cls.objects.filter(partner=partner).first()

    @classmethod
    @transaction.atomic
    def enable(cls, partner: Partner, *, by: Actor) -> Firehose:
        """Begins a run. Whatever of the partner's traffic is committed after this is an event of it, and nothing that
        was committed before is.

        :raises AlreadyEnabled:
        :raises partners.traffic.models.TrafficIsBusy: when something that writes traffic took too long to be waited for
        """
        # So that of two who enable it the second finds what the first did.
        Partner.objects.select_for_update(of=("self",), no_key=True).get(pk=partner.pk)
        firehose = cls.objects.select_for_update().filter(partner=partner).first()
        if firehose is not None and firehose.is_enabled:
            raise AlreadyEnabled
        firehose = firehose or cls(partner=partner, run=0)
        firehose.run += 1
        firehose.last_seq = firehose.forgotten_seq = firehose.relayed_seq = 0
        firehose.relayed_at, firehose.refused_at, firehose.refusal = None, None, ""
        firehose.enabled_at, firehose.enabled_by = now(), by.full_label
        firehose.disabled_at, firehose.disabled_by = None, ""
        firehose.save()
        Event.record(EventKind.FIREHOSE_ENABLED, by=by, subject=partner, partner=partner)
        # Last, because visitors wait while its lock is held.
        Followed.begin(partner)
        return firehose

    @transaction.atomic
    def disable(self, *, by: Actor) -> None:
        """Ends the run: who reads is told within moments, and what it had not read yet it never will.

        :raises AlreadyDisabled: when someone was faster
        """
        ending = {"disabled_at": now(), "disabled_by": by.full_label}
        if not Firehose.objects.enabled().filter(pk=self.pk).update(**ending):
            raise AlreadyDisabled
        for field, value in ending.items():
            setattr(self, field, value)
        Followed.end(self.partner)
        Event.record(EventKind.FIREHOSE_DISABLED, by=by, subject=self.partner, partner=self.partner)


class NumberedEvent(models.Model):
    """An event of a run, at its place in it. Partitioned by id, whose first 48 bits are the time when it happened.

    No constraint could say over all partitions that a number is given once; the lock it is given under does.
    """

    pk = models.CompositePrimaryKey("partner_id", "run", "seq", "id")
    partner_id = models.BigIntegerField()
    run = models.PositiveIntegerField()
    seq = models.BigIntegerField()
    # As in the outbox, and so are the next two.
    id = models.UUIDField()
    kind = models.PositiveSmallIntegerField(choices=OutboxEntry.Kind.choices)
    data = models.TextField(null=True)

    class Meta:
        db_table = "firehose_event"

    def __str__(self) -> str:
        return f"{Cursor(self.run, self.seq)} of partner {self.partner_id}"


NUMBER = f"""
WITH due AS MATERIALIZED (
    SELECT number FROM {OutboxEntry._meta.db_table} WHERE partner_id = %(partner)s ORDER BY number LIMIT %(most)s
), taken AS (
    DELETE FROM {OutboxEntry._meta.db_table} entry USING due WHERE entry.number = due.number RETURNING entry.*
), numbered AS (
    INSERT INTO {NumberedEvent._meta.db_table} (partner_id, run, seq, id, kind, data)
    SELECT partner_id, %(run)s, %(last)s + row_number() OVER (ORDER BY number), id, kind, data FROM taken
    RETURNING 1
)
UPDATE {Firehose._meta.db_table} SET last_seq = last_seq + (SELECT count(*) FROM numbered)
WHERE partner_id = %(partner)s
RETURNING last_seq
"""  # noqa: S608 -- the names of our tables
MOST_NUMBERED = 5000


class Numbered(NamedTuple):
    """The last number that is given, and how many were given just now."""

    last: Cursor
    events: int


@transaction.atomic
def number_events(partner_id: int) -> Numbered | None:
    """Gives what stands in the partner's outbox, and can be seen, the next numbers of its run; at most MOST_NUMBERED at
    once. None when the Firehose is not enabled.

    An entry that was written early and is committed late is simply not there yet: it gets its number when it is. So
    the numbers have no gap, and whoever has read up to one of them has missed nothing that has a smaller one (ADR 15).
    """
    firehose = Firehose.objects.enabled().select_for_update().filter(pk=partner_id).first()
    if firehose is None:
        return None
    # A statement of its own: it has to see what was committed while this one waited for the lock.
    with connection.cursor() as cursor:
        numbers = {"partner": partner_id, "run": firehose.run, "last": firehose.last_seq, "most": MOST_NUMBERED}
        cursor.execute(NUMBER, numbers)
        (last,) = cursor.fetchone()
    return Numbered(Cursor(firehose.run, last), last - firehose.last_seq)


FORGET = f"""
UPDATE {Firehose._meta.db_table} firehose SET forgotten_seq = greatest(forgotten_seq, old.seq)
FROM (
    SELECT partner_id, run, max(seq) AS seq FROM {NumberedEvent._meta.db_table} WHERE id < %s GROUP BY partner_id, run
) old
WHERE firehose.partner_id = old.partner_id AND firehose.run = old.run
"""  # noqa: S608 -- the names of our tables


def forget_before(day: date) -> list[str]:
    """Drops the events of days before this one, and answers the names of their partitions. Readers that are further
    behind are told so before the events are gone."""
    with connection.cursor() as cursor:
        cursor.execute(FORGET, [bound(day)])
    return EVENT_PARTITIONS.drop_before(day)
