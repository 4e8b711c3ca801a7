"""What makes an offer's customers buy: deals, coupon codes, and the products themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now, Upper
from django.utils.timezone import now

from partners.models import Partner
from partners.offers.models.payouts import rate
from partners.offers.models.uniqueness import NameIsTaken, there_is_one
from partners.offers.models.withdrawing import (
    AlreadyWithdrawn,
    Withdrawable,
    WithdrawableQuerySet,
    withdrawal_constraint,
)
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.network.currencies import currency_choices
from portal.web.edits import ChangedMeanwhile, changes_of

if TYPE_CHECKING:
    from portal.accounts.actors import Actor

NOTHING = Decimal(0)
BATCH_SIZE = 1000


class CodeIsTaken(Exception):
    """Another coupon has this code; their sales could not be told apart."""


class Standing(models.TextChoices):
    """Where something that has a first and a last day stands."""

    UPCOMING = "upcoming", "Upcoming"
    ACTIVE = "active", "Active"
    EXPIRED = "expired", "Expired"
    WITHDRAWN = "withdrawn", "Withdrawn"


def standing_is(standing: Standing, today: date) -> Q:
    begun = Q(valid_from=None) | Q(valid_from__lte=today)
    lasts = Q(valid_to=None) | Q(valid_to__gte=today)
    return {
        Standing.WITHDRAWN: Q(withdrawn_at__isnull=False),
        Standing.UPCOMING: Q(withdrawn_at=None, valid_from__gt=today),
        Standing.EXPIRED: Q(withdrawn_at=None, valid_to__lt=today),
        Standing.ACTIVE: Q(begun, lasts, withdrawn_at=None),
    }[standing]


def lasting_constraints(name: str) -> list[models.CheckConstraint]:
    return [
        models.CheckConstraint(
            condition=Q(valid_from=None) | Q(valid_to=None) | Q(valid_to__gte=F("valid_from")),
            name=f"{name}_ends_after_it_begins",
        ),
        withdrawal_constraint(name),
    ]


class Lasting(Withdrawable):
    """Something that holds from its first day to its last, where the network is, unless it is withdrawn before."""

    valid_from = models.DateField(null=True)
    valid_to = models.DateField(null=True)
    created_at = models.DateTimeField(default=now)

    class Meta(Withdrawable.Meta):
        abstract = True

    def standing(self, today: date) -> Standing:
        if self.withdrawn_at is not None:
            return Standing.WITHDRAWN
        if self.valid_from is not None and self.valid_from > today:
            return Standing.UPCOMING
        return Standing.EXPIRED if self.valid_to is not None and self.valid_to < today else Standing.ACTIVE


class Amendable(Lasting):
    """Something lasting that may be changed while it is offered."""

    updated_at = models.DateTimeField(default=now, db_default=Now())

    class Meta(Lasting.Meta):
        abstract = True

    def _change(self, kind: EventKind, *, by: Actor, seen: datetime | None, fields: dict[str, Any]) -> None:
        current = type(self)._default_manager.select_for_update(of=("self",)).get(pk=self.pk)
        if current.withdrawn_at is not None:
            raise AlreadyWithdrawn
        if seen is not None and fields and current.updated_at != seen:
            raise ChangedMeanwhile(current)
        changed = changes_of(current, fields)
        for field, value in fields.items():
            setattr(self, field, value)
        if not changed:
            return
        self.updated_at = now()
        self.save(update_fields=[*changed, "updated_at"])
        Event.record(kind, by=by, subject=self, details=changed)


class DealQuerySet(WithdrawableQuerySet["Deal"]):
    def of(self, offers: models.QuerySet[models.Model]) -> Self:
        return self.filter(offer__in=offers)

    def standing(self, standing: Standing, today: date) -> Self:
        return self.filter(standing_is(standing, today))

    def standing_in(self, standings: Iterable[Standing], today: date) -> Self:
        return self.filter(reduce(or_, (standing_is(standing, today) for standing in standings)))

    def for_answer(self) -> Self:
        return self.select_related("offer").order_by("pk")


class Deal(Amendable):
    """An occasion to buy that partners may tell of: a discount, a gift, shipping for nothing."""

    class Type(models.TextChoices):
        DISCOUNT = "discount", "Discount"
        FREE_SHIPPING = "free_shipping", "Free shipping"
        GIFT = "gift", "Gift"
        BUNDLE = "bundle", "Bundle"
        OTHER = "other", "Other"

    offer = models.ForeignKey("offers.Offer", on_delete=models.PROTECT, related_name="deals")
    name = models.CharField(max_length=160)
    brand_name = models.CharField(max_length=120, blank=True)
    deal_type = models.CharField(max_length=20, choices=Type.choices)
    description = models.TextField(blank=True)
    restrictions = models.TextField(blank=True)
    # What customers enter at the checkout, if anything; it need not be a coupon that attributes sales to a partner.
    coupon_code = models.CharField(max_length=80, blank=True)
    discount_percentage = models.DecimalField(max_digits=7, decimal_places=4, default=NOTHING)
    discount_amount = models.DecimalField(max_digits=14, decimal_places=4, default=NOTHING)
    discount_currency = models.CharField(max_length=3, blank=True, choices=currency_choices)
    # The form that added it, so that sending it twice adds one.
    submission = models.UUIDField(null=True)

    objects = DealQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints: ClassVar = [
            *lasting_constraints("deal"),
            models.UniqueConstraint(fields=["offer", "submission"], name="deal_submission_adds_once"),
            models.CheckConstraint(
                condition=Q(deal_type__in=["discount", "free_shipping", "gift", "bundle", "other"]),
                name="deal_type_is_known",
            ),
            models.CheckConstraint(
                condition=Q(discount_percentage__gte=0, discount_percentage__lte=100, discount_amount__gte=0),
                name="deal_discount_is_in_range",
            ),
            models.CheckConstraint(
                condition=Q(discount_amount=0) | ~Q(discount_currency=""), name="deal_discount_has_a_currency"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def discount_told(self) -> str:
        """What customers save, as people read it; empty when that is no figure."""
        share = [f"{self.discount_percentage.normalize():f}% off"] if self.discount_percentage else []
        amount = [f"{rate(self.discount_amount, self.discount_currency)} off"] if self.discount_amount else []
        return ", ".join(share + amount)

    @transaction.atomic
    def change(self, *, by: Actor, seen: datetime | None = None, **fields: Any) -> None:
        """Saves the named fields, with what they were in the event; partners are told of them at once.

        ``seen`` is the ``updated_at`` of what the one who changes was looking at.
        :raises AlreadyWithdrawn: when partners are told of it no more
        :raises ChangedMeanwhile: when that is no longer the current one
        """
        self._change(EventKind.DEAL_CHANGED, by=by, seen=seen, fields=fields)

    def withdraw(self, *, by: Actor) -> None:
        self._withdraw(EventKind.DEAL_WITHDRAWN, by=by, details={"offer": str(self.offer)})


class CouponCodeQuerySet(WithdrawableQuerySet["CouponCode"]):
    def of(self, offers: models.QuerySet[models.Model]) -> Self:
        return self.filter(offer__in=offers)

    def usable_by(self, partner: Partner) -> Self:
        """Everybody's, and the partner's own; never another's."""
        return self.filter(Q(partner=None) | Q(partner=partner))

    def standing(self, standing: Standing, today: date) -> Self:
        return self.filter(standing_is(standing, today))

    def named(self, code: str) -> Self:
        """The coupon with that code, in any case, unless it was withdrawn: at most one."""
        return self.named_any([code])

    def named_any(self, codes: Collection[str]) -> Self:
        """Those with one of the codes, in any case, that were not withdrawn: at most one of each."""
        capitals = [code.upper() for code in codes]
        return self.alias(in_capitals=Upper("code")).filter(in_capitals__in=capitals, withdrawn_at=None)

    def for_answer(self) -> Self:
        return self.select_related("offer").order_by("pk")

    def for_review(self) -> Self:
        """Those that hold or will, before those that were withdrawn; with the partner whose each is."""
        return self.select_related("partner").order_by(F("withdrawn_at").desc(nulls_first=True), "code", "pk")


