from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import localdate, now

from keys.models import Key
from partners.models import Partner
from partners.offers.codes import code_of_partner
from partners.offers.models import (
    Advertiser,
    Category,
    Creative,
    Offer,
    OfferPayout,
    PayoutType,
    Revenue,
    RevenueType,
    Terms,
)
from partners.traffic.caps import Caps, Rooms
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.network.models import Network
from tests.conftest import SETUP
from tests.partners.offers.test_two_at_once import together

pytestmark = pytest.mark.django_db

Launch = Callable[..., Offer]
API = "/v1/networks"
BASE = {"payout_type": "cpa", "payout_amount": 4.5, "revenue_type": "rpa", "revenue_amount": 6}


@pytest.fixture
def api(network_call: Client, network: Network) -> Client:
    network.change(by=SETUP, tracking_domain="go.northwind.example", timezone="UTC")
    return network_call


@pytest.fixture
def sent(launch: Launch) -> dict[str, Any]:
    """The least that an offer is launched with."""
    return {
        "name": "Lamps",
        "network_advertiser_id": Advertiser.objects.get().pk,
        "network_category_id": Category.objects.get().pk,
        "destination_url": "https://lamps.example/?click={transaction_id}",
        "payout_revenue": [BASE],
    }


def ask(client: Client, method: str, path: str, **body: Any) -> Any:
    return getattr(client, method)(f"{API}{path}", body, content_type="application/json")


def good(answer: Any) -> Any:
    assert answer.status_code == 200, answer.content
    return answer.json()


def sentence(answer: Any) -> str:
    assert answer.status_code == 400, answer.content
    return str(answer.json()["error"])


def names(answer: Any) -> list[str]:
    return [offer["name"] for offer in good(answer)["offers"]]


def events() -> list[tuple[str, Any]]:
    return [(event.kind, event.details) for event in Event.objects.filter(actor_label__startswith="Network key")]


def test_an_offer_has_what_partners_are_told_and_what_the_network_keeps_to_itself(
    launch: Launch, api: Client, call: Callable[..., Client], acme: Partner, acme_key: tuple[Key, str]
) -> None:
    offer = launch(
        "Candles",
        currency="EUR",
        pays=Terms(PayoutType.CPC, Decimal("0.0125")),
        earns=Revenue(RevenueType.RPC, Decimal("0.9876")),
        countries=["DE"],
        labels=["Seasonal"],
        daily_click_cap=5,
        holding_period_days=7,
    )
    offer.pay_partner(acme, Terms(PayoutType.CPC, Decimal("0.77")), by=SETUP)
    offer.add_url(name="Sale", destination_url="https://candles.example/sale", by=SETUP)
    code = "<a href='{tracking_link}'>Light up</a>"
    offer.add_creative(name="Text", creative_type=Creative.Type.HTML, html_code=code, by=SETUP)
    partners = good(call(acme_key[1]).get(f"/v1/affiliates/offers/{offer.pk}"))

    told = good(api.get(f"{API}/offers/{offer.pk}"))

    related = told["relationship"]
    assert partners.keys() < told.keys()
    assert partners["relationship"].keys() < related.keys()
    assert (told["destination_url"], told["labels"]) == ("https://candles.example/", ["Seasonal"])
    assert (told["tracking_url"], told["impression_tracking_url"]) == ("", "")
    assert (told["default_payout"], told["payout_type"], told["holding_period_days"]) == (0.0125, "cpc", 7)
    (payout,) = related["payout_revenue"]["entries"]
    assert (payout["payout_amount"], payout["revenue_type"], payout["revenue_amount"]) == (0.0125, "rpc", 0.9876)
    assert related["advertiser"]["name"] == told["network_advertiser_name"] == "Tallow & Reed"
    assert related["encoded_value"] == told["encoded_value"] == offer.code
    assert related["labels"] == {"total": 1, "entries": ["Seasonal"]}
    assert related["creatives"]["entries"][0]["html_code"] == code
    assert related["urls"]["total"] == 1
    assert not {"labels", "destination_url", "network_advertiser_id"} & partners.keys()


