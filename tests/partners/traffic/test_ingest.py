from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from partners.models import Partner
from partners.offers.models import Offer, PayoutType, Revenue, RevenueType, Terms
from partners.traffic import changes
from partners.traffic.models import Click, Conversion, Hold, Report, Source
from portal.accounts.models import Event
from tests.conftest import SETUP
from tests.partners.conftest import Launch
from tests.partners.traffic.conftest import clicked

PATH = "/v1/networks/conversions"


@pytest.fixture
def shoes(launch: Launch) -> Offer:
    earns = Revenue(RevenueType.RPA, Decimal(12))
    offer = launch("Summer Shoes", pays=Terms(PayoutType.CPA_CPS, Decimal(4), Decimal(10)), earns=earns)
    offer.pay(Terms(PayoutType.CPA, Decimal(1)), event_name="review", by=SETUP)
    return offer


@pytest.fixture
def click(acme: Partner, shoes: Offer) -> Click:
    return clicked(acme, shoes, timezone.now() - timedelta(hours=1), sub1="mail")


def send(client: Client, *rows: Any) -> Any:
    return client.post(PATH, {"conversions": list(rows)}, content_type="application/json")


def test_what_is_reported_together_is_what_each_report_alone_would_be(
    network_call: Client, acme: Partner, shoes: Offer, click: Click
) -> None:
    shoes.pay_partner(acme, Terms(PayoutType.CPA_CPS, Decimal(5), Decimal(10)), by=SETUP)
    other = clicked(acme, shoes, timezone.now() - timedelta(hours=1), sub1="mail")
    report = Report(order_id="A-1", sale_amount=Decimal(50), adv={"adv1": "x"})
    alone, _ = Conversion.record(source=Source.of_visit(other), report=report, by=SETUP)
    row = {"transaction_id": click.id.hex, "order_id": "A-1", "sale_amount": 50, "adv1": "x"}

    answer = send(network_call, row).json()

    made = Conversion.objects.get(id=answer["conversions"][0]["conversion_id"])
    own = {"pk", "id", "at", "transaction_id", "clicked_at", "updated_at"}
    for field in Conversion._meta.concrete_fields:
        if field.name not in own:
            assert getattr(made, field.attname) == getattr(alone, field.attname), field.name
    assert (made.payout, made.revenue, made.sub1) == (Decimal(10), Decimal(12), "mail")
    assert made.transaction_id == click.id


def test_a_report_that_is_repeated_is_recorded_once(network_call: Client, click: Click) -> None:
    row = {"transaction_id": click.id.hex, "order_id": "A-1", "sale_amount": "49.90"}

    first = send(network_call, row, row).json()
    second = send(network_call, row, {**row, "order_id": "A-2"}).json()

    assert (first["received"], first["recorded"], first["repeated"]) == (2, 1, 1)
    assert [each["is_new"] for each in first["conversions"]] == [True, False]
    assert [each["is_new"] for each in second["conversions"]] == [False, True]
    assert second["conversions"][0]["conversion_id"] == first["conversions"][0]["conversion_id"]
    assert Conversion.objects.count() == 2


def test_what_an_advertiser_has_reported_is_not_counted_again(network_call: Client, click: Click) -> None:
    report = Report(order_id="A-1", sale_amount=Decimal(50))
    recorded, _ = Conversion.record(source=Source.of_visit(click), report=report, by=SETUP)

    answer = send(network_call, {"transaction_id": click.id.hex, "order_id": "A-1"}).json()

    assert answer["conversions"][0]["conversion_id"] == recorded.id.hex
    assert answer["recorded"] == 0


def test_an_id_of_the_senders_own_makes_a_report_known_again(network_call: Client, click: Click) -> None:
    own = "0f" * 16
    row = {"transaction_id": click.id.hex, "conversion_id": own}

    first = send(network_call, row).json()["conversions"][0]
    again = send(network_call, {**row, "conversion_id": own.upper()}).json()["conversions"][0]
    by_ours = send(network_call, {**row, "conversion_id": first["conversion_id"]}).json()["conversions"][0]

    assert {first["conversion_id"], again["conversion_id"], by_ours["conversion_id"]} == {first["conversion_id"]}
    assert [first["is_new"], again["is_new"], by_ours["is_new"]] == [True, False, False]


