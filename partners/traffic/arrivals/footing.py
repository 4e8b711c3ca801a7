"""On what footing a partner stands with an offer, and the rules that both are under: read anew for every batch of
arrivals, in one statement for all its pairs, so that what the network changes holds for the next click."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from partners.traffic.arrivals.arrival import Arrival
from partners.traffic.caps import SPANS, Caps, array_of, run
from partners.traffic.models import TrafficControl
from partners.traffic.models.rules import VARIABLES

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Footing:
    """What decides over an arrival of one partner at one offer, and what it comes to."""

    partner_id: int
    offer_id: int
    partner_is_active: bool
    offer_name: str
    offer_is_active: bool
    destination_url: str
    countries: Collection[str]
    live_until: date | None
    redirect_offer_id: int | None
    is_open: bool
    payout_type: str
    payout_amount: Decimal
    revenue_type: str
    revenue_amount: Decimal
    caps: Caps
    has_blocks: bool
    has_controls: bool
    # Of the URLs, products and creatives that the batch asks for, those that are the offer's own. A URL or a feed that
    # was withdrawn is none; a creative that was is one, for reports tell who still shows it.
    urls: dict[str, str]
    # Of a product its page, and the one for telephones, if there is one.
    products: dict[str, tuple[str, str]]
    creatives: Collection[int]
    zone: ZoneInfo


CAPS = ", ".join(f"{span}_{what}_cap" for what in ("click", "conversion", "payout") for span in SPANS)
FOOTINGS = f"""
WITH asked AS (
    SELECT * FROM unnest(%s::bigint[], %s::bigint[]) AS asked (partner_id, offer_id)
), pairs AS (
    SELECT partner_id, offer_id FROM asked
    UNION
    SELECT asked.partner_id, offer.redirect_offer_id
    FROM asked JOIN offers_offer offer ON offer.id = asked.offer_id
    WHERE offer.redirect_offer_id IS NOT NULL
)
SELECT partner.id, offer.id, partner.status = 'active', offer.name, offer.status = 'active', offer.destination_url,
    offer.countries, offer.live_until, offer.redirect_offer_id,
    offer.visibility = 'public' OR EXISTS (
        SELECT FROM offers_application application
        WHERE application.offer_id = offer.id AND application.partner_id = partner.id
            AND application.approved_at IS NOT NULL
    ),
    COALESCE(own.payout_type, pays.payout_type, 'cpa'), COALESCE(own.amount, pays.amount, 0),
    COALESCE(pays.revenue_type, 'rpa'), COALESCE(pays.revenue_amount, 0),
    CASE WHEN GREATEST({CAPS}) > 0 THEN ARRAY[{CAPS}]::numeric[] END,
    EXISTS (SELECT FROM traffic_trafficblock block WHERE block.partner_id = partner.id AND block.lifted_at IS NULL),
    EXISTS (
        SELECT FROM traffic_trafficcontrol control
        WHERE control.is_active AND (control.offer_id IS NULL OR control.offer_id = offer.id)
    ),
    CASE WHEN cardinality(%s::bigint[]) > 0 THEN (
        SELECT json_object_agg(url.id, url.destination_url) FROM offers_offerurl url
        WHERE url.offer_id = offer.id AND url.id = ANY (%s::bigint[]) AND url.withdrawn_at IS NULL
    ) END,
    CASE WHEN cardinality(%s::bigint[]) > 0 THEN (
        SELECT json_object_agg(item.id, json_build_array(item.url_link, item.url_link_mobile))
        FROM offers_productfeeditem item JOIN offers_productfeed feed ON feed.id = item.feed_id
        WHERE feed.offer_id = offer.id AND item.id = ANY (%s::bigint[]) AND feed.withdrawn_at IS NULL
    ) END,
    CASE WHEN cardinality(%s::bigint[]) > 0 THEN ARRAY (
        SELECT creative.id FROM offers_creative creative
        WHERE creative.offer_id = offer.id AND creative.id = ANY (%s::bigint[])
    ) END,
    (SELECT timezone FROM network_network WHERE id = 1)
