from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from partners.models import Partner
from partners.offers.models import Creative, Offer, PayoutType, Revenue, Terms
from partners.offers.models.payouts import RevenueType
from partners.traffic.models import CapCount, Click, Impression, TrafficBlock
from portal.network.models import Network
from tests.conftest import SETUP
from tests.partners.traffic.arriving import GOOGLEBOT, launched, path_of, visit

pytestmark = pytest.mark.django_db


def show(partner: Partner, offer: Offer, query: str | dict[str, Any] = "", **extra: Any) -> Any:
    return visit(path_of(partner, offer, "i"), query, **extra)


@pytest.fixture
def boots(network: Network) -> Offer:
    return launched()


def test_an_impression_is_a_row_and_a_transparent_dot(acme: Partner, boots: Offer) -> None:
    banner = boots.add_creative(name="B", creative_type=Creative.Type.TEXT, html_code="Buy", by=SETUP)

    response = show(acme, boots, {"sub1": "news", "creative_id": banner.pk})

    assert (response.status_code, response["Content-Type"], response["Cache-Control"]) == (200, "image/gif", "no-store")
    assert response.content.startswith(b"GIF89a\x01\x00\x01\x00")
    [row] = Impression.objects.all()
    assert (row.partner_id, row.offer_id, row.sub1, row.creative_id) == (acme.pk, boots.pk, "news", banner.pk)
    assert not Click.objects.exists()
    assert not response.cookies


def test_each_impression_pays_exactly_a_thousandth(acme: Partner, network: Network) -> None:
    offer = launched(pays=Terms(PayoutType.CPM, Decimal("2.5537")), earns=Revenue(RevenueType.RPM, Decimal("4.01")))

    show(acme, offer)
    show(acme, offer)

    rows = [(row.payout_type, row.payout, row.revenue) for row in Impression.objects.all()]
    assert rows == [("cpm", Decimal("0.0025537"), Decimal("0.00401"))] * 2


def test_robots_and_blocked_traffic_see_the_dot_and_are_not_counted(acme: Partner, boots: Offer) -> None:
    TrafficBlock.block(partner=acme, offer=None, variable="sub1", value="bad", reason="", by=SETUP)

    responses = [show(acme, boots, agent=GOOGLEBOT), show(acme, boots, agent=""), show(acme, boots, "sub1=bad")]

    assert [response.status_code for response in responses] == [200] * 3
    assert not Impression.objects.exists()


def test_what_an_offer_does_not_take_is_not_counted(acme: Partner, boots: Offer) -> None:
    boots.change(by=SETUP, status=Offer.Status.PAUSED)

    assert show(acme, boots).status_code == 200
    assert not Impression.objects.exists()


def test_impressions_end_with_the_payout_cap(acme: Partner, network: Network) -> None:
    offer = launched(pays=Terms(PayoutType.CPM, Decimal(500)), daily_payout_cap=Decimal("1.2"), daily_click_cap=1)

    for _ in range(4):
        show(acme, offer)

    assert Impression.objects.count() == 2
    assert CapCount.objects.get(span="daily").payout == 1


def test_an_unknown_picture_is_not_found(acme: Partner, boots: Offer) -> None:
    assert show(acme, Offer(pk=10**6)).status_code == 404
    assert Client().post(path_of(acme, boots, "i")).status_code == 405
    assert Client().head(path_of(acme, boots, "i")).status_code == 200
    assert not Impression.objects.exists()
