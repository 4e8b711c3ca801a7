from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from partners.models import Partner
from partners.offers.models import Offer, PayoutType, Terms
from partners.traffic.caps import beginnings
from partners.traffic.models import CapCount, Click, Refusal
from portal.network.models import Network
from tests.conftest import SETUP
from tests.partners.traffic.arriving import at, click, launched

pytestmark = pytest.mark.django_db


def address(number: int) -> str:
    return f"203.0.113.{number + 1}"


def test_weeks_begin_on_monday_and_everything_on_one_day() -> None:
    assert beginnings(date(2026, 5, 10)) == {
        "daily": date(2026, 5, 10),
        "weekly": date(2026, 5, 4),
        "monthly": date(2026, 5, 1),
        "global": date(1970, 1, 1),
    }


@pytest.mark.parametrize(
    ("span", "still_full", "free_again"),
    [
        ("daily", datetime(2026, 5, 10, 23, tzinfo=UTC), datetime(2026, 5, 11, tzinfo=UTC)),
        ("weekly", datetime(2026, 5, 10, 23, tzinfo=UTC), datetime(2026, 5, 11, tzinfo=UTC)),
        ("monthly", datetime(2026, 5, 31, 23, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)),
        ("global", datetime(2026, 5, 31, 23, tzinfo=UTC), None),
    ],
)
def test_a_click_cap_lasts_as_long_as_its_span(
    acme: Partner, network: Network, span: str, still_full: datetime, free_again: datetime | None
) -> None:
    caps: dict[str, Any] = {f"{span}_click_cap": 1}
    offer = launched(**caps)

    with at(datetime(2026, 5, 10, 12, tzinfo=UTC)):
        assert [click(acme, offer).status_code for _ in range(2)] == [302, 403]
    with at(still_full):
        assert click(acme, offer).status_code == 403
    assert set(Click.objects.values_list("error_code", flat=True)) == {0, Refusal.CLICK_CAP_REACHED}
    if free_again is not None:
        with at(free_again):
            assert click(acme, offer).status_code == 302


def test_a_day_is_that_of_the_network(acme: Partner, network: Network) -> None:
    network.change(by=SETUP, timezone="Asia/Tokyo")
    offer = launched(daily_click_cap=1)

    statuses = []
    for hour, minute in ((14, 58), (14, 59), (15, 0)):
        with at(datetime(2026, 5, 10, hour, minute, tzinfo=UTC)):
            statuses.append(click(acme, offer).status_code)

    assert statuses == [302, 403, 302]


def test_a_duplicate_takes_no_room_under_a_payout_cap(acme: Partner, network: Network) -> None:
    offer = launched(pays=Terms(PayoutType.CPC, Decimal(1)), daily_payout_cap=Decimal(2))

    statuses = [click(acme, offer, REMOTE_ADDR=address(number)).status_code for number in (0, 0, 0, 1, 2)]

    assert statuses == [302, 302, 302, 302, 403]
    assert Click.objects.latest("id").error_code == Refusal.PAYOUT_CAP_REACHED
    assert CapCount.objects.get(span="daily").payout == 2


def test_what_would_go_beyond_a_payout_cap_is_refused(acme: Partner, network: Network) -> None:
    offer = launched(pays=Terms(PayoutType.CPC, Decimal(2)), daily_payout_cap=Decimal(3))

    statuses = [click(acme, offer, REMOTE_ADDR=address(number)).status_code for number in range(2)]

    assert statuses == [302, 403]


def test_no_one_clicks_for_a_conversion_that_no_cap_has_room_for(acme: Partner, network: Network) -> None:
    offer = launched(pays=Terms(PayoutType.CPA, Decimal(10)), daily_payout_cap=Decimal(25), daily_conversion_cap=5)
    click(acme, offer)
    CapCount.objects.filter(span="daily").update(payout=20)

    click(acme, offer)

    assert Click.objects.latest("id").error_code == Refusal.PAYOUT_CAP_REACHED
    CapCount.objects.filter(span="daily").update(payout=0, conversions=5)
    click(acme, offer)
    assert Click.objects.latest("id").error_code == Refusal.CONVERSION_CAP_REACHED


def test_traffic_over_the_cap_goes_to_the_offer_that_takes_it(acme: Partner, network: Network) -> None:
    other = launched("Other", destination_url="https://other.example/")
    offer = launched(daily_click_cap=1, redirect_offer=other)

    where = [click(acme, offer)["Location"] for _ in range(2)]

    assert [url.split("?")[0] for url in where] == ["https://shop.example/buy", "https://other.example/"]
    assert Click.objects.latest("id").redirected_from == offer.pk
    assert CapCount.objects.get(span="daily").clicks == 1


def test_an_invalid_click_takes_no_room(acme: Partner, network: Network) -> None:
    offer = launched(daily_click_cap=1)

    click(acme, offer, agent="curl/8")

    assert click(acme, offer).status_code == 302


def test_offers_without_caps_are_not_counted(acme: Partner, network: Network) -> None:
    offer: Offer = launched()

    click(acme, offer)

    assert not CapCount.objects.exists()
