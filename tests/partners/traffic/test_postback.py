from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partners.models import Partner
from partners.offers.models import Advertiser, Offer, PayoutType, Revenue, Terms
from partners.offers.models.payouts import RevenueType
from partners.traffic import changes
from partners.traffic.changes import Change
from partners.traffic.models import CapCount, Click, Conversion, Hold, Impression, Receipt
from portal.network.models import Network
from tests.conftest import SETUP
from tests.partners.traffic.arriving import BROWSER, at, click, launched, path_of, visit

pytestmark = pytest.mark.django_db
URL = "/postback"
Send = Callable[..., Any]


@pytest.fixture
def shoe_house(network: Network) -> Advertiser:
    return Advertiser.sign_up(name="Shoe House", by=SETUP)


@pytest.fixture
def token(shoe_house: Advertiser) -> str:
    return shoe_house.issue_token(by=SETUP)


@pytest.fixture
def boots(shoe_house: Advertiser) -> Offer:
    return launched(
        pays=Terms(PayoutType.CPA_CPS, Decimal(2), Decimal(10)),
        earns=Revenue(RevenueType.RPA_RPS, Decimal(3), Decimal("12.5")),
        advertiser=shoe_house,
    )


@pytest.fixture
def tell(token: str) -> Send:
    """``tell(transaction_id=…, amount=…)``: the advertiser's server reports by GET."""

    def send(**said: Any) -> Any:
        return Client().get(URL, said, headers={"Authorization": f"Bearer {token}"})

    return send


def clicked(partner: Partner, offer: Offer, query: Any = "", **extra: Any) -> Click:
    click(partner, offer, query, **extra)
    return Click.objects.latest("id")


def only() -> Conversion:
    return Conversion.objects.get()


# What is recorded.


def test_a_report_becomes_a_conversion_with_all_that_is_known_of_its_click(
    acme: Partner, boots: Offer, tell: Send
) -> None:
    visited = clicked(acme, boots, "sub1=news&source_id=mail", HTTP_REFERER="https://blog.example/")

    response = tell(transaction_id=visited.id.hex, amount="49.90", order_id="A-1", adv1="red", adv5="new")

    row = only()
    assert row.id != visited.id
    assert (response.status_code, response.json()) == (200, {"conversion_id": row.id.hex, "status": "approved"})
    assert (row.partner_id, row.offer_id, row.transaction_id, row.clicked_at) == (
        acme.pk,
        boots.pk,
        visited.id,
        visited.at,
    )
    assert (row.sub1, row.source_id, row.referer, row.user_agent) == ("news", "mail", "https://blog.example/", BROWSER)
    assert (row.ip, row.conversion_ip, row.platform) == ("127.0.0.1", "127.0.0.1", "Windows")
    assert (row.order_id, row.adv1, row.adv5, row.sale_amount) == ("A-1", "red", "new", Decimal("49.90"))
    assert (row.payout_type, row.payout) == ("cpa_cps", Decimal("6.99"))
    assert (row.revenue_type, row.revenue) == ("rpa_rps", Decimal("9.2375"))
    assert (row.is_event, row.event_name, row.is_view_through, row.error_message) == (False, "", False, "")
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("how", ["bearer", "parameter", "form", "json", "slash"])
def test_a_report_may_come_in_every_way(acme: Partner, boots: Offer, token: str, how: str) -> None:
    said = {"transaction_id": clicked(acme, boots).id.hex, "amount": "10.5"}
    bearer = {"Authorization": f"Bearer {token}"}
    client = Client(enforce_csrf_checks=True)

    if how == "bearer":
        response = client.get(URL, said, headers=bearer)
    elif how == "parameter":
        response = client.get(URL, {**said, "token": token})
    elif how == "form":
        body = f"transaction_id={said['transaction_id']}&amount=10.5&token={token}"
        response = client.post(URL, body, content_type="application/x-www-form-urlencoded")
    elif how == "json":
        response = client.post(URL, json.dumps(said), content_type="application/json", headers=bearer)
    else:
        query = f"transaction_id={said['transaction_id']}&amount=10.5"
        response = client.post(f"{URL}/?{query}", "", content_type="text/plain", headers=bearer)

    assert response.status_code == 200
    assert only().sale_amount == Decimal("10.5")
    assert not response.cookies


