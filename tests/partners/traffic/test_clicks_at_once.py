from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from django.db import connection

from partners.models import Partner
from partners.offers.models import Offer, PayoutType, Terms
from partners.traffic.arrivals import clicks
from partners.traffic.arrivals.writing import Row
from partners.traffic.models import CapCount, Click, Refusal, Visitor
from portal.web.combining import Combiner
from tests.partners.traffic.arriving import click, launched

pytestmark = pytest.mark.django_db(transaction=True)
Result = TypeVar("Result")
THREADS = 8


def at_once(do: Callable[[int], Result], times: int, threads: int = THREADS) -> list[Result]:
    def in_a_thread(number: int) -> Result:
        try:
            return do(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(in_a_thread, range(times)))


@pytest.fixture(params=["together", "one by one"])
def batches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clicks of one process settle in batches; those of several processes meet in the database alone."""
    if request.param == "one by one":
        monkeypatch.setattr(clicks, "record", lambda arrival: clicks.record_together([arrival])[0])
    else:
        monkeypatch.setattr(clicks, "record", Combiner(clicks.record_together, by_an_item=clicks.OF_ONE_CLICK))


def address(number: int) -> str:
    return f"203.0.{number // 250}.{number % 250 + 1}"


@pytest.mark.usefixtures("network", "batches")
def test_of_the_same_visitors_clicks_at_once_one_is_unique(acme: Partner) -> None:
    offer = launched()

    statuses = at_once(lambda number: click(acme, offer, REMOTE_ADDR=address(number % 5)).status_code, 60)

    assert set(statuses) == {302}
    assert Counter(Click.objects.values_list("is_unique", flat=True)) == {True: 5, False: 55}
    assert Visitor.objects.count() == 5


@pytest.mark.usefixtures("network", "batches")
def test_a_click_cap_lets_exactly_as_many_through_at_once(acme: Partner) -> None:
    offer, other = launched(daily_click_cap=20, weekly_click_cap=25), launched("Other")

    def one(number: int) -> Any:
        return click(acme, (offer, other)[number % 2], REMOTE_ADDR=address(number)).status_code

    statuses = at_once(one, 80)

    assert Counter(statuses) == {302: 60, 403: 20}
    assert Click.objects.filter(offer=offer, error_code=Refusal.CLICK_CAP_REACHED).count() == 20
    assert set(CapCount.objects.values_list("clicks", flat=True)) == {20}


@pytest.mark.usefixtures("network", "batches")
def test_a_payout_cap_is_used_up_at_once_and_never_exceeded(acme: Partner) -> None:
    offer = launched(pays=Terms(PayoutType.CPC, Decimal("0.3")), daily_payout_cap=Decimal(2))

    at_once(lambda number: click(acme, offer, REMOTE_ADDR=address(number % 10)), 60)

    paid = Click.objects.filter(payout__gt=0)
    assert (paid.count(), CapCount.objects.get(span="daily").payout) == (6, Decimal("1.8"))
    assert paid.count() == Visitor.objects.count()
    assert Click.objects.count() == 60


@pytest.mark.usefixtures("network", "batches")
def test_clicks_on_many_capped_offers_at_once_do_not_stop_each_other(acme: Partner, other_partner: Partner) -> None:
    second = launched("Second", daily_click_cap=10_000)
    first = launched("First", daily_click_cap=30, redirect_offer=second)
    third = launched("Third", daily_click_cap=30, redirect_offer=first)

    def one(number: int) -> Any:
        partner, offer = (acme, other_partner)[number % 2], (first, second, third)[number % 3]
        return click(partner, offer, REMOTE_ADDR=address(number % 7)).status_code

    statuses = at_once(one, 150)

    assert set(statuses) <= {302, 403}
    assert Click.objects.count() == 150
    counted = {count.offer_id: count.clicks for count in CapCount.objects.filter(span="daily")}
    valid = Counter(Click.objects.valid().values_list("offer_id", flat=True))
    assert counted == dict(valid)
    assert counted[first.pk] == 30


@pytest.mark.usefixtures("network")
def test_a_click_that_cannot_be_stored_does_not_stop_those_beside_it(
    acme: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer: Offer = launched()
    sound = clicks.Decided.row.fget  # type: ignore[attr-defined]

    def spoiled(self: clicks.Decided) -> Row:
        row: Row = sound(self)
        return row | {"at": "nonsense"} if self.arrival.said.get("sub1") == "spoil" else row

    monkeypatch.setattr(clicks.Decided, "row", property(spoiled))

    statuses = at_once(lambda number: click(acme, offer, {"sub1": "spoil" if number == 7 else ""}).status_code, 40)

    assert Counter(statuses) == {302: 39, 503: 1}
    assert Click.objects.count() == 39
    assert Counter(Click.objects.values_list("is_unique", flat=True)) == {True: 1, False: 38}
