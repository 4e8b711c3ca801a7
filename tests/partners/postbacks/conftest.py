from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from partners.models import Partner
from partners.postbacks.models import Postback
from tests.conftest import SETUP

Add = Callable[..., Postback]

URL = "https://track.acme.example/in?tid={transaction_id}&s={sub1}"


@pytest.fixture
def add(acme: Partner) -> Add:
    """``add()``: a postback of Acme's for every offer, unless told otherwise."""

    def added(partner: Partner = acme, **fields: Any) -> Postback:
        return Postback.add(partner=partner, by=SETUP, **{"url": URL, **fields})

    return added
