"""What clicks and conversions can be searched by, and put in order by (wire.md sections 4 and 5)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from django.db import models
from django.db.models import Q

from partners.traffic.models import Conversion
from partners.traffic.models.visits import SUBS
from portal.network.countries import COUNTRIES

Rows = TypeVar("Rows", bound=models.QuerySet[Any])

CODES = {name.lower(): code for code, name in COUNTRIES.items()}


class Unanswerable(Exception):
    """The message is a sentence for the client that names what cannot be searched or sorted by."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """What a filter or a search term compares: a column, with what a client writes read by ``read``.

    A filter wants the value itself. A search term finds what contains it, in any case, where ``is_text``.
    """

    column: str
    read: Callable[[str], Any] = str
    is_text: bool = False

    def filtered(self, values: Iterable[Any]) -> Q:
        return Q((f"{self.column}__in", list(values)))

    def found(self, value: Any) -> Q:
        return Q((f"{self.column}__icontains" if self.is_text else self.column, value))


def number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise ValueError("a number")
    return int(text)


def truth(text: str) -> bool:
    if text.lower() not in ("0", "1", "false", "true"):
        raise ValueError("0 or 1")
    return text.lower() in ("1", "true")


def country(text: str) -> str:
    """A code, or the name in our list."""
    code = text.upper()
    if code in COUNTRIES or not text:
        return code
    if text.lower() not in CODES:
        raise ValueError("a country, such as DE or Germany")
    return CODES[text.lower()]


def status(text: str) -> str:
    if text not in Conversion.Status.values:
        raise ValueError(f"one of {', '.join(Conversion.Status.values)}")
    return text


def hex_id(text: str) -> UUID:
    if len(text) not in (32, 36):
        raise ValueError("an id of 32 hexadecimal digits")
    try:
        return UUID(text)
    except ValueError:
        raise ValueError("an id of 32 hexadecimal digits") from None


def address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("an IP address") from None


def text_of(column: str) -> Criterion:
    return Criterion(column, is_text=True)


COMMON = {
    "offer": Criterion("offer_id", number),
    "country": Criterion("country_code", country),
    **{sub: text_of(sub) for sub in SUBS},
    "source_id": text_of("source_id"),
    "coupon_code": text_of("coupon_code"),
}
CONVERSION_CRITERIA: Mapping[str, Criterion] = {
    "status": Criterion("status", status),
    **COMMON,
    "event_name": text_of("event_name"),
    "conversion_id": Criterion("id", hex_id),
    "transaction_id": Criterion("transaction_id", hex_id),
    "order_id": text_of("order_id"),
    "source_ip": Criterion("ip", address),
}
CLICK_CRITERIA: Mapping[str, Criterion] = {
    **COMMON,
    "transaction_id": Criterion("id", hex_id),
    "source_ip": Criterion("ip", address),
    "creative": Criterion("creative_id", number),
    "offer_url": Criterion("offer_url_id", number),
    "error_code": Criterion("error_code", number),
    "is_unique": Criterion("is_unique", truth),
    "region": text_of("region"),
    "city": text_of("city"),
    "carrier": text_of("carrier"),
    "isp": text_of("isp"),
    "platform": text_of("platform"),
    "os_version": text_of("os_version"),
    "device_type": text_of("device_type"),
    "browser": text_of("browser"),
    "language": text_of("language"),
}
CONVERSION_ORDERS: Mapping[str, str] = {
    "conversion_unix_timestamp": "id",
    "click_unix_timestamp": "clicked_at",
    "updated_unix_timestamp": "updated_at",
    "conversion_id": "id",
    "transaction_id": "transaction_id",
    "status": "status",
    "network_offer_id": "offer_id",
    "offer_name": "offer__name",
    "event": "event_name",
    "revenue": "payout",
    "payout": "payout",
    "sale_amount": "sale_amount",
    "order_id": "order_id",
    "coupon_code": "coupon_code",
    "country": "country_code",
    "source_id": "source_id",
    **{sub: sub for sub in SUBS},
}


def criterion(named: str, criteria: Mapping[str, Criterion], field: str) -> Criterion:
    if named not in criteria:
        raise Unanswerable(f"{field}: {named[:80]} is not one. There are {', '.join(criteria)}")
    return criteria[named]


def value(given: Criterion, named: str, text: str) -> Any:
    try:
        return given.read(text)
    except ValueError as wanted:
        raise Unanswerable(f"{named}: {text[:80] or 'nothing'} is not {wanted}") from None


def filtered(rows: Rows, filters: Iterable[tuple[str, str]], criteria: Mapping[str, Criterion]) -> Rows:
    """The rows that have, of each kind of filter, one of the values.

    :raises Unanswerable: when there is no such filter, or it has no such value
    """
    chosen: dict[str, list[Any]] = {}
    for named, text in filters:
        chosen.setdefault(named, []).append(value(criterion(named, criteria, "resource_type"), named, text))
    for named, values in chosen.items():
        rows = rows.filter(criteria[named].filtered(values))
    return rows


def searched(rows: Rows, terms: Iterable[tuple[str, str]], criteria: Mapping[str, Criterion]) -> Rows:
    """The rows that fit every term.

    :raises Unanswerable: when there is no such search, or nothing can be found by the value
    """
    for named, text in terms:
        wanted = criterion(named, criteria, "search_type")
        rows = rows.filter(wanted.found(value(wanted, named, text)))
    return rows


def ordered(rows: Rows, field: str, direction: str, orders: Mapping[str, str]) -> Rows:
    """The rows in that order, those that are equal in it by time; the newest first when none is named.

    :raises Unanswerable: when there is no such order
    """
    if field and field not in orders:
        raise Unanswerable(f"order_field: {field[:80]} is not one. There are {', '.join(orders)}")
    if direction not in ("", "asc", "desc"):
        raise Unanswerable(f"order_direction: {direction[:80]} is not asc or desc")
    sign = "" if direction == "asc" else "-"
    column = orders[field] if field else "id"
    return rows.order_by(*(f"{sign}{name}" for name in dict.fromkeys([column, "id"])))
