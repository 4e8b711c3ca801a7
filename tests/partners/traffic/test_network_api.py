from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.models import Conversion, Hold
from tests.partners.conftest import Launch
from tests.partners.traffic.conftest import NOON, clicked, converted

MAY = {"from": "2026-05-01", "to": "2026-05-31"}
FORTNIGHT = {"from": "2026-05-01", "to": "2026-05-14"}
CONVERSIONS, EXPORT = "/v1/networks/reporting/conversions", "/v1/networks/reporting/conversions/export"
CLICKS, STREAM = "/v1/networks/reporting/clicks", "/v1/networks/reporting/clicks/stream"


@pytest.fixture
def shoes(launch: Launch) -> Offer:
    return launch("Summer Shoes")


@pytest.fixture
def sale(acme: Partner, shoes: Offer) -> Conversion:
    return converted(acme, shoes, payout=Decimal(8), revenue=Decimal(12), revenue_type="rpa", notes="checked")


def post(client: Client, path: str, **body: Any) -> Any:
    return client.post(path, body, content_type="application/json")


def test_the_network_sees_every_partners_conversions_with_both_sides_of_them(
    network_call: Client, sale: Conversion, other_partner: Partner, acme: Partner, shoes: Offer
) -> None:
    converted(other_partner, shoes)

    answer = post(network_call, CONVERSIONS, **MAY).json()

    assert {row["network_affiliate_id"] for row in answer["conversions"]} == {acme.pk, other_partner.pk}
    row = next(row for row in answer["conversions"] if row["conversion_id"] == sale.id.hex)
    assert (row["payout"], row["payout_type"], row["revenue"], row["revenue_type"]) == (8, "cpa", 12, "rpa")
    assert row["notes"] == "checked"
    assert row["relationship"] == {
        "offer": {"network_offer_id": shoes.pk, "name": "Summer Shoes", "offer_status": "active"},
        "events_count": 0,
        "affiliate": {"network_affiliate_id": acme.pk, "name": "Acme Media", "account_status": "active"},
        "advertiser": {"network_advertiser_id": shoes.advertiser_id, "name": "Tallow & Reed"},
    }


@pytest.mark.parametrize("named", ["affiliate", "advertiser"])
def test_conversions_and_clicks_are_filtered_by_who_they_concern(
    network_call: Client, sale: Conversion, other_partner: Partner, acme: Partner, shoes: Offer, named: str
) -> None:
    converted(other_partner, shoes)
    click = clicked(acme, shoes)
    number = acme.pk if named == "affiliate" else shoes.advertiser_id
    query = {"filters": [{"resource_type": named, "filter_id_value": number}]}

    found = post(network_call, CONVERSIONS, **MAY, query=query).json()
    clicks = post(network_call, CLICKS, **FORTNIGHT, query=query).json()

    assert found["total_count"] == (1 if named == "affiliate" else 2)
    assert [row["transaction_id"] for row in clicks["clicks"]] == [click.id.hex]


def test_conversions_are_put_in_order_by_what_the_network_gets(
    network_call: Client, sale: Conversion, acme: Partner, shoes: Offer
) -> None:
    more = converted(acme, shoes, payout=Decimal(1), revenue=Decimal(20))

    answer = post(network_call, f"{CONVERSIONS}?order_field=revenue&order_direction=desc", **MAY).json()

    assert [row["conversion_id"] for row in answer["conversions"]] == [more.id.hex, sale.id.hex]


def test_conversions_are_exported_with_the_names_of_both_sides(network_call: Client, sale: Conversion) -> None:
    answer = post(network_call, EXPORT, **MAY, format="csv")

    (row,) = csv.DictReader(io.StringIO(answer.getvalue().decode() if answer.streaming else answer.content.decode()))
    assert (row["conversion_id"], row["affiliate_name"], row["advertiser_name"]) == (
        sale.id.hex,
        "Acme Media",
        "Tallow & Reed",
    )
    assert (row["payout"], row["revenue"], row["notes"]) == ("8.00", "12.00", "checked")


def test_the_export_as_json_has_the_rows_of_the_search(network_call: Client, sale: Conversion) -> None:
    listed = post(network_call, CONVERSIONS, **MAY).json()["conversions"]

    answer = post(network_call, EXPORT, **MAY, format="json")

    assert json.loads(answer.getvalue() if answer.streaming else answer.content) == {"conversions": listed}


def test_a_conversion_of_any_partner_is_looked_up(network_call: Client, sale: Conversion) -> None:
    found = network_call.get(f"{CONVERSIONS}/{sale.id.hex}")
    missing = network_call.get(f"{CONVERSIONS}/{'0' * 32}")

    assert found.json()["relationship"]["affiliate"]["name"] == "Acme Media"
    assert missing.status_code == 404


def test_conversions_on_hold_are_those_of_every_partner(
    network_call: Client, acme: Partner, other_partner: Partner, shoes: Offer
) -> None:
    for partner in (acme, other_partner):
        held = converted(partner, shoes, status="on_hold")
        Hold.objects.create(partner=partner, conversion_id=held.id, until=NOON)

    answer = post(network_call, "/v1/networks/reporting/onhold", **MAY).json()

    names = {row["conversion"]["relationship"]["affiliate"]["name"] for row in answer["conversions"]}
    assert names == {"Acme Media", "Orbit Deals"}


def test_clicks_are_listed_streamed_and_looked_up_alike(
    network_call: Client, acme: Partner, other_partner: Partner, shoes: Offer
) -> None:
    click = clicked(acme, shoes, payout=Decimal("0.2"), revenue=Decimal("0.5"))
    clicked(other_partner, shoes)

    listed = post(network_call, CLICKS, **FORTNIGHT).json()["clicks"]
    streamed = post(network_call, STREAM, **FORTNIGHT)
    lines = network_call.post(
        STREAM, FORTNIGHT, content_type="application/json", headers={"Accept": "application/x-ndjson"}
    )
    one = network_call.get(f"{CLICKS}/{click.id.hex}").json()

    assert len(listed) == 2
    assert json.loads(streamed.getvalue() if streamed.streaming else streamed.content) == {"clicks": listed}
    text = (lines.getvalue() if lines.streaming else lines.content).decode()
    assert [json.loads(line) for line in text.splitlines()] == listed
    assert one in listed
    assert (one["payout"], one["revenue"], one["network_affiliate_id"]) == (0.2, 0.5, acme.pk)


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        (CONVERSIONS, {"to": "2026-05-31"}, "from"),
        (CONVERSIONS, {**MAY, "query": {"filters": [{"resource_type": "moon", "filter_id_value": 1}]}}, "moon"),
        (CONVERSIONS, {**MAY, "order_field": "notes"}, "order_field"),
        (EXPORT, {**MAY, "format": "xml"}, "format"),
        (CLICKS, MAY, "to"),
        (STREAM, {**FORTNIGHT, "timezone_id": 1}, "timezone_id"),
        ("/v1/networks/reporting/onhold", {**MAY, "on_hold_status_filter": "lost"}, "on_hold_status_filter"),
    ],
)
def test_what_cannot_be_asked_is_named(network_call: Client, path: str, body: dict[str, Any], named: str) -> None:
    answer = post(network_call, path, **body)

    assert answer.status_code == 400
    assert named in answer.json()["error"]
