from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from keys.models import Key
from partners.models import Partner
from partners.offers.models import Offer
from partners.reporting import engine
from partners.reporting.columns import columns_of
from partners.traffic.models import Click
from tests.partners.conftest import Launch
from tests.partners.traffic.conftest import NOON, clicked, converted, shown

Ask = Callable[..., Any]
TABLE, ENTITY = "/v1/affiliates/reporting/entity/table", "/v1/affiliates/reporting/entity"
EXPORT, SUMMARY = "/v1/affiliates/reporting/entity/table/export", "/v1/affiliates/dashboard/summary"

pytestmark = pytest.mark.usefixtures("network")


@pytest.fixture
def client(acme_key: tuple[Key, str], call: Callable[..., Client]) -> Client:
    return call(acme_key[1])


@pytest.fixture
def ask(client: Client) -> Ask:
    def asked(path: str = TABLE, **body: Any) -> Any:
        given = {"from": "2026-05-01", "to": "2026-05-31", "columns": [{"column": "offer"}], **body}
        return client.post(path, given, content_type="application/json")

    return asked


@pytest.fixture
def shoes(launch: Launch) -> Offer:
    return launch("Summer Shoes")


def test_a_report_counts_a_partners_own_traffic_alone(
    ask: Ask, acme: Partner, other_partner: Partner, shoes: Offer
) -> None:
    clicked(acme, shoes, sub1="mail")
    clicked(acme, shoes, is_unique=False)
    clicked(acme, shoes, is_unique=False, error_code=9)
    shown(acme, shoes)
    converted(acme, shoes, sale_amount=Decimal("49.90"))
    clicked(other_partner, shoes)

    answer = ask().json()

    assert [line["columns"] for line in answer["table"]] == [
        [{"column_type": "offer", "id": str(shoes.pk), "label": "Summer Shoes"}]
    ]
    assert answer["table"][0]["reporting"] == {
        "imp": 1,
        "total_click": 2,
        "unique_click": 1,
        "invalid_click": 1,
        "duplicate_click": 1,
        "gross_click": 3,
        "ctr": 200.0,
        "cv": 1,
        "view_through_cv": 0,
        "event": 0,
        "cvr": 50.0,
        "evr": 0,
        "rpc": 5.0,
        "rpm": 10000.0,
        "revenue": 10.0,
        "redirect_traffic_revenue": 0,
        "on_hold_conversion_count": 0,
        "on_hold_potential_revenue": 0,
        "sale_amount": 49.9,
    }
    assert (answer["incomplete_results"], answer["total_rows"]) == (False, 1)


def test_a_report_has_the_click_of_a_moment_ago(ask: Ask, acme: Partner, shoes: Offer) -> None:
    before = ask().json()["table"]

    clicked(acme, shoes)

    assert before == []
    assert ask().json()["table"][0]["reporting"]["total_click"] == 1


