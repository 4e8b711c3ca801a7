"""The Affiliate API about the partner itself (wire.md section 2)."""

from __future__ import annotations

from typing import Any, Protocol

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router
from pydantic import BaseModel, ConfigDict, Field

from partners.models import Partner
from portal.accounts.actors import Actor
from portal.network.models import Network
from portal.network.timezones import BY_NAME
from portal.web.api import quick

affiliates = Router(tags=["Account"])


class PartnerCall(Protocol):
    @property
    def partner(self) -> Partner:
        """Where every query starts."""

    @property
    def actor(self) -> Actor:
        """What the verbs take as ``by``."""

    @property
    def key_hint(self) -> str: ...


class PartnerRequest(HttpRequest):
    """A call of the Affiliate API: everything it may see starts at ``call.partner``."""

    call: PartnerCall


class NetworkCall(Protocol):
    @property
    def actor(self) -> Actor:
        """What the verbs take as ``by``: the network's key, by its hint."""

    @property
    def key_hint(self) -> str: ...


class NetworkRequest(HttpRequest):
    """A call of the Network API, which may see every partner's."""

    call: NetworkCall


class Affiliate(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "network_affiliate_id": 12,
                    "network_id": 1,
                    "name": "Acme Media",
                    "account_status": "active",
                    "network_employee_id": 3,
                    "default_currency_id": "USD",
                    "timezone_id": 80,
                    "country_code": "US",
                    "website": "https://acme.example",
                    "time_created": 1748429710,
                    "time_saved": 1748429710,
                }
            ]
        }
    )

    network_affiliate_id: int = Field(description="Number of the partner.")
    network_id: int = Field(description="Number of the network; always 1.")
    name: str = Field(description="What the partner is called.")
    account_status: str = Field(description="active, pending (onboarding) or inactive (paused).")
    network_employee_id: int = Field(description="Number of the account manager; 0 without one.")
    default_currency_id: str = Field(description="ISO 4217 code.")
    timezone_id: int = Field(description="See /v1/meta/timezones.")
    country_code: str = Field(description="ISO 3166-1 alpha-2; empty when unknown.")
    website: str = Field(description="Its website; empty when unknown.")
    time_created: int = Field(description="Unix seconds.")
    time_saved: int = Field(description="Unix seconds.")


class NetworkInfo(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "network_id": 1,
                    "name": "Northwind Affiliates",
                    "displayed_name": "Northwind Affiliates",
                    "timezone_id": 67,
                    "timezone": "UTC",
                    "currency_id": "USD",
                    "default_currency_id": "USD",
                    "support_name": "Partner Support",
                    "support_email": "support@northwind.example",
                    "tracking_domain": "go.northwind.example",
                }
            ]
        }
    )

    network_id: int = Field(description="Always 1.")
    name: str = Field(description="What the network is called.")
    displayed_name: str = Field(description="The same as name.")
    timezone_id: int = Field(description="The network's time zone; see /v1/meta/timezones.")
    timezone: str = Field(description="Its IANA name.")
    currency_id: str = Field(description="ISO 4217 code.")
    default_currency_id: str = Field(description="The same as currency_id.")
    support_name: str = Field(description="Whom to ask; empty when nobody is named.")
    support_email: str = Field(description="How to reach them; may be empty.")
    tracking_domain: str = Field(description="The host of tracking links.")


class AffiliateUser(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "network_affiliate_user_id": 31,
                    "network_id": 1,
                    "network_affiliate_id": 12,
                    "first_name": "Paul",
                    "last_name": "Renner",
                    "email": "paul@acme.example",
                    "account_status": "active",
                    "time_created": 1748429710,
                }
            ]
        }
    )

    network_affiliate_user_id: int = Field(description="Number of the user.")
    network_id: int = Field(description="Always 1.")
    network_affiliate_id: int = Field(description="Number of the partner.")
    first_name: str = Field(description="What stands before the first space of the name.")
    last_name: str = Field(description="The rest of it; empty when there is none.")
    email: str = Field(description="The address that they sign in with.")
    account_status: str = Field(description="active or inactive.")
    time_created: int = Field(description="Unix seconds.")


class Paging(BaseModel):
    page: int = Field(description="Which page this is, from 1.")
    page_size: int = Field(description="How many entries a page has.")
    total_count: int = Field(description="How many entries there are on all pages.")


ACCOUNT_STATUS = {"active": "active", "onboarding": "pending", "paused": "inactive"}


def affiliate(partner: Partner) -> dict[str, Any]:
    return {
        "network_affiliate_id": partner.pk,
        "network_id": 1,
        "name": partner.name,
        "account_status": ACCOUNT_STATUS[partner.status],
        "network_employee_id": partner.manager_id or 0,
        "default_currency_id": partner.currency,
        "timezone_id": BY_NAME[partner.timezone].timezone_id,
        "country_code": partner.country_code,
        "website": partner.website,
        "time_created": int(partner.created_at.timestamp()),
        "time_saved": int(partner.updated_at.timestamp()),
    }


@affiliates.get("/affiliate", response=Affiliate, summary="Your account")
@quick
def read_affiliate_account(request: PartnerRequest) -> dict[str, Any]:
    """The partner whose key made the call."""
    return affiliate(request.call.partner)


@affiliates.get("/network", response=NetworkInfo, summary="The network")
@quick
def read_network(request: PartnerRequest) -> dict[str, Any]:
    """The network you work with: its name, time zone and currency, and whom to ask."""
    network = Network.load()
    return {
        "network_id": 1,
        "name": network.name,
        "displayed_name": network.name,
        "timezone_id": BY_NAME[network.timezone].timezone_id,
        "timezone": network.timezone,
        "currency_id": network.currency,
        "default_currency_id": network.currency,
        "support_name": network.support_name,
        "support_email": network.support_email,
        "tracking_domain": network.tracking_domain,
    }


@affiliates.get("/users/{user_id}", response=AffiliateUser, summary="A user of your account")
@quick
def read_affiliate_user(request: PartnerRequest, user_id: int) -> dict[str, Any]:
    """One of the people who sign in for your account."""
    partner = request.call.partner
    user = get_object_or_404(partner.users.all(), pk=user_id)
    first_name, _, last_name = user.name.partition(" ")
    return {
        "network_affiliate_user_id": user.pk,
        "network_id": 1,
        "network_affiliate_id": partner.pk,
        "first_name": first_name,
        "last_name": last_name,
        "email": user.email,
        "account_status": "active" if user.is_active else "inactive",
        "time_created": int(user.created_at.timestamp()),
    }
