"""A partner's push: the events of its Firehose by POST to a URL of its own, in their order, each at least once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import F, Q
from django.utils.timezone import now

from partners.firehose.chosen import the_log
from partners.firehose.cursor import Cursor
from partners.firehose.log import Away, NotEnabled
from partners.firehose.models import Firehose
from partners.firehose.push.signing import new_secret
from partners.macros import BadTemplate, Template
from partners.models import Partner
from partners.postbacks.sending import Answer, NotSent, Target
from partners.traffic.models import OutboxEntry
from portal.accounts.actors import Actor
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.notifications.kinds import Kind
from portal.notifications.models import Notification
from portal.web.edits import ChangedMeanwhile
from portal.web.ids import new_id
from portal.web.sealing import seal, unseal
from portal.web.secret import mentions_a_key

PUSHING = Actor.system("The Firehose's push")
LONGEST_URL = 2000
LONGEST_PROBLEM = 300
# How long to wait after the first, second, … attempt that failed; after the last of them it is paused.
PAUSES = (1, 2, 5, 15, 60, 300, 900, 1800, 3600)
FAILURES_TO_PAUSE = 10
# Whoever has claimed a push and says nothing for so long is taken for dead. Reading and sending take 20 s at most.
LEASE = timedelta(seconds=30)
# How long the old secret signs beside the new one.
GRACE = timedelta(hours=24)


class AlreadyAdded(Exception):
    """The partner has a push, perhaps since a moment ago."""


class AlreadyPaused(Exception):
    """It was paused before, perhaps by someone else a moment ago."""


class AlreadyResumed(Exception):
    """It goes on, perhaps because someone else resumed it a moment ago."""


class AlreadyRemoved(Exception):
    """It is gone, perhaps because someone else removed it a moment ago."""


class Unfit(Exception):
    """The URL breaks a rule; the message is a sentence for whoever wrote it."""

    @property
    def sentence(self) -> str:
        return str(self)


def check_url(url: str) -> None:
    """:raises Unfit: when it cannot be called, or may not be"""
    if len(url) > LONGEST_URL:
        raise Unfit(f"It has {len(url):,} characters, and may have {LONGEST_URL:,}.")
    if mentions_a_key(url):
        raise Unfit("It holds an API key. A push is signed instead. Leave it out, and have it replaced.")
    try:
        template = Template.parse(url)
        if template.macros:
            raise Unfit(
                "It has a macro in it. A push carries its events in its body, and every URL is called as it is."
            )
        Target.of(url)
    except (BadTemplate, NotSent) as reason:
        raise Unfit(str(reason)) from None
    if template.scheme != "https" and not settings.POSTBACKS_ALLOW_PRIVATE:
        raise Unfit("It must begin with https://: what is pushed is read by nobody on the way.")


CLAIM = f"""
WITH due AS MATERIALIZED (
    SELECT push.id, firehose.run FROM push_push push JOIN {Firehose._meta.db_table} firehose USING (partner_id)
    WHERE firehose.disabled_at IS NULL AND push.paused_at IS NULL AND push.due_at <= %(now)s
    AND (push.leased_until IS NULL OR push.leased_until <= %(now)s)
    AND (
        push.run <> firehose.run OR push.seq < firehose.last_seq
        OR EXISTS (SELECT FROM {OutboxEntry._meta.db_table} entry WHERE entry.partner_id = push.partner_id)
    )
    ORDER BY push.due_at, push.id LIMIT %(most)s FOR UPDATE OF push SKIP LOCKED
)
UPDATE push_push push SET leased_until = %(until)s, claims = push.claims + 1,
    run = due.run, seq = CASE WHEN push.run = due.run THEN push.seq ELSE 0 END
