from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch
from urllib.parse import quote, urlsplit
from uuid import UUID

import pytest
from django.db import OperationalError
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partners.models import Partner
from partners.offers.models import Creative, Offer, PayoutType, ProductFeedItem, Revenue, Terms
from partners.offers.models.payouts import RevenueType
from partners.traffic.models import CapCount, Click, Refusal, TrafficBlock, TrafficControl, Visitor
from partners.traffic.places import Place
from portal.network.models import Network
from tests.conftest import SETUP
from tests.partners.traffic.arriving import (
    BROWSER,
    DESTINATION,
    GOOGLEBOT,
    at,
    click,
    destination,
    launched,
    path_of,
    statements,
    visit,
)

pytestmark = pytest.mark.django_db
TELEPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0"
    " Mobile/15E148 Safari/604.1"
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"


@pytest.fixture
def boots(network: Network) -> Offer:
    return launched()


def last() -> Click:
    return Click.objects.newest_first()[0]


# What is recorded, and where it leads.


def test_a_click_is_a_row_and_leads_to_the_offer_with_its_number(acme: Partner, boots: Offer) -> None:
    response = click(acme, boots, "sub1=news&sub10=last&source_id=mail&coupon_code=SAVE&campaign=spring")

    [row] = Click.objects.all()
    assert destination(response) == {"click": row.id.hex}
    assert (row.partner_id, row.offer_id, row.error_code, row.is_unique) == (acme.pk, boots.pk, 0, True)
    assert (row.sub1, row.sub10, row.source_id, row.coupon_code) == ("news", "last", "mail", "SAVE")
    assert row.parameters == {"campaign": "spring"}
    assert (
        row.tracking_url
        == f"{path_of(acme, boots)}?sub1=news&sub10=last&source_id=mail&coupon_code=SAVE&campaign=spring"
    )
    assert row.at.timestamp() * 1000 == row.id.int >> 80


def test_a_click_keeps_who_came_and_from_where(acme: Partner, boots: Offer) -> None:
    headers = {
        "Referer": "https://blog.example/post?id=1",
        "Accept-Language": "de-AT,de;q=0.9",
        "Host": "Go.Example.com:8443",
    }
    Client().get(path_of(acme, boots), headers={"User-Agent": BROWSER, **headers}, REMOTE_ADDR="203.0.113.9")

    row = last()
    assert (row.ip, row.referer, row.language) == ("203.0.113.9", "https://blog.example/post?id=1", "de")
    assert row.tracking_domain == "go.example.com"
    assert (row.platform, row.device_type, row.browser, row.is_robot) == ("Windows", "Desktop", "Chrome", False)
    assert row.user_agent == BROWSER


def test_the_macros_of_the_destination_are_filled_and_encoded(acme: Partner, boots: Offer) -> None:
    url = "https://shop.example/{sub1}/?t={transaction_id}&o={offer_id}&a={affiliate_id}&s={source_id}&x={campaign}&n={offer_name}&d={device_type}&none={sub5}"
    boots.change(by=SETUP, destination_url=url)

    response = click(acme, boots, {"sub1": "a/b?c#d", "source_id": "é&=", "campaign": "x\r\ny"})

    where = urlsplit(response["Location"])
    assert (where.scheme, where.netloc, where.path, where.fragment) == ("https", "shop.example", "/a%2Fb%3Fc%23d/", "")
    assert destination(response) == {
        "t": last().id.hex,
        "o": str(boots.pk),
        "a": str(acme.pk),
        "s": "é&=",
        "x": "x\r\ny",
        "n": "Winter Boots",
        "d": "desktop",
        "none": "",
    }


def test_a_link_cannot_say_what_our_macros_stand_for(acme: Partner, boots: Offer) -> None:
    response = click(acme, boots, {"transaction_id": "forged", "affiliate_id": "1"})

    assert destination(response) == {"click": last().id.hex}


