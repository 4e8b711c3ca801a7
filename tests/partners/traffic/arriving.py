"""Visitors and advertisers' servers, as they come to the site."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import psycopg
import time_machine
from django.test import Client

from partners.models import Partner
from partners.offers.codes import code_of_partner
from partners.offers.models import Advertiser, Category, Offer, PayoutType, Terms
from portal.web.ids import first_id_at
from tests.conftest import SETUP

BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
DESTINATION = "https://shop.example/buy?click={transaction_id}"


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Everything in the block happens at that moment, for the library that makes ids, too."""

    # Rising, as the library's own are.
    numbers = count(secrets.randbits(60))

    def new_id() -> UUID:
        return UUID(int=first_id_at(moment).int | 7 << 76 | next(numbers))

    patched = [
        patch(f"partners.traffic.{module}.new_id", new_id) for module in ("arrivals.arrival", "models.conversions")
    ]
    with time_machine.travel(moment, tick=False), patched[0], patched[1]:
        yield


def path_of(partner: Partner, offer: Offer, kind: str = "t") -> str:
    return f"/{kind}/{code_of_partner(partner.pk)}/{offer.code}/"


def visit(path: str, query: str | dict[str, Any] = "", *, agent: str = BROWSER, **extra: Any) -> Any:
    """Somebody follows a link. ``query``: what it carries, as it stands there or by name."""
    if isinstance(query, dict):
        return Client().get(path, query, headers={"User-Agent": agent}, **extra)
    return Client().get(f"{path}?{query}" if query else path, headers={"User-Agent": agent}, **extra)


def click(partner: Partner, offer: Offer, query: str | dict[str, Any] = "", **extra: Any) -> Any:
    return visit(path_of(partner, offer), query, **extra)


def destination(response: Any) -> dict[str, str]:
    """The parameters that a redirect leads on with."""
    assert response.status_code == 302
    return dict(parse_qsl(urlsplit(response["Location"]).query, keep_blank_values=True))


@contextmanager
def statements() -> Iterator[list[str]]:
    """What the database is asked in the block, past Django's cursors, too."""
    asked: list[str] = []
    execute = psycopg.Cursor.execute

    def noting(cursor: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(query.decode() if isinstance(query, bytes) else str(query))
        return execute(cursor, query, *args, **kwargs)

    with patch.object(psycopg.Cursor, "execute", noting):
        yield asked


def launched(name: str = "Winter Boots", pays: Terms | None = None, **fields: Any) -> Offer:
    """One more offer that anybody may run."""
    facts: dict[str, Any] = {
        "status": Offer.Status.ACTIVE,
        "visibility": Offer.Visibility.PUBLIC,
        "destination_url": DESTINATION,
        **fields,
    }
    if "advertiser" not in facts:
        facts["advertiser"] = Advertiser.objects.first() or Advertiser.sign_up(name="Shoe House", by=SETUP)
    if "category" not in facts:
        facts["category"] = Category.objects.first() or Category.add(name="Fashion", by=SETUP)
    return Offer.launch(name=name, pays=pays or Terms(PayoutType.CPA), by=SETUP, **facts)
