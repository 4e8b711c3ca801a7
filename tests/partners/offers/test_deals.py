from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from keys.models import Key
from partners.offers.models import AlreadyWithdrawn, Creative, Deal, Offer
from portal.accounts.events import EventKind
from portal.accounts.models import Event, User
from portal.web.edits import ChangedMeanwhile
from tests.conftest import SETUP, Browse
from tests.htmx import DIALOG, told
from tests.page import page
from tests.partners.conftest import Launch

pytestmark = pytest.mark.django_db

SPRING = {
    "name": "15 % off all candles",
    "deal_type": "discount",
    "brand_name": "Tallow & Reed",
    "description": "All beeswax candles.",
    "restrictions": "No gift cards.",
    "coupon_code": "SPRING15",
    "discount_percentage": "15",
    "valid_from": "2026-05-01",
    "valid_to": "2126-05-31",
}


@pytest.fixture
def client(vera: User, browse: Browse) -> Client:
    return browse(vera)


@pytest.fixture
def candles(launch: Launch) -> Offer:
    return launch("Candles", currency="EUR")


def urls_of(offer: Offer) -> tuple[str, str, str]:
    deals = f"/offers/{offer.pk}/deals/"
    return f"{deals}add/", f"{deals}{offer.deals.get().pk}/", f"{deals}{offer.deals.get().pk}/withdraw/"


def fields_of(client: Client, url: str) -> dict[str, Any]:
    return page(client.get(url)).form(url).fields


def rows_of(client: Client, offer: Offer) -> list[dict[str, str]]:
    return [row for row in page(client.get(f"/offers/{offer.pk}/")).records if "Deal" in row]


def test_a_deal_is_added_and_partners_are_told_of_it_at_once(
    client: Client, candles: Offer, acme_key: tuple[Key, str], call: Callable[..., Client], paul: User, browse: Browse
) -> None:
    add = f"/offers/{candles.pk}/deals/add/"

    answer = client.post(add, {**fields_of(client, add), **SPRING}, headers=DIALOG)

    assert answer.status_code == 204
    assert told(answer)["offer:changed"] and told(answer)["dialog:close"]
    deal = candles.deals.get()
    assert (deal.discount_percentage, deal.discount_amount, deal.discount_currency) == (Decimal(15), Decimal(0), "")
    assert (deal.valid_from, deal.valid_to) == (date(2026, 5, 1), date(2126, 5, 31))
    [row] = rows_of(client, candles)
    assert row["Deal"] == "15 % off all candles Discount · Tallow & Reed · SPRING15"
    assert (row["Customers save"], row["Days"]) == ("15% off", "1 May 2026 to 31 May 2126")
    [by_api] = call(acme_key[1]).get(f"/v1/affiliates/offers/{candles.pk}/deals").json()["deals"]
    assert (by_api["network_advertiser_deal_id"], by_api["deal_status"]) == (deal.pk, "active")
    assert by_api["restrictions"] == "No gift cards."
    assert "15 % off all candles" in page(browse(paul).get(f"/my/offers/{candles.pk}/")).text
    event = Event.objects.get(kind=EventKind.DEAL_ADDED)
    assert (event.actor_label, event.subject_label, event.details) == ("Vera", deal.name, {"offer": "Candles"})


def test_money_off_is_in_the_offers_currency(client: Client, candles: Offer) -> None:
    add = f"/offers/{candles.pk}/deals/add/"
    form = page(client.get(add))

    client.post(add, {**form.form(add).fields, **SPRING, "discount_percentage": "", "discount_amount": "2.5"})

    assert "EUR off" in form.text
    deal = candles.deals.get()
    assert (deal.discount_amount, deal.discount_currency, deal.discount_told) == (Decimal("2.5"), "EUR", "2.50 EUR off")


@pytest.mark.parametrize(
    ("said", "field", "sentence"),
    [
        ({"name": ""}, "Name", "This field is required"),
        ({"deal_type": "raffle"}, "What it is", "Select a valid choice"),
        ({"discount_percentage": "101"}, "Percent off", "Ensure this value is less than or equal to 100"),
        ({"discount_amount": "-1"}, "EUR off", "Ensure this value is greater than or equal to 0"),
        ({"valid_to": "2026-04-30"}, "Last day", "The last day must not be before the first"),
    ],
)
def test_a_deal_that_cannot_be_is_refused_with_a_sentence(
    client: Client, candles: Offer, said: dict[str, str], field: str, sentence: str
) -> None:
    add = f"/offers/{candles.pk}/deals/add/"

    answer = client.post(add, {**fields_of(client, add), **SPRING, **said}, headers=DIALOG)

    assert answer.status_code == 422
    assert any(error.startswith(f"Nothing was saved yet {field} : {sentence}") for error in page(answer).errors)
    assert page(answer).form(add).fields["brand_name"] == "Tallow & Reed"
    assert not Deal.objects.exists()


def test_a_deal_that_is_sent_twice_is_one_deal(client: Client, candles: Offer) -> None:
    add = f"/offers/{candles.pk}/deals/add/"
    form = {**fields_of(client, add), **SPRING}

    for _ in range(2):
        again = client.post(add, form, follow=True)

    assert "This form added 15 % off all candles before, so there is one" in page(again).text
    assert Deal.objects.count() == Event.objects.filter(kind=EventKind.DEAL_ADDED).count() == 1


