"""A relay that is really killed where it hurts: JetStream has the events, and PostgreSQL has not dropped them yet."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from django.db import connection

from partners.firehose.cursor import Cursor
from partners.firehose.jetstream import Appended, JetStreamLog, Stream
from partners.firehose.models import Firehose, NumberedEvent, number_events
from partners.models import Partner
from portal.postgres import PROJECT
from tests.partners.firehose.at_once import PATIENCE, until
from tests.partners.firehose.happening import all_of, happen, info_of, numbered, told
from tests.partners.firehose.nats_server import NatsServer

pytestmark = pytest.mark.django_db(transaction=True)


def relaying(nats: NatsServer, partner: Partner, *how: str) -> subprocess.Popen[str]:
    database = str(connection.settings_dict["NAME"])
    command = [sys.executable, "-m", "tests.partners.firehose.relaying", database, str(partner.pk), *how]
    environment = os.environ | {"FIREHOSE_NATS_URL": nats.url}
    return subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True)


def killed(relay: subprocess.Popen[str]) -> str:
    """What it had been answered when it was."""
    assert relay.stdout is not None
    with relay.stdout:
        answer = relay.stdout.readline().strip()
        relay.send_signal(signal.SIGKILL)
        assert relay.wait(PATIENCE) == -signal.SIGKILL
    return answer


@pytest.mark.parametrize("most", [2, 1000])
def test_a_relay_that_is_killed_after_publishing_and_before_dropping_loses_and_repeats_nothing(
    carried: JetStreamLog, nats: NatsServer, firehose: Firehose, acme: Partner, most: int
) -> None:
    happen(acme, *range(1, 6))
    number_events(acme.pk)
    published = min(most, 5)

    answers = [killed(relaying(nats, acme, str(most), "halt"))]
    until(is_free)
    # Whoever comes next finds them there, and dies in the same place.
    answers.append(killed(relaying(nats, acme, str(most), "halt")))
    until(is_free)
    assert answers == [str(Appended(published))] * 2
    assert (NumberedEvent.objects.count(), info_of(carried, acme).state.last_seq) == (5, published)
    happen(acme, 6, 7)
    number_events(acme.pk)
    ids = [event_id.hex for event_id in NumberedEvent.objects.order_by("seq").values_list("id", flat=True)]
    again = relaying(nats, acme, str(most))

    again.communicate(timeout=PATIENCE)
    assert again.returncode == 0
    assert not NumberedEvent.objects.exists()
    messages = carried.server.ask(Stream(acme.pk, 1).read(1, 100))
    assert [(message.seq, message.id) for message in messages] == list(enumerate(ids, start=1))
    assert told(all_of(carried, acme, Cursor(1, 0))) == numbered(*range(1, 8))


def is_free() -> bool:
    """Whether PostgreSQL has noticed that nobody relays any more."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return bool(cursor.fetchone()[0] == 0)
