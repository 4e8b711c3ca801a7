from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from partners.models import Partner
from partners.offers.models import Offer
from partners.reporting.overviews import overview_of
from portal.accounts.models import User
from portal.network.models import Network
from tests.conftest import Browse
from tests.htmx import HTMX
from tests.page import Page, page
from tests.partners.conftest import Launch
from tests.partners.traffic.conftest import NOON, clicked, converted, shown

OWN, NETWORK = "/my/reports/", "/reports/"
MAY = {"from": "2026-05-01", "to": "2026-05-31"}


@pytest.fixture
def shoes(launch: Launch) -> Offer:
    return launch("Summer Shoes")


@pytest.fixture
def mail(launch: Launch) -> Offer:
    return launch("Mail")


@pytest.fixture
def paul_browses(browse: Browse, paul: User) -> Client:
    return browse(paul)


def report(client: Client, url: str = OWN, **asked: Any) -> Page:
    response = client.get(url, MAY | asked)
    assert response.status_code == 200, page(response).errors
    return page(response)


def lines(shown_report: Page) -> list[dict[str, str]]:
    return [line for line in shown_report.records if "Clicks" in line and "Day" not in line]


def errors(response: Any) -> str:
    assert response.status_code == 422
    return " ".join(page(response).errors)


def test_a_partner_reads_of_its_own_traffic_alone(
    paul_browses: Client, acme: Partner, other_partner: Partner, shoes: Offer
) -> None:
    clicked(acme, shoes)
    converted(acme, shoes)
    clicked(other_partner, shoes)

    [line] = lines(report(paul_browses))

    assert (line["Offer"], line["Clicks"], line["Conversions"]) == ("Summer Shoes", "1", "1")
    assert (line["CVR"], line["Revenue, USD"]) == ("100.00 %", "10.00")


def test_a_report_has_the_columns_and_figures_that_were_chosen_and_a_total(
    paul_browses: Client, acme: Partner, shoes: Offer, mail: Offer
) -> None:
    clicked(acme, shoes, sub1="news")
    clicked(acme, mail, sub1="news")
    clicked(acme, mail, sub1="web", error_code=9, is_unique=False)

    found = report(
        paul_browses, column=["sub1", "offer"], metric=["invalid_click", "total_click"], sort=["sub1", "offer"]
    )

    assert lines(found) == [
        {"Sub 1": "news", "Offer": "Mail", "Invalid clicks": "0", "Clicks": "1"},
        {"Sub 1": "news", "Offer": "Summer Shoes", "Invalid clicks": "0", "Clicks": "1"},
        {"Sub 1": "web", "Offer": "Mail", "Invalid clicks": "1", "Clicks": "0"},
    ]
    assert [cell.get_text(strip=True) for cell in found.element.select("tfoot td")] == ["Total", "", "1", "2"]


def test_a_report_is_sorted_by_any_of_its_columns(
    paul_browses: Client, acme: Partner, shoes: Offer, mail: Offer
) -> None:
    for _ in range(10):
        clicked(acme, shoes)
    for _ in range(9):
        clicked(acme, mail)

    assert [line["Clicks"] for line in lines(report(paul_browses, sort="total_click"))] == ["9", "10"]
    assert [line["Clicks"] for line in lines(report(paul_browses, sort="-total_click"))] == ["10", "9"]
    assert [line["Offer"] for line in lines(report(paul_browses, sort="offer"))] == ["Mail", "Summer Shoes"]


def test_days_are_those_of_the_chosen_time_zone_and_money_is_of_the_chosen_currency(
    paul_browses: Client, acme: Partner, launch: Launch
) -> None:
    offer = launch("Yen", currency="JPY")
    converted(acme, offer, NOON.replace(hour=2), payout=Decimal(1500))

    found = report(paul_browses, column="date", timezone="America/New_York", currency="JPY", metric="revenue")

    [line] = [line for line in found.records if "Date" in line]
    assert line == {"Date": "2026-05-09", "Revenue, JPY": "1,500"}


