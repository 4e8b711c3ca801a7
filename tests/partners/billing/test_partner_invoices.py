from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from partners.billing.models import Invoice, InvoiceLine, Payment
from partners.models import Partner
from partners.traffic.models import Conversion
from portal.accounts.models import Role, User
from tests.conftest import SETUP, Browse
from tests.htmx import DIALOG, told
from tests.page import page
from tests.partners.billing.conftest import Bill, item, month
from tests.partners.conftest import Launch
from tests.partners.traffic.conftest import converted

pytestmark = pytest.mark.django_db

PREVIEW = {"HX-Request": "true", "HX-Target": "invoice-preview"}
PAYMENT = {"amount": "40.00", "method": "bank_transfer", "paid_on": "2026-11-20", "reference": "SEPA 7781"}


@pytest.fixture(autouse=True)
def _in_november() -> Any:
    with time_machine.travel(datetime(2026, 11, 21, 9, tzinfo=UTC), tick=False):
        yield


@pytest.fixture
def earned(acme: Partner, launch: Launch) -> Conversion:
    return converted(acme, launch("Candles"), datetime(2026, 10, 20, tzinfo=UTC), payout=Decimal("4.5"))


def url_of(invoice: Invoice, path: str = "") -> str:
    return f"/partners/{invoice.partner_id}/billing/{invoice.pk}/{path}"


def pay(invoice: Invoice, amount: str) -> Payment:
    return invoice.record_payment(
        amount=Decimal(amount), method=Payment.Method.PAYPAL, paid_on=date(2026, 2, 10), by=SETUP
    )


def balance(invoice: Invoice) -> Decimal:
    return Invoice.objects.with_totals().get(pk=invoice.pk).balance


def test_the_billing_tab_shows_every_invoice_of_the_partner(
    acme: Partner, vera: User, bill: Bill, other_partner: Partner, browse: Browse
) -> None:
    pay(bill("100.00"), "30.00")
    bill(period=month(2)).cancel(by=SETUP)
    bill(partner=other_partner)

    shown = page(browse(vera).get(f"/partners/{acme.pk}/billing/"))

    rows = shown.region("invoice-table").records
    assert [(row["Period"], row["Balance"], row["Status"]) for row in rows] == [
        ("February 2026", "100.00 USD", "Cancelled"),
        ("January 2026", "70.00 USD", "Unpaid"),
    ]
    assert "Owed to the partner 70.00 USD" in shown.text
    assert shown.links["Raise invoice"] == f"/partners/{acme.pk}/billing/raise/"


@pytest.mark.parametrize(
    ("status", "periods"),
    [
        ("cancelled", ["February 2026"]),
        ("unpaid", ["April 2026", "March 2026"]),
        ("paid", ["January 2026"]),
        ("overdue", ["March 2026"]),
    ],
)
def test_invoices_are_filtered_by_how_they_stand(
    status: str, periods: list[str], acme: Partner, vera: User, bill: Bill, browse: Browse
) -> None:
    pay(bill("100.00"), "100.00")
    bill(period=month(2)).cancel(by=SETUP)
    late = bill(period=month(3))
    bill(period=month(4))
    Invoice.objects.filter(pk=late.pk).update(created_at=datetime(2026, 10, 21, 9, tzinfo=UTC))

    region = page(browse(vera).get(f"/partners/{acme.pk}/billing/?status={status}")).region("invoice-table")

    assert [row["Period"] for row in region.records] == periods


def test_due_today_is_not_overdue(acme: Partner, vera: User, bill: Bill, browse: Browse) -> None:
    bill()
    Invoice.objects.update(created_at=datetime(2026, 10, 22, 9, tzinfo=UTC))

    assert not Invoice.objects.with_totals().get().is_overdue
    assert not Invoice.objects.with_totals().overdue()


def test_an_invoice_is_raised_from_its_preview(acme: Partner, vera: User, earned: Conversion, browse: Browse) -> None:
    browser = browse(vera)
    preview = page(browser.get(f"/partners/{acme.pk}/billing/raise/"))
    assert preview.rows == [["Candles", "Conversions", "1", "4.50 USD"]]
    order = preview.region("invoice-preview").form(f"/partners/{acme.pk}/billing/raise/")
    assert "Raise invoice over 4.50 USD" in order.buttons

    answer = browser.post(order.action, order.fields, follow=True)

    invoice = Invoice.objects.with_totals().get()
    assert answer.redirect_chain == [(url_of(invoice), 303)]
    assert f"{invoice} was raised for October 2026." in page(answer).text
    assert (invoice.period, invoice.billed, invoice.payment_terms) == (month(10), Decimal("4.50"), 30)
    assert invoice.created_by == "Vera"


