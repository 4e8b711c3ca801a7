from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from partners.models import Partner
from partners.traffic.models import Click, Refusal
from partners.traffic.places import NOWHERE, Place, files_can_be_read, located, opened, place_of
from portal.network.models import Network
from tests.partners.traffic.arriving import click, launched

VIENNA = {
    "country": {"iso_code": "AT", "names": {"en": "Austria"}},
    "subdivisions": [{"iso_code": "9", "names": {"en": "Vienna"}}],
    "city": {"names": {"en": "Vienna", "de": "Wien"}},
    "postal": {"code": "1010"},
    "location": {"time_zone": "Europe/Vienna", "latitude": 48.2},
    "traits": {"is_anonymous_proxy": True},
}
SEATTLE = {"country": {"iso_code": "US"}, "location": {"metro_code": 819}}


def write(path: Path, entries: dict[str, Any]) -> str:
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Test")
    for network, entry in entries.items():
        writer.insert_network(IPSet([network]), entry)
    writer.to_db_file(str(path))
    return str(path)


@pytest.fixture
def files(tmp_path: Path, settings: Any) -> Iterator[None]:
    settings.GEOIP_CITY = write(
        tmp_path / "city.mmdb", {"203.0.113.0/25": VIENNA, "203.0.113.128/25": SEATTLE, "2001:db8::/32": VIENNA}
    )
    settings.GEOIP_ISP = write(
        tmp_path / "isp.mmdb",
        {"203.0.113.0/25": {"isp": "Donau Mobil"}, "203.0.113.128/25": {"autonomous_system_organization": "Rain Net"}},
    )
    settings.GEOIP_CONNECTION = write(tmp_path / "how.mmdb", {"203.0.113.0/25": {"connection_type": "Cellular"}})
    yield
    located.cache_clear()
    opened.cache_clear()


def test_an_address_is_where_the_files_say(files: None) -> None:
    assert place_of(ip_address("203.0.113.9")) == Place(
        country_code="AT",
        region="Vienna",
        city="Vienna",
        carrier="Donau Mobil",
        isp="Donau Mobil",
        connection_type="Cellular",
        more='{"region_code": "9", "postal_code": "1010", "timezone": "Europe/Vienna", "is_proxy": true}',
    )
    assert place_of(ip_address("203.0.113.200")) == Place(country_code="US", dma="819", isp="Rain Net")
    assert place_of(ip_address("2001:db8::1")).country_code == "AT"


def test_nothing_is_known_of_other_addresses(files: None) -> None:
    assert place_of(ip_address("10.0.0.1")) == NOWHERE
    assert place_of(None) == NOWHERE


def test_nothing_is_known_without_files() -> None:
    assert place_of(ip_address("203.0.113.9")) is NOWHERE


@pytest.mark.django_db
def test_a_click_from_another_country_than_the_offers_is_refused(files: None, acme: Partner, network: Network) -> None:
    offer = launched(countries=["AT", "DE"])

    statuses = [click(acme, offer, REMOTE_ADDR=address).status_code for address in ("203.0.113.9", "203.0.113.200")]

    assert statuses == [302, 403]
    [refused, taken] = Click.objects.newest_first()
    assert (taken.country_code, taken.city, taken.place["postal_code"]) == ("AT", "Vienna", "1010")
    assert (refused.country_code, refused.error_code) == ("US", Refusal.COUNTRY_NOT_ALLOWED)


@pytest.mark.django_db
def test_a_file_that_cannot_be_read_is_an_error_at_the_start_and_not_at_a_click(
    tmp_path: Path, settings: Any, acme: Partner, network: Network
) -> None:
    (tmp_path / "broken.mmdb").write_bytes(b"nonsense")
    settings.GEOIP_CITY = str(tmp_path / "broken.mmdb")
    settings.GEOIP_ISP = str(tmp_path / "missing.mmdb")

    assert [error.id for error in files_can_be_read(None)] == ["latchkey.E004"] * 2
    assert click(acme, launched()).status_code == 302
    opened.cache_clear()


def test_without_files_there_is_nothing_to_complain_of() -> None:
    assert files_can_be_read(None) == []