def test_a_cell_leads_to_the_same_report_of_that_alone(paul_browses: Client, acme: Partner, shoes: Offer) -> None:
    clicked(acme, shoes, country_code="DE")
    clicked(acme, shoes, country_code="US")

    link = report(paul_browses, column="country", metric="total_click").links["Germany"]
    narrowed = page(paul_browses.get(link))

    assert [line["Clicks"] for line in lines(narrowed)] == ["1"]
    assert parse_qs(urlsplit(link).query)["filter"] == ["country:DE"]
    assert "Country is Germany" in narrowed.text


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ({"by": "offer", "value": "summer"}, ["Summer Shoes"]),
        ({"by": "offer", "value": "summer", "how": "not"}, ["Mail"]),
        ({"by": "sub1", "value": "web"}, ["Mail"]),
        ({"by": "country", "value": "germany"}, ["Summer Shoes"]),
        ({"by": "country_code", "value": "us"}, ["Mail"]),
        ({"by": "sub1", "value": ""}, ["Summer Shoes"]),
    ],
)
def test_a_filter_is_added_by_what_people_call_things(
    paul_browses: Client, acme: Partner, shoes: Offer, mail: Offer, asked: dict[str, str], left: list[str]
) -> None:
    clicked(acme, shoes, country_code="DE")
    clicked(acme, mail, country_code="US", sub1="web")

    found = report(paul_browses, **asked)

    assert [line["Offer"] for line in lines(found)] == left


def test_a_filter_in_force_is_a_check_box_of_the_form_and_unticking_it_takes_it_away(
    paul_browses: Client, acme: Partner, shoes: Offer, mail: Offer
) -> None:
    clicked(acme, shoes)
    clicked(acme, mail)
    found = report(paul_browses, by="offer", value="Mail")
    fields = found.form(OWN).fields

    assert fields["filter"] == f"offer:{mail.pk}"
    assert len(lines(page(paul_browses.get(OWN, MAY | {"filter": fields["filter"]})))) == 1
    assert len(lines(page(paul_browses.get(OWN, MAY)))) == 2


def test_a_condition_that_was_added_has_a_check_box_and_no_longer_stands_in_the_fields_that_added_it(
    paul_browses: Client, acme: Partner, shoes: Offer
) -> None:
    clicked(acme, shoes)

    fields = report(paul_browses, by="offer", value="Summer", figure="cv", number="0").form(OWN).fields

    assert (fields["filter"], fields["bound"]) == (f"offer:{shoes.pk}", "cv:greater_than:0")
    assert (fields["by"], fields["value"], fields["figure"], fields["number"]) == ("", "", "", "")


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ({"figure": "total_click", "compared": "greater_than", "number": "1"}, ["Summer Shoes"]),
        ({"figure": "total_click", "compared": "less_than_or_equal", "number": " 1 "}, ["Mail"]),
        ({"figure": "cvr", "compared": "equal", "number": "33.333"}, ["Summer Shoes"]),
        ({"figure": "revenue", "number": "9.99"}, ["Summer Shoes"]),
        ({"bound": "cv:not_equal:0"}, ["Summer Shoes"]),
        ({"bound": ["cv:equal:0", "total_click:greater_than_or_equal:1"]}, ["Mail"]),
        ({"bound": "cv:equal:0", "figure": "total_click", "number": "1"}, []),
    ],
)
def test_only_lines_whose_figures_are_so_are_shown(
    paul_browses: Client, acme: Partner, shoes: Offer, mail: Offer, asked: dict[str, Any], left: list[str]
) -> None:
    for _ in range(3):
        clicked(acme, shoes)
    converted(acme, shoes)
    clicked(acme, mail)

    found = report(paul_browses, **asked)

    assert [line["Offer"] for line in lines(found)] == left
    assert "The total and the chart are of all lines" in found.text
    assert left or "No line has such figures" in found.text


