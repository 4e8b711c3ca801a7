from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Self

from django.db import connection, models, transaction
from django.db.models import Q
from django.utils import timezone

from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.status.judgement import Figures, Standing, State, evidence_of
from portal.status.probes import PROBE_TIMEOUT

if TYPE_CHECKING:
    from portal.accounts.actors import Actor
    from portal.status.probes import Probe

log = logging.getLogger(__name__)

USUAL = timedelta(days=7)
# A day more than what "usual" looks back on.
KEPT = timedelta(days=8)


class CheckQuerySet(models.QuerySet["Check"]):
    def of(self, probe: Probe) -> Self:
        return self.filter(probe=probe.slug)

    def newest_first(self) -> Self:
        return self.order_by("-measured_at", "-pk")

    def older_than(self, moment: datetime) -> Self:
        return self.filter(measured_at__lt=moment)


class Check(models.Model):
    """What one probe measured once, what was usual then, and the state its row had afterwards."""

    probe = models.CharField(max_length=40)
    measured_at = models.DateTimeField()
    state = models.CharField(max_length=12, choices=[(state.value, state.label) for state in State])
    slow_run = models.SmallIntegerField()
    outage_run = models.SmallIntegerField()
    answered = models.PositiveIntegerField()
    errors = models.PositiveIntegerField()
    p50_ms = models.FloatField(null=True)
    p95_ms = models.FloatField(null=True)
    usual_p50_ms = models.FloatField(null=True)
    usual_p95_ms = models.FloatField(null=True)
    outage = models.TextField(blank=True)
    warning = models.TextField(blank=True)
    note = models.TextField(blank=True, default="", db_default="")

    objects = CheckQuerySet.as_manager()

    class Meta:
        ordering = ("-measured_at", "-pk")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in State]), name="check_state_is_a_state"
            ),
            models.UniqueConstraint(fields=["probe", "measured_at"], name="check_once_at_a_time"),
        ]
        indexes: ClassVar = [models.Index(fields=["measured_at"], name="check_measured_at")]

    def __str__(self) -> str:
        return f"{self.probe}: {self.state}"

    @property
    def standing(self) -> Standing:
        return Standing(State(self.state), self.slow_run, self.outage_run, self.measured_at)

    @classmethod
    def make(cls, probe: Probe, *, now: datetime) -> Check:
        """Measures, judges and keeps it. A probe that fails is an outage, not an error of the one who asks."""
        figures = measured(probe, now)
        before = cls.objects.of(probe).newest_first().first()
        standing = (before.standing if before else Standing()).after(
            evidence_of(figures, threshold_ms=probe.threshold_ms), at=now, interval=probe.interval
        )
        usual_p50_ms, usual_p95_ms = usual_of(probe, now)
        return cls.objects.create(
            probe=probe.slug,
            measured_at=now,
            state=standing.state,
            slow_run=standing.slow_run,
            outage_run=standing.outage_run,
            answered=figures.window.answered,
            errors=figures.window.errors,
            p50_ms=figures.window.p50_ms,
            p95_ms=figures.window.p95_ms,
            usual_p50_ms=usual_p50_ms,
            usual_p95_ms=usual_p95_ms,
            outage=figures.outage,
            warning=figures.warning,
            note=figures.note,
        )


def measured(probe: Probe, now: datetime) -> Figures:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [PROBE_TIMEOUT])
            return probe.measure(now)
    except Exception:
        # Whatever a probe of whatever feature raises, the others must still be measured, and this is its finding.
        log.exception("The probe %s failed", probe.slug)
        return Figures(outage="The probe itself failed; the worker's output says why.")


def usual_of(probe: Probe, now: datetime) -> tuple[float | None, float | None]:
    """What the two percentiles mostly were in the last days."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY p50_ms),"
            " percentile_cont(0.5) WITHIN GROUP (ORDER BY p95_ms)"
            " FROM status_check WHERE probe = %s AND measured_at >= %s AND measured_at < %s",
            [probe.slug, now - USUAL, now],
        )
        p50_ms, p95_ms = cursor.fetchone()
    return p50_ms, p95_ms


class AlreadyEnded(Exception):
    """The notice was ended before, perhaps by someone else a moment ago."""


class NoticeQuerySet(models.QuerySet["Notice"]):
    def not_over(self, now: datetime) -> Self:
        """Shown now, or still to come."""
        return self.filter(Q(until_at=None) | Q(until_at__gt=now), ended_at=None)

    def current(self, now: datetime) -> Self:
        return self.not_over(now).filter(starts_at__lte=now)

    def for_listing(self) -> Self:
        return self.order_by("starts_at", "pk")


class Notice(models.Model):
    """What an admin tells everyone: shown on System Status, and to partners on My Account."""

    class Severity(models.TextChoices):
        INFO = "info", "Information"
        CAUTION = "caution", "Caution"
        DANGER = "danger", "Outage"

    text = models.CharField(max_length=500)
    severity = models.CharField(max_length=10, choices=Severity)
    starts_at = models.DateTimeField()
    until_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=200)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=200, null=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        ordering = ("starts_at", "pk")
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(text=""), name="notice_says_something"),
            models.CheckConstraint(
                condition=Q(severity__in=["info", "caution", "danger"]), name="notice_severity_is_known"
            ),
            models.CheckConstraint(
                condition=Q(until_at=None) | Q(until_at__gt=models.F("starts_at")), name="notice_ends_after_its_start"
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None, ended_by=None) | Q(ended_at__isnull=False, ended_by__isnull=False),
                name="notice_ended_at_and_by",
            ),
        ]

    def __str__(self) -> str:
        return self.text if len(self.text) <= 80 else f"{self.text[:79]}…"

    @classmethod
    @transaction.atomic
    def post(
        cls,
        *,
        text: str,
        severity: str,
        by: Actor,
        starts_at: datetime | None = None,
        until_at: datetime | None = None,
    ) -> Notice:
        """Shows the notice from ``starts_at`` (at once) until ``until_at`` (until it is ended)."""
        starts_at = starts_at or timezone.now()
        notice = cls(text=text, severity=severity, starts_at=starts_at, until_at=until_at, created_by=by.full_label)
        notice.save(force_insert=True)
        details = {"severity": severity, "from": starts_at.isoformat()}
        if until_at is not None:
            details["until"] = until_at.isoformat()
        Event.record(EventKind.NOTICE_POSTED, by=by, subject=notice, details=details)
        return notice

    @transaction.atomic
    def end(self, *, by: Actor) -> None:
        """Shows the notice no more.

        :raises AlreadyEnded: when someone was faster
        """
        now = timezone.now()
        if not Notice.objects.filter(pk=self.pk, ended_at=None).update(ended_at=now, ended_by=by.full_label):
            raise AlreadyEnded
        self.ended_at, self.ended_by = now, by.full_label
        Event.record(EventKind.NOTICE_ENDED, by=by, subject=self)
