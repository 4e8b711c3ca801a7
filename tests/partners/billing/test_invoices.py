from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.utils.timezone import now

from partners.billing.models import (
    AlreadyBilled,
    AlreadyCancelled,
    AlreadyTakenBack,
    BalanceChanged,
    BelowPaid,
    CarriedOn,
    HasPayments,
    Invoice,
    InvoiceLine,
    MoreThanOwed,
    NothingToBill,
    Payment,
    Period,
    TooFine,
)
from partners.models import Partner
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from tests.conftest import SETUP
from tests.partners.billing.conftest import Bill, item, month

pytestmark = pytest.mark.django_db

PAID: dict[str, Any] = {"method": Payment.Method.BANK_TRANSFER, "paid_on": date(2026, 2, 10), "by": SETUP}


def totals(invoice: Invoice) -> tuple[Any, ...]:
    now_is = Invoice.objects.with_totals().get(pk=invoice.pk)
    return now_is.billed, now_is.paid, now_is.balance, now_is.status


def test_an_invoice_owes_the_sum_of_its_lines(acme: Partner, bill: Bill) -> None:
    invoice = bill("100.00", "2.50")

    assert str(invoice) == f"INV-{acme.pk}-0001"
    assert totals(invoice) == (Decimal("102.50"), 0, Decimal("102.50"), "unpaid")
    assert [line.offer_name for line in invoice.lines.all()] == ["Candles", "Candles"]
    event = Event.objects.get(kind=EventKind.INVOICE_RAISED)
    assert (event.subject_label, event.partner_id) == (str(invoice), acme.pk)
    assert event.details == {"period": "January 2026", "billed": "102.50\xa0USD"}


def test_numbers_count_the_partners_invoices(bill: Bill, other_partner: Partner) -> None:
    first, second = bill(), bill(period=month(2))
    foreign = bill(partner=other_partner)

    second.cancel(by=SETUP)
    third = bill(period=month(2))

    assert [first.number, second.number, third.number, foreign.number] == [1, 2, 3, 1]


@pytest.mark.parametrize("amounts", [(), ("0.00",), ("10.00", "-10.00"), ("10.00", "-12.00")])
def test_nothing_is_billed_when_it_comes_to_nothing(acme: Partner, amounts: tuple[str, ...]) -> None:
    items = [item(amount) for amount in amounts]

    with pytest.raises(NothingToBill):
        Invoice.raise_for(acme, period=month(1), currency="USD", items=items, by=SETUP)

    assert not Invoice.objects.exists()


def test_days_are_billed_once(bill: Bill) -> None:
    january = bill()

    with pytest.raises(AlreadyBilled) as refused:
        bill(period=Period(date(2026, 1, 31), date(2026, 2, 27), "UTC"))

    assert refused.value.invoice == january
    bill(period=month(2))
    bill(currency="EUR")


def test_a_cancelled_invoice_leaves_its_days_to_another(bill: Bill) -> None:
    bill().cancel(by=SETUP)

    again = bill()

    assert list(Invoice.objects.standing()) == [again]
    assert Event.objects.filter(kind=EventKind.INVOICE_CANCELLED).count() == 1


def test_neighbouring_days_overlap_when_their_time_zones_make_them(bill: Bill) -> None:
    bill(period=month(1, timezone="America/Los_Angeles"))

    with pytest.raises(AlreadyBilled):
        bill(period=month(2, timezone="Europe/Berlin"))

    bill(period=month(2, timezone="America/Los_Angeles"))


@pytest.mark.parametrize("timezone", ["America/Santiago", "America/New_York", "Asia/Beirut", "Pacific/Apia", "UTC"])
def test_the_database_and_python_agree_when_a_period_begins_and_ends(bill: Bill, timezone: str) -> None:
    for number in range(1, 13):
        invoice = bill(period=month(number, timezone=timezone))

        just_before = Period(date(2025, 12, 1), date(2025, 12, 31), timezone)
        assert not Invoice.objects.overlapping(just_before)
        assert list(Invoice.objects.overlapping(invoice.period)) == [invoice]


def test_a_payment_lowers_the_balance(acme: Partner, bill: Bill) -> None:
    invoice = bill("100.00")

    invoice.record_payment(amount=Decimal("60.00"), reference="SEPA 7781", **PAID)

    assert totals(invoice) == (100, 60, 40, "unpaid")
    event = Event.objects.get(kind=EventKind.PAYMENT_RECORDED)
    assert event.details == {"amount": "60.00\xa0USD", "method": "bank_transfer", "reference": "SEPA 7781"}
    invoice.record_payment(amount=Decimal("40.00"), **PAID)
    assert totals(invoice) == (100, 100, 0, "paid")
    assert list(Invoice.objects.with_totals().paid_up()) == [invoice]
    assert not Invoice.objects.with_totals().unpaid()


