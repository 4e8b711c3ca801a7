from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from portal.demo.resuming import is_unfinished, wait_for_others
from portal.demo.story import CAST, Story
from portal.network.models import Network

# Without letters and digits that are mistaken for each other when typed from a screen.
LEGIBLE = "abcdefghjkmnpqrstuvwxyz23456789"


class Command(BaseCommand):
    help = "Fills an empty database with a network, its people, its partners and their past, and says how to sign in."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--if-empty",
            action="store_true",
            help="do nothing when there is a network already, but say so when it is a demo without all of its traffic",
        )
        parser.add_argument(
            "--password", help="the password of every account (default: DEMO_PASSWORD, else a random one)"
        )
        parser.add_argument("--seed", type=int, default=7, help="tell another story (default: 7)")

    def handle(self, *, if_empty: bool, password: str | None, seed: int, **options: Any) -> None:
        password = password or settings.DEMO_PASSWORD or new_password()
        with transaction.atomic():
            wait_for_others()
            if Network.objects.exists():
                if not if_empty:
                    raise CommandError(
                        f"The database holds {Network.load()} already; the demo fills an empty one only."
                    )
                if is_unfinished():
                    self.stdout.write(f"\n{Network.load()} is set up, but its traffic was not complete.")
                return
            told = Story(password=password, seed=seed).tell()
        self.stdout.write(
            f"\n{Network.load()} is set up: {told.partners} partners, {told.keys} keys, {told.offers} offers, "
            f"{told.calls} API calls.\n"
            f"\nSign in at {settings.BASE_URL}/sign-in/ with one of these and the password {password}\n\n"
        )
        for short, name, standing, what in CAST:
            self.stdout.write(f"  {short + '@latchkey.example':<25}{name:<17}{standing:<20}{what}")
        self.stdout.write("")


def new_password() -> str:
    return "-".join("".join(secrets.choice(LEGIBLE) for _ in range(4)) for _ in range(3))
