"""What is promised of every log of the Firehose, whichever carries it, and what JetStream adds to be afraid of."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from keys.models import Key
from partners.firehose import jetstream as module
from partners.firehose.chosen import jetstream, the_log
from partners.firehose.cursor import Cursor
from partners.firehose.following import Ending, Following, Lines
from partners.firehose.jetstream import JetStreamLog, Server, Stream, deleting, names
from partners.firehose.jobs import number_unread
from partners.firehose.log import Away, Forgotten, Log, NotEnabled, NotYetThere, postgres
from partners.firehose.models import Firehose, NumberedEvent, forget_before, number_events
from partners.firehose.push.models import Push
from partners.firehose.push.sending import claim
from partners.models import Partner
from partners.offers.models import Offer
from partners.traffic.models import Click, OutboxEntry
from tests.conftest import SETUP
from tests.partners.firehose.at_once import Open, click, elsewhere, until
from tests.partners.firehose.conftest import answers
from tests.partners.firehose.happening import all_of, happen, info_of, numbered, told
from tests.partners.firehose.nats_server import NatsServer

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/v1/affiliates/firehose"
LONG_AGO = datetime(2020, 3, 10, 12, tzinfo=UTC)


@pytest.fixture(params=["postgres", "jetstream"])
def log(request: pytest.FixtureRequest) -> Log:
    if request.param == "jetstream":
        request.getfixturevalue("nats")
    return the_log()


def forget(partner: Partner, seq: int) -> None:
    """As age does it."""
    log = jetstream()
    if log is None:
        forget_before((LONG_AGO + timedelta(days=1)).date())
        return

    async def purge(client: Any, stream: Any) -> None:
        await stream.purge_stream(Stream(partner.pk, 1).name, seq=seq + 1)

    log.server.ask(purge)


def test_events_are_dense_in_order_and_read_on_from_any_of_them(log: Log, firehose: Firehose, acme: Partner) -> None:
    happen(acme, *range(1, 8))

    assert told(all_of(log, acme, Cursor(1, 0))) == numbered(*range(1, 8))
    assert told(all_of(log, acme, Cursor(1, 4))) == numbered(5, 6, 7)
    assert told(log.read(acme.pk, Cursor(1, 2), 2)) == numbered(3, 4)
    happen(acme, 8)
    assert told(all_of(log, acme, Cursor(1, 7))) == numbered(8)
    assert log.read(acme.pk, Cursor(1, 8), 10) == ()
    assert (log.oldest(acme.pk), log.last(acme.pk)) == (Cursor(1, 0), Cursor(1, 8))


def test_a_click_is_the_same_event_in_every_log(log: Log, firehose: Firehose, acme: Partner, offer: Offer) -> None:
    click(acme, offer, "sub1=mail&sub2=ü")

    [event] = all_of(log, acme, Cursor(1, 0))

    assert (event.kind, event.id) == (OutboxEntry.Kind.CLICK, Click.objects.get().id)
    line = json.loads(event.json)
    assert (line["type"], line["data"]["sub1"], line["data"]["sub2"]) == ("click", "mail", "ü")
    assert line["data"]["transaction_id"] == event.id.hex


def test_what_is_past_the_retention_is_forgotten_and_said_so(log: Log, firehose: Firehose, acme: Partner) -> None:
    happen(acme, 1, 2, at=LONG_AGO)
    assert told(all_of(log, acme, Cursor(1, 0))) == numbered(1, 2)
    happen(acme, 3)
    assert log.last(acme.pk) == Cursor(1, 3)

    forget(acme, 2)

    for cursor in (Cursor(1, 0), Cursor(1, 1)):
        with pytest.raises(Forgotten) as forgotten:
            log.read(acme.pk, cursor, 10)
        assert forgotten.value.oldest == log.oldest(acme.pk) == Cursor(1, 2)
    assert told(all_of(log, acme, Cursor(1, 2))) == numbered(3)


def test_a_run_that_is_forgotten_as_a_whole_goes_on(log: Log, firehose: Firehose, acme: Partner) -> None:
    happen(acme, 1, 2, at=LONG_AGO)
    all_of(log, acme, Cursor(1, 0))

    forget(acme, 2)

    assert log.oldest(acme.pk) == log.last(acme.pk) == Cursor(1, 2)
    with pytest.raises(Forgotten):
        log.read(acme.pk, Cursor(1, 1), 10)
    happen(acme, 3)
    assert told(all_of(log, acme, Cursor(1, 2))) == numbered(3)


def test_a_cursor_that_leads_nowhere_is_told_why(
    log: Log, firehose: Firehose, acme: Partner, other_partner: Partner
) -> None:
    happen(acme, 1)

    with pytest.raises(NotYetThere) as too_far:
        log.read(acme.pk, Cursor(1, 2), 10)
    assert too_far.value.last == Cursor(1, 1)
    for partner_id, cursor in ((acme.pk, Cursor(2, 0)), (other_partner.pk, Cursor(1, 0))):
        with pytest.raises(NotEnabled):
            log.read(partner_id, cursor, 10)
    firehose.disable(by=SETUP)
    with pytest.raises(NotEnabled):
        log.read(acme.pk, Cursor(1, 0), 10)
    for ask in (log.last, log.oldest):
        with pytest.raises(NotEnabled):
            ask(acme.pk)


def test_a_firehose_that_is_enabled_anew_begins_anew(log: Log, firehose: Firehose, acme: Partner) -> None:
    happen(acme, 1, 2)
    all_of(log, acme, Cursor(1, 0))
    firehose.disable(by=SETUP)

    Firehose.enable(acme, by=SETUP)
    happen(acme, 1, 2, 3)

    assert told(all_of(log, acme, Cursor(2, 0))) == numbered(1, 2, 3, run=2)
    with pytest.raises(NotEnabled):
        log.read(acme.pk, Cursor(1, 2), 10)


def test_postgresql_carries_it_unless_it_is_told_otherwise(settings: Any) -> None:
    settings.FIREHOSE_NATS_URL = ""

    assert jetstream() is None
    assert the_log() is postgres


def test_what_jetstream_has_confirmed_is_no_longer_here_and_readers_leave_nothing_there(
    carried: JetStreamLog, firehose: Firehose, acme: Partner, settings: Any
) -> None:
    happen(acme, 1, 2, 3)
    all_of(carried, acme, Cursor(1, 0))

    assert not NumberedEvent.objects.exists()
    firehose.refresh_from_db()
    assert (firehose.last_seq, firehose.relayed_seq) == (3, 3)
    info = info_of(carried, acme)
    assert (info.state.first_seq, info.state.last_seq, info.state.consumer_count) == (1, 3, 0)
    assert info.config.max_age == 7 * 86_400
    settings.FIREHOSE_RETENTION_DAYS = 30
    happen(acme, 4)
    assert told(all_of(carried, acme, Cursor(1, 3))) == numbered(4)
    assert info_of(carried, acme).config.max_age == 30 * 86_400


@pytest.mark.parametrize("most", [2, 1000])
def test_a_relay_that_dies_before_it_drops_what_it_sent_loses_nothing_and_sends_nothing_twice(
    carried: JetStreamLog, firehose: Firehose, acme: Partner, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    happen(acme, 1, 2, 3)
    number_events(acme.pk)
    monkeypatch.setattr(module, "MOST_RELAYED", most)
    with transaction.atomic():
        assert carried.relay(acme.pk) == min(most, 3)
        transaction.set_rollback(True)
    assert NumberedEvent.objects.count() == 3
    assert info_of(carried, acme).state.last_seq == min(most, 3)

    monkeypatch.undo()
    happen(acme, 4, 5)

    assert told(all_of(carried, acme, Cursor(1, 0))) == numbered(1, 2, 3, 4, 5)
    assert info_of(carried, acme).state.last_seq == 5
    assert not NumberedEvent.objects.exists()


def test_who_finds_somebody_else_relaying_leaves_it_to_them(
    carried: JetStreamLog, firehose: Firehose, acme: Partner
) -> None:
    happen(acme, 1, 2)
    number_events(acme.pk)
    relaying = Open(lambda: carried.relay(acme.pk)).written()

    assert carried.relay(acme.pk) == 0
    # It is there, though not yet dropped here.
    assert told(carried.read(acme.pk, Cursor(1, 0), 10)) == numbered(1, 2)

    relaying.commit()
    assert told(all_of(carried, acme, Cursor(1, 0))) == numbered(1, 2)


def test_relays_that_have_lost_their_lock_do_no_harm_to_each_other(
    carried: JetStreamLog, firehose: Firehose, acme: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOCK", "SELECT %s <> ''")
    monkeypatch.setattr(module, "MOST_RELAYED", 7)
    happen(acme, *range(1, 61))
    number_events(acme.pk)
    ready = Barrier(3)

    def relay() -> None:
        ready.wait()
        while NumberedEvent.objects.exists():
            # One of them finds that another was faster, perhaps halfway through.
            carried.relay(acme.pk)

    with elsewhere(relay), elsewhere(relay), elsewhere(relay):
        pass

    assert told(all_of(carried, acme, Cursor(1, 0), most=25)) == numbered(*range(1, 61))
    assert info_of(carried, acme).state.last_seq == 60


def test_several_read_at_once(carried: JetStreamLog, firehose: Firehose, acme: Partner) -> None:
    happen(acme, *range(1, 31))
    read: list[list[tuple[str, int]]] = []

    def follow() -> None:
        read.append(told(all_of(carried, acme, Cursor(1, 0), most=4)))

    with elsewhere(follow), elsewhere(follow), elsewhere(follow):
        pass

    assert read == [numbered(*range(1, 31))] * 3


def test_while_nats_is_away_events_wait_and_nobody_is_paused(
    carried: JetStreamLog,
    nats: NatsServer,
    network: object,
    firehose: Firehose,
    acme: Partner,
    acme_key: tuple[Key, str],
    call: Callable[..., Client],
    settings: Any,
) -> None:
    settings.POSTBACKS_ALLOW_PRIVATE = True
    push, _ = Push.add(partner=acme, url="http://127.0.0.1:1/", by=SETUP)
    happen(acme, 1, 2)
    assert told(all_of(carried, acme, Cursor(1, 0))) == numbered(1, 2)
    nats.stop()
    happen(acme, 3, 4)

    assert carried.last(acme.pk) == Cursor(1, 4)
    for cursor in (Cursor(1, 0), Cursor(1, 2)):
        with pytest.raises(Away):
            carried.read(acme.pk, cursor, 10)
    answer = call(acme_key[1]).get(PATH, {"cursor": "1-2"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "None of them is lost" in answer.json()["error"]
    stream = Following(carried, acme.pk, Cursor(1, 2), Lines(), lambda: None)
    end = json.loads(list(stream.blocks())[-1])
    assert (end["reason"], end["error"], end["cursor"]) == ("unavailable", Ending.AWAY.sentence, "1-2")
    assert claim(1) == []
    push.refresh_from_db()
    assert (push.is_paused, push.failures, push.leased_until) == (False, 0, None)
    number_unread(timestamp=0)
    assert NumberedEvent.objects.count() == 2

    nats.start()

    until(lambda: answers(carried))
    assert told(all_of(carried, acme, Cursor(1, 0))) == numbered(1, 2, 3, 4)
    assert not NumberedEvent.objects.exists()
    Push.objects.update(due_at=LONG_AGO)
    [batch] = claim(1)
    assert (batch.first, batch.last) == (Cursor(1, 1), Cursor(1, 4))


def test_what_nobody_reads_is_relayed_and_what_has_ended_is_deleted(
    carried: JetStreamLog, firehose: Firehose, acme: Partner, other_partner: Partner
) -> None:
    happen(acme, 1, 2)
    number_unread(timestamp=0)
    assert info_of(carried, acme).state.messages == 2
    Firehose.enable(other_partner, by=SETUP)
    happen(other_partner, 1)
    firehose.disable(by=SETUP)

    number_unread(timestamp=0)

    assert carried.server.ask(names) == [Stream(other_partner.pk, 1).name]


def test_what_jetstream_has_lost_is_forgotten_and_the_numbers_go_on(
    carried: JetStreamLog, firehose: Firehose, acme: Partner
) -> None:
    happen(acme, 1, 2)
    all_of(carried, acme, Cursor(1, 0))
    carried.server.ask(deleting(Stream(acme.pk, 1).name))

    with pytest.raises(Forgotten) as forgotten:
        carried.read(acme.pk, Cursor(1, 0), 10)
    assert forgotten.value.oldest == Cursor(1, 2)
    happen(acme, 3)

    assert told(all_of(carried, acme, Cursor(1, 2))) == numbered(3)
    with pytest.raises(Forgotten):
        carried.read(acme.pk, Cursor(1, 1), 10)


def test_what_jetstream_lost_the_end_of_goes_on_behind_what_it_had_confirmed(
    carried: JetStreamLog, firehose: Firehose, acme: Partner
) -> None:
    happen(acme, 1, 2)
    all_of(carried, acme, Cursor(1, 0))
    # As when its older copy was put back.
    Firehose.objects.update(last_seq=5, relayed_seq=5)
    happen(acme, 6)

    assert told(all_of(carried, acme, Cursor(1, 5))) == numbered(6)
    with pytest.raises(Forgotten) as forgotten:
        carried.read(acme.pk, Cursor(1, 1), 10)
    assert forgotten.value.oldest == Cursor(1, 5)


def test_a_database_of_another_time_mixes_nothing_into_a_stream(
    carried: JetStreamLog, firehose: Firehose, acme: Partner, other_partner: Partner
) -> None:
    happen(acme, 1, 2)
    all_of(carried, acme, Cursor(1, 0))
    # As when a copy was put back that knows nothing of them.
    Firehose.objects.update(last_seq=0, relayed_seq=0)
    happen(acme, 3)

    Firehose.enable(other_partner, by=SETUP)
    happen(other_partner, 1)

    with pytest.raises(Away, match="other events"):
        carried.read(acme.pk, Cursor(1, 0), 10)
    number_unread(timestamp=0)

    # Nobody else has to wait for that.
    assert [event.partner_id for event in NumberedEvent.objects.all()] == [acme.pk]
    assert info_of(carried, acme).state.last_seq == 2


def test_what_postgresql_carried_goes_along_to_jetstream_and_not_back(
    carried: JetStreamLog, firehose: Firehose, acme: Partner
) -> None:
    happen(acme, 1, 2)
    number_events(acme.pk)
    assert told(postgres.read(acme.pk, Cursor(1, 0), 10)) == numbered(1, 2)

    assert told(all_of(carried, acme, Cursor(1, 0))) == numbered(1, 2)

    happen(acme, 3)
    assert told(postgres.read(acme.pk, Cursor(1, 2), 10)) == numbered(3)
    with pytest.raises(Forgotten) as forgotten:
        postgres.read(acme.pk, Cursor(1, 1), 10)
    assert forgotten.value.oldest == Cursor(1, 2)
    assert told(all_of(carried, acme, Cursor(1, 0))) == numbered(1, 2, 3)


def test_a_process_that_forks_leaves_its_child_a_connection_of_its_own_to_make(carried: JetStreamLog) -> None:
    server: Server = carried.server
    assert server.ask(names) == []
    with warnings.catch_warnings():
        # Newer Pythons warn of threads, which are what this is about.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if server._client is None and server.ask(names) == [] else 2
        finally:
            os._exit(status)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert server.ask(names) == []
