from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from keys.models import Key
from partners.models import Partner
from partners.offers.models import Offer, PayoutType, Terms
from partners.traffic.api.conversions import EXAMPLE, QUESTION, Conversion, HeldConversion
from partners.traffic.models import Conversion as ConversionRow
from partners.traffic.models import Hold
from partners.traffic.search import CONVERSION_CRITERIA, CONVERSION_ORDERS
from portal.network.models import ExchangeRate, Network
from tests.conftest import SETUP
from tests.partners.traffic.conftest import NOON, clicked, converted

pytestmark = pytest.mark.django_db

Call = Callable[..., Client]
REPORTING = "/v1/affiliates/reporting"
CONVERSIONS = f"{REPORTING}/conversions"
ONHOLD = f"{REPORTING}/onhold"
JSON = "application/json"
MAY = {"from": "2026-05-01", "to": "2026-05-31", "timezone_id": 67}


@pytest.fixture
def client(acme_key: tuple[Key, str], call: Call) -> Client:
    return call(acme_key[1])


def asked(client: Client, url: str = CONVERSIONS, **body: Any) -> Any:
    return client.post(url, {**MAY, **body}, content_type=JSON)


def found(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["conversion_id"] for row in answer.json()["conversions"]]


def ids(*rows: ConversionRow) -> list[str]:
    return [row.id.hex for row in rows]


def filters(**values: Any) -> dict[str, Any]:
    return {"filters": [{"resource_type": name, "filter_id_value": value} for name, value in values.items()]}


def terms(**values: str) -> dict[str, Any]:
    return {"search_terms": [{"search_type": name, "value": value} for name, value in values.items()]}


def sentence(answer: Any) -> str:
    assert answer.status_code == 400, answer.content
    return str(answer.json()["error"])


def test_a_conversion_is_answered_with_all_that_is_known_of_it(client: Client, acme: Partner, offer: Offer) -> None:
    click = clicked(acme, offer, NOON - timedelta(hours=1))
    facts = {
        "transaction_id": click.id,
        "clicked_at": click.at,
        "updated_at": NOON + timedelta(minutes=5),
        "payout": Decimal("12.345"),
        "payout_type": "cpa_cps",
        "sale_amount": Decimal("99.9"),
        "order_id": "A-1",
        "coupon_code": "MAY",
        "ip": "198.51.100.7",
        "conversion_ip": "2001:db8::1",
        "country_code": "CI",
        "dma": "501",
        "device_make": "Apple",
        "adv3": "x",
        "sub10": "ten",
        "status": "rejected",
        "error_message": "Returned",
        "is_view_through": True,
    }
    conversion = converted(acme, offer, NOON, **facts)
    converted(acme, offer, NOON + timedelta(days=1), transaction_id=click.id, is_event=True, event_name="deposit")

    row = client.get(f"{CONVERSIONS}/{conversion.id.hex}").json()

    assert list(row) == list(EXAMPLE)
    Conversion.model_validate(row, strict=True)
    expected = {
        "conversion_id": conversion.id.hex,
        "transaction_id": click.id.hex,
        "conversion_unix_timestamp": int(NOON.timestamp()),
        "click_unix_timestamp": int(NOON.timestamp()) - 3600,
        "updated_unix_timestamp": int(NOON.timestamp()) + 300,
        "revenue": 12.35,
        "payout": 12.35,
        "revenue_type": "cpa_cps",
        "sale_amount": 99.9,
        "currency_id": "USD",
        "session_user_ip": "198.51.100.7",
        "conversion_user_ip": "2001:db8::1",
        "country": "Côte d’Ivoire",
        "dma": 501,
        "brand": "Apple",
        "adv3": "x",
        "sub10": "ten",
        "status": "rejected",
        "error_message": "Returned",
        "is_view_through": True,
        "is_event": False,
        "event": "",
        "network_offer_id": offer.pk,
        "offer_name": "Summer Shoes",
        "offer": {"network_offer_id": offer.pk, "name": "Summer Shoes"},
        "relationship": {
            "offer": {"network_offer_id": offer.pk, "name": "Summer Shoes", "offer_status": "active"},
            "events_count": 1,
        },
    }
    assert {name: row[name] for name in expected} == expected


