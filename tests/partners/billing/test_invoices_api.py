from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from keys.models import Key
from partners.billing.models import Invoice, Payment, Period
from partners.models import Partner
from portal.network.models import Network
from tests.conftest import SETUP
from tests.partners.billing.conftest import Bill, item, month
from tests.partners.conftest import Launch
from tests.partners.traffic.conftest import converted

pytestmark = pytest.mark.django_db

TABLE = "/v1/affiliates/billings/affiliates/invoicestable"
SUMMARY = "/v1/affiliates/billings/affiliates/summary"
Ask = Callable[..., Any]


def url_of(invoice: Invoice) -> str:
    return f"/v1/affiliates/billings/affiliates/invoices/{invoice.pk}"


def pay(invoice: Invoice, amount: str, reference: str = "") -> Payment:
    return invoice.record_payment(
        amount=Decimal(amount),
        method=Payment.Method.BANK_TRANSFER,
        paid_on=date(2026, 2, 10),
        reference=reference,
        by=SETUP,
    )


@pytest.fixture
def client(network: Network, acme_key: tuple[Key, str], call: Callable[..., Client]) -> Client:
    return call(acme_key[1])


@pytest.fixture
def ask(client: Client) -> Ask:
    """``ask(filters)``: the answer of the table to those filters."""

    def asked(filters: dict[str, Any] | None = None, **query: Any) -> Any:
        path = f"{TABLE}?{'&'.join(f'{name}={value}' for name, value in query.items())}"
        return client.post(path, {} if filters is None else {"filters": filters}, content_type="application/json")

    return asked


def found(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [invoice["invoice_number"].rpartition("-")[2].lstrip("0") for invoice in answer.json()["invoices"]]


def test_a_partner_reads_its_invoices_latest_period_first(acme: Partner, bill: Bill, ask: Ask) -> None:
    january = bill("100.00", notes="A good start", payment_terms=14)
    bill(period=month(2))
    pay(january, "99.50")

    answer = ask()

    assert found(answer) == ["2", "1"]
    january.refresh_from_db()
    assert answer.json()["invoices"][1] == {
        "network_affiliate_invoice_id": january.pk,
        "network_id": 1,
        "network_affiliate_id": acme.pk,
        "invoice_number": f"INV-{acme.pk}-0001",
        "affiliate_invoice_status": "unpaid",
        "start_time": "2026-01-01 00:00:00",
        "end_time": "2026-01-31 23:59:59",
        "start_unix_timestamp": int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()),
        "end_unix_timestamp": int(datetime(2026, 2, 1, tzinfo=UTC).timestamp()) - 1,
        "timezone_id": 67,
        "billed": 100.0,
        "paid": 99.5,
        "balance": 0.5,
        "payment_terms": "Net 14",
        "time_due": int(datetime.combine(january.due_on, datetime.min.time(), tzinfo=UTC).timestamp()),
        "currency_id": "USD",
        "public_notes": "A good start",
        "time_created": int(january.created_at.timestamp()),
        "time_saved": int(january.updated_at.timestamp()),
    }
    assert answer.json()["paging"] == {"page": 1, "page_size": 50, "total_count": 2}


def test_no_body_at_all_asks_for_every_invoice(bill: Bill, client: Client) -> None:
    bill()

    assert found(client.generic("POST", TABLE)) == ["1"]
    assert client.generic("POST", SUMMARY).json()["count"] == 1


def test_pages_come_from_the_query_or_the_body(bill: Bill, ask: Ask, client: Client) -> None:
    for number in (1, 2, 3):
        bill(period=month(number))

    assert found(ask(page=2, page_size=2)) == ["1"]
    body = client.post(TABLE, {"page": 3, "page_size": 1}, content_type="application/json")
    assert found(body) == ["1"]
    assert body.json()["total_count"] == 3


def test_a_cancelled_invoice_is_gone(bill: Bill, ask: Ask, client: Client) -> None:
    invoice = bill()
    invoice.cancel(by=SETUP)

    assert found(ask()) == []
    assert client.get(url_of(invoice)).status_code == 404
    assert client.generic("POST", SUMMARY).json()["billed"] == 0


