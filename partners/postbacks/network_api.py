"""The Network API about partners' postbacks (wire.md section 10)."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from ninja import Router
from ninja.errors import HttpError
from pydantic import ConfigDict, Field

from partners.api import NetworkRequest
from partners.postbacks.api import (
    FILTERED,
    FILTERS,
    LARGEST_ID,
    Filter,
    Pixels,
    PixelSearch,
    Query,
    Removed,
    filter_parameter,
    listed,
    narrowed,
)
from partners.postbacks.models import AlreadyRemoved, Postback, PostbackQuerySet
from portal.web.api import PAGED, filters_in, reads

networks = Router(tags=["Postbacks"])

PARTNER = "network_affiliate_id"


class NetworkPixelFilter(Filter):
    resource_type: str = Field(description="What is filtered by.", json_schema_extra={"enum": [PARTNER, *FILTERS]})


class NetworkPixelQuery(Query):
    filters: list[NetworkPixelFilter] = Field(  # type: ignore[assignment]  # a narrower kind, and nobody appends
        default=[], description="Of the same resource_type: one of them; of different ones: all."
    )


class NetworkPixelSearch(PixelSearch):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"query": {"filters": [{"resource_type": "network_affiliate_id", "filter_id_value": 12}]}}]
        },
    )

    query: NetworkPixelQuery | None = None


def found(asked: dict[str, list[str]]) -> PostbackQuerySet:
    """All partners' postbacks that match every filter; of the values of one filter, any.

    :raises HttpError: 400 that names an unknown filter or value
    """
    postbacks: PostbackQuerySet = Postback.objects.for_listing()
    for name in asked:
        if name != PARTNER and name not in FILTERS:
            raise HttpError(400, f"{name[:80]} is not a filter. There are {', '.join((PARTNER, *FILTERS))}")
    if PARTNER in asked:
        for value in asked[PARTNER]:
            if not (value.isascii() and value.isdecimal()):
                raise HttpError(400, f"{PARTNER}: {value[:80]} is not a number")
        numbers = [int(value) for value in asked[PARTNER] if len(value) < 20 and int(value) <= LARGEST_ID]
        postbacks = postbacks.filter(partner__in=numbers)
    return narrowed(postbacks, {name: values for name, values in asked.items() if name != PARTNER})


@networks.get(
    "/pixels",
    response=Pixels,
    summary="All postbacks",
    openapi_extra={
        "parameters": [
            filter_parameter(PARTNER, "Postbacks of this partner.", {"type": "integer", "minimum": 0}),
            *FILTERED["parameters"],
        ]
    },
)
def list_network_pixels(request: NetworkRequest) -> dict[str, Any]:
    """All partners' postbacks, the oldest first, those that match every filter in the query string."""
    return listed(request, found(filters_in(request)))


@networks.post(
    "/pixelstable",
    response=Pixels,
    summary="Search postbacks",
    openapi_extra={"parameters": PAGED["parameters"]},
)
@reads
def search_network_pixels(request: NetworkRequest, payload: NetworkPixelSearch | None = None) -> dict[str, Any]:
    """All partners' postbacks that match the filters and search terms, the oldest first. Filters are those of the list:
    network_affiliate_id, network_offer_id, pixel_status, pixel_type, delivery_method."""
    search = payload or NetworkPixelSearch()
    query, asked = search.query or NetworkPixelQuery(), dict[str, list[str]]()
    for each in query.filters:
        asked.setdefault(each.resource_type, []).append(str(each.filter_id_value))
    postbacks = found(asked)
    for term in query.search_terms:
        if term.search_type != "text":
            raise HttpError(400, f"search_type: {term.search_type[:80]} is not one. There is text")
        postbacks = postbacks.search(term.value)
    return listed(request, postbacks, {"page": search.page, "page_size": search.page_size})


@networks.delete("/pixels/{pixel_id}", response=Removed, summary="Remove a postback")
def remove_network_pixel(request: NetworkRequest, pixel_id: int) -> dict[str, Any]:
    """Removes a partner's postback for good."""
    postback = get_object_or_404(Postback.objects.kept().select_related("partner", "offer"), pk=pixel_id)
    try:
        postback.remove(by=request.call.actor)
    except AlreadyRemoved:
        raise HttpError(404, "There is no such object") from None
    return {"result": True}
