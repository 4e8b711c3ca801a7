"""How many calls are let through: the stricter limits, and the windows that the gate counts in."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models, transaction
from django.db.models import Q

from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.network.models import Network

if TYPE_CHECKING:
    from portal.accounts.actors import Actor
    from portal.web.api import OperationLimit as DeclaredLimit


class AboveBudget(Exception):
    """The limit would let more calls through than the network's budget does; ``most`` is what it may be at most."""

    def __init__(self, most: int) -> None:
        self.most = most
        super().__init__(str(most))


class OperationLimit(models.Model):
    """A network admin's own figure for a stricter limit that an operation declares; without a row the declared one."""

    name = models.CharField(max_length=40, primary_key=True)
    requests = models.PositiveIntegerField()
    seconds = models.PositiveIntegerField()

    class Meta:
        ordering = ("name",)
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(requests__gte=1, seconds__gte=1), name="operation_limit_lets_calls_through"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.requests} per {self.seconds} s"

    @classmethod
    def in_force(cls, declared: DeclaredLimit) -> OperationLimit:
        """The figures that count: an admin's, or else the declared ones."""
        own = cls.objects.filter(pk=declared.name).first()
        return own or cls(name=declared.name, requests=declared.requests, seconds=declared.seconds)

    @classmethod
    @transaction.atomic
    def change(cls, declared: DeclaredLimit, *, requests: int, seconds: int, by: Actor) -> None:
        """Sets the figures, for all calls from the next one on.

        :raises AboveBudget: when they let more calls through than the network's budget does in the same time
        """
        network = Network.load()
        most = max(1, network.budget_requests * max(seconds, network.budget_seconds) // network.budget_seconds)
        if requests > most:
            raise AboveBudget(most)
        before = cls.in_force(declared)
        if (before.requests, before.seconds) == (requests, seconds):
            return
        cls.objects.update_or_create(pk=declared.name, defaults={"requests": requests, "seconds": seconds})
        Event.record(
            EventKind.LIMIT_CHANGED,
            by=by,
            subject=network,
            details={declared.name: [f"{before.requests} per {before.seconds} s", f"{requests} per {seconds} s"]},
        )


class Window(models.Model):
    """How much of a limit its current window has used. Only the function ``keys_admit`` writes it."""

    scope = models.CharField(max_length=60, primary_key=True)
    started_at = models.DateTimeField()
    used = models.PositiveIntegerField()

    class Meta:
        ordering = ("scope",)

    def __str__(self) -> str:
        return f"{self.scope}: {self.used} since {self.started_at}"
