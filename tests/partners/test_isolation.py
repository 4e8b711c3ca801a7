"""What one partner's key reaches of another partner's: nothing, by any operation of the Affiliate API.

Every operation is taken from the OpenAPI document. One whose path has a parameter that nothing is made for here fails,
so that whoever adds it says what another partner's object of that kind is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils.timezone import now

import portal.urls  # noqa: F401
from keys.models import Key
from partners.billing.models import Invoice, Item, LineKind, Period
from partners.firehose import following
from partners.firehose.models import Firehose
from partners.models import Partner
from partners.offers.models import Offer
from partners.postbacks.models import Postback
from partners.traffic.models import Hold, TrafficBlock, TrafficControl
from portal.accounts.models import User
from portal.api import api
from portal.network.models import Network
from tests.conftest import SETUP
from tests.partners.conftest import Launch
from tests.partners.traffic.conftest import clicked, converted

pytestmark = pytest.mark.django_db

# Stands in whatever belongs to the other partner, and so in no answer to this one.
MARK = "Orbit"

DOCUMENT = json.loads(json.dumps(api.get_openapi_schema(path_prefix="/v1")))
OPERATIONS = [
    (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    if path.startswith("/v1/affiliates/")
    for method, operation in methods.items()
]


def make_user(partner: Partner, offer: Offer) -> object:
    return User.invite(email=f"{partner.pk}@partner.example", name=f"Uma of {partner}", partner=partner, by=SETUP).pk


def make_url(partner: Partner, offer: Offer) -> object:
    return offer.add_url(name=f"Sale of {partner}", destination_url="https://shop.example/sale", by=SETUP).pk


def make_feed(partner: Partner, offer: Offer) -> object:
    return offer.add_feed(name=f"Goods of {partner}", by=SETUP).pk


def make_postback(partner: Partner, offer: Offer) -> object:
    url = f"https://track.example/{partner.name.split()[0]}?tid={{transaction_id}}"
    return Postback.add(partner=partner, url=url, by=SETUP).pk


def make_invoice(partner: Partner, offer: Offer) -> object:
    lines = [Item(kind=LineKind.CONVERSIONS, offer_id=offer.pk, offer_name=offer.name, quantity=1, amount=Decimal(10))]
    period = Period.month(date(2026, 1, 1), "UTC")
    return Invoice.raise_for(partner, period=period, currency="USD", items=lines, by=SETUP).pk


def make_click(partner: Partner, offer: Offer) -> object:
    return clicked(partner, offer, sub1=str(partner)).id.hex


def make_conversion(partner: Partner, offer: Offer) -> object:
    return converted(partner, offer, sub1=str(partner)).id.hex


def make_hold(partner: Partner, offer: Offer) -> object:
    conversion = converted(partner, offer, sub1=str(partner), status="on_hold")
    return Hold.objects.create(partner=partner, conversion_id=conversion.id, until=now()).pk


def make_control(partner: Partner, offer: Offer) -> object:
    rule = {"control_type": "blacklist", "variable": "sub1", "comparison_method": "exact", "values": [str(partner)]}
    return TrafficControl.add(name=f"Rule of {partner}", partners=[partner], by=SETUP, **rule).pk


def offer_itself(partner: Partner, offer: Offer) -> object:
    return offer.pk


# What stands for each parameter of a path: a maker of one of a partner's, given an offer that is that partner's alone.
MAKERS: dict[str, Callable[[Partner, Offer], object]] = {
    "user_id": make_user,
    "offer_id": offer_itself,
    "url_id": make_url,
    "feed_id": make_feed,
    "pixel_id": make_postback,
    "invoice_id": make_invoice,
    "transaction_id": make_click,
    "conversion_id": make_conversion,
    "hold_id": make_hold,
    "control_id": make_control,
}


def parameters_of(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def body_of(operation: dict[str, Any]) -> Any:
    """The body that the document gives as an example; one that is not valid would be refused before the id is read."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if "example" in content:
        return content["example"]
    schema = content.get("schema", {})
    for choice in [schema, *schema.get("anyOf", [])]:
        name = choice.get("$ref", "").rpartition("/")[2]
        named = DOCUMENT["components"]["schemas"].get(name, choice)
        if named.get("examples"):
            return named["examples"][0]
    return {}


@pytest.fixture(autouse=True)
def flows_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of the Firehose has told what there is, and ends."""
    monkeypatch.setattr(following, "LONGEST_SECONDS", 0.0)


@pytest.fixture
def things(network: Network, acme: Partner, other_partner: Partner, launch: Launch) -> dict[Partner, dict[str, object]]:
    """One of everything for each of the two partners."""

    def everything(partner: Partner) -> dict[str, object]:
        offer = launch(f"Offer of {partner}", visibility="private")
        offer.admit(partner=partner, by=SETUP)
        offer.add_deal(name=f"Deal of {partner}", deal_type="gift", by=SETUP)
        offer.add_coupon(code=f"CODE{partner.name.split()[0]}", by=SETUP, partner=partner)
        TrafficBlock.block(partner=partner, variable="sub1", value=f"Clicks of {partner}", by=SETUP)
        Firehose.enable(partner, by=SETUP)
        return {name: make(partner, offer) for name, make in MAKERS.items()}

    return {partner: everything(partner) for partner in (acme, other_partner)}


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=[f"{m} {p}" for p, m, _ in OPERATIONS])
def test_no_operation_reaches_what_is_another_partners(
    things: dict[Partner, dict[str, object]],
    acme: Partner,
    other_partner: Partner,
    acme_key: tuple[Key, str],
    call: Callable[..., Client],
    path: str,
    method: str,
    operation: dict[str, Any],
) -> None:
    names = parameters_of(path)
    unknown = set(names) - set(MAKERS)
    assert not unknown, f"Say in MAKERS what another partner's {', '.join(unknown)} is."
    client = call(acme_key[1])

    def ask(ids: Mapping[str, object]) -> Any:
        return getattr(client, method)(path.format(**ids), body_of(operation) or None, content_type="application/json")

    theirs = [ask({**things[acme], name: things[other_partner][name]}) for name in names]
    own = ask(things[acme])

    assert [answer.status_code for answer in theirs] == [404] * len(names)
    # Or else it was for another reason that theirs were not found.
    assert own.status_code not in (401, 403, 404, 405, 429, 500, 503), own.content
    for answer in [*theirs, own]:
        assert MARK not in answer.getvalue().decode()


def test_the_makers_make_what_is_used() -> None:
    used = {name for path, _, _ in OPERATIONS for name in parameters_of(path)}

    assert set(MAKERS) <= used


def test_what_is_the_other_partners_can_be_told_in_an_answer(
    things: object, other_partner: Partner, call: Callable[..., Client]
) -> None:
    client = call(Key.issue(partner=other_partner, label="Theirs", by=SETUP)[1])

    assert MARK in client.get("/v1/affiliates/affiliate").content.decode()
    assert MARK in client.get("/v1/affiliates/alloffers").content.decode()
    assert MARK in client.get("/v1/affiliates/pixels").content.decode()
    assert MARK in client.get("/v1/affiliates/trafficblocking").content.decode()
    assert MARK in client.get("/v1/affiliates/trafficcontrols").content.decode()
    may = {"from": "2026-05-01", "to": "2026-05-14"}
    for path in ("conversions", "conversions/export", "onhold", "clicks", "clicks/stream"):
        answer = client.post(f"/v1/affiliates/reporting/{path}", may, content_type="application/json")
        assert MARK in answer.getvalue().decode()