class CouponCode(Lasting):
    """What customers enter at the checkout. A sale with one partner's code is that partner's, even without a click.

    A code that has expired stays taken until it is withdrawn: its last sales are still being reported.
    """

    offer = models.ForeignKey("offers.Offer", on_delete=models.PROTECT, related_name="coupon_codes")
    # Whose it is; null: everybody's.
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, null=True, related_name="coupon_codes")
    code = models.CharField(max_length=80)
    description = models.CharField(max_length=300, blank=True)

    objects = CouponCodeQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints: ClassVar = [
            *lasting_constraints("coupon"),
            models.UniqueConstraint(Upper("code"), condition=Q(withdrawn_at=None), name="coupon_code_is_taken_once"),
            models.CheckConstraint(condition=Q(code__regex=r"^\S+$"), name="coupon_code_is_one_word"),
        ]

    def __str__(self) -> str:
        return self.code

    def withdraw(self, *, by: Actor) -> None:
        self._withdraw(EventKind.COUPON_WITHDRAWN, by=by, partner=self.partner, details={"offer": str(self.offer)})


class ProductFeedQuerySet(WithdrawableQuerySet["ProductFeed"]):
    def of(self, offers: models.QuerySet[models.Model]) -> Self:
        return self.filter(offer__in=offers)

    def for_answer(self) -> Self:
        return self.annotate(item_count=models.Count("items")).order_by("pk")