def test_what_is_left_under_the_caps_is_what_traffic_has_not_taken(launch: Launch, api: Client) -> None:
    capped = launch("Capped", daily_click_cap=5, weekly_payout_cap=Decimal("100.5"), global_conversion_cap=1)
    launch("Open")
    today = localdate()
    rooms = Rooms({capped.pk: Caps.of(capped)}, [(capped.pk, today), (capped.pk, today - timedelta(days=400))])
    rooms.take(capped.pk, today, clicks=2, conversions=3, payout=Decimal("0.25"))
    rooms.take(capped.pk, today - timedelta(days=400), clicks=2)
    rooms.write()

    told = good(api.get(f"{API}/offers?order_field=name"))["offers"]

    left, nothing = (offer["relationship"]["remaining_caps"] for offer in told)
    assert {cap: amount for cap, amount in left.items() if amount} == {
        "remaining_daily_click_cap": 3,
        "remaining_weekly_payout_cap": 100.25,
    }
    assert left["remaining_global_conversion_cap"] == 0
    assert set(nothing.values()) == {0}
    assert left.keys() == nothing.keys() == {f"remaining_{cap}" for cap in told[0] if cap.endswith("_cap")}


def test_one_query_count_does_for_any_number_of_offers(launch: Launch, api: Client, acme: Partner) -> None:
    def offer(number: int) -> None:
        made = launch(f"Offer {number}", daily_click_cap=5, visibility="require_approval")
        made.apply(partner=acme, by=SETUP)
        made.add_url(name="Sale", destination_url="https://candles.example/sale", by=SETUP)
        made.pay_partner(acme, Terms(PayoutType.CPA, Decimal(12)), by=SETUP)

    def queries(method: str, path: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            good(ask(api, method, path))
        return len(captured)

    asked = [("get", "/offers"), ("post", "/offerstable"), ("get", "/advertisers"), ("get", "/couponcodes")]
    offer(1)
    for method, path in asked:
        queries(method, path)
    few = [queries(method, path) for method, path in asked]
    for number in range(2, 14):
        offer(number)
        Advertiser.sign_up(name=f"Advertiser {number}", by=SETUP)

    many = [queries(method, path) for method, path in asked]

    assert many == few


def test_offers_are_launched_as_told(api: Client, sent: dict[str, Any], launch: Launch) -> None:
    other = launch("Other")
    event = {"entry_name": "deposit", "payout_type": "cps", "payout_percentage": 7.5}

    told = good(
        ask(
            api,
            "post",
            "/offers",
            **{
                **sent,
                "offer_status": "active",
                "visibility": "public",
                "currency_id": "eur",
                "html_description": "<p>Light.</p>",
                "date_live_until": "2199-12-31",
                "daily_payout_cap": 99.5,
                "weekly_click_cap": 1000,
                "is_caps_enabled": True,
                "holding_period_days": 14,
                "is_must_approve_conversion": True,
                "click_lifespan_days": 60,
                "redirect_network_offer_id": other.pk,
                "labels": ["  Winter  sale", "Lamps", "lamps"],
                "ruleset": {"countries": [{"country_code": "de"}, {"country_code": "AT", "label": "Austria"}]},
                "payout_revenue": [event, BASE],
            },
        )
    )

    offer = Offer.objects.get(pk=told["network_offer_id"])
    assert good(api.get(f"{API}/offers/{offer.pk}")) == told
    assert (offer.status, offer.visibility, offer.currency, offer.description) == (
        "active",
        "public",
        "EUR",
        "<p>Light.</p>",
    )
    assert (offer.live_until, offer.daily_payout_cap, offer.weekly_click_cap) == (
        date(2199, 12, 31),
        Decimal("99.5"),
        1000,
    )
    assert (offer.holding_period_days, offer.conversion_approval, offer.click_lifespan_days) == (14, "manual", 60)
    assert (offer.redirect_offer, offer.labels, offer.countries) == (other, ["Winter sale", "Lamps"], ["AT", "DE"])
    base, deposit = offer.payouts.all()
    assert (base.terms, base.revenue) == (
        Terms(PayoutType.CPA, Decimal("4.5")),
        Revenue(RevenueType.RPA, Decimal(6)),
    )
    assert (deposit.event_name, deposit.terms) == ("deposit", Terms(PayoutType.CPS, percentage=Decimal("7.5")))
    assert events() == [
        (EventKind.OFFER_PAYOUT_SET, {"event": "deposit", "payout": "cps 7.5 %", "revenue": "rpa 0"}),
        (EventKind.OFFER_LAUNCHED, {"payout": "cpa 4.5", "revenue": "rpa 6.0"}),
    ]


def test_an_offer_of_which_little_is_said_waits_and_is_for_those_who_are_approved(
    api: Client, sent: dict[str, Any]
) -> None:
    told = good(ask(api, "post", "/offers", **sent))

    assert (told["offer_status"], told["visibility"], told["currency_id"]) == ("pending", "require_approval", "USD")
    assert (told["is_caps_enabled"], told["date_live_until"], told["click_lifespan_days"]) == (False, "", 30)


def test_what_is_not_sent_keeps_its_value(launch: Launch, api: Client) -> None:
    offer = launch("Candles", labels=["Wax"], daily_click_cap=3)

    told = good(ask(api, "put", f"/offers/{offer.pk}", offer_status="paused", preview_url=None))

    assert (told["offer_status"], told["name"], told["labels"], told["daily_click_cap"]) == (
        "paused",
        "Candles",
        ["Wax"],
        3,
    )
    assert events() == [(EventKind.OFFER_CHANGED, {"status": ["active", "paused"]})]


def test_the_actor_of_a_change_is_the_networks_key_by_its_hint(launch: Launch, api: Client) -> None:
    offer = launch()

    good(ask(api, "put", f"/offers/{offer.pk}", labels=["New"]))

    key, event = Key.objects.of_network().get(), Event.objects.first()
    assert event is not None
    assert (event.actor_label, event.actor_key_id) == (f"Network key …{key.hint[-4:]}", key.pk)
    assert event.details == {"labels": [[], ["New"]]}


def test_an_answer_can_be_sent_back_and_changes_nothing(launch: Launch, api: Client) -> None:
    offer = launch(
        countries=["US", "DE"], daily_payout_cap=Decimal("99.995"), live_until=date(2199, 1, 1), labels=["b", "A"]
    )
    offer.pay(Terms(PayoutType.CPS, percentage=Decimal("7.5")), event_name="deposit", by=SETUP)
    told = good(api.get(f"{API}/offers/{offer.pk}"))
    entries = told["relationship"]["payout_revenue"]["entries"]

    again = good(ask(api, "put", f"/offers/{offer.pk}", **told, payout_revenue=entries))

    assert again == told
    assert events() == []


def test_payouts_are_set_by_their_event_and_the_others_stay(launch: Launch, api: Client) -> None:
    offer = launch(earns=Revenue(RevenueType.RPA, Decimal(20)))
    offer.pay(Terms(PayoutType.CPA, Decimal(1)), event_name="signup", by=SETUP)

    good(
        ask(
            api,
            "put",
            f"/offers/{offer.pk}",
            payout_revenue=[
                {"entry_name": "Base", "is_default": True, "payout_type": "cpa", "payout_amount": 11},
                {"entry_name": "deposit", "payout_type": "cpa", "payout_amount": 2, "revenue_type": "rps"},
            ],
        )
    )

    paid = {payout.event_name: payout for payout in OfferPayout.objects.filter(offer=offer)}
    assert {name: payout.amount for name, payout in paid.items()} == {"": 11, "deposit": 2, "signup": 1}
    assert paid[""].revenue == Revenue(RevenueType.RPA, Decimal(20))
    assert [kind for kind, _ in events()] == [EventKind.OFFER_PAYOUT_SET] * 2


def test_caps_are_taken_away_together(launch: Launch, api: Client) -> None:
    offer = launch(daily_click_cap=5, global_payout_cap=Decimal(10))

    told = good(ask(api, "put", f"/offers/{offer.pk}", is_caps_enabled=False))

    offer.refresh_from_db()
    assert not told["is_caps_enabled"] and not offer.has_caps


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_sent_several_times_at_once_is_made_once(
    launch: Launch, network: Network, call: Callable[..., Client]
) -> None:
    offer = launch("Candles")
    secret = Key.generate_network_key(by=SETUP, replacing=None)[1]
    change = {"name": "Lamps", "labels": ["New"], "payout_revenue": [BASE]}

    statuses = together(4, lambda _: str(ask(call(secret), "put", f"/offers/{offer.pk}", **change).status_code))

    assert statuses == ["200"] * 4
    assert sorted(kind for kind, _ in events()) == [EventKind.OFFER_CHANGED, EventKind.OFFER_PAYOUT_SET]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name"),
    ({"name": "  "}, "name"),
    ({"name": "x" * 161}, "name"),
    ({"nickname": "Wax"}, "nickname"),
    ({"network_advertiser_id": 999_999}, "network_advertiser_id"),
    ({"network_category_id": 2**62}, "network_category_id"),
    ({"offer_status": "gone"}, "offer_status"),
    ({"visibility": "secret"}, "visibility"),
    ({"currency_id": "XXZ"}, "currency_id"),
    ({"destination_url": "lamps"}, "destination_url"),
    ({"destination_url": "ftp://lamps.example/"}, "destination_url"),
    ({"destination_url": "https://{sub1}.example/"}, "destination_url"),
    ({"preview_url": "https://"}, "preview_url"),
    ({"thumbnail_url": "ftp://lamps.example/lamp.png"}, "thumbnail_url"),
    ({"date_live_until": "12/31/2199"}, "date_live_until"),
    ({"date_live_until": "2199-02-30"}, "date_live_until"),
    ({"daily_click_cap": -1}, "daily_click_cap"),
    ({"daily_payout_cap": 0.00001}, "daily_payout_cap"),
    ({"daily_payout_cap": 1e300}, "daily_payout_cap"),
    ({"is_caps_enabled": True}, "is_caps_enabled"),
    ({"is_caps_enabled": False, "daily_click_cap": 1}, "is_caps_enabled"),
    ({"holding_period_days": 366}, "holding_period_days"),
    ({"click_lifespan_days": 0}, "click_lifespan_days"),
    ({"redirect_network_offer_id": 999_999}, "redirect_network_offer_id"),
    ({"labels": ["Wax, beeswax"]}, "labels"),
    ({"payout_revenue": [BASE, {**BASE, "entry_name": "First deposit"}]}, "payout_revenue.1.entry_name"),
    ({"labels": ["x" * 41]}, "labels"),
    ({"labels": [str(number) for number in range(21)]}, "labels"),
    ({"ruleset": {"countries": [{"country_code": "ZZ"}]}}, "ruleset.countries"),
    (
        {"ruleset": {"countries": [{"country_code": "DE", "targeting_type": "exclude"}]}},
        "ruleset.countries.0.targeting",
    ),
    ({"payout_revenue": [{"payout_type": "cpl"}]}, "payout_revenue.0.payout_type"),
    ({"payout_revenue": [{"payout_type": "cpa", "payout_percentage": 5}]}, "payout_revenue.0.payout_percentage"),
    ({"payout_revenue": [{"payout_type": "cps", "payout_amount": 5}]}, "payout_revenue.0.payout_amount"),
    ({"payout_revenue": [{"payout_type": "cpa", "payout_amount": -5}]}, "payout_revenue.0.payout_amount"),
    ({"payout_revenue": [{"payout_type": "cpa", "payout_amount": 0.00001}]}, "payout_revenue.0.payout_amount"),
    ({"payout_revenue": [{"payout_type": "cps", "payout_percentage": 101}]}, "payout_revenue.0.payout_percentage"),
    ({"payout_revenue": [{**BASE, "revenue_percentage": 5}]}, "payout_revenue.0.revenue_percentage"),
    ({"payout_revenue": [{"payout_type": "cpa", "revenue_amount": 5}]}, "payout_revenue.0.revenue_type"),
    ({"payout_revenue": [BASE, BASE]}, "payout_revenue.1.entry_name"),
    ({"payout_revenue": [{**BASE, "is_default": False}]}, "payout_revenue.0.is_default"),
    ({"payout_revenue": [BASE, {**BASE, "entry_name": "x", "is_default": True}]}, "payout_revenue.1.is_default"),
    ({"network_offer_id": 999_999}, "network_offer_id"),
]


