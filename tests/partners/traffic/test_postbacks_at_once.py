from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.test import Client

from partners.models import Partner
from partners.offers.models import Advertiser
from partners.traffic.models import CapCount, Click, Conversion, Receipt
from tests.conftest import SETUP
from tests.partners.traffic.arriving import click, launched
from tests.partners.traffic.test_clicks_at_once import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("network")]


@pytest.fixture
def token(network: object) -> str:
    return Advertiser.sign_up(name="Shoe House", by=SETUP).issue_token(by=SETUP)


def tell(token: str, **said: Any) -> dict[str, str]:
    response = Client().get("/postback", said, headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 200
    answer: dict[str, str] = response.json()
    return answer


def test_a_report_that_comes_many_times_at_once_is_one_conversion(acme: Partner, token: str) -> None:
    offer = launched(daily_conversion_cap=100)
    click(acme, offer)
    transaction = Click.objects.get().id.hex

    answers = at_once(lambda number: tell(token, transaction_id=transaction, order_id=str(number % 3)), 30)

    assert len({answer["conversion_id"] for answer in answers}) == 3
    assert Conversion.objects.count() == Receipt.objects.count() == 3
    assert CapCount.objects.get(span="daily").conversions == 3


def test_a_conversion_cap_lets_exactly_as_many_count_at_once(acme: Partner, token: str) -> None:
    offer = launched()
    click(acme, offer)
    transaction = Click.objects.get().id.hex
    offer.change(by=SETUP, weekly_conversion_cap=7)

    answers = at_once(lambda number: tell(token, transaction_id=transaction, order_id=str(number)), 30)

    assert Counter(answer["status"] for answer in answers) == {"approved": 7, "invalid": 23}