@pytest.mark.parametrize(
    ("filters", "numbers"),
    [
        ({"affiliate_invoice_status": "unpaid"}, ["3", "2"]),
        ({"affiliate_invoice_status": "paid"}, ["1"]),
        ({"affiliate_invoice_status": None}, ["3", "2", "1"]),
        ({"min_start_time": "2026-02-01"}, ["3", "2"]),
        ({"min_start_time": "2026-02-01 00:00:00"}, ["3", "2"]),
        ({"min_start_time": "2026-02-01 00:00:01"}, ["3"]),
        # February in Los Angeles begins at eight o'clock in UTC.
        ({"min_start_time": 1769932800}, ["3", "2"]),
        ({"min_start_time": 1769932801}, ["3"]),
        ({"min_start_time": "1769932801"}, ["3"]),
        ({"max_end_time": "2026-02-28"}, ["2", "1"]),
        ({"max_end_time": "2026-02-27"}, ["1"]),
        ({"max_end_time": "2026-02-28 23:59:59"}, ["2", "1"]),
        ({"max_end_time": "2026-02-28 23:59:58"}, ["1"]),
        ({"max_end_time": 1772351999}, ["2", "1"]),
        ({"max_end_time": 1772351998}, ["1"]),
        ({"min_start_time": "2026-02-01", "max_end_time": "2026-02-28"}, ["2"]),
        ({"min_balance": 0.01}, ["3", "2"]),
        ({"min_balance": 40}, ["3", "2"]),
        ({"min_balance": 40.01}, ["3"]),
        ({"max_balance": 40}, ["2", "1"]),
        ({"max_balance": 39.99}, ["1"]),
        ({"min_balance": 1, "max_balance": 99}, ["2"]),
    ],
)
def test_invoices_are_filtered(filters: dict[str, Any], numbers: list[str], bill: Bill, ask: Ask) -> None:
    pay(bill(period=month(1, timezone="America/Los_Angeles")), "100.00")
    pay(bill(period=month(2, timezone="America/Los_Angeles")), "60.00")
    bill(period=month(3, timezone="America/Los_Angeles"))

    assert found(ask(filters)) == numbers


def test_filters_may_stand_beside_the_word_filters(bill: Bill, client: Client) -> None:
    pay(bill(), "100.00")
    bill(period=month(2))

    body = {"affiliate_invoice_status": "unpaid", "filters": {"min_balance": 1}}

    assert found(client.post(TABLE, body, content_type="application/json")) == ["2"]


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"affiliate_status": "paid"}, "filters.affiliate_status"),
        ({"affiliate_invoice_status": "late"}, "filters.affiliate_invoice_status"),
        ({"min_start_time": "01/02/2026"}, "filters.min_start_time"),
        ({"min_start_time": "2026-02-30"}, "filters.min_start_time: This is no"),
        ({"min_start_time": "2026-02-01 25:00:00"}, "that the calendar has"),
        ({"max_end_time": "٢٠٢٦-02-01"}, "no YYYY-MM-DD"),
        ({"max_end_time": 10**20}, "filters.max_end_time"),
        ({"max_end_time": -(10**18)}, "filters.max_end_time"),
        ({"max_end_time": 253402300799}, "filters.max_end_time"),
        ({"max_end_time": [1]}, "filters.max_end_time"),
        ({"max_end_time": False}, "filters.max_end_time"),
        ({"min_balance": "much"}, "filters.min_balance"),
        ({"min_balance": 1e30}, "filters.min_balance"),
        ({"max_balance": -1e16}, "filters.max_balance"),
    ],
)
def test_a_filter_that_cannot_be_is_named(filters: dict[str, Any], said: str, ask: Ask) -> None:
    answer = ask(filters)

    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_what_is_no_filter_is_named(client: Client) -> None:
    for path in (TABLE, SUMMARY):
        answer = client.post(path, {"colour": "red"}, content_type="application/json")
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("colour: ")


