"""Two managers at the same moment: real threads on connections of their own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connection

from partners.billing.models import Invoice, Payment
from partners.models import Partner
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from tests.conftest import SETUP
from tests.partners.billing.conftest import Bill, item, month

pytestmark = pytest.mark.django_db(transaction=True)

HOW_MANY = 5


def at_once(action: Callable[[], object], count: int = HOW_MANY) -> list[str]:
    """What came of the action in so many threads, let go in the same moment."""
    barrier = Barrier(count)

    def run(_: int) -> str:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=120)
            return type(action()).__name__
        except Exception as error:  # noqa: BLE001  what was raised is what the test asks about
            return type(error).__name__
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return sorted(pool.map(run, range(count)))


def pay(invoice: Invoice, amount: str) -> Payment:
    own = Invoice.objects.get(pk=invoice.pk)
    return own.record_payment(amount=Decimal(amount), method=Payment.Method.PAYPAL, paid_on=date(2026, 2, 10), by=SETUP)


def test_who_pay_at_once_never_pay_too_much(bill: Bill) -> None:
    invoice = bill("100.00")

    results = at_once(lambda: pay(invoice, "40.00"))

    assert results == ["MoreThanOwed"] * 3 + ["Payment"] * 2
    assert Invoice.objects.with_totals().get().balance == 20
    assert Event.objects.filter(kind=EventKind.PAYMENT_RECORDED).count() == 2


def test_who_raise_the_same_invoice_at_once_raise_one(bill: Bill) -> None:
    results = at_once(bill)

    assert results == ["AlreadyBilled"] * (HOW_MANY - 1) + ["Invoice"]
    assert Event.objects.filter(kind=EventKind.INVOICE_RAISED).count() == 1


def test_who_raise_for_different_months_at_once_get_numbers_of_their_own(acme: Partner) -> None:
    months = iter(range(1, HOW_MANY + 1))

    def raise_next() -> Invoice:
        period = month(next(months))
        return Invoice.raise_for(acme, period=period, currency="USD", items=[item()], by=SETUP)

    assert at_once(raise_next) == ["Invoice"] * HOW_MANY
    assert sorted(Invoice.objects.values_list("number", flat=True)) == [1, 2, 3, 4, 5]


def test_an_invoice_is_paid_or_cancelled_but_never_both(bill: Bill) -> None:
    invoice = bill("100.00")
    actions = iter([lambda: pay(invoice, "40.00"), lambda: Invoice.objects.get().cancel(by=SETUP)])

    def act() -> object:
        return next(actions)()

    results = at_once(act, 2)

    assert results in (["AlreadyCancelled", "NoneType"], ["HasPayments", "Payment"])
    now_is = Invoice.objects.with_totals().get()
    assert now_is.is_cancelled is (now_is.paid == 0)


def test_a_payment_taken_back_at_once_is_taken_back_once(bill: Bill) -> None:
    payment = pay(bill("100.00"), "100.00")

    results = at_once(lambda: Payment.objects.get(pk=payment.pk).take_back(by=SETUP))

    assert results == ["AlreadyTakenBack"] * (HOW_MANY - 1) + ["NoneType"]
