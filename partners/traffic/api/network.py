"""Every partner's conversions and clicks, for the network's own systems (wire.md section 10)."""

from __future__ import annotations

from typing import Any, Literal

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router
from ninja.errors import HttpError
from pydantic import BaseModel, ConfigDict, Field, StrictStr
from pydantic.config import JsonDict

from partners.api import ACCOUNT_STATUS, NetworkRequest, Paging
from partners.traffic.api import clicks, conversions, rules
from partners.traffic.api.asked import (
    PAGES,
    HexId,
    RowFilters,
    RowQuery,
    answer_page,
    criteria_said,
    one_answer,
    ordered_by,
)
from partners.traffic.api.ingest import MOST_BYTES, REFUSED, Ingest, Ingested, RowsRefused, ingest, refused
from partners.traffic.models import Click, Conversion, TrafficControl
from partners.traffic.models.conversions import AlreadyDecided, ConversionQuerySet
from partners.traffic.models.visits import ClickQuerySet
from partners.traffic.network_rows import (
    CLICKS,
    CONVERSIONS,
    HOLDS,
    NETWORK_CLICK_CRITERIA,
    NETWORK_CONVERSION_CRITERIA,
    NETWORK_CONVERSION_ORDERS,
)
from partners.traffic.search import hex_id
from portal.accounts.actors import Actor
from portal.web.api import CLICK_STREAM, EXPORTS, large_bodies, limited, paged, paging, quick, reads

networks = Router(tags=["Traffic"])

MOST_STREAMED = 10_000
OF_A_PARTNER: JsonDict = {"resource_type": "affiliate", "filter_id_value": 12}
QUESTION: JsonDict = {**conversions.QUESTION, "query": {"filters": [OF_A_PARTNER]}}
SIDES: JsonDict = {
    "affiliate": {"network_affiliate_id": 12, "name": "Acme Media", "account_status": "active"},
    "advertiser": {"network_advertiser_id": 7, "name": "Tallow & Reed"},
}
AMOUNTS: JsonDict = {"revenue_type": "rpa_rps", "revenue": 15.0, "payout_type": "cpa_cps", "payout": 12.5}
EXAMPLE: JsonDict = {
    **conversions.EXAMPLE,
    **AMOUNTS,
    "network_affiliate_id": 12,
    "notes": "",
    "relationship": {
        "offer": {"network_offer_id": 42, "name": "Tallow & Reed: candles by post", "offer_status": "active"},
        "events_count": 0,
        **SIDES,
    },
}
CLICK_EXAMPLE: JsonDict = {
    **clicks.EXAMPLE,
    "revenue_type": "rpc",
    "revenue": 0.4,
    "payout_type": "cpc",
    "payout": 0.25,
    "network_affiliate_id": 12,
    "relationship": {**clicks.EXAMPLE["relationship"], **SIDES},  # type: ignore[dict-item]  # it is an object
}
CONTROL: JsonDict = {
    **rules.CONTROL,
    "relationship": {
        **rules.CONTROL["relationship"],  # type: ignore[dict-item]  # it is an object
        "affiliates": {"total": 0, "entries": []},
    },
}
REVENUE_TYPE = "What the advertiser pays the network by: rpa, rps, rpa_rps, rpc or rpm."


class RelatedAffiliate(BaseModel):
    network_affiliate_id: int = Field(description="Number of the partner.")
    name: str = Field(description="What the partner is called.")
    account_status: str = Field(description="active, pending (onboarding) or inactive (paused).")


class RelatedAdvertiser(BaseModel):
    network_advertiser_id: int = Field(description="Number of the advertiser.")
    name: str = Field(description="What the advertiser is called.")


class NetworkConversionRelationship(conversions.ConversionRelationship):
    affiliate: RelatedAffiliate
    advertiser: RelatedAdvertiser


