"""What a partner is paid for, and what the network earns by it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models, transaction
from django.db.models import Prefetch, Q
from django.utils.timezone import now

from partners.models import Partner
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.network.currencies import DECIMALS

if TYPE_CHECKING:
    from portal.accounts.actors import Actor

NOTHING = Decimal(0)


class TermsMoved(Exception):
    """Other terms stand there than the ones somebody saw who wanted to replace them; ``current`` are those, if any."""

    def __init__(self, current: OfferPayout | PartnerPayout | None) -> None:
        self.current = current
        super().__init__(str(current))


class AlreadyEnded(Exception):
    """The partner had no such terms any more, perhaps because somebody else ended them a moment ago."""


class PayoutType(models.TextChoices):
    CPA = "cpa", "Per conversion"
    CPS = "cps", "Share of the sale"
    CPC = "cpc", "Per click"
    CPM = "cpm", "Per thousand impressions"
    CPA_CPS = "cpa_cps", "Per conversion, and a share of the sale"


def told(kind: str, amount: Decimal, percentage: Decimal, currency: str) -> str:
    """A rate as people read it: 4.00 EUR a conversion + 6% of the sale."""
    of_what = {"a": "a conversion", "c": "a click", "m": "per 1,000 impressions"}
    fixed = [f"{rate(amount, currency)} {of_what.get(kind[2], of_what['a'])}"] if amount or kind[2] != "s" else []
    share = [f"{percentage.normalize():f}% of the sale"] if percentage or kind.endswith("s") else []
    return " + ".join(fixed + share)


def rate(amount: Decimal, currency: str) -> str:
    """An amount with the decimals of its currency, and more where it has more: 0.0125 USD."""
    whole, _, decimals = f"{amount:,.4f}".partition(".")
    decimals = decimals.rstrip("0").ljust(DECIMALS.get(currency, 2), "0")
    return f"{whole}.{decimals} {currency}" if decimals else f"{whole} {currency}"


@dataclass(frozen=True, slots=True)
class Terms:
    """How much is paid for what: an amount in the offer's currency, a percentage of the sale, or both."""

    payout_type: PayoutType
    amount: Decimal = NOTHING
    percentage: Decimal = NOTHING

    def told(self, currency: str) -> str:
        return told(self.payout_type, self.amount, self.percentage, currency)

    def __str__(self) -> str:
        paid = [str(self.amount)] * bool(self.amount) + [f"{self.percentage} %"] * bool(self.percentage)
        return f"{self.payout_type} {' + '.join(paid) or '0'}"


class RevenueType(models.TextChoices):
    RPA = "rpa", "Per conversion"
    RPS = "rps", "Share of the sale"
    RPC = "rpc", "Per click"
    RPM = "rpm", "Per thousand impressions"
    RPA_RPS = "rpa_rps", "Per conversion, and a share of the sale"


@dataclass(frozen=True, slots=True)
class Revenue:
    """What the advertiser pays the network: an amount in the offer's currency, a percentage of the sale, or both."""

    revenue_type: RevenueType
    amount: Decimal = NOTHING
    percentage: Decimal = NOTHING

    def told(self, currency: str) -> str:
        return told(self.revenue_type, self.amount, self.percentage, currency)

    def __str__(self) -> str:
        earned = [str(self.amount)] * bool(self.amount) + [f"{self.percentage} %"] * bool(self.percentage)
        return f"{self.revenue_type} {' + '.join(earned) or '0'}"


def terms_constraints(name: str) -> list[models.CheckConstraint]:
    return [
        models.CheckConstraint(
            condition=Q(payout_type__in=["cpa", "cps", "cpc", "cpm", "cpa_cps"]), name=f"{name}_type_is_known"
        ),
        models.CheckConstraint(
            condition=Q(amount__gte=0, percentage__gte=0, percentage__lte=100), name=f"{name}_is_in_range"
        ),
        models.CheckConstraint(
            condition=~Q(payout_type__in=["cpa", "cpc", "cpm"], percentage__gt=0) & ~Q(payout_type="cps", amount__gt=0),
            name=f"{name}_pays_by_its_type",
        ),
    ]


class Payout(models.Model):
    payout_type = models.CharField(max_length=10, choices=PayoutType.choices)
    amount = models.DecimalField(max_digits=14, decimal_places=4, default=NOTHING)
    percentage = models.DecimalField(max_digits=7, decimal_places=4, default=NOTHING)
    created_at = models.DateTimeField(default=now)

    class Meta:
        abstract = True

    @property
    def terms(self) -> Terms:
        return Terms(PayoutType(self.payout_type), self.amount, self.percentage)