def test_a_condition_on_figures_is_carried_by_the_api_request_the_export_and_every_link(
    paul_browses: Client, acme: Partner, shoes: Offer, mail: Offer
) -> None:
    clicked(acme, shoes)
    converted(acme, shoes)
    clicked(acme, mail)

    found = report(paul_browses, figure="revenue", compared="greater_than_or_equal", number="2.50")

    command = found.region("report-request").text
    body = json.loads(command[command.index("{") : command.rindex("}") + 1])
    assert body["query"] == {
        "metric_filters": [{"metric_type": "revenue", "operator": "greater_than_or_equal", "metric_value": 2.5}]
    }
    assert "Revenue is at least 2.50 USD" in found.text
    assert len(paul_browses.get(found.links["CSV"]).getvalue().splitlines()) == 2
    for link in ("7 days", "Summer Shoes"):
        assert parse_qs(urlsplit(found.links[link]).query)["bound"] == ["revenue:greater_than_or_equal:2.50"]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"range": "nope"}, "There is no such range"),
        ({"from": "2026-05-31", "to": "2026-05-01"}, "is before from"),
        ({"from": "2024-01-01", "to": "2026-05-01"}, "At most a year"),
        ({"from": "soon", "to": "2026-05-01"}, "Enter a valid date"),
        ({"column": ["hour", "date"]}, "are both of time"),
        ({"column": [f"sub{n}" for n in range(1, 11)] + ["offer"]}, "a report has 1 to 10"),
        ({"column": "shoe_size"}, "shoe_size is not one of the available choices"),
        ({"column": "affiliate"}, "affiliate is not one of the available choices"),
        ({"metric": "profit"}, "profit is not one of the available choices"),
        ({"timezone": "Mars/Base"}, "Mars/Base is not one of the available choices"),
        ({"currency": "XXX"}, "XXX is not one of the available choices"),
        ({"filter": "offer:many"}, "is not the number of any offer"),
        ({"filter": "date:1"}, "is no filter that a report has"),
        ({"filter": "rubbish"}, "is no filter that a report has"),
        ({"by": "country", "value": "Atlantis"}, "There is no country “Atlantis”"),
        ({"by": "offer", "value": "hats"}, "Nothing is called “hats”"),
        ({"by": "offer", "value": "s"}, "Enter the number"),
        ({"value": "hats"}, "Choose what the value is of"),
        ({"bound": "cv:about:10"}, "is no filter that a figure has"),
        ({"bound": "cv:equal:NaN"}, "is no filter that a figure has"),
        ({"bound": "profit:equal:1"}, "is no filter that a figure has"),
        ({"figure": "cv", "number": "many"}, "Enter a number"),
        ({"figure": "cv"}, "Enter a number"),
        ({"figure": "profit", "number": "1"}, "profit is not one of the available choices"),
        ({"figure": "cv", "compared": "like", "number": "1"}, "like is not one of the available choices"),
        ({"number": "10"}, "Choose what the number is of"),
    ],
)
def test_what_cannot_be_answered_is_the_form_again_with_a_sentence_and_nothing_lost(
    paul_browses: Client, launch: Launch, asked: dict[str, Any], sentence: str
) -> None:
    launch("Shoes"), launch("Socks")

    response = paul_browses.get(OWN, {"metric": "sale_amount"} | asked)

    assert sentence in errors(response)
    kept = page(response).form(OWN).fields
    assert kept["value"] == asked.get("value", "")
    assert kept["by"] == asked.get("by", "")
    assert kept["number"] == asked.get("number", "")
    assert kept.get("metric") == (None if "metric" in asked else "sale_amount")


def test_money_without_an_exchange_rate_is_a_sentence(paul_browses: Client, acme: Partner, launch: Launch) -> None:
    converted(acme, launch("Yen", currency="JPY"))

    assert "no exchange rate for JPY" in errors(paul_browses.get(OWN, MAY | {"currency": "USD"}))
    assert "no exchange rate for JPY" in errors(paul_browses.get(f"{OWN}export/", MAY | {"currency": "USD"}))


def test_the_name_of_an_offer_that_a_partner_must_not_know_is_not_told(
    paul_browses: Client, acme: Partner, launch: Launch
) -> None:
    secret = launch("Secret Campaign", visibility="private")

    assert "Secret" not in report(paul_browses, filter=f"offer:{secret.pk}").text
    assert "Nothing is called" in errors(paul_browses.get(OWN, MAY | {"by": "offer", "value": "secret"}))