class ProductFeed(Amendable):
    """The advertiser's products, for partners who show them one by one. Once it is withdrawn, or a product has left it,
    links to the product lead to the offer's own page."""

    offer = models.ForeignKey("offers.Offer", on_delete=models.PROTECT, related_name="product_feeds")
    name = models.CharField(max_length=120)
    filled_at = models.DateTimeField(null=True)

    # Only there on rows of for_answer().
    item_count: int

    objects = ProductFeedQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["offer", "name"], condition=Q(withdrawn_at=None), name="product_feed_name_is_unique"
            ),
            *lasting_constraints("product_feed"),
        ]

    def __str__(self) -> str:
        return self.name

    @transaction.atomic
    def change(self, *, by: Actor, seen: datetime | None = None, **fields: Any) -> None:
        """Saves the named fields, with what they were in the event. ``seen`` is as for a deal.

        :raises AlreadyWithdrawn: when partners are told of it no more
        :raises ChangedMeanwhile: when what was seen is no longer the current one
        :raises NameIsTaken: when another feed of the offer has the name
        """
        with there_is_one("product_feed_name_is_unique", lambda: NameIsTaken(fields["name"])):
            self._change(EventKind.FEED_CHANGED, by=by, seen=seen, fields=fields)

    def withdraw(self, *, by: Actor) -> None:
        self._withdraw(EventKind.FEED_WITHDRAWN, by=by, details={"offer": str(self.offer)})

    @transaction.atomic
    def fill(self, items: Iterable[ProductFeedItem], *, by: Actor) -> int:
        """Makes ``items`` all that the feed holds, and says how many they are.

        A product keeps its number while its sku stays in the feed, so the links to it go on working.
        :raises AlreadyWithdrawn: when partners are told of it no more
        """
        if ProductFeed.objects.select_for_update().get(pk=self.pk).withdrawn_at is not None:
            raise AlreadyWithdrawn
        given = {item.sku: item for item in items}
        self.items.exclude(sku__in=given).delete()
        for item in given.values():
            item.feed = self
        told = [
            field.name for field in ProductFeedItem._meta.concrete_fields if field.name not in ("id", "feed", "sku")
        ]
        ProductFeedItem.objects.bulk_create(
            given.values(),
            batch_size=BATCH_SIZE,
            update_conflicts=True,
            unique_fields=["feed", "sku"],
            update_fields=told,
        )
        self.filled_at = now()
        self.save(update_fields=["filled_at"])
        Event.record(EventKind.FEED_FILLED, by=by, subject=self, details={"products": len(given)})
        return len(given)


class ProductFeedItem(models.Model):
    """One product of a feed. Its price is in the offer's currency."""

    feed = models.ForeignKey(ProductFeed, on_delete=models.CASCADE, related_name="items")
    sku = models.CharField(max_length=80)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    url_link = models.URLField(max_length=2000)
    price = models.DecimalField(max_digits=14, decimal_places=4)
    url_link_mobile = models.URLField(max_length=2000, blank=True)
    image_url = models.URLField(max_length=2000, blank=True)
    image_url_mobile = models.URLField(max_length=2000, blank=True)
    brand = models.CharField(max_length=120, blank=True)
    availability = models.CharField(max_length=40, blank=True)
    valid_from = models.DateField(null=True)
    valid_to = models.DateField(null=True)

    class Meta:
        ordering = ("sku", "pk")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["feed", "sku"], name="product_is_once_in_its_feed"),
            models.CheckConstraint(condition=Q(price__gte=0), name="product_price_is_not_negative"),
            models.CheckConstraint(condition=~Q(url_link=""), name="product_has_an_address"),
        ]

    def __str__(self) -> str:
        return self.name
