"""What a partner promotes an offer with: where its links may lead, and what to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models, transaction
from django.db.models import Q
from django.utils.timezone import now

from partners.offers.models.uniqueness import NameIsTaken, there_is_one
from partners.offers.models.withdrawing import (
    AlreadyWithdrawn,
    Withdrawable,
    WithdrawableQuerySet,
    withdrawal_constraint,
)
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.web.edits import ChangedMeanwhile

if TYPE_CHECKING:
    from portal.accounts.actors import Actor


class OfferUrl(Withdrawable):
    """A place that a link may lead to instead of the offer's own destination; once it is withdrawn, links that name it
    lead to that."""

    offer = models.ForeignKey("offers.Offer", on_delete=models.PROTECT, related_name="urls")
    name = models.CharField(max_length=120)
    destination_url = models.URLField(max_length=2000)
    created_at = models.DateTimeField(default=now)

    objects = WithdrawableQuerySet["OfferUrl"].as_manager()

    class Meta:
        ordering = ("pk",)
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["offer", "name"], condition=Q(withdrawn_at=None), name="offer_url_name_is_unique"
            ),
            withdrawal_constraint("offer_url"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def standing(self) -> str:
        """What is written in it, to be compared with what somebody saw."""
        return f"{self.destination_url} {self.name}"

    @transaction.atomic
    def change(self, *, name: str, destination_url: str, by: Actor, seen: str | None = None) -> None:
        """Links that lead there lead to the new address from the next click on.

        :raises AlreadyWithdrawn: when no link leads there any more
        :raises ChangedMeanwhile: when ``seen`` is given and is not its ``standing`` any more
        :raises NameIsTaken: when another landing page of the offer has the name
        """
        current = OfferUrl.objects.select_for_update(of=("self",)).select_related("offer").get(pk=self.pk)
        if current.withdrawn_at is not None:
            raise AlreadyWithdrawn
        given = {"name": name, "destination_url": destination_url}
        changed = {field: [old, new] for field, new in given.items() if (old := getattr(current, field)) != new}
        if changed and seen is not None and seen != current.standing:
            raise ChangedMeanwhile(current)
        self.name, self.destination_url = name, destination_url
        if not changed:
            return
        with there_is_one("offer_url_name_is_unique", lambda: NameIsTaken(name)):
            self.save(update_fields=[*changed])
        Event.record(EventKind.OFFER_URL_CHANGED, by=by, subject=current.offer, details={"url": name, **changed})

    def withdraw(self, *, by: Actor) -> None:
        self._withdraw(EventKind.OFFER_URL_WITHDRAWN, by=by, subject=self.offer, details={"url": self.name})


class Creative(Withdrawable):
    """A banner, a text or a mail that partners may show. Wherever one that was withdrawn is still shown, its links work
    and its traffic is told by it, so that reports name who shows it."""

    class Type(models.TextChoices):
        IMAGE = "image", "Image"
        VIDEO = "video", "Video"
        HTML = "html", "HTML"
        TEXT = "text", "Text"
        EMAIL = "email", "E-mail"

    offer = models.ForeignKey("offers.Offer", on_delete=models.PROTECT, related_name="creatives")
    name = models.CharField(max_length=120)
    creative_type = models.CharField(max_length=10, choices=Type.choices)
    resource_url = models.URLField(max_length=2000, blank=True)
    width = models.IntegerField(default=0)
    height = models.IntegerField(default=0)
    html_code = models.TextField(blank=True)
    # The form that added it, so that sending it twice adds one.
    submission = models.UUIDField(null=True)
    created_at = models.DateTimeField(default=now)

    objects = WithdrawableQuerySet["Creative"].as_manager()

    class Meta:
        ordering = ("pk",)
        constraints: ClassVar = [
            withdrawal_constraint("creative"),
            models.UniqueConstraint(fields=["offer", "submission"], name="creative_submission_adds_once"),
            models.CheckConstraint(
                condition=Q(creative_type__in=["image", "video", "html", "text", "email"]),
                name="creative_type_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(creative_type__in=["image", "video"], resource_url="")
                & ~Q(creative_type__in=["html", "text", "email"], html_code=""),
                name="creative_has_something_to_show",
            ),
            models.CheckConstraint(condition=Q(width__gte=0, height__gte=0), name="creative_size_is_not_negative"),
        ]

    def __str__(self) -> str:
        return self.name

    def withdraw(self, *, by: Actor) -> None:
        self._withdraw(EventKind.CREATIVE_WITHDRAWN, by=by, subject=self.offer, details={"creative": self.name})
