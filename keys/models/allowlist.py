"""From where a key may be used."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Func, Q
from django.db.models.lookups import GreaterThan
from django.utils import timezone
from netfields import CidrAddressField

from keys.models.key import Key
from keys.networks import written
from portal.web.client_ip import Network


class AllowlistEntry(models.Model):
    """An IP network that a key may be used from."""

    key = models.ForeignKey(Key, on_delete=models.CASCADE, related_name="allowlist")
    network = CidrAddressField()
    label = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=200)

    class Meta:
        ordering = ("pk",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["key", "network"], name="allowlist_entry_is_unique"),
            models.CheckConstraint(condition=~Q(created_by=""), name="allowlist_entry_created_at_and_by"),
            models.CheckConstraint(
                condition=GreaterThan(Func(F("network"), function="masklen", output_field=models.IntegerField()), 0),
                name="allowlist_entry_is_not_any_address",
            ),
        ]

    def __str__(self) -> str:
        return written(self.network)

    def covers(self, network: Network) -> bool:
        """Whether this is a wider network that has all of ``network`` in it."""
        own: Network = self.network
        return own.version == network.version and own != network and network.subnet_of(own)  # type: ignore[arg-type]
