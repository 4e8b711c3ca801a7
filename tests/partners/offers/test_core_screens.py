from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from partners.models import Partner
from partners.offers.models import Advertiser, Application, Offer, PayoutType, Revenue, RevenueType, Terms
from portal.accounts.models import Role, User
from tests.conftest import SETUP, Browse, person
from tests.htmx import HTMX, told
from tests.page import page

pytestmark = pytest.mark.django_db

Launch = Callable[..., Offer]
URL = "/offers/"


def test_the_network_sees_every_offer_with_what_it_pays_and_earns(
    launch: Launch, acme: Partner, vera: User, browse: Browse
) -> None:
    launch("Candles", currency="EUR", earns=Revenue(RevenueType.RPA, Decimal("12.5")))
    launch("Hidden", visibility="private", status="deleted").apply(partner=acme, by=SETUP)

    candles, hidden = page(browse(vera).get(URL)).region("offer-table").records

    assert (candles["Payout"], candles["Revenue"]) == ("10.00 EUR a conversion", "12.50 EUR a conversion")
    assert (candles["Visibility"], candles["Status"], candles["To answer"]) == ("Public", "Active", "0")
    assert (hidden["Visibility"], hidden["Status"], hidden["To answer"]) == ("Private", "Deleted", "1")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=tallow", ["Candles", "Lamps", "Wicks"]),
        ("q=lamp", ["Lamps"]),
        ("status=paused", ["Wicks"]),
        ("visibility=require_approval", ["Lamps"]),
        ("waiting=yes", ["Lamps"]),
        ("status=nonsense&advertiser=x", ["Candles", "Lamps", "Wicks"]),
        ("sort=-pending_count", ["Lamps", "Candles", "Wicks"]),
    ],
)
def test_the_networks_list_is_searched_filtered_and_sorted(
    query: str, found: list[str], launch: Launch, acme: Partner, vera: User, browse: Browse
) -> None:
    launch("Candles")
    launch("Lamps", visibility="require_approval").apply(partner=acme, by=SETUP)
    launch("Wicks", status="paused")

    records = page(browse(vera).get(f"{URL}?{query}")).region("offer-table").records

    assert sorted(record["Offer"] for record in records) == sorted(found)
    assert records[0]["Offer"] == found[0]


def test_the_networks_list_takes_as_many_queries_for_one_as_for_twenty(
    launch: Launch, acme: Partner, vera: User, browse: Browse
) -> None:
    client = browse(vera)
    launch("First", visibility="private").apply(partner=acme, by=SETUP)
    one = queries_for(client, URL)
    for number in range(19):
        launch(f"Offer {number}", visibility="private").apply(partner=acme, by=SETUP)

    assert queries_for(client, URL) == one


