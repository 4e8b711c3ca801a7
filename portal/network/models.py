from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo

from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models import Q
from django.utils.timezone import now

from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.network.currencies import currency_choices
from portal.network.timezones import timezone_choices
from portal.web.edits import ChangedMeanwhile

if TYPE_CHECKING:
    from portal.accounts.actors import Actor


class Network(models.Model):
    """The company that runs this deployment. Its settings are one row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    name = models.CharField(max_length=120)
    timezone = models.CharField("time zone", max_length=60, default="UTC", choices=timezone_choices)
    currency = models.CharField(max_length=3, default="USD", choices=currency_choices)
    support_name = models.CharField("support contact", max_length=120, blank=True)
    support_email = models.EmailField("support e-mail", blank=True)
    tracking_domain = models.CharField(
        max_length=253,
        blank=True,
        validators=[
            RegexValidator(
                r"^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$",
                "Enter a host name alone, such as go.example.com: no https://, no path.",
            )
        ],
    )
    budget_requests = models.PositiveIntegerField("requests", default=60)
    budget_seconds = models.PositiveIntegerField("seconds", default=60)
    log_retention_days = models.PositiveIntegerField("days the API Log is kept", default=90, db_default=90)
    revokes_leaked_keys = models.BooleanField("revoke keys that are found in public", default=True, db_default=True)
    partners_may_request_keys = models.BooleanField(default=True, db_default=True)
    created_at = models.DateTimeField(default=now)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(id=1), name="network_is_one_row"),
            models.CheckConstraint(
                condition=Q(budget_requests__gte=1, budget_requests__lte=1_000_000),
                name="network_budget_requests",
            ),
            models.CheckConstraint(
                condition=Q(budget_seconds__gte=1, budget_seconds__lte=86_400),
                name="network_budget_seconds",
            ),
            models.CheckConstraint(
                condition=Q(log_retention_days__gte=1, log_retention_days__lte=3650),
                name="network_log_retention_days",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @classmethod
    def load(cls) -> Network:
        """The settings; those of a network nobody has set up yet when there is no row."""
        return cls.objects.filter(pk=1).first() or cls(name="Your network")

    @transaction.atomic
    def change(
        self,
        *,
        by: Actor,
        kind: EventKind = EventKind.NETWORK_CHANGED,
        seen: datetime | None = None,
        **fields: Any,
    ) -> None:
        """Saves the named settings, for everyone from the next request on, with what they were in the event.

        ``seen`` is the ``updated_at`` of what the one who changes was looking at.
        :raises ChangedMeanwhile: when that is no longer the current one
        """
        current = Network.objects.select_for_update().filter(pk=1).first()
        if seen is not None and fields and current is not None and current.updated_at != seen:
            raise ChangedMeanwhile(current)
        before = {field: getattr(current or self, field) for field in fields}
        for field, value in fields.items():
            setattr(self, field, value)
        changed = {field: [before[field], value] for field, value in fields.items() if before[field] != value}
        if current is None:
            self.save(force_insert=True)
        elif not changed:
            return
        else:
            self.updated_at = now()
            self.save(update_fields=[*fields, "updated_at"])
        Event.record(kind, by=by, subject=self, details=changed)


class IsTheNetworksOwn(Exception):
    """One unit of the network's currency is one unit of it: that needs no rate, and may have no other."""


class ExchangeRate(models.Model):
    """What one unit of a currency is worth in the network's, from a day on until the next rate.

    A day is one in UTC. Before its first rate a currency is worth what that says.
    """

    currency = models.CharField(max_length=3, choices=currency_choices)
    since = models.DateField()
    rate = models.DecimalField("units of the network’s currency for one", max_digits=20, decimal_places=10)
    recorded_at = models.DateTimeField(default=now)
    recorded_by = models.CharField(max_length=200)

    class Meta:
        ordering = ("currency", "-since", "pk")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["currency", "since"], name="exchange_rate_is_once_per_day"),
            models.CheckConstraint(condition=Q(rate__gt=0), name="exchange_rate_is_positive"),
            models.CheckConstraint(condition=~Q(recorded_by=""), name="exchange_rate_recorded_at_and_by"),
        ]

    def __str__(self) -> str:
        return f"{self.currency} since {self.since}"

    @classmethod
    @transaction.atomic
    def record(cls, *, currency: str, since: date, rate: Decimal, by: Actor) -> ExchangeRate:
        """Sets what the currency is worth from that day on; a rate of the very day is corrected.

        :raises IsTheNetworksOwn: for the network's currency
        """
        if currency == Network.load().currency:
            raise IsTheNetworksOwn(currency)
        told = {"rate": rate, "recorded_at": now(), "recorded_by": by.full_label}
        recorded, _ = cls.objects.update_or_create(currency=currency, since=since, defaults=told)
        Event.record(
            EventKind.EXCHANGE_RATE_RECORDED, by=by, subject=recorded, details={"rate": f"{rate.normalize():f}"}
        )
        return recorded
