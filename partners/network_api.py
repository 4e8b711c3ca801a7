"""The Network API about partners, which this dialect calls affiliates (wire.md section 10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from django.forms.models import model_to_dict
from django.shortcuts import get_object_or_404
from ninja import Router
from ninja.errors import HttpError
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr
from pydantic.config import JsonDict

from partners.api import ACCOUNT_STATUS, Affiliate, NetworkRequest, Paging, affiliate
from partners.forms import AffiliateForm
from partners.models import Partner
from portal.network.timezones import BY_ID
from portal.web.api import PAGED, paged, paging, quick

networks = Router(tags=["Affiliates"])

LARGEST_ID = 2**31 - 1
STATUS_OF = {said: status for status, said in ACCOUNT_STATUS.items()}
# What the dialect calls a field, and what we do.
FIELDS = {
    "name": "name",
    "account_status": "status",
    "network_employee_id": "manager",
    "default_currency_id": "currency",
    "timezone_id": "timezone",
    "country_code": "country_code",
    "website": "website",
    "technical_contact_name": "technical_contact_name",
    "technical_contact_email": "technical_contact_email",
    "internal_notes": "notes",
}
ON_THE_WIRE = {ours: named for named, ours in FIELDS.items()}
SENT: JsonDict = {
    "name": "Acme Media",
    "account_status": "active",
    "network_employee_id": 0,
    "default_currency_id": "USD",
    "timezone_id": 80,
    "country_code": "US",
    "website": "https://acme.example",
    "technical_contact_name": "Ada Park",
    "technical_contact_email": "ada@acme.example",
    "internal_notes": "Pays by the 15th.",
}
EXAMPLE: JsonDict = {
    **SENT,
    "network_affiliate_id": 12,
    "network_id": 1,
    "network_employee_id": 3,
    "time_created": 1748429710,
    "time_saved": 1748429710,
}


class NetworkAffiliate(Affiliate):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    technical_contact_name: str = Field(description="Who works with the key on its side; empty when nobody is named.")
    technical_contact_email: str = Field(description="How to reach them; empty when unknown.")
    internal_notes: str = Field(description="The network's own notes; the partner does not see them.")


class Affiliates(Paging):
    affiliates: list[NetworkAffiliate]
    paging: Paging


class AffiliateChange(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"account_status": "inactive"}]})

    name: StrictStr | None = Field(
        default=None, description="What the partner is called.", min_length=1, max_length=120
    )
    account_status: Literal["active", "pending", "inactive"] | None = Field(
        default=None,
        description="active; pending: onboarding; inactive: paused. Paused, its links lead nowhere; its keys work on.",
    )
    network_employee_id: StrictInt | None = Field(
        default=None, description="Number of the account manager; 0 for none.", ge=0, le=LARGEST_ID
    )
    default_currency_id: StrictStr | None = Field(default=None, description="ISO 4217 code.", max_length=3)
    timezone_id: StrictInt | None = Field(default=None, description="See /v1/meta/timezones.")
    country_code: StrictStr | None = Field(
        default=None, description="ISO 3166-1 alpha-2; empty when unknown.", max_length=2
    )
    website: StrictStr | None = Field(default=None, description="Its website; may be empty.", max_length=300)
    technical_contact_name: StrictStr | None = Field(
        default=None, description="Who works with the key on its side; may be empty.", max_length=120
    )
    technical_contact_email: StrictStr | None = Field(
        default=None, description="How to reach them; may be empty.", max_length=254
    )
    internal_notes: StrictStr | None = Field(default=None, description="The partner does not see them.")


class NewAffiliate(AffiliateChange):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [SENT]})

    name: StrictStr = Field(description="What the partner is called.", min_length=1, max_length=120)


def network_affiliate(partner: Partner) -> dict[str, Any]:
    return {
        **affiliate(partner),
        "technical_contact_name": partner.technical_contact_name,
        "technical_contact_email": partner.technical_contact_email,
        "internal_notes": partner.notes,
    }


@networks.get("/affiliates", response=Affiliates, summary="All affiliates", openapi_extra=PAGED)
def list_affiliates(request: NetworkRequest) -> dict[str, Any]:
    """Every partner of the network, by number; `page` and `page_size` choose which."""
    page, page_size = paged(request)
    partners = Partner.objects.order_by("pk")
    first = (page - 1) * page_size
    return {
        "affiliates": [network_affiliate(partner) for partner in partners[first : first + page_size]],
        **paging(page, page_size, partners.count()),
    }


@networks.post("/affiliates", response=NetworkAffiliate, summary="Add an affiliate")
def add_affiliate(request: NetworkRequest, payload: NewAffiliate) -> dict[str, Any]:
    """Adds a partner. What is left out is: pending, no account manager, USD, UTC, and empty."""
    defaults = {"status": Partner.Status.ONBOARDING, "currency": "USD", "timezone": "UTC"}
    form = understood(payload, AffiliateForm({**defaults, **ours(payload)}))
    return network_affiliate(Partner.create(by=request.call.actor, **form.cleaned_data))


@networks.get("/affiliates/{partner_id}", response=NetworkAffiliate, summary="An affiliate")
@quick
def read_affiliate(request: NetworkRequest, partner_id: int) -> dict[str, Any]:
    """One partner of the network."""
    return network_affiliate(get_object_or_404(Partner, pk=partner_id))


@networks.put("/affiliates/{partner_id}", response=NetworkAffiliate, summary="Change an affiliate")
def change_affiliate(request: NetworkRequest, partner_id: int, payload: AffiliateChange) -> dict[str, Any]:
    """Changes the fields that are sent, such as account_status to pause it. Those that are left out, or null, keep
    their value."""
    partner = get_object_or_404(Partner.objects.select_for_update(of=("self",)), pk=partner_id)
    sent = ours(payload)
    current = model_to_dict(partner, fields=list(ON_THE_WIRE))
    form = understood(payload, AffiliateForm({**current, **sent}, instance=partner))
    partner.change(by=request.call.actor, **{name: form.cleaned_data[name] for name in sent})
    return network_affiliate(partner)


def ours(payload: AffiliateChange) -> dict[str, Any]:
    """The fields that were sent, by our names, as a form takes them.

    :raises HttpError: 400 for a time zone that there is not
    """
    sent = {FIELDS[name]: value for name, value in payload.model_dump(exclude_none=True).items()}
    if "status" in sent:
        sent["status"] = STATUS_OF[sent["status"]]
    if "timezone" in sent:
        if sent["timezone"] not in BY_ID:
            raise HttpError(400, f"timezone_id: {sent['timezone']} is not one; /v1/meta/timezones has them all")
        sent["timezone"] = BY_ID[sent["timezone"]].timezone
    if "manager" in sent:
        sent["manager"] = sent["manager"] or None
    for code in ("currency", "country_code"):
        if code in sent:
            sent[code] = sent[code].upper()
    return sent


def understood(payload: AffiliateChange, form: AffiliateForm) -> AffiliateForm:
    """The form, which is valid.

    :raises HttpError: 400 that names the field, as it was sent, that is not
    """
    if not form.is_valid():
        raise refused_by(form.errors, ON_THE_WIRE)
    return form


def refused_by(errors: Mapping[str, Any], named: Mapping[str, str]) -> HttpError:
    field, sentences = next(iter(errors.items()))
    return HttpError(400, f"{named.get(field, field)}: {sentences[0]}")
