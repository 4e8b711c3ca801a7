from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partners.billing.models import AlreadyBilled, Invoice, NothingToBill, Period
from partners.billing.statement import (
    NotOverYet,
    StatementChanged,
    bill,
    currencies_of,
    statement_of,
    unbilled,
)
from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.models import Click, Conversion, Impression
from tests.conftest import SETUP
from tests.partners.billing.conftest import month
from tests.partners.conftest import Launch
from tests.partners.traffic.conftest import clicked, converted, shown

pytestmark = pytest.mark.django_db

JULY = month(7)
MIDDAY = datetime(2026, 7, 10, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _in_september() -> Any:
    with time_machine.travel(datetime(2026, 9, 2, 9, tzinfo=UTC), tick=False):
        yield


def billed(partner: Partner, period: Period = JULY, currency: str = "USD") -> Invoice:
    return bill(partner, period=period, currency=currency, by=SETUP)


def rows(partner: Partner, period: Period = JULY, currency: str = "USD") -> list[tuple[Any, ...]]:
    statement = statement_of(partner, period, currency)
    return [(item.offer_name, item.kind.value, item.quantity, str(item.amount)) for item in statement.items]


def test_a_statement_sums_up_what_paid_by_offer(acme: Partner, launch: Launch) -> None:
    candles, soap = launch("Candles"), launch("Soap")
    for amount in ("10.00", "2.50"):
        converted(acme, candles, MIDDAY, payout=Decimal(amount))
    converted(acme, candles, MIDDAY, payout=Decimal("1.25"), is_event=True, event_name="deposit")
    for _ in range(3):
        clicked(acme, soap, MIDDAY, payout=Decimal("0.115"))
    shown(acme, soap, MIDDAY, payout=Decimal("0.0049"))
    shown(acme, soap, MIDDAY, payout=Decimal("0.0001"))

    assert rows(acme) == [
        ("Candles", "conversions", 2, "12.50"),
        ("Candles", "events", 1, "1.25"),
        ("Soap", "clicks", 3, "0.35"),
        ("Soap", "impressions", 2, "0.01"),
    ]


@pytest.mark.parametrize("status", ["pending", "rejected", "invalid", "on_hold"])
def test_only_approved_conversions_are_billed(acme: Partner, launch: Launch, status: str) -> None:
    converted(acme, launch(), MIDDAY, status=status)

    assert rows(acme) == []


def test_what_earned_nothing_has_no_line(acme: Partner, launch: Launch) -> None:
    candles = launch()
    clicked(acme, candles, MIDDAY)
    clicked(acme, candles, MIDDAY, error_code=11, is_unique=False)
    converted(acme, candles, MIDDAY, payout=0)
    shown(acme, candles, MIDDAY, payout=Decimal("0.0049"))

    assert rows(acme) == []


def test_a_statement_is_of_one_partner_and_one_currency(acme: Partner, other_partner: Partner, launch: Launch) -> None:
    dollars, euros = launch("Candles"), launch("Kerzen", currency="EUR")
    converted(acme, dollars, MIDDAY)
    converted(acme, euros, MIDDAY, payout=Decimal(7))
    converted(other_partner, dollars, MIDDAY, payout=Decimal(3))

    assert rows(acme) == [("Candles", "conversions", 1, "10.00")]
    assert rows(acme, currency="EUR") == [("Kerzen", "conversions", 1, "7.00")]
    assert rows(other_partner) == [("Candles", "conversions", 1, "3.00")]
    assert currencies_of(acme) == ["USD", "EUR"]


def test_a_period_begins_and_ends_at_midnight_of_its_time_zone(acme: Partner, launch: Launch) -> None:
    candles = launch()
    midnight = datetime(2026, 7, 1, 4, tzinfo=UTC)
    for at in (midnight - timedelta(milliseconds=1), midnight, datetime(2026, 8, 1, 3, 59, 59, 999000, tzinfo=UTC)):
        converted(acme, candles, at, payout=Decimal(1))
    converted(acme, candles, datetime(2026, 8, 1, 4, tzinfo=UTC), payout=Decimal(1))

    assert rows(acme, month(7, timezone="America/New_York")) == [("Candles", "conversions", 2, "2.00")]


def test_an_invoice_bills_the_statement(acme: Partner, launch: Launch) -> None:
    converted(acme, launch(), MIDDAY)

    invoice = bill(acme, period=JULY, currency="USD", by=SETUP, payment_terms=14, notes="Hello", seen=Decimal(10))

    assert Invoice.objects.with_totals().get() == invoice
    assert (invoice.payment_terms, invoice.notes, invoice.period) == (14, "Hello", JULY)
    assert [str(line) for line in invoice.lines.filter(quantity=1, amount=10)] == ["Candles: Conversions"]
    assert unbilled(acme)["USD"] == 0


def test_a_period_that_goes_on_is_not_billed(acme: Partner, launch: Launch) -> None:
    converted(acme, launch(), MIDDAY)
    today = date(2026, 9, 2)

    with pytest.raises(NotOverYet):
        billed(acme, Period(date(2026, 7, 1), today, "UTC"))

    yesterday = Period(date(2026, 7, 1), today - timedelta(days=1), "UTC")
    assert billed(acme, yesterday).period == yesterday


def test_nothing_is_billed_that_nobody_has_seen(acme: Partner, launch: Launch) -> None:
    candles = launch()
    converted(acme, candles, MIDDAY)
    seen = statement_of(acme, JULY, "USD").total
    converted(acme, candles, MIDDAY, payout=Decimal(5))

    with pytest.raises(StatementChanged) as refused:
        bill(acme, period=JULY, currency="USD", by=SETUP, seen=seen)

    assert refused.value.statement.total == 15
    assert not Invoice.objects.exists()


def test_a_period_is_billed_once(acme: Partner, launch: Launch) -> None:
    converted(acme, launch(), MIDDAY)
    billed(acme)

    with pytest.raises(AlreadyBilled):
        billed(acme)
    with pytest.raises(NothingToBill):
        billed(acme, month(8))


def settle(conversion: Conversion, status: str) -> None:
    Conversion.objects.filter(id=conversion.id).update(status=status)


def test_a_conversion_approved_after_its_month_was_billed_is_billed_with_the_next(
    acme: Partner, launch: Launch
) -> None:
    candles = launch()
    converted(acme, candles, MIDDAY)
    held = converted(acme, candles, MIDDAY, payout=Decimal("4.20"), status="on_hold")
    july = billed(acme)
    settle(held, "approved")
    converted(acme, candles, datetime(2026, 8, 3, tzinfo=UTC), payout=Decimal(1))

    assert unbilled(acme)["USD"] == Decimal("5.20")
    august = billed(acme, month(8))

    line, correction = august.lines.select_related("corrects")
    assert (line.quantity, line.amount, line.corrects) == (1, Decimal(1), None)
    assert (correction.quantity, correction.amount, correction.corrects) == (1, Decimal("4.20"), july)
    assert correction.explanation == f"Correction of {july} (July 2026)"
    assert unbilled(acme)["USD"] == 0
    assert statement_of(acme, Period(date(2026, 9, 1), date(2026, 9, 1), "UTC"), "USD").items == []


def test_a_conversion_rejected_after_its_month_was_billed_is_taken_back_with_the_next(
    acme: Partner, launch: Launch
) -> None:
    candles, soap = launch("Candles"), launch("Soap")
    returned = converted(acme, candles, MIDDAY, payout=Decimal(8))
    converted(acme, candles, MIDDAY, payout=Decimal(2))
    billed(acme)
    settle(returned, "rejected")
    converted(acme, soap, datetime(2026, 8, 3, tzinfo=UTC), payout=Decimal(20))

    assert rows(acme, month(8)) == [("Soap", "conversions", 1, "20.00"), ("Candles", "conversions", -1, "-8.00")]


def test_what_was_taken_back_and_given_again_evens_out(acme: Partner, launch: Launch) -> None:
    candles = launch()
    returned = converted(acme, candles, MIDDAY, payout=Decimal(8))
    billed(acme)
    for number, day in enumerate((1, 2, 3)):
        at = datetime(2026, 8, day, 8, tzinfo=UTC)
        converted(acme, candles, at, payout=Decimal(20))
        settle(returned, ("rejected", "approved", "rejected")[number])

        invoice = billed(acme, Period(date(2026, 8, day), date(2026, 8, day), "UTC"))

        assert [line.amount for line in invoice.lines.all()] == [20, (-8, 8, -8)[number]]


def test_more_taken_back_than_earned_waits_for_the_next_invoice(acme: Partner, launch: Launch) -> None:
    candles = launch()
    returned = converted(acme, candles, MIDDAY, payout=Decimal(8))
    billed(acme)
    settle(returned, "rejected")
    converted(acme, candles, datetime(2026, 8, 3, tzinfo=UTC), payout=Decimal(1))

    with pytest.raises(NothingToBill):
        billed(acme, month(8))

    assert unbilled(acme)["USD"] == -7


def test_a_cancelled_invoice_corrects_nothing_and_is_not_corrected(acme: Partner, launch: Launch) -> None:
    candles = launch()
    held = converted(acme, candles, MIDDAY, payout=Decimal(4), status="on_hold")
    converted(acme, candles, MIDDAY, payout=Decimal(1))
    converted(acme, candles, datetime(2026, 8, 3, tzinfo=UTC), payout=Decimal(2))
    july = billed(acme)
    settle(held, "approved")
    august = billed(acme, month(8))

    august.cancel(by=SETUP)
    assert unbilled(acme)["USD"] == 6
    july.cancel(by=SETUP)
    assert unbilled(acme)["USD"] == 7
    assert rows(acme) == [("Candles", "conversions", 2, "5.00")]


def test_an_old_invoice_is_no_longer_corrected(acme: Partner, launch: Launch) -> None:
    conversion = converted(acme, launch(), MIDDAY)
    billed(acme)
    settle(conversion, "rejected")

    for day, owed in ((date(2027, 1, 31), -10), (date(2027, 2, 1), 0)):
        with time_machine.travel(datetime(day.year, day.month, day.day, 8, tzinfo=UTC), tick=False):
            assert unbilled(acme)["USD"] == owed


def test_adjustments_are_nobodys_conversions(acme: Partner, launch: Launch) -> None:
    converted(acme, launch(), MIDDAY)
    billed(acme).add_adjustment(amount=Decimal(3), note="A bonus", by=SETUP)

    assert unbilled(acme)["USD"] == 0


def test_corrections_of_many_invoices_take_as_many_queries_as_of_one(acme: Partner, launch: Launch) -> None:
    candles = launch()

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert unbilled(acme)["USD"] == 0
        return len(captured)

    counts = []
    for day in range(1, 12):
        converted(acme, candles, datetime(2026, 8, day, 8, tzinfo=UTC))
        billed(acme, Period(date(2026, 8, day), date(2026, 8, day), "UTC"))
        counts.append(queries())

    assert counts[0] == counts[-1]


DAYS = st.integers(0, 29)
PAYOUTS = st.decimals("0", "3", places=2)
VISITS = st.lists(
    st.tuples(st.sampled_from(["conversion", "event", "click", "impression"]), DAYS, st.booleans(), PAYOUTS),
    max_size=25,
)


@given(visits=VISITS, cut=st.integers(1, 28), late=st.lists(st.tuples(DAYS, PAYOUTS), max_size=4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_invoices_and_what_is_unbilled_come_to_what_was_earned(
    acme: Partner, launch: Launch, visits: list[Any], cut: int, late: list[Any]
) -> None:
    for kind in (Click, Impression, Conversion):
        kind.objects.all().delete()
    for invoice in Invoice.objects.all().order_by("-pk"):
        invoice.lines.all().delete()
    Invoice.objects.all().delete()
    offers = list(Offer.objects.all()) or [launch("Candles"), launch("Soap")]
    for kind, day, first, payout in visits:
        visit(acme, offers[first], kind, datetime(2026, 8, 1 + day, 12, tzinfo=UTC), payout)

    for period in (
        Period(date(2026, 8, 1), date(2026, 8, cut), "UTC"),
        Period(date(2026, 8, cut + 1), date(2026, 8, 31), "UTC"),
    ):
        for day, payout in late:
            visit(acme, offers[0], "conversion", datetime(2026, 8, 1 + day, 13, tzinfo=UTC), payout)
        try:
            billed(acme, period)
        except NothingToBill:
            continue

    standing = Invoice.objects.with_totals()
    in_invoices = sum((invoice.billed for invoice in standing), Decimal(0))
    earned = sum((row.payout for kind in (Click, Impression, Conversion) for row in kind.objects.all()), Decimal(0))
    assert in_invoices + unbilled(acme)["USD"] == earned


def visit(partner: Partner, offer: Offer, kind: str, at: datetime, payout: Decimal) -> None:
    make: dict[str, Callable[..., Any]] = {
        "conversion": converted,
        "event": lambda *args, **said: converted(*args, is_event=True, event_name="deposit", **said),
        "click": clicked,
        "impression": shown,
    }
    make[kind](partner, offer, at, payout=payout)
