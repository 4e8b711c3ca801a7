"""Conversions and those on hold: searched, exported, looked up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router
from ninja.errors import HttpError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from partners.api import Paging, PartnerRequest
from partners.offers.models import Offer
from partners.traffic.api.asked import (
    PAGES,
    Asked,
    HexId,
    RowQuery,
    answer_page,
    criteria_said,
    naming_what_is_wrong,
    one_answer,
    ordered_by,
)
from partners.traffic.models.conversions import ConversionQuerySet
from partners.traffic.models.visits import SUBS
from partners.traffic.periods import YEAR_DAYS, NoSuchPeriod, Period, instant, moment_in
from partners.traffic.rows import (
    AS_RECORDED,
    CONVERSIONS,
    HOLDS,
    FileShape,
    Offered,
    answer_file,
    counted_in,
)
from partners.traffic.search import CONVERSION_CRITERIA, CONVERSION_ORDERS, Criterion, filtered, ordered, searched
from portal.network.currencies import DECIMALS
from portal.network.rates import RateMissing, factors_needed
from portal.web.api import EXPORTS, limited, quick, reads

affiliates = Router(tags=["Conversions"])

QUESTION: JsonDict = {
    "from": "2026-05-01",
    "to": "2026-05-31",
    "timezone_id": 80,
    "show_conversions": True,
    "show_events": False,
    "query": {
        "filters": [
            {"resource_type": "offer", "filter_id_value": 42},
            {"resource_type": "status", "filter_id_value": "approved"},
        ],
        "search_terms": [{"search_type": "sub1", "value": "newsletter"}],
    },
}
EXAMPLE: JsonDict = {
    "conversion_id": "019714a5c1d07c3e8f2b6a1d4e5f6a7b",
    "transaction_id": "0197148f02aa7b1c9d3e4f5a6b7c8d9e",
    "conversion_unix_timestamp": 1748431200,
    "click_unix_timestamp": 1748429710,
    "updated_unix_timestamp": 1748431200,
    "network_offer_id": 42,
    "revenue": 12.5,
    "payout": 12.5,
    "sale_amount": 99.9,
    "is_event": False,
    "is_view_through": False,
    "dma": 501,
    **dict.fromkeys(SUBS, ""),
    "sub1": "newsletter",
    "source_id": "mail",
    "revenue_type": "cpa_cps",
    "order_id": "A-1001",
    "coupon_code": "",
    "currency_id": "USD",
    "event": "",
    "session_user_ip": "198.51.100.7",
    "conversion_user_ip": "203.0.113.9",
    "country": "United States",
    "region": "New York",
    "city": "New York",
    "carrier": "",
    "isp": "Example Broadband",
    "platform": "iOS",
    "os_version": "18.4",
    "device_type": "mobile",
    "brand": "Apple",
    "browser": "Mobile Safari",
    "language": "en",
    "http_user_agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X)",
    "referer": "https://blog.example/candles",
    "adv1": "",
    "adv2": "",
    "adv3": "",
    "adv4": "",
    "adv5": "",
    "status": "approved",
    "error_message": "",
    "offer_name": "Tallow & Reed: candles by post",
    "offer": {"network_offer_id": 42, "name": "Tallow & Reed: candles by post"},
    "relationship": {
        "offer": {"network_offer_id": 42, "name": "Tallow & Reed: candles by post", "offer_status": "active"},
        "events_count": 0,
    },
}


class ShortOffer(BaseModel):
    network_offer_id: int = Field(description="Number of the offer.")
    name: str = Field(description="Its name.")


class RelatedOffer(ShortOffer):
    offer_status: str = Field(description="active, paused, pending or deleted.")


class ConversionRelationship(BaseModel):
    offer: RelatedOffer
    events_count: int = Field(description="How many events followed on the same click or impression.")


class Conversion(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    conversion_id: str = Field(description="32 hexadecimal digits.")
    transaction_id: str = Field(description="The click's or the impression's id: 32 hexadecimal digits.")
    conversion_unix_timestamp: int = Field(description="When it happened. Unix seconds.")
    click_unix_timestamp: int = Field(description="When the click was. Unix seconds; 0 without one.")
    updated_unix_timestamp: int = Field(description="When it was recorded or its status changed last. Unix seconds.")
    network_offer_id: int = Field(description="Number of the offer.")
    revenue: float = Field(description="What you earn by it, in currency_id.")
    payout: float = Field(description="The same as revenue.")
    sale_amount: float = Field(description="What was bought for, in currency_id; 0 when it was not reported.")
    is_event: bool = Field(description="Whether it is an event after a conversion.")
    is_view_through: bool = Field(description="Whether an impression led to it, and no click.")
    dma: int = Field(description="Number of the market area in the United States; 0 elsewhere and when unknown.")
    sub1: str = Field(description="The link's sub1.")
    sub2: str = Field(description="The link's sub2.")
    sub3: str = Field(description="The link's sub3.")
    sub4: str = Field(description="The link's sub4.")
    sub5: str = Field(description="The link's sub5.")
    sub6: str = Field(description="The link's sub6.")
    sub7: str = Field(description="The link's sub7.")
    sub8: str = Field(description="The link's sub8.")
    sub9: str = Field(description="The link's sub9.")
    sub10: str = Field(description="The link's sub10.")
    source_id: str = Field(description="The link's source_id.")
    revenue_type: str = Field(description="What it was paid by: cpa, cps, cpa_cps, cpc or cpm.")
    order_id: str = Field(description="The advertiser's number of the order.")
    coupon_code: str = Field(description="The coupon that was used; empty without one.")
    currency_id: str = Field(description="In which the amounts are: the one asked for, or the offer's. ISO 4217.")
    event: str = Field(description="Name of the event; empty for a conversion.")
    session_user_ip: str = Field(description="The visitor's address at the click; empty when unknown.")
    conversion_user_ip: str = Field(description="The address that the conversion was reported for; empty when unknown.")
    country: str = Field(description="Name of the country; empty when unknown.")
    region: str = Field(description="Region of the visitor's address; empty when unknown.")
    city: str = Field(description="City of the visitor's address; empty when unknown.")
    carrier: str = Field(description="The mobile carrier; empty when unknown.")
    isp: str = Field(description="The internet provider; empty when unknown.")
    platform: str = Field(description="The operating system.")
    os_version: str = Field(description="Version of the operating system; empty when unknown.")
    device_type: str = Field(description="Such as mobile, tablet or pc.")
    brand: str = Field(description="Who made the device.")
    browser: str = Field(description="The browser; empty when unknown.")
    language: str = Field(description="The browser's language, such as en.")
    http_user_agent: str = Field(description="The visitor's user agent at the click.")
    referer: str = Field(description="The page that the link was on.")
    adv1: str = Field(description="What the advertiser added.")
    adv2: str = Field(description="What the advertiser added.")
    adv3: str = Field(description="What the advertiser added.")
    adv4: str = Field(description="What the advertiser added.")
    adv5: str = Field(description="What the advertiser added.")
    status: str = Field(description="approved, pending, rejected, invalid or on_hold.")
    error_message: str = Field(description="Why it is rejected or invalid; empty otherwise.")
    offer_name: str = Field(description="Name of the offer.")
    offer: ShortOffer
    relationship: ConversionRelationship


class Conversions(Paging):
    conversions: list[Conversion]
    paging: Paging


class ExportedConversions(BaseModel):
    conversions: list[Conversion]


class HeldConversion(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "on_hold_conversion_id": 9,
                    "network_id": 1,
                    "holding_period_end": 1749034510,
                    "status": "on_hold",
                    "conversion": {**EXAMPLE, "status": "on_hold"},
                }
            ]
        }
    )

    on_hold_conversion_id: int = Field(description="Number of the hold.")
    network_id: int = Field(description="Number of the network; always 1.")
    holding_period_end: int = Field(description="When the conversion is approved. Unix seconds.")
    status: str = Field(description="on_hold, or what it was made at the end of the hold: approved or rejected.")
    conversion: Conversion


class HeldConversions(Paging):
    conversions: list[HeldConversion]
    paging: Paging


def is_false(value: bool) -> bool:
    if value:
        raise PydanticCustomError("false", "There is no such traffic here")
    return value


Never = Annotated[
    StrictBool,
    AfterValidator(is_false),
    Field(
        description="There is no such traffic; false is taken, because clients send it.",
        json_schema_extra={"const": False},
    ),
]


class RowSearch(Asked):
    currency_id: StrictStr | None = Field(
        default=None,
        description=(
            "Amounts in this currency, ISO 4217, by the network's exchange rate of the conversion's day in UTC. "
            "Left out: in the currency of the offer."
        ),
    )
    show_conversions: StrictBool = Field(default=True, description="Whether to answer conversions.")
    show_events: StrictBool = Field(default=False, description="Whether to answer events.")
    show_only_vt: StrictBool = Field(default=False, description="Those alone that an impression led to.")
    show_only_ct: StrictBool = Field(default=False, description="Those alone that a click or a coupon led to.")
    show_only_scrub: Never = False
    show_only_fail_traffic: Never = False
    query: RowQuery | None = Field(
        default=None, description=f"Filters and search terms, by {criteria_said(CONVERSION_CRITERIA)}."
    )
    order_field: str = Field(default="", description="See the query string, which counts before it.")
    order_direction: str = Field(default="", description="asc or desc. The query string counts before it.")


class ConversionSearch(RowSearch):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [QUESTION]})

    updated_since: StrictInt | StrictStr | None = Field(
        default=None,
        description="Those alone that were recorded or changed their status since then: Unix seconds, or as from.",
    )


class ConversionExport(ConversionSearch):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{**QUESTION, "format": "csv"}]})

    format: Literal["csv", "json"] = Field(default="csv", description="csv or json.")


class HoldSearch(RowSearch):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{**QUESTION, "on_hold_status_filter": "on_hold", "query": {"filters": []}}]},
    )

    on_hold_status_filter: Literal["", "on_hold", "approved", "rejected"] = Field(
        default="on_hold", description="What became of the hold; empty: whatever did."
    )


OUTCOMES = {"": None, "on_hold": ("",), "approved": ("approved", "released"), "rejected": ("rejected",)}
UNIX = re.compile(r"\d{1,12}", re.ASCII)


def chosen(request: PartnerRequest, asked: RowSearch) -> ConversionQuerySet:
    """The partner's conversions that the question is about, in its order.

    :raises HttpError: 400 for what cannot be asked
    """
    return chosen_of(request.call.partner.conversions.all(), request, asked, CONVERSION_CRITERIA, CONVERSION_ORDERS)


def chosen_of(
    rows: ConversionQuerySet,
    request: HttpRequest,
    asked: RowSearch,
    criteria: Mapping[str, Criterion],
    orders: Mapping[str, str],
) -> ConversionQuerySet:
    """Those of ``rows`` that the question is about, in its order; both realms ask through here.

    :raises HttpError: 400 for what cannot be asked
    """
    query = asked.query or RowQuery()
    with naming_what_is_wrong():
        period = asked.period(YEAR_DAYS)
        rows = rows.between(period.start, period.end)
        rows = filtered(rows, [each.pair for each in query.filters or ()], criteria)
        rows = searched(rows, [each.pair for each in query.search_terms or ()], criteria)
        if isinstance(asked, ConversionSearch) and asked.updated_since is not None:
            rows = rows.changed_since(since(asked.updated_since, period))
        field = request.GET.get("order_field", asked.order_field)
        direction = request.GET.get("order_direction", asked.order_direction)
        rows = ordered(rows, field, direction, orders)
    if asked.show_only_vt != asked.show_only_ct:
        rows = rows.filter(is_view_through=asked.show_only_vt)
    if asked.show_conversions and asked.show_events:
        return rows
    return rows.filter(is_event=asked.show_events) if asked.show_conversions or asked.show_events else rows.none()


def offered_in(rows: ConversionQuerySet, asked: RowSearch) -> Offered:
    """In which currency the rows' amounts are answered.

    :raises HttpError: 400 for a currency that there is not, or one without an exchange rate
    """
    if asked.currency_id is None:
        return AS_RECORDED
    currency = asked.currency_id.upper()
    if currency not in DECIMALS:
        said = asked.currency_id[:40]
        raise HttpError(400, f"currency_id: there is no currency {said}; /v1/meta/currencies lists them")
    others = set(Offer.objects.exclude(currency=currency).order_by().values_list("currency", flat=True).distinct())
    period = asked.period(YEAR_DAYS)
    if not others:
        return AS_RECORDED
    try:
        found = factors_needed(
            others,
            currency,
            period.start.date(),
            period.end.date(),
            is_needed=lambda other: rows.filter(offer__currency=other).exists(),
        )
    except RateMissing as missing:
        raise HttpError(400, missing.sentence) from None
    return counted_in(currency, found) if found else AS_RECORDED


def since(asked: int | str, period: Period) -> datetime:
    text = str(asked)
    if UNIX.fullmatch(text):
        try:
            return datetime.fromtimestamp(int(text), tz=UTC)
        except (ValueError, OverflowError, OSError):
            raise NoSuchPeriod(f"updated_since: {text} is out of range") from None
    return instant(moment_in(text, "updated_since")[0], period.zone)


@affiliates.post(
    "/reporting/conversions",
    response=Conversions,
    summary="Search your conversions",
    openapi_extra={"parameters": [*PAGES, *ordered_by(CONVERSION_ORDERS)]},
)
@reads
def search_conversions(request: PartnerRequest, payload: ConversionSearch) -> HttpResponse:
    """Your conversions, and events if asked for, of at most a year, a row each. Amounts are in the offer's currency
    unless another one is asked for; they are put in order by what they are in the offer's. To keep a copy of your own,
    ask with updated_since what is new or has changed its status."""
    found = chosen(request, payload)
    return answer_page(request, payload, "conversions", found, CONVERSIONS, offered_in(found, payload))


@affiliates.post(
    "/reporting/conversions/export",
    response=ExportedConversions,
    summary="Export your conversions",
    openapi_extra={
        "parameters": ordered_by(CONVERSION_ORDERS),
        "responses": {200: {"description": "The file.", "content": {"text/csv": {"schema": {"type": "string"}}}}},
    },
)
@limited(EXPORTS)
@reads
def export_conversions(request: PartnerRequest, payload: ConversionExport) -> StreamingHttpResponse:
    """All conversions that the same search finds, streamed as a file: CSV with a line of names, or JSON. There is no
    limit to how many. A text that a spreadsheet would run as a formula has a quote before it."""
    return exported_file(payload, chosen(request, payload), CONVERSIONS)


def exported_file(asked: ConversionExport, rows: ConversionQuerySet, shape: FileShape) -> StreamingHttpResponse:
    """The rows as the file that was asked for, in the currency that was asked for."""
    return answer_file(rows, asked.from_[:10], asked.to[:10], asked.format, shape, offered_in(rows, asked))


@affiliates.get("/reporting/conversions/{conversion_id}", response=Conversion, summary="A conversion")
@quick
def read_conversion(request: PartnerRequest, conversion_id: HexId) -> HttpResponse:
    """One of your conversions or events."""
    return one_answer(request.call.partner.conversions.all(), conversion_id, CONVERSIONS)


@affiliates.post(
    "/reporting/onhold",
    response=HeldConversions,
    summary="Search your conversions on hold",
    openapi_extra={"parameters": [*PAGES, *ordered_by(CONVERSION_ORDERS)]},
)
@reads
def search_held_conversions(request: PartnerRequest, payload: HoldSearch) -> HttpResponse:
    """Your conversions that wait for their holding period to end; they are approved then, unless they are released or
    rejected before. on_hold_status_filter finds those, too, that waited. The time is the conversion's."""
    held = chosen(request, payload).held(outcomes=OUTCOMES[payload.on_hold_status_filter])
    return answer_page(request, payload, "conversions", held, HOLDS, offered_in(held, payload))


@affiliates.get("/reporting/onhold/{hold_id}", response=HeldConversion, summary="A conversion on hold")
@quick
def read_held_conversion(request: PartnerRequest, hold_id: int) -> HttpResponse:
    """One of your conversions that is or was on hold, by the number of its hold."""
    partner = request.call.partner
    hold = get_object_or_404(partner.holds.all(), pk=hold_id)
    return one_answer(partner.conversions.all(), hold.conversion_id.hex, HOLDS)