def test_a_report_that_is_too_long_is_cut_and_says_so(
    ask: Ask, acme: Partner, shoes: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MOST_ROWS", 2)
    for sub, times in (("a", 1), ("b", 3), ("c", 2)):
        for _ in range(times):
            clicked(acme, shoes, sub1=sub)

    answer = ask(columns=[{"column": "sub1"}]).json()

    assert [line["columns"][0]["id"] for line in answer["table"]] == ["b", "c"]
    assert (answer["incomplete_results"], answer["total_rows"]) == (True, 3)


def test_an_entity_has_its_summary_and_its_days(ask: Ask, acme: Partner, shoes: Offer) -> None:
    clicked(acme, shoes, NOON)
    clicked(acme, shoes, NOON + timedelta(days=2))

    answer = ask(ENTITY, **{"from": "2026-05-09", "to": "2026-05-12"}).json()

    assert answer["summary"]["total_click"] == 2
    assert [(point["unix"], point["reporting"]["total_click"]) for point in answer["performance"]] == [
        (int(datetime(2026, 5, day, tzinfo=UTC).timestamp()), clicks)
        for day, clicks in ((9, 0), (10, 1), (11, 0), (12, 1))
    ]


def test_an_hour_that_is_repeated_is_two(ask: Ask, acme: Partner, shoes: Offer) -> None:
    twice = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    clicked(acme, shoes, twice)
    clicked(acme, shoes, twice + timedelta(hours=1))

    day = {"from": "2026-11-01", "to": "2026-11-01", "timezone_id": 80}
    table = ask(columns=[{"column": "hour"}], **day).json()["table"]
    performance = ask(ENTITY, columns=[{"column": "date"}], **day).json()["performance"]

    assert [(line["columns"][0]["id"], line["columns"][0]["label"]) for line in table] == [
        (str(int(twice.timestamp()) - 1800), "2026-11-01 01:00"),
        (str(int(twice.timestamp()) + 1800), "2026-11-01 01:00"),
    ]
    assert len(performance) == 25


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_export_is_the_table_as_a_file(ask: Ask, acme: Partner, shoes: Offer, form: str) -> None:
    clicked(acme, shoes, sub1="=cmd()")

    answer = ask(EXPORT, format=form, columns=[{"column": "offer"}, {"column": "sub1"}])

    assert answer["Content-Disposition"] == f'attachment; filename="report_2026-05-01_2026-05-31.{form}"'
    if form == "json":
        assert answer.json()["table"] == ask(columns=[{"column": "offer"}, {"column": "sub1"}]).json()["table"]
    else:
        (line,) = csv.DictReader(io.StringIO(answer.content.decode()))
        assert (line["offer_id"], line["offer"], line["sub1"]) == (str(shoes.pk), "Summer Shoes", "'=cmd()")
        assert (line["total_click"], line["revenue"]) == ("1", "0.00")


def test_the_summary_compares_today_with_yesterday_up_to_now(
    ask: Ask, acme: Partner, shoes: Offer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 5, 10, 12, tzinfo=UTC)
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    for hours, times in ((1, 3), (25, 2), (13, 5), (24 * 20, 4)):
        for _ in range(times):
            clicked(acme, shoes, now - timedelta(hours=hours))

    answer = client.post(SUMMARY, {"timezone_id": 67}, content_type="application/json").json()

    assert answer["click"] == {
        "today": 3,
        "yesterday": 7,
        "current_month": 10,
        "last_month": 4,
        "trending_percentage": 50.0,
    }
    assert set(answer) >= {"revenue", "conversion", "cvr", "events", "evr", "impression", "on_hold_potential_revenue"}


def test_rows_without_a_rate_are_told_by_their_currency(ask: Ask, acme: Partner, launch: Launch) -> None:
    launch("Candles", currency="GBP")
    fine = ask().status_code
    clicked(acme, launch("Lamps", currency="EUR"))

    answer = ask()
    asked = ask(currency_id="CHF")

    assert (fine, answer.status_code, asked.status_code) == (200, 400, 400)
    assert "no exchange rate for EUR" in answer.json()["error"]
    assert "no exchange rate for CHF" in asked.json()["error"]


def filters(*names_and_values: tuple[str, Any], where: str = "filters") -> dict[str, Any]:
    return {"query": {where: [{"resource_type": n, "filter_id_value": v} for n, v in names_and_values]}}


def metric_filter(**told: Any) -> dict[str, Any]:
    return {"query": {"metric_filters": [{"metric_type": "cv", "operator": "equal", "metric_value": 1, **told}]}}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"columns": [{"column": "colour"}]}, "there is no column “colour”; there are offer, creative"),
    ({"columns": [{"column": "affiliate"}]}, "there is no column “affiliate”"),
    ({"columns": []}, "0 were asked for; a report has 1 to 10"),
    ({"columns": [{"column": f"sub{n}"} for n in range(1, 11)] + [{"column": "offer"}]}, "11 were asked for"),
    ({"columns": [{"column": "offer"}, {"column": "offer"}]}, "offer is there twice"),
    ({"columns": [{"column": "date"}, {"column": "hour"}]}, "date and hour are both of time"),
    ({"columns": "offer"}, "columns:"),
    ({"from": "2026-06-01"}, "is before from"),
    ({"from": "2025-04-01"}, "to: at most a year"),
    ({"from": "01.05.2026"}, "from: 01.05.2026 is no date"),
    ({"to": "2026-02-30"}, "to: 2026-02-30 is no date"),
    ({"to": "9999-12-31"}, "to: 9999-12-31 is out of range; years are 2000 to 2100"),
    ({"from": 5}, "from:"),
    ({"timezone_id": 9999}, "timezone_id: 9999 is not one"),
    ({"timezone_id": "x"}, "timezone_id: x is not a number"),
    ({"timezone_id": "9" * 5000}, "timezone_id: 9"),
    ({"currency_id": "XXX"}, "there is no currency “XXX”"),
    (filters(("colour", "red")), "filters: there is no resource_type “colour”"),
    (filters(("date", "2026-05-01")), "filters: there is no resource_type “date”"),
    (filters(("offer", "x")), "filters: “x” is not the number of any offer"),
    (filters(("offer", 4.5)), "filters: “4.5” is not the number of any offer"),
    (filters(("offer", "9" * 30)), "is not the number of any offer"),
    (filters(("offer", -1)), "“-1” is not the number of any offer"),
    (filters(("offer", None)), "filter_id_value"),
    (filters(("sub1", "a\0b")), "Cannot parse"),
    (filters(("advertiser", "1"), where="exclusions"), "exclusions: there is no resource_type “advertiser”"),
    (metric_filter(metric_type="beauty"), "there is no metric_type “beauty”; there are imp"),
    (metric_filter(metric_type="profit"), "there is no metric_type “profit”"),
    (metric_filter(operator="like"), "there is no operator “like”; there are equal"),
    (metric_filter(metric_value="many"), "metric_value “many” is not a number"),
    (metric_filter(metric_value="1e999999"), "is not a number"),
    (metric_filter(metric_value="1e-999999"), "is not a number"),
    ({"query": {"settings": {"ignore_everything": True}}}, "there is no setting “ignore_everything”"),
    ({"query": {"settings": {"campaign_data_only": True}}}, "there are no campaigns"),
    ({"query": {"sort": []}}, "sort"),
    ({"query": {"user_metrics": [1]}}, "user_metrics"),
    ({"colums": []}, "colums"),
]


