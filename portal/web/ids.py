"""UUIDv7: ids whose first 48 bits are the millisecond they were given, so that their order is that of time."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import uuid_utils


def new_id() -> UUID:
    """An id of this moment; those that one process makes rise strictly."""
    return UUID(bytes=uuid_utils.uuid7().bytes)


def first_id_at(moment: datetime) -> UUID:
    """The smallest id of that moment, for ranges of time over ids."""
    return UUID(int=max(int(moment.timestamp() * 1000), 0) << 80)


def moment_of(given: UUID) -> datetime:
    """When the id was given, to the millisecond."""
    return datetime.fromtimestamp((given.int >> 80) / 1000, tz=UTC)