def test_the_api_is_asked_the_very_same(paul_browses: Client, acme: Partner, shoes: Offer) -> None:
    clicked(acme, shoes)

    found = report(paul_browses, column=["sub1", "date"], filter=f"offer:{shoes.pk}", exclude="sub1:test")

    command = found.region("report-request").text
    body = json.loads(command[command.index("{") : command.rindex("}") + 1])
    assert "/v1/affiliates/reporting/entity/table" in command
    assert body == {
        "from": "2026-05-01",
        "to": "2026-05-31",
        "timezone_id": 67,
        "currency_id": "USD",
        "columns": [{"column": "sub1"}, {"column": "date"}],
        "query": {
            "filters": [{"resource_type": "offer", "filter_id_value": str(shoes.pk)}],
            "exclusions": [{"resource_type": "sub1", "filter_id_value": "test"}],
        },
    }


def test_a_report_is_exported_with_all_of_its_lines(paul_browses: Client, acme: Partner, shoes: Offer) -> None:
    for number in range(60):
        clicked(acme, shoes, sub1=f"word {number}")
    links = report(paul_browses, column="sub1").links

    csv, table = paul_browses.get(links["CSV"]), paul_browses.get(links["JSON"])

    assert len(csv.getvalue().splitlines()) == 61
    assert csv["Content-Disposition"] == 'attachment; filename="report_2026-05-01_2026-05-31.csv"'
    assert len(json.loads(table.getvalue())["table"]) == 60
    assert "csv or json" in errors(paul_browses.get(f"{OWN}export/", MAY | {"format": "xls"}))


def test_htmx_gets_the_report_alone_and_the_form_with_it(paul_browses: Client, acme: Partner, shoes: Offer) -> None:
    clicked(acme, shoes)

    response = paul_browses.get(OWN, MAY, headers=HTMX | {"HX-Target": "report"})
    refused = paul_browses.get(OWN, MAY | {"column": "x"}, headers=HTMX | {"HX-Target": "report"})

    assert page(response).heading == ""
    assert [line["Offer"] for line in lines(page(response))] == ["Summer Shoes"]
    assert refused.status_code == 422
    assert page(refused).has("report")


def test_more_lines_do_not_take_more_queries(paul_browses: Client, acme: Partner, shoes: Offer) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            report(paul_browses, column=["sub1", "offer"])
        return len(captured)

    clicked(acme, shoes, sub1="word")
    one = queries()
    for number in range(20):
        clicked(acme, shoes, sub1=f"word {number}")

    assert queries() == one


def test_long_reports_come_in_pages(paul_browses: Client, acme: Partner, shoes: Offer) -> None:
    for number in range(51):
        clicked(acme, shoes, sub1=f"word {number:02}")

    assert len(lines(report(paul_browses, column="sub1", sort="sub1"))) == 50
    assert [line["Sub 1"] for line in lines(report(paul_browses, column="sub1", sort="sub1", page="2"))] == ["word 50"]


def test_without_traffic_a_report_says_what_to_do(paul_browses: Client) -> None:
    assert "No traffic in this range" in report(paul_browses).text


def test_the_network_reads_across_partners_with_what_is_left_of_the_money(
    browse: Browse, vera: User, acme: Partner, other_partner: Partner, shoes: Offer
) -> None:
    clicked(acme, shoes)
    converted(acme, shoes, payout=Decimal(10), revenue=Decimal(16))
    converted(other_partner, shoes, payout=Decimal(10), revenue=Decimal(8))

    found = report(browse(vera), NETWORK, column=["affiliate", "advertiser", "category"], sort="affiliate")

    told = [
        (line["Partner"], line["Advertiser"], line["Category"], line["Profit, USD"], line["Margin"])
        for line in lines(found)
    ]
    assert told == [
        ("Acme Media", "Tallow & Reed", "Home", "6.00", "37.50 %"),
        ("Orbit Deals", "Tallow & Reed", "Home", "-2.00", "-25.00 %"),
    ]


