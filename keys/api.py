"""The Network API about partners' keys (wire.md section 10): the rules and the events of the screens."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID, uuid4

from django.shortcuts import get_object_or_404
from ninja import Router
from ninja.errors import HttpError
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr
from pydantic.config import JsonDict

from keys.forms import AddKeyForm
from keys.models import AlreadyIssued, AlreadyRevoked, Key
from keys.readiness import concerns_about
from partners.api import NetworkRequest, Paging
from partners.models import Partner
from partners.network_api import refused_by
from portal.web.api import PAGED, paged, paging, seconds

networks = Router(tags=["API keys"])

LARGEST_ID = 2**63 - 1
# Who sends no label, as clients of the dialect do not, is given this one.
LABEL = "Network API"
STATUS = {Key.State.LIVE: "active", Key.State.REVOKED: "revoked", Key.State.EXPIRED: "expired"}
EXAMPLE: JsonDict = {
    "network_api_key_id": 31,
    "resource_id": 12,
    "resource_type": "affiliate",
    "api_key": "lk_aff_…9f2c",
    "key_status": "active",
    "label": "Reporting import",
    "created_by": "Network key …77Qa",
    "time_created": 1748429710,
    "time_expires": 0,
    "time_revoked": 0,
    "revoked_by": "",
    "time_last_used": 1748430000,
    "last_used_ip": "198.51.100.7",
    "ip_allowlist": ["198.51.100.0/24"],
}


class ApiKey(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    network_api_key_id: int = Field(description="Number of the key.")
    resource_id: int = Field(description="Number of the partner whose data it opens.")
    resource_type: str = Field(description="Always affiliate.")
    api_key: str = Field(description="How to recognise it: its beginning and its last four characters.")
    key_status: str = Field(description="active, revoked or expired.")
    label: str = Field(description="What it is for.")
    created_by: str = Field(description="Who issued it.")
    time_created: int = Field(description="Unix seconds.")
    time_expires: int = Field(description="Unix seconds; 0: it does not expire.")
    time_revoked: int = Field(description="Unix seconds; 0 while it is not revoked.")
    revoked_by: str = Field(description="Who revoked it; empty while it is not.")
    time_last_used: int = Field(description="Unix seconds; 0: never.")
    last_used_ip: str = Field(description="The address it was last used from; empty: never.")
    ip_allowlist: list[str] = Field(description="The networks it may be used from; none: any address.")


class ApiKeys(Paging):
    keys: list[ApiKey]
    paging: Paging


class IssuedApiKey(ApiKey):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **EXAMPLE,
                    "api_key": "lk_aff_…",
                    "hint": "lk_aff_…9f2c",
                    "time_last_used": 0,
                    "last_used_ip": "",
                    "ip_allowlist": [],
                }
            ]
        }
    )

    api_key: str = Field(description="The key itself, in full. This is the only answer that has it.")
    hint: str = Field(description="What lists show instead of it.")


class KeyOrder(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"resource_id": 12, "resource_type": "affiliate", "label": "Reporting import"}]
        },
    )

    resource_id: StrictInt = Field(description="Number of the partner.", ge=1, le=LARGEST_ID)
    resource_type: Literal["affiliate"] = Field(description="Always affiliate.")
    label: StrictStr = Field(
        default=LABEL,
        description="What the key is for, one per integration. People read it in lists and logs.",
        min_length=1,
        max_length=80,
    )
    submission: UUID | None = Field(
        default=None,
        description="A UUID of your own: the same one sent again issues no second key and answers 400, which says "
        "which key it has issued.",
    )
    acknowledged: list[StrictStr] = Field(
        default=[],
        description="Codes of what stands against the key and was considered, such as paused. Without them the answer "
        "is a 400 that names each.",
        max_length=100,
    )


class RevokedApiKey(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"result": True}]})

    result: bool = Field(description="Always true: the key opens nothing from the next call on.")


def api_key(key: Key) -> dict[str, Any]:
    """A key of for_listing(), without its secret."""
    return {
        "network_api_key_id": key.pk,
        "resource_id": key.partner_id,
        "resource_type": "affiliate",
        "api_key": key.hint,
        "key_status": STATUS[key.state],
        "label": key.label,
        "created_by": key.created_by,
        "time_created": seconds(key.created_at),
        "time_expires": seconds(key.expires_at),
        "time_revoked": seconds(key.revoked_at),
        "revoked_by": key.revoked_by,
        "time_last_used": seconds(key.last_used_at),
        "last_used_ip": str(key.last_used_ip or ""),
        "ip_allowlist": [str(entry) for entry in key.allowlist.all()],
    }


@networks.get("/affiliates/{partner_id}/apikeys", response=ApiKeys, summary="An affiliate's keys", openapi_extra=PAGED)
def list_api_keys(request: NetworkRequest, partner_id: int) -> dict[str, Any]:
    """The partner's keys, those that work first, each by its hint; no answer shows a key that was issued before."""
    keys = get_object_or_404(Partner, pk=partner_id).keys.all()
    page, page_size = paged(request)
    first = (page - 1) * page_size
    rows = keys.for_listing()[first : first + page_size]
    return {"keys": [api_key(key) for key in rows], **paging(page, page_size, keys.count())}


@networks.post("/apikey", response=IssuedApiKey, summary="Issue a key")
def issue_api_key(request: NetworkRequest, payload: KeyOrder) -> dict[str, Any]:
    """Issues a key that opens the Affiliate API for one partner, and answers it in full, this once. What would give a
    person pause (the partner is onboarding, paused, flagged, or has no technical contact) is a 400 that names it,
    unless `acknowledged` does."""
    partner = Partner.objects.filter(pk=payload.resource_id).first()
    if partner is None:
        raise HttpError(400, f"resource_id: there is no affiliate {payload.resource_id}")
    label, submission = checked(payload, partner)
    try:
        key, secret = Key.issue(partner=partner, label=label, submission=submission, by=request.call.actor)
    except AlreadyIssued as earlier:
        raise HttpError(400, f"submission: it has issued {earlier.key} before; its secret is not shown again") from None
    return {**api_key(key), "api_key": secret, "hint": key.hint}


def checked(payload: KeyOrder, partner: Partner) -> tuple[str, UUID]:
    """The label and the submission, which the page's own form has found right.

    :raises HttpError: 400 that names the field, and what stands against the key
    """
    concerns = concerns_about(partner)
    unread = [concern for concern in concerns if concern.code not in payload.acknowledged]
    if unread:
        named = "; ".join(f"{concern.title} ({concern.code})" for concern in unread)
        raise HttpError(400, f"acknowledged: this stands against a key, and its code has to be among them: {named}")
    data = {
        "label": payload.label,
        "submission": str(payload.submission or uuid4()),
        "anyway": " ".join(payload.acknowledged),
    }
    form = AddKeyForm(data, concerns=concerns)
    if not form.is_valid():
        raise refused_by(form.errors, {"anyway": "acknowledged"})
    return form.cleaned_data["label"], form.cleaned_data["submission"]


@networks.delete("/apikey/{key_id}", response=RevokedApiKey, summary="Revoke a key")
def revoke_api_key(request: NetworkRequest, key_id: int) -> dict[str, Any]:
    """Closes a partner's key for good, from the very next call on. The network's own key is replaced on its page."""
    key = get_object_or_404(Key.objects.filter(realm=Key.Realm.AFFILIATE).select_related("partner"), pk=key_id)
    try:
        key.revoke(by=request.call.actor)
    except AlreadyRevoked:
        key.refresh_from_db()
        raise HttpError(400, f"key_id: {key} was revoked before, by {key.revoked_by}") from None
    return {"result": True}
