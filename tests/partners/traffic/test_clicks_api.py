from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from keys.models import Key
from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.api import clicks
from partners.traffic.api.clicks import EXAMPLE, QUESTION
from partners.traffic.models import Click, Refusal
from partners.traffic.search import CLICK_CRITERIA
from tests.partners.traffic.conftest import NOON, clicked

pytestmark = pytest.mark.django_db

Call = Callable[..., Client]
CLICKS = "/v1/affiliates/reporting/clicks"
STREAM = f"{CLICKS}/stream"
JSON = "application/json"
FORTNIGHT = {"from": "2026-05-01", "to": "2026-05-14", "timezone_id": 67}


@pytest.fixture
def client(acme_key: tuple[Key, str], call: Call) -> Client:
    return call(acme_key[1])


def asked(client: Client, url: str = CLICKS, *, accept: str = JSON, **body: Any) -> Any:
    return client.post(url, {**FORTNIGHT, **body}, content_type=JSON, headers={"Accept": accept})


def content(answer: Any) -> bytes:
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content) if answer.streaming else bytes(answer.content)


def found(answer: Any) -> list[str]:
    return [row["transaction_id"] for row in json.loads(content(answer))["clicks"]]


def ids(*rows: Click) -> list[str]:
    return [row.id.hex for row in rows]


def filters(**values: Any) -> dict[str, Any]:
    return {"filters": [{"resource_type": name, "filter_id_value": value} for name, value in values.items()]}


def sentence(answer: Any) -> str:
    assert answer.status_code == 400, answer.content
    return str(answer.json()["error"])


def test_a_click_is_answered_with_all_that_is_known_of_it(client: Client, acme: Partner, offer: Offer) -> None:
    facts = {
        "payout": Decimal("0.255"),
        "payout_type": "cpc",
        "source_id": "mail",
        "sub10": "ten",
        "ip": "198.51.100.7",
        "country_code": "US",
        "region": "New York",
        "city": "Albany",
        "dma": "532",
        "connection_type": "Cellular",
        "place": {"region_code": "NY", "postal_code": "12201", "timezone": "America/New_York", "is_proxy": True},
        "device_type": "tablet",
        "device_make": "Apple",
        "device_model": "iPad",
        "browser": "Safari",
        "browser_version": "18",
        "language": "en",
        "tracking_url": "https://go.example/t/a/b/",
        "parameters": {"utm_source": "mail", "ä": "%"},
    }
    click = clicked(acme, offer, NOON, **facts)

    row = client.get(f"{CLICKS}/{click.id.hex}").json()

    assert list(row) == list(EXAMPLE)
    clicks.Click.model_validate(row, strict=True)
    clicks.Click.model_validate(EXAMPLE, strict=True)
    expected = {
        "transaction_id": click.id.hex,
        "unix_timestamp": int(NOON.timestamp()),
        "is_unique": 1,
        "revenue": 0.26,
        "revenue_type": "cpc",
        "sub10": "ten",
        "user_ip": "198.51.100.7",
        "error_code": 0,
        "error_message": "",
        "currency_id": "USD",
    }
    assert {name: row[name] for name in expected} == expected
    assert row["relationship"] == {
        "offer": {"network_offer_id": offer.pk, "name": "Summer Shoes", "offer_status": "active"},
        "geolocation": {
            "country_code": "US",
            "country_name": "United States",
            "region_code": "NY",
            "region_name": "New York",
            "city_name": "Albany",
            "dma": 532,
            "timezone": "America/New_York",
            "carrier_name": "",
            "isp_name": "",
            "is_mobile": True,
            "is_proxy": True,
            "postal_code": "12201",
        },
        "device_information": {
            "is_mobile": True,
            "platform_name": "",
            "os_version": "",
            "brand": "Apple",
            "model": "iPad",
            "is_tablet": True,
            "browser_name": "Safari",
            "browser_version": "18",
            "device_type": "tablet",
            "language": "en",
            "is_robot": False,
        },
        "query_parameters": {"utm_source": "mail", "ä": "%"},
    }


@pytest.mark.parametrize("refusal", [refusal for refusal in Refusal if refusal])
def test_an_invalid_click_says_why(client: Client, acme: Partner, offer: Offer, refusal: Refusal) -> None:
    click = clicked(acme, offer, is_unique=False, error_code=refusal)

    row = client.get(f"{CLICKS}/{click.id.hex}").json()

    assert (row["error_code"], row["error_message"], row["is_unique"]) == (refusal.value, refusal.label, 0)