def test_one_invoice_tells_its_lines_and_payments_only_when_asked(acme: Partner, bill: Bill, client: Client) -> None:
    earlier = bill()
    items = [item("90.00"), item("-5.25", corrects=earlier, quantity=-1, offer_id=7, offer_name="Soap")]
    invoice = bill(period=month(2), items=items)
    line, correction = invoice.lines.all()
    adjustment = invoice.add_adjustment(amount=Decimal("0.25"), note="Rounded up", by=SETUP)
    pay(invoice, "1.00", "Gone wrong").take_back(by=SETUP)
    payment = pay(invoice, "60.00", "SEPA 7781")

    in_full = client.get(f"{url_of(invoice)}?relationship=all").json()

    assert (in_full["billed"], in_full["paid"], in_full["balance"]) == (85.0, 60.0, 25.0)
    assert in_full["relationship"]["details"] == {
        "total": 3,
        "entries": [
            {
                "network_affiliate_invoice_detail_id": line.pk,
                "network_offer_id": 42,
                "network_offer_name": "Candles",
                "type": "conversions",
                "quantity": 10,
                "amount": 90.0,
                "notes": "",
                "time_created": int(line.added_at.timestamp()),
            },
            {
                "network_affiliate_invoice_detail_id": correction.pk,
                "network_offer_id": 7,
                "network_offer_name": "Soap",
                "type": "conversions",
                "quantity": -1,
                "amount": -5.25,
                "notes": f"Correction of INV-{acme.pk}-0001 (January 2026)",
                "time_created": int(correction.added_at.timestamp()),
            },
            {
                "network_affiliate_invoice_detail_id": adjustment.pk,
                "network_offer_id": 0,
                "network_offer_name": "",
                "type": "adjustment",
                "quantity": 1,
                "amount": 0.25,
                "notes": "Rounded up",
                "time_created": int(adjustment.added_at.timestamp()),
            },
        ],
    }
    assert in_full["relationship"]["payments"] == {
        "total": 1,
        "entries": [
            {
                "network_affiliate_payment_id": payment.pk,
                "amount": 60.0,
                "payment_type": "bank_transfer",
                "confirmation_code": "SEPA 7781",
                "payment_date": "2026-02-10",
                "time_created": int(payment.recorded_at.timestamp()),
            }
        ],
    }
    assert client.get(f"{url_of(invoice)}?relationship=details").json()["relationship"].keys() == {"details"}
    assert client.get(f"{url_of(invoice)}?relationship=payments").json()["relationship"].keys() == {"payments"}
    assert "relationship" not in client.get(url_of(invoice)).json()


def test_an_unknown_relationship_is_refused(bill: Bill, client: Client) -> None:
    answer = client.get(f"{url_of(bill())}?relationship=offers")

    assert answer.status_code == 400
    assert "relationship" in answer.json()["error"]


def test_another_partners_invoices_are_not_there(bill: Bill, other_partner: Partner, client: Client, ask: Ask) -> None:
    foreign = bill(partner=other_partner)

    assert client.get(url_of(foreign)).status_code == 404
    assert client.get(f"{url_of(foreign)}?relationship=all").status_code == 404
    assert found(ask()) == []
    assert client.generic("POST", SUMMARY).json()["count"] == 0


@pytest.mark.parametrize("number", ["0", "-1", "99999999999999999999"])
def test_an_invoice_that_cannot_be_is_not_found(number: str, client: Client) -> None:
    assert client.get(f"/v1/affiliates/billings/affiliates/invoices/{number}").status_code == 404


@time_machine.travel(datetime(2026, 11, 21, tzinfo=UTC), tick=False)
def test_the_summary_adds_up_by_currency(acme: Partner, bill: Bill, launch: Launch, client: Client) -> None:
    pay(bill("100.00", "20.55"), "100.00")
    bill("10.00", period=month(2))
    bill("7", currency="JPY")
    converted(acme, launch("Candles"), datetime(2026, 11, 20, tzinfo=UTC), payout=Decimal("4.5"))
    converted(acme, launch("Kerzen", currency="EUR"), datetime(2026, 11, 20, tzinfo=UTC), payout=Decimal("0.25"))

    answer = client.generic("POST", SUMMARY).json()

    dollars = {"currency_id": "USD", "count": 2, "billed": 130.55, "paid": 100.0, "balance": 30.55, "unbilled": 4.5}
    euros = {"currency_id": "EUR", "count": 0, "billed": 0.0, "paid": 0.0, "balance": 0.0, "unbilled": 0.25}
    yen = {"currency_id": "JPY", "count": 1, "billed": 7.0, "paid": 0.0, "balance": 7.0, "unbilled": 0.0}
    assert answer == dollars | {"totals": [dollars, euros, yen]}


def test_the_summary_takes_the_filters_of_the_table(bill: Bill, client: Client) -> None:
    pay(bill("100.00"), "100.00")
    bill("10.00", period=month(2))

    body = {"filters": {"affiliate_invoice_status": "unpaid"}}
    answer = client.post(SUMMARY, body, content_type="application/json").json()

    assert (answer["count"], answer["billed"], answer["balance"]) == (1, 10.0, 10.0)


def test_many_invoices_take_as_many_queries_as_one(bill: Bill, ask: Ask) -> None:
    bill()
    ask()
    with CaptureQueriesContext(connection) as one:
        ask()
    for number in range(2, 13):
        bill(period=Period.month(date(2026, number, 1), "UTC"))

    with CaptureQueriesContext(connection) as many:
        answer = ask()

    assert len(found(answer)) == 12
    assert len(many) == len(one)
