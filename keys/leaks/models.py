from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models, transaction
from django.db.models import Q
from django.utils.timezone import now

from keys.models import Key, ShareLink
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.network.models import Network
from portal.notifications.kinds import Kind
from portal.notifications.models import Notification

if TYPE_CHECKING:
    from portal.accounts.actors import Actor

LONGEST_URL = 2000
LONGEST_SOURCE = 40
REASON_LENGTH = 300
# A file that was copied a thousand times says no more than the first hundred copies.
MOST_OF_A_KEY = 100
NAMED_IN_AN_EVENT = 3


class NothingOpen(Exception):
    """Nothing of what was seen is open any more; somebody else was faster."""


@dataclass(frozen=True)
class Place:
    """Where a key, or the token of a one-time link to it, was found. ``url`` has no key in it, and may be empty."""

    url: str
    source: str = ""
    link: ShareLink | None = None

    @property
    def what(self) -> Leak.What:
        return Leak.What.KEY if self.link is None else Leak.What.LINK


class LeakQuerySet(models.QuerySet["Leak"]):
    def open(self) -> Self:
        return self.filter(dismissed_at=None)


class Leak(models.Model):
    """A place where everybody could read a key, or a one-time link to it; open until somebody dismisses it.

    What opens nothing any more needs no care, so of a key that is not live nothing counts as open.
    """

    class What(models.TextChoices):
        KEY = "key", "The key"
        LINK = "link", "A one-time link to the key"

    key = models.ForeignKey(Key, on_delete=models.PROTECT, related_name="leaks")
    what = models.CharField(max_length=10, choices=What.choices)
    url = models.CharField(max_length=LONGEST_URL, blank=True)
    source = models.CharField(max_length=LONGEST_SOURCE, blank=True)
    reported_at = models.DateTimeField(default=now)
    reported_by = models.CharField(max_length=200)
    dismissed_at = models.DateTimeField(null=True)
    dismissed_by = models.CharField(max_length=200, blank=True)
    dismissed_because = models.CharField(max_length=REASON_LENGTH, blank=True)

    objects = LeakQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["key", "what", "url"], name="leak_is_kept_once"),
            models.CheckConstraint(condition=Q(what__in=["key", "link"]), name="leak_what_is_known"),
            models.CheckConstraint(condition=~Q(reported_by=""), name="leak_reported_at_and_by"),
            models.CheckConstraint(
                condition=Q(dismissed_at=None, dismissed_by="", dismissed_because="")
                | (Q(dismissed_at__isnull=False) & ~Q(dismissed_by="") & ~Q(dismissed_because="")),
                name="leak_dismissed_at_and_by",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} at {self.url or 'a place without a name'}"

    @property
    def is_of_link(self) -> bool:
        return self.what == self.What.LINK

    @property
    def leads_somewhere(self) -> bool:
        """Whether the URL may be shown as a link: others than these have no business in an href."""
        return self.url.startswith(("https://", "http://"))

    @classmethod
    @transaction.atomic
    def note(cls, key: Key, places: Iterable[Place], *, by: Actor) -> list[Leak]:
        """Keeps where the key was found, revokes it if the network wants that, and has its owner and the network told.

        One-time links among it are closed in any case. Answers what was not known before; places that were known
        change nothing, whatever has become of the key since. Of two reports at once, one finds it known.
        """
        key = Key.objects.select_for_update(of=("self",)).select_related("partner").get(pk=key.pk)
        places = list(places)
        closed = sum(place.link.end() for place in places if place.link is not None)
        known = {(what, url) for what, url in key.leaks.values_list("what", "url")}
        fresh = {(place.what, place.url): place for place in places if (place.what, place.url) not in known}
        room = max(0, MOST_OF_A_KEY - len(known))
        leaks = Leak.objects.bulk_create(
            Leak(key=key, what=place.what, url=place.url, source=place.source, reported_by=by.full_label)
            for place in list(fresh.values())[:room]
        )
        if not leaks:
            return []
        was_live = key.is_live
        details: dict[str, object] = {"found at": named(leaks)}
        if any(leak.is_of_link for leak in leaks):
            details["one-time link"] = "closed" if closed else "showed nothing any more"
        Event.record(EventKind.KEY_LEAKED, by=by, subject=key, partner=key.partner, details=details)
        if was_live and Network.load().revokes_leaked_keys and not all(leak.is_of_link for leak in leaks):
            key.revoke(by=by, tells=False)
        if was_live:
            tell(key, leaks, by=by)
        return leaks

    @classmethod
    @transaction.atomic
    def dismiss(cls, key: Key, *, seen: int, reason: str, by: Actor) -> None:
        """Closes what is open about the key up to the leak ``seen``, the latest that the one who decides has seen.

        :raises NothingOpen: when there is nothing of that
        """
        closing: dict[str, datetime | str] = {
            "dismissed_at": now(),
            "dismissed_by": by.full_label,
            "dismissed_because": reason,
        }
        closed = key.leaks.filter(pk__lte=seen, dismissed_at=None).update(**closing)
        if not closed:
            raise NothingOpen
        details = {"places": closed, "reason": reason}
        Event.record(EventKind.KEY_LEAK_DISMISSED, by=by, subject=key, partner=key.partner, details=details)


class SigningKey(models.Model):
    """A public key that reports of leaks are signed with, as the worker has last seen it listed (see signing.py)."""

    identifier = models.CharField(max_length=200, primary_key=True)
    public_key = models.TextField()
    is_current = models.BooleanField()
    listed_at = models.DateTimeField()

    class Meta:
        ordering = ("identifier",)

    def __str__(self) -> str:
        return self.identifier


def tell(key: Key, leaks: list[Leak], *, by: Actor) -> None:
    is_of_link = all(leak.is_of_link for leak in leaks)
    if not key.is_live:
        outcome = "The key was revoked: it opens nothing any more."
    elif is_of_link:
        outcome = "The link is closed. If somebody else has opened it before, they have the key, which still works."
    else:
        outcome = "The key still works, for whoever has read it too."
    Notification.tell(
        Kind.KEY_LEAKED,
        subject=f"{'A one-time link to ' if is_of_link else ''}{key} was found in public",
        once=str(max(leak.pk for leak in leaks)),
        partner=key.partner,
        by=by,
        facts={"Found at": named(leaks), "Now": outcome},
    )


def named(leaks: list[Leak]) -> str:
    urls = [leak.url or "a place without a name" for leak in leaks]
    more = len(urls) - NAMED_IN_AN_EVENT
    return ", ".join(urls[:NAMED_IN_AN_EVENT]) + (f" and {more} more" if more > 0 else "")