def test_the_preview_follows_the_form(acme: Partner, vera: User, earned: Conversion, browse: Browse) -> None:
    query = "starts_on=2026-10-20&ends_on=2026-10-20&currency=USD&timezone=America/New_York&payment_terms=5&notes=Hi"

    answer = browse(vera).get(f"/partners/{acme.pk}/billing/raise/?{query}", headers=PREVIEW)

    preview = page(answer)
    assert preview.heading == ""
    # It happened at midnight in UTC, which was the evening before in New York.
    assert "Nothing to bill" in preview.text
    reversed_days = query.replace("ends_on=2026-10-20", "ends_on=2026-10-19")
    broken = page(browse(vera).get(f"/partners/{acme.pk}/billing/raise/?{reversed_days}", headers=PREVIEW))
    assert "Last day: This is before the first day." in broken.text
    later = query.replace("2026-10-20", "2026-10-19")
    preview = page(browse(vera).get(f"/partners/{acme.pk}/billing/raise/?{later}", headers=PREVIEW))
    assert preview.forms[0].fields | {"csrfmiddlewaretoken": ""} == {
        "csrfmiddlewaretoken": "",
        "starts_on": "2026-10-19",
        "ends_on": "2026-10-19",
        "currency": "USD",
        "timezone": "America/New_York",
        "payment_terms": "5",
        "notes": "Hi",
        "seen": "4.50",
    }


def test_the_form_offers_what_comes_after_the_last_invoice(
    acme: Partner, vera: User, bill: Bill, earned: Conversion, browse: Browse
) -> None:
    url, raised = f"/partners/{acme.pk}/billing/raise/", bill(period=month(1))
    Invoice.objects.filter(pk=raised.pk).update(starts_on=date(2026, 10, 1), ends_on=date(2026, 10, 14))

    fields = next(form for form in page(browse(vera).get(url)).forms if form.method == "get" and "notes" in form.fields)

    assert (fields.fields["starts_on"], fields.fields["ends_on"]) == ("2026-10-15", "2026-10-31")


ORDER = {
    "starts_on": "2026-10-01",
    "ends_on": "2026-10-31",
    "currency": "USD",
    "timezone": "UTC",
    "payment_terms": "30",
    "seen": "4.50",
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ends_on": "2026-09-30"}, "This is before the first day."),
        ({"ends_on": "2026-11-21"}, "This day is not over yet"),
        ({"starts_on": "2025-09-01"}, "An invoice covers a year at most."),
        ({"seen": ""}, "Look at what would be billed first"),
        ({"seen": "4.49"}, "What would be billed has changed since you looked."),
        ({"currency": "EUR", "seen": "0"}, "There is nothing to bill for these days."),
        ({"payment_terms": "366"}, "less than or equal to 365"),
    ],
)
def test_what_cannot_be_billed_is_refused(
    changed: dict[str, str], said: str, acme: Partner, vera: User, earned: Conversion, browse: Browse
) -> None:
    answer = browse(vera).post(f"/partners/{acme.pk}/billing/raise/", ORDER | changed)

    assert answer.status_code == 422
    assert said in page(answer).text
    assert not Invoice.objects.exists()


def test_days_that_are_billed_are_not_billed_again(
    acme: Partner, vera: User, bill: Bill, earned: Conversion, browse: Browse
) -> None:
    earlier = bill(period=month(10))

    answer = browse(vera).post(f"/partners/{acme.pk}/billing/raise/", ORDER)

    assert answer.status_code == 422
    assert f"{earlier} covers October 2026" in page(answer).text
    assert "Raise invoice over" not in page(answer).text


