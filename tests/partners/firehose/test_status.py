"""What System Status says of the Firehose, whichever log carries it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils.timezone import now
from nats.js.api import AccountInfo, DiscardPolicy, StreamInfo

from partners.firehose import jetstream as module
from partners.firehose.backlog import Backlog, unnumbered, unrelayed
from partners.firehose.cursor import Cursor
from partners.firehose.jetstream import JetStreamLog, Stream
from partners.firehose.jobs import number_unread
from partners.firehose.models import Firehose, NumberedEvent, number_events
from partners.firehose.room import Room, room_of
from partners.models import Partner
from portal.accounts.models import User
from portal.status import firehose as status
from portal.status.firehose import measure_firehose
from portal.status.jobs import probe_what_is_due
from portal.status.judgement import State
from portal.status.models import Check
from portal.web.ids import moment_of
from tests.conftest import SETUP, Browse
from tests.page import page
from tests.partners.firehose.at_once import until
from tests.partners.firehose.conftest import answers
from tests.partners.firehose.happening import all_of, happen, info_of, numbered, told
from tests.partners.firehose.nats_server import NatsServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def snapshot_path(tmp_path: Any, settings: Any) -> None:
    settings.STATUS_SNAPSHOT = tmp_path / "status.json"


@pytest.fixture
def full(carried: JetStreamLog, firehose: Firehose, acme: Partner) -> Callable[[int], None]:
    """``full(3)``: the partner's stream takes no more messages than three."""

    def limit(messages: int) -> None:
        async def ask(client: Any, jetstream: Any) -> None:
            config = (await jetstream.stream_info(Stream(acme.pk, 1).name)).config
            await jetstream.update_stream(config.evolve(max_msgs=messages, discard=DiscardPolicy.NEW))

        carried.server.ask(ask)

    return limit


def test_the_backlog_is_what_waits_of_those_who_are_followed(
    firehose: Firehose, acme: Partner, other_partner: Partner
) -> None:
    moment = now().replace(microsecond=0)
    assert unnumbered() == unrelayed() == Backlog()
    happen(acme, 1, 2, at=moment - timedelta(hours=2))
    number_events(acme.pk)
    happen(acme, 3, at=moment)
    # Nobody will ever read these.
    Firehose.enable(other_partner, by=SETUP).disable(by=SETUP)
    happen(other_partner, 1, at=moment - timedelta(days=1))

    assert unnumbered() == Backlog(1, moment + timedelta(seconds=3))
    assert unrelayed() == Backlog(3, moment - timedelta(hours=2) + timedelta(seconds=1))
    Firehose.objects.filter(pk=acme.pk).update(relayed_seq=1)
    assert unrelayed() == Backlog(2, moment - timedelta(hours=2) + timedelta(seconds=2))


def test_postgresql_alone_says_what_waits_for_a_number_and_warns_when_nobody_gives_it(
    firehose: Firehose, acme: Partner
) -> None:
    calm = measure_firehose(now())
    happen(acme, 1, 2)
    first = unnumbered().since
    assert first is not None

    soon, late = measure_firehose(first + timedelta(minutes=29)), measure_firehose(first + timedelta(minutes=31))

    assert (calm.note, calm.outage, calm.warning) == ("No event waits for a number.", "", "")
    assert (calm.window.answered, calm.window.errors) == (5, 0)
    assert (soon.note, soon.warning) == ("2 events wait for a number, the first for 29 minutes.", "")
    assert late.warning == ("2 events wait for a number, the first for 31 minutes. The worker should have given it.")
    assert not late.outage


def test_jetstream_says_what_it_holds_when_it_took_some_and_what_waits(
    carried: JetStreamLog, firehose: Firehose, acme: Partner
) -> None:
    before = measure_firehose(now())
    happen(acme, 1, 2)
    all_of(carried, acme, Cursor(1, 0))
    happen(acme, 3)
    number_events(acme.pk)
    [waiting] = NumberedEvent.objects.all()
    firehose.refresh_from_db()
    assert firehose.relayed_at is not None

    figures = measure_firehose(max(firehose.relayed_at, moment_of(waiting.id)) + timedelta(minutes=7))

    assert before.note == (
        "JetStream holds 0\xa0bytes, limited by the disk alone. It has taken none yet. No event waits in the database."
    )
    size = info_of(carried, acme).state.bytes
    assert figures.note == (
        f"JetStream holds {size}\xa0bytes, limited by the disk alone. It last took some 7 minutes ago."
        " 1 event waits in the database, the first for 7 minutes."
    )
    assert (figures.outage, figures.warning, figures.window.answered) == ("", "", 5)