def test_a_number_in_json_is_the_amount_that_it_says(acme: Partner, boots: Offer, token: str) -> None:
    visited = clicked(acme, boots)
    body = f'{{"transaction_id": "{visited.id.hex}", "amount": 1234567890.1234, "order_id": 17, "adv1": null}}'

    Client().post(URL, body, content_type="application/json", headers={"Authorization": f"Bearer {token}"})

    assert (only().sale_amount, only().order_id) == (Decimal("1234567890.1234"), "17")


def test_a_transaction_id_may_be_written_with_dashes_and_in_capitals(acme: Partner, boots: Offer, tell: Send) -> None:
    visited = clicked(acme, boots)

    assert tell(transaction_id=str(visited.id).upper()).status_code == 200
    assert only().transaction_id == visited.id


@pytest.mark.parametrize(
    ("terms", "payout"),
    [
        (Terms(PayoutType.CPA, Decimal(5)), Decimal(5)),
        (Terms(PayoutType.CPS, percentage=Decimal("33.3333")), Decimal("6.6333")),
        (Terms(PayoutType.CPA_CPS, Decimal(5), Decimal(50)), Decimal("14.95")),
        (Terms(PayoutType.CPC, Decimal(5)), Decimal(0)),
        (Terms(PayoutType.CPM, Decimal(5)), Decimal(0)),
    ],
)
def test_a_conversion_pays_by_its_terms(acme: Partner, boots: Offer, tell: Send, terms: Terms, payout: Decimal) -> None:
    boots.pay(terms, by=SETUP)

    tell(transaction_id=clicked(acme, boots).id.hex, amount="19.90")

    assert only().payout == payout


def test_a_partners_own_terms_replace_everybodys_and_leave_the_networks(
    acme: Partner, boots: Offer, tell: Send
) -> None:
    boots.pay_partner(acme, Terms(PayoutType.CPA, Decimal(20)), by=SETUP)

    tell(transaction_id=clicked(acme, boots).id.hex, amount="100")

    assert (only().payout, only().revenue) == (Decimal(20), Decimal("15.5"))


def test_an_event_pays_what_the_offer_lists_for_it(acme: Partner, boots: Offer, tell: Send) -> None:
    boots.pay(
        Terms(PayoutType.CPA, Decimal(7)), earns=Revenue(RevenueType.RPA, Decimal(9)), event_name="deposit", by=SETUP
    )
    visited = clicked(acme, boots)

    tell(transaction_id=visited.id.hex)
    tell(transaction_id=visited.id.hex, event="deposit")

    event = Conversion.objects.get(is_event=True)
    assert (event.event_name, event.payout, event.revenue) == ("deposit", Decimal(7), Decimal(9))
    assert Conversion.objects.count() == 2


def test_an_event_that_the_offer_does_not_list_is_refused_with_those_that_it_does(
    acme: Partner, boots: Offer, tell: Send
) -> None:
    boots.pay(Terms(PayoutType.CPA, Decimal(7)), event_name="deposit", by=SETUP)

    response = tell(transaction_id=clicked(acme, boots).id.hex, event="deposti")

    assert response.status_code == 400
    assert "deposti" in response.json()["error"]
    assert "deposit." in response.json()["error"]
    assert not Conversion.objects.exists()
    assert not Receipt.objects.exists()


def test_a_conversion_after_an_impression_is_view_through(acme: Partner, boots: Offer, tell: Send) -> None:
    visit(path_of(acme, boots, "i"), "sub1=banner")

    tell(transaction_id=Impression.objects.get().id.hex)

    assert (only().is_view_through, only().sub1, only().status) == (True, "banner", "approved")


