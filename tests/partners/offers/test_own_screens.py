from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from partners.models import Partner
from partners.offers.codes import code_of_partner
from partners.offers.models import Application, Creative, Offer, PayoutType, Terms
from portal.accounts.models import Role, User
from tests.conftest import SETUP, Browse, person
from tests.htmx import HTMX
from tests.page import page

pytestmark = pytest.mark.django_db

Launch = Callable[..., Offer]
URL = "/my/offers/"


def offers_in(answer: object) -> list[str]:
    return [record["Offer"] for record in page(answer).region("offer-table").records]


def test_a_partner_sees_its_offers_what_they_pay_and_whether_it_may_run_them(
    launch: Launch, acme: Partner, paul: User, browse: Browse
) -> None:
    launch("Candles", currency="EUR").pay_partner(acme, Terms(PayoutType.CPS, percentage=Decimal("8.5")), by=SETUP)
    launch("Lamps", visibility="require_approval", countries=["DE", "FR"], pays=Terms(PayoutType.CPC, Decimal("0.045")))
    launch("Hidden", visibility="private")

    candles, lamps = page(browse(paul).get(URL)).region("offer-table").records

    assert (candles["Offer"], candles["You earn"], candles["Can I run it?"]) == ("Candles", "8.5% of the sale", "Yes")
    assert (lamps["You earn"], lamps["Countries"], lamps["Can I run it?"]) == (
        "0.045 USD a click",
        "DE, FR",
        "After applying",
    )
    assert candles["Countries"] == "Everywhere"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=lamp", ["Lamps"]),
        ("run=yes", ["Candles"]),
        ("run=apply", ["Lamps"]),
        ("run=pending", ["Wicks"]),
        ("pays=cps", ["Candles"]),
        ("pays=cpa", ["Lamps", "Wicks"]),
        ("pays=nonsense&category=x&run=never", ["Candles", "Lamps", "Wicks"]),
        ("sort=-name", ["Wicks", "Lamps", "Candles"]),
    ],
)
def test_the_list_of_offers_is_searched_filtered_and_sorted(
    query: str, found: list[str], launch: Launch, acme: Partner, paul: User, browse: Browse
) -> None:
    launch("Candles").pay_partner(acme, Terms(PayoutType.CPS, percentage=Decimal(8)), by=SETUP)
    launch("Lamps", visibility="require_approval")
    launch("Wicks", visibility="require_approval").apply(partner=acme, by=SETUP)

    assert offers_in(browse(paul).get(f"{URL}?{query}")) == found


def test_the_list_says_how_to_ask_the_api_the_same(launch: Launch, paul: User, browse: Browse) -> None:
    launch()

    everything, runnable = (page(browse(paul).get(f"{URL}?{query}")).text for query in ("", "run=yes"))

    assert "/v1/affiliates/alloffers?page_size=2000" in everything and "$LATCHKEY_KEY" in everything
    assert "/v1/affiliates/offersrunnable" in runnable


def test_the_list_takes_as_many_queries_for_one_as_for_twenty(launch: Launch, paul: User, browse: Browse) -> None:
    client = browse(paul)
    launch("First")
    one = queries_for(client)
    for number in range(19):
        launch(f"Offer {number}")

    assert queries_for(client) == one


def queries_for(client: Client) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(URL).status_code == 200
    return len(queries)


def test_an_offer_shows_terms_creatives_caps_and_codes(
    launch: Launch, acme: Partner, other_partner: Partner, paul: User, browse: Browse
) -> None:
    offer = launch(description="<b>Beeswax.</b>", terms_and_conditions="No pop-ups.", daily_payout_cap=Decimal(1500))
    offer.add_creative(
        name="Wide",
        creative_type=Creative.Type.IMAGE,
        resource_url="https://cdn.example/w.png",
        width=8,
        height=9,
        by=SETUP,
    )
    offer.add_creative(name="Mail", creative_type=Creative.Type.EMAIL, html_code="<script>x()</script>", by=SETUP)
    offer.add_deal(name="Spring sale", deal_type="gift", by=SETUP)
    offer.add_deal(name="Last year", deal_type="gift", valid_to=date(2020, 1, 1), by=SETUP)
    offer.add_coupon(code="MINE", partner=acme, by=SETUP)
    offer.add_coupon(code="THEIRS", partner=other_partner, by=SETUP)

    answer = browse(paul).get(f"{URL}{offer.pk}/")

    shown = page(answer)
    assert shown.heading == "Candles"
    for text in ("Beeswax.", "No pop-ups.", "1,500.00 USD a day", "Spring sale", "MINE", "10.00 USD a conversion"):
        assert text in shown.text
    assert not any(text in shown.text for text in ("<b>", "Last year", "THEIRS"))
    assert f'href="http://localhost:8000/t/{code_of_partner(acme.pk)}/{offer.code}/?creative_id=' in shown.text
    assert "<script>x()" not in answer.content.decode()
    assert shown.links["Get link"] == f"{URL}{offer.pk}/link/"
    assert "img-src" in answer["Content-Security-Policy"] and "https:" in answer["Content-Security-Policy"]