@pytest.mark.parametrize(("body", "named"), WRONG, ids=[f"{named} {number}" for number, (_, named) in enumerate(WRONG)])
def test_what_an_offer_cannot_be_is_named(
    launch: Launch, api: Client, sent: dict[str, Any], body: dict[str, Any], named: str
) -> None:
    offer = launch("Candles")

    changed = ask(api, "put", f"/offers/{offer.pk}", **body)
    added = ask(api, "post", "/offers", **{**sent, **body})

    assert sentence(changed).startswith(f"{named}")
    assert sentence(added).startswith(f"{named}")
    assert Offer.objects.count() == 1
    assert events() == []


def test_every_field_that_is_wrong_is_named(launch: Launch, api: Client, sent: dict[str, Any]) -> None:
    wrong_kinds = ask(api, "post", "/offers", **{**sent, "name": 7, "daily_click_cap": -1, "nickname": "Wax"})
    wrong_values = ask(
        api,
        "post",
        "/offers",
        **{
            **sent,
            "destination_url": "lamps",
            "currency_id": "XXZ",
            "labels": ["a,b"],
            "payout_revenue": [{"entry_name": "x", "payout_type": "cps", "payout_amount": 1}],
        },
    )

    for name in ("name: ", "daily_click_cap: ", "nickname: "):
        assert name in sentence(wrong_kinds)
    for name in ("destination_url: ", "currency_id: ", "labels: ", "payout_revenue.0.payout_amount: "):
        assert name in sentence(wrong_values)


