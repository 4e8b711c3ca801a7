from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.faults.conftest import ROUNDS, Site, wait_until
from tests.partners.postbacks.receiver import answering, receiving
from tests.partners.push.conftest import Inbox

FAULTS: tuple[tuple[str, ...], ...] = (("worker",), ("worker", "postgres"), ("backend", "worker"))
EVENTS = 6000
# A shift begins every minute, and a claim of a killed worker runs out after half of one.
PUSHED_SECONDS = 600
MAKE_PUSH = """
from partners.firehose.models import Firehose
from partners.firehose.push.models import Push
from partners.models import Partner
from portal.accounts.actors import Actor
by = Actor.system("tests")
partner = Partner.create(by=by, name="Pushed Media", status="active")
Firehose.enable(partner, by=by)
Push.add(partner=partner, url="http://127.0.0.1:PORT/events", by=by)
print(partner.pk)
"""
HAPPEN = """
INSERT INTO traffic_outbox (partner_id, kind, id, data)
SELECT %s, 4, uuidv7(), '{"order_id":"' || number || '"}' FROM generate_series(1, %s) number
RETURNING 1
"""


@pytest.fixture(scope="module")
def inbox(site: Site) -> Iterator[Inbox]:
    with receiving(Inbox) as inbox:
        assert isinstance(inbox, Inbox)
        yield inbox


@pytest.fixture(scope="module")
def partner_id(site: Site, inbox: Inbox) -> int:
    return int(site.manage("shell", "--no-imports", "-c", MAKE_PUSH.replace("PORT", str(inbox.port))).split()[-1])


def unsteady(connection: socket.socket, path: str) -> None:
    """An answer that takes its time, and is a failure now and then."""
    time.sleep(random.uniform(0, 0.2))
    answering(503 if random.random() < 0.1 else 200, "")(connection, path)


@pytest.mark.parametrize("round_number", range(ROUNDS or 1))
def test_every_event_is_pushed_in_order_whatever_is_killed(
    site: Site, inbox: Inbox, partner_id: int, round_number: int
) -> None:
    inbox.reply = unsteady
    inbox.batches.clear()
    site.query(HAPPEN, partner_id, EVENTS)
    first, last = round_number * EVENTS + 1, (round_number + 1) * EVENTS

    wait_until(lambda: len(inbox.batches) > random.randrange(1, 8), PUSHED_SECONDS)
    for fault in FAULTS[round_number % len(FAULTS)]:
        getattr(site, f"kill_{fault}")()

    def all_through() -> bool:
        return site.query("SELECT seq FROM push_push WHERE partner_id = %s", partner_id) == [(last,)]

    wait_until(all_through, PUSHED_SECONDS)
    told = [int(cursor.partition("-")[2]) for cursor in inbox.cursors]
    # At least once each, and none before all that are before it: a step is to the next one, or back.
    assert set(told) == set(range(first, last + 1))
    assert all(later <= earlier + 1 for earlier, later in pairwise(told))
    assert told[0] == first
