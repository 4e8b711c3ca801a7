"""The API Log, for the network's own systems (wire.md section 10): what its page shows, under the same filters."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils import timezone
from ninja import Router
from ninja.errors import HttpError
from pydantic import BaseModel, ConfigDict, Field

from apilog.forms import CallFilter
from apilog.models import LoggedCall, name_keys_and_partners
from apilog.search import SearchTooLong, page_of
from partners.api import NetworkRequest
from portal.network.models import Network

networks = Router(tags=["API Log"])

FILTERS = {
    "range": "hour, day or week: the calls of that time until now. Left out, with from and to: day.",
    "from": "The first moment, YYYY-MM-DD HH:MM:SS where the network is.",
    "to": "Until when, which does not belong to it.",
    "realm": "affiliate or network.",
    "partner": "Number or name of the partner.",
    "key": "Number, last four characters or label of the key.",
    "action": "The operation, such as read_affiliate_account.",
    "status": "A status, or 2xx, 4xx or 5xx.",
    "outcome": "Such as ok, unknown_key or rate_limited.",
    "ip": "An address, or a network such as 203.0.113.0/24.",
    "request_id": "The X-Request-ID of one call.",
    "before": "The `older` of the answer before this one: goes on with calls that are older.",
    "after": "The `newer` of an answer: goes back to calls that are newer.",
}


class LoggedCallInfo(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "request_id": "019714a5-c1d0-7c3e-8f2b-6a1d4e5f6a7b",
                    "unix_timestamp": 1748431200,
                    "realm": "affiliate",
                    "method": "POST",
                    "path": "/v1/affiliates/reporting/entity",
                    "query": "",
                    "action": "read_report",
                    "status": 200,
                    "outcome": "ok",
                    "limited_by": "",
                    "ip": "198.51.100.7",
                    "network_api_key_id": 31,
                    "api_key": "lk_aff_…9f2c",
                    "label": "Reporting import",
                    "network_affiliate_id": 12,
                    "affiliate_name": "Acme Media",
                    "duration_ms": 12.4,
                    "response_size": 18211,
                    "user_agent": "python-requests/2.32",
                }
            ]
        }
    )

    request_id: str = Field(description="The X-Request-ID of its answer.")
    unix_timestamp: int = Field(description="When it came in. Unix seconds.")
    realm: str = Field(description="affiliate or network; empty when it ended before that was known.")
    method: str = Field(description="GET, POST and so on.")
    path: str = Field(description="What was called.")
    query: str = Field(description="The query string, without the values of most parameters.")
    action: str = Field(description="The operation; empty when there is none at the path.")
    status: int = Field(description="The answer's status.")
    outcome: str = Field(description="Why it ended so; ok when nothing was wrong.")
    limited_by: str = Field(description="The limit that refused it; empty otherwise.")
    ip: str = Field(description="The client's address; empty when unknown.")
    network_api_key_id: int = Field(description="Number of the key; 0 when none was recognised.")
    api_key: str = Field(description="Its beginning and its last four characters; empty without one.")
    label: str = Field(description="What the key is for.")
    network_affiliate_id: int = Field(description="Number of the partner; 0 when it was none's call.")
    affiliate_name: str = Field(description="What the partner is called.")
    duration_ms: float = Field(description="How long it took, in milliseconds.")
    response_size: int = Field(description="Bytes of the answer's body.")
    user_agent: str = Field(description="What the client says it is.")


class LoggedCalls(BaseModel):
    calls: list[LoggedCallInfo] = Field(description="At most 50, the newest first.")
    older: str = Field(
        description="To be sent as before for the calls after these; empty: there are none.",
        json_schema_extra={"examples": ["019714a5-c1d0-7c3e-8f2b-6a1d4e5f6a7b"]},
    )
    newer: str = Field(
        description="To be sent as after for the calls before these; empty: there are none.",
        json_schema_extra={"examples": [""]},
    )


def logged_call(call: LoggedCall) -> dict[str, Any]:
    return {
        "request_id": str(call.pk),
        "unix_timestamp": int(call.received_at.timestamp()),
        "realm": call.realm,
        "method": call.method,
        "path": call.path,
        "query": call.query,
        "action": call.action,
        "status": call.status,
        "outcome": call.outcome,
        "limited_by": call.limited_by,
        "ip": call.ip or "",
        "network_api_key_id": call.key_id or 0,
        "api_key": call.key_hint,
        "label": call.key_label,
        "network_affiliate_id": call.partner_id or 0,
        "affiliate_name": call.partner_name,
        "duration_ms": call.duration_ms,
        "response_size": call.response_size,
        "user_agent": call.user_agent,
    }


@networks.get(
    "/apilog",
    response=LoggedCalls,
    summary="The API Log",
    openapi_extra={
        "parameters": [
            {"name": name, "in": "query", "description": said, "schema": {"type": "string"}}
            for name, said in FILTERS.items()
        ]
    },
)
def list_logged_calls(request: NetworkRequest) -> dict[str, Any]:
    """Every call of both APIs, the newest first, 50 at a time, those that fit all filters in the query string: of the
    last 24 hours, unless another time is named. A log that grows while it is read is paged by `older` and `newer`, not
    by numbers of pages."""
    before, after = position(request, "before"), position(request, "after")
    with timezone.override(Network.load().zone):
        form = CallFilter(request.GET)
        if not form.is_valid():
            field, sentences = next(iter(form.errors.items()))
            raise HttpError(400, f"{field}: {sentences[0]}")
        if found := form.cleaned_data["request_id"]:
            calls = list(LoggedCall.objects.filter(pk=found))
            name_keys_and_partners(calls)
            return {"calls": [logged_call(call) for call in calls], "older": "", "newer": ""}
        try:
            page = page_of(form.search(), before=before, after=after)
        except SearchTooLong:
            raise HttpError(400, "range: this would read too much of the log; ask for a shorter time") from None
    return {
        "calls": [logged_call(call) for call in page.calls],
        "older": str(page.older or ""),
        "newer": str(page.newer or ""),
    }


def position(request: NetworkRequest, name: str) -> UUID | None:
    text = request.GET.get(name)
    try:
        return UUID(text) if text else None
    except ValueError:
        raise HttpError(400, f"{name}: {str(text)[:80]} is not a call's id") from None