def test_an_offer_without_a_payout_for_the_conversion_itself_is_refused(api: Client, sent: dict[str, Any]) -> None:
    answer = ask(api, "post", "/offers", **{**sent, "payout_revenue": [{**BASE, "entry_name": "deposit"}]})

    assert sentence(answer).startswith("payout_revenue: ")


def test_an_offers_currency_is_fixed(launch: Launch, api: Client) -> None:
    offer = launch(currency="EUR")

    assert sentence(ask(api, "put", f"/offers/{offer.pk}", currency_id="USD")).startswith("currency_id: ")
    assert good(ask(api, "put", f"/offers/{offer.pk}", currency_id="eur"))["currency_id"] == "EUR"


def test_an_offers_traffic_is_not_sent_back_to_itself(launch: Launch, api: Client) -> None:
    offer = launch()

    answer = ask(api, "put", f"/offers/{offer.pk}", redirect_network_offer_id=offer.pk)

    assert sentence(answer).startswith("redirect_network_offer_id: ")


def test_a_refused_change_changes_nothing_of_it(launch: Launch, api: Client) -> None:
    offer = launch("Candles")

    answer = ask(
        api, "put", f"/offers/{offer.pk}", name="Lamps", payout_revenue=[{"payout_type": "cpa", "payout_percentage": 5}]
    )

    offer.refresh_from_db()
    assert answer.status_code == 400
    assert offer.name == "Candles"


