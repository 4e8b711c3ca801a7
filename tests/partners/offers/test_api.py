from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import localdate

from keys.models import Key
from partners.models import Partner
from partners.offers.codes import code_of_partner
from partners.offers.models import (
    Application,
    CouponCode,
    Creative,
    Deal,
    Offer,
    PayoutType,
    ProductFeed,
    ProductFeedItem,
    Revenue,
    RevenueType,
    Terms,
)
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.network.models import Network
from tests.conftest import SETUP

pytestmark = pytest.mark.django_db

Launch = Callable[..., Offer]
API = "/v1/affiliates"


@pytest.fixture
def api(acme_key: tuple[Key, str], call: Callable[..., Client], network: Network) -> Client:
    """Acme's client; links lead over go.northwind.example."""
    network.change(by=SETUP, tracking_domain="go.northwind.example", timezone="UTC")
    return call(acme_key[1])


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [offer["name"] for offer in answer.json()["offers"]]


def sentence(answer: Any) -> str:
    assert answer.status_code == 400, answer.content
    return str(answer.json()["error"])


def link(kind: str, partner: Partner, offer: Offer) -> str:
    return f"https://go.northwind.example/{kind}/{code_of_partner(partner.pk)}/{offer.code}/"


def test_a_partner_lists_what_it_sees_and_what_it_can_run(launch: Launch, acme: Partner, api: Client) -> None:
    launch("Open")
    launch("Asked for", visibility="require_approval").apply(partner=acme, by=SETUP)
    launch("Mine", visibility="private").admit(partner=acme, by=SETUP)
    launch("Paused", status="paused")
    launch("Over", live_until=localdate() - timedelta(days=2))
    launch("Hidden", visibility="private")
    launch("Gone", status="deleted")

    lists = [names(api.get(f"{API}/{path}")) for path in ("alloffers", "offersrunnable")]

    assert lists == [["Open", "Asked for", "Mine", "Paused", "Over"], ["Open", "Mine"]]


def test_lists_of_offers_are_paged(launch: Launch, api: Client) -> None:
    for number in range(5):
        launch(f"Offer {number}")

    answer = api.get(f"{API}/alloffers?page=2&page_size=2")

    assert names(answer) == ["Offer 2", "Offer 3"]
    assert answer.json()["paging"] == {"page": 2, "page_size": 2, "total_count": 5}
    assert answer.json()["total_count"] == 5


def test_an_offer_says_all_that_its_partner_needs(launch: Launch, acme: Partner, api: Client) -> None:
    offer = launch(
        "Candles",
        visibility="require_approval",
        currency="EUR",
        pays=Terms(PayoutType.CPC, Decimal("0.0125")),
        earns=Revenue(RevenueType.RPC, Decimal("0.9876")),
        countries=["DE"],
        daily_payout_cap=Decimal("99.995"),
        live_until=date(2199, 12, 31),
        description="<p>Beeswax.</p>",
    )
    offer.pay(Terms(PayoutType.CPS, percentage=Decimal("7.5")), event_name="subscription", by=SETUP)
    offer.admit(partner=acme, by=SETUP)
    landing = offer.add_url(name="Sale", destination_url="https://candles.example/sale", by=SETUP)
    banner = offer.add_creative(
        name="Wide",
        creative_type=Creative.Type.IMAGE,
        resource_url="https://cdn.example/w.png",
        width=728,
        height=90,
        by=SETUP,
    )

    answer = api.get(f"{API}/offers/{offer.pk}")

    told = answer.json()
    relationship = told["relationship"]
    base, subscription = relationship["payouts"]["entries"]
    assert (told["payout_type"], told["default_payout"], told["currency_id"]) == ("cpc", 0.0125, "EUR")
    assert told["tracking_url"] == link("t", acme, offer)
    assert told["impression_tracking_url"] == link("i", acme, offer)
    assert (told["is_caps_enabled"], told["daily_payout_cap"], told["date_live_until"]) == (True, 100.0, "2199-12-31")
    assert relationship["offer_affiliate_status"] == "approved"
    assert (base["entry_name"], base["is_default"], base["payout_amount"]) == ("Base", True, 0.0125)
    assert (subscription["entry_name"], subscription["payout_percentage"]) == ("subscription", 7.5)
    assert [entry["network_offer_url_id"] for entry in relationship["urls"]["entries"]] == [landing.pk]
    (creative,) = relationship["creatives"]["entries"]
    assert f'href="{link("t", acme, offer)}?creative_id={banner.pk}"' in creative["html_code"]
    assert [rule["label"] for rule in relationship["ruleset"]["countries"]] == ["Germany"]
    assert "0.9876" not in answer.content.decode()


