from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys.models import Key
from keys.rotation import Resealed, Sealed, missing_numbers, reseal_all, sealed_under
from keys.sealing import writing_number
from portal.accounts.actors import Actor

BY = Actor.system("manage.py rotate_encryption_keys")


class Command(BaseCommand):
    help = (
        "Seals every partner key, and every secret that signs a push, anew under the first of KEY_ENCRYPTION_KEYS. "
        "It can be stopped at any time and started again; calls and people go on meanwhile."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=200, help="keys sealed in one transaction (default: 200)")
        parser.add_argument(
            "--retire",
            type=int,
            metavar="NUMBER",
            help="only say whether this encryption key can be taken out of KEY_ENCRYPTION_KEYS; fails when it cannot",
        )

    def handle(self, *, batch: int, retire: int | None, **options: Any) -> None:
        if batch < 1:
            raise CommandError("--batch is at least 1.")
        complaints = self.rotate(batch) if retire is None else self.retire(retire)
        complaints += [
            f"KEY_ENCRYPTION_KEYS lacks encryption key {number}, which seals {plural(counted)}: they cannot be shown."
            for number, counted in missing_numbers().items()
        ]
        if complaints:
            raise CommandError("\n".join(complaints))

    def rotate(self, batch: int) -> list[str]:
        done = Resealed()
        for done in reseal_all(batch=batch, by=BY):
            self.stderr.write(f"{done.resealed} of {done.total} sealed under encryption key {writing_number()}.")
        if not done.damaged:
            self.stderr.write(f"Nothing is left to seal anew under encryption key {writing_number()}.")
        return [f"What is stored of {described(each)}, is damaged. Replace it." for each in done.damaged]

    def retire(self, number: int) -> list[str]:
        if number == writing_number():
            return [f"Encryption key {number} is the first of KEY_ENCRYPTION_KEYS, under which new keys are sealed."]
        if in_use := sealed_under().get(number):
            return [
                f"Encryption key {number} still seals {plural(in_use)}. Run rotate_encryption_keys without --retire."
            ]
        self.stderr.write(
            f"Encryption key {number} seals nothing. Once every process runs with encryption key {writing_number()} "
            "as the first of KEY_ENCRYPTION_KEYS, it can be taken out."
        )
        return []


def plural(counted: Counter[str]) -> str:
    return " and ".join(f"{count} {what}{'' if count == 1 else 's'}" for what, count in counted.items())


def described(sealed: Sealed) -> str:
    return f"key {sealed.pk}, {sealed}" if isinstance(sealed, Key) else str(sealed)
