"""What a conversion is made of: the visit before it, what was reported, and what the offer pays for it.

``Conversion.record`` is the verb; here stands what it has to find out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from json import dumps
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils.timezone import localdate, now

from partners.offers.models import CouponCode, Offer, OfferPayout, PartnerPayout, Revenue, Terms
from partners.traffic.caps import Caps, Rooms
from partners.traffic.models.visits import Click, Impression, Refusal, Visit
from partners.traffic.terms import NOTHING, for_conversion
from portal.network.models import Network

if TYPE_CHECKING:
    from partners.models import Partner
    from partners.traffic.models.conversions import Conversion

# What a conversion keeps of the click or impression before it.
OF_THE_VISIT = tuple(
    column.attname
    for column in Visit._meta.fields
    if column.name not in ("pk", "id", "at", "payout_type", "payout", "revenue_type", "revenue")
)


class UnknownEvent(Exception):
    """The offer does not pay for an event of that name; ``known`` are those that it pays for."""

    def __init__(self, event_name: str, known: list[str]) -> None:
        self.known = known
        super().__init__(event_name)


@dataclass(frozen=True, slots=True)
class Report:
    """What somebody says of a conversion. Amounts are in the offer's currency."""

    event_name: str = ""
    order_id: str = ""
    sale_amount: Decimal = NOTHING
    coupon_code: str = ""
    # adv1 to adv5, by name.
    adv: Mapping[str, str] = field(default_factory=dict)
    ip: str | None = None
    # "": as the offer has it. What the reporter says counts where it is less: "pending" and "rejected".
    status: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Whose conversion it is: that of a visit, or of the partner whose coupon was used."""

    partner: Partner
    offer: Offer
    visit: Click | Impression | None
    # What a repeated report of it has in common with the first, besides the event and the order.
    known_by: tuple[str, str]

    @classmethod
    def of_visit(cls, visit: Click | Impression) -> Source:
        return cls(visit.partner, visit.offer, visit, ("visit", visit.id.hex))

    @classmethod
    def of_coupon(cls, coupon: CouponCode, reported_with: Click | Impression | None = None) -> Source:
        """``reported_with``: another's click that the report names, too. The sale is then not that click's, but the
        same report without the coupon would be the same sale.

        :raises ValueError: when the coupon is everybody's
        """
        if coupon.partner is None:
            raise ValueError(f"{coupon} is nobody's in particular")
        by_coupon = ("coupon", str(coupon.pk))
        known_by = by_coupon if reported_with is None else ("visit", reported_with.id.hex)
        return cls(coupon.partner, coupon.offer, None, known_by)

    @property
    def transaction_id(self) -> UUID | None:
        return self.visit.id if self.visit is not None else None

    def digest_of(self, report: Report) -> bytes:
        return digest_of(self.known_by, report.event_name, report.order_id)


def digest_of(known_by: tuple[str, str], event_name: str, order_id: str) -> bytes:
    """What two reports of the same have in common, digested."""
    return sha256(dumps([*known_by, event_name, order_id]).encode()).digest()


def due_for(source: Source, report: Report) -> dict[str, Any]:
    """What the conversion or the event comes to: the partner's own terms go before everybody's.

    :raises UnknownEvent: when the offer does not list it
    """
    payouts = {payout.event_name: payout for payout in source.offer.payouts.for_answer(source.partner)}
    pays = payouts.get(report.event_name)
    if pays is None:
        raise UnknownEvent(report.event_name, sorted(name for name in payouts if name))
    return due_by(pays.own_terms, pays.revenue, report)


def due_by(terms: Terms, revenue: Revenue, report: Report) -> dict[str, Any]:
    """What a report comes to under these terms."""
    return {
        "payout_type": terms.payout_type.value,
        "payout": for_conversion(terms.payout_type, terms.amount, terms.percentage, report.sale_amount),
        "revenue_type": revenue.revenue_type.value,
        "revenue": for_conversion(revenue.revenue_type, revenue.amount, revenue.percentage, report.sale_amount),
    }


class Dues:
    """What each of many reports comes to; all the terms that they can need are read in two statements."""

    def __init__(self, sources: Iterable[Source]) -> None:
        pairs = {(source.offer.pk, source.partner.pk) for source in sources}
        self._pays: defaultdict[int, dict[str, OfferPayout]] = defaultdict(dict)
        for pays in OfferPayout.objects.filter(offer__in={offer_id for offer_id, _ in pairs}):
            self._pays[pays.offer_id][pays.event_name] = pays
        own = PartnerPayout.objects.filter(
            replaces__offer__in=self._pays, partner__in={partner_id for _, partner_id in pairs}
        )
        self._own = {(each.replaces_id, each.partner_id): each.terms for each in own}

    def of(self, source: Source, report: Report) -> dict[str, Any]:
        """As ``due_for``.

        :raises UnknownEvent: when the offer does not list it
        """
        payouts = self._pays[source.offer.pk]
        pays = payouts.get(report.event_name)
        if pays is None:
            raise UnknownEvent(report.event_name, sorted(name for name in payouts if name))
        return due_by(self._own.get((pays.pk, source.partner.pk), pays.terms), pays.revenue, report)


def why_invalid(source: Source, report: Report) -> str:
    """Why the conversion counts for nothing, in a sentence for the partner; empty when it counts."""
    visit = source.visit
    if isinstance(visit, Click) and visit.error_code != Refusal.NONE:
        return f"The click is invalid: {visit.error_message}"
    days = source.offer.click_lifespan_days
    if visit is not None and now() - visit.at > timedelta(days=days):
        name = "click" if isinstance(visit, Click) else "impression"
        return f"The {name} was more than {days} {'day' if days == 1 else 'days'} ago."
    return ""


def full_cap(source: Source, report: Report, payout: Decimal) -> str:
    """Why the offer's caps have no room for it; empty when they had, and then it has taken it.

    The rows of the caps stay locked until the transaction ends.
    """
    caps = Caps.of(source.offer)
    if not caps:
        return ""
    day = localdate(timezone=Network.load().zone)
    rooms = Rooms({source.offer.pk: caps}, [(source.offer.pk, day)])
    if reason := full_in(rooms, day, source, report, payout):
        return reason
    rooms.write()
    return ""


def full_in(rooms: Rooms, day: date, source: Source, report: Report, payout: Decimal) -> str:
    """Why the rooms have none for it; empty when they had, and then it has taken it from them."""
    offer_id, counted = source.offer.pk, 0 if report.event_name else 1
    if counted and not rooms.has_conversion(offer_id, day):
        return Refusal.CONVERSION_CAP_REACHED.label
    if payout and not rooms.has_payout(offer_id, day, payout):
        return Refusal.PAYOUT_CAP_REACHED.label
    rooms.take(offer_id, day, conversions=counted, payout=payout)
    return ""


def give_back(conversion: Conversion, *, sign: int) -> None:
    """Frees the room that a conversion has under the offer's caps, in the spans of its own day; or, when it counts
    after all (``sign`` 1), takes it: whoever decides that may go beyond a cap."""
    offer = Offer.objects.get(pk=conversion.offer_id)
    if caps := Caps.of(offer):
        day = conversion.at.astimezone(Network.load().zone).date()
        rooms = Rooms({offer.pk: caps}, [(offer.pk, day)])
        rooms.take(offer.pk, day, conversions=0 if conversion.is_event else sign, payout=sign * conversion.payout)
        rooms.write()


def facts_of(source: Source, report: Report) -> dict[str, Any]:
    """What a conversion keeps of its visit and of the report."""
    visit = source.visit
    facts: dict[str, Any] = {name: getattr(visit, name) for name in OF_THE_VISIT} if visit is not None else {}
    facts |= {
        "partner_id": source.partner.pk,
        "offer_id": source.offer.pk,
        "clicked_at": visit.at if visit is not None else None,
        "is_view_through": isinstance(visit, Impression),
        "redirected_from": visit.redirected_from if isinstance(visit, Click) else None,
        "is_event": bool(report.event_name),
        "event_name": report.event_name,
        "order_id": report.order_id,
        "sale_amount": report.sale_amount,
        "conversion_ip": report.ip,
        **report.adv,
    }
    if report.coupon_code:
        facts["coupon_code"] = report.coupon_code
    return facts
