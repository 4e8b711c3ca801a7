from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from partners.firehose.cursor import Cursor
from partners.firehose.log import LoggedEvent, postgres
from partners.firehose.models import Firehose
from partners.models import Partner
from partners.offers.models import Offer
from tests.conftest import SETUP
from tests.partners.traffic.arriving import launched

Read = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def offer(network: object) -> Offer:
    return launched()


@pytest.fixture
def firehose(acme: Partner) -> Firehose:
    return Firehose.enable(acme, by=SETUP)


@pytest.fixture
def read() -> Read:
    """``read(partner)``: all the events of the partner's run, as a client is told of them."""

    def read_all(partner: Partner, after: Cursor | None = None) -> list[dict[str, Any]]:
        cursor = after or postgres.oldest(partner.pk)
        told: list[LoggedEvent] = []
        while events := postgres.read(partner.pk, cursor, 100):
            told += events
            cursor = events[-1].cursor
        return [json.loads(event.json) for event in told]

    return read_all
