from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.models import Conversion, Hold
from portal.accounts.models import User
from tests.conftest import SETUP, Browse
from tests.page import page
from tests.partners.traffic.conftest import clicked, converted

pytestmark = pytest.mark.django_db

LIST = "/my/conversions/"
ON_HOLD = "/my/conversions/on-hold/"


@pytest.fixture
def client(paul: User, browse: Browse) -> Client:
    return browse(paul)


def recent(partner: Partner, offer: Offer, *, hours: int = 1, **said: Any) -> Conversion:
    return converted(partner, offer, now() - timedelta(hours=hours), **said)


def orders(client: Client, query: str = "", url: str = LIST) -> list[str]:
    answer = client.get(f"{url}?{query}")
    assert answer.status_code == 200, page(answer).errors
    return [record["Order ID"] for record in page(answer).region("conversion-list").records]


def test_a_partner_sees_its_conversions_with_money_and_status(client: Client, acme: Partner, offer: Offer) -> None:
    recent(acme, offer, order_id="A-1", sub1="mail", sale_amount=Decimal("99.9"), payout=Decimal(1250))
    recent(acme, offer, hours=2, status="rejected", is_event=True, event_name="deposit")

    [shown] = page(client.get(LIST)).region("conversion-list").records

    assert shown["Offer"] == "Summer Shoes"
    assert (shown["Sub 1"], shown["Sale"], shown["Payout"]) == ("mail", "99.90 USD", "1,250.00 USD")
    assert shown["Status"] == "Approved"


def test_what_is_not_chosen_is_not_shown(client: Client, acme: Partner, other_partner: Partner, offer: Offer) -> None:
    recent(acme, offer, order_id="A-1", sub2="letter")
    recent(acme, offer, hours=2, order_id="A-2", status="pending")
    recent(acme, offer, hours=3, order_id="E-1", is_event=True, event_name="deposit")
    recent(acme, offer, hours=24 * 40, order_id="OLD")
    recent(other_partner, offer, order_id="THEIRS")
    today = now().date()
    old = today - timedelta(days=60)

    assert orders(client) == ["A-1", "A-2"]
    assert orders(client, "status=pending") == ["A-2"]
    assert orders(client, "shown=events") == ["E-1"]
    assert orders(client, "shown=all") == ["A-1", "A-2", "E-1"]
    assert orders(client, f"offer={offer.pk}&search=sub2&q=LETT") == ["A-1"]
    assert orders(client, "q=a-2") == ["A-2"]
    assert orders(client, f"from={old}&to={today}") == ["A-1", "A-2", "OLD"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("from=2026-05-02&to=2026-05-01", "“To” must not be before “From”"),
        ("from=2020-05-02&to=2026-05-01", "At most a year"),
        ("from=yesterday", "Enter a date such as"),
        ("status=lost", "not one of the available choices"),
        ("search=conversion_id&q=12", "12 is not an id of 32 hexadecimal digits"),
        ("offer=999999", "not one of the available choices"),
    ],
)
def test_a_filter_that_cannot_be_is_said_beside_its_field(client: Client, query: str, said: str) -> None:
    answer = client.get(f"{LIST}?{query}")

    assert answer.status_code == 422
    assert any(said in error for error in page(answer).errors)
    assert client.get(f"/my/conversions/export/csv/?{query}").status_code == 422


def test_pages_lead_to_one_another_and_back(client: Client, acme: Partner, offer: Offer) -> None:
    for number in range(51):
        recent(acme, offer, hours=number, order_id=f"A-{number}")

    first = page(client.get(LIST))
    second = page(client.get(first.links["Older"]))
    back = page(client.get(second.links["Newer"]))

    assert "Newer" not in first.links
    assert [record["Order ID"] for record in second.region("conversion-list").records] == ["A-50"]
    assert len(back.region("conversion-list").rows) == 50
    assert orders(client, "before=nonsense")[0] == "A-0"


def test_the_list_takes_the_same_number_of_queries_for_one_row_and_twenty(
    client: Client, acme: Partner, offer: Offer
) -> None:
    recent(acme, offer)
    with CaptureQueriesContext(connection) as for_one:
        assert len(orders(client)) == 1
    for _ in range(19):
        recent(acme, offer)

    with CaptureQueriesContext(connection) as for_twenty:
        assert len(orders(client)) == 20

    assert len(for_twenty) == len(for_one)


