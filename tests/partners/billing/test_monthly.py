from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from procrastinate.contrib.django.models import ProcrastinateJob

from partners.billing.jobs import raise_invoices, raise_invoices_of
from partners.billing.models import Invoice
from partners.billing.monthly import last_month
from partners.models import Partner
from portal.accounts.models import Event
from portal.network.models import Network
from tests.conftest import SETUP
from tests.partners.billing.conftest import Bill, month
from tests.partners.conftest import Launch
from tests.partners.traffic.conftest import converted

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 8, 1, 12, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _on_the_first(network: Network) -> Any:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def earned(acme: Partner, other_partner: Partner, launch: Launch) -> None:
    converted(acme, launch("Candles"), datetime(2026, 7, 10, tzinfo=UTC))
    converted(acme, launch("Kerzen", currency="EUR"), datetime(2026, 7, 10, tzinfo=UTC), payout=Decimal(7))
    converted(other_partner, launch("Soap"), datetime(2026, 6, 10, tzinfo=UTC))


def command(*arguments: str) -> str:
    said = StringIO()
    call_command("raise_invoices", *arguments, stdout=said)
    return said.getvalue()


def work() -> None:
    """Does the jobs that wait, as the worker would."""
    for job in ProcrastinateJob.objects.filter(task_name="billing.raise_invoices_of", status="todo"):
        raise_invoices_of(**job.args)


def test_the_worker_raises_last_months_invoices_on_the_first(acme: Partner, earned: None) -> None:
    raise_invoices(int(NOON.timestamp()))
    work()

    invoices = Invoice.objects.with_totals().order_by("currency")
    assert [(str(each.partner), each.currency, each.billed) for each in invoices] == [
        ("Acme Media", "EUR", Decimal(7)),
        ("Acme Media", "USD", Decimal(10)),
    ]
    assert {each.period for each in invoices} == {month(7)}
    event = Event.objects.filter(kind="invoice.raised").latest("pk")
    assert event.actor_label == "The worker, on the first of the month"


def test_asking_again_raises_nothing_again(acme: Partner, earned: None) -> None:
    for _ in range(2):
        raise_invoices(int(NOON.timestamp()))
    assert ProcrastinateJob.objects.filter(task_name="billing.raise_invoices_of").count() == 2
    for _ in range(2):
        work()

    assert Invoice.objects.count() == 2


def test_what_somebody_has_cancelled_is_not_raised_again(acme: Partner, earned: None) -> None:
    command()
    for invoice in Invoice.objects.all():
        invoice.cancel(by=SETUP)

    assert "0 invoices raised for July 2026." in command()


def test_where_some_of_the_month_is_billed_a_person_decides(bill: Bill, earned: None) -> None:
    bill(period=month(7))

    command()

    assert sorted(Invoice.objects.values_list("currency", flat=True)) == ["EUR", "USD"]


def test_the_command_says_what_it_has_raised(acme: Partner, earned: None) -> None:
    said = command()

    assert f"INV-{acme.pk}-0001  Acme Media  10.00\xa0USD\n" in said
    assert f"INV-{acme.pk}-0002  Acme Media  7.00\xa0EUR\n" in said
    assert "2 invoices raised for July 2026." in said


def test_the_command_takes_a_month(other_partner: Partner, earned: None) -> None:
    said = command("--month", "2026-06")

    assert f"INV-{other_partner.pk}-0001  Orbit Deals  10.00\xa0USD\n" in said
    assert "1 invoice raised for June 2026." in said


@pytest.mark.parametrize("name", ["2026-13", "June", "2026", "2026-6", "26-06"])
def test_the_command_knows_no_other_way_to_write_a_month(name: str) -> None:
    with pytest.raises(CommandError, match=f"{name} is no month"):
        command("--month", name)


def test_the_command_does_not_bill_a_month_that_goes_on(acme: Partner) -> None:
    with pytest.raises(CommandError, match="August 2026 is not over yet"):
        command("--month", "2026-08")


@pytest.mark.parametrize(("timezone", "number"), [("Pacific/Midway", 7), ("Pacific/Kiritimati", 7), ("UTC", 7)])
def test_last_month_is_the_networks(network: Network, timezone: str, number: int) -> None:
    network.change(by=SETUP, timezone=timezone)

    assert last_month(NOON) == month(number, timezone=timezone)


def test_a_partner_that_is_gone_is_no_error(earned: None) -> None:
    raise_invoices_of(partner_id=0, month="2026-07")

    assert not Invoice.objects.exists()
