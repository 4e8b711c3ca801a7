from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import connection
from django.utils import timezone

from partners.reporting.rollups import forget, keep_up


class Command(BaseCommand):
    help = "Works out the rollups of all days that are over and have none, as the worker does every ten minutes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rebuild", action="store_true", help="forget all there are first")

    def handle(self, *, rebuild: bool, **options: Any) -> None:
        # Many days take longer than a page may.
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
        if rebuild:
            forget()
        sealed = keep_up(timezone.now())
        if options["verbosity"]:
            self.stdout.write(f"{len(sealed)} day{'s' if len(sealed) != 1 else ''} worked out.")