def queries_for(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


def test_an_offer_shows_its_payouts_the_terms_of_single_partners_and_who_has_applied(
    launch: Launch, acme: Partner, other_partner: Partner, vera: User, browse: Browse
) -> None:
    offer = launch(visibility="require_approval", earns=Revenue(RevenueType.RPA, Decimal(15)))
    offer.pay_partner(acme, Terms(PayoutType.CPA, Decimal("12.5")), by=SETUP)
    offer.apply(partner=acme, by=SETUP).reject(by=SETUP)
    offer.apply(partner=other_partner, by=SETUP)

    shown = page(browse(vera).get(f"{URL}{offer.pk}/"))

    assert ["Conversion", "10.00 USD a conversion", "15.00 USD a conversion"] in [row[:3] for row in shown.rows]
    assert any(row[:3] == ["Acme Media", "Conversion", "12.50 USD a conversion"] for row in shown.rows)
    waiting, rejected = shown.region("application-table").records
    assert (waiting["Partner"], rejected["Partner"]) == ("Orbit Deals", "Acme Media")
    assert "Approve" in waiting["Answer"] and "Reject" in waiting["Answer"]
    assert rejected["Answer"].startswith("Rejected") and "Approve" not in rejected["Answer"]


def test_an_offer_takes_as_many_queries_for_one_application_as_for_twenty(
    launch: Launch, acme: Partner, vera: User, browse: Browse
) -> None:
    offer, client = launch(visibility="require_approval"), browse(vera)
    join(offer, acme)
    one = queries_for(client, f"{URL}{offer.pk}/")
    for number in range(19):
        join(offer, Partner.create(by=SETUP, name=f"Partner {number}"))

    assert queries_for(client, f"{URL}{offer.pk}/") == one


def join(offer: Offer, partner: Partner) -> None:
    offer.apply(partner=partner, by=SETUP)
    offer.pay_partner(partner, Terms(PayoutType.CPA, Decimal(11)), by=SETUP)


def test_who_has_waited_longest_is_answered_first(
    launch: Launch, acme: Partner, other_partner: Partner, vera: User, browse: Browse
) -> None:
    offer = launch(visibility="require_approval")
    for partner in (acme, other_partner, Partner.create(by=SETUP, name="Rejected Media")):
        offer.apply(partner=partner, by=SETUP)
    offer.applications.get(partner__name="Rejected Media").reject(by=SETUP)

    records = page(browse(vera).get(f"{URL}{offer.pk}/")).region("application-table").records

    assert [record["Partner"] for record in records] == ["Acme Media", "Orbit Deals", "Rejected Media"]


@pytest.mark.parametrize(("verb", "status"), [("approve", "approved"), ("reject", "rejected")])
def test_an_application_is_answered_after_a_confirmation(
    verb: str, status: str, launch: Launch, acme: Partner, vera: User, browse: Browse
) -> None:
    offer = launch(visibility="require_approval")
    application = offer.apply(partner=acme, by=SETUP)
    url, client = f"{URL}{offer.pk}/applications/{application.pk}/{verb}/", browse(vera)
    asked = page(client.get(url))

    answer = client.post(url, headers=HTMX)

    assert asked.heading == f"{verb.title()} Acme Media?"
    events = told(answer)
    assert answer.status_code == 204 and events["applications:changed"] and events["dialog:close"]
    assert Application.objects.get().status == status
    assert "Vera" in page(client.get(f"{URL}{offer.pk}/")).region("application-table").rows[0][2]


def test_an_application_that_was_answered_stays_so(launch: Launch, acme: Partner, vera: User, browse: Browse) -> None:
    offer = launch(visibility="require_approval")
    application = offer.apply(partner=acme, by=SETUP)
    application.approve(by=SETUP)
    client = browse(vera)

    answer = client.post(f"{URL}{offer.pk}/applications/{application.pk}/reject/")

    assert answer.status_code == 303
    assert "their answer stands" in page(client.get(answer["Location"])).text
    assert Application.objects.get().status == "approved"


def test_an_application_is_found_under_its_own_offer_alone(
    launch: Launch, acme: Partner, vera: User, browse: Browse
) -> None:
    application = launch(visibility="require_approval").apply(partner=acme, by=SETUP)

    answer = browse(vera).post(f"{URL}{launch('Lamps').pk}/applications/{application.pk}/approve/")

    assert answer.status_code == 404
    assert Application.objects.get().status == "pending"


def test_an_offer_is_paused_and_made_active_again(launch: Launch, vera: User, browse: Browse) -> None:
    offer, client = launch(), browse(vera)
    url = f"{URL}{offer.pk}/status/"

    states = []
    for _ in range(2):
        client.post(url, page(client.get(url)).form(url).fields)
        states.append(Offer.objects.get().status)

    assert states == ["paused", "active"]


def test_the_advertisers_token_is_shown_once(launch: Launch, vera: User, browse: Browse) -> None:
    offer, client = launch(), browse(vera)
    url = f"{URL}{offer.pk}/token/"

    answer = client.post(url, page(client.get(url)).form(url).fields)

    token = page(answer).region("advertiser-token").text
    assert Advertiser.objects.holding(token) == offer.advertiser
    assert "no-store" in answer["Cache-Control"]
    assert token not in client.get(f"{URL}{offer.pk}/").content.decode()


def test_a_token_that_somebody_else_replaced_is_not_replaced_again(launch: Launch, vera: User, browse: Browse) -> None:
    offer, client = launch(), browse(vera)
    url = f"{URL}{offer.pk}/token/"
    seen = page(client.get(url)).form(url).fields
    theirs = offer.advertiser.issue_token(by=SETUP)

    answer = client.post(url, seen)

    assert answer.status_code == 303
    assert Advertiser.objects.holding(theirs) == offer.advertiser


@pytest.mark.parametrize(
    "path",
    [
        "status/",
        "token/",
        "applications/{}/approve/",
        "applications/{}/reject/",
        "edit/",
        "payouts/add/",
        "terms/add/",
        "landing-pages/add/",
        "creatives/add/",
        "coupons/add/",
    ],
)
def test_who_may_only_look_changes_nothing(path: str, launch: Launch, acme: Partner, browse: Browse) -> None:
    looker = person("Anna", role=Role.create(name="Analyst", by=SETUP, partners="view"))
    offer = launch(visibility="require_approval")
    url = f"{URL}{offer.pk}/" + path.format(offer.apply(partner=acme, by=SETUP).pk)

    statuses = [browse(looker).get(f"{URL}{offer.pk}/").status_code, browse(looker).post(url).status_code]

    assert statuses == [200, 403]
    assert browse(looker).post(f"{URL}new/").status_code == 403
    assert Application.objects.get().status == "pending" and Offer.objects.get().status == "active"