@pytest.mark.parametrize(
    "query",
    [
        "url=https://evil.example/",
        "sub1=//evil.example/&sub2=https://evil.example",
        "url_id=//evil.example",
        "sub1=%0d%0aLocation:%20https://evil.example/",
        "sub1=%0d%0aSet-Cookie:%20a=b",
        "transaction_id=https://evil.example",
        "sub1=..%2f..%2f&sub2=@evil.example",
    ],
)
def test_nothing_in_a_link_changes_the_host_it_leads_to_or_adds_a_header(
    acme: Partner, boots: Offer, query: str
) -> None:
    boots.change(by=SETUP, destination_url="https://shop.example/{sub1}{sub2}?t={transaction_id}&u={url}")

    response = click(acme, boots, query)

    assert urlsplit(response["Location"]).netloc == "shop.example"
    assert response["Location"].isascii()
    assert not {"\r", "\n"} & set(response["Location"])
    assert set(response.headers) == {
        "Location",
        "Cache-Control",
        "Content-Type",
        "Content-Length",
        "Referrer-Policy",
    }


def test_a_redirect_is_kept_by_nobody_and_sets_no_cookie(acme: Partner, boots: Offer) -> None:
    response = click(acme, boots)

    assert response["Cache-Control"] == "no-store"
    assert response["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert not response.cookies


def test_a_link_may_name_one_of_the_offers_other_urls(acme: Partner, boots: Offer) -> None:
    sale = boots.add_url(name="Sale", destination_url="https://sale.example/?c={transaction_id}", by=SETUP)

    response = click(acme, boots, {"url_id": sale.pk})

    assert response["Location"] == f"https://sale.example/?c={last().id.hex}"
    assert last().offer_url_id == sale.pk


def test_a_link_to_a_url_that_was_withdrawn_leads_to_the_offers_own(acme: Partner, boots: Offer) -> None:
    sale = boots.add_url(name="Sale", destination_url="https://sale.example/?c={transaction_id}", by=SETUP)
    sale.withdraw(by=SETUP)

    response = click(acme, boots, {"url_id": sale.pk, "sub1": "mail"})

    assert urlsplit(response["Location"]).netloc == "shop.example"
    assert (last().offer_url_id, last().error_code, last().sub1) == (0, 0, "mail")


@pytest.mark.parametrize("said", ["another's", "999999", "-1", "abc", "9" * 30, "１２", ""])
def test_a_link_that_names_no_url_of_the_offer_leads_to_its_own(acme: Partner, boots: Offer, said: str) -> None:
    if said == "another's":
        said = str(launched("Other").add_url(name="Sale", destination_url="https://evil.example/", by=SETUP).pk)

    response = click(acme, boots, {"url_id": said})

    assert urlsplit(response["Location"]).netloc == "shop.example"
    assert last().offer_url_id == 0


def test_a_click_keeps_a_creative_of_its_own_offer_alone(acme: Partner, boots: Offer) -> None:
    facts: dict[str, Any] = {"creative_type": Creative.Type.TEXT, "html_code": "Buy", "by": SETUP}
    own, others = boots.add_creative(name="Own", **facts), launched("Other").add_creative(name="Secret", **facts)

    kept = []
    for number in (own.pk, others.pk, 10**30):
        click(acme, boots, {"creative_id": number})
        kept.append(last().creative_id)

    assert kept == [own.pk, 0, 0]


def test_a_click_on_a_creative_that_was_withdrawn_is_told_by_it(acme: Partner, boots: Offer) -> None:
    banner = boots.add_creative(name="Own", creative_type=Creative.Type.TEXT, html_code="Buy", by=SETUP)
    banner.withdraw(by=SETUP)

    response = click(acme, boots, {"creative_id": banner.pk})

    assert urlsplit(response["Location"]).netloc == "shop.example"
    assert (last().creative_id, last().error_code) == (banner.pk, 0)


def test_a_link_to_a_product_leads_to_its_page_with_the_clicks_number(acme: Partner, boots: Offer) -> None:
    feed = boots.add_feed(name="All", by=SETUP)
    feed.fill([ProductFeedItem(sku="1", name="Red", url_link="https://shop.example/red?x=1#top", price=1)], by=SETUP)

    response = click(acme, boots, {"product_id": feed.items.get().pk})

    assert response["Location"] == f"https://shop.example/red?x=1&transaction_id={last().id.hex}#top"


def test_a_link_to_a_product_whose_feed_was_withdrawn_leads_to_the_offers_own(acme: Partner, boots: Offer) -> None:
    feed = boots.add_feed(name="All", by=SETUP)
    feed.fill([ProductFeedItem(sku="1", name="Red", url_link="https://shop.example/red", price=1)], by=SETUP)
    feed.withdraw(by=SETUP)

    response = click(acme, boots, {"product_id": feed.items.get().pk})

    assert urlsplit(response["Location"]).path == "/buy"
    assert last().error_code == 0


@pytest.mark.parametrize(
    ("agent", "mobile", "page"),
    [
        (TELEPHONE, "https://m.shop.example/red", "https://m.shop.example/red"),
        (TELEPHONE, "", "https://shop.example/red"),
        (FIREFOX, "https://m.shop.example/red", "https://shop.example/red"),
    ],
)
def test_a_telephone_is_led_to_the_products_page_for_telephones(
    agent: str, mobile: str, page: str, acme: Partner, boots: Offer
) -> None:
    feed = boots.add_feed(name="All", by=SETUP)
    red = ProductFeedItem(sku="1", name="Red", url_link="https://shop.example/red", url_link_mobile=mobile, price=1)
    feed.fill([red], by=SETUP)

    response = click(acme, boots, {"product_id": feed.items.get().pk}, agent=agent)

    assert response["Location"] == f"{page}?transaction_id={last().id.hex}"


def test_a_link_works_without_its_last_slash(acme: Partner, boots: Offer) -> None:
    assert visit(path_of(acme, boots).rstrip("/")).status_code == 302


def test_every_click_is_one_more_row(acme: Partner, boots: Offer) -> None:
    for _ in range(3):
        click(acme, boots)

    assert Click.objects.count() == 3
    assert len({row.id for row in Click.objects.all()}) == 3


def test_a_parameter_that_is_too_long_is_cut(acme: Partner, boots: Offer) -> None:
    click(acme, boots, {"sub1": "x" * 10_000, "coupon_code": "y" * 200, "other": "z" * 10_000})

    assert (len(last().sub1), len(last().coupon_code), len(last().parameters["other"])) == (500, 80, 500)
    assert len(last().tracking_url) == 2000


# Links that lead nowhere.


UNKNOWN = [
    "/t/",
    "/t/x/",
    "/t/AAAAAA/BBBBBB/",
    "/t/{p}/",
    "/t/{p}/{p}/",
    "/t/{o}/{p}/",
    "/t/{p}/{o}/more",
    "/t/{p}/{o}//",
    "/t/%00/{o}/",
]


@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_link_is_not_found_and_not_recorded(acme: Partner, boots: Offer, path: str) -> None:
    _, _, partner_code, offer_code, _ = path_of(acme, boots).split("/")

    response = visit(path.format(p=partner_code, o=offer_code))

    assert response.status_code == 404
    assert b"leads nowhere" in response.content
    assert not Click.objects.exists()


def test_the_link_of_a_partner_or_an_offer_that_never_was_is_not_found(acme: Partner, boots: Offer) -> None:
    ghost, gone = Partner(pk=10**6), Offer(pk=10**6)

    assert [click(ghost, boots).status_code, click(acme, gone).status_code] == [404, 404]
    assert not Click.objects.exists()


def test_who_checks_a_link_is_told_that_it_is_one_and_leaves_no_click(acme: Partner, boots: Offer) -> None:
    head = Client().head(path_of(acme, boots), headers={"User-Agent": BROWSER})
    lost = Client().head(path_of(acme, Offer(pk=10**6)), headers={"User-Agent": BROWSER})

    assert (head.status_code, "Location" in head) == (200, False)
    assert lost.status_code == 404
    assert not Click.objects.exists()


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options", "trace"])
def test_a_link_is_followed_and_nothing_else(acme: Partner, boots: Offer, method: str) -> None:
    response = getattr(Client(), method)(path_of(acme, boots))

    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")
    assert not Click.objects.exists()


def test_a_click_that_cannot_be_recorded_is_not_redirected(acme: Partner, boots: Offer) -> None:
    with patch("partners.traffic.arrivals.clicks.run", side_effect=OperationalError("away")):
        response = click(acme, boots)

    assert (response.status_code, response["Retry-After"], "Location" in response) == (503, "5", False)
    assert not Visitor.objects.exists()


def test_a_click_that_cannot_be_written_takes_no_room_under_a_cap(acme: Partner, network: Network) -> None:
    offer = launched(daily_click_cap=1)

    with patch("partners.traffic.arrivals.clicks.write", side_effect=OperationalError("away")):
        response = click(acme, offer)

    assert response.status_code == 503
    assert not CapCount.objects.filter(clicks__gt=0).exists()
    assert click(acme, offer).status_code == 302


def test_a_mistake_of_ours_is_no_redirect_either(acme: Partner, boots: Offer) -> None:
    with patch("partners.traffic.arrivals.clicks.ways_of", side_effect=KeyError("oops")):
        response = click(acme, boots)

    assert response.status_code == 503
    assert b"oops" not in response.content


# The rules.


def expire(offer: Offer, partner: Partner) -> None:
    offer.change(by=SETUP, live_until=date(2026, 5, 9))


def block(offer: Offer, partner: Partner) -> None:
    TrafficBlock.block(partner=partner, offer=offer, variable="sub1", value="bad", reason="", by=SETUP)


def control(offer: Offer, partner: Partner) -> None:
    facts: dict[str, Any] = {"variable": "sub1", "comparison_method": "exact", "values": ["bad"]}
    TrafficControl.add(name="No", control_type="blacklist", by=SETUP, **facts)


Spoil = Callable[[Offer, Partner], None]
SPOILS: list[tuple[Refusal, Spoil]] = [
    (Refusal.PARTNER_NOT_ACTIVE, lambda offer, partner: partner.change(by=SETUP, status="paused")),
    (Refusal.OFFER_NOT_ACTIVE, lambda offer, partner: offer.change(by=SETUP, status=Offer.Status.PAUSED)),
    (Refusal.OFFER_EXPIRED, expire),
    (Refusal.PARTNER_NOT_APPROVED, lambda offer, partner: offer.change(by=SETUP, visibility=Offer.Visibility.PRIVATE)),
    (Refusal.COUNTRY_NOT_ALLOWED, lambda offer, partner: offer.change(by=SETUP, countries=["AT"])),
    (Refusal.BLOCKED, block),
    (Refusal.SOURCE_NOT_ALLOWED, control),
]


@pytest.fixture
def in_germany() -> Iterator[None]:
    with patch("partners.traffic.arrivals.arrival.place_of") as place_of:
        place_of.return_value = Place(country_code="DE")
        yield


@pytest.mark.parametrize(("refusal", "spoil"), SPOILS)
def test_a_click_that_breaks_a_rule_is_kept_with_the_reason_and_leads_nowhere(
    acme: Partner, boots: Offer, in_germany: None, refusal: Refusal, spoil: Spoil
) -> None:
    spoil(boots, acme)

    with at(datetime(2026, 5, 10, 12, tzinfo=UTC)):
        response = click(acme, boots, "sub1=bad")

    [row] = Click.objects.all()
    assert (row.error_code, row.is_unique, row.offer_id, row.sub1) == (refusal, False, boots.pk, "bad")
    assert row.error_message == refusal.label
    assert (response.status_code, "Location" in response) == (403, False)
    assert refusal.label.encode() not in response.content
    assert not Visitor.objects.exists()


def test_the_first_rule_that_is_broken_is_the_reason(acme: Partner, boots: Offer, in_germany: None) -> None:
    reasons = []
    with at(datetime(2026, 5, 10, 12, tzinfo=UTC)):
        for _, spoil in reversed(SPOILS):
            spoil(boots, acme)
            click(acme, boots, "sub1=bad", agent=GOOGLEBOT)
            reasons.append(Click.objects.latest("id").error_code)

    assert reasons == [refusal for refusal, _ in reversed(SPOILS)]


@pytest.mark.parametrize("agent", [GOOGLEBOT, "curl/8.5.0", "", " "])
def test_robots_are_invalid(acme: Partner, boots: Offer, agent: str) -> None:
    response = click(acme, boots, agent=agent)

    assert response.status_code == 403
    assert (last().error_code, last().is_robot, last().device_type) == (Refusal.ROBOT, True, "Robot")


def test_where_nobody_knows_the_country_every_country_is_allowed(acme: Partner, boots: Offer) -> None:
    boots.change(by=SETUP, countries=["AT"])

    assert click(acme, boots).status_code == 302


def test_an_offers_last_day_ends_where_the_network_is(acme: Partner, boots: Offer, network: Network) -> None:
    network.change(by=SETUP, timezone="America/New_York")
    boots.change(by=SETUP, live_until=date(2026, 5, 9))

    codes = []
    for moment in (datetime(2026, 5, 10, 3, 59, tzinfo=UTC), datetime(2026, 5, 10, 4, 0, tzinfo=UTC)):
        with at(moment):
            click(acme, boots)
            codes.append(Click.objects.latest("id").error_code)

    assert codes == [Refusal.NONE, Refusal.OFFER_EXPIRED]


def test_an_approved_partner_may_run_what_others_may_not(acme: Partner, other_partner: Partner, boots: Offer) -> None:
    boots.change(by=SETUP, visibility=Offer.Visibility.REQUIRE_APPROVAL)
    boots.apply(partner=other_partner, by=SETUP)
    boots.admit(partner=acme, by=SETUP)

    assert [click(partner, boots).status_code for partner in (acme, other_partner)] == [302, 403]


@pytest.mark.parametrize(
    ("sub1", "passes"), [("bad", False), ("BAD", True), ("bad ", True), ("badder", True), ("", True)]
)
def test_a_block_keeps_out_its_very_value(acme: Partner, boots: Offer, sub1: str, passes: bool) -> None:
    block(boots, acme)

    assert (click(acme, boots, {"sub1": sub1}).status_code == 302) is passes


def test_a_block_is_of_one_partner_one_variable_and_one_offer_or_all(
    acme: Partner, other_partner: Partner, boots: Offer
) -> None:
    other = launched("Other")
    block(boots, acme)
    TrafficBlock.objects.create(partner=acme, offer=None, variable="source_id", value="worse", blocked_by="x")

    bad, worse = {"sub1": "bad"}, {"source_id": "worse"}
    assert [click(acme, boots, said).status_code for said in (bad, worse)] == [403, 403]
    assert [click(acme, other, said).status_code for said in (bad, worse)] == [302, 403]
    assert [click(other_partner, boots, said).status_code for said in (bad, worse)] == [302, 302]
    assert click(acme, boots, {"sub2": "bad", "sub1": "worse"}).status_code == 302


def test_a_block_that_was_lifted_keeps_nobody_out(acme: Partner, boots: Offer) -> None:
    block(boots, acme)
    TrafficBlock.objects.get().lift(by=SETUP)
    TrafficBlock.block(partner=acme, variable="sub1", value="worse", by=SETUP)

    assert click(acme, boots, "sub1=bad").status_code == 302


@pytest.mark.parametrize(
    ("control_type", "comparison", "passing", "refused"),
    [
        ("blacklist", "exact", ["fine", "badder", ""], ["bad", "BAD", "worse"]),
        ("blacklist", "contains", ["fine", ""], ["bad", "xBadx", "no worse"]),
        ("blacklist", "starts_with", ["xbad", "fine", ""], ["bad", "badder", "Worse!"]),
        ("whitelist", "exact", ["bad", "WORSE"], ["fine", "badder", ""]),
        ("whitelist", "contains", ["bad", "xBadx"], ["fine", ""]),
        ("whitelist", "starts_with", ["badder", "Worse!"], ["xbad", "fine", ""]),
    ],
)
def test_a_source_control_compares_in_its_way(
    acme: Partner, boots: Offer, control_type: str, comparison: str, passing: list[str], refused: list[str]
) -> None:
    TrafficControl.add(
        name="Sources",
        control_type=control_type,
        variable="sub3",
        comparison_method=comparison,
        values=["Bad", "worse"],
        by=SETUP,
    )

    assert {said: click(acme, boots, {"sub3": said}).status_code for said in passing} == dict.fromkeys(passing, 302)
    assert {said: click(acme, boots, {"sub3": said}).status_code for said in refused} == dict.fromkeys(refused, 403)


def test_a_source_control_concerns_its_partners_and_its_offer_while_it_is_active(
    acme: Partner, other_partner: Partner, boots: Offer
) -> None:
    other = launched("Other")
    facts: dict[str, Any] = {"control_type": "blacklist", "variable": "sub1", "comparison_method": "exact"}
    named = TrafficControl.add(name="Acme", values=["a"], partners=[acme], by=SETUP, **facts)
    TrafficControl.add(name="Boots", values=["b"], offer=boots, by=SETUP, **facts)

    assert [click(partner, boots, "sub1=a").status_code for partner in (acme, other_partner)] == [403, 302]
    assert [click(acme, offer, "sub1=b").status_code for offer in (boots, other)] == [403, 302]
    named.pause(by=SETUP)
    assert click(acme, boots, "sub1=a").status_code == 302


def test_a_destination_that_is_no_url_is_an_offer_that_is_not_active(acme: Partner, boots: Offer) -> None:
    boots.change(by=SETUP, destination_url="javascript:alert(1)")

    response = click(acme, boots)

    assert (response.status_code, last().error_code) == (403, Refusal.OFFER_NOT_ACTIVE)


# Where traffic goes that an offer cannot take.


@pytest.fixture
def sandals(boots: Offer) -> Offer:
    """Takes what the boots cannot."""
    sandals = launched("Sandals", destination_url="https://sandals.example/?c={transaction_id}")
    boots.change(by=SETUP, redirect_offer=sandals)
    return sandals


def test_what_an_offer_cannot_take_goes_to_the_offer_that_it_names(acme: Partner, boots: Offer, sandals: Offer) -> None:
    boots.change(by=SETUP, status=Offer.Status.PAUSED)

    response = click(acme, boots, "sub1=news")

    [row] = Click.objects.all()
    assert response["Location"] == f"https://sandals.example/?c={row.id.hex}"
    assert (row.offer_id, row.redirected_from, row.error_code, row.is_unique) == (sandals.pk, boots.pk, 0, True)
    assert row.sub1 == "news"


def test_an_offer_that_can_take_a_click_keeps_it(acme: Partner, boots: Offer, sandals: Offer) -> None:
    click(acme, boots)

    assert (last().offer_id, last().redirected_from) == (boots.pk, None)


@pytest.mark.parametrize("spoil", [dict(SPOILS)[Refusal.PARTNER_NOT_APPROVED], block, control])
def test_unwanted_traffic_is_not_wanted_elsewhere(acme: Partner, boots: Offer, sandals: Offer, spoil: Spoil) -> None:
    spoil(boots, acme)

    assert click(acme, boots, "sub1=bad").status_code == 403
    assert last().offer_id == boots.pk


def test_where_the_other_offer_cannot_take_it_either_the_click_is_invalid_for_the_first(
    acme: Partner, boots: Offer, sandals: Offer
) -> None:
    boots.change(by=SETUP, daily_click_cap=1)
    sandals.change(by=SETUP, visibility=Offer.Visibility.PRIVATE)
    click(acme, boots)

    response = click(acme, boots)

    assert response.status_code == 403
    assert (last().offer_id, last().error_code) == (boots.pk, Refusal.CLICK_CAP_REACHED)


def test_traffic_goes_on_once_and_not_in_circles(acme: Partner, boots: Offer, sandals: Offer) -> None:
    sandals.change(by=SETUP, redirect_offer=boots, status=Offer.Status.PAUSED)
    boots.change(by=SETUP, status=Offer.Status.PAUSED)

    assert click(acme, boots).status_code == 403


# Who comes again.


def test_the_same_visitor_is_new_again_after_24_hours(acme: Partner, boots: Offer) -> None:
    first = datetime(2026, 5, 10, 12, tzinfo=UTC)
    is_unique = []
    for hours in (0, 1, 23.999, 24, 47.999, 48):
        with at(first + timedelta(hours=hours)):
            click(acme, boots)
            is_unique.append(Click.objects.latest("id").is_unique)

    assert is_unique == [True, False, False, True, False, True]


def test_a_visitor_is_an_address_and_an_agent_at_a_partners_offer(
    acme: Partner, other_partner: Partner, boots: Offer
) -> None:
    click(acme, boots)

    others: list[dict[str, Any]] = [
        {"partner": other_partner},
        {"offer": launched("Other")},
        {"agent": FIREFOX},
        {"REMOTE_ADDR": "203.0.113.9"},
    ]
    for other in others:
        click(**{"partner": acme, "offer": boots, **other})
    assert [row.is_unique for row in Click.objects.all()] == [True] * 5
    click(acme, boots)
    assert not last().is_unique


def test_an_invalid_click_makes_nobody_known(acme: Partner, boots: Offer) -> None:
    boots.change(by=SETUP, status=Offer.Status.PAUSED)
    click(acme, boots)
    boots.change(by=SETUP, status=Offer.Status.ACTIVE)

    click(acme, boots)

    assert last().is_unique


# Money.


def test_a_unique_click_is_paid_for_and_a_duplicate_is_not(acme: Partner, network: Network) -> None:
    per_click = Terms(PayoutType.CPC, Decimal("0.25"))
    offer = launched(pays=per_click, earns=Revenue(RevenueType.RPC, Decimal("0.4")))

    click(acme, offer)
    click(acme, offer)
    click(acme, offer, agent=GOOGLEBOT)

    rows = [(row.payout_type, row.payout, row.revenue_type, row.revenue) for row in Click.objects.order_by("id")]
    assert rows == [("cpc", Decimal("0.25"), "rpc", Decimal("0.4")), ("cpc", 0, "rpc", 0), ("cpc", 0, "rpc", 0)]


def test_a_partners_own_terms_go_before_everybodys(acme: Partner, other_partner: Partner, network: Network) -> None:
    offer = launched(pays=Terms(PayoutType.CPA, Decimal(10)))
    offer.pay_partner(acme, Terms(PayoutType.CPC, Decimal("0.5")), by=SETUP)

    click(acme, offer)
    click(other_partner, offer)

    rows = {row.partner_id: (row.payout_type, row.payout) for row in Click.objects.all()}
    assert rows == {acme.pk: ("cpc", Decimal("0.5")), other_partner.pk: ("cpa", 0)}


# How much it takes, and what may come.


def test_a_click_costs_the_same_statements_whatever_the_network_has(acme: Partner, boots: Offer) -> None:
    with statements() as few:
        click(acme, boots)
    for number in range(20):
        launched(f"Offer {number}")
        Partner.create(by=SETUP, name=f"Partner {number}", status="active")

    with statements() as many:
        click(acme, boots)

    # One that reads what decides, one that writes.
    assert (len(few), len(many)) == (2, 2)


@pytest.fixture(scope="module")
def strange_queries() -> st.SearchStrategy[bytes]:
    name = st.sampled_from(
        [b"sub1", b"sub10", b"source_id", b"url_id", b"creative_id", b"coupon_code", b"x", b"", b"%00"]
    )
    value = st.one_of(
        st.binary(max_size=60),
        st.binary(max_size=20).map(lambda raw: quote(raw).encode()),
        st.sampled_from(
            [
                b"%00",
                b"%ED%A0%80",
                b"%FF",
                b"%",
                b"%zz",
                b"\\N",
                b"\\.",
                b"%5C.%0A",
                b"%0D%0A",
                b"x" * 10_000,
                b"9" * 400,
            ]
        ),
    )
    return st.lists(st.tuples(name, value), max_size=8).map(lambda pairs: b"&".join(b"=".join(pair) for pair in pairs))


def test_whatever_a_link_carries_the_click_is_recorded_and_leads_on(
    acme: Partner, boots: Offer, strange_queries: st.SearchStrategy[bytes]
) -> None:
    boots.change(by=SETUP, destination_url=DESTINATION + "&s={sub1}&x={x}")

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(query=strange_queries, agent=st.text(max_size=80), referer=st.binary(max_size=80))
    def each_one(query: bytes, agent: str, referer: bytes) -> None:
        said: dict[str, Any] = {"QUERY_STRING": query.decode("latin-1"), "HTTP_REFERER": referer.decode("latin-1")}
        said |= {"HTTP_USER_AGENT": BROWSER + agent, "HTTP_ACCEPT_LANGUAGE": agent, "HTTP_HOST": agent}
        before = Click.objects.count()

        response = Client().get(path_of(acme, boots), **said)

        assert response.status_code in (302, 403)
        assert response.get("Location", "").isascii()
        assert Click.objects.count() == before + 1
        if response.status_code == 302:
            assert UUID(destination(response)["click"]) == Click.objects.latest("id").id

    each_one()


def test_of_a_hundred_parameters_fifty_are_kept(acme: Partner, boots: Offer) -> None:
    response = click(acme, boots, {f"p{number}": "x" for number in range(2000)})

    assert response.status_code == 302
    assert len(last().parameters) == 50
