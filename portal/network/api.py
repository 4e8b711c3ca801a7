"""What the API says to anyone, without a key (wire.md section 1)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router
from pydantic import BaseModel, ConfigDict, Field

from portal.network.countries import COUNTRIES
from portal.network.currencies import CURRENCIES
from portal.network.timezones import TIMEZONES

meta = Router(tags=["Meta"])


class TimeZoneInfo(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "timezone_id": 80,
                    "timezone": "America/New_York",
                    "timezone_name": "America / New York",
                    "utc_offset": "-05:00",
                }
            ]
        }
    )

    timezone_id: int = Field(description="Number of the zone; it never changes.")
    timezone: str = Field(description="IANA name.")
    timezone_name: str = Field(description="Name for people.")
    utc_offset: str = Field(description="Offset from UTC at this moment, e.g. -05:00.")


class TimeZones(BaseModel):
    timezones: list[TimeZoneInfo]


class CurrencyInfo(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"currency_id": "EUR", "name": "Euro", "decimals": 2}]})

    currency_id: str = Field(description="ISO 4217 code.")
    name: str = Field(description="Name for people.")
    decimals: int = Field(description="How many decimals amounts of it are rounded to.")


class Currencies(BaseModel):
    currencies: list[CurrencyInfo]


class CountryInfo(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"country_code": "NZ", "country_name": "New Zealand"}]})

    country_code: str = Field(description="ISO 3166-1 alpha-2.")
    country_name: str = Field(description="Name for people.")


class Countries(BaseModel):
    countries: list[CountryInfo]


@meta.get("/timezones", response=TimeZones, summary="Time zones")
def list_timezones(request: HttpRequest) -> dict[str, Any]:
    """The time zones reports can be asked in."""
    now = timezone.now()
    return {
        "timezones": [
            {
                "timezone_id": zone.timezone_id,
                "timezone": zone.timezone,
                "timezone_name": zone.timezone_name,
                "utc_offset": zone.utc_offset(now),
            }
            for zone in TIMEZONES
        ]
    }


@meta.get("/currencies", response=Currencies, summary="Currencies")
def list_currencies(request: HttpRequest) -> dict[str, Any]:
    """The currencies money can be counted in."""
    return {
        "currencies": [
            {"currency_id": currency.currency_id, "name": currency.name, "decimals": currency.decimals}
            for currency in CURRENCIES
        ]
    }


@meta.get("/countries", response=Countries, summary="Countries")
def list_countries(request: HttpRequest) -> dict[str, Any]:
    """The countries, by the codes that partners, clicks and conversions carry."""
    return {"countries": [{"country_code": code, "country_name": name} for code, name in COUNTRIES.items()]}
