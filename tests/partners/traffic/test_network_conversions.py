from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from partners.models import Partner
from partners.offers.models import Advertiser, Category, Offer, PayoutType, Terms
from partners.traffic.models import Conversion, Hold
from portal.accounts.models import Event, Role, User
from tests.conftest import SETUP, Browse, person
from tests.page import page
from tests.partners.traffic.conftest import converted

pytestmark = pytest.mark.django_db

LIST = "/conversions/"
DECIDE = "/conversions/decide/"
Launch = Callable[..., Offer]


@pytest.fixture
def client(vera: User, browse: Browse) -> Client:
    return browse(vera)


@pytest.fixture
def anna(network: object) -> User:
    return person("Anna", role=Role.create(name="Analyst", by=SETUP, partners="view"))


def recent(partner: Partner, offer: Offer, *, hours: int = 1, **said: Any) -> Conversion:
    return converted(partner, offer, now() - timedelta(hours=hours), **said)


def held(partner: Partner, offer: Offer) -> Conversion:
    conversion = recent(partner, offer, status="on_hold")
    Hold.objects.create(partner=partner, conversion_id=conversion.id, until=now() + timedelta(days=9))
    return conversion


def named(conversion: Conversion) -> str:
    return f"{conversion.partner_id}.{conversion.id.hex}"


def orders(client: Client, query: str = "") -> list[str]:
    answer = client.get(f"{LIST}?{query}")
    assert answer.status_code == 200, page(answer).errors
    return [record["Order ID"] for record in page(answer).region("conversion-list").records]


def test_the_conversions_of_all_partners_are_listed_and_filtered(
    client: Client, acme: Partner, other_partner: Partner, offer: Offer
) -> None:
    other = Offer.launch(
        name="Boots",
        advertiser=Advertiser.sign_up(name="Boot Barn", by=SETUP),
        category=Category.add(name="Outdoor", by=SETUP),
        destination_url="https://boots.example/",
        pays=Terms(PayoutType.CPA, Decimal(10)),
        by=SETUP,
    )
    recent(acme, offer, order_id="A-1", payout=Decimal(10), revenue=Decimal(15))
    recent(other_partner, other, hours=2, order_id="O-1", status="pending")

    first = page(client.get(LIST)).region("conversion-list").records[0]

    assert (first["Partner"], first["Payout"], first["Revenue"]) == ("Acme Media", "10.00 USD", "15.00 USD")
    assert orders(client) == ["A-1", "O-1"]
    assert orders(client, f"partner={acme.pk}") == ["A-1"]
    assert orders(client, f"advertiser={other.advertiser_id}") == ["O-1"]
    assert orders(client, f"offer={other.pk}&status=pending&q=o-") == ["O-1"]
    assert client.get(f"{LIST}?advertiser=999999").status_code == 422


def test_the_list_takes_the_same_number_of_queries_for_one_row_and_twenty(
    client: Client, acme: Partner, other_partner: Partner, launch: Launch
) -> None:
    recent(acme, launch("First"))
    with CaptureQueriesContext(connection) as for_one:
        assert len(orders(client)) == 1
    for number in range(19):
        recent(other_partner, launch(f"Offer {number}"))

    with CaptureQueriesContext(connection) as for_twenty:
        assert len(orders(client)) == 20

    assert len(for_twenty) == len(for_one)


def test_the_list_is_exported_as_the_network_api_exports_it(
    client: Client, acme: Partner, other_partner: Partner, offer: Offer
) -> None:
    recent(acme, offer, order_id="A-1", status="pending")
    recent(other_partner, offer, order_id="O-1")
    recent(other_partner, offer, hours=2, order_id="=2+5", status="pending", revenue=Decimal(15))
    links = page(client.get(f"{LIST}?status=pending&partner={other_partner.pk}")).links

    as_csv, as_json = client.get(links["CSV"]), client.get(links["JSON"])

    [line] = csv.DictReader(io.StringIO(as_csv.getvalue().decode()))
    told = (line["order_id"], line["affiliate_name"], line["advertiser_name"], line["revenue"])
    assert told == ("'=2+5", "Orbit Deals", offer.advertiser.name, "15.00")
    assert [row["order_id"] for row in json.loads(as_json.getvalue())["conversions"]] == ["=2+5"]
    assert as_csv.streaming and "attachment" in as_csv["Content-Disposition"]
    assert client.get("/conversions/export/xlsx/").status_code == 404


def test_what_cannot_be_exported_is_said_on_the_page_that_lists(client: Client) -> None:
    answer = client.get("/conversions/export/csv/?status=lost")

    assert answer.status_code == 422
    assert "not one of the available choices" in " ".join(page(answer).errors)
    assert page(answer).form(LIST).fields["shown"] == ""


def test_the_networks_conversions_are_exported_by_who_may_see_them(
    cast: list[User], anna: User, browse: Browse
) -> None:
    for user in [*cast, anna]:
        expected = 404 if user.is_partner_user else 200
        assert browse(user).get("/conversions/export/csv/").status_code == expected, user