def test_a_jetstream_that_is_full_is_out_and_what_it_refuses_is_kept_until_it_has_room(
    carried: JetStreamLog,
    firehose: Firehose,
    acme: Partner,
    full: Callable[[int], None],
    nadia: User,
    browse: Browse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    happen(acme, 1, 2, 3)
    all_of(carried, acme, Cursor(1, 0))
    full(4)
    happen(acme, 4, 5, 6)

    assert told(carried.read(acme.pk, Cursor(1, 0), 10)) == numbered(1, 2, 3, 4)
    assert list(carried.read(acme.pk, Cursor(1, 4), 10)) == []
    number_unread(timestamp=0)

    assert list(NumberedEvent.objects.order_by("seq").values_list("seq", flat=True)) == [5, 6]
    figures = measure_firehose(now())
    assert figures.outage.startswith("JetStream takes no more events: maximum messages exceeded. 2 events wait in the ")
    assert figures.warning == f"JetStream is nearly full: 100% of the messages of {Stream(acme.pk, 1).name}."
    probe_what_is_due(now())
    assert state_in_json() == "outage"
    shown = page(browse(nadia).get("/system/status/")).region("system-status").text
    assert "Outage JetStream takes no more events" in shown
    assert "2 events wait in the database" in shown

    full(100)

    monkeypatch.setattr(module, "REFUSED", timedelta())
    assert told(all_of(carried, acme, Cursor(1, 0))) == numbered(1, 2, 3, 4, 5, 6)
    assert not NumberedEvent.objects.exists()
    figures = measure_firehose(now())
    assert (figures.outage, figures.warning) == ("", "")
    assert figures.note.endswith("No event waits in the database.")


def test_a_full_jetstream_is_not_asked_again_at_once(
    carried: JetStreamLog,
    firehose: Firehose,
    acme: Partner,
    full: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    happen(acme, 1)
    all_of(carried, acme, Cursor(1, 0))
    full(1)
    happen(acme, 2)
    number_events(acme.pk)
    monkeypatch.setattr(module, "REFUSED", timedelta(hours=1))
    assert carried.relay(acme.pk) == 0
    full(2)

    assert carried.relay(acme.pk) == 0
    Firehose.objects.update(refused_at=now() - timedelta(hours=2))
    assert carried.relay(acme.pk) == 1

    firehose.refresh_from_db()
    assert (firehose.refused_at, firehose.refusal, firehose.relayed_seq) == (None, "", 2)


def test_a_nats_that_does_not_answer_is_out_and_what_waits_for_it_is_kept(
    carried: JetStreamLog, nats: NatsServer, firehose: Firehose, acme: Partner
) -> None:
    happen(acme, 1)
    all_of(carried, acme, Cursor(1, 0))
    nats.stop()
    happen(acme, 2, 3)
    number_unread(timestamp=0)

    probe_what_is_due(now())

    check = Check.objects.get(probe="firehose")
    assert check.state == State.OUTAGE
    assert check.outage.startswith("NATS cannot be asked: ")
    assert "2 events wait in the database, the first for " in check.outage
    assert check.note.startswith("It last took some ")
    assert state_in_json() == "outage"
    nats.start()
    until(lambda: answers(carried))
    assert told(all_of(carried, acme, Cursor(1, 0))) == numbered(1, 2, 3)
    assert not measure_firehose(now()).outage


def test_events_that_jetstream_does_not_get_are_an_outage_though_it_answers(
    carried: JetStreamLog, firehose: Firehose, acme: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    happen(acme, 1)
    monkeypatch.setattr(status, "WAIT", timedelta(0))

    assert measure_firehose(now() + timedelta(seconds=5)).outage.startswith(
        "JetStream does not get the events, and the log says why. 1 event waits in the database"
    )


@pytest.mark.parametrize(
    ("account", "stream", "expected"),
    [
        ({}, {}, Room(500)),
        ({"storage": 600, "max_storage": 1000}, {}, Room(500, 0.6, "the account's storage")),
        (
            {"streams": 9, "max_streams": 10, "storage": 1, "max_storage": 2},
            {},
            Room(500, 0.9, "the account's streams"),
        ),
        ({}, {"max_bytes": 1000}, Room(500, 0.5, "the bytes of FIREHOSE_1_1")),
        ({"max_storage": 0}, {"max_msgs": 5, "max_bytes": -1}, Room(500, 0.4, "the messages of FIREHOSE_1_1")),
    ],
)
def test_the_limit_that_is_met_first_is_the_one_that_counts(
    account: dict[str, int], stream: dict[str, int], expected: Room
) -> None:
    limits = {"max_memory": -1, "max_storage": -1, "max_streams": -1, "max_consumers": -1, "max_ack_pending": -1}
    limits |= {"memory_max_stream_bytes": -1, "storage_max_stream_bytes": -1, "max_bytes_required": False}
    said = {
        "memory": 0,
        "storage": 500,
        "streams": 1,
        "consumers": 0,
        "limits": limits,
        "api": {"total": 0, "errors": 0},
    }
    for name, value in account.items():
        (limits if name in limits else said)[name] = value
    state = {"messages": 2, "bytes": 500, "first_seq": 1, "last_seq": 2, "consumer_count": 0}
    info = {"config": {"name": "FIREHOSE_1_1", "max_msgs": -1, "max_bytes": -1} | stream, "state": state}

    assert room_of(AccountInfo.from_response(said), [StreamInfo.from_response(info)]) == expected


def state_in_json() -> str:
    rows = json.loads(Client().get("/status.json").content)["rows"]
    return next(str(row["state"]) for row in rows if row["slug"] == "firehose")
