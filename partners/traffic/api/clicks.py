"""Clicks: streamed, listed, looked up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from ninja import Router
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from partners.api import Paging, PartnerRequest
from partners.traffic.api.asked import (
    NDJSON,
    PAGES,
    Asked,
    HexId,
    RowFilters,
    answer_page,
    criteria_said,
    naming_what_is_wrong,
    one_answer,
)
from partners.traffic.api.conversions import RelatedOffer
from partners.traffic.models.visits import SUBS, ClickQuerySet
from partners.traffic.rows import CLICKS, Shape, streamed
from partners.traffic.search import CLICK_CRITERIA, Criterion, filtered
from portal.web.api import CLICK_STREAM, limited, quick, reads
from portal.web.streams import json_array, json_lines, stream

affiliates = Router(tags=["Clicks"])

MOST_DAYS = 14
MOST_STREAMED = 5000
QUESTION: JsonDict = {
    "from": "2026-05-01 00:00:00",
    "to": "2026-05-14 23:59:59",
    "timezone_id": 80,
    "query": {"filters": [{"resource_type": "offer", "filter_id_value": "42"}]},
}
EXAMPLE: JsonDict = {
    "transaction_id": "0197148f02aa7b1c9d3e4f5a6b7c8d9e",
    "unix_timestamp": 1748429710,
    "is_unique": 1,
    "tracking_url": "https://go.example.com/t/9HMHV4/5NLZGC/?sub1=newsletter",
    "source_id": "mail",
    **dict.fromkeys(SUBS, ""),
    "sub1": "newsletter",
    "revenue_type": "cpa",
    "revenue": 0.0,
    "referer": "https://blog.example/candles",
    "error_code": 0,
    "error_message": "",
    "user_ip": "198.51.100.7",
    "currency_id": "USD",
    "relationship": {
        "offer": {"network_offer_id": 42, "name": "Tallow & Reed: candles by post", "offer_status": "active"},
        "geolocation": {
            "country_code": "US",
            "country_name": "United States",
            "region_code": "NY",
            "region_name": "New York",
            "city_name": "New York",
            "dma": 501,
            "timezone": "America/New_York",
            "carrier_name": "",
            "isp_name": "Example Broadband",
            "is_mobile": False,
            "is_proxy": False,
            "postal_code": "10001",
        },
        "device_information": {
            "is_mobile": True,
            "platform_name": "iOS",
            "os_version": "18.4",
            "brand": "Apple",
            "model": "iPhone",
            "is_tablet": False,
            "browser_name": "Mobile Safari",
            "browser_version": "18.4",
            "device_type": "mobile",
            "language": "en",
            "is_robot": False,
        },
        "query_parameters": {"utm_source": "mail"},
    },
}


class Geolocation(BaseModel):
    """Where the address is; empty and 0 when unknown."""

    model_config = ConfigDict(extra="forbid")

    country_code: str = Field(description="ISO 3166-1 alpha-2.")
    country_name: str = Field(description="Its name in English.")
    region_code: str = Field(description="Code of the region within the country.")
    region_name: str = Field(description="Name of the region.")
    city_name: str = Field(description="Name of the city.")
    dma: int = Field(description="Number of the market area in the United States.")
    timezone: str = Field(description="IANA name of its time zone.")
    carrier_name: str = Field(description="The mobile carrier.")
    isp_name: str = Field(description="The internet provider.")
    is_mobile: bool = Field(description="Whether the connection is a mobile one.")
    is_proxy: bool = Field(description="Whether it is known to hide somebody else's address.")
    postal_code: str = Field(description="Postal code of the area.")


class DeviceInformation(BaseModel):
    """What the user agent says; empty when it does not."""

    model_config = ConfigDict(extra="forbid")

    is_mobile: bool = Field(description="Whether it is a phone or a tablet.")
    platform_name: str = Field(description="The operating system.")
    os_version: str = Field(description="Version of the operating system.")
    brand: str = Field(description="Who made the device.")
    model: str = Field(description="The device's model.")
    is_tablet: bool = Field(description="Whether it is a tablet.")
    browser_name: str = Field(description="The browser.")
    browser_version: str = Field(description="Its version.")
    device_type: str = Field(description="Such as mobile, tablet or pc.")
    language: str = Field(description="The browser's language, such as en.")
    is_robot: bool = Field(description="Whether it says that it is a program.")


class ClickRelationship(BaseModel):
    model_config = ConfigDict(extra="forbid")

    offer: RelatedOffer
    geolocation: Geolocation
    device_information: DeviceInformation
    query_parameters: dict[str, Any] = Field(description="What else the link carried.")


class Click(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    transaction_id: str = Field(description="The click's id: 32 hexadecimal digits.")
    unix_timestamp: int = Field(description="When it was. Unix seconds.")
    is_unique: int = Field(description="1 for the first valid one of a visitor in 24 hours, otherwise 0.")
    tracking_url: str = Field(description="The link that was followed.")
    source_id: str = Field(description="The link's source_id.")
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
    revenue_type: str = Field(description="What the offer pays by: cpa, cps, cpa_cps, cpc or cpm.")
    revenue: float = Field(description="What you earn by the click itself, in currency_id.")
    referer: str = Field(description="The page that the link was on.")
    error_code: int = Field(description="0 for a valid click; otherwise why it is invalid.")
    error_message: str = Field(description="The same in words; empty for a valid click.")
    user_ip: str = Field(description="The visitor's address.")
    currency_id: str = Field(description="The offer's currency. ISO 4217.")
    relationship: ClickRelationship


class StreamedClicks(BaseModel):
    clicks: list[Click]


class Clicks(Paging):
    clicks: list[Click]
    paging: Paging


class ClickSearch(Asked):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [QUESTION]})

    query: RowFilters | None = Field(default=None, description=f"Filters, by {criteria_said(CLICK_CRITERIA)}.")


def chosen(request: PartnerRequest, asked: ClickSearch) -> ClickQuerySet:
    """The partner's clicks that the question is about, the newest first.

    :raises HttpError: 400 for what cannot be asked
    """
    return chosen_of(request.call.partner.clicks.all(), asked, CLICK_CRITERIA)


def chosen_of(rows: ClickQuerySet, asked: ClickSearch, criteria: Mapping[str, Criterion]) -> ClickQuerySet:
    """Those of ``rows`` that the question is about, the newest first; both realms ask through here.

    :raises HttpError: 400 for what cannot be asked
    """
    query = asked.query or RowFilters()
    with naming_what_is_wrong():
        period = asked.period(MOST_DAYS)
        rows = rows.between(period.start, period.end)
        return filtered(rows, [each.pair for each in query.filters or ()], criteria).newest_first()


ONE_A_LINE = {"schema": {"type": "string", "description": "One click a line, each an object as in JSON."}}
# What a stream of clicks can be answered as, besides JSON.
LINE_BY_LINE: dict[str, Any] = {"responses": {200: {"content": {NDJSON: ONE_A_LINE}}}}


@affiliates.post(
    "/reporting/clicks/stream",
    response=StreamedClicks,
    summary="Stream your clicks",
    openapi_extra=LINE_BY_LINE,
)
@limited(CLICK_STREAM)
@reads
def stream_clicks(request: PartnerRequest, payload: ClickSearch) -> StreamingHttpResponse:
    """Your clicks of at most 14 days, the newest first; invalid ones, too, with the reason why. As JSON these are the
    newest 5000. With `Accept: application/x-ndjson` they are all, one object a line, sent as they are read."""
    return answer_stream(request, chosen(request, payload), CLICKS, at_most=MOST_STREAMED)


def answer_stream(request: HttpRequest, rows: ClickQuerySet, shape: Shape, *, at_most: int) -> StreamingHttpResponse:
    """All the rows to who takes them line by line, ``at_most`` so many to who wants one object."""
    if NDJSON in request.headers.get("Accept", "").lower():
        return stream(json_lines(*streamed(rows, shape)), NDJSON)
    return stream(json_array("clicks", *streamed(rows[:at_most], shape)), "application/json")


@affiliates.post(
    "/reporting/clicks", response=Clicks, summary="Page through your clicks", openapi_extra={"parameters": PAGES}
)
@reads
def list_clicks(request: PartnerRequest, payload: ClickSearch) -> HttpResponse:
    """Your clicks of at most 14 days, the newest first, a page at a time."""
    return answer_page(request, payload, "clicks", chosen(request, payload), CLICKS)


@affiliates.get("/reporting/clicks/{transaction_id}", response=Click, summary="A click")
@quick
def read_click(request: PartnerRequest, transaction_id: HexId) -> HttpResponse:
    """One of your clicks."""
    return one_answer(request.call.partner.clicks.all(), transaction_id, CLICKS)
