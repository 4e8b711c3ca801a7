from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils.timezone import now

from keys.models import Key
from partners.billing.models import Invoice, Payment, Period
from partners.models import Partner
from partners.offers.models import Advertiser
from partners.postbacks.models import Postback
from partners.reporting.columns import COLUMNS
from partners.reporting.engine import ask
from partners.traffic.models import TrafficControl
from portal.accounts.models import User
from tests.conftest import SETUP, Browse
from tests.partners.billing.conftest import item, month
from tests.partners.conftest import Launch
from tests.partners.traffic.conftest import clicked, converted

pytestmark = pytest.mark.django_db

Calls = Callable[..., Client]


@pytest.fixture
def traffic(acme: Partner, other_partner: Partner, launch: Launch) -> None:
    shoes, boots = launch("Summer Shoes"), launch("Winter Boots")
    for partner, offer, status in (
        (acme, shoes, "approved"),
        (acme, boots, "pending"),
        (other_partner, shoes, "approved"),
        (other_partner, boots, "on_hold"),
    ):
        at = now() - timedelta(hours=1)
        clicked(partner, offer, at, sub1=status)
        converted(partner, offer, at, status=status, order_id=f"{partner.pk}-{status}")


def answered(api: Client, command: str) -> Any:
    """What the API says to a command as it is shown, with the key that the command leaves out."""
    words = shlex.split(command.replace("\\\n", " "))
    assert words[0] == "curl"
    assert "Authorization: Bearer $LATCHKEY_KEY" in words
    url = urlsplit(next(word for word in words if word.startswith("http")))
    path = f"{url.path}?{url.query}".removesuffix("?")
    if "--data-raw" in words:
        body = words[words.index("--data-raw") + 1]
        response = api.post(path, body, content_type="application/json")
    else:
        response = api.get(path)
    assert response.status_code == 200, response.content
    return response.json()


def shown(browser: Client, path: str) -> Any:
    response = browser.get(path)
    assert response.status_code == 200
    context: Any = response.context
    assert "Show API request" in response.content.decode()
    return context


@pytest.mark.usefixtures("traffic")
@pytest.mark.parametrize("query", ["", "status=pending", "partner={acme}", "partner={acme}&status=approved"])
def test_the_networks_conversions_are_asked_for_by_api_as_on_the_page(
    browse: Browse, vera: User, network_call: Client, acme: Partner, query: str
) -> None:
    page = shown(browse(vera), f"/conversions/?{query.format(acme=acme.pk)}")

    told = answered(network_call, page["api_request"])["conversions"]

    assert [row["order_id"] for row in told] == [row.order_id for row in page["page"].rows]
    assert told


@pytest.mark.usefixtures("traffic")
@pytest.mark.parametrize("query", ["", "status=pending"])
def test_a_partners_conversions_are_asked_for_by_api_as_on_the_page(
    browse: Browse, paul: User, acme_key: tuple[Key, str], call: Calls, query: str
) -> None:
    page = shown(browse(paul), f"/my/conversions/?{query}")

    told = answered(call(acme_key[1]), page["api_request"])["conversions"]

    assert [row["order_id"] for row in told] == [row.order_id for row in page["page"].rows]
    assert told


@pytest.mark.usefixtures("traffic")
@pytest.mark.parametrize(
    "query", ["", "column=affiliate&column=offer", "column=sub1&filter=affiliate:{acme}", "bound=cv:greater_than:0"]
)
def test_a_report_across_partners_is_asked_for_by_api_as_on_the_page(
    browse: Browse, vera: User, network_call: Client, acme: Partner, query: str
) -> None:
    page = shown(browse(vera), f"/reports/?{query.format(acme=acme.pk)}")

    told = answered(network_call, page["api_request"])

    assert told["table"] == page["report"].rows
    assert told["table"]


@pytest.mark.usefixtures("traffic")
def test_a_partners_report_is_asked_for_by_api_as_on_the_page(
    browse: Browse, paul: User, acme_key: tuple[Key, str], call: Calls
) -> None:
    page = shown(browse(paul), "/my/reports/?column=offer&column=date")

    told = answered(call(acme_key[1]), page["api_request"])

    assert told["table"] == page["report"].rows
    assert len(told["table"]) == 2


@pytest.fixture
def offers(acme: Partner, launch: Launch) -> None:
    for number in range(30):
        launch(f"Offer {number:02}", status="paused" if number % 3 else "active")
    launch("Summer Shoes", visibility="require_approval", labels=["New"]).apply(partner=acme, by=SETUP)


