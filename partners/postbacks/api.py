"""The Affiliate API of postbacks, which the dialect calls pixels (wire.md section 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router
from ninja.errors import HttpError
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from partners.api import Paging, PartnerRequest
from partners.models import Partner
from partners.offers.models import Offer
from partners.postbacks.delivering import send_test
from partners.postbacks.models import (
    LONGEST_DELAY_MS,
    LONGEST_HTML,
    LONGEST_URL,
    MAXIMUM_PER_PARTNER,
    AlreadyRemoved,
    Postback,
    PostbackQuerySet,
    TooManyPostbacks,
    Unfit,
)
from partners.postbacks.vocabulary import POSTBACK
from portal.web.api import PAGED, POSTBACK_TESTS, filters_in, limited, paged, paging, quick, reads

affiliates = Router(tags=["Postbacks"])

LARGEST_ID = 2**63 - 1
# What our fields are called on the wire, where the names differ.
ON_THE_WIRE = {"offer": "network_offer_id", "url": "postback_url"}
EXAMPLE: JsonDict = {
    "network_offer_id": 42,
    "delivery_method": "postback",
    "pixel_level": "specific",
    "pixel_status": "active",
    "pixel_type": "conversion",
    "postback_url": "https://track.example.com/in?click={sub1}&payout={payout_amount}&status={status}",
    "html_code": "",
    "delay_ms": 0,
}
ANSWERED: JsonDict = {
    "network_pixel_id": 318,
    "network_affiliate_id": 7,
    **EXAMPLE,
    "time_created": 1777593600,
    "time_saved": 1777593600,
}


class Pixel(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [ANSWERED]})

    network_pixel_id: int = Field(description="Number of the postback.")
    network_affiliate_id: int = Field(description="Number of the partner: yours.")
    network_offer_id: int = Field(description="Number of the offer it is for; 0 for every offer.")
    delivery_method: str = Field(description="postback: its URL is called. html: its HTML code is shown.")
    pixel_level: str = Field(description="specific: for one offer. global: for every offer.")
    pixel_status: str = Field(description="active, or inactive while it is paused.")
    pixel_type: str = Field(
        description="conversion: on every conversion. post_conversion: on every event after a conversion."
    )
    postback_url: str = Field(description="The URL with its macros; empty when only HTML is delivered.")
    html_code: str = Field(description="The HTML; empty when only a URL is called.")
    delay_ms: int = Field(description="How long it waits, in milliseconds.")
    time_created: int = Field(description="Unix seconds.")
    time_saved: int = Field(description="Unix seconds.")


class Pixels(Paging):
    pixels: list[Pixel]
    paging: Paging


class PixelFields(BaseModel):
    """What a call may send. The fields that only an answer has are taken, so that an answer can be sent back."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    network_offer_id: int | None = Field(default=None, description="Number of the offer it is for; 0 for every offer.")
    delivery_method: Literal["postback", "html"] | None = Field(
        default=None, description="postback (needs postback_url) or html (needs html_code)."
    )
    pixel_level: Literal["global", "specific"] | None = Field(
        default=None, description="May be left out; if sent, it has to be specific exactly when an offer is named."
    )
    pixel_status: Literal["active", "inactive"] | None = Field(default=None, description="inactive: nothing is sent.")
    pixel_type: Literal["conversion", "post_conversion"] | None = Field(
        default=None, description="conversion: on every conversion. post_conversion: on every event after a conversion."
    )
    postback_url: str | None = Field(
        default=None,
        description=(
            f"http or https, at most {LONGEST_URL} characters, a host that the internet reaches, no user name or "
            f"password. Macros, in path, query or fragment: {' '.join(macro.text for macro in POSTBACK)}. Each is "
            "replaced by its value, percent-encoded; one without a value by nothing."
        ),
    )
    html_code: str | None = Field(default=None, description=f"At most {LONGEST_HTML} characters.")
    delay_ms: int | None = Field(
        default=None, description=f"How long to wait, in milliseconds, 0 to {LONGEST_DELAY_MS}."
    )
    network_pixel_id: int | None = Field(default=None, description="Not needed; if sent, it is the number in the path.")
    network_affiliate_id: int | None = Field(default=None, description="Not needed; if sent, it is your number or 0.")
    time_created: int | None = Field(default=None, description="Not needed, and ignored.")
    time_saved: int | None = Field(default=None, description="Not needed, and ignored.")