def test_what_is_not_known_is_empty_or_zero_and_never_null(client: Client, acme: Partner, offer: Offer) -> None:
    conversion = converted(acme, offer, payout=Decimal(0), dma="north")

    row = client.get(f"{CONVERSIONS}/{conversion.id.hex}").json()

    assert None not in row.values()
    assert (row["click_unix_timestamp"], row["session_user_ip"], row["country"], row["dma"]) == (0, "", "", 0)


def test_amounts_are_rounded_as_their_currency_is(client: Client, acme: Partner, offer: Offer) -> None:
    yen = Offer.launch(
        name="Sandals",
        advertiser=offer.advertiser,
        category=offer.category,
        currency="JPY",
        status="active",
        destination_url="https://shop.example/",
        pays=Terms(PayoutType.CPA, Decimal(10)),
        by=SETUP,
    )
    conversion = converted(acme, yen, payout=Decimal("99.5"))

    row = client.get(f"{CONVERSIONS}/{conversion.id.hex}").json()

    assert (row["currency_id"], row["payout"]) == ("JPY", 100)


def test_the_search_the_look_up_and_the_export_answer_the_same_row(client: Client, acme: Partner, offer: Offer) -> None:
    conversion = converted(acme, offer, sub1='=1+"1"', sub2="a\nb\x01c", referer="https://blog.example/ü")

    looked_up, searched = client.get(f"{CONVERSIONS}/{conversion.id.hex}"), asked(client)
    one, listed = looked_up.json(), searched.json()
    as_json = json.loads(b"".join(streamed(asked(client, f"{CONVERSIONS}/export", format="json"))))
    as_csv = b"".join(streamed(asked(client, f"{CONVERSIONS}/export", format="csv"))).decode()

    assert searched.content.startswith(b'{"conversions":[' + looked_up.content + b"],")
    assert (listed["paging"], listed["total_count"]) == ({"page": 1, "page_size": 50, "total_count": 1}, 1)
    assert as_json == {"conversions": [one]}
    [line] = csv.DictReader(io.StringIO(as_csv))
    assert (line["conversion_id"], line["sub1"], line["sub2"]) == (conversion.id.hex, '\'=1+"1"', "a\nb\x01c")
    assert set(line) == (set(one) - {"offer", "relationship"}) | {"events_count"}


def streamed(answer: Any) -> list[bytes]:
    assert answer.status_code == 200, answer.content
    assert "attachment" in answer["Content-Disposition"]
    return list(answer.streaming_content) if answer.streaming else [answer.content]


def test_an_export_without_rows_is_a_file_all_the_same(client: Client) -> None:
    as_json = streamed(asked(client, f"{CONVERSIONS}/export", format="json", show_conversions=False))
    as_csv = streamed(asked(client, f"{CONVERSIONS}/export", show_conversions=False))

    assert b"".join(as_json) == b'{"conversions":[]}'
    assert b"".join(as_csv).decode().splitlines()[0].startswith("conversion_id,transaction_id,")


def test_pages_follow_one_another_and_count_what_there_is(client: Client, acme: Partner, offer: Offer) -> None:
    rows = [converted(acme, offer, NOON + timedelta(minutes=minute)) for minute in range(5)][::-1]

    pages = [asked(client, f"{CONVERSIONS}?page={page}&page_size=2") for page in (1, 2, 3, 4, 10**9)]

    assert [found(page) for page in pages] == [ids(*rows[:2]), ids(*rows[2:4]), ids(rows[4]), [], []]
    assert {page.json()["paging"]["total_count"] for page in pages} == {5}
    assert found(asked(client, page=2, page_size=3)) == ids(*rows[3:])


def test_the_same_number_of_queries_answers_one_row_and_twenty(client: Client, acme: Partner, offer: Offer) -> None:
    converted(acme, offer)
    with CaptureQueriesContext(connection) as for_one:
        assert len(found(asked(client))) == 1
    for _ in range(19):
        converted(acme, offer)

    with CaptureQueriesContext(connection) as for_twenty:
        assert len(found(asked(client))) == 20

    assert len(for_twenty) == len(for_one)


