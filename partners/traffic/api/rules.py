"""What is kept out of a partner's traffic: blocks of its own, and source controls that concern it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router
from ninja.errors import HttpError
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr
from pydantic.config import JsonDict

from partners.api import Paging, PartnerRequest
from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.api.asked import PAGES, naming_what_is_wrong
from partners.traffic.api.conversions import RelatedOffer
from partners.traffic.models import TrafficBlock, TrafficControl
from partners.traffic.models.rules import TrafficBlockQuerySet, TrafficControlQuerySet
from partners.traffic.periods import Period
from partners.traffic.search import number
from portal.web.api import paged, paging, quick, reads

affiliates = Router(tags=["Traffic controls"])

LARGEST_ID = 2**63 - 1
ENTRY: JsonDict = {"comparison_method": "exact", "variable": "sub1", "variable_value": "popunder-77"}
BLOCK: JsonDict = {
    "network_offer_id": 42,
    "traffic_blocking_status": "active",
    "variable": "sub1",
    "value": "popunder-77",
    "reason": "No popunders on this offer.",
    "time_created": 1748429710,
    "time_saved": 1748429710,
    "relationship": {"variables": {"total": 1, "entries": [ENTRY]}},
}
CONTROL: JsonDict = {
    "network_traffic_control_id": 5,
    "name": "No coupon sites",
    "status": "active",
    "control_type": "blacklist",
    "variable": "source_id",
    "variables": ["source_id"],
    "comparison_method": "contains",
    "values": ["coupon"],
    "is_apply_all_affiliates": True,
    "is_apply_all_offers": False,
    "date_valid_from": "",
    "date_valid_to": "",
    "time_created": 1748429710,
    "time_saved": 1748429710,
    "relationship": {
        "offers": {
            "total": 1,
            "entries": [{"network_offer_id": 42, "name": "Tallow & Reed: candles by post", "offer_status": "active"}],
        }
    },
}
BLOCKED: JsonDict = {
    "network_offer_id": 42,
    "variable": "sub1",
    "value": "popunder-77",
    "comparison_method": "exact",
    "status": "active",
    "reason": "No popunders on this offer.",
    "time_blocked": 1748429710,
    "time_blocked_until": 0,
}
QUESTION: JsonDict = {"network_offer_id": 42, "timezone_id": 90, "from": "2026-05-01", "to": "2026-05-31"}
NUMBER: JsonDict = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}


class BlockEntry(BaseModel):
    comparison_method: str = Field(description="Always exact.")
    variable: str = Field(description="The same as the block's.")
    variable_value: str = Field(description="The same as the block's value.")


class BlockEntries(BaseModel):
    total: int = Field(description="How many entries there are.")
    entries: list[BlockEntry]


class BlockRelationship(BaseModel):
    variables: BlockEntries


class Block(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [BLOCK]})

    network_offer_id: int = Field(description="Number of the offer; 0 for every offer.")
    traffic_blocking_status: str = Field(description="active, or inactive once it was lifted.")
    variable: str = Field(description="source_id, or sub1 to sub10.")
    value: str = Field(description="Clicks that carry exactly this are invalid.")
    reason: str = Field(description="Why; may be empty.")
    time_created: int = Field(description="When it was blocked. Unix seconds.")
    time_saved: int = Field(description="When it was lifted, if it was. Unix seconds.")
    relationship: BlockRelationship


class Blocks(Paging):
    traffic_blocking: list[Block]
    paging: Paging


class ControlOffers(BaseModel):
    total: int = Field(description="How many entries there are.")
    entries: list[RelatedOffer]


class ControlRelationship(BaseModel):
    offers: ControlOffers


class Control(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [CONTROL]})

    network_traffic_control_id: int = Field(description="Number of the control.")
    name: str = Field(description="What the control is called.")
    status: str = Field(description="active, or inactive while it is paused.")
    control_type: str = Field(
        description="blacklist: traffic with one of the values is kept out. whitelist: all other traffic is."
    )
    variable: str = Field(description="What is looked at: source_id, or sub1 to sub10.")
    variables: list[str] = Field(description="The same, as a list of one.")
    comparison_method: str = Field(description="exact, contains or starts_with.")
    values: list[str] = Field(description="What it is compared with.")
    is_apply_all_affiliates: bool = Field(description="Whether it is for all partners, or for you and some others.")
    is_apply_all_offers: bool = Field(description="Whether it is for every offer.")
    date_valid_from: str = Field(description="Always empty: it holds from when it was added.")
    date_valid_to: str = Field(description="Always empty: it holds until it is paused.")
    time_created: int = Field(description="Unix seconds.")
    time_saved: int = Field(description="Unix seconds.")
    relationship: ControlRelationship


class Controls(Paging):
    traffic_controls: list[Control]
    paging: Paging


class BlockedVariable(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [BLOCKED]})

    network_offer_id: int = Field(description="Number of the offer; 0 for every offer.")
    variable: str = Field(description="source_id, or sub1 to sub10.")
    value: str = Field(description="Clicks that carry it are invalid.")
    comparison_method: str = Field(description="Always exact.")
    status: str = Field(description="active, or inactive once it was lifted.")
    reason: str = Field(description="Why; may be empty.")
    time_blocked: int = Field(description="Since when. Unix seconds.")
    time_blocked_until: int = Field(description="Until when. Unix seconds; 0 while it is blocked.")


class BlockedVariables(Paging):
    blocked_variables: list[BlockedVariable]
    paging: Paging


class BlockedSearch(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [QUESTION]})

    network_offer_id: StrictInt = Field(
        description="Number of the offer; what is blocked on every offer is blocked on it, too.", ge=0, le=LARGEST_ID
    )
    timezone_id: StrictInt | StrictStr | None = Field(
        default=None, description="See /v1/meta/timezones. Left out: the network's."
    )
    from_: str | None = Field(
        default=None,
        alias="from",
        description="What was blocked at any time from this day or moment on, as in reports. Left out: what is now.",
    )
    to: str | None = Field(default=None, description="Until when; it goes with from.")
    page: Any = Field(default=None, description="Which page, from 1. The query string counts before it.")
    page_size: Any = Field(
        default=None, description="How many on a page, at most 2000. The query string counts before it."
    )


def status_of(block: TrafficBlock) -> str:
    return "active" if block.is_standing else "inactive"


def block_answer(block: TrafficBlock) -> dict[str, Any]:
    entry = {"comparison_method": "exact", "variable": block.variable, "variable_value": block.value}
    return {
        "network_offer_id": block.offer_id or 0,
        "traffic_blocking_status": status_of(block),
        "variable": block.variable,
        "value": block.value,
        "reason": block.reason,
        "time_created": int(block.blocked_at.timestamp()),
        "time_saved": int((block.lifted_at or block.blocked_at).timestamp()),
        "relationship": {"variables": {"total": 1, "entries": [entry]}},
    }


def blocked_answer(block: TrafficBlock) -> dict[str, Any]:
    return {
        "network_offer_id": block.offer_id or 0,
        "variable": block.variable,
        "value": block.value,
        "comparison_method": "exact",
        "status": status_of(block),
        "reason": block.reason,
        "time_blocked": int(block.blocked_at.timestamp()),
        "time_blocked_until": int(block.lifted_at.timestamp()) if block.lifted_at else 0,
    }


def control_answer(control: TrafficControl) -> dict[str, Any]:
    offer = control.offer
    offers = [{"network_offer_id": offer.pk, "name": offer.name, "offer_status": offer.status}] if offer else []
    return {
        "network_traffic_control_id": control.pk,
        "name": control.name,
        "status": control.status,
        "control_type": control.control_type,
        "variable": control.variable,
        "variables": [control.variable],
        "comparison_method": control.comparison_method,
        "values": control.values,
        "is_apply_all_affiliates": control.is_for_all_partners,
        "is_apply_all_offers": offer is None,
        "date_valid_from": "",
        "date_valid_to": "",
        "time_created": int(control.created_at.timestamp()),
        "time_saved": int(control.updated_at.timestamp()),
        "relationship": {"offers": {"total": len(offers), "entries": offers}},
    }


def parameter(name: str, description: str, schema: JsonDict) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


STATUSES: JsonDict = {"type": "string", "enum": ["active", "inactive"]}
STANDING = {"active": Q(lifted_at=None), "inactive": Q(lifted_at__isnull=False)}


def asked(request: HttpRequest) -> dict[str, str]:
    """What the query string says."""
    return {name: str(request.GET[name]) for name in request.GET}


def choice(given: dict[str, str], name: str, choices: Collection[str]) -> str | None:
    text = given.get(name)
    if text is not None and text not in choices:
        raise HttpError(400, f"{name}: {text[:80]} is not one of {', '.join(choices)}")
    return text


def offer_id_in(given: dict[str, str], name: str) -> int | None:
    try:
        return number(given[name]) if name in given else None
    except ValueError:
        raise HttpError(400, f"{name}: {given[name][:80]} is not a number") from None


def controls_of(partner: Partner) -> TrafficControlQuerySet:
    """A control over an offer that the partner is not shown would tell it of the offer."""
    shown = Offer.objects.visible_to_partner(partner).values("pk")
    controls: TrafficControlQuerySet = TrafficControl.objects.for_partner(partner)
    return controls.filter(Q(offer=None) | Q(offer__in=shown)).select_related("offer").order_by("pk")


@affiliates.get(
    "/trafficblocking",
    response=Blocks,
    summary="Your blocked traffic",
    openapi_extra={
        "parameters": [
            parameter("network_offer_id", "On this offer; 0: on every offer.", NUMBER),
            parameter("traffic_blocking_status", "active, or inactive: lifted. Left out: active.", STATUSES),
            *PAGES,
        ]
    },
)
def list_blocked_traffic(request: PartnerRequest) -> dict[str, Any]:
    """What is blocked of your traffic, the newest first. A click that carries the value is recorded as invalid, with
    the reason, and goes nowhere."""
    given = asked(request)
    offer_id = offer_id_in(given, "network_offer_id")
    status = choice(given, "traffic_blocking_status", STANDING) or "active"
    blocks = request.call.partner.traffic_blocks.filter(STANDING[status])
    if offer_id is not None:
        blocks = blocks.filter(offer_id=offer_id) if offer_id else blocks.filter(offer=None)
    page, page_size = paged(request)
    rows = some_of(blocks, page, page_size)
    return {"traffic_blocking": [block_answer(block) for block in rows], **paging(page, page_size, blocks.count())}


def some_of(blocks: TrafficBlockQuerySet, page: int, page_size: int) -> TrafficBlockQuerySet:
    first = (page - 1) * page_size
    return blocks.order_by("-pk")[first : first + page_size]


@affiliates.get(
    "/trafficcontrols",
    response=Controls,
    summary="Source controls that concern you",
    openapi_extra={
        "parameters": [parameter("status", "active, or inactive: paused. Left out: both.", STATUSES), *PAGES]
    },
)
def list_traffic_controls(request: PartnerRequest) -> dict[str, Any]:
    """Which sources may send traffic to all offers or to one, as far as you are concerned, by number. A click that is
    kept out is recorded as invalid, with the reason, and goes nowhere."""
    status = choice(asked(request), "status", ("active", "inactive"))
    controls = controls_of(request.call.partner)
    if status is not None:
        controls = controls.filter(is_active=status == "active")
    page, page_size = paged(request)
    first = (page - 1) * page_size
    rows = [control_answer(control) for control in controls[first : first + page_size]]
    return {"traffic_controls": rows, **paging(page, page_size, controls.count())}


@affiliates.get("/trafficcontrols/{control_id}", response=Control, summary="A source control")
@quick
def read_traffic_control(request: PartnerRequest, control_id: int) -> dict[str, Any]:
    """One of the source controls that concern you."""
    return control_answer(get_object_or_404(controls_of(request.call.partner), pk=control_id))


@affiliates.post(
    "/blockedvariables",
    response=BlockedVariables,
    summary="What is blocked on an offer",
    openapi_extra={"parameters": PAGES},
)
@reads
def search_blocked_variables(request: PartnerRequest, payload: BlockedSearch) -> dict[str, Any]:
    """Which values of which variables are or were blocked of your traffic to an offer, the newest first."""
    on_the_offer = Q(offer=None) | Q(offer_id=payload.network_offer_id)
    blocks = request.call.partner.traffic_blocks.filter(on_the_offer)
    if payload.from_ is not None and payload.to is not None:
        with naming_what_is_wrong():
            period = Period.asked(payload.from_, payload.to, payload.timezone_id)
        lasted = Q(lifted_at=None) | Q(lifted_at__gt=period.start)
        blocks = blocks.filter(lasted, blocked_at__lt=period.end)
    elif payload.from_ is None and payload.to is None:
        blocks = blocks.standing()
    else:
        raise HttpError(400, "to: it goes with from" if payload.to is None else "from: it goes with to")
    page, page_size = paged(request, {"page": payload.page, "page_size": payload.page_size})
    rows = some_of(blocks, page, page_size)
    return {"blocked_variables": [blocked_answer(block) for block in rows], **paging(page, page_size, blocks.count())}
