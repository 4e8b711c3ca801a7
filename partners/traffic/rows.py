"""Clicks and conversions as the API answers them (wire.md sections 4 and 5): each row's one definition.

It is an SQL expression for each field, and ``JsonRow`` makes the object of what PostgreSQL sends. So the row that is
looked up, the one in a list and the one in a stream of millions cannot differ. ``c`` is the row of the traffic, ``o``
its offer.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, models
from django.http import StreamingHttpResponse

from partners.offers.models import Offer
from partners.traffic.models import Conversion, Hold, Refusal
from partners.traffic.models.visits import SUBS
from portal.network.countries import COUNTRIES
from portal.network.currencies import DECIMALS
from portal.network.rates import Factor
from portal.web.csv_rows import CsvRow
from portal.web.json_rows import Bare, Fields, JsonRow
from portal.web.streams import copy_rows, csv_out, json_array, stream


def literal(text: str) -> str:
    """A text of ours in SQL that still takes parameters."""
    return "'" + text.replace("'", "''").replace("%", "%%") + "'"


def hex_of(column: str) -> str:
    return f"encode(uuid_send({column}), 'hex')"


def unix(column: str) -> Bare:
    # Not extract(), which is numeric and takes three times as long. A double has the microseconds until 2106.
    return Bare(f"coalesce(floor(date_part('epoch', {column}))::bigint, 0)")


def money(column: str) -> Bare:
    """Rounded as ``portal.network.currencies.rounded`` does."""
    return Bare(f"round({column} * o.factor, o.decimals)")


def address(column: str) -> str:
    return f"coalesce(host({column}), '')"


def truth(condition: str) -> Bare:
    """Never null."""
    return Bare(f"coalesce({condition}, false)")


COUNTRY = f"coalesce({literal(json.dumps(COUNTRIES, ensure_ascii=False))}::jsonb ->> c.country_code, c.country_code)"
# The market areas of the United States have numbers; what is none is left out.
DMA = Bare("CASE WHEN c.dma <> '' AND c.dma ~ '^[0-9]{1,9}$' THEN c.dma::int ELSE 0 END")
SUB_FIELDS = {sub: f"c.{sub}" for sub in SUBS}
OFFER_ID = Bare("c.offer_id")
OFFER: Fields = {"network_offer_id": OFFER_ID, "name": "o.name", "offer_status": "o.status"}
REASONS = " ".join(f"WHEN {refusal.value} THEN {literal(str(refusal.label))}" for refusal in Refusal if refusal.value)
EVENTS_COUNT = Bare(f"""(
    SELECT count(*) FROM {Conversion._meta.db_table} e
    WHERE e.partner_id = c.partner_id AND e.transaction_id = c.transaction_id AND e.is_event
)""")  # noqa: S608 -- the name of our table

# Name to expression, in the order in which they are answered.
CONVERSION_FIELDS = {
    "conversion_id": hex_of("c.id"),
    "transaction_id": hex_of("c.transaction_id"),
    "conversion_unix_timestamp": unix("c.at"),
    "click_unix_timestamp": unix("c.clicked_at"),
    "updated_unix_timestamp": unix("c.updated_at"),
    "network_offer_id": OFFER_ID,
    "revenue": money("c.payout"),
    "payout": money("c.payout"),
    "sale_amount": money("c.sale_amount"),
    "is_event": Bare("c.is_event"),
    "is_view_through": Bare("c.is_view_through"),
    "dma": DMA,
    **SUB_FIELDS,
    "source_id": "c.source_id",
    "revenue_type": "c.payout_type",
    "order_id": "c.order_id",
    "coupon_code": "c.coupon_code",
    "currency_id": "o.currency",
    "event": "c.event_name",
    "session_user_ip": address("c.ip"),
    "conversion_user_ip": address("c.conversion_ip"),
    "country": COUNTRY,
    "region": "c.region",
    "city": "c.city",
    "carrier": "c.carrier",
    "isp": "c.isp",
    "platform": "c.platform",
    "os_version": "c.os_version",
    "device_type": "c.device_type",
    "brand": "c.device_make",
    "browser": "c.browser",
    "language": "c.language",
    "http_user_agent": "c.user_agent",
    "referer": "c.referer",
    **{f"adv{number}": f"c.adv{number}" for number in range(1, 6)},
    "status": "c.status",
    "error_message": "c.error_message",
    "offer_name": "o.name",
}
CONVERSION_OBJECTS: Fields = {
    "offer": {"network_offer_id": OFFER_ID, "name": "o.name"},
    "relationship": {"offer": OFFER, "events_count": EVENTS_COUNT},
}

GEOLOCATION: Fields = {
    "country_code": "c.country_code",
    "country_name": COUNTRY,
    "region_code": "coalesce(c.place ->> 'region_code', '')",
    "region_name": "c.region",
    "city_name": "c.city",
    "dma": DMA,
    "timezone": "coalesce(c.place ->> 'timezone', '')",
    "carrier_name": "c.carrier",
    "isp_name": "c.isp",
    "is_mobile": truth("lower(c.connection_type) IN ('cellular', 'mobile')"),
    "is_proxy": truth("c.place -> 'is_proxy' = 'true'::jsonb"),
    "postal_code": "coalesce(c.place ->> 'postal_code', '')",
}
DEVICE: Fields = {
    "is_mobile": truth("lower(c.device_type) IN ('mobile', 'phone', 'smartphone', 'tablet')"),
    "platform_name": "c.platform",
    "os_version": "c.os_version",
    "brand": "c.device_make",
    "model": "c.device_model",
    "is_tablet": truth("lower(c.device_type) = 'tablet'"),
    "browser_name": "c.browser",
    "browser_version": "c.browser_version",
    "device_type": "c.device_type",
    "language": "c.language",
    "is_robot": Bare("c.is_robot"),
}


CLICK_FIELDS: dict[str, str] = {
    "transaction_id": hex_of("c.id"),
    "unix_timestamp": unix("c.at"),
    "is_unique": Bare("c.is_unique::int"),
    "tracking_url": "c.tracking_url",
    "source_id": "c.source_id",
    **SUB_FIELDS,
    "revenue_type": "c.payout_type",
    "revenue": money("c.payout"),
    "referer": "c.referer",
    "error_code": Bare("c.error_code"),
    "error_message": f"CASE c.error_code {REASONS} ELSE '' END",
    "user_ip": address("c.ip"),
    "currency_id": "o.currency",
}
CLICK: Fields = {
    **CLICK_FIELDS,
    "relationship": {
        "offer": OFFER,
        "geolocation": GEOLOCATION,
        "device_information": DEVICE,
        "query_parameters": Bare("c.parameters"),
    },
}
# What a click is told by and an impression is not.
OF_CLICKS_ALONE = frozenset({"is_unique", "tracking_url", "error_code", "error_message"})
IMPRESSION: Fields = {
    **{name: value for name, value in CLICK_FIELDS.items() if name not in OF_CLICKS_ALONE},
    # A thousandth of what is paid for a thousand would be rounded to nothing.
    "revenue": Bare("trim_scale(c.payout)"),
    "relationship": {"offer": OFFER, "geolocation": GEOLOCATION, "device_information": DEVICE},
}
CONVERSION: Fields = {**CONVERSION_FIELDS, **CONVERSION_OBJECTS}
HOLD_STATUS = f"""CASE
    WHEN h.ended_at IS NULL THEN {literal(Conversion.Status.ON_HOLD)}
    WHEN h.outcome = {literal(Hold.Outcome.REJECTED)} THEN {literal(Conversion.Status.REJECTED)}
    ELSE {literal(Conversion.Status.APPROVED)}
