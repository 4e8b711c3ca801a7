"""What the demo network has billed and paid: first what its old tracker had counted, then what Latchkey did."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db import models, transaction
from django.utils import timezone

from partners.billing.jobs import WORKER
from partners.billing.models import Invoice, Item, Payment, Period
from partners.billing.monthly import last_month, raise_month
from partners.models import Partner
from partners.traffic.models import Click
from portal.accounts.actors import Actor
from portal.accounts.models import Event, User
from portal.demo.companies import COMPANIES, NETWORK_TIMEZONE, Company
from portal.network.currencies import rounded

if TYPE_CHECKING:
    from portal.demo.story import Story

# Latchkey has counted for two months; before that, months were settled in one sum.
OLD_MONTHS = (6, 5, 4, 3)
NOTES = ("", "", "", "Thank you for a strong month.", "As agreed with your manager, including the seasonal bonus.")
METHODS = (Payment.Method.BANK_TRANSFER, Payment.Method.BANK_TRANSFER, Payment.Method.PAYPAL)


class OldInvoices:
    """Plans the invoices of the months before Latchkey's own into a story: one sum each, nearly all paid."""

    def __init__(self, story: Story, *, seed: int) -> None:
        self.story = story
        self.random = random.Random(seed)  # noqa: S311 -- it invents company life, not secrets

    def plan(self) -> None:
        months = list(months_back(self.story.now, *OLD_MONTHS))
        for company in COMPANIES:
            joined = self.story.joined[company.name]
            for month in months if company.status != "onboarding" else []:
                if joined < month.start:
                    self.plan_month(company, month)

    def plan_month(self, company: Company, month: Period) -> None:
        amount = Decimal(self.random.lognormvariate(6.2, 0.9))
        raised = month.end + timedelta(hours=12, minutes=15)
        paid = raised + timedelta(days=self.random.randrange(9, 28), hours=self.random.randrange(6))
        self.story.at(raised, partial(self.bill, company, month, amount))
        if self.random.random() < 0.97:
            method = self.random.choice(METHODS)
            self.story.at(paid, partial(self.pay, company, month, method))

    def bill(self, company: Company, month: Period, amount: Decimal) -> None:
        partner = Partner.objects.get(name=company.name)
        sums = rounded(amount, company.currency)
        item = Item.adjustment(sums, f"Traffic of {month}, counted by the old tracker")
        invoice = Invoice.raise_for(
            partner, period=month, currency=company.currency, items=[item], by=self.story.by("nadia")
        )
        self.story.backdate(invoice, "created_at", "updated_at")
        for line in invoice.lines.all():
            self.story.backdate(line, "added_at")

    def pay(self, company: Company, month: Period, method: Payment.Method) -> None:
        invoices = Invoice.objects.with_totals().filter(partner__name=company.name, starts_on=month.starts_on)
        invoice = invoices.get()
        payment = invoice.record_payment(
            amount=invoice.balance,
            method=method,
            paid_on=self.story.moment.date(),
            reference=f"{invoice}",
            by=self.story.by("nadia"),
        )
        self.story.backdate(payment, "recorded_at")
        self.story.backdate(invoice, "updated_at")


def months_back(now: datetime, *numbers: int) -> Iterator[Period]:
    """The months so many before this one, in that order. The network is not founded yet when they are planned."""
    today = now.astimezone(ZoneInfo(NETWORK_TIMEZONE)).date()
    for number in numbers:
        year, month = divmod(today.year * 12 + today.month - 1 - number, 12)
        yield Period.month(date(year, month + 1, 1), NETWORK_TIMEZONE)


@transaction.atomic
def bill_the_traffic(*, seed: int) -> int:
    """Raises the invoices of the finished months that have traffic, as the worker would have at the time, and lets the
    network pay most of them. Answers how many it has raised; none is raised twice."""
    chance = random.Random(seed)  # noqa: S311 -- it invents company life, not secrets
    last = Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    by, count = payer(), 0
    for month in months_with_traffic():
        raised_at = month.end + timedelta(hours=12, minutes=15)
        for partner in Partner.objects.order_by("pk"):
            for invoice in raise_month(partner, month, by=WORKER):
                backdate(invoice, raised_at, "created_at", "updated_at")
                invoice.lines.update(added_at=raised_at)
                settle(invoice, raised_at, by=by, chance=chance)
                count += 1
    # The History Logs stand in the order in which things happened, and the story has told them up to today.
    Event.objects.filter(pk__gt=last).delete()
    return count


def months_with_traffic() -> list[Period]:
    """Oldest first; a month that goes on is not among them."""
    oldest = Click.objects.order_by("id").first()
    if oldest is None:
        return []
    latest = last_month(timezone.now())
    months, month = [], Period.month(oldest.at.astimezone(latest.zone).date(), latest.timezone)
    while month.starts_on <= latest.starts_on:
        months.append(month)
        month = Period.month(month.ends_on + timedelta(days=1), month.timezone)
    return months


def payer() -> Actor:
    nadia = User.objects.filter(email="nadia@latchkey.example").first()
    return Actor.of(nadia) if nadia is not None else Actor.system("manage.py demo_invoices")


def settle(invoice: Invoice, raised_at: datetime, *, by: Actor, chance: random.Random) -> None:
    """Notes on some, a bonus on a few; paid within weeks, some in two parts, some not yet."""
    note, in_two, method = chance.choice(NOTES), chance.random() < 0.2, chance.choice(METHODS)
    days, is_paid = chance.randrange(8, 24), chance.random() < 0.85
    Invoice.objects.filter(pk=invoice.pk).update(notes=note)
    if "bonus" in note:
        bonus = rounded(max(balance_of(invoice) / 20, Decimal(5)), invoice.currency)
        at = raised_at + timedelta(hours=3)
        backdate(invoice.add_adjustment(amount=bonus, note="Seasonal bonus", by=by), at, "added_at")
        backdate(invoice, at, "updated_at")
    parts = (Decimal("0.6"), Decimal(1)) if in_two else (Decimal(1),)
    for number, part in enumerate(parts if is_paid else ()):
        paid_at = raised_at + timedelta(days=days + 12 * number, hours=2 * number + 1)
        amount = rounded(balance_of(invoice) * part, invoice.currency)
        if amount > 0 and paid_at < timezone.now():
            payment = invoice.record_payment(
                amount=amount, method=method, paid_on=paid_at.date(), reference=str(invoice), by=by
            )
            backdate(payment, paid_at, "recorded_at")
            backdate(invoice, paid_at, "updated_at")


def balance_of(invoice: Invoice) -> Decimal:
    return Invoice.objects.with_totals().get(pk=invoice.pk).balance


def backdate(row: models.Model, at: datetime, *fields: str) -> None:
    """The verbs know no time but now, as in the story."""
    type(row)._default_manager.filter(pk=row.pk).update(**dict.fromkeys(fields, at))
