"""The columns a report can have: what its rows are, and what it is filtered by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a column's values are."""

    TEXT = "text"
    # Ids of the table that has the names; 0: none.
    NUMBER = "number"
    COUNTRY = "country"
    STATUS = "status"
    # Buckets of time: by seconds since 1970.
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    title: str
    # Of clicks, impressions and conversions alike, unless only conversions have it.
    field: str
    kind: Kind = Kind.TEXT
    # Where the names of a number's values are.
    table: str = ""
    # It is a column of the row's offer, or of its partner, and not of the row itself.
    of: str = ""
    is_network_only: bool = False
    is_of_conversions: bool = False

    @property
    def is_time(self) -> bool:
        return self.kind is Kind.TIME

    @property
    def has_label(self) -> bool:
        """Whether people read something else than its id."""
        return self.kind is not Kind.TEXT


TITLES = {
    "country_code": "Country code",
    "region": "Region",
    "city": "City",
    "dma": "DMA",
    "carrier": "Carrier",
    "isp": "ISP",
    "connection_type": "Connection",
    "platform": "Platform",
    "os_version": "OS version",
    "device_type": "Device",
    "device_make": "Device make",
    "device_model": "Device model",
    "browser": "Browser",
    "language": "Language",
    **{f"sub{number}": f"Sub {number}" for number in range(1, 11)},
    "source_id": "Source",
    "referer": "Referer",
    "tracking_domain": "Tracking domain",
}
TIMES = {"hour": "Hour", "date": "Date", "week": "Week", "month": "Month", "year": "Year"}

COLUMNS: dict[str, Column] = {
    column.name: column
    for column in (
        Column("offer", "Offer", "offer_id", Kind.NUMBER, "offers_offer"),
        Column("creative", "Creative", "creative_id", Kind.NUMBER, "offers_creative"),
        Column("coupon_code", "Coupon code", "coupon_code"),
        Column("offer_url", "Offer URL", "offer_url_id", Kind.NUMBER, "offers_offerurl"),
        Column("country", "Country", "country_code", Kind.COUNTRY),
        *(Column(name, title, name) for name, title in TITLES.items()),
        Column("event_name", "Event", "event_name", is_of_conversions=True),
        Column("conversion_status", "Conversion status", "status", Kind.STATUS, is_of_conversions=True),
        *(Column(name, title, "at", Kind.TIME) for name, title in TIMES.items()),
        Column("affiliate", "Partner", "partner_id", Kind.NUMBER, "partners_partner", is_network_only=True),
        Column(
            "advertiser",
            "Advertiser",
            "advertiser_id",
            Kind.NUMBER,
            "offers_advertiser",
            of="offer",
            is_network_only=True,
        ),
        Column(
            "affiliate_manager",
            "Account manager",
            "manager_id",
            Kind.NUMBER,
            "accounts_user",
            of="partner",
            is_network_only=True,
        ),
        Column("category", "Category", "category_id", Kind.NUMBER, "offers_category", of="offer", is_network_only=True),
    )
}


def columns_of(*, is_network: bool) -> dict[str, Column]:
    """The columns that a realm knows, in the order in which people are shown them."""
    return {name: column for name, column in COLUMNS.items() if is_network or not column.is_network_only}