def test_the_list_both_streams_and_the_look_up_answer_the_same_rows_newest_first(
    client: Client, acme: Partner, offer: Offer
) -> None:
    rows = [clicked(acme, offer, NOON + timedelta(minutes=minute), sub1="a\nb\x01") for minute in range(3)][::-1]

    each = [client.get(f"{CLICKS}/{row.id.hex}").json() for row in rows]
    lines = asked(client, STREAM, accept="application/x-ndjson")

    assert json.loads(content(asked(client, STREAM))) == {"clicks": each}
    assert lines["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line) for line in content(lines).splitlines()] == each
    assert asked(client).json() == {
        "clicks": each,
        "paging": {"page": 1, "page_size": 50, "total_count": 3},
        "page": 1,
        "page_size": 50,
        "total_count": 3,
    }


def test_a_stream_as_json_ends_at_its_cap_and_one_of_lines_does_not(
    client: Client, acme: Partner, offer: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clicks, "MOST_STREAMED", 2)
    rows = [clicked(acme, offer, NOON + timedelta(minutes=minute)) for minute in range(3)][::-1]

    assert found(asked(client, STREAM)) == ids(*rows[:2])
    assert len(content(asked(client, STREAM, accept="application/x-ndjson")).splitlines()) == 3


def test_without_clicks_there_is_an_empty_list_or_no_line(client: Client) -> None:
    assert json.loads(content(asked(client, STREAM))) == {"clicks": []}
    assert content(asked(client, STREAM, accept="application/x-ndjson")) == b""
    assert asked(client).json()["clicks"] == []


@pytest.mark.django_db(transaction=True)
def test_a_stream_is_read_from_a_connection_of_its_own(client: Client, acme: Partner, offer: Offer) -> None:
    for _ in range(120):
        clicked(acme, offer, referer="https://blog.example/" + "x" * 900)

    answer = asked(client, STREAM, accept="application/x-ndjson")

    assert answer.streaming
    assert len(b"".join(answer.streaming_content).splitlines()) == 120


def test_pages_follow_one_another(client: Client, acme: Partner, offer: Offer) -> None:
    rows = [clicked(acme, offer, NOON + timedelta(minutes=minute)) for minute in range(5)][::-1]

    pages = [asked(client, f"{CLICKS}?page={page}&page_size=2") for page in (1, 2, 3, 4)]

    assert [found(page) for page in pages] == [ids(*rows[:2]), ids(*rows[2:4]), ids(rows[4]), []]
    assert {page.json()["total_count"] for page in pages} == {5}


def test_the_same_number_of_queries_answers_one_click_and_twenty(client: Client, acme: Partner, offer: Offer) -> None:
    clicked(acme, offer)
    with CaptureQueriesContext(connection) as for_one:
        assert len(found(asked(client))) == 1
    for _ in range(19):
        clicked(acme, offer)

    with CaptureQueriesContext(connection) as for_twenty:
        assert len(found(asked(client))) == 20

    assert len(for_twenty) == len(for_one)


SAID: dict[str, tuple[dict[str, Any], Any]] = {
    "country": ({"country_code": "DE"}, "de"),
    **{f"sub{number}": ({f"sub{number}": "x"}, "x") for number in range(1, 11)},
    **{
        name: ({name: "x"}, "x")
        for name in (
            *("source_id", "coupon_code", "region", "city", "carrier", "isp", "platform", "os_version"),
            *("device_type", "browser", "language"),
        )
    },
    "source_ip": ({"ip": "203.0.113.9"}, "203.0.113.9"),
    "creative": ({"creative_id": 4}, 4),
    "offer_url": ({"offer_url_id": 4}, "4"),
    "error_code": ({"error_code": 9, "is_unique": False}, 9),
    "is_unique": ({"is_unique": True}, 1),
}


@pytest.mark.parametrize("name", SAID)
def test_every_filter_finds_its_clicks_and_no_others(client: Client, acme: Partner, offer: Offer, name: str) -> None:
    facts, value = SAID[name]
    wanted = clicked(acme, offer, **facts)
    clicked(acme, offer, is_unique=False, error_code=0)
    query = filters(**{name: value})

    assert found(asked(client, query=query)) == found(asked(client, STREAM, query=query)) == ids(wanted)


def test_a_click_is_found_by_its_offer_and_its_id(
    client: Client, acme: Partner, offer: Offer, launch: Callable[..., Offer]
) -> None:
    wanted = clicked(acme, launch())
    clicked(acme, offer)

    assert found(asked(client, query=filters(offer=wanted.offer_id))) == ids(wanted)
    assert found(asked(client, query=filters(transaction_id=wanted.id.hex))) == ids(wanted)
    assert {*SAID, "offer", "transaction_id"} == set(CLICK_CRITERIA)


@pytest.mark.parametrize("url", [CLICKS, STREAM])
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"to": "2026-05-15"}, "to: at most 14 days"),
        ({"from": "2026-05-15"}, "is before from"),
        ({"to": "soon"}, "to: soon is no date"),
        ({"timezone_id": 1}, "timezone_id: 1 is not one"),
        ({"show_events": True}, "show_events"),
        ({"query": {"search_terms": []}}, "query.search_terms"),
        ({"query": filters(status="approved")}, "resource_type: status is not one. There are offer"),
        ({"query": filters(is_unique="often")}, "is_unique: often is not 0 or 1"),
        ({"query": filters(error_code="-1")}, "error_code: -1 is not a number"),
    ],
)
def test_what_cannot_be_asked_of_clicks_is_refused_by_its_name(
    client: Client, url: str, body: dict[str, Any], said: str
) -> None:
    assert said in sentence(asked(client, url, **body))


def test_the_example_of_the_documentation_is_answered(client: Client) -> None:
    for url in (CLICKS, STREAM):
        assert client.post(url, QUESTION, content_type=JSON).status_code == 200


def test_another_partners_clicks_are_nowhere_to_be_found(
    client: Client, acme: Partner, other_partner: Partner, offer: Offer
) -> None:
    theirs = clicked(other_partner, offer, sub1="secret")
    mine = clicked(acme, offer)

    paths = [f"{CLICKS}/{text}" for text in (theirs.id.hex, "0" * 32, "none")]

    assert [client.get(path).status_code for path in paths] == [404, 404, 404]
    assert found(asked(client)) == found(asked(client, STREAM)) == ids(mine)
    assert found(asked(client, query=filters(transaction_id=theirs.id.hex))) == []
    assert b"secret" not in content(asked(client, STREAM, accept="application/x-ndjson"))
