"""What visits came to: conversions, the events after them, and those that are held back for a while."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from json import dumps
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self
from uuid import UUID

from django.db import connection, models, transaction
from django.db.models import Exists, OuterRef, Q, Subquery
from django.utils.timezone import localdate, now

from partners.models import Partner
from partners.traffic import changes
from partners.traffic.caps import Caps, Rooms
from partners.traffic.models.recording import (
    Report,
    Source,
    due_for,
    facts_of,
    full_cap,
    full_in,
    give_back,
    why_invalid,
)
from partners.traffic.models.visits import TEXT_LENGTH, Visit, VisitQuerySet
from portal.accounts.events import EventKind
from portal.accounts.models import Event, User
from portal.network.models import Network
from portal.web.ids import moment_of, new_id
from portal.web.storable import in_copy

if TYPE_CHECKING:
    from portal.accounts.actors import Actor


class AlreadyDecided(Exception):
    """The conversion is ``status`` by now, from which it does not become what was asked; perhaps someone was faster."""

    def __init__(self, status: str) -> None:
        self.status = Conversion.Status(status)
        super().__init__(self.status.label)


class IsOnHold(AlreadyDecided):
    """It waits for its holding period to end: it can be released or rejected, not approved."""


class NotOnHold(AlreadyDecided):
    """Its holding period has ended, or it never had one."""


class HoldAlreadyEnded(Exception):
    """The hold ended before, because its time had come or because someone decided."""


class ConversionQuerySet(VisitQuerySet["Conversion"]):
    def approved(self) -> Self:
        return self.filter(status=Conversion.Status.APPROVED)

    def held(self, *, outcomes: Collection[str] | None = None) -> Self:
        """Those that are or were on hold; ``outcomes`` narrows to what became of it, "" for those that still are."""
        holds = Hold.objects.filter(partner_id=OuterRef("partner_id"), conversion_id=OuterRef("id"))
        return self.filter(Exists(holds if outcomes is None else holds.filter(outcome__in=outcomes)))

    def visible_to(self, user: User) -> Self:
        """Network users see every conversion, a partner's user those of that partner alone."""
        return self if user.is_network_user else self.filter(partner_id=user.partner_id)

    def for_listing(self) -> Self:
        """With the offer, its advertiser and the partner, and with ``held_until``."""
        holds = Hold.objects.filter(partner_id=OuterRef("partner_id"), conversion_id=OuterRef("id"))
        until = Subquery(holds.open().values("until")[:1])
        return self.select_related("offer__advertiser", "partner").annotate(held_until=until)

    def changed_since(self, moment: datetime) -> Self:
        """Recorded or decided over since then."""
        return self.filter(updated_at__gte=moment)