FROM due WHERE push.id = due.id
RETURNING push.id
"""  # noqa: S608 -- the names of our tables


class PushQuerySet(models.QuerySet["Push"]):
    def claim(self, most: int) -> list[Push]:
        """At most so many that have something to tell and may be sent now, each of them ours for the length of the
        lease. When the Firehose was enabled anew since, it begins with the first event of that run."""
        moment = now()
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, {"now": moment, "until": moment + LEASE, "most": most})
            ids = [row[0] for row in cursor.fetchall()]
        return list(self.filter(pk__in=ids).select_related("partner").prefetch_related("secrets")) if ids else []


class Push(models.Model):
    """Where a partner's events are sent, and up to which of them they have arrived."""

    class PausedFor(models.TextChoices):
        WISH = "wish", "Somebody paused it"
        FAILING = "failing", "Ten attempts in a row failed"
        FORGOTTEN = "forgotten", "What comes next is kept no longer"

    partner = models.OneToOneField(Partner, on_delete=models.PROTECT, related_name="firehose_push")
    url = models.CharField("URL", max_length=LONGEST_URL)
    # Behind which event: the last that its receiver confirmed.
    run = models.PositiveIntegerField()
    seq = models.BigIntegerField()
    confirmed_at = models.DateTimeField(null=True)
    # Attempts that failed since the last that succeeded, and why the last one did.
    failures = models.PositiveIntegerField(default=0)
    problem = models.CharField(max_length=LONGEST_PROBLEM, blank=True)
    problem_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(default=now)
    # While somebody sends: until when. The number tells this claim from others, whose late results count no more.
    leased_until = models.DateTimeField(null=True)
    claims = models.BigIntegerField(default=0)
    paused_at = models.DateTimeField(null=True)
    paused_by = models.CharField(max_length=200, blank=True)
    paused_for = models.CharField(max_length=10, choices=PausedFor.choices, blank=True)
    created_at = models.DateTimeField(default=now)
    updated_at = models.DateTimeField(default=now)

    objects = PushQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(url=""), name="push_has_a_url"),
            models.CheckConstraint(condition=Q(run__gte=1, seq__gte=0), name="push_has_a_cursor"),
            models.CheckConstraint(
                condition=Q(paused_at=None, paused_by="", paused_for="")
                | (Q(paused_at__isnull=False, paused_for__in=["wish", "failing", "forgotten"]) & ~Q(paused_by="")),
                name="push_paused_at_and_by",
            ),
        ]

    def __str__(self) -> str:
        return f"Firehose push to {self.partner}"

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.run, self.seq)

    @property
    def is_paused(self) -> bool:
        return self.paused_at is not None

    @property
    def is_failing(self) -> bool:
        return self.failures > 0

    @classmethod
    def of(cls, partner: Partner) -> Push | None:
        return cls.objects.filter(partner=partner).select_related("partner").first()

    @classmethod
    def add(cls, *, partner: Partner, url: str, by: Actor) -> tuple[Push, str]:
        """Sets it up, with the secret that signs, which is told this once. It begins with what is committed from now
        on.

        :raises Unfit: when the URL breaks a rule
        :raises NotEnabled: when the partner's Firehose is not enabled
        :raises AlreadyAdded: when the partner has one
        """
        check_url(url)
        return cls._add(partner, url, the_log().last(partner.pk), by)

    @classmethod
    @transaction.atomic
    def _add(cls, partner: Partner, url: str, begins: Cursor, by: Actor) -> tuple[Push, str]:
        # Of two who add one at once the second finds what the first did.
        Partner.objects.select_for_update(of=("self",), no_key=True).get(pk=partner.pk)
        if cls.objects.filter(partner=partner).exists():
            raise AlreadyAdded
        push = cls.objects.create(partner=partner, url=url, run=begins.run, seq=begins.seq)
        secret = PushSecret.make(push)
        details = {"URL": url, "after": str(begins)}
        Event.record(EventKind.PUSH_ADDED, by=by, subject=push, partner=partner, details=details)
        return push, secret

    @transaction.atomic
    def change(self, *, by: Actor, seen: datetime | None = None, **fields: Any) -> None:
        """Sends to another ``url`` from the next batch on; there is nothing else to change.

        :raises Unfit: when it breaks a rule
        :raises ChangedMeanwhile: when ``seen`` is not the current version
        :raises AlreadyRemoved: when it is gone
        """
        current, url = self._locked(), fields.get("url")
        if seen is not None and url is not None and current.updated_at != seen:
            raise ChangedMeanwhile(current)
        if url is None or url == current.url:
            return
        check_url(url)
        self.url, self.updated_at = url, now()
        self.save(update_fields=["url", "updated_at"])
        # Whoever has mended it need not wait for the end of a pause.
        Push.objects.filter(pk=self.pk).update(due_at=self.updated_at)
        details = {"URL": [current.url, url]}
        Event.record(EventKind.PUSH_CHANGED, by=by, subject=self, partner=self.partner, details=details)

    @transaction.atomic
    def rotate_secret(self, *, by: Actor) -> str:
        """Another secret, which is told this once. Until ``GRACE`` has passed the one before it signs, too; one that
        was replaced earlier does no more.

        :raises AlreadyRemoved: when it is gone
        """
        self._locked()
        self.secrets.exclude(ends_at=None).delete()
        self.secrets.update(ends_at=now() + GRACE)
        secret = PushSecret.make(self)
        Event.record(EventKind.PUSH_SECRET_ROTATED, by=by, subject=self, partner=self.partner)
        return secret

    @transaction.atomic
    def pause(self, *, by: Actor) -> None:
        """Nothing is sent from the next batch on, until somebody resumes it.

        :raises AlreadyPaused: when it was paused before
        :raises AlreadyRemoved: when it is gone
        """
        self._pause(Push.PausedFor.WISH, by=by)
        Event.record(EventKind.PUSH_PAUSED, by=by, subject=self, partner=self.partner)

    def resume(self, *, by: Actor) -> None:
        """Goes on where it was; where that is kept no longer, with the oldest event that is, and the event says so.

        :raises NotEnabled: when the partner's Firehose is not enabled
        :raises AlreadyResumed: when it is not paused
        :raises AlreadyRemoved: when it is gone
        """
        try:
            oldest: Cursor | None = the_log().oldest(self.partner_id)
        except (Away, NotEnabled):
            # Then what is kept shows when it is back, and a cursor that is too old pauses it once more.
            oldest = None
        self._resume(oldest, by)

    @transaction.atomic
    def _resume(self, oldest: Cursor | None, by: Actor) -> None:
        current = self._locked()
        if not current.is_paused:
            raise AlreadyResumed
        firehose = Firehose.objects.enabled().filter(pk=current.partner_id).first()
        if firehose is None:
            raise NotEnabled
        begins = current.cursor
        if oldest is None or oldest.run != firehose.run:
            oldest = Cursor(firehose.run, 0)
        if begins.run != firehose.run or not oldest.seq <= begins.seq <= firehose.last_seq:
            begins = oldest
        details = {} if begins == current.cursor else {"left out": f"{current.cursor} to {begins}"}
        # What was being sent when it was paused may confirm itself, but not move a cursor that has been moved.
        claims = F("claims") + 1 if details else F("claims")
        fresh: dict[str, Any] = {"paused_at": None, "paused_by": "", "paused_for": "", "failures": 0}
        fresh |= {"run": begins.run, "seq": begins.seq, "due_at": now(), "updated_at": now()}
        Push.objects.filter(pk=self.pk).update(claims=claims, **fresh)
        for name, value in fresh.items():
            setattr(self, name, value)
        Event.record(EventKind.PUSH_RESUMED, by=by, subject=self, partner=self.partner, details=details)

    @transaction.atomic
    def remove(self, *, by: Actor) -> None:
        """Nothing is sent any more, its secrets are gone, and nobody knows where it was.

        :raises AlreadyRemoved: when it is gone
        """
        current = self._locked()
        details = {"URL": current.url, "confirmed up to": str(current.cursor)}
        Event.record(EventKind.PUSH_REMOVED, by=by, subject=self, partner=self.partner, details=details)
        current.secrets.all().delete()
        current.delete()

    def stop(self, why: PausedFor, problem: str) -> None:
        """Pauses it because it cannot go on, and tells whom it concerns. Nothing happens when it is paused or gone."""
        try:
            with transaction.atomic():
                self._pause(why, by=PUSHING)
                details = {"reason": why.label, "the last problem": problem}
                Event.record(EventKind.PUSH_PAUSED, by=PUSHING, subject=self, partner=self.partner, details=details)
                Notification.tell(
                    Kind.FIREHOSE_PUSH_STOPPED,
                    subject="The Firehose push is paused",
                    once=f"{self.pk} {self.paused_at:%Y-%m-%dT%H:%M:%S.%f}",
                    partner=self.partner,
                    by=PUSHING,
                    facts={"URL": self.url, "Why": why.label, "The last problem": problem},
                )
        except (AlreadyPaused, AlreadyRemoved):
            return

    def _pause(self, why: PausedFor, *, by: Actor) -> None:
        pausing = {"paused_at": now(), "paused_by": by.full_label, "paused_for": why, "updated_at": now()}
        if not Push.objects.filter(pk=self.pk, paused_at=None).update(**pausing):
            raise AlreadyPaused if Push.objects.filter(pk=self.pk).exists() else AlreadyRemoved
        for name, value in pausing.items():
            setattr(self, name, value)

    def _locked(self) -> Push:
        current = Push.objects.select_for_update(of=("self",)).filter(pk=self.pk).first()
        if current is None:
            raise AlreadyRemoved
        return current

    def postpone(self, by: timedelta) -> None:
        """Gives a claim back that can come to nothing yet."""
        Push.objects.filter(pk=self.pk, claims=self.claims).update(leased_until=None, due_at=now() + by)

    def release(self) -> None:
        """Gives a claim back of which nothing came."""
        Push.objects.filter(pk=self.pk, claims=self.claims).update(leased_until=None)


