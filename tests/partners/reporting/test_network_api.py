from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from partners.models import Partner
from partners.offers.models import Offer
from tests.partners.conftest import Launch
from tests.partners.traffic.conftest import clicked, converted, shown

TABLE, ENTITY = "/v1/networks/reporting/entity/table", "/v1/networks/reporting/entity"
EXPORT, SUMMARY = "/v1/networks/reporting/entity/table/export", "/v1/networks/dashboard/summary"


@pytest.fixture
def shoes(launch: Launch) -> Offer:
    return launch("Summer Shoes")


@pytest.fixture
def traffic(acme: Partner, other_partner: Partner, shoes: Offer) -> None:
    clicked(acme, shoes)
    clicked(other_partner, shoes)
    shown(acme, shoes)
    converted(acme, shoes, payout=Decimal(8), revenue=Decimal(10))
    converted(other_partner, shoes, payout=Decimal(3), revenue=Decimal(4))


def ask(client: Client, path: str = TABLE, **body: Any) -> Any:
    given = {"from": "2026-05-01", "to": "2026-05-31", "columns": [{"column": "affiliate"}], **body}
    return client.post(path, given, content_type="application/json")


@pytest.mark.usefixtures("traffic")
def test_a_report_across_partners_tells_what_is_paid_and_what_is_left(
    network_call: Client, acme: Partner, other_partner: Partner
) -> None:
    answer = ask(network_call).json()

    assert [line["columns"][0] for line in answer["table"]] == [
        {"column_type": "affiliate", "id": str(acme.pk), "label": "Acme Media"},
        {"column_type": "affiliate", "id": str(other_partner.pk), "label": "Orbit Deals"},
    ]
    figures = answer["table"][0]["reporting"]
    assert {name: figures[name] for name in ("revenue", "payout", "profit", "margin", "cpc", "cpa")} == {
        "revenue": 10,
        "payout": 8,
        "profit": 2,
        "margin": 20,
        "cpc": 8,
        "cpa": 8,
    }


@pytest.mark.usefixtures("traffic")
@pytest.mark.parametrize("column", ["advertiser", "affiliate_manager", "category"])
def test_the_networks_own_columns_are_columns_and_filters(network_call: Client, shoes: Offer, column: str) -> None:
    value = {"advertiser": shoes.advertiser_id, "affiliate_manager": 0, "category": shoes.category_id}[column]
    query = {"filters": [{"resource_type": column, "filter_id_value": value}]}

    answer = ask(network_call, columns=[{"column": column}], query=query).json()

    (line,) = answer["table"]
    assert (line["columns"][0]["id"], line["reporting"]["revenue"]) == (str(value), 14)


@pytest.mark.usefixtures("traffic")
def test_the_report_with_its_summary_says_the_same_as_its_parts(network_call: Client) -> None:
    table = ask(network_call).json()

    answer = ask(network_call, ENTITY).json()

    assert answer["table"] == table["table"]
    assert (answer["summary"]["revenue"], answer["summary"]["payout"]) == (14, 11)
    assert sum(point["reporting"]["cv"] for point in answer["performance"]) == 2


@pytest.mark.usefixtures("traffic")
def test_the_report_is_exported_as_it_is_answered(network_call: Client) -> None:
    table = ask(network_call).json()["table"]

    answer = ask(network_call, EXPORT, format="json")

    assert json.loads(answer.getvalue() if answer.streaming else answer.content) == {"table": table}


def test_the_summary_has_the_networks_profit(
    network_call: Client, acme: Partner, shoes: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = datetime(2026, 5, 10, 12, 30, tzinfo=UTC)
    converted(acme, shoes, payout=Decimal(8), revenue=Decimal(10))
    monkeypatch.setattr(timezone, "now", lambda: noon)

    answer = network_call.post(SUMMARY, {"timezone_id": 67, "currency_id": "USD"}, content_type="application/json")

    found = answer.json()
    assert {name: found[name]["today"] for name in ("revenue", "payout", "profit", "margin", "conversion")} == {
        "revenue": 10,
        "payout": 8,
        "profit": 2,
        "margin": 20,
        "conversion": 1,
    }


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        (TABLE, {"columns": [{"column": "moon"}]}, "moon"),
        (ENTITY, {"from": "yesterday"}, "from"),
        (EXPORT, {"format": "xml"}, "format"),
        (SUMMARY, {"currency_id": "XXZ"}, "currency_id"),
    ],
)
def test_what_cannot_be_reported_is_named(network_call: Client, path: str, body: dict[str, Any], named: str) -> None:
    answer = (
        ask(network_call, path, **body)
        if path != SUMMARY
        else network_call.post(path, body, content_type="application/json")
    )

    assert answer.status_code == 400
    assert named in answer.json()["error"]