class Filter(BaseModel):
    model_config = ConfigDict(extra="forbid")

    resource_type: str = Field(
        description="network_offer_id, pixel_status, pixel_type or delivery_method.",
        json_schema_extra={"enum": ["network_offer_id", "pixel_status", "pixel_type", "delivery_method"]},
    )
    filter_id_value: str | int = Field(description="The value that is looked for; for network_offer_id 0: every offer.")


class SearchTerm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    search_type: str = Field(
        description="text: in the URL, the HTML code or the offer's name, in any case.",
        json_schema_extra={"enum": ["text"]},
    )
    value: str = Field(description="What is looked for.", max_length=200)


class Query(BaseModel):
    model_config = ConfigDict(extra="forbid")

    filters: list[Filter] = Field(
        default=[], description="Of the same resource_type: one of them; of different ones: all."
    )
    search_terms: list[SearchTerm] = Field(default=[], description="All of them.")


class PixelSearch(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "query": {
                        "filters": [
                            {"resource_type": "network_offer_id", "filter_id_value": 42},
                            {"resource_type": "network_offer_id", "filter_id_value": 0},
                            {"resource_type": "pixel_status", "filter_id_value": "active"},
                        ],
                        "search_terms": [{"search_type": "text", "value": "track.example.com"}],
                    },
                    "page": 1,
                    "page_size": 50,
                }
            ]
        },
    )

    query: Query | None = None
    page: Any = Field(default=None, description="Which page, from 1. The query string counts before it.")
    page_size: Any = Field(
        default=None, description="How many on a page, at most 2000. The query string counts before it."
    )


class Removed(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"result": True}]})

    result: bool = Field(description="Always true: a postback that is not there is a 404.")


class Tested(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "network_pixel_id": 318,
                    "result": True,
                    "url": "https://track.example.com/in?click=sub1-value&payout=12.50&status=approved",
                    "response_status": 200,
                    "response_body": "OK",
                    "error": "",
                    "duration_ms": 84,
                    "time_sent": 1777593600,
                }
            ]
        }
    )

    network_pixel_id: int = Field(description="Number of the postback.")
    result: bool = Field(description="Whether it arrived: the answer's status is 2xx.")
    url: str = Field(description="The URL that was called, its macros filled with invented values.")
    response_status: int = Field(description="The HTTP status of the answer; 0 when there was none.")
    response_body: str = Field(description="The first kilobyte of the answer.")
    error: str = Field(description="Why it did not arrive, in a sentence; empty when it did.")
    duration_ms: int = Field(description="How long it took, in milliseconds.")
    time_sent: int = Field(description="Unix seconds.")


def filter_parameter(name: str, description: str, values: JsonDict) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "description": f"{description} May be repeated: one of the values.",
        "schema": {"type": "array", "items": values, "minItems": 1},
    }


FILTERED = {
    "parameters": [
        filter_parameter(
            "network_offer_id",
            "Postbacks of this offer; 0: those for every offer.",
            {"type": "integer", "minimum": 0},
        ),
        filter_parameter("pixel_status", "active or inactive.", {"enum": list(Postback.Status.values)}),
        filter_parameter("pixel_type", "conversion or post_conversion.", {"enum": list(Postback.PixelType.values)}),
        filter_parameter("delivery_method", "postback or html.", {"enum": list(Postback.DeliveryMethod.values)}),
        *PAGED["parameters"],
    ]
}


def pixel(postback: Postback) -> dict[str, Any]:
    return {
        "network_pixel_id": postback.pk,
        "network_affiliate_id": postback.partner_id,
        "network_offer_id": postback.offer_id or 0,
        "delivery_method": postback.delivery_method,
        "pixel_level": postback.level,
        "pixel_status": postback.status,
        "pixel_type": postback.pixel_type,
        "postback_url": postback.url,
        "html_code": postback.html_code,
        "delay_ms": postback.delay_ms,
        "time_created": int(postback.created_at.timestamp()),
        "time_saved": int(postback.updated_at.timestamp()),
    }


@affiliates.get("/pixels", response=Pixels, summary="Your postbacks", openapi_extra=FILTERED)
def list_pixels(request: PartnerRequest) -> dict[str, Any]:
    """Your postbacks, the oldest first, those that match every filter in the query string."""
    return listed(request, narrowed(request.call.partner.postbacks.for_listing(), filters_in(request)))