def test_a_conversion_remembers_the_offer_that_the_link_was_for(
    acme: Partner, boots: Offer, shoe_house: Advertiser, tell: Send
) -> None:
    paused = launched("Paused", status=Offer.Status.PAUSED, redirect_offer=boots, advertiser=shoe_house)

    tell(transaction_id=clicked(acme, paused).id.hex)

    assert (only().offer_id, only().redirected_from) == (boots.pk, paused.pk)


# Whose it is.


def test_a_coupon_alone_says_whose_conversion_it_is(acme: Partner, boots: Offer, tell: Send) -> None:
    boots.add_coupon(code="ACME10", partner=acme, by=SETUP)

    response = tell(coupon_code="acme10", order_id="A-1", amount="20")

    row = only()
    assert response.status_code == 200
    assert (row.partner_id, row.offer_id, row.coupon_code, row.clicked_at) == (acme.pk, boots.pk, "acme10", None)
    assert row.transaction_id == row.id
    assert row.payout == 4


def test_with_a_coupon_alone_the_order_has_to_be_named(acme: Partner, boots: Offer, tell: Send) -> None:
    boots.add_coupon(code="ACME10", partner=acme, by=SETUP)

    response = tell(coupon_code="ACME10")

    assert (response.status_code, response.json()["error"][:8]) == (400, "order_id")


def test_a_sale_with_a_partners_coupon_is_that_partners_whoever_had_the_click(
    acme: Partner, other_partner: Partner, boots: Offer, tell: Send
) -> None:
    boots.add_coupon(code="ACME10", partner=acme, by=SETUP)
    visited = clicked(other_partner, boots, "sub1=theirs")

    first = tell(transaction_id=visited.id.hex, coupon_code="ACME10")
    again = tell(transaction_id=visited.id.hex)

    assert (only().partner_id, only().sub1) == (acme.pk, "")
    assert first.json() == again.json()


def test_a_partners_own_coupon_leaves_the_sale_with_its_click(acme: Partner, boots: Offer, tell: Send) -> None:
    boots.add_coupon(code="ACME10", partner=acme, by=SETUP)
    visited = clicked(acme, boots, "sub1=news")

    tell(transaction_id=visited.id.hex, coupon_code="ACME10")

    assert (only().sub1, only().coupon_code, only().transaction_id) == ("news", "ACME10", visited.id)


def test_a_coupon_that_is_everybodys_or_unknown_changes_nothing(acme: Partner, boots: Offer, tell: Send) -> None:
    boots.add_coupon(code="ALL", by=SETUP)

    for number, code in enumerate(["ALL", "NONE"]):
        assert tell(transaction_id=clicked(acme, boots).id.hex, coupon_code=code).status_code == 200
        assert tell(coupon_code=code, order_id=str(number)).status_code == 404
    assert set(Conversion.objects.values_list("partner_id", flat=True)) == {acme.pk}


def test_anothers_traffic_and_coupons_do_not_exist(acme: Partner, boots: Offer, tell: Send) -> None:
    foreign = launched("Foreign", advertiser=Advertiser.sign_up(name="Hat House", by=SETUP))
    foreign.add_coupon(code="HAT", partner=acme, by=SETUP)
    theirs = clicked(acme, foreign)

    answers = [tell(transaction_id=visit_id) for visit_id in (theirs.id.hex, uuid4().hex, UUID(int=0).hex)]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert tell(coupon_code="HAT", order_id="1").status_code == 404
    assert not Conversion.objects.exists()


# Again.


