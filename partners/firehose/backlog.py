"""How much the Firehose has before it: what has no number yet, and what JetStream has not taken yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from partners.firehose.models import Firehose, NumberedEvent
from partners.traffic.models import OutboxEntry
from portal.web.ids import moment_of

# Beyond that, of one partner, it only matters that there are many.
COUNTED = 10_000
# A row for each partner who has something there.
UNNUMBERED = f"""
SELECT due.events, due.first FROM {Firehose._meta.db_table} firehose CROSS JOIN LATERAL (
    SELECT count(*) AS events, (array_agg(id ORDER BY number))[1] AS first FROM (
        SELECT id, number FROM {OutboxEntry._meta.db_table} WHERE partner_id = firehose.partner_id
        ORDER BY number LIMIT {COUNTED}
    ) entry
) due
WHERE firehose.disabled_at IS NULL AND due.events > 0
"""  # noqa: S608 -- the names of our tables
UNRELAYED = f"""
SELECT firehose.last_seq - kept.after, event.id
FROM {Firehose._meta.db_table} firehose
CROSS JOIN LATERAL (SELECT greatest(forgotten_seq, relayed_seq) AS after) kept
JOIN {NumberedEvent._meta.db_table} event
ON event.partner_id = firehose.partner_id AND event.run = firehose.run AND event.seq = kept.after + 1
WHERE firehose.disabled_at IS NULL
"""  # noqa: S608 -- the names of our tables


@dataclass(frozen=True, slots=True)
class Backlog:
    """Events that wait; the first of them happened at ``since``."""

    events: int = 0
    since: datetime | None = None

    def __add__(self, other: Backlog) -> Backlog:
        moments = [moment for moment in (self.since, other.since) if moment is not None]
        return Backlog(self.events + other.events, min(moments, default=None))

    @classmethod
    def of(cls, waiting: Iterable[tuple[int, UUID]]) -> Backlog:
        return sum((cls(events, moment_of(first)) for events, first in waiting), cls())


def unnumbered() -> Backlog:
    """What waits for its number."""
    return asked(UNNUMBERED)


def unrelayed() -> Backlog:
    """What JetStream has not taken yet, whether it has its number or not."""
    return asked(UNNUMBERED) + asked(UNRELAYED)


def asked(question: str) -> Backlog:
    with connection.cursor() as cursor:
        cursor.execute(question)
        return Backlog.of(cursor.fetchall())
