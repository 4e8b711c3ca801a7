from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from partners.models import Partner
from partners.offers.forms.fields import CountriesField
from partners.offers.models import (
    Advertiser,
    Category,
    CouponCode,
    Creative,
    Offer,
    OfferUrl,
    PartnerPayout,
    PayoutType,
    Revenue,
    RevenueType,
    Terms,
)
from portal.accounts.actors import Actor
from portal.accounts.events import EventKind
from portal.accounts.models import Event, User
from tests.conftest import SETUP, Browse
from tests.htmx import DIALOG, HTMX, told
from tests.page import page
from tests.partners.conftest import Launch

pytestmark = pytest.mark.django_db

NEW = "/offers/new/"


@pytest.fixture
def client(vera: User, browse: Browse) -> Client:
    return browse(vera)


def fields_of(client: Client, url: str) -> dict[str, Any]:
    return page(client.get(url)).form(url).fields


def candles(client: Client, **said: str) -> dict[str, Any]:
    """A form for a new offer in which nothing is wrong, unless it is said."""
    filled = {
        "name": "Candles",
        "new_advertiser": "Tallow & Reed",
        "new_category": "Home",
        "destination_url": "https://candles.example/?click={transaction_id}",
        "amount": "10",
        "revenue_amount": "15.5",
    }
    return {**fields_of(client, NEW), **filled, **said}


def test_an_offer_is_launched_with_all_that_it_needs(client: Client) -> None:
    said = {
        "countries": "Germany, at\nBonaire, Sint Eustatius and Saba",
        "live_until": "2031-05-31",
        "visibility": "public",
        "status": "active",
        "currency": "EUR",
        "payout_type": "cpa_cps",
        "percentage": "2.5",
        "daily_click_cap": "500",
        "monthly_payout_cap": "1000.50",
        "description": "Beeswax.",
    }

    response = client.post(NEW, candles(client, **said), follow=True)

    offer = Offer.objects.get()
    assert response.redirect_chain == [(f"/offers/{offer.pk}/", 303)]
    assert "Candles was launched. It is active." in page(response).text
    assert (offer.advertiser.name, offer.category.name, offer.currency) == ("Tallow & Reed", "Home", "EUR")
    assert (offer.countries, offer.live_until) == (["AT", "BQ", "DE"], date(2031, 5, 31))
    assert offer.caps == [("Payout", "1,000.50 EUR a month"), ("Clicks", "500 a day")]
    assert offer.default_payout.terms == Terms(PayoutType.CPA_CPS, Decimal(10), Decimal("2.5"))
    assert offer.default_payout.revenue == Revenue(RevenueType.RPA, Decimal("15.5"))
    kinds = [EventKind.ADVERTISER_SIGNED_UP, EventKind.CATEGORY_ADDED, EventKind.OFFER_LAUNCHED]
    assert list(Event.objects.filter(kind__in=kinds).values_list("actor_label", flat=True)) == ["Vera"] * 3


def test_an_offer_is_launched_for_an_advertiser_that_is_there(client: Client, launch: Launch) -> None:
    there = launch("Lamps")
    chosen = {"advertiser": str(there.advertiser_id), "new_advertiser": "", "new_category": "HOME"}

    client.post(NEW, candles(client, **chosen))

    offer = Offer.objects.get(name="Candles")
    assert (offer.advertiser, offer.category) == (there.advertiser, there.category)


