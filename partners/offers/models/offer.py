from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Prefetch, Q
from django.utils.timezone import localdate, now

from partners.models import Partner
from partners.offers.models.applications import Application, NeedsNoApproval
from partners.offers.models.catalogue import Advertiser, Category
from partners.offers.models.materials import Creative, OfferUrl
from partners.offers.models.payouts import OfferPayout, PartnerPayout, Terms
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.network.currencies import currency_choices
from portal.network.models import Network

if TYPE_CHECKING:
    from portal.accounts.actors import Actor

CAP_SPANS = ("daily", "weekly", "monthly", "global")
CAPPED = ("conversion", "payout", "click")
CAPS = tuple(f"{span}_{what}_cap" for span in CAP_SPANS for what in CAPPED)


class OfferQuerySet(models.QuerySet["Offer"]):
    def visible_to_partner(self, partner: Partner) -> Self:
        """A private offer is seen by those alone who are approved for it, a deleted one by nobody."""
        hidden = Q(visibility=Offer.Visibility.PRIVATE) & ~Exists(approvals_of(partner))
        return self.exclude(status=Offer.Status.DELETED).exclude(hidden)

    def runnable_by(self, partner: Partner) -> Self:
        """What the partner may send traffic to today: active, not over, and public or approved for it."""
        may = Q(visibility=Offer.Visibility.PUBLIC) | Exists(approvals_of(partner))
        today = localdate(timezone=Network.load().zone)
        lasts = Q(live_until=None) | Q(live_until__gte=today)
        return self.filter(may, lasts, status=Offer.Status.ACTIVE)

    def for_answer(self, partner: Partner) -> Self:
        """With all that the partner is told of an offer, in the same number of queries for any number of offers."""
        return (
            self.select_related("category")
            .prefetch_related(
                Prefetch("payouts", OfferPayout.objects.for_answer(partner)),
                Prefetch("applications", partner.applications.all(), to_attr="own_applications"),
                "urls",
                "creatives",
            )
            .order_by("pk")
        )


def approvals_of(partner: Partner) -> models.QuerySet[Application]:
    return Application.objects.approved().filter(offer=OuterRef("pk"), partner=partner)


