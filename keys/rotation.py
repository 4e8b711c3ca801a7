"""Sealing partner keys, and the secrets that sign pushes, anew under the encryption key that writes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import models, transaction

from keys.models import Key
from keys.sealing import CannotUnseal, keyring, writing_number
from partners.firehose.push.models import PushSecret
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.network.models import Network

if TYPE_CHECKING:
    from portal.accounts.actors import Actor


Sealed = Key | PushSecret
Rows = models.QuerySet[Any]


@dataclass
class Resealed:
    """How far it has come."""

    total: int = 0
    resealed: int = 0
    damaged: list[Sealed] = field(default_factory=list)


def reseal_all(*, batch: int, by: Actor) -> Iterator[Resealed]:
    """Seals what is sealed under another encryption key, a batch a transaction; yields after each one.

    Each batch commits with its event, so that stopping loses nothing and starting again goes on from there. Only the
    batch's rows are locked, in order of their ids; who reveals a key reads the row without its lock, and finds number
    and ciphertext of the same moment. What is sealed under a number that the environment lacks is left alone.
    """
    others = [other for other in keyring() if other != writing_number()]
    pending = [model.objects.filter(encryption_key__in=others).order_by("pk") for model in (Key, PushSecret)]
    progress = Resealed(total=sum(rows.count() for rows in pending))
    for rows, what in zip(pending, ("keys", "signing secrets"), strict=True):
        yield from reseal_rows(rows, what, progress, batch=batch, by=by)


def reseal_rows(rows: Rows, what: str, progress: Resealed, *, batch: int, by: Actor) -> Iterator[Resealed]:
    behind = rows
    while True:
        with transaction.atomic():
            sealed = list(behind.select_for_update(of=("self",))[:batch])
            if not sealed:
                return
            resealed = reseal(sealed, progress)
            if resealed:
                Event.record(
                    EventKind.ENCRYPTION_KEY_ROTATED,
                    by=by,
                    subject=Network.load(),
                    details={what: resealed, "encryption_key": writing_number()},
                )
        behind = rows.filter(pk__gt=sealed[-1].pk)
        progress.resealed += resealed
        yield progress


def reseal(sealed: Sequence[Sealed], progress: Resealed) -> int:
    resealed = 0
    for each in sealed:
        try:
            each.seal_anew()
            resealed += 1
        except CannotUnseal:
            progress.damaged.append(each)
    return resealed


def sealed_under() -> dict[int, Counter[str]]:
    """How many keys and how many secrets each encryption key seals, by its number."""
    found: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for number, count in Key.objects.sealed_under().items():
        found[number]["key"] += count
    for number, count in PushSecret.objects.all().sealed_under().items():
        found[number]["signing secret"] += count
    return dict(found)


def missing_numbers() -> dict[int, Counter[str]]:
    """How many are sealed under each encryption key that the environment lacks; those cannot be shown."""
    return {number: counted for number, counted in sealed_under().items() if number not in keyring()}