@pytest.mark.parametrize(
    ("said", "field", "sentence"),
    [
        ({"name": ""}, "Name", "This field is required"),
        ({"new_advertiser": ""}, "Advertiser", "Choose one, or name a new advertiser"),
        ({"new_category": " "}, "Category", "Choose one, or name a new category"),
        ({"advertiser": "999999"}, "Advertiser", "Select a valid choice"),
        ({"destination_url": "candles"}, "Destination URL", "It must begin with http:// or https://"),
        ({"destination_url": "https://{sub1}.example/"}, "Destination URL", "A macro cannot stand in the host"),
        ({"preview_url": "ftp://candles.example/"}, "Preview", "Enter a valid URL"),
        ({"preview_url": "javascript:alert(1)"}, "Preview", "Enter a valid URL"),
        ({"countries": "Germany, Atlantis"}, "Countries", "There is no country “Atlantis”"),
        ({"live_until": "soon"}, "Last day", "Enter a valid date"),
        ({"amount": ""}, "Amount paid", "Enter an amount; 0 is nothing"),
        ({"amount": "-1"}, "Amount paid", "greater than or equal to 0"),
        ({"percentage": "5"}, "Share paid", "“per conversion” has no share"),
        ({"payout_type": "cps", "percentage": "5"}, "Amount paid", "“share of the sale” has no amount"),
        ({"payout_type": "cps", "amount": "", "percentage": "101"}, "Share paid", "less than or equal to 100"),
        ({"revenue_amount": ""}, "Amount earned", "Enter an amount; 0 is nothing"),
        ({"daily_click_cap": "-1"}, "Clicks a day", "greater than or equal to 0"),
        ({"daily_payout_cap": "many"}, "Payout a day", "Enter a number"),
        ({"holding_period_days": "366"}, "Days on hold", "less than or equal to 365"),
        ({"click_lifespan_days": "0"}, "Days after a click", "greater than or equal to 1"),
        ({"currency": "XXX"}, "Currency", "Select a valid choice"),
        ({"status": "lost"}, "Status", "Select a valid choice"),
    ],
)
def test_an_offer_that_cannot_be_is_the_form_again_with_a_sentence_at_the_field(
    client: Client, said: dict[str, str], field: str, sentence: str
) -> None:
    filled = candles(client, description="Beeswax.", **said)

    response = client.post(NEW, filled)

    assert response.status_code == 422
    form = page(response).form(NEW)
    assert any(error.startswith("Nothing was saved yet") and field in error for error in form.errors)
    assert any(sentence in error for error in form.errors)
    changed = {name for name, value in form.fields.items() if filled.get(name) != value}
    assert changed <= {"csrfmiddlewaretoken", *said}
    assert not Offer.objects.exists() and not Advertiser.objects.exists() and not Category.objects.exists()


def test_htmx_gets_the_form_alone_and_leaves_when_the_offer_is_launched(client: Client) -> None:
    headers = HTMX | {"HX-Target": "offer-form"}

    refused = client.post(NEW, candles(client, name=""), headers=headers)
    launched = client.post(NEW, candles(client), headers=headers)

    assert refused.status_code == 422 and page(refused).heading == "" and page(refused).has("offer-form")
    assert launched["HX-Redirect"] == f"/offers/{Offer.objects.get().pk}/"


def test_an_offer_is_edited_with_what_it_was_in_the_event(client: Client, launch: Launch) -> None:
    offer = launch("Candles", countries=["DE"], daily_payout_cap=Decimal("12.5"))
    url = f"/offers/{offer.pk}/edit/"
    fields = fields_of(client, url)
    assert (fields["countries"], fields["daily_payout_cap"], fields["daily_click_cap"]) == ("Germany", "12.5", "")

    response = client.post(
        url, {**fields, "countries": "Germany, Austria", "new_advertiser": "Lumen", "daily_payout_cap": ""}
    )

    assert (response.status_code, response["Location"]) == (303, f"/offers/{offer.pk}/")
    assert Event.objects.get(kind=EventKind.OFFER_CHANGED).details == {
        "countries": [["DE"], ["AT", "DE"]],
        "daily_payout_cap": ["12.5000", "0"],
        "advertiser": ["Tallow & Reed", "Lumen"],
    }


def test_saving_an_offer_without_a_change_leaves_no_event(client: Client, launch: Launch) -> None:
    offer = launch(
        "Candles", countries=["US", "BQ"], live_until=date(2031, 5, 31), weekly_click_cap=7, description="x\ny"
    )
    url = f"/offers/{offer.pk}/edit/"

    response = client.post(url, fields_of(client, url))

    assert response.status_code == 303
    assert not Event.objects.filter(kind=EventKind.OFFER_CHANGED).exists()


