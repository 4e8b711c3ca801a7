"""Traffic as rows, for tests of what is made of it. Those of how it comes about send requests instead."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.models import Click, Conversion, Impression, Visit
from portal.web.ids import first_id_at

Row = TypeVar("Row", bound=Visit)
NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)


def row(kind: type[Row], partner: Partner, offer: Offer, at: datetime = NOON, **said: Any) -> Row:
    """A row as it stands in the database; what it says is up to the test."""
    facts = {"payout_type": "cpa", "revenue_type": "rpa", **said}
    visit_id = UUID(int=first_id_at(at).int | secrets.randbits(72))
    made: Row = kind._default_manager.create(partner=partner, offer=offer, id=visit_id, at=at, **facts)
    return made


def clicked(partner: Partner, offer: Offer, at: datetime = NOON, **said: Any) -> Click:
    return row(Click, partner, offer, at, **{"is_unique": True, "tracking_url": "/t/", **said})


def shown(partner: Partner, offer: Offer, at: datetime = NOON, **said: Any) -> Impression:
    return row(Impression, partner, offer, at, **said)


def converted(partner: Partner, offer: Offer, at: datetime = NOON, **said: Any) -> Conversion:
    facts = {"transaction_id": UUID(int=secrets.randbits(128)), "status": "approved", "payout": Decimal(10), **said}
    return row(Conversion, partner, offer, at, **facts)