def test_events_and_conversions_are_shown_as_asked(client: Client, acme: Partner, offer: Offer) -> None:
    event = converted(acme, offer, NOON, is_event=True, event_name="deposit")
    plain = converted(acme, offer, NOON + timedelta(hours=1))
    seen = converted(acme, offer, NOON + timedelta(hours=2), is_view_through=True)

    assert found(asked(client)) == ids(seen, plain)
    assert found(asked(client, show_events=True)) == ids(seen, plain, event)
    assert found(asked(client, show_conversions=False, show_events=True)) == ids(event)
    assert found(asked(client, show_conversions=False)) == []
    assert found(asked(client, show_only_vt=True)) == ids(seen)
    assert found(asked(client, show_only_ct=True)) == ids(plain)
    assert found(asked(client, show_only_scrub=False, show_only_fail_traffic=False)) == ids(seen, plain)


TRANSACTION = UUID(int=7)
SAID: dict[str, tuple[dict[str, Any], Any]] = {
    "status": ({"status": "pending"}, "pending"),
    "country": ({"country_code": "DE"}, "Germany"),
    **{f"sub{number}": ({f"sub{number}": "Mail_5%"}, "Mail_5%") for number in range(1, 11)},
    "source_id": ({"source_id": "Mail_5%"}, "Mail_5%"),
    "coupon_code": ({"coupon_code": "MAY"}, "MAY"),
    "event_name": ({"is_event": True, "event_name": "deposit"}, "deposit"),
    "transaction_id": ({"transaction_id": TRANSACTION}, TRANSACTION.hex),
    "order_id": ({"order_id": "A-77"}, "A-77"),
    "source_ip": ({"ip": "2001:db8::7"}, "2001:0db8:0000::7"),
}


@pytest.mark.parametrize("name", SAID)
def test_every_filter_and_search_finds_its_rows_and_no_others(
    client: Client, acme: Partner, offer: Offer, name: str
) -> None:
    facts, value = SAID[name]
    wanted = converted(acme, offer, **facts)
    converted(acme, offer, sub1="Mail_50", source_id="Mail_50", order_id="A-78")

    assert found(asked(client, query=filters(**{name: value}), show_events=True)) == ids(wanted)
    assert found(asked(client, query=terms(**{name: value}), show_events=True)) == ids(wanted)


def test_an_offer_and_a_conversion_are_found_by_their_numbers(
    client: Client, acme: Partner, offer: Offer, launch: Callable[..., Offer]
) -> None:
    wanted = converted(acme, launch())
    converted(acme, offer)

    assert found(asked(client, query=filters(offer=wanted.offer_id))) == ids(wanted)
    assert found(asked(client, query=filters(offer=f"{wanted.offer_id}"))) == ids(wanted)
    assert found(asked(client, query=filters(conversion_id=wanted.id.hex))) == ids(wanted)
    assert {*SAID, "offer", "conversion_id"} == set(CONVERSION_CRITERIA)


def test_filters_of_a_kind_are_alternatives_those_of_different_kinds_and_searches_go_together(
    client: Client, acme: Partner, offer: Offer
) -> None:
    first = converted(acme, offer, NOON, sub1="a", status="pending")
    second = converted(acme, offer, NOON + timedelta(hours=1), sub1="b", sub2="Newsletter May")
    converted(acme, offer, sub1="c")
    either = [{"resource_type": "sub1", "filter_id_value": value} for value in ("a", "b")]
    pending = {"resource_type": "status", "filter_id_value": "pending"}

    assert found(asked(client, query={"filters": either})) == ids(second, first)
    assert found(asked(client, query={"filters": [*either, pending]})) == ids(first)
    assert found(asked(client, query={"filters": either, **terms(sub2="LETTER")})) == ids(second)
    assert found(asked(client, query=terms(sub2="letter", sub1="a"))) == []


