from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils.timezone import now

from partners.models import Partner
from partners.offers.models import Offer
from partners.postbacks import sending
from partners.postbacks.delivering import attempted, settle_and_claim
from partners.postbacks.models import Claimed, Postback, Sent
from partners.traffic.models import Conversion
from partners.traffic.models.recording import Report, Source
from tests.conftest import SETUP
from tests.partners.postbacks.receiver import Receiver, receiving
from tests.partners.traffic.conftest import clicked

Add = Callable[..., Postback]
Convert = Callable[..., Conversion]

URL = "https://track.acme.example/in?tid={transaction_id}&s={sub1}"


@pytest.fixture
def add(acme: Partner) -> Add:
    """``add()``: a postback of Acme's for every offer, unless told otherwise."""

    def added(partner: Partner = acme, **fields: Any) -> Postback:
        return Postback.add(partner=partner, by=SETUP, **{"url": URL, **fields})

    return added


@pytest.fixture
def convert(acme: Partner, offer: Offer) -> Convert:
    """``convert()``: a conversion of a new click, as the traffic records it."""

    def converted(partner: Partner = acme, offer: Offer = offer, sub1: str = "", **said: Any) -> Conversion:
        click = clicked(partner, offer, sub1=sub1, at=now())
        return Conversion.record(source=Source.of_visit(click), report=Report(**said), by=SETUP)[0]

    return converted


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """On a busy machine it may be slow without being gone."""
    for name in ("CONNECT_SECONDS", "WHOLE_SECONDS", "BODY_SECONDS"):
        monkeypatch.setattr(sending, name, 60.0)
    with receiving() as receiver:
        yield receiver


def sent_all(claimed: list[Claimed]) -> list[Sent]:
    async def all_at_once() -> list[Sent]:
        return await asyncio.gather(*(attempted(each) for each in claimed))

    return asyncio.run(all_at_once())


def deliver_due(most: int = 100) -> list[Sent]:
    """One turn of a worker: what is due is sent, and what came of it written down."""
    claimed = settle_and_claim([], most, Counter())
    results = sent_all(claimed)
    settle_and_claim(results, 0, Counter())
    return results