class PushSecretQuerySet(models.QuerySet["PushSecret"]):
    def sealed_under(self) -> dict[int, int]:
        """How many secrets each encryption key seals, by its number."""
        counted = self.order_by("encryption_key").values_list("encryption_key")
        return dict(counted.annotate(models.Count("pk")))


class PushSecret(models.Model):
    """What signs a push. It is sealed like a partner's key, and told when it is made."""

    id = models.UUIDField(primary_key=True, default=new_id)
    push = models.ForeignKey(Push, on_delete=models.CASCADE, related_name="secrets")
    ciphertext = models.BinaryField()
    encryption_key = models.PositiveIntegerField()
    made_at = models.DateTimeField(default=now)
    # None: until it is replaced.
    ends_at = models.DateTimeField(null=True)

    objects = PushSecretQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["push"], condition=Q(ends_at=None), name="push_secret_is_one"),
        ]

    def __str__(self) -> str:
        return f"the secret {self.pk.hex} of a Firehose push"

    @property
    def is_live(self) -> bool:
        return self.ends_at is None or self.ends_at > now()

    @classmethod
    def make(cls, push: Push) -> str:
        secret, own = new_secret(), cls(push=push)
        own._seal(secret)
        own.save(force_insert=True)
        return secret

    def unsealed(self) -> str:
        """:raises portal.web.sealing.UnknownEncryptionKey: when the environment lacks its encryption key
        :raises portal.web.sealing.CannotUnseal: when what is stored is damaged
        """
        return unseal(self.ciphertext, bound_to=place_of(self.pk), number=self.encryption_key)

    def seal_anew(self) -> None:
        """Re-seals it under the encryption key that writes.

        :raises portal.web.sealing.UnknownEncryptionKey: when the environment lacks the one it is sealed under
        :raises portal.web.sealing.CannotUnseal: when what is stored is damaged
        """
        self._seal(self.unsealed())
        self.save(update_fields=["encryption_key", "ciphertext"])

    def _seal(self, secret: str) -> None:
        self.encryption_key, self.ciphertext = seal(secret, bound_to=place_of(self.pk))


