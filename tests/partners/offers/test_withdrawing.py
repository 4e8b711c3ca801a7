from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client
from django.utils.timezone import now

from keys.models import Key
from partners.offers.models import AlreadyWithdrawn, Creative, Offer, OfferUrl
from portal.accounts.events import EventKind
from portal.accounts.models import Event, User
from tests.conftest import SETUP, Browse
from tests.htmx import DIALOG, told
from tests.page import page
from tests.partners.conftest import Launch
from tests.partners.offers.test_two_at_once import together

pytestmark = pytest.mark.django_db

SALE = "https://candles.example/sale"


@pytest.fixture
def client(vera: User, browse: Browse) -> Client:
    return browse(vera)


@pytest.fixture
def candles(launch: Launch) -> Offer:
    offer = launch("Candles")
    offer.add_url(name="Sale", destination_url=SALE, by=SETUP)
    offer.add_creative(name="Text", creative_type=Creative.Type.TEXT, html_code="Light up", by=SETUP)
    return offer


@pytest.mark.parametrize(
    ("model", "kind", "details"),
    [
        (OfferUrl, EventKind.OFFER_URL_WITHDRAWN, {"url": "Sale"}),
        (Creative, EventKind.CREATIVE_WITHDRAWN, {"creative": "Text"}),
    ],
)
def test_what_an_offer_is_promoted_with_is_withdrawn_once_and_stays_in_the_books(
    model: Any, kind: EventKind, details: dict[str, str], candles: Offer
) -> None:
    same = model.objects.get()
    model.objects.get().withdraw(by=SETUP)

    with pytest.raises(AlreadyWithdrawn):
        same.withdraw(by=SETUP)

    row = model.objects.get()
    assert row.withdrawn_at is not None and row.withdrawn_by == SETUP.full_label
    event = Event.objects.get(kind=kind)
    assert (event.subject_label, event.details) == ("Candles", details)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("model", [OfferUrl, Creative])
def test_of_several_people_who_withdraw_it_at_once_one_does_and_the_others_are_told(model: Any, candles: Offer) -> None:
    def withdraw(_: int) -> str:
        try:
            model.objects.get().withdraw(by=SETUP)
        except AlreadyWithdrawn:
            return "told"
        return "withdrew"

    assert together(4, withdraw) == ["told", "told", "told", "withdrew"]
    assert Event.objects.filter(kind__endswith="_withdrawn").count() == 1


def test_the_name_of_a_landing_page_is_free_once_it_is_withdrawn(candles: Offer) -> None:
    candles.urls.get().withdraw(by=SETUP)

    candles.add_url(name="Sale", destination_url="https://candles.example/spring", by=SETUP)

    assert candles.urls.kept().get().destination_url == "https://candles.example/spring"


def test_a_landing_page_that_was_withdrawn_is_not_changed(candles: Offer) -> None:
    same = candles.urls.get()
    candles.urls.get().withdraw(by=SETUP)

    with pytest.raises(AlreadyWithdrawn):
        same.change(name="Spring", destination_url=SALE, by=SETUP)

    assert candles.urls.get().name == "Sale"


@pytest.mark.parametrize(
    ("model", "constraint"),
    [(OfferUrl, "offer_url_withdrawn_at_and_by"), (Creative, "creative_withdrawn_at_and_by")],
)
def test_nothing_is_withdrawn_by_nobody(model: Any, constraint: str, candles: Offer) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        model.objects.update(withdrawn_at=now())


def test_partners_are_told_of_nothing_that_was_withdrawn(
    candles: Offer,
    acme_key: tuple[Key, str],
    call: Callable[..., Client],
    network_call: Client,
    paul: User,
    browse: Browse,
) -> None:
    url, creative = candles.urls.get(), candles.creatives.get()
    api, own = call(acme_key[1]), browse(paul)
    path, link = f"/v1/affiliates/offers/{candles.pk}", f"/my/offers/{candles.pk}/link/"

    def seen() -> list[object]:
        relationships = [
            client.get(where).json()["relationship"]
            for client, where in ((api, path), (network_call, f"/v1/networks/offers/{candles.pk}"))
        ]
        choices = page(own.get(link)).form(link).choices
        return [
            *([related["urls"]["total"], related["creatives"]["total"]] for related in relationships),
            [api.get(f"{path}/url/{asked}").status_code for asked in (url.pk, f"0?creative_id={creative.pk}")],
            [str(url.pk) in choices["url_id"], str(creative.pk) in choices["creative_id"]],
            "Light up" in page(own.get(f"/my/offers/{candles.pk}/")).text,
        ]

    before = seen()
    url.withdraw(by=SETUP)
    creative.withdraw(by=SETUP)

    assert before == [[1, 1], [1, 1], [200, 200], [True, True], True]
    assert seen() == [[0, 0], [0, 0], [404, 400], [False, False], False]


@pytest.mark.parametrize(
    ("part", "follows"),
    [
        ("landing-pages", "Its links lead to the offer’s own page from the next click on"),
        ("creatives", "Where it is shown its links go on working"),
    ],
)
def test_it_is_withdrawn_in_a_dialog_that_says_what_follows(
    part: str, follows: str, client: Client, candles: Offer
) -> None:
    thing: OfferUrl | Creative = candles.urls.get() if part == "landing-pages" else candles.creatives.get()
    url = f"/offers/{candles.pk}/{part}/{thing.pk}/withdraw/"
    asked = page(client.get(url))

    answer = client.post(url, asked.form(url).fields, headers=DIALOG)

    assert asked.heading == f"Withdraw {thing}?" and follows in asked.text
    assert answer.status_code == 204
    assert told(answer)["offer:changed"] and told(answer)["dialog:close"]
    thing.refresh_from_db()
    assert thing.withdrawn_by == "Vera"
    shown = page(client.get(f"/offers/{candles.pk}/"))
    assert url not in shown.links.values()
    again = page(client.get(url))
    assert "It was withdrawn before" in again.text and "Withdraw" not in again.form(url).buttons
    repeated = client.post(url, follow=True)
    assert repeated.redirect_chain == [(f"/offers/{candles.pk}/", 303)]
    assert f"{thing} was withdrawn before. Nothing changed." in page(repeated).text


def test_the_network_sees_what_was_withdrawn(client: Client, candles: Offer) -> None:
    candles.urls.get().withdraw(by=SETUP)
    candles.creatives.get().withdraw(by=SETUP)

    text = page(client.get(f"/offers/{candles.pk}/")).text

    assert f"{SALE} Withdrawn" in text and "Its links lead to the offer’s own page" in text
    assert f"Withdrawn: Text {candles.creatives.get().pk}" in text and "Light up" not in text


def test_who_changes_a_landing_page_that_somebody_withdrew_is_told(client: Client, candles: Offer) -> None:
    url = f"/offers/{candles.pk}/landing-pages/{candles.urls.get().pk}/"
    form = {**page(client.get(url)).form(url).fields, "name": "Spring"}
    candles.urls.get().withdraw(by=SETUP)

    answer = client.post(url, form, headers=DIALOG)

    assert answer.status_code == 422
    assert "Somebody else withdrew this landing page" in " ".join(page(answer).errors)
