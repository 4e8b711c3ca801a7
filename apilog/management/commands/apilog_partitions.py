from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from apilog.jobs import keep_partitions


class Command(BaseCommand):
    help = "Makes the API Log's partitions of the coming days and drops those past the retention; the worker does too."

    def handle(self, **options: Any) -> None:
        made, dropped = keep_partitions()
        for name in made:
            self.stdout.write(f"made {name}")
        for name in dropped:
            self.stdout.write(f"dropped {name}")