def test_two_people_who_edit_an_offer_lose_nothing_unseen(
    vera: User, amir: User, browse: Browse, launch: Launch
) -> None:
    offer = launch("Candles", countries=["DE"])
    url = f"/offers/{offer.pk}/edit/"
    veras, amirs = browse(vera), browse(amir)
    fields_of_vera, fields_of_amir = fields_of(veras, url), fields_of(amirs, url)
    amirs.post(url, {**fields_of_amir, "countries": "", "status": "paused", "live_until": "2031-05-31"})

    refused = veras.post(url, {**fields_of_vera, "name": "Beeswax candles", "new_category": "Wax"})

    assert refused.status_code == 422
    said = page(refused).text
    assert "Somebody else saved a change while you were editing" in said
    assert "Status is now “ Paused ”" in said and "Countries is now “ (empty) ”" in said
    assert not Category.objects.filter(name="Wax").exists()
    offered = page(refused).form(url).fields
    assert (offered["status"], offered["countries"], offered["live_until"]) == ("paused", "", "2031-05-31")
    assert (offered["name"], offered["new_category"]) == ("Beeswax candles", "Wax")

    saved = veras.post(url, offered)

    assert saved.status_code == 303
    offer.refresh_from_db()
    assert (offer.name, offer.status, offer.countries, offer.category.name) == ("Beeswax candles", "paused", [], "Wax")


def test_an_offers_traffic_goes_to_another_that_is_not_deleted(client: Client, launch: Launch) -> None:
    gone, other, offer = launch("Gone", status="deleted"), launch("Other"), launch("Candles")
    url = f"/offers/{offer.pk}/edit/"

    choices = page(client.get(url)).form(url).choices["redirect_offer"]

    assert choices == {"": "Nowhere", str(other.pk): "Other"}
    for wrong in (gone, offer):
        fields = {**fields_of(client, url), "redirect_offer": str(wrong.pk)}
        assert client.post(url, fields).status_code == 422


def test_an_offer_goes_on_sending_its_traffic_to_one_that_was_deleted_since(client: Client, launch: Launch) -> None:
    other = launch("Other")
    offer = launch("Candles", redirect_offer=other)
    other.change(by=SETUP, status=Offer.Status.DELETED)
    url = f"/offers/{offer.pk}/edit/"
    form = page(client.get(url)).form(url)

    saved = client.post(url, {**form.fields, "description": "Beeswax."})

    assert form.choices["redirect_offer"] == {"": "Nowhere", str(other.pk): "Other (deleted)"}
    assert saved.status_code == 303
    offer.refresh_from_db()
    assert (offer.redirect_offer, offer.description) == (other, "Beeswax.")


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("", []),
        (" ,\n; ", []),
        ("de; AT", ["AT", "DE"]),
        ("Germany, germany, DE", ["DE"]),
        ("Saint Helena, Ascension and Tristan da Cunha", ["SH"]),
        ("United  States\nFrance", ["FR", "US"]),
    ],
)
def test_countries_are_understood_by_name_and_code(text: str, codes: list[str]) -> None:
    field = CountriesField(required=False)

    assert field.clean(text) == codes
    assert field.clean(field.prepare_value(codes)) == codes
    assert not field.has_changed(codes, text)


def test_what_a_conversion_pays_is_changed_in_a_dialog(client: Client, launch: Launch) -> None:
    offer = launch(earns=Revenue(RevenueType.RPA, Decimal(15)))
    url = f"/offers/{offer.pk}/payouts/{offer.payouts.get().pk}/"
    fields = fields_of(client, url)
    assert (fields["amount"], fields["percentage"], fields["revenue_amount"]) == ("10", "", "15")

    answer = client.post(url, {**fields, "payout_type": "cps", "amount": "", "percentage": "4.5"}, headers=DIALOG)

    assert answer.status_code == 204
    assert told(answer)["offer:changed"] and told(answer)["dialog:close"]
    payout = offer.payouts.get()
    assert (str(payout.terms), str(payout.revenue)) == ("cps 4.5000 %", "rpa 15.0000")
    assert Event.objects.get(kind=EventKind.OFFER_PAYOUT_SET).details["payout"] == "cps 4.5 %"


def test_a_payout_that_somebody_else_changed_is_not_replaced_unseen(client: Client, launch: Launch) -> None:
    offer = launch()
    url = f"/offers/{offer.pk}/payouts/{offer.payouts.get().pk}/"
    fields = {**fields_of(client, url), "amount": "11", "revenue_amount": "20"}
    offer.pay(Terms(PayoutType.CPC, Decimal("0.25")), by=SETUP)

    refused = client.post(url, fields, headers=DIALOG)

    assert refused.status_code == 422
    assert "Somebody else was faster: now it is “0.25 USD a click”" in " ".join(page(refused).errors)
    again = page(refused).form().fields
    assert (again["amount"], again["payout_type"]) == ("11", "cpa")

    assert client.post(url, again, headers=DIALOG).status_code == 204
    assert str(offer.payouts.get().terms) == "cpa 11.0000"