def test_a_deal_is_changed_with_what_it_was_in_the_event(client: Client, candles: Offer) -> None:
    candles.add_deal(name="Spring", deal_type="discount", discount_percentage=15, by=SETUP)
    _, url, _ = urls_of(candles)
    fields = fields_of(client, url)
    assert (fields["discount_percentage"], fields["discount_amount"]) == ("15", "")

    answer = client.post(url, {**fields, "discount_percentage": "", "discount_amount": "20"}, headers=DIALOG)

    assert answer.status_code == 204 and told(answer)["offer:changed"]
    assert candles.deals.get().discount_told == "20.00 EUR off"
    assert Event.objects.get(kind=EventKind.DEAL_CHANGED).details == {
        "discount_percentage": ["15.0000", "0"],
        "discount_amount": ["0.0000", "20"],
        "discount_currency": ["", "EUR"],
    }


def test_a_deal_in_another_currency_keeps_it(client: Client, candles: Offer) -> None:
    candles.add_deal(name="Spring", deal_type="discount", discount_amount=20, discount_currency="GBP", by=SETUP)
    _, url, _ = urls_of(candles)

    client.post(url, {**fields_of(client, url), "discount_amount": "25"})
    kept = candles.deals.get().discount_told
    client.post(url, {**fields_of(client, url), "discount_amount": ""})

    assert kept == "25.00 GBP off"
    assert candles.deals.get().discount_currency == ""


def test_saving_a_deal_without_a_change_leaves_no_event(client: Client, candles: Offer) -> None:
    add = f"/offers/{candles.pk}/deals/add/"
    client.post(add, {**fields_of(client, add), **SPRING})
    _, url, _ = urls_of(candles)

    answer = client.post(url, fields_of(client, url))

    assert answer.status_code == 303
    assert not Event.objects.filter(kind=EventKind.DEAL_CHANGED).exists()


def test_two_people_who_change_a_deal_lose_nothing_unseen(client: Client, candles: Offer) -> None:
    deal = candles.add_deal(name="Spring", deal_type="discount", by=SETUP)
    _, url, _ = urls_of(candles)
    fields = {**fields_of(client, url), "coupon_code": "SPRING15"}
    deal.change(name="Spring!", by=SETUP)

    refused = client.post(url, fields, headers=DIALOG)

    assert refused.status_code == 422
    assert "Somebody else saved a change while you were editing" in page(refused).text
    offered = page(refused).form(url).fields
    assert (offered["name"], offered["coupon_code"]) == ("Spring!", "SPRING15")
    assert client.post(url, offered, headers=DIALOG).status_code == 204
    saved = candles.deals.get()
    assert (saved.name, saved.coupon_code) == ("Spring!", "SPRING15")


def test_a_deal_changes_for_who_saw_it_as_it_is(candles: Offer) -> None:
    deal = candles.add_deal(name="Spring", deal_type="discount", by=SETUP)
    seen = deal.updated_at
    Deal.objects.get().change(name="Summer", by=SETUP, seen=seen)

    with pytest.raises(ChangedMeanwhile):
        deal.change(name="Autumn", by=SETUP, seen=seen)

    assert Deal.objects.get().name == "Summer"


def test_a_deal_is_withdrawn_after_a_confirmation_and_told_to_nobody(
    client: Client, candles: Offer, acme_key: tuple[Key, str], call: Callable[..., Client]
) -> None:
    candles.add_deal(name="Spring", deal_type="gift", by=SETUP)
    _, change, withdraw = urls_of(candles)
    asked = page(client.get(withdraw))

    answer = client.post(withdraw, asked.form(withdraw).fields, headers=DIALOG)

    assert asked.heading == "Withdraw Spring?" and "Partners are told of it no more" in asked.text
    assert answer.status_code == 204 and told(answer)["offer:changed"]
    assert call(acme_key[1]).get(f"/v1/affiliates/offers/{candles.pk}/deals").json()["deals"] == []
    [row] = rows_of(client, candles)
    assert row["Days"].startswith("Withdrawn") and row["Actions"] == ""
    event = Event.objects.get(kind=EventKind.DEAL_WITHDRAWN)
    assert (event.subject_label, event.details) == ("Spring", {"offer": "Candles"})
    assert change not in page(client.get(f"/offers/{candles.pk}/")).links.values()


def test_a_deal_that_was_withdrawn_is_not_changed(client: Client, candles: Offer) -> None:
    deal = candles.add_deal(name="Spring", deal_type="gift", by=SETUP)
    _, url, _ = urls_of(candles)
    form = {**fields_of(client, url), "name": "Summer"}
    deal.withdraw(by=SETUP)

    answer = client.post(url, form, headers=DIALOG)

    assert answer.status_code == 422
    assert "Somebody else withdrew this deal" in " ".join(page(answer).errors)
    with pytest.raises(AlreadyWithdrawn):
        Deal.objects.get().change(name="Summer", by=SETUP)
    assert Deal.objects.get().name == "Spring"


def test_an_offer_without_deals_says_what_they_are(client: Client, candles: Offer) -> None:
    shown = page(client.get(f"/offers/{candles.pk}/"))

    assert "No deals yet A discount, a gift, free shipping" in shown.text
    assert shown.links["Add a deal"] == f"/offers/{candles.pk}/deals/add/"


def test_an_offer_takes_as_many_queries_for_one_of_each_as_for_ten(client: Client, candles: Offer) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(f"/offers/{candles.pk}/").status_code == 200
        return len(captured)

    furnish(candles, 0)
    one = queries()
    for number in range(1, 10):
        furnish(candles, number)

    assert queries() == one


def furnish(offer: Offer, number: int) -> None:
    offer.add_deal(name=f"Deal {number}", deal_type="gift", by=SETUP)
    offer.add_url(name=f"Page {number}", destination_url="https://candles.example/", by=SETUP)
    offer.add_creative(
        name=f"Text {number}", creative_type=Creative.Type.TEXT, html_code="Light up", by=SETUP
    ).withdraw(by=SETUP)
