from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from partners.billing.models import Invoice
from partners.billing.monthly import last_month, month_named, raise_month
from partners.billing.statement import NotOverYet
from partners.models import Partner
from portal.accounts.actors import Actor
from portal.network.currencies import amount_in_words


class Command(BaseCommand):
    help = "Raises a month's invoices for every partner that has earned something in it and has none for it yet."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--month", help="the month as YYYY-MM (default: last month, where the network is)")

    def handle(self, *, month: str | None, **options: Any) -> None:
        try:
            period = month_named(month) if month else last_month(timezone.now())
        except ValueError:
            raise CommandError(f"{month} is no month: write it as YYYY-MM.") from None
        actor = Actor.system("manage.py raise_invoices")
        count = 0
        for partner in Partner.objects.order_by("pk"):
            try:
                raised = raise_month(partner, period, by=actor)
            except NotOverYet:
                raise CommandError(f"{period} is not over yet: what still comes in would never be billed.") from None
            for invoice in Invoice.objects.with_totals().filter(pk__in=[invoice.pk for invoice in raised]):
                self.stdout.write(f"{invoice}  {partner}  {amount_in_words(invoice.billed, invoice.currency)}")
                count += 1
        self.stdout.write(f"{count} invoice{'s' if count != 1 else ''} raised for {period}.")