def test_an_event_is_paid_for_once(client: Client, launch: Launch) -> None:
    offer = launch()
    url = f"/offers/{offer.pk}/payouts/add/"
    event = {**fields_of(client, url), "event_name": "first_deposit", "amount": "25", "revenue_amount": "30"}

    added = client.post(url, event)
    again = client.post(url, {**event, "amount": "26"})
    odd = client.post(url, {**event, "event_name": "First deposit"})

    assert (added.status_code, again.status_code, odd.status_code) == (303, 422, 422)
    assert "The offer pays for it already" in " ".join(page(again).errors)
    assert "Use small letters, digits and _" in " ".join(page(odd).errors)
    rows = page(client.get(f"/offers/{offer.pk}/")).rows
    assert ["First deposit", "25.00 USD a conversion", "30.00 USD a conversion"] in [row[:3] for row in rows]


def test_a_partner_gets_terms_of_its_own_which_change_and_end(client: Client, launch: Launch, acme: Partner) -> None:
    offer = launch()
    add = f"/offers/{offer.pk}/terms/add/"
    chosen = {**fields_of(client, add), "partner": str(acme.pk), "amount": "12"}
    assert client.post(add, chosen).status_code == 303
    terms = PartnerPayout.objects.get()
    assert (terms.partner, str(terms.terms)) == (acme, "cpa 12.0000")

    url = f"/offers/{offer.pk}/terms/{terms.pk}/"
    assert client.post(url, {**fields_of(client, url), "amount": "13"}).status_code == 303
    assert PartnerPayout.objects.get().terms.amount == 13

    asked = page(client.get(f"{url}end/"))
    assert "it earns what everybody does: 10.00 USD a conversion" in asked.text
    assert client.post(f"{url}end/").status_code == 303
    assert not PartnerPayout.objects.exists()
    kinds = ["partner.payout_set", "partner.payout_set", "partner.payout_ended"]
    assert list(Event.objects.filter(kind__in=kinds).order_by("pk").values_list("kind", flat=True)) == kinds


def test_terms_that_are_there_or_have_moved_are_not_replaced_unseen(
    client: Client, launch: Launch, acme: Partner
) -> None:
    offer = launch()
    add = f"/offers/{offer.pk}/terms/add/"
    new = {**fields_of(client, add), "partner": str(acme.pk), "amount": "14"}
    terms = offer.pay_partner(acme, Terms(PayoutType.CPA, Decimal(12)), by=SETUP)
    url = f"/offers/{offer.pk}/terms/{terms.pk}/"
    edited = {**fields_of(client, url), "amount": "13"}
    offer.pay_partner(acme, Terms(PayoutType.CPS, percentage=Decimal(3)), by=SETUP)

    there, moved = client.post(add, new), client.post(url, edited)

    assert (there.status_code, moved.status_code) == (422, 422)
    assert "terms of its own for this already, 3% of the sale" in " ".join(page(there).errors)
    assert "Somebody else was faster: now it is “3% of the sale”" in " ".join(page(moved).errors)
    assert str(PartnerPayout.objects.get().terms) == "cps 3.0000 %"


def test_who_ends_terms_that_have_ended_is_told(client: Client, launch: Launch, acme: Partner) -> None:
    offer = launch()
    terms = offer.pay_partner(acme, Terms(PayoutType.CPA, Decimal(12)), by=SETUP)
    url = f"/offers/{offer.pk}/terms/{terms.pk}/end/"
    terms.end(by=SETUP)

    assert client.get(url).status_code == 404
    assert client.post(url).status_code == 404