def place_of(secret_id: UUID) -> str:
    return f"latchkey:push_secret:{secret_id.hex}"


@dataclass(frozen=True, slots=True)
class Pushed:
    """How sending a batch went: ``last`` is behind its last event."""

    push_id: int
    claim: int
    last: Cursor
    answer: Answer

    @property
    def is_confirmed(self) -> bool:
        return not self.answer.problem


def settle(results: Sequence[Pushed]) -> None:
    """Writes down how batches went: confirmed, to be tried again, or for the tenth time in a row in vain. The result of
    a claim that somebody else has by now decides nothing."""
    for pushed in sorted(results, key=lambda pushed: pushed.push_id):
        confirm(pushed) if pushed.is_confirmed else note_failure(pushed.push_id, pushed.claim, pushed.answer.problem)


def confirm(pushed: Pushed) -> None:
    Push.objects.filter(pk=pushed.push_id, claims=pushed.claim).update(
        run=pushed.last.run,
        seq=pushed.last.seq,
        confirmed_at=now(),
        failures=0,
        due_at=now(),
        leased_until=None,
    )


@transaction.atomic
def note_failure(push_id: int, claim: int, problem: str) -> None:
    claimed = Push.objects.select_for_update(of=("self",)).select_related("partner")
    push = claimed.filter(pk=push_id, claims=claim).first()
    if push is None:
        return
    push.failures += 1
    push.problem, push.problem_at = problem[:LONGEST_PROBLEM], now()
    push.due_at, push.leased_until = now() + pause_after(push.failures), None
    push.save(update_fields=["failures", "problem", "problem_at", "due_at", "leased_until"])
    if push.failures >= FAILURES_TO_PAUSE and not push.is_paused:
        push.stop(Push.PausedFor.FAILING, push.problem)


def pause_after(failures: int) -> timedelta:
    """Not to the second, so that receivers that failed together are not called together."""
    return timedelta(seconds=PAUSES[min(failures, len(PAUSES)) - 1] * random.uniform(0.9, 1.1))  # noqa: S311
