from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from portal.accounts.actors import Actor
from portal.network.currencies import DECIMALS
from portal.network.models import ExchangeRate, IsTheNetworksOwn

COLUMNS = {"currency", "since", "rate"}


class Command(BaseCommand):
    help = "Records the exchange rates of a CSV file with the columns currency, since (YYYY-MM-DD) and rate."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *, file: Path, **options: Any) -> None:
        actor = Actor.system("manage.py exchange_rates")
        count = 0
        # All of them or none: half a file would be a mixture of two days' rates.
        with file.open(newline="", encoding="utf-8-sig") as lines, transaction.atomic():
            rows = csv.DictReader(lines)
            if not set(rows.fieldnames or ()) >= COLUMNS:
                raise CommandError("The first line has to name the columns currency, since and rate.")
            for row in rows:
                try:
                    ExchangeRate.record(by=actor, **told(row))
                except (ValueError, InvalidOperation) as reason:
                    raise CommandError(f"Line {rows.line_num}: {reason}") from None
                except IsTheNetworksOwn:
                    raise CommandError(f"Line {rows.line_num}: {row['currency']} is the network's own.") from None
                count += 1
        self.stdout.write(f"{count} rate{'s' if count != 1 else ''} recorded.")


def told(row: dict[str, str]) -> dict[str, Any]:
    """:raises ValueError: or InvalidOperation, when it is not a rate"""
    currency, rate = row["currency"].strip().upper(), Decimal(row["rate"].strip())
    if currency not in DECIMALS:
        raise ValueError(f"there is no currency {currency}")
    if not rate.is_finite() or rate <= 0:
        raise ValueError(f"{row['rate']} is no rate")
    return {"currency": currency, "since": date.fromisoformat(row["since"].strip()), "rate": rate}
