from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import models, transaction
from django.db.models import Count, Exists, F, Max, OuterRef, Prefetch, Q
from django.db.models.functions import Now
from django.utils.timezone import now

from portal.accounts.events import EventKind
from portal.accounts.models import Event, User
from portal.network.countries import COUNTRIES
from portal.network.currencies import currency_choices
from portal.network.timezones import timezone_choices
from portal.web.edits import ChangedMeanwhile, changes_of

if TYPE_CHECKING:
    from portal.accounts.actors import Actor


class FlagAlreadyClosed(Exception):
    """The flag was closed before, perhaps by someone else a moment ago."""


class FlagAlreadyRaised(Exception):
    """The same flag is open already, perhaps because its button was pressed twice."""


class PartnerQuerySet(models.QuerySet["Partner"]):
    def visible_to(self, user: User) -> Self:
        """Network users see every partner, a partner's user that partner alone."""
        return self if user.is_network_user else self.filter(pk=user.partner_id)

    def with_flags(self) -> Self:
        open_flags = Flag.objects.open().filter(partner=OuterRef("pk"))
        return self.annotate(has_open_flags=Exists(open_flags))

    def flagged(self, kind: Flag.Kind) -> Self:
        return self.filter(Exists(Flag.objects.open().filter(partner=OuterRef("pk"), kind=kind)))

    def with_keys(self) -> Self:
        """Adds ``live_keys``, ``leaked_keys`` (those of them that were found in public) and ``last_call_at``."""
        # The keys app stands above this one and may not be imported here, but a list of partners without their keys
        # would be of little use. So its rows are named by the reverse relation, and what makes a key live is said
        # once more; tests/partners/test_manage.py holds it against Key.objects.live().
        live = Q(keys__revoked_at=None) & (Q(keys__expires_at=None) | Q(keys__expires_at__gt=Now()))
        leaked = live & Q(keys__leaks__isnull=False, keys__leaks__dismissed_at=None)
        return self.annotate(
            live_keys=Count("keys", filter=live, distinct=True),
            leaked_keys=Count("keys", filter=leaked, distinct=True),
            last_call_at=Max("keys__last_used_at"),
        )

    def with_requests(self) -> Self:
        """Adds ``requests_key``: whether a request for a key waits to be decided."""
        return self.annotate(requests_key=Exists(Partner.objects.requesting_key().filter(pk=OuterRef("pk"))))

    def requesting_key(self) -> Self:
        # Named by the reverse relation, as the keys are; tests/partners/test_manage.py holds it against
        # KeyRequest.objects.open().
        ends = ("approved_at", "declined_at", "withdrawn_at")
        waits = Q(key_requests__isnull=False, **{f"key_requests__{end}": None for end in ends})
        return self.filter(waits)

    def for_listing(self) -> Self:
        """What a row of Manage shows, in the same number of queries for any number of partners."""
        open_flags = Prefetch("flags", queryset=Flag.objects.open(), to_attr="open_flags")
        return (
            self.select_related("manager")
            .with_flags()
            .with_keys()
            .with_requests()
            .prefetch_related(open_flags)
            .order_by("name", "pk")
        )

    def search(self, text: str) -> Self:
        """Partners whose name, contact or number contains ``text``."""
        found = Q(name__icontains=text) | Q(technical_contact_email__icontains=text) | Q(website__icontains=text)
        return self.filter(found | Q(pk=int(text)) if text.isdecimal() and len(text) < 10 else found)


