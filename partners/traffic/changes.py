"""The one place where it is known that a conversion came to be, or became something else.

``Conversion.record`` tells it of a new one and every decision of one that changed, in their own transaction. Whoever
has to act on it (postbacks, streams) stands above this package and cannot be called from here, so it asks to be told,
once, in its AppConfig.ready().
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from partners.traffic.models import Conversion
    from portal.accounts.actors import Actor


@dataclass(frozen=True, slots=True)
class Change:
    """The conversion as it is now, the status it had before (None: it was recorded just now), and whose doing it is."""

    conversion: Conversion
    was: str | None
    by: Actor

    @property
    def is_new(self) -> bool:
        return self.was is None


Listener = Callable[[Change], None]
ListenerToMany = Callable[[Sequence[Change]], None]
_listeners: list[Listener] = []
_to_many: dict[Listener, ListenerToMany] = {}


def listen(listener: Listener, *, to_many: ListenerToMany | None = None) -> None:
    """Has ``listener`` called with every change from now on; or ``to_many`` with those that are made together, where
    it can do the same for all of them in fewer steps.

    It is called within the transaction that makes the change: what it writes stands or falls with it, and what it
    raises undoes it. Something that takes time, or leaves the database, is a job that it defers.
    """
    if listener not in _listeners:
        _listeners.append(listener)
    if to_many is not None:
        _to_many[listener] = to_many


def forget(listener: Listener) -> None:
    _listeners.remove(listener)
    _to_many.pop(listener, None)


def tell(change: Change) -> None:
    """Called by the verbs of Conversion alone, within their transaction."""
    for listener in _listeners:
        listener(change)


def tell_together(changes: Sequence[Change]) -> None:
    """As ``tell``, of changes that are made together."""
    for listener in _listeners:
        if listener in _to_many:
            _to_many[listener](changes)
        else:
            for change in changes:
                listener(change)