def test_an_offer_that_is_not_there_is_not_found(api: Client) -> None:
    assert api.get(f"{API}/offers/999999").status_code == 404
    assert ask(api, "put", "/offers/999999").status_code == 404


@pytest.fixture
def catalogue(launch: Launch, acme: Partner) -> dict[str, Offer]:
    lamps = Category.add(name="Lamps", by=SETUP)
    osram = Advertiser.sign_up(name="Glow & Sons", by=SETUP)
    offers = {
        "Candles": launch("Candles", labels=["Wax", "Gifts"]),
        "Lamps": Offer.launch(
            advertiser=osram,
            category=lamps,
            name="Lamps",
            destination_url="https://lamps.example/",
            status="paused",
            currency="EUR",
            visibility="require_approval",
            pays=Terms(PayoutType.CPS, percentage=Decimal(5)),
            by=SETUP,
        ),
        "Torches": launch("Torches", status="deleted", visibility="private"),
    }
    offers["Lamps"].pay(Terms(PayoutType.CPA, Decimal(1)), event_name="signup", by=SETUP)
    offers["Lamps"].apply(partner=acme, by=SETUP)
    return offers


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["Candles", "Lamps", "Torches"]),
        ({"offer_status": "active"}, ["Candles"]),
        ({"offer_status": ["active", "deleted"]}, ["Candles", "Torches"]),
        ({"visibility": "require_approval"}, ["Lamps"]),
        ({"currency_id": "EUR"}, ["Lamps"]),
        ({"payout_type": "cpa"}, ["Candles", "Torches"]),
        ({"payout_type": "cps"}, ["Lamps"]),
        ({"labels": "Wax"}, ["Candles"]),
        ({"labels": ["Gifts", "Nothing"]}, ["Candles"]),
        ({"application_status": "pending"}, ["Lamps"]),
        ({"application_status": ["approved", "rejected"]}, []),
        ({"network_offer_id": 0}, []),
        ({"network_offer_id": 10**30}, []),
        ({"offer_status": "paused", "visibility": "public"}, []),
    ],
)
def test_offers_are_filtered_alike_in_the_list_and_in_the_search(
    catalogue: dict[str, Offer], api: Client, filters: dict[str, Any], found: list[str]
) -> None:
    listed = api.get(f"{API}/offers", filters)
    searched = ask(api, "post", "/offerstable", filters=filters)

    assert names(listed) == names(searched) == found


