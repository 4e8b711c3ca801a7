"""Reading a partner's events: the one interface that whoever hands them on stands on.

``Log`` is all that the stream and the push know. ``PostgresLog`` reads the table where the events were numbered;
``JetStreamLog`` (``jetstream.py``) carries them on and keeps run and number. Which it is says ``chosen.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from django.db import connection

from partners.firehose.cursor import Cursor
from partners.firehose.models import MOST_NUMBERED, Firehose, NumberedEvent, number_events
from partners.traffic.models import Click, Impression, OutboxEntry
from partners.traffic.rows import CLICKS, IMPRESSIONS, by_id
from portal.web.ids import moment_of

Kind = OutboxEntry.Kind


class NotEnabled(Exception):
    """The partner has no Firehose, or no longer the one that the cursor is of."""


class Forgotten(Exception):
    """What follows the cursor is past the retention; ``oldest`` is where one can begin."""

    def __init__(self, oldest: Cursor) -> None:
        self.oldest = oldest
        super().__init__(str(oldest))


class NotYetThere(Exception):
    """The cursor is behind an event that there has not been; ``last`` is the last."""

    def __init__(self, last: Cursor) -> None:
        self.last = last
        super().__init__(str(last))


class Away(Exception):
    """The log cannot be asked at this moment. Nothing of it is lost, and whoever waits may ask again."""


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event as it is handed on. ``data`` is an object in JSON; the same event has the same ``id`` for ever."""

    cursor: Cursor
    id: UUID
    kind: Kind
    data: bytes

    @property
    def json(self) -> bytes:
        return (
            f'{{"cursor":"{self.cursor}","id":"{self.id.hex}","type":"{self.kind.label}",'
            f'"unix_timestamp":{int(moment_of(self.id).timestamp())},"data":'
        ).encode() + b"%s}" % self.data


class Log(Protocol):
    """The events of partners, each run's in the order of their numbers.

    All of it may be asked from any thread, outside of transactions, and holds nothing open in between.
    """

    def last(self, partner_id: int) -> Cursor:
        """Behind the last event that was committed by now.

        :raises NotEnabled:
        """

    def oldest(self, partner_id: int) -> Cursor:
        """Before the first event that is kept.

        :raises NotEnabled:
        :raises Away:
        """

    def read(self, partner_id: int, after: Cursor, most: int) -> Sequence[LoggedEvent]:
        """The next events after the cursor, ``most`` so many, without a gap. None: there are none yet; it does not wait
        for them.

        :raises NotEnabled: also when it has been disabled, or enabled anew, since the cursor was given
        :raises Forgotten:
        :raises NotYetThere:
        :raises Away:
        """


READ = f"""
SELECT seq, id, kind, data FROM {NumberedEvent._meta.db_table}
WHERE partner_id = %s AND run = %s AND seq > %s AND seq <= %s
ORDER BY seq
"""  # noqa: S608 -- the name of our table
STANDING = f"""
SELECT run, last_seq, greatest(forgotten_seq, relayed_seq),
    EXISTS (SELECT FROM {OutboxEntry._meta.db_table} entry WHERE entry.partner_id = firehose.partner_id)
FROM {Firehose._meta.db_table} firehose WHERE partner_id = %s AND disabled_at IS NULL
"""  # noqa: S608 -- the names of our tables


class PostgresLog:
    """Reads the table of numbered events, and has numbered first what stands in the outbox: whoever waits for an event
    numbers it, and nobody has to be told that there is one."""

    def last(self, partner_id: int) -> Cursor:
        while numbered := number_events(partner_id):
            if numbered.events < MOST_NUMBERED:
                return numbered.last
        raise NotEnabled

    def oldest(self, partner_id: int) -> Cursor:
        firehose = Firehose.objects.enabled().filter(pk=partner_id).first()
        if firehose is None:
            raise NotEnabled
        return firehose.oldest

    def read(self, partner_id: int, after: Cursor, most: int) -> Sequence[LoggedEvent]:
        last, oldest = self._standing(partner_id)
        if after.run != last.run:
            raise NotEnabled
        if after.seq < oldest.seq:
            raise Forgotten(oldest)
        if after.seq > last.seq:
            raise NotYetThere(last)
        if after == last:
            return ()
        with connection.cursor() as cursor:
            cursor.execute(READ, [partner_id, after.run, after.seq, after.seq + most])
            rows = cursor.fetchall()
        if not rows or [row[0] for row in rows] != list(range(after.seq + 1, after.seq + 1 + len(rows))):
            # They were dropped in this very moment.
            raise Forgotten(self.oldest(partner_id))
        visits = visits_of(partner_id, rows)
        return [
            LoggedEvent(
                Cursor(after.run, seq),
                event_id,
                Kind(kind),
                visits.get(event_id, b"null") if data is None else data.encode(),
            )
            for seq, event_id, kind, data in rows
        ]

    def _standing(self, partner_id: int) -> tuple[Cursor, Cursor]:
        """The last cursor and the oldest, after numbering what there is."""
        with connection.cursor() as cursor:
            cursor.execute(STANDING, [partner_id])
            row = cursor.fetchone()
        if row is None:
            raise NotEnabled
        run, last_seq, oldest_seq, is_waiting = row
        last = Cursor(run, last_seq)
        if is_waiting and (numbered := number_events(partner_id)):
            # Of another run, when it was enabled anew in this very moment.
            last = numbered.last
        return last, Cursor(run, oldest_seq)


def visits_of(partner_id: int, rows: Sequence[tuple[int, UUID, int, str | None]]) -> dict[UUID, bytes]:
    """The clicks and impressions among the events. They are looked up when they are read: they never change, and would
    be most of the table."""
    ids: dict[int, list[UUID]] = {Kind.CLICK: [], Kind.IMPRESSION: []}
    for _, event_id, kind, _ in rows:
        if kind in ids:
            ids[kind].append(event_id)
    return by_id(Click.objects.filter(partner=partner_id), ids[Kind.CLICK], CLICKS) | by_id(
        Impression.objects.filter(partner=partner_id), ids[Kind.IMPRESSION], IMPRESSIONS
    )


postgres: Log = PostgresLog()