class Conversion(Visit):
    """A visitor did what the offer pays for; or, when it carries an event's name, did something more afterwards.

    It keeps all that is known of the click or the impression before it, so that no report has to look for that.
    ``ip`` and ``user_agent`` are the visitor's at the click, ``conversion_ip`` is where the report of it came from.
    """

    class Status(models.TextChoices):
        APPROVED = "approved", "Approved"
        PENDING = "pending", "Pending"
        REJECTED = "rejected", "Rejected"
        INVALID = "invalid", "Invalid"
        ON_HOLD = "on_hold", "On hold"

    # The click or the impression; an id of its own when a coupon code alone says whose conversion it is.
    transaction_id = models.UUIDField()
    clicked_at = models.DateTimeField(null=True)
    status = models.CharField(max_length=10, choices=Status.choices)
    is_event = models.BooleanField(default=False)
    event_name = models.CharField(max_length=80, blank=True)
    is_view_through = models.BooleanField(default=False)
    order_id = models.CharField(max_length=120, blank=True)
    # In the offer's currency.
    sale_amount = models.DecimalField(max_digits=14, decimal_places=4, default=0)
    conversion_ip = models.GenericIPAddressField(null=True)
    adv1 = models.CharField(max_length=TEXT_LENGTH, blank=True)
    adv2 = models.CharField(max_length=TEXT_LENGTH, blank=True)
    adv3 = models.CharField(max_length=TEXT_LENGTH, blank=True)
    adv4 = models.CharField(max_length=TEXT_LENGTH, blank=True)
    adv5 = models.CharField(max_length=TEXT_LENGTH, blank=True)
    redirected_from = models.BigIntegerField(null=True)
    # Why it is invalid or was rejected; for the partner too. Notes are the network's own.
    error_message = models.CharField(max_length=300, blank=True)
    notes = models.CharField(max_length=TEXT_LENGTH, blank=True)
    updated_at = models.DateTimeField(default=now)

    # Only there on rows of for_listing(): when the hold ends that it is on.
    held_until: datetime | None

    objects = ConversionQuerySet.as_manager()

    class Meta(Visit.Meta):
        db_table = "traffic_conversion"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status__in=["approved", "pending", "rejected", "invalid", "on_hold"]),
                name="conversion_status_is_known",
            ),
            models.CheckConstraint(
                condition=Q(is_event=True) & ~Q(event_name="") | Q(is_event=False, event_name=""),
                name="event_has_its_name",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], name="conversion_id"),
            models.Index(fields=["partner_id", "transaction_id"], name="conversion_transaction"),
            models.Index(fields=["partner_id", "updated_at", "id"], name="conversion_updated_at"),
            # Each conversion that is answered says how many events it has, and most have none.
            models.Index(
                fields=["partner_id", "transaction_id"], name="events_of_transaction", condition=Q(is_event=True)
            ),
        ]

    def __str__(self) -> str:
        return f"Conversion {self.id.hex}"

    @classmethod
    @transaction.atomic
    def record(cls, *, source: Source, report: Report, by: Actor) -> tuple[Conversion, bool]:
        """The conversion that is reported, and whether it is new: the same report again, even at the same moment,
        gives the one that was recorded then, as it is now.

        It is recorded whatever is wrong with it, but what does not count is ``invalid`` and says why.
        :raises UnknownEvent: when the offer does not list the event
        """
        due = due_for(source, report)
        conversion_id, digest = new_id(), source.digest_of(report)
        receipt = Receipt(digest=digest, partner_id=source.partner.pk, conversion_id=conversion_id)
        # Waits for whoever reports the same at this moment, and knows then whether that came to be.
        Receipt.objects.bulk_create([receipt], ignore_conflicts=True)
        recorded = Receipt.objects.get(digest=digest)
        if recorded.conversion_id != conversion_id:
            return cls.objects.get(partner_id=recorded.partner_id, id=recorded.conversion_id), False
        status, message = cls._standing(source, report, due)
        conversion = cls(
            id=conversion_id,
            at=moment_of(conversion_id),
            transaction_id=source.transaction_id or conversion_id,
            status=status,
            error_message=message,
            **due,
            **facts_of(source, report),
        )
        conversion.save(force_insert=True)
        if status == cls.Status.ON_HOLD:
            until = conversion.at + timedelta(days=source.offer.holding_period_days)
            Hold.objects.create(partner=source.partner, conversion_id=conversion_id, until=until)
        changes.tell(changes.Change(conversion=conversion, was=None, by=by))
        return conversion, True

    @classmethod
    @transaction.atomic
    def record_together(cls, told: Sequence[Told], *, by: Actor) -> list[tuple[Conversion, bool]]:
        """What ``record`` does for one, for many and in a few statements, as if they had come one after the other: of
        the same report twice the second is the repetition. ``due`` is what the report comes to."""
        ids = [new_id() for _ in told]
        first: dict[bytes, int] = {}
        for number, each in enumerate(told):
            first.setdefault(each.digest, number)
        # In one order for everybody, so that nobody waits for somebody who waits for them.
        receipts = [
            Receipt(digest=digest, partner_id=told[number].source.partner.pk, conversion_id=ids[number])
            for digest, number in sorted(first.items())
        ]
        Receipt.objects.bulk_create(receipts, ignore_conflicts=True)
        found = Receipt.objects.filter(digest__in=list(first)).values_list("digest", "conversion_id")
        recorded = {bytes(digest): conversion_id for digest, conversion_id in found}
        fresh = [number for digest, number in first.items() if recorded[digest] == ids[number]]
        new = {each.id: each for each in cls._made([(ids[number], told[number]) for number in sorted(fresh)])}
        others = set(recorded.values()) - new.keys()
        said = ("partner_id", "id", "status", "error_message")
        known = {each.id: each for each in cls.objects.filter(id__in=others).only(*said)} if others else {}
        changes.tell_together([changes.Change(conversion=each, was=None, by=by) for each in new.values()])
        is_new = dict.fromkeys(fresh, True)
        return [
            (new.get(conversion_id) or known[conversion_id], number in is_new)
            for number, conversion_id in enumerate(recorded[each.digest] for each in told)
        ]

    @classmethod
    def _made(cls, told: list[tuple[UUID, Told]]) -> list[Conversion]:
        """Writes the conversions, with their holds and what they take of the caps."""
        day = localdate(timezone=Network.load().zone)
        capped = {each.source.offer.pk: Caps.of(each.source.offer) for _, each in told}
        rooms = Rooms(capped, [(offer_id, day) for offer_id in capped])
        made, holds = [], []
        for conversion_id, (source, report, due, _) in told:
            full = partial(full_in, rooms, day)
            status, message = cls._standing(source, report, due, full=full)
            conversion = cls(
                id=conversion_id,
                at=moment_of(conversion_id),
                transaction_id=source.transaction_id or conversion_id,
                status=status,
                error_message=message,
                **due,
                **facts_of(source, report),
            )
            conversion.partner = source.partner
            made.append(conversion)
            if status == cls.Status.ON_HOLD:
                until = conversion.at + timedelta(days=source.offer.holding_period_days)
                holds.append(Hold(partner=source.partner, conversion_id=conversion_id, until=until))
        rooms.write()
        copy_in(made)
        Hold.objects.bulk_create(holds)
        return made

    @classmethod
    def _standing(
        cls, source: Source, report: Report, due: dict[str, Any], *, full: Callable[..., str] = full_cap
    ) -> tuple[Status, str]:
        """What it is recorded as, and why when it counts for nothing. Takes room under the offer's caps."""
        if reason := why_invalid(source, report):
            return cls.Status.INVALID, reason
        if report.status == cls.Status.REJECTED:
            return cls.Status.REJECTED, "The advertiser has rejected it."
        if reason := full(source, report, due["payout"]):
            return cls.Status.INVALID, reason
        offer = source.offer
        if report.status == cls.Status.PENDING or offer.conversion_approval == offer.ConversionApproval.MANUAL:
            return cls.Status.PENDING, ""
        return (cls.Status.ON_HOLD if offer.holding_period_days else cls.Status.APPROVED), ""

    @transaction.atomic
    def annotate(self, *, notes: str, by: Actor) -> None:
        """Keeps the network's own notes on it; nothing is left behind when they say the same already."""
        mine = Conversion.objects.filter(partner_id=self.partner_id, id=self.id)
        before = mine.select_for_update().values_list("notes", flat=True).get()
        self.notes = notes
        if before != notes:
            mine.update(notes=notes)
            details = {"conversion_id": self.id.hex, "notes": [before, notes]}
            Event.record(EventKind.CONVERSION_NOTED, by=by, subject=self, partner=self.partner, details=details)

    @transaction.atomic
    def approve(self, *, by: Actor) -> None:
        """Makes it count, whether it was pending or had been refused before.

        :raises IsOnHold: when it is held back; then there is ``release``
        :raises AlreadyDecided: when it is approved
        """
        refused = (self.Status.PENDING, self.Status.REJECTED, self.Status.INVALID)
        self._become(self.Status.APPROVED, EventKind.CONVERSION_APPROVED, among=refused, by=by)

    @transaction.atomic
    def reject(self, *, by: Actor, reason: str) -> None:
        """Makes it count no longer. The partner is told the reason; a hold on it ends.

        :raises AlreadyDecided: when it is rejected or invalid
        """
        counting = (self.Status.APPROVED, self.Status.PENDING, self.Status.ON_HOLD)
        kind = EventKind.CONVERSION_REJECTED
        self._become(self.Status.REJECTED, kind, among=counting, by=by, error_message=reason)

    @transaction.atomic
    def invalidate(self, *, by: Actor, reason: str) -> None:
        """Says that it should never have been recorded, such as a test. The partner is told the reason; a hold ends.

        :raises AlreadyDecided: when it is invalid
        """
        others = [status for status in self.Status if status != self.Status.INVALID]
        self._become(self.Status.INVALID, EventKind.CONVERSION_INVALIDATED, among=others, by=by, error_message=reason)

    @transaction.atomic
    def release(self, *, by: Actor) -> None:
        """Approves it before its holding period ends.

        :raises NotOnHold: when the period has ended or somebody has decided
        """
        held = (self.Status.ON_HOLD,)
        self._become(self.Status.APPROVED, EventKind.CONVERSION_RELEASED, among=held, by=by)

    def _become(
        self, status: Status, kind: EventKind, *, among: Collection[str], by: Actor, error_message: str = ""
    ) -> None:
        """Every decision there can be. The hold is locked before the conversion, as ``end_due`` does."""
        holds = Hold.objects.open().filter(partner_id=self.partner_id, conversion_id=self.id)
        hold = holds.select_for_update().first()
        current = Conversion.objects.select_for_update().get(partner_id=self.partner_id, id=self.id)
        if current.status not in among:
            raise refusal_of(current.status, kind)
        decided: dict[str, Any] = {"status": status, "error_message": error_message, "updated_at": now()}
        Conversion.objects.filter(partner_id=self.partner_id, id=self.id).update(**decided)
        for field, value in decided.items():
            setattr(self, field, value)
        if hold is not None:
            hold._close(OUTCOMES[kind], at=self.updated_at, by=by)
        if (current.status in COUNTING) is not (status in COUNTING):
            give_back(self, sign=1 if status in COUNTING else -1)
        details: dict[str, Any] = {"conversion_id": self.id.hex, "status": [current.status, str(status)]}
        if error_message:
            details["reason"] = error_message
        Event.record(kind, by=by, subject=self, partner=self.partner, details=details)
        changes.tell(changes.Change(conversion=self, was=current.status, by=by))