def test_a_partner_sees_its_own_terms_and_nobody_elses(
    launch: Launch, acme: Partner, other_partner: Partner, api: Client
) -> None:
    offer = launch()
    offer.pay_partner(other_partner, Terms(PayoutType.CPA, Decimal("77.7")), by=SETUP)
    everybodys = api.get(f"{API}/offers/{offer.pk}")
    offer.pay_partner(acme, Terms(PayoutType.CPS, percentage=Decimal(8)), by=SETUP)

    own = api.get(f"{API}/offers/{offer.pk}").json()

    assert everybodys.json()["default_payout"] == 10.0
    assert (own["payout_type"], own["default_payout"]) == ("cps", 8.0)
    assert "77.7" not in everybodys.content.decode()


def test_an_offer_that_cannot_be_run_has_no_links(launch: Launch, acme: Partner, api: Client) -> None:
    offer = launch(visibility="require_approval")
    offer.add_creative(name="Text", creative_type=Creative.Type.TEXT, html_code="Light up: {tracking_link}", by=SETUP)

    told = api.get(f"{API}/offers/{offer.pk}").json()

    assert (told["tracking_url"], told["impression_tracking_url"]) == ("", "")
    assert told["relationship"]["offer_affiliate_status"] == "require_approval"
    assert told["relationship"]["creatives"]["entries"][0]["html_code"] == "Light up: {tracking_link}"


@pytest.mark.parametrize(("path", "kind"), [("url", "t"), ("impressionurl", "i")])
def test_a_link_carries_what_was_asked_for(path: str, kind: str, launch: Launch, acme: Partner, api: Client) -> None:
    offer = launch()
    landing = offer.add_url(name="Sale", destination_url="https://candles.example/sale", by=SETUP)
    text = offer.add_creative(name="Text", creative_type=Creative.Type.TEXT, html_code="Light up", by=SETUP)
    given: dict[str, str | int] = {
        "sub1": "a b&c=d/é",
        "sub10": "x",
        "source_id": "blog",
        "creative_id": text.pk,
        "coupon_code": "GLOW+10",
    }

    plain = api.get(f"{API}/offers/{offer.pk}/{path}/0").json()["url"]
    full = api.get(f"{API}/offers/{offer.pk}/{path}/{landing.pk}", {**given, "sub2": ""}).json()["url"]

    assert plain == link(kind, acme, offer)
    assert full == (
        f"{plain}?sub1=a%20b%26c%3Dd%2F%C3%A9&sub10=x&source_id=blog&creative_id={text.pk}&url_id={landing.pk}"
        "&coupon_code=GLOW%2B10"
    )


def test_links_lead_over_the_site_itself_without_a_tracking_domain(
    launch: Launch, api: Client, network: Network, settings: Any
) -> None:
    settings.BASE_URL = "https://latchkey.example"
    network.change(by=SETUP, tracking_domain="")

    url = api.get(f"{API}/offers/{launch().pk}/url/0").json()["url"]

    assert url.startswith("https://latchkey.example/t/")


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"creative_id": "x"}, "creative_id"),
        ({"creative_id": "-1"}, "creative_id"),
        ({"creative_id": "99999999999999999999"}, "creative_id"),
        ({"creative_id": "7"}, "creative_id: 7 is not a creative of this offer"),
        ({"sub3": "x" * 501}, "sub3"),
    ],
)
def test_a_link_that_cannot_be_made_is_refused_by_name(
    query: dict[str, str], named: str, launch: Launch, api: Client
) -> None:
    offer = launch()

    assert named in sentence(api.get(f"{API}/offers/{offer.pk}/url/0", query))


def test_the_landing_page_of_another_offer_is_not_found(launch: Launch, api: Client) -> None:
    other = launch("Lamps").add_url(name="Sale", destination_url="https://lamps.example/sale", by=SETUP)

    assert api.get(f"{API}/offers/{launch().pk}/url/{other.pk}").status_code == 404


