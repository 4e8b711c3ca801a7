"""Who came, from where and with what: clicks and impressions, and what conversions keep of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from django.db import connection, models

from partners.models import Partner
from partners.offers.models import Offer
from portal.web.ids import first_id_at

if TYPE_CHECKING:
    from uuid import UUID

SUBS = tuple(f"sub{number}" for number in range(1, 11))
# What a link may carry; what is longer is cut, because a click is worth more than the end of its sub id.
TEXT_LENGTH = 500

V = TypeVar("V", bound="Visit", covariant=True)


class VisitQuerySet(models.QuerySet[V]):
    """Questions to rows in the order of time. A row has no foreign keys and is found by its partner and its id."""

    def between(self, start: datetime, end: datetime) -> Self:
        """Those of ``start`` and later, earlier than ``end``; only the partitions of that time are read."""
        return self.filter(id__gte=first_id_at(start), id__lt=first_id_at(end))

    def newest_first(self) -> Self:
        return self.order_by("-id")

    def before(self, visit_id: UUID) -> Self:
        """Older ones. Ids are UUIDv7, so their order is that of time."""
        return self.filter(id__lt=visit_id)


class Visit(models.Model):
    """What clicks, impressions and conversions have in common, so that a report can ask all three the same.

    Ids are UUIDv7 and ``at`` is their time, to the millisecond. The tables are partitioned by id and their primary key
    begins with the partner. They have no foreign keys: what a row speaks of is looked at when it is written, and it
    stays what it was whatever becomes of the offer.
    """

    pk = models.CompositePrimaryKey("partner_id", "id")
    partner = models.ForeignKey(
        Partner, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="%(class)ss"
    )
    id = models.UUIDField()
    at = models.DateTimeField()
    offer = models.ForeignKey(
        Offer, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="%(class)ss"
    )
    # 0: the offer's own destination; no creative.
    offer_url_id = models.BigIntegerField(default=0)
    creative_id = models.BigIntegerField(default=0)
    coupon_code = models.CharField(max_length=80, blank=True)
    source_id = models.CharField(max_length=TEXT_LENGTH, blank=True)
    sub1 = models.CharField(max_length=TEXT_LENGTH, blank=True)
    sub2 = models.CharField(max_length=TEXT_LENGTH, blank=True)
    sub3 = models.CharField(max_length=TEXT_LENGTH, blank=True)
    sub4 = models.CharField(max_length=TEXT_LENGTH, blank=True)
    sub5 = models.CharField(max_length=TEXT_LENGTH, blank=True)
    sub6 = models.CharField(max_length=TEXT_LENGTH, blank=True)
    sub7 = models.CharField(max_length=TEXT_LENGTH, blank=True)
    sub8 = models.CharField(max_length=TEXT_LENGTH, blank=True)
    sub9 = models.CharField(max_length=TEXT_LENGTH, blank=True)
    sub10 = models.CharField(max_length=TEXT_LENGTH, blank=True)
    referer = models.CharField(max_length=1000, blank=True)
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=TEXT_LENGTH, blank=True)
    # Where the address is; empty without a file that knows (GEOIP_CITY and others, docs/configuration.md).
    country_code = models.CharField(max_length=2, blank=True)
    region = models.CharField(max_length=80, blank=True)
    city = models.CharField(max_length=120, blank=True)
    dma = models.CharField(max_length=20, blank=True)
    carrier = models.CharField(max_length=120, blank=True)
    isp = models.CharField(max_length=120, blank=True)
    connection_type = models.CharField(max_length=20, blank=True)
    # What else is known of the place and is never asked for in reports: region_code, postal_code, timezone, is_proxy.
    place = models.JSONField(default=dict)
    # What the user agent says it is.
    platform = models.CharField(max_length=40, blank=True)
    os_version = models.CharField(max_length=40, blank=True)
    device_type = models.CharField(max_length=20, blank=True)
    device_make = models.CharField(max_length=60, blank=True)
    device_model = models.CharField(max_length=80, blank=True)
    browser = models.CharField(max_length=60, blank=True)
    browser_version = models.CharField(max_length=40, blank=True)
    language = models.CharField(max_length=20, blank=True)
    is_robot = models.BooleanField(default=False)
    tracking_domain = models.CharField(max_length=253, blank=True)
    # The terms it was recorded under, and what they come to in the offer's currency: the partner's, the network's.
    payout_type = models.CharField(max_length=10)
    payout = models.DecimalField(max_digits=14, decimal_places=4, default=0)
    revenue_type = models.CharField(max_length=10)
    revenue = models.DecimalField(max_digits=14, decimal_places=4, default=0)

    class Meta:
        abstract = True
        ordering: ClassVar = ["-id"]


class Refusal(models.IntegerChoices):
    """Why a click is invalid: it is kept, but leads nowhere and counts for nothing."""

    NONE = 0, ""
    OFFER_NOT_ACTIVE = 1, "The offer is not active."
    OFFER_EXPIRED = 2, "The offer is over."
    PARTNER_NOT_APPROVED = 3, "The partner is not approved for the offer."
    PARTNER_NOT_ACTIVE = 4, "The partner is not active."
    COUNTRY_NOT_ALLOWED = 5, "The offer does not take visitors from this country."
    CLICK_CAP_REACHED = 6, "The offer's click cap is reached."
    CONVERSION_CAP_REACHED = 7, "The offer's conversion cap is reached."
    PAYOUT_CAP_REACHED = 8, "The offer's payout cap is reached."
    BLOCKED = 9, "The traffic is blocked."
    SOURCE_NOT_ALLOWED = 10, "A source control keeps the traffic out."
    ROBOT = 11, "The visitor is a robot."


class ClickQuerySet(VisitQuerySet["Click"]):
    def valid(self) -> Self:
        return self.filter(error_code=Refusal.NONE)


class Click(Visit):
    """Someone followed a partner's link. A click is valid or carries the reason why not; a valid one is unique, or a
    duplicate of one by the same visitor in the 24 hours before it."""

    is_unique = models.BooleanField(default=False)
    error_code = models.PositiveSmallIntegerField(default=Refusal.NONE, choices=Refusal.choices)
    # The offer that the link was for, when that could not take the click and named this one in its place.
    redirected_from = models.BigIntegerField(null=True)
    tracking_url = models.CharField(max_length=2000)
    # What else the link carried.
    parameters = models.JSONField(default=dict)

    objects = ClickQuerySet.as_manager()

    class Meta(Visit.Meta):
        db_table = "traffic_click"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(error_code=0) | models.Q(is_unique=False, payout=0, revenue=0),
                name="invalid_click_counts_for_nothing",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["id"], name="click_id")]

    def __str__(self) -> str:
        return f"Click {self.id.hex}"

    @property
    def error_message(self) -> str:
        return Refusal(self.error_code).label


class Impression(Visit):
    """A partner's page has shown a creative."""

    # A thousandth of what is paid for a thousand, exactly.
    payout = models.DecimalField(max_digits=17, decimal_places=7, default=0)
    revenue = models.DecimalField(max_digits=17, decimal_places=7, default=0)

    objects = VisitQuerySet.as_manager()

    class Meta(Visit.Meta):
        db_table = "traffic_impression"
        indexes: ClassVar = [models.Index(fields=["id"], name="impression_id")]

    def __str__(self) -> str:
        return f"Impression {self.id.hex}"