def test_who_ends_terms_a_moment_after_somebody_else_is_told(
    client: Client, launch: Launch, acme: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = launch()
    terms = offer.pay_partner(acme, Terms(PayoutType.CPA, Decimal(12)), by=SETUP)
    end = PartnerPayout.end

    def overtaken(self: PartnerPayout, *, by: Actor) -> None:
        end(self, by=SETUP)
        end(terms, by=by)

    monkeypatch.setattr(PartnerPayout, "end", overtaken)
    answer = client.post(f"/offers/{offer.pk}/terms/{terms.pk}/end/", follow=True)

    assert answer.redirect_chain == [(f"/offers/{offer.pk}/", 303)]
    assert "Somebody else ended these terms a moment ago" in page(answer).text
    assert Event.objects.get(kind=EventKind.PARTNER_PAYOUT_ENDED).actor_label == SETUP.label


def test_landing_pages_are_added_and_moved(client: Client, launch: Launch) -> None:
    offer = launch()
    add = f"/offers/{offer.pk}/landing-pages/add/"
    sale = {**fields_of(client, add), "name": "Sale", "destination_url": "https://candles.example/sale?{sub1}"}
    assert client.post(add, sale).status_code == 303
    event = Event.objects.get(kind=EventKind.OFFER_URL_ADDED)
    assert (event.actor_label, event.subject_label, event.details) == ("Vera", "Candles", {"url": "Sale"})
    taken = client.post(add, sale)
    assert "Another landing page of this offer has that name" in " ".join(page(taken).errors)
    assert client.post(add, {**sale, "name": "Odd", "destination_url": "sale"}).status_code == 422

    url = f"/offers/{offer.pk}/landing-pages/{OfferUrl.objects.get().pk}/"
    fields = {**fields_of(client, url), "name": "Spring"}
    OfferUrl.objects.get().change(name="Sale!", destination_url="https://candles.example/", by=SETUP)
    refused = client.post(url, fields)
    assert refused.status_code == 422
    assert "it is “Sale!” now" in " ".join(page(refused).errors)
    assert client.post(url, page(refused).form(url).fields).status_code == 303
    assert OfferUrl.objects.get().name == "Spring"


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"creative_type": "image", "html_code": "<p>"}, "An image or a video needs its address"),
        ({"creative_type": "text", "resource_url": "https://x.example/a.png"}, "Without it there is nothing to show"),
        ({"creative_type": "text", "html_code": " \n"}, "Without it there is nothing to show"),
        ({"creative_type": "image", "resource_url": "data:image/png;base64,"}, "Enter a valid URL"),
        ({"creative_type": "image", "resource_url": "https://x.example/a.png", "width": "-1"}, "greater than or equal"),
    ],
)
def test_a_creative_has_something_to_show(client: Client, launch: Launch, said: dict[str, str], sentence: str) -> None:
    url = f"/offers/{launch().pk}/creatives/add/"

    response = client.post(url, {**fields_of(client, url), "name": "Banner", **said})

    assert response.status_code == 422
    assert sentence in " ".join(page(response).errors)
    assert not Creative.objects.exists()


def test_creatives_are_added(client: Client, launch: Launch) -> None:
    offer = launch()
    url = f"/offers/{offer.pk}/creatives/add/"
    banner = {"name": "Banner", "creative_type": "image", "width": "300", "height": "250"}
    text = {"name": "Text", "creative_type": "text", "html_code": "Look: {tracking_link}"}

    client.post(url, {**fields_of(client, url), **banner, "resource_url": "https://candles.example/a.png"})
    client.post(url, {**fields_of(client, url), **text})

    shown = page(client.get(f"/offers/{offer.pk}/")).text
    assert "Banner Image, 300 × 250" in shown and "Look: {tracking_link}" in shown
    assert Event.objects.filter(kind=EventKind.CREATIVE_ADDED).count() == 2