@pytest.mark.parametrize(
    ("decision", "was", "becomes", "said"),
    [
        ("approve", "pending", "approved", "2 conversions were approved."),
        ("reject", "approved", "rejected", "2 conversions were rejected."),
        ("invalidate", "approved", "invalid", "2 conversions were made invalid."),
        ("release", "on_hold", "approved", "2 conversions were released."),
    ],
)
def test_several_are_decided_over_at_once_after_a_confirmation(
    client: Client, vera: User, acme: Partner, other_partner: Partner, offer: Offer, decision: str, was: str,
    becomes: str, said: str,
) -> None:  # fmt: skip
    chosen = [
        held(partner, offer) if was == "on_hold" else recent(partner, offer, status=was)
        for partner in (acme, other_partner)
    ]
    question = client.get(DECIDE, {"decision": decision, "id": [named(one) for one in chosen]})
    form = page(question).form(DECIDE)
    sent = {**form.fields, "id": [named(one) for one in chosen], "reason": "Returned"}

    answer = client.post(DECIDE, sent, follow=True)

    assert "2 conversions." in form.text
    assert {Conversion.objects.get(id=one.id).status for one in chosen} == {becomes}
    assert said in page(answer).text
    events = Event.objects.filter(subject_type="conversion")
    assert {(event.actor_id, event.partner_id) for event in events} == {(vera.pk, acme.pk), (vera.pk, other_partner.pk)}


def test_under_htmx_the_list_is_told_that_it_changed(client: Client, acme: Partner, offer: Offer) -> None:
    pending = recent(acme, offer, status="pending")

    answer = client.post(
        DECIDE,
        {"decision": "approve", "id": named(pending)},
        headers={"HX-Request": "true", "HX-Target": "dialog-body"},
    )

    assert answer.status_code == 204
    assert "conversions:changed" in answer["HX-Trigger"] and "1 conversion was approved" in answer["HX-Trigger"]


def test_a_rejection_needs_its_reason(client: Client, acme: Partner, offer: Offer) -> None:
    conversion = recent(acme, offer)

    answer = client.post(DECIDE, {"decision": "reject", "id": named(conversion), "reason": " "})

    assert answer.status_code == 422
    assert "This field is required." in page(answer).errors
    assert Conversion.objects.get(id=conversion.id).status == "approved"


def test_what_somebody_else_has_decided_meanwhile_is_left_alone_and_told(
    client: Client, acme: Partner, offer: Offer
) -> None:
    pending, approved = recent(acme, offer, status="pending"), recent(acme, offer)

    answer = client.post(DECIDE, {"decision": "approve", "id": [named(pending), named(approved)]}, follow=True)

    assert "1 conversion was approved." in page(answer).text
    assert "1 conversion was left alone: only pending or rejected or invalid ones" in page(answer).text


@pytest.mark.parametrize(
    "query",
    ["decision=approve", "decision=approve&id=7.nothing", "decision=dance&id=1.0197148f02aa7b1c9d3e4f5a6b7c8d9e", ""],
)
def test_without_a_choice_there_is_nothing_to_confirm(client: Client, query: str) -> None:
    assert "Nothing is chosen" in page(client.get(f"{DECIDE}?{query}")).text


def test_a_conversion_named_with_another_partner_is_not_chosen(
    client: Client, acme: Partner, other_partner: Partner, offer: Offer
) -> None:
    pending = recent(acme, offer, status="pending")

    client.post(DECIDE, {"decision": "approve", "id": f"{other_partner.pk}.{pending.id.hex}"})

    assert Conversion.objects.get(id=pending.id).status == "pending"


def test_who_may_only_look_is_told_what_is_missing(anna: User, browse: Browse, acme: Partner, offer: Offer) -> None:
    pending = recent(acme, offer, status="pending", order_id="A-1")
    client = browse(anna)

    answer = client.post(DECIDE, {"decision": "approve", "id": named(pending)})

    assert orders(client) == ["A-1"]
    assert "Approve" in page(client.get(LIST)).buttons
    assert answer.status_code == 403
    assert "Partners: full" in page(answer).text
    assert Conversion.objects.get(id=pending.id).status == "pending"


def test_the_network_sees_who_decided_and_what_partners_are_not_told(
    client: Client, vera: User, acme: Partner, offer: Offer
) -> None:
    conversion = recent(acme, offer, notes="Ask legal", revenue=Decimal(15))
    client.post(DECIDE, {"decision": "reject", "id": named(conversion), "reason": "Returned"})

    answer = page(client.get(f"/conversions/{acme.pk}/{conversion.id}/"))

    assert "Vera · Returned" in answer.text
    assert "Ask legal" in answer.text and "15.00 USD" in answer.text
    assert [
        button for button in answer.buttons if button in ("Approve", "Reject", "Make invalid", "Release from hold")
    ] == [
        "Approve",
        "Make invalid",
    ]
    assert client.get(f"/conversions/{acme.pk + 1}/{conversion.id}/").status_code == 404