def test_the_same_report_again_is_the_same_conversion(acme: Partner, boots: Offer, tell: Send) -> None:
    told: list[Change] = []
    visited = clicked(acme, boots)
    changes.listen(told.append)

    first = tell(transaction_id=visited.id.hex, order_id="A-1", amount="10")
    only().reject(by=SETUP, reason="Returned")
    again = tell(transaction_id=visited.id.hex, order_id="A-1", amount="99", adv1="other")

    changes.forget(told.append)
    assert (again.status_code, again.json()) == (200, {**first.json(), "status": "rejected"})
    assert (only().sale_amount, only().adv1) == (Decimal(10), "")
    assert [change.was for change in told] == [None, "approved"]


def test_another_order_or_event_of_a_click_is_another_conversion(acme: Partner, boots: Offer, tell: Send) -> None:
    boots.pay(Terms(PayoutType.CPA, Decimal(7)), event_name="deposit", by=SETUP)
    visited = clicked(acme, boots)

    reports = [{}, {"order_id": "1"}, {"order_id": "2"}, {"order_id": "1", "event": "deposit"}]
    ids = {tell(transaction_id=visited.id.hex, **report).json()["conversion_id"] for report in reports}

    assert len(ids) == Conversion.objects.count() == 4


# What does not count.


@pytest.mark.parametrize(("days", "status"), [(29, "approved"), (31, "invalid")])
def test_a_click_that_is_too_old_makes_an_invalid_conversion(
    acme: Partner, boots: Offer, tell: Send, days: int, status: str
) -> None:
    clicked_at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    with at(clicked_at):
        visited = clicked(acme, boots)

    with at(clicked_at + timedelta(days=days)):
        response = tell(transaction_id=visited.id.hex)

    assert (response.status_code, response.json()["status"]) == (200, status)
    assert only().error_message == ("" if status == "approved" else "The click was more than 30 days ago.")


def test_an_invalid_click_makes_an_invalid_conversion(acme: Partner, boots: Offer, tell: Send) -> None:
    visited = clicked(acme, boots, agent="curl/8")

    tell(transaction_id=visited.id.hex)

    assert (only().status, only().error_message) == ("invalid", "The click is invalid: The visitor is a robot.")


def test_conversions_over_the_cap_are_invalid_and_events_take_none_of_it(
    acme: Partner, boots: Offer, tell: Send
) -> None:
    boots.pay(Terms(PayoutType.CPA), event_name="deposit", by=SETUP)
    clicks = [clicked(acme, boots, REMOTE_ADDR=f"203.0.113.{number}").id.hex for number in range(3)]
    boots.change(by=SETUP, daily_conversion_cap=2)

    statuses = [tell(transaction_id=clicks[0], event="deposit").json()["status"]]
    statuses += [tell(transaction_id=each).json()["status"] for each in clicks]

    assert statuses == ["approved", "approved", "approved", "invalid"]
    assert Conversion.objects.get(status="invalid").error_message == "The offer's conversion cap is reached."
    assert CapCount.objects.get(span="daily").conversions == 2


def test_what_would_go_beyond_a_payout_cap_is_invalid(acme: Partner, boots: Offer, tell: Send) -> None:
    clicks = [clicked(acme, boots, REMOTE_ADDR=f"203.0.113.{number}").id.hex for number in range(3)]
    boots.change(by=SETUP, monthly_payout_cap=Decimal(10))

    sales = zip(clicks, (40, 41, 20), strict=True)
    statuses = [tell(transaction_id=each, amount=amount).json()["status"] for each, amount in sales]

    assert statuses == ["approved", "invalid", "approved"]
    assert CapCount.objects.get(span="monthly").payout == 10


def test_a_conversion_that_is_rejected_gives_its_room_back(acme: Partner, boots: Offer, tell: Send) -> None:
    clicks = [clicked(acme, boots, REMOTE_ADDR=f"203.0.113.{number}").id.hex for number in range(2)]
    boots.change(by=SETUP, daily_conversion_cap=1)
    tell(transaction_id=clicks[0])

    only().reject(by=SETUP, reason="Returned")

    assert tell(transaction_id=clicks[1]).json()["status"] == "approved"
    Conversion.objects.get(status="rejected").approve(by=SETUP)
    assert CapCount.objects.get(span="daily").conversions == 2