class Told(NamedTuple):
    """One of many reports, what it comes to, and what it has in common with its repetitions."""

    source: Source
    report: Report
    due: dict[str, Any]
    digest: bytes


COPIED = [field for field in Conversion._meta.concrete_fields if field.name != "pk"]
COPY = f"COPY {Conversion._meta.db_table} ({', '.join(str(field.column) for field in COPIED)}) FROM STDIN"


def copy_in(conversions: Iterable[Conversion]) -> None:
    """Writes new rows by COPY, which takes a fraction of the time that INSERT takes for rows as wide as these."""
    names = [field.attname for field in COPIED]
    lines = ("\t".join([in_line(getattr(each, name)) for name in names]) + "\n" for each in conversions)
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(COPY) as copy:
        copy.write("".join(lines))


def in_line(value: Any) -> str:
    """A field of COPY's text format."""
    if isinstance(value, str):
        return in_copy(value)
    if value is None:
        return r"\N"
    return in_copy(dumps(value)) if isinstance(value, dict) else str(value)


def refusal_of(status: str, kind: EventKind) -> AlreadyDecided:
    """Why a conversion of that status cannot be decided over in that way."""
    if kind in (EventKind.CONVERSION_RELEASED, EventKind.HOLD_ENDED):
        return NotOnHold(status)
    if kind is EventKind.CONVERSION_APPROVED and status == Conversion.Status.ON_HOLD:
        return IsOnHold(status)
    return AlreadyDecided(status)