def test_a_payment_is_recorded(vera: User, bill: Bill, browse: Browse) -> None:
    invoice = bill("100.00")
    browser = browse(vera)
    dialog = page(browser.get(url_of(invoice, "pay/"), headers=DIALOG))
    fields = dialog.form().fields
    assert (fields["amount"], fields["paid_on"], fields["seen"]) == ("100.00", "2026-11-21", "100.0000")

    answer = browser.post(url_of(invoice, "pay/"), fields | PAYMENT, headers=DIALOG)

    assert answer.status_code == 204
    assert "billing:changed" in told(answer)
    assert told(answer)["toast"][0]["text"] == f"40.00\xa0USD was recorded as paid on {invoice}."
    payment = Payment.objects.get()
    assert (str(payment.amount), payment.paid_on, payment.recorded_by) == ("40.0000", date(2026, 11, 20), "Vera")
    region = page(browser.get(url_of(invoice), headers={"HX-Request": "true", "HX-Target": "invoice"}))
    assert "Balance 60.00 USD" in region.text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"amount": "100.01"}, "No more than 100.00 USD is owed."),
        ({"amount": "0"}, "greater than or equal to 0.01"),
        ({"amount": "0.001"}, "no more than 2 decimal places"),
        ({"paid_on": "2026-11-22"}, "This day has not come yet."),
        ({"method": "shells"}, "shells is not one of the available choices"),
    ],
)
def test_a_payment_that_cannot_be_is_refused(
    changed: dict[str, str], said: str, vera: User, bill: Bill, browse: Browse
) -> None:
    invoice = bill("100.00")

    answer = browse(vera).post(url_of(invoice, "pay/"), PAYMENT | {"seen": "100"} | changed, headers=DIALOG)

    assert answer.status_code == 422
    assert said in page(answer).text
    assert not Payment.objects.exists()


def test_a_button_pressed_twice_pays_once(vera: User, bill: Bill, browse: Browse) -> None:
    invoice = bill("100.00")
    browser, sent = browse(vera), PAYMENT | {"seen": "100.0000"}
    browser.post(url_of(invoice, "pay/"), sent)

    answer = browser.post(url_of(invoice, "pay/"), sent, headers=DIALOG)

    assert answer.status_code == 422
    assert "it is 60.00 USD now" in page(answer).text
    assert Payment.objects.count() == 1
    again = page(answer).form().fields
    assert browser.post(url_of(invoice, "pay/"), again, headers=DIALOG).status_code == 204
    assert balance(invoice) == 20


def test_a_payment_is_taken_back(vera: User, bill: Bill, browse: Browse) -> None:
    invoice = bill("100.00")
    payment = pay(invoice, "60.00")
    browser, url = browse(vera), url_of(invoice, f"payments/{payment.pk}/take-back/")
    assert "60.00 USD of 10 Feb 2026" in page(browser.get(url, headers=DIALOG)).text
    assert "Take back" in page(browser.get(url_of(invoice))).text

    answer = browser.post(url, headers=DIALOG)
    again = browser.post(url, headers=DIALOG)

    assert "is owed again" in told(answer)["toast"][0]["text"]
    assert "was taken back already" in told(again)["toast"][0]["text"]
    assert balance(invoice) == 100


def test_an_adjustment_is_added(vera: User, bill: Bill, browse: Browse) -> None:
    invoice = bill("100.00")
    sent = {"amount": "-12.50", "note": "Returned orders"}

    answer = browse(vera).post(url_of(invoice, "adjust/"), sent, follow=True)

    assert answer.redirect_chain == [(url_of(invoice), 303)]
    assert ["Returned orders", "Adjustment", "", "-12.50 USD"] in page(answer).rows
    assert balance(invoice) == Decimal("87.50")
    assert InvoiceLine.objects.get(kind="adjustment").added_by == "Vera"


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"amount": "-40.01", "note": "Too much"}, "More would have been paid than is billed."),
        ({"amount": "0", "note": "Nothing"}, "Nothing is no adjustment."),
        ({"amount": "1", "note": " "}, "This field is required."),
    ],
)
def test_an_adjustment_that_cannot_be_is_refused(
    sent: dict[str, str], said: str, vera: User, bill: Bill, browse: Browse
) -> None:
    invoice = bill("100.00")
    pay(invoice, "60.00")

    answer = browse(vera).post(url_of(invoice, "adjust/"), sent, headers=DIALOG)

    assert answer.status_code == 422
    assert said in page(answer).text
    assert balance(invoice) == 40


