"""What the network keeps out: blocked traffic of one partner, and controls over the sources of many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils.timezone import now

from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.models.visits import SUBS, TEXT_LENGTH
from portal.accounts.events import EventKind
from portal.accounts.models import Event

if TYPE_CHECKING:
    from portal.accounts.actors import Actor

VARIABLES = ("source_id", *SUBS)


def variable_choices() -> list[tuple[str, str]]:
    return [(name, name) for name in VARIABLES]


class AlreadyBlocked(Exception):
    """The very same traffic is blocked already."""


class AlreadyLifted(Exception):
    """The block was lifted before, perhaps by someone else a moment ago."""


class AlreadyPaused(Exception):
    """The control is paused already."""


class AlreadyActive(Exception):
    """The control is in force already."""


class TrafficBlockQuerySet(models.QuerySet["TrafficBlock"]):
    def standing(self) -> Self:
        """Those that nobody has lifted."""
        return self.filter(lifted_at=None)

    def for_listing(self) -> Self:
        return self.select_related("offer").order_by("-pk")


class TrafficBlock(models.Model):
    """Clicks of one partner that carry exactly this value are invalid: on one offer, or on all."""

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="traffic_blocks")
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, null=True, related_name="traffic_blocks")
    variable = models.CharField(max_length=10, choices=variable_choices)
    value = models.CharField(max_length=TEXT_LENGTH)
    reason = models.CharField(max_length=200, blank=True)
    blocked_at = models.DateTimeField(default=now)
    blocked_by = models.CharField(max_length=200)
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.CharField(max_length=200, blank=True)

    objects = TrafficBlockQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(variable__in=list(VARIABLES)), name="traffic_block_variable_is_known"),
            models.CheckConstraint(condition=~Q(value=""), name="traffic_block_has_a_value"),
            models.CheckConstraint(condition=~Q(blocked_by=""), name="traffic_block_blocked_at_and_by"),
            models.CheckConstraint(
                condition=Q(lifted_at=None, lifted_by="") | (Q(lifted_at__isnull=False) & ~Q(lifted_by="")),
                name="traffic_block_lifted_at_and_by",
            ),
            models.UniqueConstraint(
                fields=["partner", "offer", "variable", "value"],
                condition=Q(lifted_at=None),
                nulls_distinct=False,
                name="traffic_is_blocked_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.variable} = {self.value}"

    @property
    def is_standing(self) -> bool:
        return self.lifted_at is None

    @classmethod
    @transaction.atomic
    def block(
        cls, *, partner: Partner, variable: str, value: str, by: Actor, offer: Offer | None = None, reason: str = ""
    ) -> TrafficBlock:
        """Makes the partner's clicks with that value invalid from now on: on one offer, or on all.

        :raises AlreadyBlocked: when they are
        """
        try:
            with transaction.atomic():
                block = cls.objects.create(
                    partner=partner,
                    offer=offer,
                    variable=variable,
                    value=value,
                    reason=reason,
                    blocked_by=by.full_label,
                )
        except IntegrityError as refusal:
            if "traffic_is_blocked_once" in str(refusal):
                raise AlreadyBlocked from refusal
            raise
        block._leave_event(EventKind.TRAFFIC_BLOCKED, by=by)
        return block

    @transaction.atomic
    def lift(self, *, by: Actor) -> None:
        """:raises AlreadyLifted: when someone was faster"""
        lifting = {"lifted_at": now(), "lifted_by": by.full_label}
        if not TrafficBlock.objects.standing().filter(pk=self.pk).update(**lifting):
            raise AlreadyLifted
        for field, value in lifting.items():
            setattr(self, field, value)
        self._leave_event(EventKind.TRAFFIC_BLOCK_LIFTED, by=by)

    def _leave_event(self, kind: EventKind, *, by: Actor) -> None:
        offer = str(self.offer) if self.offer else "every offer"
        details = {"offer": offer} | ({"reason": self.reason} if self.reason else {})
        Event.record(kind, by=by, subject=self, partner=self.partner, details=details)


class TrafficControlQuerySet(models.QuerySet["TrafficControl"]):
    def active(self) -> Self:
        return self.filter(is_active=True)

    def for_partner(self, partner: Partner) -> Self:
        """Those that concern the partner: named for it, or for all."""
        named = TrafficControl.partners.through.objects.filter(partner=partner).values("trafficcontrol_id")
        return self.filter(Q(is_for_all_partners=True) | Q(pk__in=named))

    def for_listing(self) -> Self:
        return self.select_related("offer").prefetch_related("partners").order_by("name", "pk")


class TrafficControl(models.Model):
    """Which sources may send traffic: those on a whitelist alone, or all but those on a blacklist."""

    class Type(models.TextChoices):
        BLACKLIST = "blacklist", "Blacklist"
        WHITELIST = "whitelist", "Whitelist"

    class Comparison(models.TextChoices):
        EXACT = "exact", "is"
        CONTAINS = "contains", "contains"
        STARTS_WITH = "starts_with", "starts with"

    name = models.CharField(max_length=120)
    control_type = models.CharField(max_length=10, choices=Type.choices)
    variable = models.CharField(max_length=10, choices=variable_choices)
    comparison_method = models.CharField(max_length=12, choices=Comparison.choices)
    values = ArrayField(models.CharField(max_length=TEXT_LENGTH))
    # Null: every offer. Which partners it is for: all of them, or those named.
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, null=True, related_name="traffic_controls")
    is_for_all_partners = models.BooleanField(default=True)
    partners = models.ManyToManyField(Partner, related_name="traffic_controls", blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=now)
    updated_at = models.DateTimeField(default=now)

    objects = TrafficControlQuerySet.as_manager()

    class Meta:
        ordering = ("name", "pk")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(control_type__in=["blacklist", "whitelist"]), name="traffic_control_type_is_known"
            ),
            models.CheckConstraint(condition=Q(variable__in=list(VARIABLES)), name="traffic_control_variable_is_known"),
            models.CheckConstraint(
                condition=Q(comparison_method__in=["exact", "contains", "starts_with"]),
                name="traffic_control_comparison_is_known",
            ),
            models.CheckConstraint(condition=Q(values__len__gte=1), name="traffic_control_has_values"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def status(self) -> str:
        return "active" if self.is_active else "inactive"

    @classmethod
    @transaction.atomic
    def add(cls, *, by: Actor, partners: Iterable[Partner] = (), **fields: Any) -> TrafficControl:
        """Puts a control into force; ``partners`` are those it is for, all of them when there are none."""
        named = list(partners)
        control = cls.objects.create(is_for_all_partners=not named, **fields)
        control.partners.set(named)
        Event.record(EventKind.TRAFFIC_CONTROL_ADDED, by=by, subject=control, details=control._told())
        return control

    @transaction.atomic
    def change(self, *, by: Actor, partners: Iterable[Partner] | None = None, **fields: Any) -> None:
        """Saves the named fields, with what the control was in the event; nothing is written when nothing changed.

        ``partners``: those it is for from now on, all when there are none; None leaves that as it is.
        """
        current = TrafficControl.objects.select_for_update(of=("self",)).get(pk=self.pk)
        before = current._told()
        for field, value in fields.items():
            setattr(current, field, value)
            setattr(self, field, value)
        if partners is not None:
            named = list(partners)
            current.is_for_all_partners = self.is_for_all_partners = not named
            current.partners.set(named)
        after = current._told()
        changed = {name: [before[name], after[name]] for name in after if before[name] != after[name]}
        if not changed:
            return
        current.updated_at = self.updated_at = now()
        current.save(update_fields=[*fields, "is_for_all_partners", "updated_at"])
        Event.record(EventKind.TRAFFIC_CONTROL_CHANGED, by=by, subject=self, details=changed)

    @transaction.atomic
    def pause(self, *, by: Actor) -> None:
        """:raises AlreadyPaused: when someone was faster"""
        if not self._switch(to=False):
            raise AlreadyPaused
        Event.record(EventKind.TRAFFIC_CONTROL_PAUSED, by=by, subject=self)

    @transaction.atomic
    def resume(self, *, by: Actor) -> None:
        """:raises AlreadyActive: when someone was faster"""
        if not self._switch(to=True):
            raise AlreadyActive
        Event.record(EventKind.TRAFFIC_CONTROL_RESUMED, by=by, subject=self)

    def _switch(self, *, to: bool) -> bool:
        at = now()
        is_done = TrafficControl.objects.filter(pk=self.pk, is_active=not to).update(is_active=to, updated_at=at)
        if is_done:
            self.is_active, self.updated_at = to, at
        return bool(is_done)

    def _told(self) -> dict[str, str]:
        """What an event keeps of it."""
        return {
            "name": self.name,
            "type": self.control_type,
            "rule": f"{self.variable} {self.get_comparison_method_display()} {', '.join(self.values)}",
            "offer": str(self.offer) if self.offer else "every offer",
            "partners": ", ".join(str(partner) for partner in self.partners.all()) or "all",
        }