class Offer(models.Model):
    """What an advertiser wants promoted, and what partners earn by it."""

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"
        PENDING = "pending", "Pending"
        DELETED = "deleted", "Deleted"

    class Visibility(models.TextChoices):
        PUBLIC = "public", "Public"
        REQUIRE_APPROVAL = "require_approval", "Requires approval"
        PRIVATE = "private", "Private"

    advertiser = models.ForeignKey(Advertiser, on_delete=models.PROTECT, related_name="offers")
    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="offers")
    name = models.CharField(max_length=160)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.PENDING)
    visibility = models.CharField(max_length=20, choices=Visibility.choices, default=Visibility.REQUIRE_APPROVAL)
    currency = models.CharField(max_length=3, default="USD", choices=currency_choices)
    destination_url = models.URLField(max_length=2000)
    preview_url = models.URLField(max_length=2000, blank=True)
    thumbnail_url = models.URLField(max_length=2000, blank=True)
    description = models.TextField(blank=True)
    terms_and_conditions = models.TextField(blank=True)
    # ISO 3166-1 alpha-2; empty: everywhere.
    countries = ArrayField(models.CharField(max_length=2), default=list, blank=True)
    # The last day on which it runs, where the network is.
    live_until = models.DateField(null=True)
    # Caps; 0: as much as comes. Payout caps are in the offer's currency.
    daily_conversion_cap = models.BigIntegerField(default=0)
    daily_payout_cap = models.DecimalField(max_digits=14, decimal_places=4, default=0)
    daily_click_cap = models.BigIntegerField(default=0)
    weekly_conversion_cap = models.BigIntegerField(default=0)
    weekly_payout_cap = models.DecimalField(max_digits=14, decimal_places=4, default=0)
    weekly_click_cap = models.BigIntegerField(default=0)
    monthly_conversion_cap = models.BigIntegerField(default=0)
    monthly_payout_cap = models.DecimalField(max_digits=14, decimal_places=4, default=0)
    monthly_click_cap = models.BigIntegerField(default=0)
    global_conversion_cap = models.BigIntegerField(default=0)
    global_payout_cap = models.DecimalField(max_digits=14, decimal_places=4, default=0)
    global_click_cap = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=now)
    updated_at = models.DateTimeField(default=now)

    # Only there on rows of for_answer(): the partner's application, if it has made one.
    own_applications: list[Application]

    objects = OfferQuerySet.as_manager()

    class Meta:
        ordering = ("name", "pk")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status__in=["active", "paused", "pending", "deleted"]), name="offer_status_is_known"
            ),
            models.CheckConstraint(
                condition=Q(visibility__in=["public", "require_approval", "private"]),
                name="offer_visibility_is_known",
            ),
            models.CheckConstraint(
                condition=Q(**{f"{cap}__gte": 0 for cap in CAPS}), name="offer_caps_are_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def has_caps(self) -> bool:
        return any(getattr(self, cap) for cap in CAPS)

    @classmethod
    @transaction.atomic
    def launch(cls, *, pays: Terms, by: Actor, **fields: Any) -> Offer:
        """Creates the offer with its default payout: there is none without one."""
        offer = cls.objects.create(**fields)
        offer._pay(pays)
        Event.record(EventKind.OFFER_LAUNCHED, by=by, subject=offer, details={"payout": str(pays)})
        return offer

    @transaction.atomic
    def change(self, *, by: Actor, **fields: Any) -> None:
        """Saves the named fields, with what they were in the event; nothing is written when nothing changed."""
        current = Offer.objects.select_for_update(of=("self",)).get(pk=self.pk)
        changed = {
            field: [readable(getattr(current, field)), readable(value)]
            for field, value in fields.items()
            if getattr(current, field) != value
        }
        for field, value in fields.items():
            setattr(self, field, value)
        if not changed:
            return
        self.updated_at = now()
        self.save(update_fields=[*changed, "updated_at"])
        Event.record(EventKind.OFFER_CHANGED, by=by, subject=self, details=changed)

    @transaction.atomic
    def pay(self, terms: Terms, *, by: Actor, event_name: str = "") -> OfferPayout:
        """Sets what everybody is paid for the event, or by default; partners with terms of their own keep them."""
        payout = self._pay(terms, event_name)
        details = {"event": event_name, "payout": str(terms)}
        Event.record(EventKind.OFFER_PAYOUT_SET, by=by, subject=self, details=details)
        return payout

    def _pay(self, terms: Terms, event_name: str = "") -> OfferPayout:
        payout, _ = OfferPayout.objects.update_or_create(offer=self, event_name=event_name, defaults=columns(terms))
        return payout

    @transaction.atomic
    def pay_partner(self, partner: Partner, terms: Terms, *, by: Actor, event_name: str = "") -> PartnerPayout:
        """Sets what this partner is paid instead of what everybody is.

        :raises OfferPayout.DoesNotExist: when the offer pays nobody for that event
        """
        replaced = self.payouts.get(event_name=event_name)
        payout, _ = PartnerPayout.objects.update_or_create(replaces=replaced, partner=partner, defaults=columns(terms))
        details = {"event": event_name, "payout": str(terms)}
        Event.record(EventKind.PARTNER_PAYOUT_SET, by=by, subject=self, partner=partner, details=details)
        return payout

    @transaction.atomic
    def add_url(self, *, name: str, destination_url: str, by: Actor) -> OfferUrl:
        url = OfferUrl.objects.create(offer=self, name=name, destination_url=destination_url)
        Event.record(EventKind.OFFER_URL_ADDED, by=by, subject=self, details={"url": name})
        return url

    @transaction.atomic
    def add_creative(self, *, name: str, creative_type: Creative.Type, by: Actor, **fields: Any) -> Creative:
        creative = Creative.objects.create(offer=self, name=name, creative_type=creative_type, **fields)
        Event.record(EventKind.CREATIVE_ADDED, by=by, subject=self, details={"creative": name})
        return creative

    @transaction.atomic
    def apply(self, *, partner: Partner, by: Actor) -> Application:
        """The partner's application, made now or earlier: whoever asks twice has asked once.

        :raises NeedsNoApproval: when the offer is public
        """
        if self.visibility == self.Visibility.PUBLIC:
            raise NeedsNoApproval
        application, is_new = self._application_of(partner, by=by)
        if is_new:
            Event.record(EventKind.APPLICATION_MADE, by=by, subject=application, partner=partner)
        return application

    @transaction.atomic
    def admit(self, *, partner: Partner, by: Actor) -> Application:
        """Approves the partner, whether it has applied or was never shown the offer.

        :raises AlreadyDecided: when its application was approved or rejected before
        """
        application, _ = self._application_of(partner, by=by)
        application.approve(by=by)
        return application

    def _application_of(self, partner: Partner, *, by: Actor) -> tuple[Application, bool]:
        return Application.objects.select_related("offer", "partner").get_or_create(
            offer=self, partner=partner, defaults={"applied_by": by.full_label}
        )


def columns(terms: Terms) -> dict[str, Any]:
    return {"payout_type": terms.payout_type, "amount": terms.amount, "percentage": terms.percentage}


def readable(value: object) -> object:
    """A field's value as an event keeps it."""
    return value if value is None or isinstance(value, int | str | list) else str(value)