class NetworkConversion(conversions.Conversion):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    network_affiliate_id: int = Field(description="Number of the partner whose it is.")
    revenue_type: str = Field(description=REVENUE_TYPE)
    revenue: float = Field(description="What the network gets for it, in currency_id.")
    payout_type: str = Field(description="What the partner is paid by: cpa, cps, cpa_cps, cpc or cpm.")
    payout: float = Field(description="What the partner gets of it, in currency_id.")
    notes: str = Field(description="The network's own notes; partners do not see them.")
    relationship: NetworkConversionRelationship


class NetworkConversions(Paging):
    conversions: list[NetworkConversion]
    paging: Paging


class ExportedNetworkConversions(BaseModel):
    conversions: list[NetworkConversion]


class NetworkHeldConversion(conversions.HeldConversion):
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

    conversion: NetworkConversion


class NetworkHeldConversions(Paging):
    conversions: list[NetworkHeldConversion]
    paging: Paging


class NetworkClickRelationship(clicks.ClickRelationship):
    affiliate: RelatedAffiliate
    advertiser: RelatedAdvertiser


class NetworkClick(clicks.Click):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [CLICK_EXAMPLE]})

    network_affiliate_id: int = Field(description="Number of the partner whose link was followed.")
    revenue_type: str = Field(description=REVENUE_TYPE)
    revenue: float = Field(description="What the network gets for the click itself, in currency_id.")
    payout_type: str = Field(description="What the partner is paid by: cpa, cps, cpa_cps, cpc or cpm.")
    payout: float = Field(description="What the partner gets for the click itself, in currency_id.")
    relationship: NetworkClickRelationship


class StreamedNetworkClicks(BaseModel):
    clicks: list[NetworkClick]


class NetworkClicks(Paging):
    clicks: list[NetworkClick]
    paging: Paging


class ConversionDecision(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"status": "rejected", "reason": "The order was returned.", "notes": "RMA 77"}]
        },
    )

    status: Literal["approved", "rejected", "invalid"] | None = Field(
        default=None, description="What it becomes. Left out: it stays what it is."
    )
    reason: StrictStr | None = Field(
        default=None,
        description="Why, in a sentence for the partner; of rejected and invalid alone.",
        min_length=1,
        max_length=300,
    )
    notes: StrictStr | None = Field(
        default=None,
        description="The network's own notes, in place of those there are. Left out: they stay.",
        max_length=500,
    )


BY = f"Filters and search terms, by {criteria_said(NETWORK_CONVERSION_CRITERIA)}."


class NetworkConversionSearch(conversions.ConversionSearch):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [QUESTION]})

    query: RowQuery | None = Field(default=None, description=BY)


class NetworkConversionExport(conversions.ConversionExport):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{**QUESTION, "format": "csv"}]})

    query: RowQuery | None = Field(default=None, description=BY)


class NetworkHoldSearch(conversions.HoldSearch):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{**QUESTION, "on_hold_status_filter": "on_hold"}]}
    )

    query: RowQuery | None = Field(default=None, description=BY)


class NetworkClickSearch(clicks.ClickSearch):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{**clicks.QUESTION, "query": {"filters": [OF_A_PARTNER]}}]}
    )

    query: RowFilters | None = Field(default=None, description=f"Filters, by {criteria_said(NETWORK_CLICK_CRITERIA)}.")


def chosen(request: NetworkRequest, asked: conversions.RowSearch) -> ConversionQuerySet:
    everybodys: ConversionQuerySet = Conversion.objects.all()
    return conversions.chosen_of(everybodys, request, asked, NETWORK_CONVERSION_CRITERIA, NETWORK_CONVERSION_ORDERS)


def chosen_clicks(asked: NetworkClickSearch) -> ClickQuerySet:
    everybodys: ClickQuerySet = Click.objects.all()
    return clicks.chosen_of(everybodys, asked, NETWORK_CLICK_CRITERIA)


@networks.post(
    "/reporting/conversions",
    response=NetworkConversions,
    summary="Search conversions",
    openapi_extra={"parameters": [*PAGES, *ordered_by(NETWORK_CONVERSION_ORDERS)]},
)
@reads
def search_network_conversions(request: NetworkRequest, payload: NetworkConversionSearch) -> HttpResponse:
    """All partners' conversions, and events if asked for, of at most a year, a row each. Amounts are in the offer's
    currency unless another one is asked for. To keep a copy of your own, ask with updated_since what is new or has
    changed its status."""
    found = chosen(request, payload)
    return answer_page(request, payload, "conversions", found, CONVERSIONS, conversions.offered_in(found, payload))