@affiliates.post(
    "/pixels/search",
    response=Pixels,
    summary="Search your postbacks",
    openapi_extra={"parameters": PAGED["parameters"]},
)
@reads
def search_pixels(request: PartnerRequest, payload: PixelSearch | None = None) -> dict[str, Any]:
    """Your postbacks that match the filters and search terms, the oldest first."""
    asked: dict[str, list[str]] = {}
    search = payload or PixelSearch()
    query = search.query or Query()
    for each in query.filters:
        asked.setdefault(each.resource_type, []).append(str(each.filter_id_value))
    postbacks = narrowed(request.call.partner.postbacks.for_listing(), asked)
    for term in query.search_terms:
        if term.search_type != "text":
            raise HttpError(400, f"search_type: {term.search_type[:80]} is not one. There is text")
        postbacks = postbacks.search(term.value)
    return listed(request, postbacks, {"page": search.page, "page_size": search.page_size})


@affiliates.post(
    "/pixels",
    response=Pixel,
    summary="Add a postback",
    description=(
        "Adds a postback; it is called from the next conversion on. What is left out is: every offer, postback, "
        f"active, conversion, no delay. You can have {MAXIMUM_PER_PARTNER} postbacks."
    ),
)
def add_pixel(request: PartnerRequest, payload: PixelFields) -> dict[str, Any]:
    partner = request.call.partner
    fields = fields_of(payload, partner)
    if payload.network_pixel_id:
        raise HttpError(400, "network_pixel_id: a new postback is given its number")
    try:
        postback = Postback.add(
            partner=partner, by=request.call.actor, is_active=payload.pixel_status != "inactive", **fields
        )
    except TooManyPostbacks as too_many:
        raise HttpError(400, too_many.sentence) from None
    except Unfit as unfit:
        raise refusal_of(unfit) from None
    return pixel(postback)


@affiliates.get("/pixels/{pixel_id}", response=Pixel, summary="A postback")
@quick
def read_pixel(request: PartnerRequest, pixel_id: int) -> dict[str, Any]:
    """One of your postbacks."""
    return pixel(postback_of(request, pixel_id))


@affiliates.put("/pixels/{pixel_id}", response=Pixel, summary="Change a postback")
def change_pixel(request: PartnerRequest, pixel_id: int, payload: PixelFields) -> dict[str, Any]:
    """Changes the fields that are sent. Those that are left out, or null, keep their value."""
    postback = postback_of(request, pixel_id)
    fields = fields_of(payload, request.call.partner, current=postback)
    if payload.network_pixel_id not in (None, 0, pixel_id):
        raise HttpError(400, f"network_pixel_id: the path names {pixel_id}, and this cannot be changed")
    try:
        postback.change(by=request.call.actor, **fields)
        if payload.pixel_status == "inactive" and postback.status == Postback.Status.ACTIVE:
            postback.pause(by=request.call.actor)
        elif payload.pixel_status == "active" and postback.status == Postback.Status.INACTIVE:
            postback.resume(by=request.call.actor)
    except Unfit as unfit:
        raise refusal_of(unfit) from None
    except AlreadyRemoved:
        raise HttpError(404, "There is no such object") from None
    return pixel(postback)


@affiliates.delete("/pixels/{pixel_id}", response=Removed, summary="Remove a postback")
def remove_pixel(request: PartnerRequest, pixel_id: int) -> dict[str, Any]:
    """Removes the postback for good. To stop it for a while, set its pixel_status to inactive."""
    try:
        postback_of(request, pixel_id).remove(by=request.call.actor)
    except AlreadyRemoved:
        raise HttpError(404, "There is no such object") from None
    return {"result": True}


@affiliates.post("/pixels/{pixel_id}/test", response=Tested, summary="Test a postback")
@limited(POSTBACK_TESTS)
def test_pixel(request: PartnerRequest, pixel_id: int) -> dict[str, Any]:
    """Calls the postback's URL once, now, with an invented conversion, and answers what came of it.

    A failure is not repeated, pauses nothing and is in no statistics. Receivers know a test by its header
    `Latchkey-Test: 1`. A paused postback can be tested, too; one that delivers HTML has nothing to call.
    """
    postback = postback_of(request, pixel_id)
    if postback.is_html:
        raise HttpError(400, "delivery_method: it shows HTML code, so there is no URL to call")
    attempt = send_test(postback, by=request.call.actor)
    return {
        "network_pixel_id": postback.pk,
        "result": attempt.is_delivered,
        "url": attempt.url,
        "response_status": attempt.status or 0,
        "response_body": attempt.answer,
        "error": attempt.problem,
        "duration_ms": attempt.duration_ms,
        "time_sent": int(attempt.at.timestamp()),
    }