# What it waits for.


def test_conversions_that_people_decide_over_are_pending(acme: Partner, boots: Offer, tell: Send) -> None:
    boots.change(by=SETUP, conversion_approval=Offer.ConversionApproval.MANUAL, holding_period_days=3)

    assert tell(transaction_id=clicked(acme, boots).id.hex).json()["status"] == "pending"
    assert not Hold.objects.exists()


def test_a_holding_period_holds_a_conversion_back(acme: Partner, boots: Offer, tell: Send) -> None:
    boots.change(by=SETUP, holding_period_days=14)

    response = tell(transaction_id=clicked(acme, boots).id.hex)

    hold = Hold.objects.get()
    assert response.json()["status"] == "on_hold"
    assert (hold.partner_id, hold.conversion_id) == (acme.pk, only().id)
    assert hold.until - only().at == timedelta(days=14)


@pytest.mark.parametrize(
    ("said", "status"), [("pending", "pending"), ("REJECTED", "rejected"), ("approved", "approved")]
)
def test_the_advertiser_may_say_less_than_the_offers_rules(
    acme: Partner, boots: Offer, tell: Send, said: str, status: str
) -> None:
    assert tell(transaction_id=clicked(acme, boots).id.hex, status=said).json()["status"] == status


def test_the_advertiser_cannot_approve_what_people_decide_over(acme: Partner, boots: Offer, tell: Send) -> None:
    boots.change(by=SETUP, conversion_approval=Offer.ConversionApproval.MANUAL)

    assert tell(transaction_id=clicked(acme, boots).id.hex, status="approved").json()["status"] == "pending"


def test_whoever_has_to_know_is_told_in_the_same_transaction(acme: Partner, boots: Offer, tell: Send) -> None:
    def refuse(change: Change) -> None:
        raise OperationalError("no")

    visited = clicked(acme, boots)
    changes.listen(refuse)
    try:
        response = tell(transaction_id=visited.id.hex)
    finally:
        changes.forget(refuse)

    assert response.status_code == 503
    assert not Conversion.objects.exists()
    assert tell(transaction_id=visited.id.hex).status_code == 200


# What is refused.


NO_AMOUNTS = ["-1", "-0", "1,50", "1.000,50", "NaN", "inf", "1e3", "0x10", "€5", "5 EUR", "1_000", "１", "9" * 11]


@pytest.mark.parametrize("amount", [*NO_AMOUNTS, ".5", "5.", "+5", "--", "1.5.2"])
def test_an_amount_that_is_none_is_refused(acme: Partner, boots: Offer, tell: Send, amount: str) -> None:
    response = tell(transaction_id=clicked(acme, boots).id.hex, amount=amount)

    assert response.status_code == 400
    assert response.json()["error"].startswith("amount: ")
    assert not Conversion.objects.exists()


def test_an_amount_that_comes_to_more_than_can_be_paid_is_refused(acme: Partner, boots: Offer, tell: Send) -> None:
    boots.pay(Terms(PayoutType.CPA_CPS, Decimal(9999999999), Decimal(100)), by=SETUP)

    response = tell(transaction_id=clicked(acme, boots).id.hex, amount="9999999999")

    assert (response.status_code, response.json()["error"][:7]) == (400, "amount:")
    assert not Receipt.objects.exists()


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ({}, "transaction_id"),
        ({"transaction_id": "{transaction_id}"}, "transaction_id"),
        ({"transaction_id": "12"}, "transaction_id"),
        ({"transaction_id": "g" * 32}, "transaction_id"),
        ({"transaction_id": "0" * 32, "order_id": "x" * 121}, "order_id"),
        ({"transaction_id": "0" * 32, "order_id": "a\x00b"}, "order_id"),
        ({"transaction_id": "0" * 32, "event": "x" * 81}, "event"),
        ({"transaction_id": "0" * 32, "status": "paid"}, "status"),
    ],
)
def test_a_report_that_makes_no_sense_is_refused_by_name(tell: Send, said: dict[str, str], name: str) -> None:
    response = tell(**said)

    assert response.status_code == 400
    assert response.json()["error"].startswith(f"{name}: ")
    assert response.json()["Error"] == response.json()["error"]