def test_coupon_codes_are_added_and_withdrawn(client: Client, launch: Launch, acme: Partner) -> None:
    offer = launch()
    add = f"/offers/{offer.pk}/coupons/add/"
    fields = fields_of(client, add)
    own = {"code": "GLOW", "partner": str(acme.pk), "valid_from": "2026-05-01", "valid_to": "2026-05-31"}
    assert client.post(add, {**fields, **own}).status_code == 303
    event = Event.objects.get(kind=EventKind.COUPON_ADDED)
    assert (event.actor_label, event.partner_id, event.details) == ("Vera", acme.pk, {"offer": "Candles"})
    taken, spaced, reversed_ = (
        client.post(add, {**fields, **said})
        for said in ({"code": "glow"}, {"code": "GLOW UP"}, {**own, "code": "WAX", "valid_to": "2026-04-30"})
    )
    assert "Another coupon has this code" in " ".join(page(taken).errors)
    assert "A code is one word" in " ".join(page(spaced).errors)
    assert "must not be before the first" in " ".join(page(reversed_).errors)
    assert [taken.status_code, spaced.status_code, reversed_.status_code] == [422] * 3
    [row] = [row for row in page(client.get(f"/offers/{offer.pk}/")).records if "Code" in row]
    assert (row["Code"], row["Whose"], row["Days"]) == ("GLOW", "Acme Media", "1 May 2026 to 31 May 2026")

    url = f"/offers/{offer.pk}/coupons/{CouponCode.objects.get().pk}/withdraw/"
    for _ in range(2):
        assert client.post(url).status_code == 303

    assert "was withdrawn" in page(client.get(url)).text
    assert Event.objects.filter(kind=EventKind.COUPON_WITHDRAWN).count() == 1


def test_what_belongs_to_another_offer_is_not_found(client: Client, launch: Launch, acme: Partner) -> None:
    offer, other = launch("Candles"), launch("Lamps")
    terms = offer.pay_partner(acme, Terms(PayoutType.CPA, Decimal(12)), by=SETUP)
    url = offer.add_url(name="Sale", destination_url="https://candles.example/", by=SETUP)
    creative = offer.add_creative(name="Text", creative_type=Creative.Type.TEXT, html_code="Light up", by=SETUP)
    coupon = offer.add_coupon(code="GLOW", by=SETUP)
    deal = offer.add_deal(name="Spring", deal_type="gift", by=SETUP)
    feed = offer.add_feed(name="All candles", by=SETUP)

    for path in (
        f"payouts/{offer.payouts.get().pk}/",
        f"terms/{terms.pk}/",
        f"terms/{terms.pk}/end/",
        f"landing-pages/{url.pk}/",
        f"landing-pages/{url.pk}/withdraw/",
        f"creatives/{creative.pk}/withdraw/",
        f"coupons/{coupon.pk}/withdraw/",
        f"deals/{deal.pk}/",
        f"deals/{deal.pk}/withdraw/",
        f"feeds/{feed.pk}/",
        f"feeds/{feed.pk}/fill/",
        f"feeds/{feed.pk}/withdraw/",
    ):
        assert client.get(f"/offers/{offer.pk}/{path}").status_code == 200
        assert client.post(f"/offers/{other.pk}/{path}").status_code == 404


def test_a_changed_offer_shows_its_parts_anew_and_nothing_else(client: Client, launch: Launch) -> None:
    offer = launch()

    parts = client.get(f"/offers/{offer.pk}/", headers=HTMX | {"HX-Target": "offer-parts"})

    assert page(parts).has("offer-parts") and page(parts).heading == ""


def test_the_list_of_offers_leads_to_a_new_one(client: Client, launch: Launch) -> None:
    launch()

    assert page(client.get("/offers/")).links["Launch an offer"] == NEW


def test_an_offer_is_labelled_in_the_networks_own_words(client: Client, launch: Launch) -> None:
    offer = launch("Candles", labels=["Wax"])
    url = f"/offers/{offer.pk}/edit/"
    filled = fields_of(client, url)

    client.post(url, {**filled, "labels": f"{filled['labels']},  Winter  sale , wax,"})

    offer.refresh_from_db()
    assert filled["labels"] == "Wax"
    assert offer.labels == ["Wax", "Winter sale"]
    assert "Wax, Winter sale" in page(client.get(f"/offers/{offer.pk}/")).text
    assert Event.objects.filter(kind=EventKind.OFFER_CHANGED).get().details == {
        "labels": [["Wax"], ["Wax", "Winter sale"]]
    }


@pytest.mark.parametrize("labels", ["x" * 41, ",".join(str(number) for number in range(21))])
def test_labels_that_nobody_could_read_are_refused(client: Client, launch: Launch, labels: str) -> None:
    offer = launch("Candles")
    url = f"/offers/{offer.pk}/edit/"

    response = client.post(url, {**fields_of(client, url), "labels": labels})

    offer.refresh_from_db()
    assert response.status_code == 422
    assert offer.labels == []