FROM pairs
JOIN partners_partner partner ON partner.id = pairs.partner_id
JOIN offers_offer offer ON offer.id = pairs.offer_id
LEFT JOIN offers_offerpayout pays ON pays.offer_id = offer.id AND pays.event_name = ''
LEFT JOIN offers_partnerpayout own ON own.replaces_id = pays.id AND own.partner_id = partner.id
"""  # noqa: S608


def footings_of(arrivals: Iterable[Arrival]) -> dict[Pair, Footing]:
    """The footing of each pair of the arrivals, and of each partner with the offer its traffic may go to instead.

    A pair is missing when there is no such partner or offer.
    """
    pairs = {(arrival.partner_id, arrival.offer_id) for arrival in arrivals}
    urls, products, creatives = (
        array_of({number for arrival in arrivals if (number := getattr(arrival, name))})
        for name in ("url_id", "product_id", "creative_id")
    )
    asked = map(array_of, zip(*pairs, strict=True))
    rows = run(FOOTINGS, [*asked, urls, urls, products, products, creatives, creatives])
    return {(row[0], row[1]): footing(row) for row in rows}


def footing(row: tuple[Any, ...]) -> Footing:
    *known, caps, has_blocks, has_controls, urls, products, creatives, timezone = row
    limits = Caps(clicks=caps[:4], conversions=caps[4:8], payout=caps[8:]) if caps else NO_CAPS
    own = (urls or {}, products or {}, creatives or ())
    values: list[Any] = [*known, limits, has_blocks, has_controls, *own, zone_named(timezone or "UTC")]
    return Footing(*values)


NO_CAPS = Caps(clicks=(), conversions=(), payout=())
zone_named = lru_cache(maxsize=8)(ZoneInfo)

BLOCKED = """
SELECT asked.number, block.offer_id
FROM unnest(%s::integer[], %s::bigint[], %s::text[], %s::text[]) AS asked (number, partner_id, variable, value)
JOIN traffic_trafficblock block ON block.partner_id = asked.partner_id AND block.variable = asked.variable
    AND block.value = asked.value AND block.lifted_at IS NULL
"""
CONTROLS = """
SELECT offer_id, control_type, variable, comparison_method, "values", is_for_all_partners,
    ARRAY (
        SELECT named.partner_id FROM traffic_trafficcontrol_partners named
        WHERE named.trafficcontrol_id = control.id AND named.partner_id = ANY (%s::bigint[])
    )
FROM traffic_trafficcontrol control
WHERE is_active AND (offer_id IS NULL OR offer_id = ANY (%s::bigint[]))
"""


@dataclass(frozen=True, slots=True)
class Control:
    """A source control in force. Texts are compared in any case: a source does not get past by writing itself big."""

    offer_id: int | None
    is_whitelist: bool
    variable: str
    comparison: str
    values: tuple[str, ...]
    # None: all of them.
    partners: frozenset[int] | None

    def keeps_out(self, arrival: Arrival, offer_id: int) -> bool:
        if self.offer_id not in (None, offer_id):
            return False
        if self.partners is not None and arrival.partner_id not in self.partners:
            return False
        return self.matches(arrival.said.get(self.variable, "").casefold()) is not self.is_whitelist

    def matches(self, text: str) -> bool:
        if self.comparison == TrafficControl.Comparison.EXACT:
            return text in self.values
        if self.comparison == TrafficControl.Comparison.CONTAINS:
            return any(value in text for value in self.values)
        return text.startswith(self.values)


class Rules:
    """The blocks and controls that a batch of arrivals is under; asked for only where there are any."""

    def __init__(self, arrivals: list[Arrival], footings: dict[Pair, Footing]) -> None:
        careful = {footing.partner_id for footing in footings.values() if footing.has_blocks}
        controlled = {footing.offer_id for footing in footings.values() if footing.has_controls}
        self._blocked = blocked_among([arrival for arrival in arrivals if arrival.partner_id in careful])
        self._controls = controls_of({partner_id for partner_id, _ in footings}, controlled)

    def block(self, arrival: Arrival, offer_id: int) -> bool:
        offers = self._blocked.get(arrival.id, ())
        return None in offers or offer_id in offers

    def keep_out(self, arrival: Arrival, offer_id: int) -> bool:
        return any(control.keeps_out(arrival, offer_id) for control in self._controls)


def blocked_among(arrivals: list[Arrival]) -> dict[object, set[int | None]]:
    """By arrival, the offers that it is blocked from; None: all of them."""
    asked = [
        (number, arrival.partner_id, variable, arrival.said[variable])
        for number, arrival in enumerate(arrivals)
        for variable in VARIABLES
        if arrival.said.get(variable)
    ]
    found: dict[object, set[int | None]] = {}
    if asked:
        for number, offer_id in run(BLOCKED, [list(column) for column in zip(*asked, strict=True)]):
            found.setdefault(arrivals[number].id, set()).add(offer_id)
    return found


def controls_of(partners: set[int], offers: set[int]) -> list[Control]:
    if not offers:
        return []
    return [
        Control(
            offer_id=offer_id,
            is_whitelist=kind == TrafficControl.Type.WHITELIST,
            variable=variable,
            comparison=comparison,
            values=tuple(value.casefold() for value in values),
            partners=None if is_for_all else frozenset(named),
        )
        for offer_id, kind, variable, comparison, values, is_for_all, named in run(
            CONTROLS, [sorted(partners), sorted(offers)]
        )
    ]
