"""A worker's shift at the pushes: one batch of a partner's at a time, many partners' at once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from partners import shifts
from partners.firehose.chosen import the_log
from partners.firehose.cursor import Cursor
from partners.firehose.log import Away, Forgotten, LoggedEvent, NotEnabled, NotYetThere
from partners.firehose.push.models import Push, Pushed, note_failure, settle
from partners.firehose.push.signing import signature
from partners.postbacks.sending import Answer, Message, deliver
from portal.accounts.events import EventKind
from portal.accounts.models import Event
from portal.web.sealing import CannotUnseal, UnknownEncryptionKey

if TYPE_CHECKING:
    from portal.accounts.actors import Actor

MOST_EVENTS = 500
MOST_BYTES = 1_000_000
# Each is read before the next: who has a batch ready need not wait for all the others.
READ_AT_ONCE = 8
POLL_SECONDS = 0.2
# Until it is asked again for events whose log is away.
AWAY = timedelta(seconds=2)
USER_AGENT = "Latchkey-Firehose/1"
CONTENT_TYPE = "application/x-ndjson"
UNREADABLE = "The secret that signs cannot be read. Make a new one."


@dataclass(frozen=True, slots=True)
class Batch:
    """Events to be sent: an object a line, from the first to the last without a gap."""

    push_id: int
    claim: int
    url: str
    secrets: tuple[str, ...]
    first: Cursor
    last: Cursor
    body: bytes


class Shift(shifts.Shift[Batch, Pushed]):
    at_once = 64

    def __init__(self, is_over: Callable[[], bool], *, poll_seconds: float = POLL_SECONDS) -> None:
        super().__init__(is_over, poll_seconds=poll_seconds)

    def settle_and_claim(self, results: Sequence[Pushed], room: int, busy: Counter[int]) -> list[Batch]:
        settle(results)
        return claim(min(room, READ_AT_ONCE)) if room else []

    async def attempted(self, claim: Batch) -> Pushed:
        return Pushed(claim.push_id, claim.claim, claim.last, await push(claim))

    def owner_of(self, claim: Batch) -> int:
        return claim.push_id

    def is_delivered(self, result: Pushed) -> bool:
        return result.is_confirmed


def claim(most: int) -> list[Batch]:
    read = [read_for(claimed) for claimed in Push.objects.all().claim(most)]
    return [batch for batch in read if batch is not None]


def read_for(push: Push) -> Batch | None:
    """What is next for it. None when there is nothing, or it cannot go on."""
    try:
        events = the_log().read(push.partner_id, push.cursor, MOST_EVENTS)
        secrets = live_secrets(push)
    except NotEnabled:
        events, secrets = (), ()
    except Away:
        # That is no failure of its receiver's.
        push.postpone(AWAY)
        return None
    except (Forgotten, NotYetThere):
        push.release()
        push.stop(Push.PausedFor.FORGOTTEN, f"What follows {push.cursor} is kept no longer.")
        return None
    except (CannotUnseal, UnknownEncryptionKey):
        note_failure(push.pk, push.claims, UNREADABLE)
        return None
    if not events:
        push.release()
        return None
    last, body = fitting(events)
    return Batch(push.pk, push.claims, push.url, secrets, events[0].cursor, last, body)


def live_secrets(push: Push) -> tuple[str, ...]:
    """The newest first."""
    return tuple(secret.unsealed() for secret in reversed(push.secrets.all()) if secret.is_live)


def fitting(events: Sequence[LoggedEvent]) -> tuple[Cursor, bytes]:
    """As many of them as one batch carries, and at least one."""
    lines: list[bytes] = []
    size, last = 0, events[0].cursor
    for event in events:
        line = event.json + b"\n"
        size += len(line)
        if lines and size > MOST_BYTES:
            break
        lines.append(line)
        last = event.cursor
    return last, b"".join(lines)


async def push(batch: Batch, *more: tuple[str, str]) -> Answer:
    headers = (
        ("Content-Type", CONTENT_TYPE),
        ("Latchkey-Cursor", f"first={batch.first},last={batch.last}"),
        ("Latchkey-Signature", signature(batch.body, at=int(time.time()), by=batch.secrets)),
        *more,
    )
    return await deliver(batch.url, Message(headers, batch.body, USER_AGENT))


def send_test(push_to: Push, *, by: Actor) -> Answer:
    """Sends a line of the type ``test`` now, once, which is no event: it moves nothing and counts nowhere, but is noted
    in the History Logs, because the receiver is somebody's. Takes ten seconds at most. The header Latchkey-Test says
    what it is.

    :raises CannotUnseal, UnknownEncryptionKey: when its secret cannot be read
    """
    body = f'{{"cursor":"{push_to.cursor}","type":"test"}}\n'.encode()
    secrets = live_secrets(push_to)
    batch = Batch(push_to.pk, 0, push_to.url, secrets, push_to.cursor, push_to.cursor, body)
    answer = asyncio.run(push(batch, ("Latchkey-Test", "1")))
    details = {"result": answer.problem or "It arrived."}
    Event.record(EventKind.PUSH_TESTED, by=by, subject=push_to, partner=push_to.partner, details=details)
    return answer
