"""Clicks: those of all threads that wait are decided over and written together, in one transaction (ADR 13)."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import DataError, IntegrityError, transaction

from partners.traffic.arrivals.arrival import Arrival
from partners.traffic.arrivals.deciding import Way, destination_of, for_click_of, full_cap, values_of, ways_of
from partners.traffic.arrivals.footing import Footing, Rules, footings_of
from partners.traffic.arrivals.writing import Row, as_json, columns_of, given
from partners.traffic.caps import Rooms, array_of, run
from partners.traffic.models import NEW_AGAIN_AFTER, Click, OutboxEntry, Refusal
from partners.traffic.outbox import keep_visits
from partners.traffic.terms import NOTHING, for_click
from portal.web.combining import Combiner

Seen = tuple[int, int, str]

COLUMNS = columns_of(Click)
# What only the row of a visitor tells, and who pays for clicks pays for unique ones.
UNIQUE = {
    "is_unique": "new.fingerprint IS NOT NULL",
    "payout": "CASE WHEN new.fingerprint IS NULL THEN 0 ELSE payout END",
    "revenue": "CASE WHEN new.fingerprint IS NULL THEN 0 ELSE revenue END",
}
# Whoever gets a row of a visitor back is unique. What cannot be has no fingerprint here.
WRITE = f"""
WITH click AS (
    SELECT *, unnest AS fingerprint FROM ROWS FROM ({given(Click)}, unnest(%s::uuid[])) AS click
), new AS (
    INSERT INTO traffic_visitor AS visitor (partner_id, offer_id, fingerprint, seen_at)
    SELECT partner_id, offer_id, fingerprint, at FROM click WHERE fingerprint IS NOT NULL
    ORDER BY partner_id, offer_id, fingerprint
    ON CONFLICT (partner_id, offer_id, fingerprint) DO UPDATE SET seen_at = excluded.seen_at
        WHERE visitor.seen_at <= excluded.seen_at - %s
    RETURNING partner_id, offer_id, fingerprint
), told AS ({keep_visits(OutboxEntry.Kind.CLICK, "click")})
INSERT INTO traffic_click ({", ".join(COLUMNS)})
SELECT {", ".join(UNIQUE.get(column, column) for column in COLUMNS)}
FROM click LEFT JOIN new USING (partner_id, offer_id, fingerprint)
"""  # noqa: S608
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

    @property
    def visitor(self) -> Seen:
        return self.arrival.partner_id, self.footing.offer_id, self.arrival.fingerprint

    @property
    def destination(self) -> str | None:
        """Where the visitor goes; None: nowhere."""
        template = None if self.refusal else destination_of(self.arrival, self.footing)
        return template.fill(values_of(self.arrival, self.footing)) if template is not None else None

    @property
    def row(self) -> Row:
        """As it is when the click is unique."""
        arrival, footing = self.arrival, self.footing
        is_own = self.redirected_from is None
        return {
            **arrival.row,
            "tracking_url": arrival.tracking_url,
            "parameters": arrival.parameters,
            "offer_id": footing.offer_id,
            "offer_url_id": arrival.url_id if is_own and str(arrival.url_id) in footing.urls else 0,
            "creative_id": arrival.creative_id if arrival.creative_id in footing.creatives else 0,
            "payout_type": footing.payout_type,
            "payout": str(for_click_of(footing)),
            "revenue_type": footing.revenue_type,
            "revenue": str(for_click(footing.revenue_type, footing.revenue_amount)),
            "error_code": self.refusal.value,
            "redirected_from": self.redirected_from,
        }


def record_together(arrivals: list[Arrival]) -> list[Decided | None]:
    """Decides over clicks and writes their rows, committed on return unless a transaction is open.

    None for a click on what there is not, of which nothing is written.
    :raises django.db.Error: when they could not be written; then none of them is
    """
    footings = footings_of(arrivals)
    rules = Rules(arrivals, footings)
    ways = [ways_of(arrival, footings, rules) for arrival in arrivals]
    if not any(ways):
        return [None] * len(arrivals)
    # The rows of caps stay locked until the clicks are written. Without them one statement is all there is to do, and a
    # transaction by itself.
    is_capped = any(footing.caps for footing in footings.values())
    with transaction.atomic() if is_capped else nullcontext():
        decided = Deciding(arrivals, ways).decide()
        write([click for click in decided if click is not None])
    return decided


class Deciding:
    """The part of deciding that others may be at in the same moment: the rows of caps are locked for it, in one order,
    and before those of visitors, which writing locks in one order, too."""

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


def write(clicks: list[Decided]) -> None:
    """Of several valid clicks of a visitor at once, here or in another process, one is unique; here, the first."""
    met: set[Seen] = set()
    fingerprints = []
    for click in clicks:
        may_be_unique = not click.refusal and click.visitor not in met
        fingerprints.append(click.arrival.fingerprint if may_be_unique else "NULL")
        if may_be_unique:
            met.add(click.visitor)
    run(WRITE, [as_json([click.row for click in clicks]), array_of(fingerprints), NEW_AGAIN_AFTER])


# What one click alone can be to blame for; then none of them was written.
OF_ONE_CLICK = (DataError, IntegrityError, ValueError)
record = Combiner(record_together, by_an_item=OF_ONE_CLICK)
