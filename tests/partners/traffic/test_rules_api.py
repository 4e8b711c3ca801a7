from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from keys.models import Key
from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.api.rules import BLOCK, BLOCKED, CONTROL, QUESTION
from partners.traffic.models import TrafficBlock, TrafficControl
from tests.conftest import SETUP

pytestmark = pytest.mark.django_db

Call = Callable[..., Client]
Launch = Callable[..., Offer]
BLOCKING = "/v1/affiliates/trafficblocking"
CONTROLS = "/v1/affiliates/trafficcontrols"
VARIABLES = "/v1/affiliates/blockedvariables"
JSON = "application/json"
RULE: dict[str, Any] = {
    "control_type": "blacklist",
    "variable": "source_id",
    "comparison_method": "contains",
    "values": ["coupon", "deal"],
}


@pytest.fixture
def client(acme_key: tuple[Key, str], call: Call) -> Client:
    return call(acme_key[1])


def block(partner: Partner, value: str, **said: Any) -> TrafficBlock:
    return TrafficBlock.block(partner=partner, variable="sub1", value=value, by=SETUP, **said)


def sentence(answer: Any) -> str:
    assert answer.status_code == 400, answer.content
    return str(answer.json()["error"])


def test_blocked_traffic_is_told_with_its_reason(client: Client, acme: Partner, offer: Offer) -> None:
    everywhere = block(acme, "bots", reason="Robots")
    here = block(acme, "popunder", offer=offer)
    lifted = block(acme, "old")
    lifted.lift(by=SETUP)

    answer = client.get(BLOCKING).json()

    assert [row["value"] for row in answer["traffic_blocking"]] == ["popunder", "bots"]
    assert answer["paging"] == {"page": 1, "page_size": 50, "total_count": 2}
    assert answer["traffic_blocking"][1] == {
        "network_offer_id": 0,
        "traffic_blocking_status": "active",
        "variable": "sub1",
        "value": "bots",
        "reason": "Robots",
        "time_created": int(everywhere.blocked_at.timestamp()),
        "time_saved": int(everywhere.blocked_at.timestamp()),
        "relationship": {
            "variables": {
                "total": 1,
                "entries": [{"comparison_method": "exact", "variable": "sub1", "variable_value": "bots"}],
            }
        },
    }
    assert set(answer["traffic_blocking"][0]) == set(BLOCK)
    for query, values in {
        f"network_offer_id={here.offer_id}": ["popunder"],
        "network_offer_id=0": ["bots"],
        "traffic_blocking_status=inactive": ["old"],
        "traffic_blocking_status=active&page_size=1&page=2": ["bots"],
    }.items():
        found = client.get(f"{BLOCKING}?{query}").json()["traffic_blocking"]
        assert [row["value"] for row in found] == values


def test_controls_are_told_to_those_they_concern(
    client: Client, acme: Partner, other_partner: Partner, offer: Offer
) -> None:
    for_all = TrafficControl.add(by=SETUP, name="No coupons", **RULE)
    mine = TrafficControl.add(by=SETUP, name="Only mine", partners=[acme, other_partner], offer=offer, **RULE)
    mine.pause(by=SETUP)
    theirs = TrafficControl.add(by=SETUP, name="Not mine", partners=[other_partner], **RULE)

    listed = client.get(CONTROLS).json()

    assert [row["name"] for row in listed["traffic_controls"]] == ["No coupons", "Only mine"]
    assert listed["total_count"] == 2
    assert listed["traffic_controls"][1] == {
        "network_traffic_control_id": mine.pk,
        "name": "Only mine",
        "status": "inactive",
        "control_type": "blacklist",
        "variable": "source_id",
        "variables": ["source_id"],
        "comparison_method": "contains",
        "values": ["coupon", "deal"],
        "is_apply_all_affiliates": False,
        "is_apply_all_offers": False,
        "date_valid_from": "",
        "date_valid_to": "",
        "time_created": int(mine.created_at.timestamp()),
        "time_saved": int(mine.updated_at.timestamp()),
        "relationship": {
            "offers": {
                "total": 1,
                "entries": [{"network_offer_id": offer.pk, "name": "Summer Shoes", "offer_status": "active"}],
            }
        },
    }
    assert set(listed["traffic_controls"][0]) == set(CONTROL)
    assert client.get(f"{CONTROLS}/{for_all.pk}").json() == listed["traffic_controls"][0]
    assert [row["name"] for row in client.get(f"{CONTROLS}?status=active").json()["traffic_controls"]] == ["No coupons"]
    assert client.get(f"{CONTROLS}/{theirs.pk}").status_code == 404


