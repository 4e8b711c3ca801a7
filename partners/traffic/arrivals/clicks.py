"""Clicks: those of all threads that wait are decided over and written together, in one transaction (ADR 13)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import DataError, IntegrityError, connection, transaction

from partners.traffic.arrivals.arrival import ARRIVED, LINK, NULL, Arrival
from partners.traffic.arrivals.deciding import Way, destination_of, for_click_of, full_cap, values_of, ways_of
from partners.traffic.arrivals.footing import Footing, Rules, footings_of
from partners.traffic.caps import Rooms, array_of, run
from partners.traffic.models import NEW_AGAIN_AFTER, OutboxEntry, Refusal
from partners.traffic.outbox import keep_visits
from partners.traffic.terms import NOTHING, for_click
from portal.web.combining import Combiner

DECIDED = (
    "offer_id",
    "offer_url_id",
    "creative_id",
    "payout_type",
    "payout",
    "revenue_type",
    "revenue",
    "is_unique",
    "error_code",
    "redirected_from",
)
COPY = f"COPY traffic_click ({', '.join((*ARRIVED, *LINK, *DECIDED))}) FROM STDIN"

Seen = tuple[int, int, str]

SEE = """
INSERT INTO traffic_visitor AS visitor (partner_id, offer_id, fingerprint, seen_at)
SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::uuid[], %s::timestamptz[])
    AS seen (partner_id, offer_id, fingerprint, seen_at)
ORDER BY partner_id, offer_id, fingerprint
ON CONFLICT (partner_id, offer_id, fingerprint) DO UPDATE SET seen_at = excluded.seen_at
    WHERE visitor.seen_at <= excluded.seen_at - %s