@pytest.mark.parametrize(
    ("fields", "decide", "why"),
    [
        ({"status": "paused"}, None, "it is paused"),
        ({"status": "pending"}, None, "it has not started yet"),
        ({"live_until": date(2020, 1, 1)}, None, "it ended on 2020-01-01"),
        ({"visibility": "require_approval"}, None, "apply for it first"),
        ({"visibility": "require_approval"}, "wait", "has not been answered yet"),
        ({"visibility": "require_approval"}, "reject", "was rejected"),
    ],
)
@pytest.mark.parametrize("path", ["url/0", "impressionurl/0"])
def test_a_link_to_what_cannot_be_run_is_refused_with_the_reason(
    path: str, fields: dict[str, Any], decide: str | None, why: str, launch: Launch, acme: Partner, api: Client
) -> None:
    offer = launch(**fields)
    if decide:
        application = offer.apply(partner=acme, by=SETUP)
        if decide == "reject":
            application.reject(by=SETUP)

    assert why in sentence(api.get(f"{API}/offers/{offer.pk}/{path}"))


@pytest.mark.parametrize("status", ["onboarding", "paused"])
def test_a_partner_whose_account_is_not_active_runs_nothing(
    status: str, launch: Launch, acme: Partner, api: Client
) -> None:
    offer = launch()
    acme.change(by=SETUP, status=status)

    refused = api.get(f"{API}/offers/{offer.pk}/url/0")

    assert names(api.get(f"{API}/offersrunnable")) == []
    assert api.get(f"{API}/offers/{offer.pk}").json()["tracking_url"] == ""
    assert "your account is not active" in sentence(refused)


def test_a_partner_applies_by_its_key_and_once(launch: Launch, acme: Partner, api: Client) -> None:
    offer = launch(visibility="require_approval")

    answers = [api.post(f"{API}/offers/{offer.pk}/application") for _ in range(2)]
    Application.objects.get().approve(by=SETUP)
    answers.append(api.post(f"{API}/offers/{offer.pk}/application", {"terms": True}, content_type="application/json"))

    assert [answer.json()["offer_affiliate_status"] for answer in answers] == ["pending", "pending", "approved"]
    event = Event.objects.get(kind=EventKind.APPLICATION_MADE)
    assert event.actor_label.startswith("API key …") and event.partner_id == acme.pk


def test_nobody_applies_for_a_public_offer_by_api(launch: Launch, api: Client) -> None:
    offer = launch()

    assert "is public" in sentence(api.post(f"{API}/offers/{offer.pk}/application"))
    assert not Application.objects.exists()


def test_coupon_codes_are_ones_own_and_everybodys_of_offers_that_are_open(
    launch: Launch, acme: Partner, other_partner: Partner, api: Client
) -> None:
    open_offer, closed = launch(), launch("Lamps", visibility="require_approval")
    open_offer.add_coupon(code="ALL", description="10 % off", valid_to=date(2020, 1, 1), by=SETUP)
    open_offer.add_coupon(code="ACME", partner=acme, valid_from=date(2199, 1, 1), by=SETUP)
    open_offer.add_coupon(code="ORBIT", partner=other_partner, by=SETUP)
    open_offer.add_coupon(code="OLD", by=SETUP).withdraw(by=SETUP)
    closed.add_coupon(code="LAMP", by=SETUP)
    launch("Gone", status="deleted").add_coupon(code="GONE", by=SETUP)

    answer = api.get(f"{API}/couponcodes").json()

    assert [(row["coupon_code"], row["coupon_status"]) for row in answer["coupon_codes"]] == [
        ("ALL", "expired"),
        ("ACME", "upcoming"),
    ]
    assert (answer["coupon_codes"][0]["end_date"], answer["coupon_codes"][0]["start_date"]) == ("2020-01-01", "")
    assert answer["paging"]["total_count"] == 2


@pytest.fixture
def deals(launch: Launch) -> dict[str, Deal]:
    seen, lamps, hidden = launch(), launch("Lamps"), launch("Hidden", visibility="private")
    return {
        "sale": seen.add_deal(
            name="Sale", deal_type="discount", discount_percentage=Decimal(15), coupon_code="S15", by=SETUP
        ),
        "over": seen.add_deal(name="Over", deal_type="gift", valid_to=date(2020, 1, 1), by=SETUP),
        "lamps": lamps.add_deal(
            name="Lamps", deal_type="discount", discount_amount=Decimal("4.5"), discount_currency="EUR", by=SETUP
        ),
        "hidden": hidden.add_deal(name="Hidden", deal_type="discount", by=SETUP),
    }


