from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from portal.demo.billing import bill_the_traffic
from portal.demo.resuming import wait_for_others


class Command(BaseCommand):
    help = "Raises the invoices of the finished months that demo_traffic has written, and pays most of them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seed", type=int, default=7, help="other payments (default: 7)")

    def handle(self, *, seed: int, **options: Any) -> None:
        with transaction.atomic():
            wait_for_others()
            count = bill_the_traffic(seed=seed)
        self.stdout.write(f"{count} invoice{'s' if count != 1 else ''} raised for the months of the traffic.")
