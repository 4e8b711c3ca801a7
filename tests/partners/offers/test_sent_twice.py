from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client

from partners.offers.models import Advertiser, AlreadySubmitted, Category, Creative, Offer, PayoutType, Terms
from portal.accounts.events import EventKind
from portal.accounts.models import Event, User
from tests.conftest import SETUP, Browse
from tests.htmx import DIALOG, HTMX, told
from tests.page import page
from tests.partners.conftest import Launch
from tests.partners.offers.test_two_at_once import together

pytestmark = pytest.mark.django_db

NEW = "/offers/new/"


@pytest.fixture
def client(vera: User, browse: Browse) -> Client:
    return browse(vera)


def filled(client: Client, **said: str) -> dict[str, Any]:
    """A form for a new offer as it is sent by somebody who found nothing more to say."""
    fields = {
        "name": "Candles",
        "new_advertiser": "Tallow & Reed",
        "new_category": "Home",
        "destination_url": "https://candles.example/",
        "amount": "10",
        "revenue_amount": "15",
    }
    return {**page(client.get(NEW)).form(NEW).fields, **fields, **said}


def test_a_new_offer_that_is_sent_twice_is_one_offer(client: Client) -> None:
    form = filled(client)

    first, second = client.post(NEW, form), client.post(NEW, form, follow=True)

    offer = Offer.objects.get()
    assert first["Location"] == f"/offers/{offer.pk}/" and first.status_code == 303
    assert second.redirect_chain == [(f"/offers/{offer.pk}/", 303)]
    assert "This form launched Candles before, so there is one offer" in page(second).text
    assert Event.objects.filter(kind=EventKind.OFFER_LAUNCHED).count() == 1


def test_who_goes_back_and_sends_the_form_again_makes_nothing_of_it(client: Client) -> None:
    form = filled(client)
    client.post(NEW, form)

    again = client.post(NEW, {**form, "name": "Lamps", "new_advertiser": "Lumen", "new_category": "Light"})

    assert again.status_code == 303
    assert Offer.objects.get().name == "Candles"
    assert not Advertiser.objects.filter(name="Lumen").exists() and not Category.objects.filter(name="Light").exists()


def test_htmx_is_led_to_the_offer_that_the_form_launched_before(client: Client) -> None:
    form, headers = filled(client), HTMX | {"HX-Target": "offer-form"}

    answers = [client.post(NEW, form, headers=headers) for _ in range(2)]

    assert [answer["HX-Redirect"] for answer in answers] == [f"/offers/{Offer.objects.get().pk}/"] * 2


def test_a_form_that_was_refused_is_the_same_form_and_a_new_one_is_another(client: Client) -> None:
    form = filled(client)

    refused = page(client.post(NEW, {**form, "name": ""})).form(NEW).fields

    assert refused["submission"] == form["submission"] != filled(client)["submission"]
    assert client.post(NEW, {**refused, "name": "Candles"}).status_code == 303


def test_two_forms_launch_two_offers_of_one_name(client: Client) -> None:
    for _ in range(2):
        client.post(NEW, filled(client))

    assert [offer.name for offer in Offer.objects.all()] == ["Candles"] * 2


def test_an_offer_may_be_launched_by_a_script_that_names_no_form(client: Client) -> None:
    form = {name: value for name, value in filled(client).items() if name != "submission"}

    statuses = [client.post(NEW, form).status_code for _ in range(2)]

    assert statuses == [303, 303] and Offer.objects.count() == 2


def test_the_database_refuses_two_offers_of_one_form(launch: Launch) -> None:
    first, second = launch("Candles", submission=uuid.uuid4()), launch("Lamps")

    with pytest.raises(IntegrityError, match="offer_submission_launches_once"):
        Offer.objects.filter(pk=second.pk).update(submission=first.submission)


@pytest.mark.django_db(transaction=True)
def test_an_offer_that_is_sent_several_times_at_once_is_launched_once() -> None:
    submission = uuid.uuid4()

    def send(_: int) -> str:
        try:
            offer = Offer.launch(
                name="Candles",
                advertiser="Tallow & Reed",
                category="Home",
                destination_url="https://candles.example/",
                pays=Terms(PayoutType.CPA, Decimal(10)),
                submission=submission,
                by=SETUP,
            )
        except AlreadySubmitted as earlier:
            return f"{earlier.made.pk} before"
        return f"{offer.pk} now"

    answers = together(4, send)

    pk = Offer.objects.get().pk
    assert answers == [f"{pk} before"] * 3 + [f"{pk} now"]
    assert Event.objects.filter(kind=EventKind.OFFER_LAUNCHED).count() == 1
    assert Event.objects.filter(kind=EventKind.ADVERTISER_SIGNED_UP).count() == 1


def test_a_creative_that_is_sent_twice_is_one_creative(client: Client, launch: Launch) -> None:
    offer = launch()
    url = f"/offers/{offer.pk}/creatives/add/"
    said = {"name": "Text", "creative_type": "text", "html_code": "Light up"}
    form = {**page(client.get(url)).form(url).fields, **said}

    first, second = client.post(url, form, headers=DIALOG), client.post(url, form, headers=DIALOG)

    assert Creative.objects.count() == Event.objects.filter(kind=EventKind.CREATIVE_ADDED).count() == 1
    assert (first.status_code, second.status_code) == (204, 204)
    assert "This form added Text before" in told(second)["toast"][0]["text"]


def test_the_form_of_one_offer_says_nothing_of_the_creatives_of_another(launch: Launch) -> None:
    submission = uuid.uuid4()

    for name in ("Candles", "Lamps"):
        launch(name).add_creative(
            name="Text", creative_type=Creative.Type.TEXT, html_code="Light up", submission=submission, by=SETUP
        )

    assert Creative.objects.count() == 2
