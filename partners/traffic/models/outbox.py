"""What a partner whose traffic is followed has to be told: written with what happened, taken away by who tells it."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import ClassVar

from django.db import OperationalError, connection, models, transaction

from partners.models import Partner

# Each attempt keeps visitors waiting for no longer than this, should somebody else hold the lock that it asks for.
ATTEMPT = "100ms"
PAUSE_SECONDS = 0.05
ATTEMPTS = 20
LOCK_NOT_AVAILABLE = "55P03"


class TrafficIsBusy(Exception):
    """What writes traffic took too long to be waited for, such as a large report; a moment later it is over."""


class Followed(models.Model):
    """A partner whose traffic is followed: whatever is written of it has its ``OutboxEntry``, in the same transaction.

    Who writes traffic reads this table in the transaction that writes, and so holds a lock on it until that ends;
    ``begin`` waits for all of them. From its commit on nothing is committed without its entry.
    """

    partner_id = models.BigIntegerField(primary_key=True)

    def __str__(self) -> str:
        return f"Partner {self.partner_id} is followed"

    @classmethod
    def among(cls, partners: Collection[int]) -> set[int]:
        """Those who are, for the transaction that writes of them: until it ends nobody begins to be followed."""
        return (
            set(cls.objects.filter(partner_id__in=partners).values_list("partner_id", flat=True)) if partners else set()
        )

    @classmethod
    def begin(cls, partner: Partner) -> None:
        """To be called in a transaction. What is committed before it is not followed, and what was left is dropped.

        :raises TrafficIsBusy: when the others could not be waited for
        """
        cls._wait_for_writers()
        Followed.objects.bulk_create([Followed(partner_id=partner.pk)], ignore_conflicts=True)
        OutboxEntry.objects.filter(partner_id=partner.pk).delete()

    @classmethod
    def end(cls, partner: Partner) -> None:
        """What is being written at this moment may still leave entries: the next ``begin`` drops them."""
        cls.objects.filter(partner_id=partner.pk).delete()
        OutboxEntry.objects.filter(partner_id=partner.pk).delete()

    @classmethod
    def _wait_for_writers(cls) -> None:
        """Takes the lock that no reader of the table shares. Everybody who comes meanwhile waits behind it, so it is
        asked for in short attempts."""
        for _ in range(ATTEMPTS):
            try:
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute("SELECT set_config('lock_timeout', %s, true)", [ATTEMPT])
                    cursor.execute(f"LOCK TABLE {cls._meta.db_table} IN ACCESS EXCLUSIVE MODE")
                    cursor.execute("SELECT set_config('lock_timeout', '0', true)")
            except OperationalError as failure:
                if getattr(failure.__cause__, "sqlstate", "") != LOCK_NOT_AVAILABLE:
                    raise
                time.sleep(PAUSE_SECONDS)
            else:
                return
        raise TrafficIsBusy


class OutboxEntry(models.Model):
    """Something that happened and nobody has taken up yet.

    ``number`` rises with the writing, so of two entries that cannot have been written at once the earlier has the
    smaller; but what was written first may be committed, and so seen, last. Who reads takes all there is to see and
    never looks for what is beyond the last number it saw.
    """

    class Kind(models.IntegerChoices):
        CLICK = 1, "click"
        IMPRESSION = 2, "impression"
        CONVERSION = 3, "conversion"
        CONVERSION_UPDATE = 4, "conversion_update"

    number = models.BigAutoField(primary_key=True)
    partner_id = models.BigIntegerField()
    kind = models.PositiveSmallIntegerField(choices=Kind.choices)
    # The click's, the impression's, the new conversion's own; an update has one of its own. Its time is when it was.
    id = models.UUIDField()
    # A conversion as its partner saw it then, in JSON. Clicks and impressions never change: they stand in their tables.
    data = models.TextField(null=True)

    class Meta:
        db_table = "traffic_outbox"
        indexes: ClassVar = [models.Index(fields=["partner_id", "number"], name="outbox_partner")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(kind__in=[1, 2], data=None) | models.Q(kind__in=[3, 4], data__isnull=False),
                name="outbox_keeps_what_changes",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.Kind(self.kind).label} {self.id.hex}"
