"""The keys themselves: issuing, revealing, revoking."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import connection, models, transaction
from django.db.models import Case, F, Q, When
from django.utils import timezone
from netfields import InetAddressField

from keys import tellings
from keys.models.limits import AboveBudget
from keys.networks import MeansAnyAddress, written
from keys.sealing import seal, unseal
from keys.secret import (
    AFFILIATE_PREFIX,
    NETWORK_PREFIX,
    digest_of,
    hint_of,
    is_well_formed,
    new_secret,
)
from partners.models import Partner
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.network.models import Network as TheNetwork
from portal.notifications.models import Notification
from portal.web.client_ip import Address, Network, is_in

if TYPE_CHECKING:
    from datetime import datetime

    from keys.models.allowlist import AllowlistEntry
    from portal.accounts.actors import Actor


# Whoever left one of these has seen the key.
SHOWN_BY = (EventKind.KEY_ISSUED, EventKind.KEY_ROTATED, EventKind.KEY_REVEALED)


class AlreadyRevoked(Exception):
    """The key was revoked before, perhaps by someone else a moment ago."""


class AlreadyIssued(Exception):
    """This very form was submitted before; ``key`` is what it issued then."""

    def __init__(self, key: Key) -> None:
        self.key = key
        super().__init__(str(key))


class NetworkKeyChanged(Exception):
    """Another network key was generated since the page was opened; replacing it unseen would cut someone off."""


class AlreadyListed(Exception):
    """The allowlist has this network already."""


class NotRotatable(Exception):
    """A network key is replaced by generating another; a revoked or expired key has nothing to hand over."""


class AlreadyRotated(Exception):
    """The key has a successor; ``successor`` is it."""

    def __init__(self, successor: Key) -> None:
        self.successor = successor
        super().__init__(str(successor))


class NotRevealable(Exception):
    """A network key is stored as a digest alone; a revoked or expired key is not shown again."""


class KeyQuerySet(models.QuerySet["Key"]):
    def live(self) -> Self:
        return self.filter(is_live())

    def of_network(self) -> Self:
        return self.filter(realm=Key.Realm.NETWORK)

    def for_listing(self) -> Self:
        """Live ones first, newest first, with what a row shows; the same number of queries for any number of keys."""
        live_first = Case(When(is_live(), then=0), default=1)
        successors = models.Prefetch("successors", Key.objects.filter(revoked_at=None), to_attr="live_successors")
        # keys.leaks stands above this module, so its rows are named by the reverse relation.
        open_leaks = models.Count("leaks", filter=Q(leaks__isnull=False, leaks__dismissed_at=None))
        return (
            self.select_related("partner", "replaces")
            .prefetch_related("allowlist", successors)
            .annotate(open_leaks=open_leaks)
            .order_by(live_first, "-created_at", "-pk")
        )

    def ending_before(self, moment: datetime, *, after: int) -> Self:
        """Live partner keys that expire by then and have a number above ``after``, in the order of their numbers."""
        return self.live().select_related("partner").filter(expires_at__lte=moment, pk__gt=after).order_by("pk")

    def by_last_use(self, *, latest_first: bool) -> Self:
        """Keys that were never used count as the longest unused."""
        used = F("last_used_at")
        order = used.desc(nulls_last=True) if latest_first else used.asc(nulls_first=True)
        return self.order_by(order, "-pk")

    def sealed_under(self) -> dict[int, int]:
        """How many keys each encryption key seals, by its number."""
        counted = self.exclude(encryption_key=None).order_by("encryption_key").values_list("encryption_key")
        return dict(counted.annotate(models.Count("pk")))

    def opened_by(self, secret: str) -> Key | None:
        """The key that ``secret`` is, live or not; the database is not asked about text that cannot be one."""
        if not is_well_formed(secret):
            return None
        return self.select_related("partner").prefetch_related("allowlist").filter(digest=digest_of(secret)).first()


def is_live() -> Q:
    return Q(Q(expires_at=None) | Q(expires_at__gt=timezone.now()), revoked_at=None)


class Key(models.Model):
    """A secret that opens one realm of the API: a partner's data, or the network's."""

    class Realm(models.TextChoices):
        AFFILIATE = "affiliate", "Affiliate API"
        NETWORK = "network", "Network API"

    class State(models.TextChoices):
        LIVE = "live", "Live"
        REVOKED = "revoked", "Revoked"
        EXPIRED = "expired", "Expired"

    realm = models.CharField(max_length=20, choices=Realm.choices)
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, null=True, related_name="keys")
    label = models.CharField(max_length=80)
    digest = models.BinaryField(max_length=32, unique=True)
    hint = models.CharField(max_length=20)
    ciphertext = models.BinaryField(null=True)
    encryption_key = models.PositiveSmallIntegerField(null=True)
    # The form that issued the key, so that pressing its button twice issues one.
    submission = models.UUIDField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=200)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.CharField(max_length=200, blank=True)
    # The key that this one is the successor of, and how long that one works on after this one's first call.
    replaces = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="successors")
    grace_seconds = models.PositiveIntegerField(null=True)
    # The most calls this key may make in a window of the network's budget; null: as many as the network's.
    ceiling = models.PositiveIntegerField(null=True)
    last_used_at = models.DateTimeField(null=True)
    last_used_ip = InetAddressField(null=True, store_prefix_length=False)

    # Only there on rows of for_listing(): the successor, if there is one that was not revoked, and in how many places
    # the key was found that nobody has dismissed.
    live_successors: list[Key]
    open_leaks: int

    objects = KeyQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-pk")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(realm__in=["affiliate", "network"]),
                name="key_realm_is_known",
            ),
            models.CheckConstraint(
                condition=Q(realm="affiliate", partner__isnull=False) | Q(realm="network", partner=None),
                name="key_of_the_affiliate_realm_has_a_partner",
            ),
            models.CheckConstraint(
                condition=Q(
                    realm="affiliate",
                    ciphertext__isnull=False,
                    encryption_key__isnull=False,
                )
                | Q(realm="network", ciphertext=None, encryption_key=None),
                name="key_has_ciphertext_if_of_a_partner",
            ),
            models.CheckConstraint(
                condition=Q(realm="affiliate") | Q(expires_at=None),
                name="network_key_never_expires",
            ),
            models.CheckConstraint(
                condition=Q(revoked_at=None, revoked_by="") | (Q(revoked_at__isnull=False) & ~Q(revoked_by="")),
                name="key_revoked_at_and_by",
            ),
            models.CheckConstraint(condition=~Q(created_by=""), name="key_created_at_and_by"),
            models.CheckConstraint(
                condition=Q(ceiling=None) | Q(ceiling__gte=1), name="key_ceiling_lets_calls_through"
            ),
            models.CheckConstraint(
                condition=Q(replaces=None, grace_seconds=None)
                | Q(realm="affiliate", replaces__isnull=False, grace_seconds__isnull=False, grace_seconds__lte=604800),
                name="successor_of_a_partner_key_has_a_grace_period",
            ),
            models.UniqueConstraint(fields=["replaces"], condition=Q(revoked_at=None), name="key_has_one_successor"),
            models.UniqueConstraint(fields=["partner", "submission"], name="key_submission_issues_once"),
            models.UniqueConstraint(
                fields=["realm"],
                condition=Q(realm="network", revoked_at=None),
                name="at_most_one_live_network_key",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["encryption_key", "id"], name="key_encryption_key"),
        ]

    def __str__(self) -> str:
        return f"{self.label} ({self.hint})"

    @property
    def state(self) -> State:
        if self.revoked_at is not None:
            return self.State.REVOKED
        if self.expires_at is not None and self.expires_at <= timezone.now():
            return self.State.EXPIRED
        return self.State.LIVE

    @property
    def ceiling_in_words(self) -> str:
        if self.ceiling is None:
            return "as many calls as the network's budget has left"
        return f"at most {self.ceiling:,} calls per window"

    @property
    def grace_in_words(self) -> str:
        """How long the replaced key works on, e.g. "24 hours after"; of a successor alone."""
        hours = (self.grace_seconds or 0) // 3600
        if not hours:
            return "the moment of"
        if hours == 1:
            return "an hour after"
        return f"{hours} hours after" if hours <= 48 else f"{hours // 24} days after"

    @property
    def is_live(self) -> bool:
        return self.state is self.State.LIVE

    @classmethod
    @transaction.atomic
    def issue(
        cls,
        *,
        partner: Partner,
        label: str,
        by: Actor,
        submission: uuid.UUID | None = None,
        answers_request: bool = False,
    ) -> tuple[Key, str]:
        """Issues a partner key; answers it with its secret.

        ``answers_request`` says that a ``KeyRequest`` is approved by it. ``submission`` names the form that asked.
        :raises AlreadyIssued: when it has issued its key before
        """
        if submission is not None:
            # Serialises the two halves of a double click; the unique column stays the judge.
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
                    [submission.hex],
                )
            earlier = partner.keys.filter(submission=submission).first()
            if earlier is not None:
                raise AlreadyIssued(earlier)
        key, secret = cls._make(partner=partner, label=label, submission=submission, by=by)
        Event.record(EventKind.KEY_ISSUED, by=by, subject=key, partner=partner)
        Notification.tell_all([tellings.of_issue(key, answers_request=answers_request, by=by)])
        return key, secret

    @classmethod
    def _make(cls, *, partner: Partner, label: str, by: Actor, **more: Any) -> tuple[Key, str]:
        secret = new_secret(AFFILIATE_PREFIX)
        # The ciphertext is bound to the row's id, so the id comes first.
        key_id = next_id()
        number, ciphertext = seal(secret, key_id=key_id)
        key = cls.objects.create(
            pk=key_id,
            realm=cls.Realm.AFFILIATE,
            partner=partner,
            label=label,
            digest=digest_of(secret),
            hint=hint_of(secret),
            ciphertext=ciphertext,
            encryption_key=number,
            created_by=by.full_label,
            **more,
        )
        return key, secret

    @transaction.atomic
    def rotate(self, *, grace: timedelta, by: Actor) -> tuple[Key, str]:
        """Issues the successor, with the same label, allowlist and ceiling; answers it with its secret.

        Both keys work until the successor is first used. From that call on this one has ``grace`` (at most 7 days)
        left, and expires by itself; see keys_admit.

        :raises NotRotatable: when this is a network key, revoked or expired
        :raises AlreadyRotated: when it has a successor, perhaps because someone else was faster
        """
        current = Key.objects.select_for_update(of=("self",)).select_related("partner").get(pk=self.pk)
        if current.partner is None or not current.is_live:
            raise NotRotatable
        earlier = current.successors.filter(revoked_at=None).first()
        if earlier is not None:
            raise AlreadyRotated(earlier)
        successor, secret = Key._make(
            partner=current.partner,
            label=current.label,
            ceiling=current.ceiling,
            replaces=current,
            grace_seconds=int(grace.total_seconds()),
            by=by,
        )
        for entry in current.allowlist.all():
            successor.allowlist.create(network=entry.network, label=entry.label, created_by=by.full_label)
        Event.record(
            EventKind.KEY_ROTATED,
            by=by,
            subject=successor,
            partner=current.partner,
            details={"replaces": current.hint, "grace_hours": grace / timedelta(hours=1)},
        )
        Notification.tell_all([tellings.of_rotation(current, successor, by=by)])
        return successor, secret

    @classmethod
    @transaction.atomic
    def generate_network_key(cls, *, by: Actor, replacing: Key | None) -> tuple[Key, str]:
        """Issues the network key; the one before dies in the same moment. This is the only time its secret is seen.

        :raises NetworkKeyChanged: when the live network key is not ``replacing`` (None: when there is one)
        """
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('latchkey:network-key', 0))")
        current = cls.objects.of_network().live().select_for_update().first()
        if current != replacing:
            raise NetworkKeyChanged
        if current is not None:
            current._revoke(by=by)
        secret = new_secret(NETWORK_PREFIX)
        key = cls.objects.create(
            realm=cls.Realm.NETWORK,
            label="Network key",
            digest=digest_of(secret),
            hint=hint_of(secret),
            created_by=by.full_label,
        )
        replaced = {"replaced": current.hint} if current else {}
        Event.record(EventKind.NETWORK_KEY_GENERATED, by=by, subject=key, details=replaced)
        Notification.tell_all([tellings.of_network_key(key, replaced=current, by=by)])
        return key, secret

    @transaction.atomic
    def cap(self, *, ceiling: int | None, by: Actor) -> None:
        """Lets the key make at most ``ceiling`` calls in a window of the network's budget; None: as many as that has.

        :raises AboveBudget: when the ceiling is higher than the budget, and so would say nothing
        """
        budget = TheNetwork.load().budget_requests
        if ceiling is not None and ceiling > budget:
            raise AboveBudget(budget)
        before = Key.objects.select_for_update().values_list("ceiling", flat=True).get(pk=self.pk)
        self.ceiling = ceiling
        if before != ceiling:
            self.save(update_fields=["ceiling"])
            Event.record(
                EventKind.KEY_CEILING_CHANGED,
                by=by,
                subject=self,
                partner=self.partner,
                details={"ceiling": [before, ceiling]},
            )

    @transaction.atomic
    def reveal(self, *, by: Actor, how: str) -> str:
        """Answers the secret of a live partner key and leaves the event; ``how`` is "shown" or "copied". The first time
        that somebody sees it, others are told.

        :raises NotRevealable: when the key is a network key, revoked or expired
        :raises keys.sealing.UnknownEncryptionKey: when the environment lacks its encryption key
        """
        if self.ciphertext is None or self.encryption_key is None or not self.is_live:
            raise NotRevealable
        secret = unseal(self.ciphertext, key_id=self.pk, number=self.encryption_key)
        is_known = Event.objects.filter(kind__in=SHOWN_BY).about(self).by(by).exists()
        event = Event.record(
            EventKind.KEY_REVEALED,
            by=by,
            subject=self,
            partner=self.partner,
            details={"how": how},
        )
        if not is_known:
            Notification.tell_all([tellings.of_reveal(self, event, by=by)])
        return secret

    @transaction.atomic
    def revoke(self, *, by: Actor, tells: bool = True) -> None:
        """Closes the key for good, from the very next call on. ``tells=False`` is for who tells those concerned more
        than that.

        :raises AlreadyRevoked: when it was revoked before
        """
        self._revoke(by=by)
        Event.record(EventKind.KEY_REVOKED, by=by, subject=self, partner=self.partner)
        if tells:
            Notification.tell_all([tellings.of_revocation(self, by=by)])

    def _revoke(self, *, by: Actor) -> None:
        now = timezone.now()
        if not Key.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=now, revoked_by=by.full_label):
            raise AlreadyRevoked
        self.revoked_at, self.revoked_by = now, by.full_label

    @classmethod
    def note_export(cls, *, partner: Partner, form: str, by: Actor) -> None:
        """Leaves the event that the list of a partner's keys, as hints, left the portal as a file."""
        Event.record(EventKind.KEYS_EXPORTED, by=by, subject=partner, partner=partner, details={"format": form})

    @transaction.atomic
    def rename(self, *, label: str, by: Actor) -> None:
        """Gives the key another label. Nothing is left behind when it has that label already."""
        before = Key.objects.select_for_update().values_list("label", flat=True).get(pk=self.pk)
        self.label = label
        if before != label:
            self.save(update_fields=["label"])
            Event.record(
                EventKind.KEY_RENAMED,
                by=by,
                subject=self,
                partner=self.partner,
                details={"label": [before, label]},
            )

    @transaction.atomic
    def allow(self, *, network: Network, label: str, by: Actor) -> AllowlistEntry:
        """Adds a network to the allowlist; the first one closes the key to every other address.

        :raises AlreadyListed: when it stands there already
        :raises MeansAnyAddress: when it has every address in it
        """
        if network.prefixlen == 0:
            raise MeansAnyAddress(str(network))
        entry, is_new = self.allowlist.get_or_create(
            network=network, defaults={"label": label, "created_by": by.full_label}
        )
        if not is_new:
            raise AlreadyListed
        Event.record(
            EventKind.ALLOWLIST_ADDED,
            by=by,
            subject=self,
            partner=self.partner,
            details={"network": written(network), "label": label},
        )
        return entry

    @transaction.atomic
    def disallow(self, entry: AllowlistEntry, *, by: Actor) -> None:
        """Takes a network off the allowlist. With the last one gone the key works from any address again.

        Taking off what is gone already changes nothing and leaves no event.
        """
        deleted, _ = self.allowlist.filter(pk=entry.pk).delete()
        if deleted:
            Event.record(
                EventKind.ALLOWLIST_REMOVED,
                by=by,
                subject=self,
                partner=self.partner,
                details={"network": str(entry), "label": entry.label},
            )

    def admits(self, address: Address | None) -> bool:
        """Whether the allowlist lets ``address`` in; an empty one lets in any."""
        networks = tuple(entry.network for entry in self.allowlist.all())
        return not networks or (address is not None and is_in(address, networks))

    def address_lost_with(self, networks: tuple[Network, ...]) -> Address | None:
        """The address the key was last used from, if an allowlist of ``networks`` would newly shut it out."""
        address: Address | None = self.last_used_ip
        if address is None or not networks or is_in(address, networks) or not self.admits(address):
            return None
        return address

    def covered_entries(self) -> list[tuple[AllowlistEntry, AllowlistEntry | None]]:
        """The allowlist, each entry with a wider one that lets in all of its addresses anyway."""
        entries = list(self.allowlist.all())
        return [(entry, next((wider for wider in entries if wider.covers(entry.network)), None)) for entry in entries]

    def seal_anew(self) -> None:
        """Re-seals the secret under the encryption key that writes.

        :raises keys.sealing.UnknownEncryptionKey: when the environment lacks the one it is sealed under
        :raises keys.sealing.CannotUnseal: when the ciphertext is damaged
        """
        assert self.ciphertext is not None and self.encryption_key is not None
        secret = unseal(self.ciphertext, key_id=self.pk, number=self.encryption_key)
        self.encryption_key, self.ciphertext = seal(secret, key_id=self.pk)
        self.save(update_fields=["encryption_key", "ciphertext"])


def next_id() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('keys_key', 'id'))")
        row: tuple[Any, ...] = cursor.fetchone()
    return int(row[0])
