"""How much of what JetStream may hold of the Firehose is taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import AccountInfo, StreamInfo, Tier

from partners.firehose.jetstream import streams


@dataclass(frozen=True, slots=True)
class Room:
    """What all streams hold together, and of the limits that there are the one that will be met first."""

    bytes: int
    # From 0 to 1; None where nothing is limited but by the disk.
    share: float | None = None
    of: str = ""


async def room(client: Client, jetstream: JetStreamContext) -> Room:
    """A question for ``Server.ask``."""
    return room_of(await jetstream.account_info(), await streams(client, jetstream))


def room_of(account: AccountInfo, ours: Iterable[StreamInfo]) -> Room:
    ours = list(ours)
    taken = sum(info.state.bytes for info in ours)
    return max(
        (Room(taken, used / limit, of) for of, used, limit in limits_of(account, ours) if limit and limit > 0),
        key=lambda room: room.share or 0,
        default=Room(taken),
    )


def limits_of(account: AccountInfo, ours: Iterable[StreamInfo]) -> Iterator[tuple[str, int, int | None]]:
    """What is limited, how much of it is taken, and how much there is: -1, 0 and None are no limit."""
    # An account has limits of its own, or, in a cluster, for each number of replicas.
    parts: list[AccountInfo | Tier] = [account, *(account.tiers or {}).values()]
    for part in parts:
        yield "the account's storage", part.storage, part.limits.max_storage
        yield "the account's streams", part.streams, part.limits.max_streams
    for info in ours:
        yield f"the bytes of {info.config.name}", info.state.bytes, info.config.max_bytes
        yield f"the messages of {info.config.name}", info.state.messages, info.config.max_msgs
