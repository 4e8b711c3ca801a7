from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import Count, Exists, ExpressionWrapper, F, OuterRef, Prefetch, Q, Value
from django.utils.timezone import localdate, now

from partners.models import Partner
from partners.offers.codes import code_of_offer
from partners.offers.models.applications import Application, NeedsNoApproval
from partners.offers.models.catalogue import Advertiser, Category
from partners.offers.models.materials import Creative, OfferUrl
from partners.offers.models.payouts import OfferPayout, PartnerPayout, PayoutType, Revenue, Terms, TermsMoved, rate
from partners.offers.models.promotions import CodeIsTaken, CouponCode, Deal, ProductFeed, ProductFeedItem
from partners.offers.models.uniqueness import AlreadySubmitted, NameIsTaken, there_is_one
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.network.countries import COUNTRIES
from portal.network.currencies import currency_choices
from portal.network.models import Network
from portal.web.edits import ChangedMeanwhile, changes_of

if TYPE_CHECKING:
    from portal.accounts.actors import Actor

CAP_SPANS = ("daily", "weekly", "monthly", "global")
CAPPED = ("conversion", "payout", "click")
CAPS = tuple(f"{span}_{what}_cap" for span in CAP_SPANS for what in CAPPED)
MOST_LABELS = 20
LONGEST_LABEL = 40
NOT_ACTIVE = {"paused": "it is paused", "pending": "it has not started yet", "deleted": "it was deleted"}


class CurrencyIsFixed(Exception):
    """Money has been counted in the offer's currency since its launch; another one would change what it meant."""


class OfferQuerySet(models.QuerySet["Offer"]):
    def visible_to_partner(self, partner: Partner) -> Self:
        """A private offer is seen by those alone who are approved for it, a deleted one by nobody."""
        hidden = Q(visibility=Offer.Visibility.PRIVATE) & ~Exists(approvals_of(partner))
        return self.exclude(status=Offer.Status.DELETED).exclude(hidden)

    def open_to(self, partner: Partner) -> Self:
        """What the partner need not apply for, or no longer, whether it can be run today or not."""
        return self.exclude(status=Offer.Status.DELETED).filter(is_open_to(partner))

    def runnable_by(self, partner: Partner) -> Self:
        """What the partner may send traffic to today: active, not over, and public or approved for it. Nothing, while
        its account is not active: tracking turns its traffic away."""
        return self.filter(runs_for(partner))

    def for_answer(self, partner: Partner) -> Self:
        """With all that the partner is told of an offer, in the same number of queries for any number of offers."""
        return (
            self.annotate(
                is_runnable=ExpressionWrapper(runs_for(partner), output_field=models.BooleanField()),
                is_partner_active=Value(partner.status == Partner.Status.ACTIVE),
            )
            .select_related("category")
            .prefetch_related(
                Prefetch("payouts", OfferPayout.objects.for_answer(partner)),
                Prefetch("applications", partner.applications.all(), to_attr="own_applications"),
                Prefetch("urls", OfferUrl.objects.kept()),
                Prefetch("creatives", Creative.objects.kept()),
            )
            .order_by("pk")
        )

    def for_network_answer(self) -> Self:
        """With all that the network's own systems are told of an offer, as for_answer() has it for a partner: nobody in
        particular runs it here, so everybody's terms are the offer's."""
        return (
            self.annotate(
                is_runnable=Value(False), is_partner_active=Value(False), pending_count=applications_to_answer()
            )
            .select_related("advertiser", "category")
            .prefetch_related(
                Prefetch("payouts", OfferPayout.objects.for_network_answer()),
                Prefetch("applications", Application.objects.none(), to_attr="own_applications"),
                Prefetch("urls", OfferUrl.objects.kept()),
                Prefetch("creatives", Creative.objects.kept()),
            )
            .order_by("pk")
        )

    def for_review(self) -> Self:
        """What a row of the network's own list shows, in the same number of queries for any number of offers."""
        offers = self.select_related("advertiser", "category").prefetch_related("payouts")
        return offers.annotate(pending_count=applications_to_answer())

    def paying(self, payout_type: PayoutType, partner: Partner) -> Self:
        """Those whose conversion, or click or impression, pays the partner in that way."""
        own = PartnerPayout.objects.filter(replaces__offer=OuterRef("pk"), replaces__event_name="", partner=partner)
        default = OfferPayout.objects.filter(offer=OuterRef("pk"), event_name="", payout_type=payout_type)
        return self.filter(Exists(own.filter(payout_type=payout_type)) | (~Exists(own) & Exists(default)))

    def with_pending(self) -> Self:
        return self.applied_for(Application.objects.pending())

    def applied_for(self, applications: models.QuerySet[Application]) -> Self:
        """Those that one of the applications is for."""
        return self.filter(Exists(applications.filter(offer=OuterRef("pk"))))

    def search(self, text: str) -> Self:
        """Offers whose name, category, advertiser or number contains ``text``."""
        found = Q(name__icontains=text) | Q(category__name__icontains=text) | Q(advertiser__name__icontains=text)
        return self.filter(found | Q(pk=int(text)) if text.isdecimal() and len(text) < 10 else found)