@networks.post(
    "/reporting/conversions/export",
    response=ExportedNetworkConversions,
    summary="Export conversions",
    openapi_extra={
        "parameters": ordered_by(NETWORK_CONVERSION_ORDERS),
        "responses": {200: {"description": "The file.", "content": {"text/csv": {"schema": {"type": "string"}}}}},
    },
)
@limited(EXPORTS)
@reads
def export_network_conversions(request: NetworkRequest, payload: NetworkConversionExport) -> StreamingHttpResponse:
    """All conversions that the same search finds, streamed as a file: CSV with a line of names, or JSON. There is no
    limit to how many. A text that a spreadsheet would run as a formula has a quote before it."""
    return conversions.exported_file(payload, chosen(request, payload), CONVERSIONS)


@networks.get("/reporting/conversions/{conversion_id}", response=NetworkConversion, summary="A conversion")
@quick
def read_network_conversion(request: NetworkRequest, conversion_id: HexId) -> HttpResponse:
    """A conversion or event of any partner's."""
    return one_answer(Conversion.objects.all(), conversion_id, CONVERSIONS)


@networks.put("/reporting/conversions/{conversion_id}", response=NetworkConversion, summary="Decide over a conversion")
def decide_network_conversion(
    request: NetworkRequest, conversion_id: HexId, payload: ConversionDecision
) -> HttpResponse:
    """Approves, rejects or invalidates a conversion or an event, and keeps notes on it. Approving one that is on hold
    releases it. To send the status that it has already changes nothing. The partner is told the reason, as
    error_message, and never the notes."""
    conversion = conversion_of(conversion_id)
    if payload.status is not None and payload.status != conversion.status:
        decide(conversion, payload, by=request.call.actor)
    elif payload.reason is not None:
        raise HttpError(400, "reason: it goes with a status that the conversion has not yet")
    if payload.notes is not None:
        conversion.annotate(notes=payload.notes, by=request.call.actor)
    return one_answer(Conversion.objects.all(), conversion_id, CONVERSIONS)


def conversion_of(text: str) -> Conversion:
    try:
        return get_object_or_404(Conversion.objects.select_related("partner"), id=hex_id(text))
    except ValueError:
        raise Http404 from None


def decide(conversion: Conversion, payload: ConversionDecision, *, by: Actor) -> None:
    """:raises HttpError: 400 for what cannot become of the conversion, as it is now"""
    reason = payload.reason or "The network has decided so."
    try:
        if payload.status == "rejected":
            conversion.reject(by=by, reason=reason)
        elif payload.status == "invalid":
            conversion.invalidate(by=by, reason=reason)
        elif payload.reason is not None:
            raise HttpError(400, "reason: an approval has none")
        elif conversion.status == Conversion.Status.ON_HOLD:
            conversion.release(by=by)
        else:
            conversion.approve(by=by)
    except AlreadyDecided as decided:
        raise HttpError(400, f"status: it is {decided.status} and cannot become {payload.status}") from None


@networks.post("/conversions", response=Ingested, summary="Report conversions", openapi_extra={"responses": REFUSED})
@large_bodies(MOST_BYTES)
def ingest_conversions(request: NetworkRequest, payload: Ingest) -> Any:
    """Records up to 10,000 conversions or events at once, by the rules of the advertisers' own reports: all of them or,
    when a row is wrong, none. Each is of a click or an impression (`transaction_id`) or of a partner's coupon
    (`coupon_code`). Sent again, a conversion is known by its `order_id` or `conversion_id` and counted once. One that
    counts for nothing, such as beyond a cap, is recorded as invalid and says why.

    The body may have up to 8 MB."""
    try:
        return ingest(payload.conversions, by=request.call.actor)
    except RowsRefused as refusal:
        return refused(request, refusal)


