"""Impressions: those of all threads that wait are decided over and written together.

Nobody is sent anywhere, so what a rule keeps out is not recorded at all: an impression has no reason it is invalid for,
and robots that load pictures would only thin out every rate. Caps of clicks and conversions do not concern it; one that
a payout cap has no room for is not counted either.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import DataError, IntegrityError, transaction

from partners.traffic.arrivals.arrival import Arrival
from partners.traffic.arrivals.deciding import broken_rule
from partners.traffic.arrivals.footing import Footing, Rules, footings_of
from partners.traffic.arrivals.writing import Row, as_json, columns_of, given
from partners.traffic.caps import Rooms, run
from partners.traffic.models import Impression, OutboxEntry
from partners.traffic.outbox import keep_visits
from partners.traffic.terms import for_impression
from portal.web.combining import Combiner

COLUMNS = ", ".join(columns_of(Impression))
WRITE = f"""
WITH impression AS (
    INSERT INTO traffic_impression ({COLUMNS}) SELECT {COLUMNS} FROM {given(Impression)}
    RETURNING partner_id, id
)
{keep_visits(OutboxEntry.Kind.IMPRESSION, "impression")}
"""  # noqa: S608


@dataclass(slots=True)
class Shown:
    """An impression that no rule keeps out."""

    arrival: Arrival
    footing: Footing

    @property
    def day(self) -> date:
        return self.arrival.at.astimezone(self.footing.zone).date()

    @property
    def payout(self) -> Decimal:
        return for_impression(self.footing.payout_type, self.footing.payout_amount)

    @property
    def row(self) -> Row:
        arrival, footing = self.arrival, self.footing
        return {
            **arrival.row,
            "offer_id": footing.offer_id,
            "creative_id": arrival.creative_id if arrival.creative_id in footing.creatives else 0,
            "offer_url_id": arrival.url_id if str(arrival.url_id) in footing.urls else 0,
            "payout_type": footing.payout_type,
            "payout": str(self.payout),
            "revenue_type": footing.revenue_type,
            "revenue": str(for_impression(footing.revenue_type, footing.revenue_amount)),
        }


def record_together(arrivals: list[Arrival]) -> list[bool]:
    """Writes the rows of impressions that count, committed on return unless a transaction is open; and answers of
    each whether there is such a partner and offer.

    :raises django.db.Error: when they could not be written; then none of them is
    """
    footings = footings_of(arrivals)
    rules = Rules(arrivals, footings)
    found = [footings.get((arrival.partner_id, arrival.offer_id)) for arrival in arrivals]
    allowed = [
        Shown(arrival, footing)
        for arrival, footing in zip(arrivals, found, strict=True)
        if footing is not None and not broken_rule(arrival, footing, rules)
    ]
    if allowed:
        # As with clicks: what has to be locked is locked until the rows are written.
        with transaction.atomic() if any(each.footing.caps for each in allowed) else nullcontext():
            run(WRITE, [as_json([each.row for each in take_room(allowed)])])
    return [footing is not None for footing in found]


def take_room(allowed: list[Shown]) -> list[Shown]:
    """Those that the payout caps of their offers have room for."""
    paid = [each for each in allowed if any(each.footing.caps.payout) and each.payout]
    rooms = Rooms(
        {each.footing.offer_id: each.footing.caps for each in paid},
        {(each.footing.offer_id, each.day) for each in paid},
    )
    shown = []
    for each in allowed:
        if rooms.has_payout(each.footing.offer_id, each.day, each.payout):
            rooms.take(each.footing.offer_id, each.day, payout=each.payout)
            shown.append(each)
    rooms.write()
    return shown


OF_ONE_IMPRESSION = (DataError, IntegrityError, ValueError)
record = Combiner(record_together, by_an_item=OF_ONE_IMPRESSION)
