"""What was offered and is no longer. It stays in the database, because links, clicks and reports name it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.db import models, transaction
from django.db.models import F, Q
from django.utils.timezone import now

from partners.models import Partner
from portal.accounts.events import EventKind
from portal.accounts.models import Event

if TYPE_CHECKING:
    from portal.accounts.actors import Actor

Row = TypeVar("Row", bound="Withdrawable")


class AlreadyWithdrawn(Exception):
    """It was withdrawn before, perhaps by someone else a moment ago."""


class WithdrawableQuerySet(models.QuerySet[Row]):
    def kept(self) -> Self:
        return self.filter(withdrawn_at=None)

    def kept_first(self) -> Self:
        """Those that are still offered, by number; then the others, the one that was withdrawn last first."""
        return self.order_by(F("withdrawn_at").desc(nulls_first=True), "pk")


class Withdrawable(models.Model):
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.CharField(max_length=200, blank=True, default="", db_default="")

    class Meta:
        abstract = True

    def withdraw(self, *, by: Actor) -> None:
        """:raises AlreadyWithdrawn: when someone was faster"""
        raise NotImplementedError

    @transaction.atomic
    def _withdraw(
        self,
        kind: EventKind,
        *,
        by: Actor,
        subject: models.Model | None = None,
        partner: Partner | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        withdrawal = {"withdrawn_at": now(), "withdrawn_by": by.full_label}
        if not type(self)._default_manager.filter(pk=self.pk, withdrawn_at=None).update(**withdrawal):
            raise AlreadyWithdrawn
        for field, value in withdrawal.items():
            setattr(self, field, value)
        Event.record(kind, by=by, subject=subject or self, partner=partner, details=details)


def withdrawal_constraint(name: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        condition=Q(withdrawn_at=None, withdrawn_by="") | (Q(withdrawn_at__isnull=False) & ~Q(withdrawn_by="")),
        name=f"{name}_withdrawn_at_and_by",
    )