@networks.post(
    "/reporting/onhold",
    response=NetworkHeldConversions,
    summary="Search conversions on hold",
    openapi_extra={"parameters": [*PAGES, *ordered_by(NETWORK_CONVERSION_ORDERS)]},
)
@reads
def search_network_held_conversions(request: NetworkRequest, payload: NetworkHoldSearch) -> HttpResponse:
    """All partners' conversions that wait for their holding period to end; they are approved then, unless they are
    released or rejected before. on_hold_status_filter finds those, too, that waited. The time is the conversion's."""
    held = chosen(request, payload).held(outcomes=conversions.OUTCOMES[payload.on_hold_status_filter])
    return answer_page(request, payload, "conversions", held, HOLDS, conversions.offered_in(held, payload))


class RelatedAffiliates(BaseModel):
    total: int = Field(description="How many entries there are.")
    entries: list[RelatedAffiliate]


class NetworkControlRelationship(rules.ControlRelationship):
    affiliates: RelatedAffiliates


class NetworkControl(rules.Control):
    model_config = ConfigDict(json_schema_extra={"examples": [CONTROL]})

    is_apply_all_affiliates: bool = Field(description="Whether it is for all partners, or for those it names.")
    relationship: NetworkControlRelationship


class NetworkControls(Paging):
    traffic_controls: list[NetworkControl]
    paging: Paging


def control_answer(control: TrafficControl) -> dict[str, Any]:
    answer = rules.control_answer(control)
    named = [
        {
            "network_affiliate_id": partner.pk,
            "name": partner.name,
            "account_status": ACCOUNT_STATUS[partner.status],
        }
        for partner in sorted(control.partners.all(), key=lambda partner: partner.pk)
    ]
    related = {**answer["relationship"], "affiliates": {"total": len(named), "entries": named}}
    return {**answer, "relationship": related}


@networks.get(
    "/trafficcontrols",
    response=NetworkControls,
    summary="Source controls",
    openapi_extra={
        "parameters": [
            rules.parameter("status", "active, or inactive: paused. Left out: both.", rules.STATUSES),
            *PAGES,
        ]
    },
)
def list_network_traffic_controls(request: NetworkRequest) -> dict[str, Any]:
    """Which sources may send traffic, to which offers and for which partners, by number."""
    status = rules.choice(rules.asked(request), "status", ("active", "inactive"))
    controls = TrafficControl.objects.for_listing().order_by("pk")
    if status is not None:
        controls = controls.filter(is_active=status == "active")
    page, page_size = paged(request)
    first = (page - 1) * page_size
    rows = [control_answer(control) for control in controls[first : first + page_size]]
    return {"traffic_controls": rows, **paging(page, page_size, controls.count())}


@networks.post(
    "/reporting/clicks/stream",
    response=StreamedNetworkClicks,
    summary="Stream clicks",
    openapi_extra=clicks.LINE_BY_LINE,
)
@limited(CLICK_STREAM)
@reads
def stream_network_clicks(request: NetworkRequest, payload: NetworkClickSearch) -> StreamingHttpResponse:
    """All partners' clicks of at most 14 days, the newest first; invalid ones, too, with the reason why. As JSON these
    are the newest 10,000. With `Accept: application/x-ndjson` they are all, one object a line, sent as they are read.
    """
    return clicks.answer_stream(request, chosen_clicks(payload), CLICKS, at_most=MOST_STREAMED)


@networks.post(
    "/reporting/clicks", response=NetworkClicks, summary="Page through clicks", openapi_extra={"parameters": PAGES}
)
@reads
def list_network_clicks(request: NetworkRequest, payload: NetworkClickSearch) -> HttpResponse:
    """All partners' clicks of at most 14 days, the newest first, a page at a time."""
    return answer_page(request, payload, "clicks", chosen_clicks(payload), CLICKS)


@networks.get("/reporting/clicks/{transaction_id}", response=NetworkClick, summary="A click")
@quick
def read_network_click(request: NetworkRequest, transaction_id: HexId) -> HttpResponse:
    """A click of any partner's visitors."""
    return one_answer(Click.objects.all(), transaction_id, CLICKS)