@pytest.mark.usefixtures("offers")
@pytest.mark.parametrize(
    "query",
    [
        "",
        "page=2",
        "sort=-name",
        "sort=advertiser&page=2",
        "sort=category",
        "sort=-visibility",
        "sort=-pending_count",
        "sort=status&status=paused",
        "q=shoes",
        "waiting=yes",
        "visibility=require_approval",
        "advertiser={advertiser}&status=active",
        "category=999999&colour=red",
    ],
)
def test_the_networks_offers_are_asked_for_by_api_as_on_the_page(
    browse: Browse, vera: User, network_call: Client, query: str
) -> None:
    page = shown(browse(vera), f"/offers/?{query.format(advertiser=Advertiser.objects.get().pk)}")

    told = answered(network_call, page["api_request"])

    assert [offer["network_offer_id"] for offer in told["offers"]] == [row.record.pk for row in page["table"].page]
    assert told["total_count"] == page["table"].paginator.count
    assert told["offers"]


def test_an_offer_is_asked_for_by_api_as_on_its_page(
    browse: Browse, vera: User, network_call: Client, launch: Launch
) -> None:
    offer = launch("Candles", labels=["Wax"])
    page = shown(browse(vera), f"/offers/{offer.pk}/")

    told = answered(network_call, page["api_request"])

    assert (told["network_offer_id"], told["name"], told["labels"]) == (offer.pk, "Candles", ["Wax"])


@pytest.mark.parametrize("query", ["", "status=active", "offer=0", "q=second"])
def test_a_partners_postbacks_are_asked_for_by_api_as_on_the_networks_page(
    browse: Browse, vera: User, network_call: Client, acme: Partner, other_partner: Partner, launch: Launch, query: str
) -> None:
    Postback.add(partner=acme, url="https://track.example/first?tid={transaction_id}", by=SETUP).pause(by=SETUP)
    Postback.add(partner=acme, url="https://track.example/second?tid={transaction_id}", by=SETUP)
    Postback.add(partner=acme, offer=launch(), url="https://track.example/third?tid={transaction_id}", by=SETUP)
    Postback.add(partner=other_partner, url="https://track.example/second?tid={transaction_id}", by=SETUP)
    page = shown(browse(vera), f"/partners/{acme.pk}/postbacks/?{query}")

    told = answered(network_call, page["api_request"])["pixels"]

    assert [pixel["network_pixel_id"] for pixel in told] == [row.record.pk for row in page["table"].page]
    assert told


@pytest.mark.parametrize(
    "query", ["", "status=paid", "status=unpaid", "status=overdue", "status=cancelled", "year=2025", "year=2026"]
)
def test_a_partners_invoices_are_asked_for_by_api_as_on_the_networks_page(
    browse: Browse, vera: User, network_call: Client, acme: Partner, other_partner: Partner, query: str
) -> None:
    def raised(partner: Partner, period: Period, terms: int = 0) -> Invoice:
        given: dict[str, Any] = {
            "period": period,
            "currency": "USD",
            "items": [item()],
            "payment_terms": terms,
            "by": SETUP,
        }
        return Invoice.raise_for(partner, **given)

    raised(acme, Period(date(2025, 12, 15), date(2026, 1, 14), "UTC"))
    Invoice.objects.update(created_at=now() - timedelta(days=3))
    paid = raised(acme, month(2))
    paid.record_payment(amount=Decimal(100), method=Payment.Method.PAYPAL, paid_on=date(2026, 3, 3), by=SETUP)
    raised(acme, month(3)).cancel(by=SETUP)
    raised(acme, month(4), terms=365)
    raised(other_partner, month(1))
    page = shown(browse(vera), f"/partners/{acme.pk}/billing/?{query}")

    told = answered(network_call, page["api_request"])["invoices"]

    rows = [row.record for row in page["table"].page]
    assert [(invoice["network_affiliate_invoice_id"], invoice["is_cancelled"]) for invoice in told] == [
        (invoice.pk, invoice.is_cancelled) for invoice in rows
    ]
    assert told


def test_the_traffic_controls_are_asked_for_by_api_as_on_the_page(
    browse: Browse, vera: User, network_call: Client, acme: Partner
) -> None:
    for number in range(55):
        rule = {"control_type": "blacklist", "variable": "sub1", "comparison_method": "exact", "values": [str(number)]}
        TrafficControl.add(name=f"Rule {number}", partners=[acme], by=SETUP, **rule)
    page = shown(browse(vera), "/traffic-controls/")

    told = answered(network_call, page["api_request"])["traffic_controls"]

    assert {control["name"] for control in told} == {row.record.name for row in page["table"].rows}
    assert len(told) == 55