END"""


def held(conversion: Fields) -> Fields:
    return {
        "on_hold_conversion_id": Bare("h.id"),
        "network_id": Bare("1"),
        "holding_period_end": unix("h.until"),
        "status": HOLD_STATUS,
        "conversion": conversion,
    }


WITH_HOLD = f"JOIN {Hold._meta.db_table} h ON h.partner_id = c.partner_id AND h.conversion_id = c.id"


@dataclass(frozen=True, slots=True)
class Shape:
    """What is answered of each row, and what has to be joined for it beside the offer."""

    row: JsonRow
    joins: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileShape(Shape):
    """What a file of the rows can also have: a line of each, with what it has itself and without the objects in it."""

    line: CsvRow


@dataclass(frozen=True, slots=True)
class Offered:
    """The look-up of a row's offer, ``o``: it says in which currency amounts are, and what makes them so."""

    sql: str
    parameters: tuple[Any, ...] = ()


CLICKS, IMPRESSIONS = Shape(JsonRow(CLICK)), Shape(JsonRow(IMPRESSION))
CONVERSIONS = FileShape(JsonRow(CONVERSION), line=CsvRow({**CONVERSION_FIELDS, "events_count": EVENTS_COUNT}))
HOLDS = Shape(JsonRow(held(CONVERSION)), WITH_HOLD)
OFFERS = Offer._meta.db_table
# With how many decimals a currency is told; two, unless ours say otherwise.
DECIMALS_OF_IT = (
    "CASE currency"
    + "".join(f" WHEN {literal(code)} THEN {decimals}" for code, decimals in DECIMALS.items() if decimals != 2)
    + " ELSE 2 END"
)
# LIMIT makes it a look-up for each row, which is remembered for the next with the same offer. As a plain join it is
# hashed, which loses the order of the index that the rows come from: a stream then sorts all of them, on disk, before
# its first one.
AS_RECORDED = Offered(
    f"""LEFT JOIN LATERAL (
        SELECT name, status, currency, {DECIMALS_OF_IT} AS decimals, 1::numeric AS factor
        FROM {OFFERS} WHERE id = c.offer_id LIMIT 1
    ) o ON true"""  # noqa: S608 -- the name of our table
)


