from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
from pytest_django.live_server_helper import LiveServer

from partners.models import Partner
from partners.offers.models import Advertiser, Category, Offer, PayoutType, Terms
from portal.accounts.models import User
from tests.conftest import PASSWORD, SETUP

Connect = Callable[..., httpx.Client]
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site(live_server: LiveServer, settings: Any) -> str:
    settings.BASE_URL = live_server.url
    return live_server.url


@pytest.fixture
def connect() -> Iterator[Connect]:
    """``connect(base_url=…)``: an HTTP client, closed when the test ends."""
    with ExitStack() as opened:
        yield lambda **given: opened.enter_context(httpx.Client(timeout=240, trust_env=False, **given))


def sign_in(client: httpx.Client, user: User) -> httpx.Client:
    client.get("/sign-in/")
    answer = post(client, "/sign-in/", email=user.email, password=PASSWORD)
    assert answer.status_code == 302
    return client


def post(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return client.post(path, data={"csrfmiddlewaretoken": client.cookies["csrftoken"], **fields})


def test_from_a_key_to_a_sale_and_back(site: str, connect: Connect, acme: Partner, amir: User, paul: User) -> None:
    advertiser = Advertiser.sign_up(name="Shoe House", by=SETUP)
    token = advertiser.issue_token(by=SETUP)
    launched = Offer.launch(
        name="Summer Shoes",
        advertiser=advertiser,
        category=Category.add(name="Fashion", by=SETUP),
        status=Offer.Status.ACTIVE,
        visibility=Offer.Visibility.PUBLIC,
        destination_url="https://shop.example/landing?ref={transaction_id}&kw={sub1}",
        pays=Terms(PayoutType.CPA_CPS, Decimal("2.50"), Decimal(10)),
        by=SETUP,
    )

    # The manager issues a key; the partner finds it in My Account.
    manager = sign_in(connect(base_url=site), amir)
    added = post(manager, f"/partners/{acme.pk}/api/add/", label="Warehouse", submission=str(uuid4()))
    key_path = urlsplit(added.headers["Location"]).path.removesuffix("send/")
    partner = sign_in(connect(base_url=site), paul)
    shown = partner.get("/account/api/").text
    reveal = re.search(r'action="(/account/api/keys/\d+/reveal/)"', shown)
    assert reveal is not None
    revealed = partner.post(
        reveal[1], data={"csrfmiddlewaretoken": partner.cookies["csrftoken"]}, headers={"Accept": "text/plain"}
    )
    api = connect(base_url=f"{site}/v1", headers={"Authorization": f"Bearer {revealed.text}"})

    # Its script lists what it may run, and makes a link.
    (offer,) = api.get("/affiliates/offersrunnable").json()["offers"]
    assert (offer["network_offer_id"], offer["name"]) == (launched.pk, "Summer Shoes")
    made = api.get(f"/affiliates/offers/{launched.pk}/url/0", params={"sub1": "red & blue", "source_id": "mail"})
    link = made.json()["url"]

    # A visitor follows it.
    click = connect(headers={"User-Agent": FIREFOX}).get(link)
    assert click.status_code == 302
    landing = parse_qs(urlsplit(click.headers["Location"]).query)
    transaction_id = landing["ref"][0]
    assert landing["kw"] == ["red & blue"]

    # The advertiser reports what the visitor bought, twice.
    sale = {"transaction_id": transaction_id, "amount": "80.00", "order_id": "A-1001"}
    shop = connect(base_url=site, headers={"Authorization": f"Bearer {token}"})
    reported = [shop.get("/postback", params=sale).json() for _ in range(2)]
    assert reported[0] == reported[1]
    assert reported[0]["status"] == "approved"
    conversion_id = reported[0]["conversion_id"]

    # The report, the search, the look-ups and the export all say the same.
    today = datetime.now(UTC).date().isoformat()
    span = {"from": today, "to": today, "timezone_id": 67}
    question = {**span, "currency_id": "USD", "columns": [{"column": "offer"}, {"column": "sub1"}]}
    (line,) = api.post("/affiliates/reporting/entity/table", json=question).json()["table"]
    assert [cell["label"] for cell in line["columns"]] == ["Summer Shoes", "red & blue"]
    figures = {
        name: line["reporting"][name] for name in ("total_click", "unique_click", "cv", "revenue", "sale_amount")
    }
    assert figures == {"total_click": 1, "unique_click": 1, "cv": 1, "revenue": 10.5, "sale_amount": 80}

    answer = api.post("/affiliates/reporting/conversions", json={**span, "show_conversions": True})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    (conversion,) = found["conversions"]
    assert (conversion["conversion_id"], conversion["transaction_id"]) == (conversion_id, transaction_id)
    assert (conversion["revenue"], conversion["order_id"], conversion["sub1"]) == (10.5, "A-1001", "red & blue")
    assert api.get(f"/affiliates/reporting/conversions/{conversion_id}").json()["conversion_id"] == conversion_id

    looked_up = api.get(f"/affiliates/reporting/clicks/{transaction_id}").json()
    assert (looked_up["transaction_id"], looked_up["source_id"]) == (transaction_id, "mail")
    assert (looked_up["is_unique"], looked_up["error_code"]) == (1, 0)
    streamed = api.post("/affiliates/reporting/clicks/stream", json=span).json()["clicks"]
    assert [each["transaction_id"] for each in streamed] == [transaction_id]

    export = api.post("/affiliates/reporting/entity/table/export", json={**question, "format": "csv"})
    (row,) = csv.DictReader(io.StringIO(export.text))
    assert (row["offer"], row["sub1"], row["cv"], row["revenue"]) == ("Summer Shoes", "red & blue", "1", "10.50")

    # Revoked: the very next call is refused.
    assert post(manager, f"{key_path}revoke/").status_code == 303
    refused = api.get("/affiliates/affiliate")
    assert (refused.status_code, refused.json() if "json" in refused.headers["Content-Type"] else None) == (401, None)
