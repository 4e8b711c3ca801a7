"""Impressions: those of all threads that wait are decided over and written together.

Nobody is sent anywhere, so what a rule keeps out is not recorded at all: an impression has no reason it is invalid for,
and robots that load pictures would only thin out every rate. Caps of clicks and conversions do not concern it; one that
a payout cap has no room for is not counted either.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import DataError, IntegrityError, connection, transaction

from partners.traffic.arrivals.arrival import ARRIVED, Arrival
from partners.traffic.arrivals.deciding import broken_rule
from partners.traffic.arrivals.footing import Footing, Rules, footings_of
from partners.traffic.caps import Rooms
from partners.traffic.models import OutboxEntry
from partners.traffic.outbox import keep_visits
from partners.traffic.terms import for_impression
from portal.web.combining import Combiner

DECIDED = ("offer_id", "creative_id", "offer_url_id", "payout_type", "payout", "revenue_type", "revenue")
COPY = f"COPY traffic_impression ({', '.join((*ARRIVED, *DECIDED))}) FROM STDIN"


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
    def line(self) -> str:
        arrival, footing = self.arrival, self.footing
        creative_id = arrival.creative_id if arrival.creative_id in footing.creatives else 0
        url_id = arrival.url_id if str(arrival.url_id) in footing.urls else 0
        revenue = for_impression(footing.revenue_type, footing.revenue_amount)
        return (
            f"{arrival.columns}\t{footing.offer_id}\t{creative_id}\t{url_id}\t{footing.payout_type}\t{self.payout:f}\t"
            f"{footing.revenue_type}\t{revenue:f}\n"
        )


def record_together(arrivals: list[Arrival]) -> list[bool]:
    """Writes the rows of impressions that count, committed on return unless a transaction is open; and answers of
    each whether there is such a partner and offer.

    :raises django.db.Error: when they could not be written; then none of them is
    """
    with transaction.atomic():
        footings = footings_of(arrivals)
        rules = Rules(arrivals, footings)
        found = [footings.get((arrival.partner_id, arrival.offer_id)) for arrival in arrivals]
        allowed = [
            Shown(arrival, footing)
            for arrival, footing in zip(arrivals, found, strict=True)
            if footing is not None and not broken_rule(arrival, footing, rules)
        ]
        if allowed:
            shown = take_room(allowed)
            with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(COPY) as copy:
                copy.write("".join([each.line for each in shown]))
            keep_visits(
                OutboxEntry.Kind.IMPRESSION,
                [(each.arrival.partner_id, each.arrival.id) for each in shown if each.footing.is_followed],
            )
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
