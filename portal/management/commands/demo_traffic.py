from __future__ import annotations

import time
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from portal.demo.traffic import NobodyToSend, TrafficExists, load_traffic
from portal.web.postgresql.staging import TablesInUse
from portal.web.progress import Progress


class Command(BaseCommand):
    help = "Writes a believable history of impressions, clicks and conversions for the partners and offers there are."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--clicks", type=positive, default=300_000, help="how many (default: 300000)")
        parser.add_argument("--days", type=positive, default=60, help="over how many days (default: 60)")
        parser.add_argument("--seed", type=int, default=7, help="other traffic (default: 7)")
        parser.add_argument("--impressions", type=float, default=0.5, help="how many for a click (default: 0.5)")
        parser.add_argument("--until", type=moment, help="when it ends, such as 2026-05-31T12:00Z (default: now)")
        parser.add_argument("--add", action="store_true", help="beside the traffic that there is already")
        parser.add_argument("--if-none", action="store_true", help="do nothing when there is traffic already")

    def handle(
        self,
        *,
        clicks: int,
        days: int,
        seed: int,
        impressions: float,
        until: datetime | None,
        add: bool,
        if_none: bool,
        **options: Any,
    ) -> None:
        began = time.monotonic()
        try:
            with Progress(self.stderr, total=clicks, unit="clicks") as progress:
                loaded = load_traffic(
                    clicks=clicks,
                    days=days,
                    seed=seed,
                    impressions=impressions,
                    until=until or timezone.now(),
                    add=add,
                    progress=progress.advance,
                )
        except TrafficExists:
            if if_none:
                return
            raise CommandError("There is traffic in the database already; --add writes more beside it.") from None
        except NobodyToSend:
            raise CommandError("No active partner may run an offer; approve some for one first.") from None
        except TablesInUse:
            raise CommandError(
                "Somebody has been using the tables of traffic all the while, so nothing was written; "
                "stop what reads or writes them, and try again."
            ) from None
        seconds = time.monotonic() - began
        self.stdout.write(
            f"{loaded.clicks:,} clicks, {loaded.impressions:,} impressions and {loaded.conversions:,} conversions "
            f"over {days} days: {seconds:.1f} s, {loaded.clicks / seconds:,.0f} clicks a second."
        )


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ArgumentTypeError("it must be 1 or more")
    return number


def moment(text: str) -> datetime:
    given = datetime.fromisoformat(text)
    return given if given.tzinfo else given.replace(tzinfo=UTC)
