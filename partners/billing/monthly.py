"""Last month's invoices, for everybody who has earned something."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from django.db import transaction

from partners.billing.models import AlreadyBilled, Invoice, NothingToBill, Period
from partners.billing.statement import NotOverYet, bill, currencies_of, earned_in, is_over
from partners.models import Partner
from portal.network.models import Network

if TYPE_CHECKING:
    from portal.accounts.actors import Actor


def last_month(at: datetime) -> Period:
    """The month before the one that ``at`` is in where the network is."""
    network = Network.load()
    return Period.month_before(at.astimezone(network.zone).date(), network.timezone)


def month_named(name: str) -> Period:
    """The month that is written as YYYY-MM, where the network is.

    :raises ValueError: when it is written in another way
    """
    return Period.month(date.fromisoformat(f"{name}-01"), Network.load().timezone)


@transaction.atomic
def raise_month(partner: Partner, month: Period, *, by: Actor) -> list[Invoice]:
    """Raises the partner's invoices for the month, one for each currency in which it has earned something.

    Nothing is raised twice: not where an invoice covers some of the month, and not where one for just this month was
    cancelled, because somebody has decided so.

    :raises NotOverYet: when the month goes on
    """
    if not is_over(month):
        raise NotOverYet
    earned = earned_in(partner, {currency: [(month.start, month.end)] for currency in currencies_of(partner)})
    # Where nothing was earned and nothing ever billed there is nothing to correct either.
    billed = set(partner.invoices.standing().order_by().values_list("currency", flat=True))
    raised = []
    for currency in (currency for currency, items in earned.items() if items or currency in billed):
        cancelled = partner.invoices.exclude(cancelled_at=None).filter(currency=currency)
        if cancelled.filter(starts_on=month.starts_on, ends_on=month.ends_on).exists():
            continue
        try:
            raised.append(bill(partner, period=month, currency=currency, by=by))
        except (AlreadyBilled, NothingToBill):
            continue
    return raised
