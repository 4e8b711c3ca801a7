"""One-time links, for people who have no account of the portal."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from keys.models.key import Key, NotRevealable
from keys.secret import SHARE_PREFIX, digest_of, is_secret_of, new_secret
from portal.accounts.events import EventKind
from portal.accounts.models import Event

if TYPE_CHECKING:
    from portal.accounts.actors import Actor

LASTS = timedelta(hours=24)


class LinkUsed(Exception):
    """The link has shown its key before; it never does so twice."""


class LinkExpired(Exception):
    """The link is older than a day."""


class ShareLinkQuerySet(models.QuerySet["ShareLink"]):
    def opened_by(self, token: str) -> Self:
        """The link with that token, if any; the database is not asked about text that cannot be one."""
        if not is_secret_of(SHARE_PREFIX, token):
            return self.none()
        return self.select_related("key__partner").filter(digest=digest_of(token))


class ShareLink(models.Model):
    """Shows a partner key once, to whoever opens it first within a day. Its token is kept as a digest alone."""

    key = models.ForeignKey(Key, on_delete=models.PROTECT, related_name="share_links")
    digest = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=200)
    expires_at = models.DateTimeField()
    viewed_at = models.DateTimeField(null=True)
    viewed_ip = models.GenericIPAddressField(null=True)

    objects = ShareLinkQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(created_by=""), name="share_link_created_at_and_by"),
            models.CheckConstraint(
                condition=Q(viewed_at__isnull=False) | Q(viewed_ip=None), name="share_link_viewed_at_and_ip"
            ),
        ]

    def __str__(self) -> str:
        return f"One-time link to {self.key}"

    @classmethod
    @transaction.atomic
    def make(cls, key: Key, *, by: Actor) -> tuple[ShareLink, str]:
        """Makes a link to a live partner key; answers it with its token, which is not to be had again.

        :raises NotRevealable: when the key is a network key, revoked or expired
        """
        if key.ciphertext is None or not key.is_live:
            raise NotRevealable
        token = new_secret(SHARE_PREFIX)
        link = cls.objects.create(
            key=key,
            digest=digest_of(token),
            created_by=by.full_label,
            expires_at=timezone.now() + LASTS,
        )
        Event.record(EventKind.KEY_SHARED, by=by, subject=key, partner=key.partner)
        return link, token

    def ensure_good(self) -> None:
        """:raises LinkUsed, LinkExpired, NotRevealable: when it will not show its key"""
        if self.viewed_at is not None:
            raise LinkUsed
        if self.expires_at <= timezone.now():
            raise LinkExpired
        if not self.key.is_live:
            raise NotRevealable

    @property
    def is_live(self) -> bool:
        """Whether opening it would show the key."""
        return self.viewed_at is None and self.expires_at > timezone.now() and self.key.is_live

    @property
    def was_ended(self) -> bool:
        """Whether it was closed before its day was over; a minute makes room for the time that making it took."""
        return self.expires_at < self.created_at + LASTS - timedelta(minutes=1)

    def end(self) -> bool:
        """Closes the link; answers whether it was still good. The event is the caller's."""
        now = timezone.now()
        return bool(ShareLink.objects.filter(pk=self.pk, viewed_at=None, expires_at__gt=now).update(expires_at=now))

    @transaction.atomic
    def view(self, *, by: Actor) -> str:
        """Answers the key's secret, this once, and leaves the event. Of two who view it at once, one sees it.

        :raises LinkUsed, LinkExpired, NotRevealable: when it will not show its key
        :raises keys.sealing.UnknownEncryptionKey: when the environment lacks its encryption key; the link stays good
        """
        self.ensure_good()
        now = timezone.now()
        seen = {"viewed_at": now, "viewed_ip": str(by.ip) if by.ip else None}
        if not ShareLink.objects.filter(pk=self.pk, viewed_at=None, expires_at__gt=now).update(**seen):
            # Somebody has viewed it a moment ago, or it was found in public and closed.
            self.refresh_from_db(fields=["viewed_at", "expires_at"])
            raise LinkUsed if self.viewed_at is not None else LinkExpired
        return self.key.reveal(by=by, how="one-time link")