def deal_names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [deal["name"] for deal in answer.json()["deals"]]


def test_the_deals_of_an_offer_are_listed(deals: dict[str, Deal], api: Client) -> None:
    deals["over"].withdraw(by=SETUP)

    answer = api.get(f"{API}/offers/{deals['sale'].offer_id}/deals")

    (deal,) = answer.json()["deals"]
    assert (deal["name"], deal["deal_status"], deal["coupon_code"]) == ("Sale", "active", "S15")
    assert deal["coupon_code_discount_percentage"] == 15.0


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([], ["Sale", "Over", "Lamps"]),
        ([("deal_status", "active")], ["Sale", "Lamps"]),
        ([("deal_status", "active"), ("deal_status", "expired")], ["Sale", "Over", "Lamps"]),
        ([("deal_status", "active"), ("deal_type", "gift")], []),
        ([("offer", "lamps")], ["Lamps"]),
        ([("offer", "lamps"), ("offer", "sale")], ["Sale", "Over", "Lamps"]),
        ([("offer", "hidden")], []),
    ],
)
def test_deals_are_searched_by_offer_status_and_type(
    filters: list[tuple[str, str]], found: list[str], deals: dict[str, Deal], api: Client
) -> None:
    asked = [
        {"resource_type": kind, "filter_id_value": deals[value].offer_id if kind == "offer" else value}
        for kind, value in filters
    ]

    answer = api.post(f"{API}/deals", {"query": {"filters": asked}}, content_type="application/json")

    assert deal_names(answer) == found


def test_the_page_of_a_search_may_stand_in_its_body(deals: dict[str, Deal], api: Client) -> None:
    answer = api.post(f"{API}/deals", {"page": 2, "page_size": 2}, content_type="application/json")

    assert deal_names(answer) == ["Lamps"]
    assert deal_names(api.generic("POST", f"{API}/deals")) == ["Sale", "Over", "Lamps"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"query": {"filters": [{"resource_type": "color", "filter_id_value": "red"}]}}, "color"),
        ({"query": {"filters": [{"resource_type": "offer", "filter_id_value": "x"}]}}, "x is not the number"),
        ({"query": {"filters": [{"resource_type": "offer", "filter_id_value": True}]}}, "a text or a number"),
        ({"query": {"filters": [{"resource_type": "offer", "filter_id_value": 2**63}]}}, "is not the number"),
        ({"query": {"filters": [{"resource_type": "deal_status", "filter_id_value": "withdrawn"}]}}, "withdrawn"),
        ({"query": {"filters": [{"resource_type": "deal_type", "filter_id_value": 1}]}}, "deal_type"),
        ({"query": {"sort": "name"}}, "sort"),
        ({"offers": [1]}, "offers"),
    ],
)
def test_a_search_for_what_there_is_not_is_refused_by_name(body: Any, named: str, api: Client) -> None:
    assert named in sentence(api.post(f"{API}/deals", body, content_type="application/json"))


@pytest.fixture
def feed(launch: Launch) -> ProductFeed:
    feed = launch().add_feed(name="All candles", valid_from=date(2026, 5, 1), by=SETUP)
    feed.fill(
        [
            ProductFeedItem(
                sku="BW-20",
                name="Beeswax, tall",
                url_link="https://shop.example/bw-20",
                url_link_mobile="https://m.shop.example/bw-20",
                price=Decimal("18.5"),
            ),
            ProductFeedItem(sku="SO-10", name="Soy", url_link="https://shop.example/so-10", price=Decimal(9)),
        ],
        by=SETUP,
    )
    return feed


def test_the_product_feeds_of_an_offer_are_listed(feed: ProductFeed, api: Client) -> None:
    answer = api.get(f"{API}/offers/{feed.offer_id}/productfeeds").json()

    (told,) = answer["product_feeds"]
    assert told["network_advertiser_product_feed_id"] == feed.pk
    assert (told["name"], told["number_of_products"], told["date_valid_from"]) == ("All candles", 2, "2026-05-01")


def test_a_product_feed_is_downloaded_with_the_partners_links_in_it(
    feed: ProductFeed, acme: Partner, api: Client
) -> None:
    answer = api.get(f"{API}/offers/{feed.offer_id}/productfeeds/{feed.pk}/download")

    assert answer["Content-Type"].startswith("text/csv") and f"products-{feed.pk}.csv" in answer["Content-Disposition"]
    text = answer.getvalue().decode()
    beeswax, soy = csv.DictReader(io.StringIO(text))
    item = feed.items.get(sku="BW-20")
    assert beeswax["url_link"] == f"{link('t', acme, feed.offer)}?product_id={item.pk}" == beeswax["url_link_mobile"]
    assert (beeswax["name"], beeswax["price"], soy["url_link_mobile"]) == ("Beeswax, tall", "18.5", "")
    assert "shop.example" not in text