def test_what_waits_for_its_holding_period_has_a_tab_of_its_own(client: Client, acme: Partner, offer: Offer) -> None:
    waiting = recent(acme, offer, order_id="H-1", status="on_hold")
    Hold.objects.create(partner=acme, conversion_id=waiting.id, until=now() + timedelta(days=9))
    released = recent(acme, offer, hours=2, order_id="H-2", status="on_hold")
    Hold.objects.create(partner=acme, conversion_id=released.id, until=now() + timedelta(days=9))
    released.release(by=SETUP)

    assert orders(client, url=ON_HOLD) == ["H-1"]
    [shown] = page(client.get(ON_HOLD)).region("conversion-list").records
    assert shown["Approved on"] == f"{now() + timedelta(days=9):%-d %b %Y}"


@pytest.mark.parametrize("url", [LIST, ON_HOLD])
def test_an_empty_list_says_what_there_is_to_do(client: Client, url: str) -> None:
    assert "Choose other days" in page(client.get(LIST)).text
    assert "Clear the filters" in page(client.get(f"{url}?q=none")).text


def test_the_list_is_exported_as_the_api_exports_it(client: Client, acme: Partner, offer: Offer) -> None:
    recent(acme, offer, order_id="A-1")
    recent(acme, offer, order_id="A-2", status="pending")

    as_csv = client.get("/my/conversions/export/csv/?status=pending")
    as_json = client.get("/my/conversions/export/json/?status=pending")

    lines = list(csv.DictReader(io.StringIO(as_csv.getvalue().decode())))
    assert [line["order_id"] for line in lines] == ["A-2"]
    assert [row["order_id"] for row in json.loads(as_json.getvalue())["conversions"]] == ["A-2"]
    assert "attachment" in as_csv["Content-Disposition"]
    assert client.get("/my/conversions/export/xlsx/").status_code == 404


def test_the_same_question_to_the_api_finds_the_same(
    client: Client, acme: Partner, acme_key: Any, call: Any, offer: Offer
) -> None:
    recent(acme, offer, order_id="A-1", sub1="mail")
    recent(acme, offer, order_id="A-2")

    shown = page(client.get(f"{LIST}?search=sub1&q=mail&offer={offer.pk}")).region("conversions-request").text
    body = json.loads(shown.partition("--data-raw '")[2].rpartition("'")[0])
    answer = call(acme_key[1]).post("/v1/affiliates/reporting/conversions", body, content_type="application/json")

    assert [row["order_id"] for row in answer.json()["conversions"]] == ["A-1"]


def test_a_conversion_tells_its_story_in_order(client: Client, acme: Partner, offer: Offer) -> None:
    click = clicked(acme, offer, now() - timedelta(hours=5))
    facts = {"transaction_id": click.id, "clicked_at": click.at, "order_id": "A-1", "notes": "secret note", "sub3": "x"}
    conversion = recent(acme, offer, hours=4, status="pending", **facts)
    recent(acme, offer, hours=3, transaction_id=click.id, is_event=True, event_name="deposit")
    conversion.reject(by=SETUP, reason="Returned by the buyer")

    answer = page(client.get(f"/my/conversions/{conversion.id}/"))
    story = [item.get_text(" ", strip=True) for item in answer.element.select(".timeline > li")]

    assert [text.split(" 20")[0].rsplit(" ", 2)[0] for text in story] == [
        "Click",
        "Conversion reported",
        "Event “deposit”",
        "Conversion rejected",
    ]
    assert "60 min later" in story[1]
    assert "Returned by the buyer" in story[3]
    assert "tests" not in story[3]
    assert "secret note" not in answer.text
    assert conversion.id.hex in answer.text
    assert "Sub 3 x" in answer.text


def test_a_conversion_on_hold_says_when_it_will_be_approved(client: Client, acme: Partner, offer: Offer) -> None:
    conversion = recent(acme, offer, status="on_hold", coupon_code="MAY")
    Hold.objects.create(partner=acme, conversion_id=conversion.id, until=now() + timedelta(days=9))

    story = page(client.get(f"/my/conversions/{conversion.id}/")).text

    assert "Holding period ends" in story
    assert "By its coupon code MAY alone" in story


def test_a_dialog_is_opened_by_htmx_and_a_page_without(client: Client, acme: Partner, offer: Offer) -> None:
    url = f"/my/conversions/{recent(acme, offer).id}/"

    whole = client.get(url)
    dialog = client.get(url, headers={"HX-Request": "true", "HX-Target": "dialog-body"})
    region = client.get(LIST, headers={"HX-Request": "true", "HX-Target": "conversion-list"})

    assert page(whole).title and not page(dialog).title
    assert page(region).has("conversion-list") and not page(region).title


def test_another_partners_conversion_is_not_there(client: Client, other_partner: Partner, offer: Offer) -> None:
    theirs = recent(other_partner, offer)

    assert client.get(f"/my/conversions/{theirs.id}/").status_code == 404