# After so long a visitor who comes again is new.
NEW_AGAIN_AFTER = timedelta(hours=24)


class VisitorQuerySet(models.QuerySet["Visitor"]):
    def forget_before(self, moment: datetime, *, most: int) -> int:
        """Removes at most so many who were last new before then, and says how many. Those who come at this very moment
        are left to their click: it has locked them, in an order of its own."""
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM traffic_visitor WHERE ctid = ANY (ARRAY (SELECT ctid FROM traffic_visitor"
                " WHERE seen_at < %s ORDER BY seen_at LIMIT %s FOR UPDATE SKIP LOCKED))",
                [moment, most],
            )
            return int(cursor.rowcount)


class Visitor(models.Model):
    """When a visitor last clicked a link to an offer uniquely: what the 24 hours of the next click are counted from.

    Written by the click itself in one statement, so that of two clicks at once exactly one is unique.
    """

    pk = models.CompositePrimaryKey("partner_id", "offer_id", "fingerprint")
    partner_id = models.BigIntegerField()
    offer_id = models.BigIntegerField()
    # A digest of the address and the user agent.
    fingerprint = models.UUIDField()
    seen_at = models.DateTimeField()

    objects = VisitorQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["seen_at"], name="visitor_seen_at")]

    def __str__(self) -> str:
        return f"{self.fingerprint} at {self.seen_at:%Y-%m-%d %H:%M}"


class CapCount(models.Model):
    """What an offer with caps has had in a day, week, month, or ever; clicks and conversions count themselves here."""

    pk = models.CompositePrimaryKey("offer_id", "span", "began_on")
    offer_id = models.BigIntegerField()
    span = models.CharField(max_length=10, choices=[(span, span) for span in ("daily", "weekly", "monthly", "global")])
    # In the network's time zone; weeks begin on Monday, and "global" at the beginning of time.
    began_on = models.DateField()
    clicks = models.BigIntegerField(default=0)
    conversions = models.BigIntegerField(default=0)
    payout = models.DecimalField(max_digits=21, decimal_places=7, default=0)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(clicks__gte=0, conversions__gte=0, payout__gte=0),
                name="cap_counts_are_not_negative",
            ),
            models.CheckConstraint(
                condition=models.Q(span__in=["daily", "weekly", "monthly", "global"]), name="cap_span_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.span} of offer {self.offer_id} from {self.began_on}"