class OfferPayoutQuerySet(models.QuerySet["OfferPayout"]):
    def for_answer(self, partner: Partner) -> Self:
        """With the partner's own terms, if it has any."""
        return self.prefetch_related(
            Prefetch("partner_payouts", PartnerPayout.objects.filter(partner=partner), to_attr="own")
        )

    def for_network_answer(self) -> Self:
        """As for a partner that has no terms of its own, which none is asked for."""
        return self.prefetch_related(Prefetch("partner_payouts", PartnerPayout.objects.none(), to_attr="own"))


class OfferPayout(Payout):
    """What an offer pays everybody: by default, or for an event after the conversion, such as a deposit."""

    offer = models.ForeignKey("offers.Offer", on_delete=models.PROTECT, related_name="payouts")
    # Empty for the default one: what the conversion itself pays.
    event_name = models.CharField(max_length=80, blank=True)
    revenue_type = models.CharField(
        max_length=10, choices=RevenueType.choices, default=RevenueType.RPA, db_default=RevenueType.RPA
    )
    revenue_amount = models.DecimalField(max_digits=14, decimal_places=4, default=NOTHING, db_default=NOTHING)
    revenue_percentage = models.DecimalField(max_digits=7, decimal_places=4, default=NOTHING, db_default=NOTHING)

    # Only there on rows of for_answer(): the partner's own, at most one.
    own: list[PartnerPayout]

    objects = OfferPayoutQuerySet.as_manager()

    class Meta:
        ordering = ("event_name", "pk")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["offer", "event_name"], name="offer_pays_once_for_an_event"),
            *terms_constraints("offer_payout"),
            models.CheckConstraint(
                condition=Q(revenue_type__in=["rpa", "rps", "rpc", "rpm", "rpa_rps"]),
                name="offer_revenue_type_is_known",
            ),
            models.CheckConstraint(
                condition=Q(revenue_amount__gte=0, revenue_percentage__gte=0, revenue_percentage__lte=100),
                name="offer_revenue_is_in_range",
            ),
            models.CheckConstraint(
                condition=~Q(revenue_type__in=["rpa", "rpc", "rpm"], revenue_percentage__gt=0)
                & ~Q(revenue_type="rps", revenue_amount__gt=0),
                name="offer_revenue_comes_by_its_type",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_name or 'Base'}: {self.terms}"

    @property
    def standing(self) -> str:
        """What is paid and earned, to be compared with what somebody saw."""
        return f"{self.terms} {self.revenue}"

    @property
    def payout_told(self) -> str:
        return self.terms.told(self.offer.currency)

    @property
    def own_payout_told(self) -> str:
        return self.own_terms.told(self.offer.currency)

    @property
    def revenue_told(self) -> str:
        return self.revenue.told(self.offer.currency)

    @property
    def title(self) -> str:
        return self.event_name.replace("_", " ").capitalize() or "Conversion"

    @property
    def is_default(self) -> bool:
        return not self.event_name

    @property
    def revenue(self) -> Revenue:
        """What the network earns, whatever a partner's own terms are."""
        return Revenue(RevenueType(self.revenue_type), self.revenue_amount, self.revenue_percentage)

    @property
    def own_terms(self) -> Terms:
        """What the partner of for_answer() is paid: its own terms, which replace everybody's."""
        return self.own[0].terms if self.own else self.terms


class PartnerPayout(Payout):
    """What one partner is paid in place of everybody's payout."""

    replaces = models.ForeignKey(OfferPayout, on_delete=models.PROTECT, related_name="partner_payouts")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="payouts")

    class Meta:
        ordering = ("pk",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["replaces", "partner"], name="payout_is_replaced_once_for_a_partner"),
            *terms_constraints("partner_payout"),
        ]

    def __str__(self) -> str:
        return f"{self.partner}: {self.terms}"

    @property
    def standing(self) -> str:
        """What is paid, to be compared with what somebody saw."""
        return str(self.terms)

    @transaction.atomic
    def end(self, *, by: Actor) -> None:
        """From now on the partner is paid what everybody is.

        :raises AlreadyEnded: when somebody was faster
        """
        details = {"event": self.replaces.event_name, "payout": str(self.terms)}
        if not PartnerPayout.objects.filter(pk=self.pk).delete()[0]:
            raise AlreadyEnded
        Event.record(
            EventKind.PARTNER_PAYOUT_ENDED,
            by=by,
            subject=self.replaces.offer,
            partner=self.partner,
            details=details,
        )

    @property
    def payout_told(self) -> str:
        return self.terms.told(self.replaces.offer.currency)