def test_a_feed_of_what_cannot_be_run_is_not_downloaded(feed: ProductFeed, api: Client) -> None:
    feed.offer.change(by=SETUP, status="paused")

    assert "it is paused" in sentence(api.get(f"{API}/offers/{feed.offer_id}/productfeeds/{feed.pk}/download"))


PATHS = [
    ("get", "offers/{offer}"),
    ("get", "offers/{offer}/url/0"),
    ("get", "offers/{offer}/impressionurl/0"),
    ("post", "offers/{offer}/application"),
    ("get", "offers/{offer}/deals"),
    ("get", "offers/{offer}/productfeeds"),
    ("get", "offers/{offer}/productfeeds/{feed}/download"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize("fields", [{"visibility": "private"}, {"status": "deleted"}])
def test_an_offer_that_is_not_to_be_seen_is_not_found(
    method: str, path: str, fields: dict[str, Any], feed: ProductFeed, other_partner: Partner, api: Client
) -> None:
    Offer.objects.filter(pk=feed.offer_id).update(**fields)
    feed.offer.refresh_from_db()
    feed.offer.admit(partner=other_partner, by=SETUP)

    answer = getattr(api, method)(f"{API}/{path.format(offer=feed.offer_id, feed=feed.pk)}")

    assert answer.status_code == 404
    assert not Application.objects.exclude(partner=other_partner).exists()


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize("number", ["0", "-1", "99999999999999999999"])
def test_an_offer_that_cannot_be_is_not_found(
    method: str, path: str, number: str, feed: ProductFeed, api: Client
) -> None:
    answer = getattr(api, method)(f"{API}/{path.format(offer=number, feed=feed.pk)}")

    assert answer.status_code == 404


def test_the_feed_of_another_offer_is_not_found(feed: ProductFeed, launch: Launch, api: Client) -> None:
    assert api.get(f"{API}/offers/{launch('Lamps').pk}/productfeeds/{feed.pk}/download").status_code == 404


@pytest.mark.parametrize("path", ["alloffers", "offersrunnable", "couponcodes", "deals", "feeds"])
def test_a_list_takes_as_many_queries_for_one_as_for_twenty(
    path: str, launch: Launch, acme: Partner, api: Client
) -> None:
    first = launch("First")
    furnish(first, acme, 0)
    one = queries_for(path, first, api)
    for number in range(1, 20):
        furnish(launch(f"Offer {number}"), acme, number)
        first.add_feed(name=f"Feed {number}", by=SETUP)

    assert queries_for(path, first, api) == one


def furnish(offer: Offer, partner: Partner, number: int) -> None:
    offer.pay(Terms(PayoutType.CPS, percentage=Decimal(5)), event_name="deposit", by=SETUP)
    offer.pay_partner(partner, Terms(PayoutType.CPA, Decimal(12)), by=SETUP)
    offer.add_url(name="Sale", destination_url="https://sale.example/", by=SETUP)
    offer.add_creative(name="Text", creative_type=Creative.Type.TEXT, html_code="Light up", by=SETUP)
    offer.add_coupon(code=f"CODE{number}", by=SETUP)
    offer.add_deal(name="Sale", deal_type="discount", by=SETUP)
    if not number:
        offer.add_feed(name="All", by=SETUP)


def queries_for(path: str, offer: Offer, api: Client) -> int:
    with CaptureQueriesContext(connection) as queries:
        if path == "deals":
            answer = api.generic("POST", f"{API}/deals")
        else:
            answer = api.get(f"{API}/offers/{offer.pk}/productfeeds" if path == "feeds" else f"{API}/{path}")
    assert answer.status_code == 200
    return len(queries)


def test_nothing_is_asked_for_that_belongs_to_nobody(api: Client) -> None:
    lists = [api.get(f"{API}/{path}").json() for path in ("alloffers", "offersrunnable", "couponcodes")]

    assert [listed["total_count"] for listed in lists] == [0, 0, 0]
    assert not CouponCode.objects.exists()
