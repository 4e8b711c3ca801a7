"""What an allowlist would have done to the calls a key has made."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from apilog.models import LoggedCall
from keys.models import Key
from keys.networks import parse_network
from portal.web.client_ip import Network, is_in, parse_address

CALLS = 1000
ADDRESSES_SHOWN = 8


@dataclass
class Stranger:
    """An address that would have been refused, and the calls it made. Newest first, so the first call is the last."""

    address: str
    last_at: datetime
    calls: int = 0


@dataclass(frozen=True)
class DryRun:
    """Of so many calls, those that the allowlist would have refused, by address."""

    calls: int
    refused: int
    strangers: list[Stranger]

    @property
    def shown(self) -> list[Stranger]:
        return self.strangers[:ADDRESSES_SHOWN]

    @property
    def not_shown(self) -> int:
        return len(self.strangers) - len(self.shown)


def dry_run(key: Key, proposed: str = "") -> DryRun | None:
    """The key's last calls against its allowlist with ``proposed`` added to it; None while that lets anybody in.

    What cannot be read as an address or a network counts as nothing: the form says so itself when it is sent.
    """
    networks: tuple[Network, ...] = tuple(entry.network for entry in key.allowlist.all())
    with suppress(ValueError):
        networks += (parse_network(proposed),)
    if not networks:
        return None
    calls = list(LoggedCall.objects.filter(key_id=key.pk).newest_first().values_list("ip", "received_at")[:CALLS])
    strangers: dict[str, Stranger] = {}
    for ip, received_at in calls:
        address = parse_address(ip or "")
        if address is None or not is_in(address, networks):
            stranger = strangers.setdefault(ip or "no address", Stranger(ip or "no address", received_at))
            stranger.calls += 1
    found = sorted(strangers.values(), key=lambda stranger: (-stranger.calls, stranger.address))
    return DryRun(len(calls), sum(stranger.calls for stranger in found), found)