def test_a_row_that_is_wrong_stops_all_and_every_one_is_named(network_call: Client, click: Click) -> None:
    good = {"transaction_id": click.id.hex, "order_id": "A-1"}

    answer = send(network_call, good, {"transaction_id": "0" * 32}, {**good, "event": "dance"}, {})

    assert answer.status_code == 400
    assert answer.json()["rows"] == [
        {"index": 1, "field": "transaction_id", "error": "there is no such click or impression"},
        {
            "index": 2,
            "field": "event",
            "error": f"offer {click.offer_id} has no event dance; its events are: review",
        },
        {
            "index": 3,
            "field": "transaction_id",
            "error": "it is missing, and so is a coupon_code that would do in its place",
        },
    ]
    assert answer.json()["error"].startswith("conversions.1.transaction_id: there is no such click")
    assert not Conversion.objects.exists()
    assert not Event.objects.filter(kind="conversions.reported").exists()


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"sale_amount": -1}, "sale_amount"),
        ({"sale_amount": "much"}, "sale_amount"),
        ({"transaction_id": "abc"}, "transaction_id"),
        ({"status": "on_hold"}, "status"),
        ({"conversion_user_ip": "home"}, "conversion_user_ip"),
        ({"order_id": "x" * 121}, "order_id"),
        ({"colour": "red"}, "colour"),
        ("a text", "row"),
    ],
)
def test_what_cannot_be_read_is_named(network_call: Client, click: Click, row: Any, field: str) -> None:
    good = {"transaction_id": click.id.hex, "order_id": "A-1"}

    answer = send(network_call, good, {**good, **row} if isinstance(row, dict) else row)

    assert answer.status_code == 400
    assert [(each["index"], each["field"]) for each in answer.json()["rows"]] == [(1, field)]
    assert not Conversion.objects.exists()


def test_there_is_something_to_report_and_not_too_much(network_call: Client) -> None:
    none, many = send(network_call), send(network_call, *([{}] * 10_001))

    assert (none.status_code, many.status_code) == (400, 400)
    assert "conversions" in none.json()["error"] and "conversions" in many.json()["error"]


def test_a_coupon_alone_says_whose_sale_it_is(network_call: Client, acme: Partner, shoes: Offer) -> None:
    shoes.add_coupon(code="ACME10", partner=acme, by=SETUP)

    refused = send(network_call, {"coupon_code": "acme10"})
    answer = send(network_call, {"coupon_code": "acme10", "order_id": "A-1"}).json()

    assert refused.json()["rows"][0]["field"] == "order_id"
    assert Conversion.objects.get().partner_id == acme.pk
    assert answer["recorded"] == 1


def test_caps_count_the_rows_one_after_the_other(network_call: Client, shoes: Offer, click: Click) -> None:
    shoes.change(daily_conversion_cap=2, by=SETUP)

    answer = send(network_call, *({"transaction_id": click.id.hex, "order_id": str(n)} for n in range(3))).json()

    assert [each["status"] for each in answer["conversions"]] == ["approved", "approved", "invalid"]
    assert "conversion cap" in answer["conversions"][2]["error_message"]


def test_holds_and_listeners_learn_of_each(network_call: Client, shoes: Offer, click: Click) -> None:
    shoes.change(holding_period_days=7, by=SETUP)
    heard: list[changes.Change] = []
    changes.listen(heard.append)

    try:
        send(network_call, *({"transaction_id": click.id.hex, "order_id": str(n)} for n in range(3)))
    finally:
        changes.forget(heard.append)

    assert Hold.objects.open().count() == 3
    assert [(each.conversion.status, each.is_new) for each in heard] == [("on_hold", True)] * 3
    assert {each.conversion.partner.name for each in heard} == {"Acme Media"}