def test_offers_are_filtered_by_their_category_and_their_advertiser(catalogue: dict[str, Offer], api: Client) -> None:
    lamps = catalogue["Lamps"]

    assert names(ask(api, "post", "/offerstable", filters={"network_category_id": lamps.category_id})) == ["Lamps"]
    assert names(ask(api, "post", "/offerstable", filters={"network_advertiser_id": [lamps.advertiser_id]})) == [
        "Lamps"
    ]
    assert names(api.get(f"{API}/offers?network_advertiser_id={lamps.advertiser_id}")) == ["Lamps"]


def test_a_label_that_no_offer_can_have_finds_none(catalogue: dict[str, Offer], api: Client) -> None:
    assert names(api.get(f"{API}/offers", {"labels": "\0"})) == []


@pytest.mark.parametrize(
    ("terms", "found"),
    [
        ([("name", "AND")], ["Candles"]),
        ([("text", "glow")], ["Lamps"]),
        ([("network_advertiser_name", "tallow")], ["Candles", "Torches"]),
        ([("network_category_name", "lamp")], ["Lamps"]),
        ([("labels", "gif")], ["Candles"]),
        ([("offer_status", "deleted")], ["Torches"]),
        ([("network_advertiser_name", "tallow"), ("name", "torch")], ["Torches"]),
        ([("name", "")], ["Candles", "Lamps", "Torches"]),
    ],
)
def test_offers_are_searched(
    catalogue: dict[str, Offer], api: Client, terms: list[tuple[str, str]], found: list[str]
) -> None:
    said = [{"search_type": name, "value": value} for name, value in terms]

    assert names(ask(api, "post", "/offerstable", search_terms=said)) == found


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ({"order_field": "name", "order_direction": "desc"}, ["Torches", "Lamps", "Candles"]),
        ({"order_field": "network_advertiser_name"}, ["Lamps", "Candles", "Torches"]),
        ({"order_field": "pending_applications", "order_direction": "desc"}, ["Lamps", "Torches", "Candles"]),
        ({"order_field": "network_offer_id", "order_direction": "desc"}, ["Torches", "Lamps", "Candles"]),
    ],
)
def test_offers_are_put_in_order(
    catalogue: dict[str, Offer], api: Client, order: dict[str, str], found: list[str]
) -> None:
    in_body = ask(api, "post", "/offerstable", **order)
    in_query = api.get(f"{API}/offers", order)

    assert names(in_body) == names(in_query) == found


