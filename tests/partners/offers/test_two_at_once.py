from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connection

from partners.models import Partner
from partners.offers.models import (
    Advertiser,
    AlreadyEnded,
    Category,
    NameIsTaken,
    Offer,
    OfferUrl,
    PartnerPayout,
    PayoutType,
    Revenue,
    RevenueType,
    Terms,
    TermsMoved,
)
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.web.edits import ChangedMeanwhile
from tests.conftest import SETUP
from tests.partners.conftest import Launch

pytestmark = pytest.mark.django_db

TEN, TWELVE = Terms(PayoutType.CPA, Decimal(10)), Terms(PayoutType.CPA, Decimal(12))


def together(count: int, act: Callable[[int], str]) -> list[str]:
    """What ``act`` comes to for each number, all of them at the same moment."""
    barrier = Barrier(count)

    def one(number: int) -> str:
        try:
            barrier.wait()
            return act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as threads:
        return sorted(threads.map(one, range(count)))


def test_an_advertiser_and_a_category_that_are_named_are_found_or_made(launch: Launch) -> None:
    known = launch("Known")

    known.change(by=SETUP, advertiser="tallow & reed", category="Garden")

    assert known.advertiser == Advertiser.objects.get()
    assert known.category == Category.objects.get(name="Garden")
    assert Event.objects.filter(kind=EventKind.CATEGORY_ADDED, subject_label="Garden").count() == 1
    details = Event.objects.get(kind=EventKind.OFFER_CHANGED).details
    assert details == {"category": ["Home", "Garden"]}


def test_a_change_that_is_refused_makes_no_advertiser(launch: Launch) -> None:
    offer = launch()
    seen = offer.updated_at
    offer.change(by=SETUP, name="Lamps")

    with pytest.raises(ChangedMeanwhile):
        offer.change(by=SETUP, seen=seen, advertiser="Nobody Ltd")

    assert not Advertiser.objects.filter(name="Nobody Ltd").exists()


@pytest.mark.django_db(transaction=True)
def test_an_advertiser_that_several_people_name_at_once_is_signed_up_once() -> None:
    found = together(4, lambda _: str(Advertiser.called("Lumen", by=SETUP).pk))

    assert found == [str(Advertiser.objects.get(name="Lumen").pk)] * 4
    assert Event.objects.filter(kind=EventKind.ADVERTISER_SIGNED_UP, subject_label="Lumen").count() == 1


def test_a_payout_is_replaced_by_who_saw_what_stands_there(launch: Launch) -> None:
    offer = launch()
    seen = offer.payouts.get().standing
    offer.pay(TWELVE, by=SETUP, seen=seen)

    with pytest.raises(TermsMoved) as moved:
        offer.pay(Terms(PayoutType.CPC, Decimal(1)), by=SETUP, seen=seen)

    assert moved.value.current == offer.payouts.get()
    assert offer.payouts.get().terms == TWELVE


def test_who_saves_the_same_twice_has_saved_it_once(launch: Launch, acme: Partner) -> None:
    offer = launch()
    seen = offer.payouts.get().standing
    earns = Revenue(RevenueType.RPA, Decimal(15))

    for _ in range(2):
        offer.pay(TWELVE, earns=earns, by=SETUP, seen=seen)
        offer.pay_partner(acme, TEN, by=SETUP, seen="")

    kinds = [EventKind.OFFER_PAYOUT_SET, EventKind.PARTNER_PAYOUT_SET]
    assert Event.objects.filter(kind__in=kinds).count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_several_people_who_set_a_payout_at_once_one_is_first_and_the_others_are_told(launch: Launch) -> None:
    offer = launch()
    seen = offer.payouts.get().standing

    def set_to(number: int) -> str:
        try:
            offer.pay(Terms(PayoutType.CPA, Decimal(20 + number)), by=SETUP, seen=seen)
        except TermsMoved:
            return "told"
        return "first"

    assert together(4, set_to) == ["first", "told", "told", "told"]
    assert Event.objects.filter(kind=EventKind.OFFER_PAYOUT_SET).count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_several_people_who_give_a_partner_terms_at_once_one_is_first_and_the_others_are_told(
    launch: Launch, acme: Partner
) -> None:
    offer = launch()

    def set_to(number: int) -> str:
        try:
            offer.pay_partner(acme, Terms(PayoutType.CPA, Decimal(20 + number)), by=SETUP, seen="")
        except TermsMoved:
            return "told"
        return "first"

    assert together(4, set_to) == ["first", "told", "told", "told"]


def test_a_partner_whose_terms_end_is_paid_what_everybody_is(launch: Launch, acme: Partner) -> None:
    offer = launch()
    terms = offer.pay_partner(acme, TWELVE, by=SETUP)
    same = PartnerPayout.objects.get()

    terms.end(by=SETUP)

    with pytest.raises(AlreadyEnded):
        same.end(by=SETUP)
    assert Offer.objects.for_answer(acme).get().default_payout.own_terms == TEN
    event = Event.objects.get(kind=EventKind.PARTNER_PAYOUT_ENDED)
    assert (event.subject_label, event.partner_id, event.details["payout"]) == (str(offer), acme.pk, "cpa 12")


def test_a_landing_page_gets_another_address_with_what_it_was(launch: Launch) -> None:
    offer = launch()
    page = offer.add_url(name="Sale", destination_url="https://candles.example/sale", by=SETUP)
    same = OfferUrl.objects.get()

    page.change(name="Sale", destination_url="https://candles.example/spring", by=SETUP, seen=same.standing)

    assert OfferUrl.objects.get().destination_url == "https://candles.example/spring"
    assert Event.objects.get(kind=EventKind.OFFER_URL_CHANGED).details == {
        "url": "Sale",
        "destination_url": ["https://candles.example/sale", "https://candles.example/spring"],
    }
    with pytest.raises(ChangedMeanwhile):
        same.change(name="Summer", destination_url="https://candles.example/s", by=SETUP, seen=same.standing)


def test_two_landing_pages_of_an_offer_have_different_names(launch: Launch) -> None:
    offer = launch()
    url = "https://candles.example/"
    offer.add_url(name="Sale", destination_url=url, by=SETUP)
    other = offer.add_url(name="Home", destination_url=url, by=SETUP)

    with pytest.raises(NameIsTaken):
        offer.add_url(name="Sale", destination_url=url, by=SETUP)
    with pytest.raises(NameIsTaken):
        other.change(name="Sale", destination_url=url, by=SETUP)

    assert sorted(OfferUrl.objects.values_list("name", flat=True)) == ["Home", "Sale"]