def test_an_offer_that_cannot_be_run_says_why_and_how_to_get_there(launch: Launch, paul: User, browse: Browse) -> None:
    shown = page(browse(paul).get(f"{URL}{launch(visibility='require_approval').pk}/"))

    assert "apply for it first" in shown.text
    assert "Get link" not in shown.links and "Apply" in shown.links


@pytest.mark.parametrize("path", ["", "link/", "apply/"])
@pytest.mark.parametrize("fields", [{"visibility": "private"}, {"status": "deleted"}])
def test_an_offer_that_is_not_to_be_seen_is_not_there(
    path: str, fields: dict[str, str], launch: Launch, paul: User, browse: Browse
) -> None:
    assert browse(paul).get(f"{URL}{launch(**fields).pk}/{path}").status_code == 404


def test_a_link_is_put_together_without_javascript(launch: Launch, acme: Partner, paul: User, browse: Browse) -> None:
    offer = launch()
    landing = offer.add_url(name="Sale", destination_url="https://candles.example/sale", by=SETUP)
    form = page(browse(paul).get(f"{URL}{offer.pk}/link/")).form(f"{URL}{offer.pk}/link/")
    given = {**form.fields, "sub1": "spring mail", "source_id": "blog", "url_id": landing.pk}

    shown = page(browse(paul).get(form.action, given))

    tracking = shown.region("tracking-link").text
    assert parse_qs(urlsplit(tracking).query) == {
        "sub1": ["spring mail"],
        "source_id": ["blog"],
        "url_id": [str(landing.pk)],
    }
    assert urlsplit(tracking).path == f"/t/{code_of_partner(acme.pk)}/{offer.code}/"
    assert shown.region("impression-link").text == tracking.replace("/t/", "/i/")
    assert f"/v1/affiliates/offers/{offer.pk}/url/{landing.pk}?" in shown.text
    assert form.method == "get"


def test_under_htmx_only_the_links_are_replaced(launch: Launch, paul: User, browse: Browse) -> None:
    offer = launch()

    answer = browse(paul).get(f"{URL}{offer.pk}/link/?sub1=x", headers={**HTMX, "HX-Target": "links"})

    assert page(answer).has("tracking-link") and not page(answer).has("link-form")


def test_a_link_with_what_the_offer_does_not_have_is_refused(launch: Launch, paul: User, browse: Browse) -> None:
    other = launch("Lamps").add_url(name="Sale", destination_url="https://lamps.example/sale", by=SETUP)

    answer = browse(paul).get(f"{URL}{launch().pk}/link/?url_id={other.pk}&sub1=x")

    assert answer.status_code == 422
    assert "Landing page: Select a valid choice" in page(answer).text
    assert "url_id" not in page(answer).region("tracking-link").text


def test_there_is_no_link_to_what_cannot_be_run(launch: Launch, paul: User, browse: Browse) -> None:
    shown = page(browse(paul).get(f"{URL}{launch(status='paused').pk}/link/"))

    assert "it is paused" in shown.text and not shown.has("tracking-link")


def test_a_partner_applies_after_a_confirmation(launch: Launch, acme: Partner, paul: User, browse: Browse) -> None:
    offer = launch(visibility="require_approval", terms_and_conditions="No pop-ups.")
    client = browse(paul)
    asked = page(client.get(f"{URL}{offer.pk}/apply/"))

    answer = client.post(f"{URL}{offer.pk}/apply/")

    assert "No pop-ups." in asked.text and not asked.errors
    assert (answer.status_code, answer["Location"]) == (303, f"{URL}{offer.pk}/")
    assert acme.applications.get().applied_by == str(paul)
    assert "Applied" in page(client.get(f"{URL}{offer.pk}/")).text


def test_applying_for_a_public_offer_changes_nothing_and_says_so(launch: Launch, paul: User, browse: Browse) -> None:
    client, offer = browse(paul), launch()
    client.post(f"{URL}{offer.pk}/apply/")

    assert "is public" in page(client.get(f"{URL}{offer.pk}/")).text
    assert not Application.objects.exists()


def test_who_may_only_look_at_partners_does_not_apply_for_one(
    launch: Launch, acme: Partner, paul: User, browse: Browse
) -> None:
    looks = {"accounts_history_logs": "full_access", "partners": "view"}
    client = browse(person("Anna", role=Role.create(name="Looker", by=SETUP, **looks)))
    client.post("/view-as/", {"user_pk": paul.pk})
    offer = launch(visibility="require_approval")

    statuses = [client.get(f"{URL}{offer.pk}/").status_code, client.post(f"{URL}{offer.pk}/apply/").status_code]

    assert statuses == [200, 403]
    assert not acme.applications.exists()
