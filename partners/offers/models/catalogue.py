"""Whose offers there are, and what they are sorted by."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models, transaction
from django.utils.timezone import now

from portal.accounts.events import EventKind
from portal.accounts.models import Event

if TYPE_CHECKING:
    from portal.accounts.actors import Actor


class Advertiser(models.Model):
    """The company whose product an offer promotes, and who pays the network for it."""

    name = models.CharField(max_length=120)
    created_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ("name", "pk")
        constraints: ClassVar = [models.UniqueConstraint(fields=["name"], name="advertiser_name_is_unique")]

    def __str__(self) -> str:
        return self.name

    @classmethod
    @transaction.atomic
    def sign_up(cls, *, name: str, by: Actor) -> Advertiser:
        advertiser = cls.objects.create(name=name)
        Event.record(EventKind.ADVERTISER_SIGNED_UP, by=by, subject=advertiser)
        return advertiser


class Category(models.Model):
    """What an offer is about, such as Travel."""

    name = models.CharField(max_length=80)
    created_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ("name", "pk")
        verbose_name_plural = "categories"
        constraints: ClassVar = [models.UniqueConstraint(fields=["name"], name="category_name_is_unique")]

    def __str__(self) -> str:
        return self.name

    @classmethod
    @transaction.atomic
    def add(cls, *, name: str, by: Actor) -> Category:
        category = cls.objects.create(name=name)
        Event.record(EventKind.CATEGORY_ADDED, by=by, subject=category)
        return category
