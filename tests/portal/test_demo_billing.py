from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command

from partners.billing.models import Invoice
from partners.billing.statement import unbilled
from partners.models import Partner
from portal.accounts.models import Event
from portal.network.models import Network
from tests.conftest import SETUP
from tests.partners.conftest import Launch, launch
from tests.partners.traffic.conftest import clicked, converted

__all__ = ["launch"]

pytestmark = pytest.mark.django_db


def run(command: str) -> str:
    said = StringIO()
    call_command(command, stdout=said)
    return said.getvalue()


def test_the_demo_has_billed_the_months_before_its_traffic() -> None:
    run("demo")

    invoices = list(Invoice.objects.with_totals().filter(partner__name="Acme Media"))
    assert len(invoices) == 4
    assert all(each.created_at.date() == each.period.end.date() for each in invoices)
    assert {line.kind for each in invoices for line in each.lines.all()} == {"adjustment"}
    assert {each.status for each in Invoice.objects.with_totals()} == {"paid", "unpaid"}
    assert unbilled(invoices[0].partner)["USD"] == 0


@time_machine.travel(datetime(2026, 8, 20, tzinfo=UTC), tick=False)
def test_the_months_of_the_traffic_are_billed_after_it(network: Network, acme: Partner, launch: Launch) -> None:
    candles = launch()
    network.change(by=SETUP, timezone="America/New_York")
    clicked(acme, candles, datetime(2026, 6, 21, tzinfo=UTC))
    for month in (6, 7, 8):
        converted(acme, candles, datetime(2026, month, 22, tzinfo=UTC), payout=Decimal(100))
    events = Event.objects.count()

    said = run("demo_invoices")

    assert "2 invoices raised for the months of the traffic." in said
    invoices = Invoice.objects.with_totals().order_by("starts_on")
    assert [str(each.period) for each in invoices] == ["June 2026", "July 2026"]
    assert [each.created_at for each in invoices] == [each.period.end.replace(hour=12, minute=15) for each in invoices]
    assert all(each.updated_at <= datetime(2026, 8, 20, tzinfo=UTC) for each in invoices)
    assert unbilled(acme)["USD"] == 0
    assert Event.objects.count() == events
    assert "0 invoices" in run("demo_invoices")


def test_without_traffic_there_is_nothing_to_bill(network: Network) -> None:
    assert "0 invoices" in run("demo_invoices")
