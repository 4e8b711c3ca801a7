from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apilog.models import LoggedCall
from keys.models import Key
from partners.billing.models import Payment
from partners.models import Partner
from partners.postbacks.models import Postback
from partners.traffic.models import TrafficControl
from portal.accounts.models import Event
from tests.conftest import SETUP
from tests.partners.billing.conftest import item, month

BASE = "/v1/networks"
URL = "https://track.acme.example/in?tid={transaction_id}"


@pytest.fixture
def postbacks(acme: Partner, other_partner: Partner) -> list[Postback]:
    return [Postback.add(partner=partner, by=SETUP, url=URL) for partner in (acme, other_partner)]


def search(client: Client, *filters: tuple[str, Any]) -> Any:
    asked = [{"resource_type": name, "filter_id_value": value} for name, value in filters]
    return client.post(f"{BASE}/pixelstable", {"query": {"filters": asked}}, content_type="application/json")


def test_every_partners_postbacks_are_listed_and_searched(
    network_call: Client, acme: Partner, postbacks: list[Postback]
) -> None:
    everybodys = network_call.get(f"{BASE}/pixels").json()
    own = network_call.get(f"{BASE}/pixels?network_affiliate_id={acme.pk}&pixel_status=active").json()
    found = search(network_call, ("network_affiliate_id", acme.pk)).json()

    assert [each["network_pixel_id"] for each in everybodys["pixels"]] == [each.pk for each in postbacks]
    assert [each["network_affiliate_id"] for each in own["pixels"]] == [acme.pk]
    assert found["pixels"] == own["pixels"]


def test_a_postback_is_removed_with_the_event_of_the_pages(network_call: Client, postbacks: list[Postback]) -> None:
    path = f"{BASE}/pixels/{postbacks[0].pk}"

    first, second = network_call.delete(path), network_call.delete(path)

    assert (first.status_code, second.status_code) == (200, 404)
    event = Event.objects.get(kind="postback.removed")
    assert event.partner_label == "Acme Media"
    assert event.actor_label.startswith("Network key …")


def test_every_partners_invoices_are_listed_and_filtered(
    network_call: Client, acme: Partner, other_partner: Partner
) -> None:
    for partner, amount in ((acme, "100.00"), (other_partner, "40.00")):
        from_traffic = [item(amount)]
        partner.invoices.model.raise_for(partner, period=month(1), currency="USD", items=from_traffic, by=SETUP)

    def listed(query: str = "") -> set[int]:
        answer = network_call.get(f"{BASE}/billings/affiliates/invoices{query}")
        assert answer.status_code == 200, answer.json()
        return {each["network_affiliate_id"] for each in answer.json()["invoices"]}

    assert not Payment.objects.exists()
    assert listed() == {acme.pk, other_partner.pk}
    assert listed(f"?network_affiliate_id={acme.pk}") == {acme.pk}
    assert listed("?min_balance=50&affiliate_invoice_status=unpaid") == {acme.pk}
    assert listed("?min_start_time=2026-02-01") == set()


def test_source_controls_are_listed_with_the_partners_they_are_for(network_call: Client, acme: Partner) -> None:
    control = TrafficControl.add(
        name="Sources",
        control_type="blacklist",
        variable="sub3",
        comparison_method="exact",
        values=["x"],
        partners=[acme],
        by=SETUP,
    )

    answer = network_call.get(f"{BASE}/trafficcontrols?status=active").json()

    (found,) = answer["traffic_controls"]
    assert found["network_traffic_control_id"] == control.pk
    assert found["is_apply_all_affiliates"] is False
    assert [each["name"] for each in found["relationship"]["affiliates"]["entries"]] == ["Acme Media"]


def test_the_log_is_read_by_pages_that_stay_where_they_are(
    network_call: Client, acme_key: tuple[Key, str], call: Callable[..., Client]
) -> None:
    client = call(acme_key[1])
    made = [client.get("/v1/affiliates/affiliate")["X-Request-ID"] for _ in range(55)]

    first = network_call.get(f"{BASE}/apilog?realm=affiliate").json()
    client.get("/v1/affiliates/affiliate")
    second = network_call.get(f"{BASE}/apilog?realm=affiliate&before={first['older']}").json()

    assert len(first["calls"]) == 50
    assert [each["request_id"] for each in first["calls"] + second["calls"]] == made[::-1]
    assert second["older"] == ""
    row = first["calls"][0]
    assert (row["affiliate_name"], row["label"], row["outcome"]) == ("Acme Media", "Reporting", "ok")
    assert row["api_key"] == acme_key[0].hint


def test_the_log_is_filtered_as_on_its_page(
    network_call: Client, acme_key: tuple[Key, str], call: Callable[..., Client]
) -> None:
    call(acme_key[1]).get("/v1/affiliates/affiliate")
    refused = call(acme_key[1]).get("/v1/networks/affiliates")

    def listed(query: str) -> list[int]:
        return [each["status"] for each in network_call.get(f"{BASE}/apilog?{query}").json()["calls"]]

    assert listed("partner=Acme&status=4xx") == [403]
    assert listed("outcome=wrong_realm") == [403]
    assert listed(f"request_id={refused['X-Request-ID']}") == [403]
    assert listed("ip=203.0.113.0/24") == []
    assert LoggedCall.objects.filter(action="list_logged_calls").count() == 4


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("pixels?colour=red", "colour"),
        ("pixels?network_affiliate_id=x", "network_affiliate_id"),
        ("pixels?pixel_status=gone", "pixel_status"),
        ("billings/affiliates/invoices?affiliate_invoice_status=lost", "affiliate_invoice_status"),
        ("billings/affiliates/invoices?min_balance=much", "min_balance"),
        ("billings/affiliates/invoices?network_affiliate_id=x", "network_affiliate_id"),
        ("billings/affiliates/invoices?colour=red", "colour"),
        ("trafficcontrols?status=gone", "status"),
        ("trafficcontrols?colour=red", "colour"),
        ("apilog?colour=red", "colour"),
        ("apilog?status=abc", "status"),
        ("apilog?action=%00", "action"),
        ("apilog?from=0001-01-01+00:00:00", "from"),
        ("apilog?before=first", "before"),
        ("apilog?from=2026-05-02&to=2026-05-01", "to"),
    ],
)
def test_what_cannot_be_listed_by_is_named(network_call: Client, path: str, named: str) -> None:
    answer = network_call.get(f"{BASE}/{path}")

    assert answer.status_code == 400
    assert answer.json()["error"].startswith(named)


def test_what_postbacks_cannot_be_searched_by_is_named(network_call: Client) -> None:
    answer = search(network_call, ("colour", "red"))

    assert (answer.status_code, answer.json()["error"][:6]) == (400, "colour")
