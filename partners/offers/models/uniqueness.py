"""What there may be once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import IntegrityError, models, transaction


class NameIsTaken(Exception):
    """The offer has another of this name, and nobody could tell which of the two is meant."""


class AlreadySubmitted(Exception):
    """The form that asks has made ``made`` before: it was sent twice."""

    def __init__(self, made: models.Model) -> None:
        self.made = made
        super().__init__(str(made))


@contextmanager
def there_is_one(constraint: str, otherwise: Callable[[], Exception]) -> Iterator[None]:
    """Undoes what breaks the constraint, and raises ``otherwise`` in its place."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as refusal:
        if constraint in str(refusal):
            raise otherwise() from refusal
        raise
