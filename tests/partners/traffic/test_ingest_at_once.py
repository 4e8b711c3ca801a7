"""What happens when two requests report the same conversions at the same moment: real threads, connections of their
own, and rows in orders that would make them wait for each other if anything took them as they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Barrier, Lock
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from partners.models import Partner
from partners.offers.models import Advertiser, Offer, PayoutType, Terms
from partners.postbacks.models import Delivery, Postback
from partners.traffic import changes
from partners.traffic.models import CapCount, Click, Conversion, Hold, Receipt
from portal.accounts.models import Event
from tests.conftest import SETUP
from tests.partners.traffic.arriving import launched
from tests.partners.traffic.conftest import clicked

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/v1/networks/conversions"
ROWS = 120
OVERLAP = 80
# Longer than anything here takes on a busy machine; it only ends a test that would hang.
PATIENCE = 120

Row = dict[str, Any]


def together(*actions: Callable[[], Any]) -> list[Any]:
    """Runs each action in a thread of its own, all let go in the same moment."""
    barrier = Barrier(len(actions))

    def run(action: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=PATIENCE)
            return action()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


@pytest.fixture
def send(network_call: Client) -> Callable[[list[Row]], Any]:
    header = network_call.defaults["HTTP_AUTHORIZATION"]

    def sent(rows: list[Row]) -> Any:
        # A failure inside is an answer to look at, as it would be to a client.
        client = Client(headers={"Authorization": header, "Accept": "application/json"}, raise_request_exception=False)
        return client.post(PATH, {"conversions": rows}, content_type="application/json")

    return sent


@pytest.fixture
def offers(network: object) -> list[Offer]:
    """One that is capped and holds its conversions, and one that is neither."""
    pays = Terms(PayoutType.CPA, Decimal(1))
    capped = launched("Capped", pays=pays, daily_conversion_cap=100_000, holding_period_days=3)
    return [capped, launched("Open", pays=pays)]


def reported(partners: list[Partner], offers: list[Offer]) -> list[Row]:
    """As many rows as two requests of ROWS have between them: by click and order, and by ids of the sender's own."""
    at = timezone.now() - timedelta(hours=1)
    clicks = [clicked(partner, offer, at) for partner in partners for offer in offers]
    return [
        {"transaction_id": clicks[number % len(clicks)].id.hex}
        | ({"order_id": f"A-{number}"} if number % 3 else {"conversion_id": f"{number:032x}"})
        for number in range(2 * ROWS - OVERLAP)
    ]


def ids_of(answer: Any, rows: list[Row]) -> dict[str, str]:
    """The id here of each row, by what it was reported as."""
    assert answer.status_code == 200, answer.content
    told = answer.json()["conversions"]
    return {str(row): each["conversion_id"] for row, each in zip(rows, told, strict=True)}


@pytest.mark.parametrize("attempt", range(4))
def test_two_requests_with_rows_in_common_record_each_row_once(
    send: Callable[[list[Row]], Any], acme: Partner, other_partner: Partner, offers: list[Offer], attempt: int
) -> None:
    rows = reported([acme, other_partner], offers)
    for partner in (acme, other_partner):
        Postback.add(partner=partner, url="https://track.example/?c={conversion_id}", by=SETUP)
    first, second = rows[:ROWS], list(reversed(rows[-ROWS:]))

    answers = together(lambda: send(first), lambda: send(second))

    of_first, of_second = ids_of(answers[0], first), ids_of(answers[1], second)
    common = of_first.keys() & of_second.keys()
    assert len(common) == OVERLAP
    assert {row: of_first[row] for row in common} == {row: of_second[row] for row in common}
    new = Counter(
        each["conversion_id"] for answer in answers for each in answer.json()["conversions"] if each["is_new"]
    )
    assert set(new.values()) == {1}
    assert len(new) == Conversion.objects.count() == Receipt.objects.count() == len(rows)
    assert sum(answer.json()["recorded"] for answer in answers) == len(rows)
    capped = Conversion.objects.filter(offer=offers[0])
    assert Hold.objects.count() == capped.count() == CapCount.objects.get(span="daily").conversions
    due = Conversion.objects.exclude(status="on_hold")
    assert Delivery.objects.values("conversion_id").distinct().count() == Delivery.objects.count() == due.count()
    assert Event.objects.filter(kind="conversions.reported").count() == 2


def test_many_senders_and_the_advertiser_itself_record_each_order_once(
    send: Callable[[list[Row]], Any], acme: Partner, offers: list[Offer]
) -> None:
    click = clicked(acme, offers[0], timezone.now() - timedelta(hours=1))
    token = Advertiser.objects.get().issue_token(by=SETUP)
    rows = [{"transaction_id": click.id.hex, "order_id": f"A-{number}"} for number in range(30)]

    def tell() -> Any:
        for row in reversed(rows):
            answer = Client().get("/postback", row, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 200, answer.content
        return answer

    answers = together(lambda: send(rows), lambda: send(rows[::-1]), lambda: send(rows[10:] + rows[:10]), tell)

    assert {answer.status_code for answer in answers} == {200}
    assert Conversion.objects.count() == Receipt.objects.count() == len(rows)
    assert CapCount.objects.get(span="daily").conversions == len(rows)
    assert Conversion.objects.values("order_id").distinct().count() == len(rows)


def test_what_one_request_takes_back_the_other_records(
    send: Callable[[list[Row]], Any], acme: Partner, offers: list[Offer], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = reported([acme], offers)[:ROWS]
    tell, lock = changes.tell_together, Lock()
    failed: list[bool] = []

    def fail_once(told: list[changes.Change]) -> None:
        with lock:
            is_first = not failed
            failed.append(True)
        if is_first:
            raise RuntimeError("halfway")
        tell(told)

    monkeypatch.setattr(changes, "tell_together", fail_once)
    answers = together(lambda: send(rows), lambda: send(rows[::-1]))

    assert sorted(answer.status_code for answer in answers) == [200, 500]
    assert Conversion.objects.count() == Receipt.objects.count() == len(rows)
    assert Click.objects.count() == 2
    good = next(answer for answer in answers if answer.status_code == 200)
    assert good.json()["recorded"] == len(rows)
