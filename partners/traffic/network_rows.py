"""Clicks and conversions as the Network API answers them: the rows of ``partners.traffic.rows``, and on each the
partner, the advertiser, and both sides of the money."""

from __future__ import annotations

from collections.abc import Mapping

from partners.api import ACCOUNT_STATUS
from partners.models import Partner
from partners.offers.models import Advertiser, Offer
from partners.traffic.rows import (
    CLICK_FIELDS,
    CONVERSION_FIELDS,
    CONVERSION_OBJECTS,
    DEVICE,
    EVENTS_COUNT,
    GEOLOCATION,
    OFFER,
    WITH_HOLD,
    FileShape,
    Shape,
    held,
    literal,
    money,
)
from partners.traffic.search import CLICK_CRITERIA, CONVERSION_CRITERIA, CONVERSION_ORDERS, Criterion, number
from portal.web.csv_rows import CsvRow
from portal.web.json_rows import Bare, Fields, JsonRow

STATUSES = " ".join(f"WHEN {literal(status)} THEN {literal(said)}" for status, said in ACCOUNT_STATUS.items())
# LIMIT makes them look-ups for each row, as that of the offer is; see there.
WITH_SIDES = f"""
    LEFT JOIN LATERAL (
        SELECT name, status FROM {Partner._meta.db_table} WHERE id = c.partner_id LIMIT 1
    ) p ON true
    LEFT JOIN LATERAL (
        SELECT advertiser.id, advertiser.name
        FROM {Offer._meta.db_table} offer
        JOIN {Advertiser._meta.db_table} advertiser ON advertiser.id = offer.advertiser_id
        WHERE offer.id = c.offer_id LIMIT 1
    ) a ON true"""  # noqa: S608 -- the names of our tables
SIDES: Fields = {
    "affiliate": {
        "network_affiliate_id": Bare("c.partner_id"),
        "name": "coalesce(p.name, '')",
        "account_status": f"CASE p.status {STATUSES} ELSE '' END",
    },
    "advertiser": {"network_advertiser_id": Bare("coalesce(a.id, 0)"), "name": "coalesce(a.name, '')"},
}
# What the network gets stands where a partner reads what it gets itself.
AMOUNTS = {
    "revenue_type": "c.revenue_type",
    "revenue": money("c.revenue"),
    "payout_type": "c.payout_type",
    "payout": money("c.payout"),
}
CONVERSION_COLUMNS = {
    **CONVERSION_FIELDS,
    **AMOUNTS,
    "network_affiliate_id": Bare("c.partner_id"),
    "notes": "c.notes",
}
CONVERSION: Fields = {
    **CONVERSION_COLUMNS,
    **CONVERSION_OBJECTS,
    "relationship": {"offer": OFFER, "events_count": EVENTS_COUNT, **SIDES},
}
CLICK: Fields = {
    **CLICK_FIELDS,
    **AMOUNTS,
    "network_affiliate_id": Bare("c.partner_id"),
    "relationship": {
        "offer": OFFER,
        **SIDES,
        "geolocation": GEOLOCATION,
        "device_information": DEVICE,
        "query_parameters": Bare("c.parameters"),
    },
}
CLICKS = Shape(JsonRow(CLICK), WITH_SIDES)
# With the names of both sides beside their numbers.
CONVERSION_LINE = CsvRow(
    {
        **CONVERSION_COLUMNS,
        "affiliate_name": "p.name",
        "network_advertiser_id": Bare("coalesce(a.id, 0)"),
        "advertiser_name": "a.name",
        "events_count": EVENTS_COUNT,
    }
)
CONVERSIONS = FileShape(JsonRow(CONVERSION), WITH_SIDES, line=CONVERSION_LINE)
HOLDS = Shape(JsonRow(held(CONVERSION)), WITH_HOLD + WITH_SIDES)

SIDES_SEARCHED = {
    "affiliate": Criterion("partner_id", number),
    "advertiser": Criterion("offer__advertiser_id", number),
}
NETWORK_CONVERSION_CRITERIA: Mapping[str, Criterion] = {**CONVERSION_CRITERIA, **SIDES_SEARCHED}
NETWORK_CLICK_CRITERIA: Mapping[str, Criterion] = {**CLICK_CRITERIA, **SIDES_SEARCHED}
NETWORK_CONVERSION_ORDERS: Mapping[str, str] = {
    **CONVERSION_ORDERS,
    "revenue": "revenue",
    "network_affiliate_id": "partner_id",
}
