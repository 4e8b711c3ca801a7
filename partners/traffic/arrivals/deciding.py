"""What becomes of an arrival: the first rule that it breaks, where it goes instead, what it comes to."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from partners.macros import BadTemplate, Template
from partners.traffic.arrivals.arrival import Arrival
from partners.traffic.arrivals.footing import Footing, Pair, Rules
from partners.traffic.caps import Rooms
from partners.traffic.models import Refusal
from partners.traffic.terms import PER_CONVERSION, for_click

log = logging.getLogger(__name__)

# What the offer cannot take, another may. Traffic that is unwanted for what it is, is unwanted there, too.
MAY_GO_ELSEWHERE = frozenset(
    {
        Refusal.OFFER_NOT_ACTIVE,
        Refusal.OFFER_EXPIRED,
        Refusal.COUNTRY_NOT_ALLOWED,
        Refusal.CLICK_CAP_REACHED,
        Refusal.CONVERSION_CAP_REACHED,
        Refusal.PAYOUT_CAP_REACHED,
    }
)


@dataclass(frozen=True, slots=True)
class Way:
    """One offer that an arrival may be counted for, and the first rule that it breaks there, caps aside."""

    footing: Footing
    refusal: Refusal
    redirected_from: int | None = None

    def day_of(self, at: datetime) -> date:
        """The day where the network is."""
        return at.astimezone(self.footing.zone).date()


def ways_of(arrival: Arrival, footings: dict[Pair, Footing], rules: Rules) -> list[Way]:
    """The offer that was asked for, and the one that takes what that cannot, if there is one. Empty: no such offer."""
    asked = footings.get((arrival.partner_id, arrival.offer_id))
    if asked is None:
        return []
    first = Way(asked, broken_rule(arrival, asked, rules))
    other = footings.get((arrival.partner_id, asked.redirect_offer_id or 0))
    if other is None or (first.refusal and first.refusal not in MAY_GO_ELSEWHERE):
        return [first]
    # Its URLs and products are not those that the link names.
    return [first, Way(other, broken_rule(arrival, other, rules), redirected_from=asked.offer_id)]


def broken_rule(arrival: Arrival, footing: Footing, rules: Rules) -> Refusal:
    """The first rule that the arrival breaks, caps aside; ``Refusal.NONE`` when it breaks none.

    An address whose country nobody knows may come from any.
    """
    day = arrival.at.astimezone(footing.zone).date()
    country = arrival.place.country_code
    checks: Iterable[tuple[bool, Refusal]] = (
        (not footing.partner_is_active, Refusal.PARTNER_NOT_ACTIVE),
        (not footing.offer_is_active, Refusal.OFFER_NOT_ACTIVE),
        (footing.live_until is not None and footing.live_until < day, Refusal.OFFER_EXPIRED),
        (not footing.is_open, Refusal.PARTNER_NOT_APPROVED),
        (bool(footing.countries and country) and country not in footing.countries, Refusal.COUNTRY_NOT_ALLOWED),
        (footing.has_blocks and rules.block(arrival, footing.offer_id), Refusal.BLOCKED),
        (footing.has_controls and rules.keep_out(arrival, footing.offer_id), Refusal.SOURCE_NOT_ALLOWED),
        (arrival.agent.is_robot, Refusal.ROBOT),
        (destination_of(arrival, footing) is None, Refusal.OFFER_NOT_ACTIVE),
    )
    return next((refusal for is_broken, refusal in checks if is_broken), Refusal.NONE)


def full_cap(way: Way, rooms: Rooms, day: date) -> Refusal:
    """The first cap of the offer that has no room left for a click and for what it may come to."""
    footing = way.footing
    if not rooms.has_click(footing.offer_id, day):
        return Refusal.CLICK_CAP_REACHED
    if not rooms.has_conversion(footing.offer_id, day):
        return Refusal.CONVERSION_CAP_REACHED
    due = footing.payout_amount if footing.payout_type in PER_CONVERSION else for_click_of(footing)
    return Refusal.NONE if rooms.has_payout(footing.offer_id, day, due) else Refusal.PAYOUT_CAP_REACHED


def for_click_of(footing: Footing) -> Decimal:
    """What a unique click earns the partner."""
    return for_click(footing.payout_type, footing.payout_amount)


def destination_of(arrival: Arrival, footing: Footing) -> Template | None:
    """Where the click leads; None when that is no URL, which whoever wrote it has to mend."""
    text = footing.destination_url
    if arrival.offer_id == footing.offer_id:
        text = footing.urls.get(str(arrival.url_id), text)
        if product := footing.products.get(str(arrival.product_id)):
            page, for_telephones = product
            is_telephone = arrival.agent.device_type == "Mobile"
            text = with_transaction(for_telephones if is_telephone and for_telephones else page)
    try:
        return Template.parse(text)
    except BadTemplate as reason:
        log.error("Offer %s leads nowhere: %s", footing.offer_id, reason)
        return None


def with_transaction(url: str) -> str:
    """A product's page, which knows nothing of macros, told of the click, or its sale could not be reported."""
    if "{transaction_id}" in url:
        return url
    page, hash_sign, fragment = url.partition("#")
    return f"{page}{'&' if '?' in page else '?'}transaction_id={{transaction_id}}{hash_sign}{fragment}"


def values_of(arrival: Arrival, footing: Footing) -> dict[str, object]:
    """What the macros of a destination stand for. What else the link carries has its own names, and none of ours."""
    return {
        **arrival.parameters,
        **arrival.said,
        "transaction_id": arrival.id.hex,
        "offer_id": footing.offer_id,
        "offer_name": footing.offer_name,
        "affiliate_id": arrival.partner_id,
        "partner_id": arrival.partner_id,
        "creative_id": arrival.creative_id,
        "country": arrival.place.country_code,
        "device_type": arrival.agent.device_type.lower(),
        "timestamp": int(arrival.at.timestamp()),
    }