@pytest.fixture
def several(acme: Partner, launch: Launch) -> None:
    """Of everything two, the later one the first by name."""
    for number, name in ((1, "Torches"), (2, "Candles")):
        offer = launch(name)
        Postback.add(partner=acme, offer=offer, url="https://track.example/?tid={transaction_id}", by=SETUP)
        Invoice.raise_for(acme, period=month(number), currency="USD", items=[item()], by=SETUP)
        rule: dict[str, Any] = {
            "control_type": "blacklist",
            "variable": "sub1",
            "comparison_method": "exact",
            "values": [name],
        }
        TrafficControl.add(name=name, by=SETUP, **rule)


OLDEST = "It answers the oldest first, however the table is sorted."
LATEST = "It answers the latest period first, however the table is sorted."
BY_NUMBER = "It answers by number, however the table is sorted."
ALL_BY_NUMBER = "It answers all of them by number, however the table is filtered and sorted."


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize(
    ("path", "plural", "pk", "said"),
    [
        ("/partners/{acme}/postbacks/?sort=offer", "pixels", "network_pixel_id", OLDEST),
        ("/partners/{acme}/billing/?sort=period", "invoices", "network_affiliate_invoice_id", LATEST),
        ("/traffic-controls/?sort=name", "traffic_controls", "network_traffic_control_id", BY_NUMBER),
        ("/my/postbacks/?sort=offer", "pixels", "network_pixel_id", OLDEST),
        ("/my/billing/?sort=period", "invoices", "network_affiliate_invoice_id", LATEST),
        ("/my/offers/?sort=name", "offers", "network_offer_id", ALL_BY_NUMBER),
        ("/my/offers/?q=torches", "offers", "network_offer_id", ALL_BY_NUMBER),
    ],
)
def test_where_the_api_has_no_order_to_ask_for_the_page_says_in_which_one_it_answers(
    path: str, plural: str, pk: str, said: str, request: pytest.FixtureRequest, browse: Browse, acme: Partner
) -> None:
    is_own = path.startswith("/my/")
    user = request.getfixturevalue("paul" if is_own else "vera")
    response = browse(user).get(path.format(acme=acme.pk))
    context: Any = response.context

    api = api_of_acme(request) if is_own else request.getfixturevalue("network_call")
    told = [row[pk] for row in answered(api, context["api_request"])[plural]]

    assert said in response.content.decode()
    assert told == sorted(told, reverse=said == LATEST)
    assert len(told) == 2
    assert told != [row.record.pk for row in context["table"].page]


def api_of_acme(request: pytest.FixtureRequest) -> Client:
    client: Client = request.getfixturevalue("call")(request.getfixturevalue("acme_key")[1])
    return client


@pytest.mark.usefixtures("traffic")
@pytest.mark.parametrize("sort", ["offer", "-payout"])
def test_a_report_says_in_which_order_the_api_answers_it_and_it_does(
    browse: Browse, vera: User, network_call: Client, sort: str
) -> None:
    response = browse(vera).get(f"/reports/?column=affiliate&column=offer&sort={sort}")
    context: Any = response.context

    told = answered(network_call, context["api_request"])["table"]

    said = "It answers in the order of time, then what earned most first, however the table is sorted."
    assert said in response.content.decode()
    earned = [row["reporting"]["revenue"] for row in told]
    assert told == context["report"].rows
    assert earned == sorted(earned, reverse=True)
    assert len(earned) == 4


@pytest.mark.usefixtures("traffic")
def test_a_partners_dashboard_is_asked_for_by_api(
    browse: Browse, paul: User, acme_key: tuple[Key, str], call: Calls
) -> None:
    page = shown(browse(paul), "/dashboard/")

    told = answered(call(acme_key[1]), page["api_request"])

    overview = page["overview"]
    assert [row["columns"][0]["id"] for row in told["table"]] == [offer.offer_id for offer in overview.top_offers]
    assert told["table"] == ask(replace(overview.question, columns=(COLUMNS["offer"],))).rows
    assert len(told["performance"]) == 30


@pytest.mark.usefixtures("traffic")
def test_a_partners_traffic_is_asked_for_by_api_as_on_the_networks_page(
    browse: Browse, vera: User, network_call: Client, acme: Partner
) -> None:
    page = shown(browse(vera), f"/partners/{acme.pk}/traffic/")

    told = answered(network_call, page["api_request"])

    rows = ask(replace(page["overview"].question, columns=(COLUMNS["offer"],))).rows
    figures = {row["columns"][0]["id"]: row["reporting"] for row in rows}
    assert {row["columns"][0]["id"] for row in told["table"]} == figures.keys()
    for row in told["table"]:
        shown_there, asked_for = figures[row["columns"][0]["id"]], row["reporting"]
        assert [asked_for[name] for name in ("total_click", "cv", "cvr")] == [
            shown_there[name] for name in ("total_click", "cv", "cvr")
        ]
        assert asked_for["payout"] == shown_there["revenue"]