class Partner(models.Model):
    """An affiliate: it promotes the network's offers, and its systems ask the API with its keys."""

    class Status(models.TextChoices):
        ONBOARDING = "onboarding", "Onboarding"
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"

    name = models.CharField(max_length=120)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.ONBOARDING)
    manager = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="managed_partners",
        verbose_name="manager",
    )
    technical_contact_name = models.CharField("technical contact", max_length=120, blank=True)
    technical_contact_email = models.EmailField("technical contact's e-mail", blank=True)
    website = models.URLField(max_length=300, blank=True)
    country_code = models.CharField("country", max_length=2, blank=True)
    timezone = models.CharField("time zone", max_length=60, default="UTC", choices=timezone_choices)
    currency = models.CharField(max_length=3, default="USD", choices=currency_choices)
    notes = models.TextField("internal notes", blank=True)
    created_at = models.DateTimeField(default=now)
    updated_at = models.DateTimeField(default=now)

    # Only there on rows of with_keys(), with_requests() and for_listing().
    live_keys: int
    leaked_keys: int
    last_call_at: datetime | None
    requests_key: bool
    open_flags: list[Flag]

    objects = PartnerQuerySet.as_manager()

    class Meta:
        ordering = ("name", "pk")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status__in=["onboarding", "active", "paused"]),
                name="partner_status_is_known",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["name", "id"], name="partner_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def country(self) -> str:
        return COUNTRIES.get(self.country_code, self.country_code)

    @property
    def has_technical_contact(self) -> bool:
        return bool(self.technical_contact_email)

    @classmethod
    @transaction.atomic
    def create(cls, *, by: Actor, **fields: Any) -> Partner:
        partner = cls.objects.create(**fields)
        Event.record(EventKind.PARTNER_CREATED, by=by, subject=partner, partner=partner)
        return partner

    @transaction.atomic
    def change(self, *, by: Actor, seen: datetime | None = None, **fields: Any) -> None:
        """Saves the named fields, with what they were in the event; nothing is written when nothing changed.

        ``seen`` is the ``updated_at`` of what the one who changes was looking at.
        :raises ChangedMeanwhile: when that is no longer the current one
        """
        current = Partner.objects.select_for_update(of=("self",)).select_related("manager").get(pk=self.pk)
        if seen is not None and fields and current.updated_at != seen:
            raise ChangedMeanwhile(current)
        changed = changes_of(current, fields)
        for field, value in fields.items():
            setattr(self, field, value)
        if not changed:
            return
        self.updated_at = now()
        self.save(update_fields=[*changed, "updated_at"])
        Event.record(
            EventKind.PARTNER_CHANGED,
            by=by,
            subject=self,
            partner=self,
            details=changed,
        )

    @transaction.atomic
    def raise_flag(self, *, kind: Flag.Kind, note: str, by: Actor) -> Flag:
        """:raises FlagAlreadyRaised: when a flag of that kind with that very note is open"""
        flag, is_new = self.flags.open().get_or_create(
            kind=kind, note=note, defaults={"partner": self, "raised_by": by.full_label}
        )
        if not is_new:
            raise FlagAlreadyRaised
        Event.record(
            EventKind.FLAG_RAISED,
            by=by,
            subject=self,
            partner=self,
            details={"flag": str(kind), "note": note},
        )
        return flag


class FlagQuerySet(models.QuerySet["Flag"]):
    def open(self) -> Self:
        return self.filter(closed_at=None)

    def open_first(self) -> Self:
        return self.order_by(F("closed_at").desc(nulls_first=True), "-raised_at", "-pk")


class Flag(models.Model):
    """A reason to be careful with a partner, open until someone closes it."""

    class Kind(models.TextChoices):
        FRAUD = "fraud", "Fraud"
        QUALITY = "quality", "Quality"

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="flags")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    note = models.CharField(max_length=300)
    raised_at = models.DateTimeField(default=now)
    raised_by = models.CharField(max_length=200)
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=200, blank=True)
    closing_note = models.CharField(max_length=300, blank=True, default="", db_default="")

    objects = FlagQuerySet.as_manager()

    class Meta:
        ordering = ("-raised_at", "-pk")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(kind__in=["fraud", "quality"]), name="flag_kind_is_known"),
            models.CheckConstraint(
                condition=Q(closed_at=None, closed_by="") | (Q(closed_at__isnull=False) & ~Q(closed_by="")),
                name="flag_closed_at_and_by",
            ),
            models.CheckConstraint(
                condition=Q(closing_note="") | Q(closed_at__isnull=False), name="flag_closing_note_needs_closing"
            ),
            models.UniqueConstraint(
                fields=["partner", "kind", "note"], condition=Q(closed_at=None), name="open_flag_is_raised_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.note}"

    @transaction.atomic
    def close(self, *, by: Actor, note: str = "") -> None:
        """Closes the flag for good; ``note`` says what became of it.

        :raises FlagAlreadyClosed: when someone was faster
        """
        closing = {"closed_at": now(), "closed_by": by.full_label, "closing_note": note}
        if not Flag.objects.open().filter(pk=self.pk).update(**closing):
            raise FlagAlreadyClosed
        for field, value in closing.items():
            setattr(self, field, value)
        Event.record(
            EventKind.FLAG_CLOSED,
            by=by,
            subject=self.partner,
            partner=self.partner,
            details={"flag": self.kind, "note": self.note, "closing_note": note},
        )