def test_no_more_is_paid_than_is_owed(bill: Bill) -> None:
    invoice = bill("100.00")
    invoice.record_payment(amount=Decimal("60.00"), **PAID)

    with pytest.raises(MoreThanOwed) as refused:
        invoice.record_payment(amount=Decimal("40.01"), **PAID)

    assert refused.value.balance == 40
    assert totals(invoice)[1] == 60


def test_a_payment_for_a_balance_that_has_changed_is_refused(bill: Bill) -> None:
    invoice = bill("100.00")
    invoice.record_payment(amount=Decimal("50.00"), seen=Decimal(100), **PAID)

    with pytest.raises(BalanceChanged) as refused:
        invoice.record_payment(amount=Decimal("50.00"), seen=Decimal(100), **PAID)

    assert refused.value.balance == 50
    assert invoice.payments.count() == 1


def test_a_payment_taken_back_is_owed_again(acme: Partner, bill: Bill) -> None:
    invoice = bill("100.00")
    payment = invoice.record_payment(amount=Decimal("100.00"), reference="Typo", **PAID)

    payment.take_back(by=SETUP)

    assert totals(invoice) == (100, 0, 100, "unpaid")
    event = Event.objects.get(kind=EventKind.PAYMENT_TAKEN_BACK)
    assert event.details == {"amount": "100.00\xa0USD", "reference": "Typo"}
    with pytest.raises(AlreadyTakenBack):
        Payment.objects.get(pk=payment.pk).take_back(by=SETUP)


def test_an_adjustment_changes_what_is_billed(bill: Bill) -> None:
    invoice = bill("100.00")

    invoice.add_adjustment(amount=Decimal("-12.50"), note="Returned orders of December", by=SETUP)

    assert totals(invoice)[0] == Decimal("87.50")
    assert str(invoice.lines.last()) == "Returned orders of December"
    event = Event.objects.get(kind=EventKind.INVOICE_ADJUSTED)
    assert event.details == {"amount": "-12.50\xa0USD", "note": "Returned orders of December"}


def test_an_adjustment_cannot_take_away_what_was_paid(bill: Bill) -> None:
    invoice = bill("100.00")
    invoice.record_payment(amount=Decimal("60.00"), **PAID)

    with pytest.raises(BelowPaid):
        invoice.add_adjustment(amount=Decimal("-40.01"), note="Too much", by=SETUP)

    invoice.add_adjustment(amount=Decimal("-40.00"), note="All that is left", by=SETUP)
    assert totals(invoice) == (60, 60, 0, "paid")


def test_what_was_paid_on_cannot_be_cancelled(bill: Bill) -> None:
    invoice = bill("100.00")
    payment = invoice.record_payment(amount=Decimal("1.00"), **PAID)

    with pytest.raises(HasPayments):
        invoice.cancel(by=SETUP)

    payment.take_back(by=SETUP)
    invoice.cancel(by=SETUP)
    assert Invoice.objects.get().is_cancelled


def test_what_a_later_invoice_corrects_cannot_be_cancelled_before_it(acme: Partner, bill: Bill) -> None:
    january = bill()
    february = bill(period=month(2), items=[item("100.00"), item("-5.00", corrects=january, quantity=-1)])

    with pytest.raises(CarriedOn) as refused:
        january.cancel(by=SETUP)

    assert refused.value.invoice == february
    february.cancel(by=SETUP)
    january.cancel(by=SETUP)


def pay(invoice: Invoice) -> object:
    return invoice.record_payment(amount=Decimal(1), **PAID)


def adjust(invoice: Invoice) -> object:
    return invoice.add_adjustment(amount=Decimal(1), note="More", by=SETUP)


@pytest.mark.parametrize("verb", [pay, adjust, lambda invoice: invoice.cancel(by=SETUP)])
def test_a_cancelled_invoice_is_left_alone(bill: Bill, verb: Callable[[Invoice], object]) -> None:
    invoice = bill()
    Invoice.objects.get().cancel(by=SETUP)

    with pytest.raises(AlreadyCancelled):
        verb(invoice)


def test_nobody_is_billed_fractions_of_the_smallest_coin(bill: Bill) -> None:
    invoice = bill()
    yen = bill("1000", currency="JPY")

    with pytest.raises(TooFine):
        invoice.record_payment(amount=Decimal("0.001"), **PAID)
    with pytest.raises(TooFine):
        yen.add_adjustment(amount=Decimal("0.5"), note="Half a yen", by=SETUP)
    with pytest.raises(TooFine):
        bill("0.001", period=month(3))