def test_the_network_finds_partners_by_name_and_exports(
    browse: Browse, vera: User, acme: Partner, other_partner: Partner, shoes: Offer
) -> None:
    clicked(acme, shoes)
    clicked(other_partner, shoes)

    found = report(browse(vera), NETWORK, by="affiliate", value="orbit")

    assert [line["Partner"] for line in lines(found)] == ["Orbit Deals"]
    assert b"Orbit Deals" in browse(vera).get(found.links["CSV"]).getvalue()
    assert b"Acme Media" not in browse(vera).get(found.links["CSV"]).getvalue()


def test_the_dashboard_compares_today_with_yesterday_and_this_month_with_the_last(
    network: Network, acme: Partner, other_partner: Partner, shoes: Offer
) -> None:
    clicked(acme, shoes, NOON)
    clicked(acme, shoes, NOON - timedelta(days=1, minutes=5))
    clicked(acme, shoes, NOON - timedelta(days=1, minutes=6))
    clicked(acme, shoes, NOON + timedelta(hours=2) - timedelta(days=1))
    for _ in range(4):
        clicked(acme, shoes, NOON - timedelta(days=20))
    shown(acme, shoes, NOON)
    converted(acme, shoes, NOON, payout=Decimal("12.5"))
    clicked(other_partner, shoes, NOON)

    overview = overview_of(acme, now=NOON + timedelta(minutes=1))

    clicks = next(tile for tile in overview.tiles if tile.label == "Clicks")
    assert (clicks.today, clicks.yesterday, clicks.current_month, clicks.last_month) == ("1", "3", "4", "4")
    assert clicks.trend == -50
    assert [band.total for band in overview.chart.bands] == ["8", "1", "12.50\N{NO-BREAK SPACE}USD"]
    assert len(overview.chart.stretches) == 30
    assert [offer.name for offer in overview.top_offers] == ["Summer Shoes"]


def test_the_dashboard_is_a_partners_first_page(paul_browses: Client, acme: Partner, shoes: Offer) -> None:
    response = paul_browses.get("/", follow=True)

    assert response.redirect_chain[-1][0] == "/dashboard/"
    assert page(response).heading == "Dashboard"
    assert "No traffic yet" in page(response).text


def test_without_an_exchange_rate_for_the_partners_currency_the_dashboard_counts_in_the_networks(
    network: Network, acme: Partner, shoes: Offer
) -> None:
    converted(acme, shoes, NOON)
    Partner.objects.filter(pk=acme.pk).update(currency="CHF")
    acme.refresh_from_db()

    assert overview_of(acme, now=NOON).currency == "USD"


def test_without_any_exchange_rate_the_dashboard_says_why_it_is_empty(
    paul_browses: Client, acme: Partner, launch: Launch
) -> None:
    converted(acme, launch("Yen", currency="JPY"), timezone.now())

    response = paul_browses.get("/dashboard/")

    assert response.status_code == 200
    assert "without an exchange rate" in page(response).text


def test_partner_details_have_the_partners_traffic_as_a_region(
    browse: Browse, vera: User, acme: Partner, other_partner: Partner, shoes: Offer
) -> None:
    url = f"/partners/{acme.pk}/traffic/"
    details = browse(vera).get(f"/partners/{acme.pk}/")

    region = browse(vera).get(url, headers=HTMX | {"HX-Target": "partner-traffic"})
    whole = browse(vera).get(url)

    assert page(details).links["The last 30 days of traffic"] == url
    assert page(region).has("partner-traffic")
    assert page(region).heading == ""
    assert page(whole).heading == "Acme Media"


def test_reports_of_each_side_are_for_that_side(browse: Browse, cast: list[User], acme: Partner) -> None:
    for user in cast:
        own, network = (200, 404) if user.is_partner_user else (404, 200)
        client = browse(user)
        for url in ("/dashboard/", OWN, f"{OWN}export/"):
            assert client.get(url).status_code == own, (user, url)
        for url in (NETWORK, f"{NETWORK}export/", f"/partners/{acme.pk}/traffic/"):
            assert client.get(url).status_code == network, (user, url)