def postback_of(request: PartnerRequest, pixel_id: int) -> Postback:
    postbacks = request.call.partner.postbacks.kept().select_related("partner", "offer")
    postback: Postback = get_object_or_404(postbacks, pk=pixel_id)
    return postback


def listed(request: HttpRequest, postbacks: PostbackQuerySet, body: dict[str, Any] | None = None) -> dict[str, Any]:
    page, page_size = paged(request, body)
    first = (page - 1) * page_size
    rows = postbacks[first : first + page_size]
    return {"pixels": [pixel(postback) for postback in rows], **paging(page, page_size, postbacks.count())}


def fields_of(payload: PixelFields, partner: Partner, current: Postback | None = None) -> dict[str, Any]:
    """The fields that were sent, under our names, the offer found.

    :raises HttpError: 400 when the offer or the partner is somebody else's, or the level contradicts the offer
    """
    if payload.network_affiliate_id not in (None, 0, partner.pk):
        raise HttpError(400, f"network_affiliate_id: your key sets up postbacks for {partner.pk} alone")
    named = {
        "delivery_method": payload.delivery_method,
        "pixel_type": payload.pixel_type,
        "url": payload.postback_url,
        "html_code": payload.html_code,
        "delay_ms": payload.delay_ms,
    }
    fields: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    offer = current.offer if current is not None else None
    if payload.network_offer_id is not None:
        offer = fields["offer"] = offer_of(payload.network_offer_id, partner, offer)
    if payload.pixel_level is not None and (payload.pixel_level == "specific") != (offer is not None):
        raise HttpError(
            400, "pixel_level: it is specific when network_offer_id names an offer, and global when it is 0"
        )
    return fields


def offer_of(offer_id: int, partner: Partner, current: Offer | None) -> Offer | None:
    if offer_id == 0:
        return None
    if current is not None and current.pk == offer_id:
        return current
    offer = Offer.objects.visible_to_partner(partner).filter(pk=offer_id).first()
    if offer is None:
        raise HttpError(400, "network_offer_id: there is no such offer")
    return offer


def refusal_of(unfit: Unfit) -> HttpError:
    return HttpError(400, f"{ON_THE_WIRE.get(unfit.field, unfit.field)}: {unfit.sentence}")


Narrow = Callable[[PostbackQuerySet, list[str]], PostbackQuerySet]


def by_offer(postbacks: PostbackQuerySet, values: list[str]) -> PostbackQuerySet:
    for value in values:
        if not (value.isascii() and value.isdecimal()):
            raise HttpError(400, f"network_offer_id: {value[:80]} is not a number")
    # A longer number is no offer's, and more than the database can be asked for.
    return postbacks.for_offers(*(int(value) for value in values if len(value) < 20 and int(value) <= LARGEST_ID))


def by_status(postbacks: PostbackQuerySet, values: list[str]) -> PostbackQuerySet:
    return postbacks.with_status(*known("pixel_status", values, Postback.Status.values))


def by_type(postbacks: PostbackQuerySet, values: list[str]) -> PostbackQuerySet:
    return postbacks.filter(pixel_type__in=known("pixel_type", values, Postback.PixelType.values))


def by_delivery(postbacks: PostbackQuerySet, values: list[str]) -> PostbackQuerySet:
    return postbacks.filter(delivery_method__in=known("delivery_method", values, Postback.DeliveryMethod.values))


FILTERS: dict[str, Narrow] = {
    "network_offer_id": by_offer,
    "pixel_status": by_status,
    "pixel_type": by_type,
    "delivery_method": by_delivery,
}


def narrowed(postbacks: PostbackQuerySet, asked: dict[str, list[str]]) -> PostbackQuerySet:
    """Those that match every filter; of the values of one filter, any.

    :raises HttpError: 400 that names an unknown filter or value
    """
    for name, values in asked.items():
        if name not in FILTERS:
            raise HttpError(400, f"{name[:80]} is not a filter. There are {', '.join(FILTERS)}")
        postbacks = FILTERS[name](postbacks, values)
    return postbacks


def known(name: str, values: Iterable[str], choices: list[str]) -> list[str]:
    asked = list(values)
    for value in asked:
        if value not in choices:
            raise HttpError(400, f"{name}: {value[:80]} is not one of {', '.join(choices)}")
    return asked
