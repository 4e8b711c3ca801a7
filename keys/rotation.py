"""Sealing partner keys anew under the encryption key that writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db import transaction

from keys.models import Key
from keys.sealing import CannotUnseal, keyring, writing_number
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.network.models import Network

if TYPE_CHECKING:
    from portal.accounts.actors import Actor


@dataclass
class Resealed:
    """How far it has come."""

    total: int = 0
    resealed: int = 0
    damaged: list[Key] = field(default_factory=list)


def reseal_all(*, batch: int, by: Actor) -> Iterator[Resealed]:
    """Seals what is sealed under another encryption key, a batch a transaction; yields after each one.

    Each batch commits with its event, so that stopping loses nothing and starting again goes on from there. Only the
    batch's rows are locked, in order of their ids; who reveals a key reads the row without its lock, and finds number
    and ciphertext of the same moment. What is sealed under a number that the environment lacks is left alone.
    """
    number = writing_number()
    others = [other for other in keyring() if other != number]
    pending = Key.objects.filter(encryption_key__in=others).order_by("pk")
    progress = Resealed(total=pending.count())
    last_id = 0
    while True:
        with transaction.atomic():
            keys = list(pending.filter(pk__gt=last_id).select_for_update(of=("self",))[:batch])
            if not keys:
                return
            resealed = reseal(keys, progress)
            if resealed:
                Event.record(
                    EventKind.ENCRYPTION_KEY_ROTATED,
                    by=by,
                    subject=Network.load(),
                    details={"keys": resealed, "encryption_key": number},
                )
        last_id = keys[-1].pk
        progress.resealed += resealed
        yield progress


def reseal(keys: list[Key], progress: Resealed) -> int:
    resealed = 0
    for key in keys:
        try:
            key.seal_anew()
            resealed += 1
        except CannotUnseal:
            progress.damaged.append(key)
    return resealed


def missing_numbers() -> dict[int, int]:
    """How many keys are sealed under each encryption key that the environment lacks; those cannot be shown."""
    return {number: count for number, count in Key.objects.sealed_under().items() if number not in keyring()}
