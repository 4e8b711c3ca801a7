"""What is left under the caps of offers, for those who ask and take nothing."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from decimal import Decimal

from partners.offers.models import Offer
from partners.traffic.caps import SPANS, beginnings
from partners.traffic.models import CapCount

COUNTED_IN = {"conversion": "conversions", "payout": "payout", "click": "clicks"}


def remaining_caps(offers: Collection[Offer], day: date) -> dict[int, dict[str, int | Decimal]]:
    """Of each offer, what each of its caps, such as ``daily_click_cap``, has left on the network's ``day``; 0 where it
    has no such cap. One query for any number of offers."""
    begun = beginnings(day)
    counted = CapCount.objects.filter(
        offer_id__in=[offer.pk for offer in offers if offer.has_caps], began_on__in=set(begun.values())
    )
    counts = {(count.offer_id, count.span): count for count in counted if begun[count.span] == count.began_on}
    return {
        offer.pk: {
            f"{span}_{what}_cap": left(getattr(offer, f"{span}_{what}_cap"), counts.get((offer.pk, span)), column)
            for span in SPANS
            for what, column in COUNTED_IN.items()
        }
        for offer in offers
    }


def left(cap: int | Decimal, count: CapCount | None, column: str) -> int | Decimal:
    # Who decides over conversions by hand may go beyond a cap.
    return max(cap - getattr(count, column), cap * 0) if count is not None else cap
