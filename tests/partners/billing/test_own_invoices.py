from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from partners.billing.models import Invoice, Payment
from partners.models import Partner
from portal.accounts.models import User
from tests.conftest import SETUP, Browse
from tests.page import page
from tests.partners.billing.conftest import Bill, item, month
from tests.partners.conftest import Launch
from tests.partners.traffic.conftest import converted

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true", "HX-Target": "invoice-table"}


@pytest.fixture(autouse=True)
def _in_november() -> Any:
    with time_machine.travel(datetime(2026, 11, 21, 9, tzinfo=UTC), tick=False):
        yield


def pay(invoice: Invoice, amount: str, paid_on: date = date(2026, 2, 10)) -> Payment:
    return invoice.record_payment(
        amount=Decimal(amount), method=Payment.Method.PAYPAL, paid_on=paid_on, reference="PP-1", by=SETUP
    )


def numbers(region: Any) -> list[str]:
    return [row[0].rpartition("-")[2].lstrip("0") for row in region.rows]


def test_a_partner_sees_how_it_stands(acme: Partner, paul: User, bill: Bill, launch: Launch, browse: Browse) -> None:
    january = bill("1200.00")
    pay(january, "1000.00")
    pay(january, "50.00", date(2025, 12, 31))
    bill("12", currency="JPY")
    converted(acme, launch("Candles"), datetime(2026, 11, 20, tzinfo=UTC), payout=Decimal("4.5"))
    converted(acme, launch("Kerzen", currency="EUR"), datetime(2026, 11, 20, tzinfo=UTC), payout=Decimal("0.25"))

    text = page(browse(paul).get("/my/billing/")).text

    assert "Balance due to you 150.00 USD and 12 JPY · Due on 21 Dec 2026" in text
    assert "Paid in 2026 1,000.00 USD" in text
    assert "Not yet invoiced 4.50 USD and 0.25 EUR" in text


def test_overdue_invoices_are_counted(paul: User, bill: Bill, browse: Browse) -> None:
    bill("10.00", payment_terms=0)
    Invoice.objects.update(created_at=datetime(2026, 11, 1, tzinfo=UTC))

    shown = page(browse(paul).get("/my/billing/"))

    assert "1 invoice is overdue" in shown.text
    assert shown.region("invoice-table").records[0]["Status"] == "Overdue"


def test_a_partner_sees_its_invoices_and_nobody_elses(
    paul: User, bill: Bill, other_partner: Partner, browse: Browse
) -> None:
    invoice = bill("1200.00")
    pay(invoice, "1000.00")
    bill(period=month(2)).cancel(by=SETUP)
    bill(partner=other_partner)

    region = page(browse(paul).get("/my/billing/")).region("invoice-table")

    assert region.records == [
        {
            "Number": str(invoice),
            "Period": "January 2026",
            "Billed": "1,200.00 USD",
            "Paid": "1,000.00 USD",
            "Balance": "200.00 USD",
            "Due": "21 Dec 2026",
            "Status": "Unpaid",
        }
    ]
    assert region.links[str(invoice)] == f"/my/billing/{invoice.pk}/"


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ["3", "2", "1"]),
        ("status=paid", ["1"]),
        ("status=unpaid", ["3", "2"]),
        ("year=2026", ["2", "1"]),
        ("status=unpaid&year=2027", ["3"]),
        ("status=late&year=x", ["3", "2", "1"]),
        ("sort=number", ["1", "2", "3"]),
        ("sort=-balance", ["3", "2", "1"]),
        ("sort=due_on", ["3", "1", "2"]),
        ("sort=-due_on", ["2", "1", "3"]),
    ],
)
def test_invoices_are_filtered_and_sorted(query: str, shown: list[str], paul: User, bill: Bill, browse: Browse) -> None:
    pay(bill("10.00", payment_terms=20), "10.00")
    bill("20.00", period=month(2), payment_terms=30)
    third = bill("30.00", period=month(3), payment_terms=0)
    Invoice.objects.filter(pk=third.pk).update(starts_on=date(2027, 1, 1), ends_on=date(2027, 1, 31))

    region = page(browse(paul).get(f"/my/billing/?{query}", headers=HTMX))

    assert numbers(region) == shown
    assert region.heading == ""