def test_a_control_over_an_offer_that_is_hidden_is_hidden_with_it(
    client: Client, acme: Partner, launch: Launch
) -> None:
    secret = launch("Secret", visibility="private")
    control = TrafficControl.add(by=SETUP, name="Hush", offer=secret, **RULE)
    assert client.get(CONTROLS).json()["total_count"] == 0
    assert client.get(f"{CONTROLS}/{control.pk}").status_code == 404

    secret.admit(partner=acme, by=SETUP)

    assert client.get(f"{CONTROLS}/{control.pk}").json()["name"] == "Hush"


def test_what_is_blocked_on_an_offer_is_found_for_now_and_for_a_time(
    client: Client, acme: Partner, other_partner: Partner, offer: Offer, launch: Launch
) -> None:
    past = block(acme, "past", offer=offer)
    may = datetime(2026, 5, 10, 12, tzinfo=UTC)
    TrafficBlock.objects.filter(pk=past.pk).update(blocked_at=may, lifted_at=may + timedelta(days=1), lifted_by="tests")
    standing = block(acme, "standing")
    block(acme, "elsewhere", offer=launch())
    block(other_partner, "theirs", offer=offer)

    def found(**body: Any) -> list[str]:
        answer = client.post(VARIABLES, {"network_offer_id": offer.pk, **body}, content_type=JSON)
        assert answer.status_code == 200, answer.content
        assert all(set(row) == set(BLOCKED) for row in answer.json()["blocked_variables"])
        return [row["value"] for row in answer.json()["blocked_variables"]]

    assert found() == ["standing"]
    assert found(**{"from": "2026-05-01", "to": "2026-05-31", "timezone_id": 67}) == ["past"]
    assert found(**{"from": "2026-05-11 12:00:00", "to": "2026-05-31", "timezone_id": 67}) == []
    day = f"{standing.blocked_at:%Y-%m-%d}"
    assert found(**{"from": day, "to": day, "timezone_id": 67}) == ["standing"]
    assert client.post(VARIABLES, QUESTION, content_type=JSON).status_code == 200


def test_another_partners_blocks_are_not_told(client: Client, other_partner: Partner) -> None:
    block(other_partner, "theirs")

    assert client.get(BLOCKING).json()["total_count"] == 0
    assert client.get(f"{BLOCKING}?traffic_blocking_status=inactive").json()["total_count"] == 0


@pytest.mark.parametrize("url", [BLOCKING, CONTROLS])
def test_the_same_number_of_queries_tells_one_rule_and_twenty(
    client: Client, acme: Partner, launch: Launch, url: str
) -> None:
    def rules(count: int) -> None:
        for number in range(count):
            offer = launch(f"Offer {number} of {count}")
            block(acme, f"{number}", offer=offer)
            TrafficControl.add(by=SETUP, name="Rule", offer=offer, **RULE)

    rules(1)
    with CaptureQueriesContext(connection) as for_one:
        assert client.get(url).json()["total_count"] == 1
    rules(19)

    with CaptureQueriesContext(connection) as for_twenty:
        assert client.get(url).json()["total_count"] == 20

    assert len(for_twenty) == len(for_one)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"{BLOCKING}?colour=red", "colour: there is no such parameter"),
        (f"{BLOCKING}?network_offer_id=shoes", "network_offer_id: shoes is not a number"),
        (f"{BLOCKING}?traffic_blocking_status=lost", "traffic_blocking_status: lost"),
        (f"{CONTROLS}?status=lost", "status: lost is not one of active, inactive"),
        (f"{CONTROLS}?name=x", "name: there is no such parameter"),
    ],
)
def test_a_filter_of_rules_that_is_not_there_is_refused_by_its_name(client: Client, url: str, said: str) -> None:
    assert said in sentence(client.get(url))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "network_offer_id"),
        ({"network_offer_id": -1}, "network_offer_id"),
        ({"network_offer_id": 10**30}, "network_offer_id"),
        ({"network_offer_id": 1, "from": "2026-05-01"}, "to: it goes with from"),
        ({"network_offer_id": 1, "to": "2026-05-01"}, "from: it goes with to"),
        ({"network_offer_id": 1, "from": "2026-05-02", "to": "2026-05-01"}, "is before from"),
        ({"network_offer_id": 1, "colour": "red"}, "colour"),
    ],
)
def test_a_search_of_blocked_variables_that_cannot_be_is_refused_by_its_name(
    client: Client, body: dict[str, Any], said: str
) -> None:
    assert said in sentence(client.post(VARIABLES, body, content_type=JSON))