@pytest.mark.parametrize("field", CONVERSION_ORDERS)
def test_every_order_goes_both_ways(client: Client, acme: Partner, offer: Offer, field: str) -> None:
    column = CONVERSION_ORDERS[field]
    low, high = NOON, NOON + timedelta(hours=1)
    values: dict[str, tuple[Any, Any]] = {
        "clicked_at": (low, high),
        "updated_at": (low, high),
        "transaction_id": (UUID(int=1), UUID(int=2)),
        "status": ("approved", "pending"),
        "payout": (Decimal(1), Decimal(2)),
        "sale_amount": (Decimal(1), Decimal(2)),
    }
    mine, other = offer, launched_after(offer)
    facts: list[dict[str, Any]] = [{}, {}]
    if column in values or column not in ("id", "offer_id", "offer__name"):
        facts = [{column: value} for value in values.get(column, ("a", "b"))]
    if column == "event_name":
        facts = [{**fact, "is_event": True} for fact in facts]
    first = converted(acme, mine, low, **facts[0])
    last = converted(acme, other, high, **facts[1])

    up = asked(client, f"{CONVERSIONS}?order_field={field}&order_direction=asc", show_events=True)
    down = asked(client, show_events=True, order_field=field, order_direction="desc")
    exported = asked(client, f"{CONVERSIONS}/export?order_field={field}&order_direction=asc", show_events=True)

    assert (found(up), found(down)) == (ids(first, last), ids(last, first))
    lines = csv.DictReader(io.StringIO(b"".join(streamed(exported)).decode()))
    assert [line["conversion_id"] for line in lines] == ids(first, last)


def launched_after(offer: Offer) -> Offer:
    return Offer.launch(
        name="Winter Boots",
        advertiser=offer.advertiser,
        category=offer.category,
        destination_url="https://shop.example/",
        pays=Terms(PayoutType.CPA, Decimal(10)),
        by=SETUP,
    )


def test_a_period_is_of_the_time_zone_that_is_named(client: Client, acme: Partner, offer: Offer) -> None:
    before = converted(acme, offer, datetime(2026, 11, 1, 3, 59, 59, tzinfo=UTC))
    first = converted(acme, offer, datetime(2026, 11, 1, 4, tzinfo=UTC))
    last = converted(acme, offer, datetime(2026, 11, 2, 4, 59, 59, tzinfo=UTC))
    converted(acme, offer, datetime(2026, 11, 2, 5, tzinfo=UTC))

    day = {"from": "2026-11-01", "to": "2026-11-01"}

    assert found(asked(client, **day, timezone_id=80)) == ids(last, first)
    assert found(asked(client, **day)) == ids(first, before)


def test_what_has_changed_since_is_found_by_seconds_and_by_date(client: Client, acme: Partner, offer: Offer) -> None:
    converted(acme, offer, updated_at=NOON - timedelta(seconds=1))
    changed = converted(acme, offer, updated_at=NOON)

    for moment in (int(NOON.timestamp()), str(int(NOON.timestamp())), "2026-05-10 12:00:00"):
        assert found(asked(client, updated_since=moment)) == ids(changed)
    assert found(asked(client, updated_since="2026-05-10 08:00:00", timezone_id=80)) == ids(changed)
    assert len(found(asked(client, updated_since=0))) == 2


@pytest.fixture
def in_euros(network: Network, offer: Offer) -> Offer:
    """An offer in euros, of which one is worth 1.10 dollars until 10 May 2026, and 1.20 from then on."""
    for day, rate in ((1, "1.10"), (10, "1.20")):
        ExchangeRate.record(currency="EUR", since=date(2026, 5, day), rate=Decimal(rate), by=SETUP)
    return Offer.launch(
        name="Sandals",
        advertiser=offer.advertiser,
        category=offer.category,
        currency="EUR",
        status="active",
        destination_url="https://shop.example/",
        pays=Terms(PayoutType.CPA, Decimal(10)),
        by=SETUP,
    )