RETURNING partner_id, offer_id, encode(uuid_send(fingerprint), 'hex')
"""
SEEN = """
SELECT visitor.partner_id, visitor.offer_id, encode(uuid_send(visitor.fingerprint), 'hex'), visitor.seen_at
FROM unnest(%s::bigint[], %s::bigint[], %s::uuid[]) AS asked (partner_id, offer_id, fingerprint)
JOIN traffic_visitor visitor USING (partner_id, offer_id, fingerprint)
"""


@dataclass(slots=True)
class Decided:
    """What became of a click."""

    arrival: Arrival
    footing: Footing
    refusal: Refusal = Refusal.NONE
    redirected_from: int | None = None
    is_unique: bool = False

    @property
    def visitor(self) -> Seen:
        return self.arrival.partner_id, self.footing.offer_id, self.arrival.fingerprint

    @property
    def destination(self) -> str | None:
        """Where the visitor goes; None: nowhere."""
        template = None if self.refusal else destination_of(self.arrival, self.footing)
        return template.fill(values_of(self.arrival, self.footing)) if template is not None else None

    @property
    def line(self) -> str:
        arrival, footing = self.arrival, self.footing
        is_own = self.redirected_from is None
        url_id = arrival.url_id if is_own and str(arrival.url_id) in footing.urls else 0
        creative_id = arrival.creative_id if arrival.creative_id in footing.creatives else 0
        # Who pays for clicks pays for unique ones.
        payout = for_click_of(footing) if self.is_unique else NOTHING
        revenue = for_click(footing.revenue_type, footing.revenue_amount) if self.is_unique else NOTHING
        return (
            f"{arrival.columns}\t{arrival.link_columns}\t{footing.offer_id}\t{url_id}\t{creative_id}\t"
            f"{footing.payout_type}\t{payout}\t{footing.revenue_type}\t{revenue}\t{'t' if self.is_unique else 'f'}\t"
            f"{self.refusal.value}\t{self.redirected_from or NULL}\n"
        )


def record_together(arrivals: list[Arrival]) -> list[Decided | None]:
    """Decides over clicks and writes their rows, committed on return unless a transaction is open.

    None for a click on what there is not, of which nothing is written.
    :raises django.db.Error: when they could not be written; then none of them is
    """
    with transaction.atomic():
        footings = footings_of(arrivals)
        rules = Rules(arrivals, footings)
        ways = [ways_of(arrival, footings, rules) for arrival in arrivals]
        if not any(ways):
            return [None] * len(arrivals)
        decided = Deciding(arrivals, ways).decide()
        written = [click for click in decided if click is not None]
        with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(COPY) as copy:
            copy.write("".join([click.line for click in written]))
        keep_visits(
            OutboxEntry.Kind.CLICK,
            [(click.arrival.partner_id, click.arrival.id) for click in written if click.footing.is_followed],
        )
    return decided


class Deciding:
    """The part of deciding that others may be at in the same moment: rows of the database are locked for it, those of
    caps first, then those of visitors, each in one order."""

    def __init__(self, arrivals: list[Arrival], ways: list[list[Way]]) -> None:
        self.arrivals, self.ways = arrivals, ways
        open_ways = [
            (way, arrival)
            for arrival, each in zip(arrivals, ways, strict=True)
            for way in each
            if not way.refusal and way.footing.caps
        ]
        self.rooms = Rooms(
            {way.footing.offer_id: way.footing.caps for way, _ in open_ways},
            {(way.footing.offer_id, way.day_of(arrival.at)) for way, arrival in open_ways},
        )
        # While the rows of an offer's caps are locked, nobody else sees visitors of it. Whether a click is unique has
        # to be known before it takes room under a cap of what is paid for unique ones.
        self.known = seen_already([(arrival, way.footing) for way, arrival in open_ways if for_click_of(way.footing)])

    def decide(self) -> list[Decided | None]:
        decided = [
            self._go(arrival, ways) if ways else None for arrival, ways in zip(self.arrivals, self.ways, strict=True)
        ]
        self.rooms.write()
        tell_apart([click for click in decided if click is not None and not click.refusal])
        return decided

    def _go(self, arrival: Arrival, ways: list[Way]) -> Decided:
        """The first way that is open; when none is, the click is invalid for the first."""
        first = ways[0].refusal
        for way in ways:
            day = way.day_of(arrival.at)
            refusal = way.refusal or full_cap(way, self.rooms, day)
            if not refusal:
                self._take_room(arrival, way, day)
                return Decided(arrival, way.footing, redirected_from=way.redirected_from)
            first = first or refusal
        return Decided(arrival, ways[0].footing, first)

    def _take_room(self, arrival: Arrival, way: Way, day: date) -> None:
        footing = way.footing
        if not footing.caps:
            return
        due: Decimal = for_click_of(footing)
        if due:
            visitor = (arrival.partner_id, footing.offer_id, arrival.fingerprint)
            if visitor in self.known and self.known[visitor] > arrival.at - NEW_AGAIN_AFTER:
                due = NOTHING
            else:
                self.known[visitor] = arrival.at
        self.rooms.take(footing.offer_id, day, clicks=1, payout=due)


def seen_already(visits: list[tuple[Arrival, Footing]]) -> dict[Seen, Any]:
    asked = {(arrival.partner_id, footing.offer_id, arrival.fingerprint) for arrival, footing in visits}
    if not asked:
        return {}
    rows = run(SEEN, [array_of(column) for column in zip(*asked, strict=True)])
    return {(partner_id, offer_id, fingerprint): at for partner_id, offer_id, fingerprint, at in rows}


def tell_apart(clicks: list[Decided]) -> None:
    """Says of each valid click whether it is unique. Of several at once, here or in another process, one is."""
    first: dict[Seen, Decided] = {}
    for click in clicks:
        first.setdefault(click.visitor, click)
    if first:
        columns = map(array_of, zip(*first, strict=True))
        for visitor in run(SEE, [*columns, array_of(click.arrival.at for click in first.values()), NEW_AGAIN_AFTER]):
            first[visitor].is_unique = True


# What one click alone can be to blame for; then none of them was written.
OF_ONE_CLICK = (DataError, IntegrityError, ValueError)
record = Combiner(record_together, by_an_item=OF_ONE_CLICK)
