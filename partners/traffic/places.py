"""Where an address is and who connects it, as files in MaxMind's format tell, when there are any."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import maxminddb
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from portal.web.client_ip import Address
from portal.web.storable import storable

log = logging.getLogger(__name__)

FILES = ("GEOIP_CITY", "GEOIP_ISP", "GEOIP_CONNECTION")
REMEMBERED = 4096
UNREADABLE = (OSError, ValueError, maxminddb.InvalidDatabaseError)


@dataclass(frozen=True, slots=True)
class Place:
    country_code: str = ""
    region: str = ""
    city: str = ""
    dma: str = ""
    carrier: str = ""
    isp: str = ""
    connection_type: str = ""
    # What else is known, as JSON: region_code, postal_code, timezone, is_proxy.
    more: str = "{}"


NOWHERE = Place()


def place_of(address: Address | None) -> Place:
    """What the configured files know of the address; without files, and for private addresses, nothing."""
    paths = tuple(getattr(settings, name) for name in FILES)
    return located(address, paths) if address is not None and any(paths) else NOWHERE


@lru_cache(maxsize=REMEMBERED)
def located(address: Address, paths: tuple[str, ...]) -> Place:
    city, network, connection = (found(path, address) for path in paths)
    regions = city.get("subdivisions") or [{}]
    where, traits = city.get("location") or {}, city.get("traits") or {}
    isp = network.get("isp") or network.get("autonomous_system_organization") or ""
    connected = connection.get("connection_type") or ""
    more = {
        "region_code": regions[0].get("iso_code"),
        "postal_code": (city.get("postal") or {}).get("code"),
        "timezone": where.get("time_zone"),
        "is_proxy": traits.get("is_anonymous_proxy"),
    }
    return Place(
        country_code=storable((city.get("country") or {}).get("iso_code") or "", 2),
        region=storable(name_in(regions[0]), 80),
        city=storable(name_in(city.get("city") or {}), 120),
        dma=storable(str(where.get("metro_code") or ""), 20),
        carrier=storable(isp, 120) if connected == "Cellular" else "",
        isp=storable(isp, 120),
        connection_type=storable(connected, 20),
        more=json.dumps({name: value for name, value in more.items() if value}),
    )


def name_in(place: Mapping[str, Any]) -> str:
    return str((place.get("names") or {}).get("en") or "")


def found(path: str, address: Address) -> Mapping[str, Any]:
    reader = opened(path) if path else None
    if reader is None or (address.version == 6 and reader.metadata().ip_version == 4):
        return {}
    entry = reader.get(address)
    return entry if isinstance(entry, dict) else {}


@lru_cache(maxsize=8)
def opened(path: str) -> maxminddb.Reader | None:
    """The file, mapped into memory once by a process; None when it cannot be read: no click may suffer for that."""
    try:
        return maxminddb.open_database(path)
    except UNREADABLE:
        log.exception("%s cannot be read, so nothing is known of where clicks come from", path)
        return None


@register()
def files_can_be_read(app_configs: object, **kwargs: object) -> list[CheckMessage]:
    errors: list[CheckMessage] = []
    for name in FILES:
        if path := getattr(settings, name):
            try:
                maxminddb.open_database(path).close()
            except UNREADABLE as error:
                hint = "Name a file in MaxMind's format (.mmdb), or leave the variable empty."
                errors.append(Error(f"{name} cannot be read: {error}", hint=hint, id="latchkey.E004"))
    return errors