def applications_to_answer() -> Count:
    return Count("applications", filter=Q(applications__approved_at=None, applications__rejected_at=None))


def approvals_of(partner: Partner) -> models.QuerySet[Application]:
    return Application.objects.approved().filter(offer=OuterRef("pk"), partner=partner)


def is_open_to(partner: Partner) -> Q:
    return Q(visibility=Offer.Visibility.PUBLIC) | Q(Exists(approvals_of(partner)))


def runs_for(partner: Partner) -> Q:
    # Where the network is: an offer's last day is over when it is over there.
    today = localdate(timezone=Network.load().zone)
    lasts = Q(live_until=None) | Q(live_until__gte=today)
    # No row has no number: that is how to say "none" in a condition.
    may = is_open_to(partner) if partner.status == Partner.Status.ACTIVE else Q(pk__isnull=True)
    return Q(status=Offer.Status.ACTIVE) & lasts & may


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

    class ConversionApproval(models.TextChoices):
        AUTOMATIC = "automatic", "Automatic"
        MANUAL = "manual", "By hand"

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
    # For so many days a conversion is on hold before it counts; 0: it counts at once.
    holding_period_days = models.PositiveSmallIntegerField(default=0, db_default=0)
    conversion_approval = models.CharField(
        max_length=10,
        choices=ConversionApproval.choices,
        default=ConversionApproval.AUTOMATIC,
        db_default=ConversionApproval.AUTOMATIC,
    )
    # For so many days after its click a conversion counts.
    click_lifespan_days = models.PositiveSmallIntegerField(default=30, db_default=30)
    # Where traffic goes that this one cannot take: it is over, its cap is reached, the country is not one of its own.
    redirect_offer = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="redirected_offers"
    )
    # The network's own words for sorting its offers; partners never see them.
    labels = ArrayField(models.CharField(max_length=LONGEST_LABEL), default=list, db_default=[], blank=True)
    # The form that launched it, so that sending it twice launches one.
    submission = models.UUIDField(null=True)
    created_at = models.DateTimeField(default=now)
    updated_at = models.DateTimeField(default=now)

    # Only there on rows of for_answer(): the partner's application, if it has made one, and whether it runs the offer.
    own_applications: list[Application]
    is_runnable: bool
    is_partner_active: bool
    # Only there on rows of for_review() and for_network_answer().
    pending_count: int

    objects = OfferQuerySet.as_manager()

    class Meta:
        ordering = ("name", "pk")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["submission"], name="offer_submission_launches_once"),
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
            models.CheckConstraint(
                condition=Q(holding_period_days__gte=0, holding_period_days__lte=365),
                name="offer_holding_period_is_in_range",
            ),
            models.CheckConstraint(
                condition=Q(conversion_approval__in=["automatic", "manual"]), name="offer_conversion_approval_is_known"
            ),
            models.CheckConstraint(
                condition=Q(click_lifespan_days__gte=1, click_lifespan_days__lte=365),
                name="offer_click_lifespan_is_in_range",
            ),
            models.CheckConstraint(
                condition=Q(redirect_offer=None) | ~Q(redirect_offer=F("id")), name="offer_redirects_to_another"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def code(self) -> str:
        """What stands for it in tracking links."""
        return code_of_offer(self.pk)

    @property
    def own_status(self) -> str:
        """How the partner of for_answer() stands to the offer: what its application has come to, or what there is to
        come to: ``public`` or ``require_approval``."""
        if self.visibility == self.Visibility.PUBLIC:
            return str(self.Visibility.PUBLIC)
        if self.own_applications:
            return str(self.own_applications[0].status)
        return str(self.Visibility.REQUIRE_APPROVAL)

    @property
    def obstacle(self) -> str:
        """Why the partner of for_answer() cannot run the offer, as the rest of a sentence; empty when it can."""
        return self._obstacle("your", "it needs approval, so apply for it first")

    @property
    def obstacle_to_others(self) -> str:
        """The same, said to the network instead of to the partner."""
        return self._obstacle("the affiliate’s", "it needs approval, and the affiliate has not applied for it")

    def _obstacle(self, whose: str, needs_approval: str) -> str:
        if self.is_runnable:
            return ""
        if not self.is_partner_active:
            return f"{whose} account is not active"
        if self.status != self.Status.ACTIVE:
            return NOT_ACTIVE[self.status]
        waits = {
            "require_approval": needs_approval,
            Application.Status.PENDING: f"{whose} application has not been answered yet",
            Application.Status.REJECTED: f"{whose} application was rejected",
        }
        return waits.get(self.own_status) or f"it ended on {self.live_until}"

    @property
    def default_payout(self) -> OfferPayout:
        """What the conversion itself pays. Takes the prefetched ones: ask with for_answer() or for_review()."""
        return next(payout for payout in self.payouts.all() if payout.is_default)

    @property
    def country_names(self) -> list[str]:
        return sorted(COUNTRIES.get(code, code) for code in self.countries)

    @property
    def caps(self) -> list[tuple[str, str]]:
        """Those that are set, as people read them."""
        spans = {"daily": "a day", "weekly": "a week", "monthly": "a month", "global": "in all"}
        named = {"conversion": "Conversions", "payout": "Payout", "click": "Clicks"}
        caps = []
        for what, name in named.items():
            for span, how_long in spans.items():
                if cap := getattr(self, f"{span}_{what}_cap"):
                    text = rate(cap, self.currency) if what == "payout" else f"{cap:,}"
                    caps.append((name, f"{text} {how_long}"))
        return caps

    @property
    def has_caps(self) -> bool:
        return any(getattr(self, cap) for cap in CAPS)

    @classmethod
    @transaction.atomic
    def launch(
        cls,
        *,
        pays: Terms,
        earns: Revenue | None = None,
        by: Actor,
        submission: uuid.UUID | None = None,
        **fields: Any,
    ) -> Offer:
        """Creates the offer with its default payout: there is none without one.

        An advertiser or a category that is a mere name is the one of that name, new if there is none. ``submission``
        names the form that asks.
        :raises AlreadySubmitted: when it has launched its offer before
        """
        with there_is_one(
            "offer_submission_launches_once", lambda: AlreadySubmitted(cls.objects.get(submission=submission))
        ):
            offer = cls.objects.create(submission=submission, **with_named(fields, by=by))
        offer._pay(pays, earns)
        Event.record(EventKind.OFFER_LAUNCHED, by=by, subject=offer, details=told(pays, earns))
        return offer

    @transaction.atomic
    def change(self, *, by: Actor, seen: datetime | None = None, **fields: Any) -> None:
        """Saves the named fields, with what they were in the event; nothing is written when nothing changed. An
        advertiser or a category may be a mere name, as for ``launch``.

        ``seen`` is the ``updated_at`` of what the one who changes was looking at.
        :raises ChangedMeanwhile: when that is no longer the current one
        :raises CurrencyIsFixed: when another currency is named
        """
        current = Offer.objects.select_for_update(of=("self",)).get(pk=self.pk)
        if seen is not None and fields and current.updated_at != seen:
            raise ChangedMeanwhile(current)
        fields = with_named(fields, by=by)
        if fields.get("currency", current.currency) != current.currency:
            raise CurrencyIsFixed
        changed = changes_of(current, fields)
        for field, value in fields.items():
            setattr(self, field, value)
        if not changed:
            return
        self.updated_at = now()
        self.save(update_fields=[*changed, "updated_at"])
        Event.record(EventKind.OFFER_CHANGED, by=by, subject=self, details=changed)

    @transaction.atomic
    def pay(
        self,
        terms: Terms,
        *,
        earns: Revenue | None = None,
        by: Actor,
        event_name: str = "",
        seen: str | None = None,
    ) -> OfferPayout:
        """Sets what everybody is paid for the event, or by default; partners with terms of their own keep them.

        ``earns`` is what the network gets for it; without it that stays as it is, at first nothing. ``seen`` is the
        ``standing`` of the payout that the one who asks saw, empty for none; to ask for what stands is no change.
        :raises TermsMoved: when ``seen`` is given, and something else stands there
        """
        if seen is not None:
            self._hold()
            current = self.payouts.filter(event_name=event_name).first()
            if current is not None and current.terms == terms and earns in (None, current.revenue):
                return current
            demand_seen(current, seen)
        payout = self._pay(terms, earns, event_name)
        details = {"event": event_name, **told(terms, earns)}
        Event.record(EventKind.OFFER_PAYOUT_SET, by=by, subject=self, details=details)
        return payout

    def _pay(self, terms: Terms, earns: Revenue | None, event_name: str = "") -> OfferPayout:
        given = columns(terms)
        if earns is not None:
            given |= {
                "revenue_type": earns.revenue_type,
                "revenue_amount": earns.amount,
                "revenue_percentage": earns.percentage,
            }
        payout, _ = OfferPayout.objects.update_or_create(offer=self, event_name=event_name, defaults=given)
        return payout

    @transaction.atomic
    def pay_partner(
        self, partner: Partner, terms: Terms, *, by: Actor, event_name: str = "", seen: str | None = None
    ) -> PartnerPayout:
        """Sets what this partner is paid instead of what everybody is; ``seen`` is as for ``pay``.

        :raises OfferPayout.DoesNotExist: when the offer pays nobody for that event
        :raises TermsMoved: when ``seen`` is given, and something else stands there
        """
        replaced = self.payouts.get(event_name=event_name)
        if seen is not None:
            self._hold()
            current = replaced.partner_payouts.filter(partner=partner).first()
            if current is not None and current.terms == terms:
                return current
            demand_seen(current, seen)
        payout, _ = PartnerPayout.objects.update_or_create(replaces=replaced, partner=partner, defaults=columns(terms))
        details = {"event": event_name, "payout": str(terms)}
        Event.record(EventKind.PARTNER_PAYOUT_SET, by=by, subject=self, partner=partner, details=details)
        return payout

    def _hold(self) -> None:
        """Lets nobody else who looks first change the offer's terms before this transaction ends."""
        Offer.objects.select_for_update(of=("self",), no_key=True).get(pk=self.pk)

    @transaction.atomic
    def add_url(self, *, name: str, destination_url: str, by: Actor) -> OfferUrl:
        """:raises NameIsTaken: when another landing page of the offer has the name"""
        with there_is_one("offer_url_name_is_unique", lambda: NameIsTaken(name)):
            url = OfferUrl.objects.create(offer=self, name=name, destination_url=destination_url)
        Event.record(EventKind.OFFER_URL_ADDED, by=by, subject=self, details={"url": name})
        return url

    @transaction.atomic
    def add_creative(
        self,
        *,
        name: str,
        creative_type: Creative.Type,
        by: Actor,
        submission: uuid.UUID | None = None,
        **fields: Any,
    ) -> Creative:
        """``submission`` names the form that asks.

        :raises AlreadySubmitted: when it has added its creative before
        """
        given = {"name": name, "creative_type": creative_type, "submission": submission, **fields}
        with there_is_one(
            "creative_submission_adds_once", lambda: AlreadySubmitted(self.creatives.get(submission=submission))
        ):
            creative = Creative.objects.create(offer=self, **given)
        Event.record(EventKind.CREATIVE_ADDED, by=by, subject=self, details={"creative": name})
        return creative

    @transaction.atomic
    def add_deal(self, *, by: Actor, submission: uuid.UUID | None = None, **fields: Any) -> Deal:
        """``submission`` names the form that asks.

        :raises AlreadySubmitted: when it has added its deal before
        """
        with there_is_one("deal_submission_adds_once", lambda: AlreadySubmitted(self.deals.get(submission=submission))):
            deal = Deal.objects.create(offer=self, submission=submission, **fields)
        Event.record(EventKind.DEAL_ADDED, by=by, subject=deal, details={"offer": str(self)})
        return deal

    @transaction.atomic
    def add_coupon(self, *, code: str, by: Actor, partner: Partner | None = None, **fields: Any) -> CouponCode:
        """A code for everybody, or for one partner, whose every sale with it is then.

        :raises CodeIsTaken: when another coupon has the code, in any case, and was not withdrawn
        """
        with there_is_one("coupon_code_is_taken_once", lambda: CodeIsTaken(code)):
            coupon = CouponCode.objects.create(offer=self, code=code, partner=partner, **fields)
        Event.record(EventKind.COUPON_ADDED, by=by, subject=coupon, partner=partner, details={"offer": str(self)})
        return coupon

    @transaction.atomic
    def add_feed(
        self, *, name: str, by: Actor, items: Iterable[ProductFeedItem] | None = None, **fields: Any
    ) -> ProductFeed:
        """An empty feed, or one that is filled with ``items``.

        :raises NameIsTaken: when another feed of the offer has the name
        """
        with there_is_one("product_feed_name_is_unique", lambda: NameIsTaken(name)):
            feed = ProductFeed.objects.create(offer=self, name=name, **fields)
        Event.record(EventKind.FEED_ADDED, by=by, subject=feed, details={"offer": str(self)})
        if items is not None:
            feed.fill(items, by=by)
        return feed

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


def with_named(fields: dict[str, Any], *, by: Actor) -> dict[str, Any]:
    """The fields with the advertiser and the category themselves in place of their names."""
    named: dict[str, Any] = {}
    if isinstance(advertiser := fields.get("advertiser"), str):
        named["advertiser"] = Advertiser.called(advertiser, by=by)
    if isinstance(category := fields.get("category"), str):
        named["category"] = Category.called(category, by=by)
    return {**fields, **named}


def demand_seen(current: OfferPayout | PartnerPayout | None, seen: str) -> None:
    """:raises TermsMoved: when what stands is not what was seen"""
    if seen != (current.standing if current is not None else ""):
        raise TermsMoved(current)


def columns(terms: Terms) -> dict[str, Any]:
    return {"payout_type": terms.payout_type, "amount": terms.amount, "percentage": terms.percentage}


def told(terms: Terms, earns: Revenue | None) -> dict[str, str]:
    """What an event keeps of it."""
    return {"payout": str(terms)} | ({"revenue": str(earns)} if earns is not None else {})