@pytest.mark.parametrize("body", ["{", "[]", "1", '{"transaction_id": []}', '{"amount": true}', "[" * 100_000, "\x00"])
def test_a_body_that_is_no_report_is_refused(token: str, body: str) -> None:
    response = Client().post(URL, body, content_type="application/json", headers={"Authorization": f"Bearer {token}"})

    assert response.status_code == 400


def test_a_body_that_is_too_large_is_refused(token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}

    large = Client().post(URL, "x" * 2_000_000, content_type="application/x-www-form-urlencoded", headers=headers)
    many = Client().post(
        URL, "&".join(["a=b"] * 300), content_type="application/x-www-form-urlencoded", headers=headers
    )

    assert (large.status_code, many.status_code) == (413, 400)


@pytest.mark.parametrize("presented", ["none", "wrong", "old", "network"])
def test_without_the_advertisers_token_nothing_is_taken(
    acme: Partner, boots: Offer, shoe_house: Advertiser, token: str, presented: str
) -> None:
    if presented == "old":
        shoe_house.issue_token(by=SETUP)
    secret = {"none": "", "wrong": f"{token[:-1]}x", "old": token, "network": "lk_net_" + "0" * 38}[presented]
    said = {"transaction_id": clicked(acme, boots).id.hex, "token": secret}

    response = Client().get(URL, said)

    assert (response.status_code, "Bearer" in response["WWW-Authenticate"]) == (401, True)
    assert token not in response.content.decode()
    assert not Conversion.objects.exists()


@pytest.mark.parametrize("method", ["put", "patch", "delete", "head", "options"])
def test_a_report_is_sent_by_get_or_post(token: str, method: str) -> None:
    response = getattr(Client(), method)(URL)

    assert (response.status_code, response["Allow"]) == (405, "GET, POST")


def test_a_report_that_cannot_be_recorded_is_not_confirmed(acme: Partner, boots: Offer, tell: Send) -> None:
    visited = clicked(acme, boots)

    with patch.object(Conversion, "save", side_effect=OperationalError("away")):
        response = tell(transaction_id=visited.id.hex)

    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert not Receipt.objects.exists()
    assert tell(transaction_id=visited.id.hex).status_code == 200


def test_no_token_is_written_down(acme: Partner, boots: Offer, token: str, caplog: pytest.LogCaptureFixture) -> None:
    with patch.object(Conversion, "save", side_effect=RuntimeError("broken")):
        Client().get(URL, {"transaction_id": clicked(acme, boots).id.hex, "token": token})
    Client().get(URL, {"transaction_id": "x", "token": token})

    assert token not in caplog.text


@pytest.fixture
def reports() -> st.SearchStrategy[dict[str, str]]:
    names = st.sampled_from(["amount", "order_id", "event", "coupon_code", "adv1", "adv5", "status", "x", ""])
    return st.dictionaries(names, st.text(st.characters(codec="utf-8"), max_size=130), max_size=6)


def test_whatever_is_reported_is_recorded_or_refused(
    acme: Partner, boots: Offer, token: str, reports: st.SearchStrategy[dict[str, str]]
) -> None:
    visited = clicked(acme, boots)

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(said=reports, as_json=st.booleans())
    def each_one(said: dict[str, str], as_json: bool) -> None:
        whole = {**said, "transaction_id": visited.id.hex}
        headers = {"Authorization": f"Bearer {token}"}

        if as_json:
            response = Client().post(URL, json.dumps(whole), content_type="application/json", headers=headers)
        else:
            response = Client().get(URL, whole, headers=headers)

        assert response.status_code in (200, 400)

    each_one()