def test_amounts_are_counted_in_the_currency_that_is_asked_for_by_the_rate_of_the_day(
    client: Client, acme: Partner, offer: Offer, in_euros: Offer
) -> None:
    early = converted(acme, in_euros, datetime(2026, 5, 9, 23, 59, tzinfo=UTC), sale_amount=Decimal("99.99"))
    late = converted(acme, in_euros, datetime(2026, 5, 10, 0, 1, tzinfo=UTC))
    dollars = converted(acme, offer, NOON + timedelta(days=1))

    def told(answer: Any) -> list[tuple[str, float, float, str]]:
        rows = answer.json()["conversions"] if not answer.streaming else json.loads(answer.getvalue())["conversions"]
        return [(row["conversion_id"], row["payout"], row["sale_amount"], row["currency_id"]) for row in rows]

    in_dollars = [
        (dollars.id.hex, 10, 0, "USD"),
        (late.id.hex, 12, 0, "USD"),
        (early.id.hex, 11, 109.99, "USD"),
    ]
    assert told(asked(client, currency_id="usd")) == in_dollars
    assert told(asked(client, f"{CONVERSIONS}/export", format="json", currency_id="USD")) == in_dollars
    assert told(asked(client, currency_id="EUR"))[0] == (dollars.id.hex, 8.33, 0, "EUR")
    assert [currency for *_, currency in told(asked(client))] == ["USD", "EUR", "EUR"]
    as_csv = asked(client, f"{CONVERSIONS}/export", currency_id="USD").getvalue().decode()
    assert [line["payout"] for line in csv.DictReader(io.StringIO(as_csv))] == ["10.00", "12.00", "11.00"]


def test_a_currency_without_a_rate_is_refused_only_when_there_are_rows_in_it(
    client: Client, acme: Partner, offer: Offer, in_euros: Offer
) -> None:
    ExchangeRate.objects.all().delete()
    converted(acme, offer)
    assert found(asked(client, currency_id="USD"))

    converted(acme, in_euros)

    assert "there is no exchange rate for EUR" in sentence(asked(client, currency_id="USD"))
    assert "there is no exchange rate for EUR" in sentence(asked(client, currency_id="EUR"))
    assert found(asked(client, currency_id="USD", query=filters(offer=offer.pk)))


BAD: list[tuple[dict[str, Any], str]] = [
    ({"from": None}, "from"),
    ({"from": "yesterday"}, "from: yesterday is no date"),
    ({"from": "2026-06-01"}, "is before from"),
    ({"from": "2025-05-01"}, "to: at most a year"),
    ({"timezone_id": 66}, "timezone_id: 66 is not one"),
    ({"timezone_id": "Mars"}, "timezone_id"),
    ({"limit": 10}, "limit"),
    ({"currency_id": "DOLLARS"}, "currency_id: there is no currency DOLLARS"),
    ({"currency_id": 840}, "currency_id"),
    ({"show_events": "perhaps"}, "show_events"),
    ({"show_only_scrub": True}, "show_only_scrub"),
    ({"order_field": "colour"}, "order_field: colour is not one. There are conversion_unix_timestamp"),
    ({"order_direction": "sideways"}, "order_direction: sideways"),
    ({"updated_since": "soon"}, "updated_since: soon"),
    ({"updated_since": 999999999999}, "updated_since"),
    ({"updated_since": -5}, "updated_since"),
    ({"query": {"exclusions": []}}, "query.exclusions"),
    ({"query": {"filters": {}}}, "query.filters"),
    ({"query": {"filters": [{"resource_type": "sub1"}]}}, "query.filters.0.filter_id_value"),
    ({"query": filters(colour="red")}, "resource_type: colour is not one. There are status, offer"),
    ({"query": filters(offer="shoes")}, "offer: shoes is not a number"),
    ({"query": filters(offer="9" * 30)}, "offer: 999"),
    ({"query": filters(status="lost")}, "status: lost is not one of approved"),
    ({"query": filters(country="Atlantis")}, "country: Atlantis is not a country"),
    ({"query": filters(conversion_id="12")}, "conversion_id: 12 is not an id"),
    ({"query": filters(source_ip="home")}, "source_ip: home is not an IP address"),
    ({"query": terms(colour="red")}, "search_type: colour is not one"),
    ({"query": terms(transaction_id="z" * 32)}, "transaction_id: zzz"),
    ({"query": terms(sub1="x" * 501)}, "query.search_terms.0.value"),
]


@pytest.mark.parametrize("url", [CONVERSIONS, f"{CONVERSIONS}/export"])
@pytest.mark.parametrize(("body", "said"), BAD)
def test_what_cannot_be_asked_is_refused_by_its_name(client: Client, url: str, body: dict[str, Any], said: str) -> None:
    assert said in sentence(asked(client, url, **body))


