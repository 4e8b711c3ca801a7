"""What happens to a partner, and what a log of the Firehose tells of it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from nats.js.api import StreamInfo

from partners.firehose.cursor import Cursor
from partners.firehose.jetstream import JetStreamLog, Stream
from partners.firehose.log import Log, LoggedEvent
from partners.models import Partner
from partners.traffic.models import OutboxEntry
from portal.web.ids import first_id_at, new_id
from tests.partners.firehose.at_once import until


def happen(partner: Partner, *what: int, at: datetime | None = None) -> None:
    for number in what:
        OutboxEntry.objects.create(
            partner_id=partner.pk,
            kind=OutboxEntry.Kind.CONVERSION_UPDATE,
            id=new_id() if at is None else first_id_at(at + timedelta(seconds=number)),
            data=json.dumps({"what": number}),
        )


def told(events: Any) -> list[tuple[str, int]]:
    return [(str(event.cursor), json.loads(event.data)["what"]) for event in events]


def all_of(log: Log, partner: Partner, after: Cursor, most: int = 3) -> list[LoggedEvent]:
    """What a reader gets until it has everything, asking again while somebody else is at it."""
    read: list[LoggedEvent] = []
    last = log.last(partner.pk)

    def has_all() -> bool:
        nonlocal after
        while events := log.read(partner.pk, after, most):
            assert len(events) <= most
            read.extend(events)
            after = events[-1].cursor
        return after == last

    until(has_all)
    return read


def numbered(*what: int, run: int = 1) -> list[tuple[str, int]]:
    return [(f"{run}-{number}", number) for number in what]


def info_of(log: JetStreamLog, partner: Partner, run: int = 1) -> StreamInfo:
    info = log.server.ask(Stream(partner.pk, run).info())
    assert info is not None
    return info