def counted_in(currency: str, factors: Sequence[Factor]) -> Offered:
    """Amounts in one currency, by the rate of each row's day; those that are in it already stay as they are."""
    columns = zip(*((each.currency, each.since, each.until, each.factor) for each in factors), strict=True)
    return Offered(
        f"""LEFT JOIN LATERAL (
            SELECT name, status, %s AS currency, %s AS decimals, coalesce(rates.factor, 1) AS factor
            FROM {OFFERS}
            LEFT JOIN unnest(%s::text[], %s::date[], %s::date[], %s::numeric[]) AS rates(code, since, until, factor)
              ON rates.code = {OFFERS}.currency
              AND (c.at AT TIME ZONE 'UTC')::date >= rates.since AND (c.at AT TIME ZONE 'UTC')::date < rates.until
            WHERE id = c.offer_id LIMIT 1
        ) o ON true""",  # noqa: S608 -- the name of our table
        (currency, DECIMALS.get(currency, 2), *map(list, columns)),
    )


Selection = models.QuerySet[Any]
Question = tuple[str, tuple[Any, ...]]


def question(selection: Selection, columns: str, joins: str, offered: Offered) -> Question:
    """SQL for ``columns`` of the selected rows, in the order that the selection names."""
    inner, parameters = compiled(selection)
    # A join keeps no order, so it is said again.
    order = order_of(selection)
    sql = f"SELECT {columns} FROM ({inner}) c {offered.sql} {joins}"  # noqa: S608 -- our own words and the ORM's
    return (f"{sql} ORDER BY {order}" if order else sql), (*parameters, *offered.parameters)


def compiled(selection: Selection) -> Question:
    # A selection that cannot have rows is a question like any other, with no rows for an answer.
    sql, parameters = selection.query.get_compiler(DEFAULT_DB_ALIAS, elide_empty=False).as_sql()
    return sql, parameters


def order_of(selection: Selection) -> str:
    return ", ".join(map(said_outside, selection.query.order_by))


def said_outside(order: Any) -> str:
    name = order.removeprefix("-")
    column = "o.name" if name == "offer__name" else f"c.{name}"
    return f"{column} DESC" if order.startswith("-") else column


def streamed(
    selection: Selection, shape: Shape, offered: Offered = AS_RECORDED
) -> tuple[str, tuple[Any, ...], JsonRow]:
    """The query of a stream, and what makes JSON of its rows."""
    return *question(selection, shape.row.columns, shape.joins, offered), shape.row


def answer_file(
    rows: Selection, first_day: object, last_day: object, form: str, shape: FileShape, offered: Offered = AS_RECORDED
) -> StreamingHttpResponse:
    """The conversions of these days as a file, csv or json."""
    name = f"conversions-{first_day}-{last_day}.{form}"
    if form == "csv":
        lines = question(rows, shape.line.columns, shape.joins, offered)
        return stream(csv_out(*lines, shape.line), "text/csv; charset=utf-8", filename=name)
    return stream(json_array("conversions", *streamed(rows, shape, offered)), "application/json", filename=name)


def looked_up(rows: Selection, ids: Sequence[UUID], shape: Shape, offered: Offered = AS_RECORDED) -> list[bytes]:
    """Those of ``rows`` with these ids, in the order of the ids, each as JSON."""
    found = by_id(rows, ids, shape, offered)
    return [found[one] for one in ids if one in found]


def by_id(rows: Selection, ids: Collection[UUID], shape: Shape, offered: Offered = AS_RECORDED) -> dict[UUID, bytes]:
    """Those of ``rows`` with these ids, each as JSON."""
    found: dict[UUID, bytes] = {}
    if not ids:
        return found
    chosen = rows.filter(id__in=ids).order_by()
    for copied in copy_rows(*question(chosen, f"c.id, {shape.row.columns}", shape.joins, offered)):
        found_id, _, row = copied.partition(b"\t")
        found[UUID(found_id.decode())] = shape.row(row)
    return found


def page_of(
    rows: Selection, page: int, page_size: int, shape: Shape, offered: Offered = AS_RECORDED
) -> tuple[list[bytes], int]:
    """A page of the rows in their order, and how many there are, at one moment.

    What is sorted, counted and skipped are ids alone; only the rows of the page are read as a whole.
    """
    selection, parameters = compiled(rows.order_by())
    order = order_of(rows)
    # Where the order does not need it, even a join that PostgreSQL leaves out keeps it from reading the index alone.
    names = f"LEFT JOIN {OFFERS} o ON o.id = c.offer_id" if "o.name" in order else ""
    sql = f"""
        WITH found AS NOT MATERIALIZED ({selection})
        SELECT chosen.total, {shape.row.columns}
        FROM (
            SELECT c.id, count(*) OVER () AS total
            FROM found c {names} ORDER BY {order} LIMIT %s OFFSET %s
        ) chosen
        CROSS JOIN LATERAL (SELECT * FROM found WHERE id = chosen.id LIMIT 1) c
        {offered.sql} {shape.joins} ORDER BY {order}"""  # noqa: S608 -- our own words and the ORM's
    copied = copy_rows(sql, (*parameters, page_size, (page - 1) * page_size, *offered.parameters))
    if not copied:
        # Beyond the last page there is no row to say it.
        return [], rows.order_by().count() if page > 1 else 0
    totals, _, found = zip(*(row.partition(b"\t") for row in copied), strict=True)
    return list(map(shape.row, found)), int(totals[0])