@pytest.mark.parametrize("body", [{"page": 2, "page_size": 2}, {"paging": {"page": 2, "page_size": 2}}])
def test_offers_are_found_a_page_at_a_time(catalogue: dict[str, Offer], api: Client, body: dict[str, Any]) -> None:
    told = good(ask(api, "post", "/offerstable", **body))
    listed = good(api.get(f"{API}/offers?page=2&page_size=2&relationship=ruleset&relationship=payout_revenue"))

    assert [offer["name"] for offer in told["offers"]] == [offer["name"] for offer in listed["offers"]] == ["Torches"]
    assert told["paging"] == listed["paging"] == {"page": 2, "page_size": 2, "total_count": 3}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"filters": {"colour": "red"}}, "filters.colour"),
        ({"filters": {"offer_status": "gone"}}, "filters.offer_status"),
        ({"filters": {"offer_status": {"is": "active"}}}, "filters.offer_status"),
        ({"filters": {"offer_status": True}}, "filters.offer_status"),
        ({"filters": {"network_category_id": "Home"}}, "filters.network_category_id"),
        ({"search_terms": [{"search_type": "colour", "value": "red"}]}, "search_type: colour"),
        ({"search_terms": [{"search_type": "offer_status", "value": "gone"}]}, "search_terms.0.offer_status"),
        ({"order_field": "colour"}, "order_field"),
        ({"order_direction": "up"}, "order_direction"),
    ],
)
def test_what_offers_cannot_be_searched_by_is_named(api: Client, body: dict[str, Any], named: str) -> None:
    assert sentence(ask(api, "post", "/offerstable", **body)).startswith(named)


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("offers?colour=red", "colour"),
        ("offers?offer_status=gone", "offer_status"),
        ("offers?network_offer_id=x", "network_offer_id"),
        ("offers?relationship=weather", "relationship"),
        ("offers?order_field=colour", "order_field"),
        ("offers?order_direction=up", "order_direction"),
        ("couponcodes?colour=red", "colour"),
        ("couponcodes?coupon_status=gone", "coupon_status"),
        ("couponcodes?network_offer_id=x", "network_offer_id"),
    ],
)
def test_what_cannot_be_listed_by_is_named(api: Client, path: str, named: str) -> None:
    assert sentence(api.get(f"{API}/{path}")).startswith(named)


def test_advertisers_are_listed_without_their_tokens(launch: Launch, api: Client) -> None:
    advertiser = Advertiser.objects.get()
    token = advertiser.issue_token(by=SETUP)
    Advertiser.sign_up(name="Glow & Sons", by=SETUP)

    answer = api.get(f"{API}/advertisers")
    second = good(api.get(f"{API}/advertisers?page=2&page_size=1"))

    first, _ = good(answer)["advertisers"]
    assert (first["network_advertiser_id"], first["name"]) == (advertiser.pk, "Tallow & Reed")
    assert first["verification_token"] == advertiser.token_hint
    assert token not in answer.content.decode()
    assert ([each["name"] for each in second["advertisers"]], second["total_count"]) == (["Glow & Sons"], 2)


