"""What the API says to anyone, without a key (wire.md section 1)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router
from pydantic import BaseModel, Field

from portal.network.timezones import TIMEZONES

meta = Router(tags=["Meta"])


class TimeZoneInfo(BaseModel):
    timezone_id: int
    timezone: str = Field(description="IANA name.")
    timezone_name: str = Field(description="Name for people.")
    utc_offset: str = Field(description="Offset from UTC at this moment, e.g. -05:00.")


class TimeZones(BaseModel):
    timezones: list[TimeZoneInfo]


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