class Receipt(models.Model):
    """That a conversion was reported: whoever reports it again is told the same, and nothing is counted twice.

    Its own small table, because a unique constraint on a partitioned one would have to hold the row's own id.
    """

    # What makes one report another's repetition: the transaction, the event and the order, digested.
    digest = models.BinaryField(primary_key=True, max_length=32)
    partner_id = models.BigIntegerField()
    conversion_id = models.UUIDField()
    received_at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return f"Receipt of {self.conversion_id.hex}"


class HoldQuerySet(models.QuerySet["Hold"]):
    def open(self) -> Self:
        return self.filter(ended_at=None)

    def due(self, at: datetime) -> Self:
        return self.open().filter(until__lte=at)

    @transaction.atomic
    def end_due(self, at: datetime, *, by: Actor, most: int) -> int:
        """Ends at most so many holds whose time has come, and says how many. What another worker, or somebody who
        decides at this moment, has locked is left to them."""
        due = self.due(at).select_related("partner").select_for_update(skip_locked=True, of=("self",))
        holds = list(due.order_by("until", "pk")[:most])
        for hold in holds:
            hold.end(by=by)
        return len(holds)


class Hold(models.Model):
    """A conversion is held back until ``until``, and approved then, unless it is released or rejected before."""

    class Outcome(models.TextChoices):
        APPROVED = "approved", "Approved"
        RELEASED = "released", "Released"
        REJECTED = "rejected", "Rejected"

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="holds")
    conversion_id = models.UUIDField()
    until = models.DateTimeField()
    created_at = models.DateTimeField(default=now)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=200, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)

    objects = HoldQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["partner", "conversion_id"], name="conversion_is_held_once"),
            models.CheckConstraint(
                condition=Q(ended_at=None, ended_by="", outcome="")
                | (Q(ended_at__isnull=False, outcome__in=["approved", "released", "rejected"]) & ~Q(ended_by="")),
                name="hold_ended_at_and_by",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["until"], condition=Q(ended_at=None), name="hold_due"),
        ]

    def __str__(self) -> str:
        return f"Hold of {self.conversion_id.hex} until {self.until:%Y-%m-%d}"

    @property
    def status(self) -> str:
        """What the conversion was made by the end of the hold; ``on_hold`` until then."""
        if self.ended_at is None:
            return Conversion.Status.ON_HOLD
        rejected = self.outcome == self.Outcome.REJECTED
        return Conversion.Status.REJECTED if rejected else Conversion.Status.APPROVED

    @transaction.atomic
    def end(self, *, by: Actor) -> None:
        """Approves the conversion, because the holding period is over.

        :raises HoldAlreadyEnded: when someone was faster
        """
        current = Hold.objects.open().select_for_update().filter(pk=self.pk).first()
        if current is None:
            raise HoldAlreadyEnded
        conversion = Conversion.objects.filter(partner_id=self.partner_id, id=self.conversion_id).first()
        if conversion is None or conversion.status != Conversion.Status.ON_HOLD:
            # Whoever wrote the row did not end its hold. Left open, it would come up every minute for ever.
            self._close(self.Outcome.APPROVED, at=now(), by=by)
            return
        conversion.partner = self.partner
        held = (Conversion.Status.ON_HOLD,)
        conversion._become(Conversion.Status.APPROVED, EventKind.HOLD_ENDED, among=held, by=by)
        self.refresh_from_db(fields=["ended_at", "ended_by", "outcome"])

    def _close(self, outcome: Outcome, *, at: datetime, by: Actor) -> None:
        self.ended_at, self.ended_by, self.outcome = at, by.full_label, outcome
        self.save(update_fields=["ended_at", "ended_by", "outcome"])


# What takes room under the offer's caps.
COUNTING = frozenset({Conversion.Status.APPROVED, Conversion.Status.PENDING, Conversion.Status.ON_HOLD})
OUTCOMES = {
    EventKind.HOLD_ENDED: Hold.Outcome.APPROVED,
    EventKind.CONVERSION_RELEASED: Hold.Outcome.RELEASED,
    EventKind.CONVERSION_APPROVED: Hold.Outcome.RELEASED,
    EventKind.CONVERSION_REJECTED: Hold.Outcome.REJECTED,
    EventKind.CONVERSION_INVALIDATED: Hold.Outcome.REJECTED,
}