def test_the_history_says_that_conversions_were_reported(network_call: Client, click: Click) -> None:
    send(network_call, {"transaction_id": click.id.hex, "order_id": "A-1"})

    event = Event.objects.get(kind="conversions.reported")
    assert event.details == {"received": 1, "recorded": 1}
    assert event.actor_label.startswith("Network key …")


def test_a_thousand_rows_take_as_many_statements_as_ten(
    network_call: Client, acme: Partner, shoes: Offer, click: Click
) -> None:
    def statements(rows: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            answer = send(
                network_call, *({"transaction_id": click.id.hex, "order_id": f"{rows}-{n}"} for n in range(rows))
            )
        assert answer.json()["recorded"] == rows
        return len(captured)

    statements(1)

    assert statements(1000) == statements(10)


def test_a_body_may_be_larger_here_than_elsewhere_but_not_endless(network_call: Client, click: Click) -> None:
    row = {"transaction_id": click.id.hex, "order_id": "A-1", "adv1": "x" * 400}
    large = json.dumps({"conversions": [row] * 3000})
    endless = json.dumps({"conversions": [row] * 20_000})

    taken = network_call.post(PATH, large, content_type="application/json")
    refused = network_call.post(PATH, endless, content_type="application/json")
    elsewhere = network_call.post("/v1/networks/reporting/clicks", large, content_type="application/json")

    assert (taken.status_code, refused.status_code, elsewhere.status_code) == (200, 413, 413)
    assert "at most 8 MB" in refused.json()["error"]


def test_deciding_over_a_conversion_uses_the_verbs_of_the_pages(network_call: Client, click: Click) -> None:
    made, _ = Conversion.record(source=Source.of_visit(click), report=Report(order_id="A-1"), by=SETUP)
    path = f"/v1/networks/reporting/conversions/{made.id.hex}"

    def put(**body: Any) -> Any:
        return network_call.put(path, body, content_type="application/json")

    rejected = put(status="rejected", reason="Returned.", notes="RMA 77").json()
    same = put(status="rejected")
    approved = put(status="approved").json()

    assert (rejected["status"], rejected["error_message"], rejected["notes"]) == ("rejected", "Returned.", "RMA 77")
    assert same.status_code == 200
    assert (approved["status"], approved["error_message"], approved["notes"]) == ("approved", "", "RMA 77")
    kinds = Event.objects.filter(kind__startswith="conversion.").order_by("pk").values_list("kind", "actor_key_id")
    assert [kind for kind, _ in kinds] == ["conversion.rejected", "conversion.noted", "conversion.approved"]
    assert all(key_id for _, key_id in kinds)


def test_approving_what_is_on_hold_releases_it(network_call: Client, shoes: Offer, click: Click) -> None:
    shoes.change(holding_period_days=7, by=SETUP)
    made, _ = Conversion.record(source=Source.of_visit(click), report=Report(order_id="A-1"), by=SETUP)

    answer = network_call.put(
        f"/v1/networks/reporting/conversions/{made.id.hex}", {"status": "approved"}, content_type="application/json"
    )

    assert answer.json()["status"] == "approved"
    assert Hold.objects.get().outcome == "released"


@pytest.mark.parametrize(
    ("body", "named"),
    [({"status": "pending"}, "status"), ({"reason": "x"}, "reason"), ({"notes": "x" * 501}, "notes"), ({"x": 1}, "x")],
)
def test_what_cannot_be_decided_is_named(network_call: Client, click: Click, body: dict[str, Any], named: str) -> None:
    made, _ = Conversion.record(source=Source.of_visit(click), report=Report(order_id="A-1"), by=SETUP)
    path = f"/v1/networks/reporting/conversions/{made.id.hex}"

    answer = network_call.put(path, body, content_type="application/json")
    missing = network_call.put(path.replace(made.id.hex, "0" * 32), {}, content_type="application/json")

    assert answer.status_code == 400
    assert answer.json()["error"].startswith(named)
    assert missing.status_code == 404