def test_an_invoice_is_cancelled_after_a_question(vera: User, bill: Bill, browse: Browse) -> None:
    invoice = bill("100.00")
    browser = browse(vera)
    assert "It cannot be brought back." in page(browser.get(url_of(invoice, "cancel/"), headers=DIALOG)).text
    assert not Invoice.objects.get().is_cancelled

    answer = browser.post(url_of(invoice, "cancel/"), follow=True)

    assert f"{invoice} was cancelled. Its days can be billed anew." in page(answer).text
    assert Invoice.objects.get().cancelled_by == "Vera"
    assert "Record payment" not in page(answer).text
    again = browser.post(url_of(invoice, "cancel/"), headers=DIALOG)
    assert "was cancelled already" in told(again)["toast"][0]["text"]
    late = browser.post(url_of(invoice, "pay/"), PAYMENT | {"seen": "100"}, headers=DIALOG)
    assert (late.status_code, "was cancelled meanwhile" in page(late).text) == (422, True)
    late = browser.post(url_of(invoice, "adjust/"), {"amount": "1", "note": "Late"}, headers=DIALOG)
    assert (late.status_code, "was cancelled meanwhile" in page(late).text) == (422, True)


def test_what_was_paid_on_is_not_cancelled(vera: User, bill: Bill, browse: Browse) -> None:
    invoice = bill("100.00")
    pay(invoice, "1.00")

    answer = browse(vera).post(url_of(invoice, "cancel/"), headers=DIALOG)

    assert "Take the payment back first" in told(answer)["toast"][0]["text"]
    assert not Invoice.objects.get().is_cancelled
    assert "Cancel invoice" not in page(browse(vera).get(url_of(invoice))).text


def test_what_a_later_invoice_corrects_is_not_cancelled(acme: Partner, vera: User, bill: Bill, browse: Browse) -> None:
    january = bill()
    february = bill(period=month(2), items=[item("5.00", corrects=january)])

    answer = browse(vera).post(url_of(january, "cancel/"), headers=DIALOG)

    assert told(answer)["toast"][0]["text"] == f"{february} corrects {january}. Cancel that one first."


def test_another_partners_invoice_is_not_under_this_one(
    vera: User, bill: Bill, other_partner: Partner, browse: Browse
) -> None:
    invoice = bill()
    payment = pay(invoice, "1.00")
    browser, foreign = browse(vera), f"/partners/{other_partner.pk}/billing/{invoice.pk}/"

    for path in ("", "lines.csv", "pay/", "adjust/", "cancel/", f"payments/{payment.pk}/take-back/"):
        assert browser.get(f"{foreign}{path}").status_code == 404


def test_lines_are_downloaded(vera: User, bill: Bill, browse: Browse) -> None:
    assert "Candles" in browse(vera).get(url_of(bill(), "lines.csv")).getvalue().decode()


def test_changing_money_needs_partners_full(acme: Partner, bill: Bill, paul: User, browse: Browse) -> None:
    invoice = bill()
    payment = pay(invoice, "1.00")
    analyst = Role.create(name="Analyst", by=SETUP, partners="view")
    viewer = User.invite(email="priya@latchkey.example", name="Priya", role=analyst, by=SETUP)

    for path in ("pay/", "adjust/", "cancel/", f"payments/{payment.pk}/take-back/"):
        for send in (browse(viewer).get, browse(viewer).post):
            refused = send(url_of(invoice, path))
            assert refused.status_code == 403
            assert "Partners: full" in page(refused).text
        assert browse(paul).post(url_of(invoice, path)).status_code == 404
    assert browse(viewer).get(f"/partners/{acme.pk}/billing/raise/").status_code == 403
    assert browse(viewer).get(url_of(invoice)).status_code == 200
    assert browse(viewer).get(f"/partners/{acme.pk}/billing/").status_code == 200


def test_every_dialog_is_a_page_too(vera: User, bill: Bill, browse: Browse) -> None:
    invoice = bill()
    payment = pay(invoice, "1.00")

    for path, heading in (
        ("pay/", "Record payment"),
        ("adjust/", "Add adjustment"),
        ("cancel/", "Cancel this invoice?"),
        (f"payments/{payment.pk}/take-back/", "Take this payment back?"),
    ):
        assert page(browse(vera).get(url_of(invoice, path))).heading == heading