def test_all_coupon_codes_are_listed_with_whose_they_are(launch: Launch, api: Client, acme: Partner) -> None:
    offer, other = launch("Candles"), launch("Lamps")
    offer.add_coupon(code="ALL10", by=SETUP)
    offer.add_coupon(code="ACME10", partner=acme, by=SETUP)
    other.add_coupon(code="LATER", valid_from=now().date() + timedelta(days=5), by=SETUP)
    other.add_coupon(code="GONE", by=SETUP).withdraw(by=SETUP)

    def listed(query: str = "") -> list[tuple[str, str, int]]:
        return [
            (each["coupon_code"], each["coupon_status"], each["network_affiliate_id"])
            for each in good(api.get(f"{API}/couponcodes{query}"))["coupon_codes"]
        ]

    everything = listed()

    assert everything == [
        ("ALL10", "active", 0),
        ("ACME10", "active", acme.pk),
        ("LATER", "upcoming", 0),
        ("GONE", "withdrawn", 0),
    ]
    assert listed(f"?network_affiliate_id={acme.pk}") == everything[1:2]
    assert listed("?network_affiliate_id=0&coupon_status=active") == everything[:1]
    assert listed(f"?network_offer_id={other.pk}&page_size=1&page=2") == everything[3:]


@pytest.mark.parametrize(("path", "kind"), [("clicks", "t"), ("impressions", "i")])
def test_an_affiliates_link_is_made(launch: Launch, api: Client, acme: Partner, path: str, kind: str) -> None:
    offer = launch()
    sale = offer.add_url(name="Sale", destination_url="https://candles.example/sale", by=SETUP)

    told = good(
        ask(
            api,
            "post",
            f"/tracking/offers/{path}",
            network_offer_id=offer.pk,
            network_affiliate_id=acme.pk,
            network_offer_url_id=sale.pk,
            sub1="a b",
            source_id="blog",
        )
    )

    where = f"https://go.northwind.example/{kind}/{code_of_partner(acme.pk)}/{offer.code}/"
    assert told == {"url": f"{where}?sub1=a%20b&source_id=blog&url_id={sale.pk}"}


def test_there_is_no_link_for_an_affiliate_that_cannot_run_the_offer(
    launch: Launch, api: Client, acme: Partner, other_partner: Partner
) -> None:
    asked, private = launch(visibility="require_approval"), launch("Hidden", visibility="private")
    paused, gone = launch("Paused", status="paused"), launch("Gone", status="deleted")
    asked.apply(partner=acme, by=SETUP)
    other_partner.change(status="paused", by=SETUP)

    def reason(offer: Offer, partner: Partner) -> str:
        body = {"network_offer_id": offer.pk, "network_affiliate_id": partner.pk}
        return sentence(ask(api, "post", "/tracking/offers/clicks", **body)).rpartition(": ")[2]

    assert reason(asked, acme) == "the affiliate’s application has not been answered yet."
    assert reason(private, acme) == "it needs approval, and the affiliate has not applied for it."
    assert reason(paused, acme) == "it is paused."
    assert reason(gone, acme) == "it was deleted."
    assert reason(launch("Open"), other_partner) == "the affiliate’s account is not active."


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"network_offer_id": 999_999}, "network_offer_id"),
        ({"network_affiliate_id": 999_999}, "network_affiliate_id"),
        ({"network_offer_url_id": 999_999}, "network_offer_url_id"),
        ({"creative_id": 999_999}, "creative_id"),
        ({"sub11": "x"}, "sub11"),
        ({"sub1": "x" * 501}, "sub1"),
    ],
)
def test_what_a_link_cannot_have_is_named(
    launch: Launch, api: Client, acme: Partner, body: dict[str, Any], named: str
) -> None:
    usual = {"network_offer_id": launch().pk, "network_affiliate_id": acme.pk}

    assert sentence(ask(api, "post", "/tracking/offers/impressions", **{**usual, **body})).startswith(named)