@pytest.mark.parametrize("query", ["order_field=colour", "order_direction=up"])
def test_an_unknown_order_in_the_query_string_is_refused_too(client: Client, query: str) -> None:
    assert query.split("=")[1] in sentence(asked(client, f"{CONVERSIONS}?{query}"))


def test_the_example_of_the_documentation_is_answered(client: Client) -> None:
    for url in (CONVERSIONS, f"{CONVERSIONS}/export", ONHOLD):
        assert client.post(url, QUESTION, content_type=JSON).status_code == 200
    Conversion.model_validate(EXAMPLE, strict=True)


def test_an_export_of_another_format_is_refused(client: Client) -> None:
    assert "format" in sentence(asked(client, f"{CONVERSIONS}/export", format="xlsx"))


def held(partner: Partner, offer: Offer, at: datetime = NOON, **said: Any) -> tuple[ConversionRow, Hold]:
    conversion = converted(partner, offer, at, status="on_hold", **said)
    until = now() + timedelta(days=9)
    return conversion, Hold.objects.create(partner=partner, conversion_id=conversion.id, until=until)


def test_conversions_on_hold_are_answered_with_the_end_of_their_hold(
    client: Client, acme: Partner, offer: Offer
) -> None:
    conversion, hold = held(acme, offer)
    released, other = held(acme, offer, NOON + timedelta(hours=1))
    rejected, third = held(acme, offer, NOON + timedelta(hours=2))
    converted(acme, offer)
    released.release(by=SETUP)
    rejected.reject(by=SETUP, reason="Returned")

    row = client.get(f"{ONHOLD}/{hold.pk}").json()
    answers = {status: asked(client, ONHOLD, on_hold_status_filter=status) for status in ("approved", "rejected", "")}

    assert row == {
        "on_hold_conversion_id": hold.pk,
        "network_id": 1,
        "holding_period_end": int(hold.until.timestamp()),
        "status": "on_hold",
        "conversion": client.get(f"{CONVERSIONS}/{conversion.id.hex}").json(),
    }
    HeldConversion.model_validate(row, strict=True)
    assert asked(client, ONHOLD).json()["conversions"] == [row]
    told = {
        status: [(one["on_hold_conversion_id"], one["status"]) for one in answer.json()["conversions"]]
        for status, answer in answers.items()
    }
    assert told == {
        "approved": [(other.pk, "approved")],
        "rejected": [(third.pk, "rejected")],
        "": [(third.pk, "rejected"), (other.pk, "approved"), (hold.pk, "on_hold")],
    }
    assert asked(client, f"{ONHOLD}?page_size=1").json()["total_count"] == 1
    assert asked(client, ONHOLD, query=filters(sub1="none")).json()["conversions"] == []


def test_an_unknown_hold_status_is_refused(client: Client) -> None:
    assert "on_hold_status_filter" in sentence(asked(client, ONHOLD, on_hold_status_filter="lost"))


def test_another_partners_conversions_are_nowhere_to_be_found(
    client: Client, acme: Partner, other_partner: Partner, offer: Offer
) -> None:
    theirs, hold = held(other_partner, offer, sub1="secret")
    mine = converted(acme, offer, transaction_id=theirs.transaction_id)
    converted(other_partner, offer, transaction_id=mine.transaction_id, is_event=True, event_name="deposit")

    paths = [f"conversions/{theirs.id.hex}", f"onhold/{hold.pk}", "conversions/none", f"conversions/{'0' * 32}"]

    assert [client.get(f"{REPORTING}/{path}").status_code for path in paths] == [404] * 4
    assert found(asked(client, show_events=True)) == ids(mine)
    assert found(asked(client, query=filters(conversion_id=theirs.id.hex))) == []
    assert found(asked(client, query=filters(sub1="secret"))) == []
    assert asked(client, ONHOLD, on_hold_status_filter="").json()["conversions"] == []
    assert b"secret" not in b"".join(streamed(asked(client, f"{CONVERSIONS}/export", show_events=True)))
    assert client.get(f"{CONVERSIONS}/{mine.id.hex}").json()["relationship"]["events_count"] == 0