def test_an_invoice_is_overdue_once_its_terms_have_passed(bill: Bill) -> None:
    with time_machine.travel(datetime(2026, 2, 1, 12, tzinfo=UTC), tick=False):
        bill(payment_terms=14)

    for day, overdue in ((15, False), (16, True)):
        with time_machine.travel(datetime(2026, 2, day, 1, tzinfo=UTC), tick=False):
            assert Invoice.objects.with_totals().get().is_overdue is overdue
    assert Invoice.objects.get().due_on == date(2026, 2, 15)


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (date(2026, 2, 1), date(2026, 2, 28), "February 2026"),
        (date(2026, 2, 1), date(2026, 2, 27), "1 – 27 Feb 2026"),
        (date(2026, 2, 3), date(2026, 2, 3), "3 Feb 2026"),
        (date(2026, 1, 15), date(2026, 2, 14), "15 Jan – 14 Feb 2026"),
        (date(2025, 12, 15), date(2026, 1, 14), "15 Dec 2025 – 14 Jan 2026"),
    ],
)
def test_a_period_is_said_in_few_words(first: date, last: date, words: str) -> None:
    assert str(Period(first, last, "UTC")) == words


def test_a_month_knows_the_one_before_it() -> None:
    assert Period.month_before(date(2026, 3, 31), "UTC") == month(2)
    assert Period.month_before(date(2026, 1, 1), "UTC") == Period(date(2025, 12, 1), date(2025, 12, 31), "UTC")


def refused_by(name: str) -> Any:
    return pytest.raises(IntegrityError, match=name)


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("invoice_number_counts_from_one", {"number": 0}),
        ("invoice_period_is_in_order", {"ends_on": date(2025, 12, 31)}),
        ("invoice_payment_terms_are_within_a_year", {"payment_terms": 366}),
        ("invoice_created_at_and_by", {"created_by": ""}),
        ("invoice_cancelled_at_and_by", {"cancelled_by": "Vera"}),
        ("invoice_cancelled_at_and_by", {"cancelled_at": now()}),
    ],
)
def test_the_database_refuses_an_invoice_that_contradicts_itself(
    name: str, broken: dict[str, object], bill: Bill
) -> None:
    invoice = bill()

    with refused_by(name):
        Invoice.objects.filter(pk=invoice.pk).update(**broken)


def test_the_database_refuses_a_second_invoice_for_the_same_days(bill: Bill) -> None:
    invoice, cancelled = bill(), bill(period=month(2))
    cancelled.cancel(by=SETUP)

    with refused_by("invoices_of_a_partner_do_not_overlap"), transaction.atomic():
        Invoice.objects.filter(pk=cancelled.pk).update(starts_on=invoice.ends_on, cancelled_at=None, cancelled_by="")
    with refused_by("invoice_number_is_one_of_its_partner"), transaction.atomic():
        Invoice.objects.filter(pk=cancelled.pk).update(number=invoice.number)


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("line_amount_is_not_zero", {"amount": 0}),
        ("line_kind_is_known", {"kind": "gift"}),
        ("line_says_what_it_is_for", {"kind": "adjustment", "note": "Why"}),
        ("line_says_what_it_is_for", {"offer_id": None}),
        ("line_says_what_it_is_for", {"offer_name": ""}),
        ("line_takes_back_in_corrections_alone", {"quantity": 0}),
        ("line_added_at_and_by", {"added_by": ""}),
        ("line_of_an_offer_is_one", {"offer_id": 43}),
    ],
)
def test_the_database_refuses_a_line_that_contradicts_itself(name: str, broken: dict[str, object], bill: Bill) -> None:
    line = bill("1.00", "2.00").lines.earliest("pk")

    with refused_by(name):
        InvoiceLine.objects.filter(pk=line.pk).update(**broken)


def test_the_database_refuses_to_correct_the_same_twice(bill: Bill) -> None:
    january = bill()
    correction = item("5.00", corrects=january)

    with refused_by("correction_of_an_offer_is_one"):
        bill(period=month(2), items=[correction, correction])


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("payment_amount_is_positive", {"amount": 0}),
        ("payment_amount_is_positive", {"amount": -1}),
        ("payment_method_is_known", {"method": "shells"}),
        ("payment_recorded_at_and_by", {"recorded_by": ""}),
        ("payment_taken_back_at_and_by", {"taken_back_by": "Vera"}),
        ("payment_taken_back_at_and_by", {"taken_back_at": now()}),
    ],
)
def test_the_database_refuses_a_payment_that_contradicts_itself(
    name: str, broken: dict[str, object], bill: Bill
) -> None:
    payment = bill().record_payment(amount=Decimal(1), **PAID)

    with refused_by(name):
        Payment.objects.filter(pk=payment.pk).update(**broken)