@pytest.mark.parametrize("path", [TABLE, ENTITY, EXPORT])
@pytest.mark.parametrize(("body", "sentence"), REFUSED)
def test_what_cannot_be_asked_is_refused_by_name(ask: Ask, path: str, body: dict[str, Any], sentence: str) -> None:
    answer = ask(path, **body)

    assert answer.status_code == 400
    assert sentence in answer.json()["error"]


def test_what_clients_of_the_dialect_send_along_is_taken(ask: Ask) -> None:
    columns = [{"column": "offer", "label": "Offer", "data": "offer.label"}]
    query = {
        "filters": [],
        "exclusions": [],
        "metric_filters": [],
        "user_metrics": [],
        "settings": {"campaign_data_only": False, "ignore_fail_traffic": False, "only_include_fail_traffic": False},
    }

    assert ask(columns=columns, query=query).status_code == 200


def test_numbers_are_taken_as_other_languages_write_them(ask: Ask, acme: Partner, shoes: Offer, client: Client) -> None:
    clicked(acme, shoes)

    plain = ask(timezone_id=80, **filters(("offer", shoes.pk))).json()
    written = ask(timezone_id="80", **filters(("offer", float(shoes.pk)))).json()
    summary = client.post(SUMMARY, {"timezone_id": "80"}, content_type="application/json")

    assert plain["table"]
    assert written == plain
    assert summary.status_code == 200


def test_a_report_takes_ten_columns_and_every_one_there_is(ask: Ask, acme: Partner, shoes: Offer) -> None:
    clicked(acme, shoes)
    names = list(columns_of(is_network=False))
    plain = [name for name in names if not columns_of(is_network=False)[name].is_time]

    wide = ask(columns=[{"column": name} for name in plain[:10]])
    each = [ask(columns=[{"column": name}]).status_code for name in names[:20]]

    assert len(wide.json()["table"][0]["columns"]) == 10
    assert set(each) == {200}


def test_a_report_asks_the_same_number_of_times_for_one_row_and_for_twenty(
    ask: Ask, acme: Partner, launch: Launch, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    clicked(acme, launch("Lamps"))
    ask()
    with django_assert_max_num_queries(12) as few:
        ask()
    for number in range(20):
        clicked(acme, launch(f"Lamps {number}"))

    with django_assert_num_queries(len(few)):
        answer = ask()

    assert len(answer.json()["table"]) == 21
    assert Click.objects.count() == 21