def test_the_list_shows_its_question_to_the_api(paul: User, bill: Bill, browse: Browse) -> None:
    bill()

    region = page(browse(paul).get("/my/billing/?status=unpaid&year=2026")).region("invoice-table")

    assert "/v1/affiliates/billings/affiliates/invoicestable" in region.text
    assert '"affiliate_invoice_status": "unpaid"' in region.text
    assert '"min_start_time": "2026-01-01"' in region.text


def test_without_invoices_the_page_says_what_will_come(paul: User, browse: Browse) -> None:
    shown = page(browse(paul).get("/my/billing/"))

    assert "is invoiced in the first days of the next" in shown.text
    assert "Clear the filters" in page(browse(paul).get("/my/billing/?status=paid")).region("invoice-table").text


def test_an_invoice_is_shown_in_full(acme: Partner, paul: User, bill: Bill, browse: Browse) -> None:
    january = bill()
    items = [
        item("1000.50", quantity=1234),
        item("-5.25", corrects=january, quantity=-1, offer_id=7, offer_name="Soap"),
    ]
    invoice = bill(period=month(2), items=items, notes="Thank you.\nBest of the year!")
    invoice.add_adjustment(amount=Decimal("0.25"), note="Rounded up", by=SETUP)
    pay(invoice, "60.00")
    pay(invoice, "40.00").take_back(by=SETUP)

    shown = page(browse(paul).get(f"/my/billing/{invoice.pk}/"))

    assert shown.heading == f"Invoice {invoice}"
    assert shown.rows == [
        ["Candles", "Conversions", "1,234", "1,000.50 USD"],
        [f"Soap Correction of {january} (January 2026)", "Conversions", "-1", "-5.25 USD"],
        ["Rounded up", "Adjustment", "", "0.25 USD"],
        ["10 Feb 2026", "PayPal", "PP-1", "60.00 USD"],
    ]
    assert "Billed 995.50 USD Paid 60.00 USD Balance 935.50 USD" in shown.text
    assert "To Acme Media" in shown.text
    assert "Due on 21 Dec 2026 (Net 30)" in shown.text
    assert "Best of the year!" in shown.text
    assert f"/v1/affiliates/billings/affiliates/invoices/{invoice.pk}?relationship=all" in shown.text
    assert "Take back" not in shown.text


def test_a_cancelled_invoice_says_so(paul: User, bill: Bill, browse: Browse) -> None:
    invoice = bill()
    invoice.cancel(by=SETUP)

    shown = page(browse(paul).get(f"/my/billing/{invoice.pk}/"))

    assert "This invoice was cancelled" in shown.text


def test_lines_are_downloaded_as_csv(paul: User, bill: Bill, browse: Browse) -> None:
    january = bill()
    items = [item("1000.50", offer_name="=Candles"), item("-5.25", corrects=january, quantity=-1, offer_id=7)]
    invoice = bill(period=month(2), items=items)

    answer = browse(paul).get(f"/my/billing/{invoice.pk}/lines.csv")

    assert answer["Content-Disposition"] == f'attachment; filename="{invoice}.csv"'
    days = f"{invoice},2026-02-01,2026-02-28,UTC"
    assert answer.getvalue().decode().splitlines() == [
        "invoice,first_day,last_day,timezone,type,offer_id,offer,quantity,amount,currency,notes",
        f"{days},conversions,42,'=Candles,10,1000.5,USD,",
        f"{days},conversions,7,Candles,-1,-5.25,USD,Correction of {january} (January 2026)",
    ]


def test_another_partners_invoice_is_not_there(otto: User, bill: Bill, browse: Browse) -> None:
    invoice = bill()

    for path in ("", "lines.csv"):
        assert browse(otto).get(f"/my/billing/{invoice.pk}/{path}").status_code == 404


def test_the_networks_people_have_no_billing_of_their_own(vera: User, bill: Bill, browse: Browse) -> None:
    invoice = bill()

    for path in ("", f"{invoice.pk}/", f"{invoice.pk}/lines.csv"):
        assert browse(vera).get(f"/my/billing/{path}").status_code == 404


def test_ten_invoices_take_as_many_queries_as_one(paul: User, bill: Bill, browse: Browse) -> None:
    browser = browse(paul)
    bill(period=month(10))
    browser.get("/my/billing/")
    with CaptureQueriesContext(connection) as one:
        browser.get("/my/billing/")
    for number in range(1, 10):
        bill(period=month(number))

    with CaptureQueriesContext(connection) as many:
        shown = page(browser.get("/my/billing/"))

    assert len(shown.region("invoice-table").rows) == 10
    assert len(many) == len(one)
