from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from partners.firehose.models import Firehose
from partners.firehose.push.models import Push
from partners.models import Partner
from partners.offers.models import Offer
from tests.conftest import SETUP
from tests.partners.postbacks.receiver import Receiver, answering, receiving
from tests.partners.traffic import arriving
from tests.partners.traffic.arriving import launched

Click = Callable[..., None]


@dataclass
class Arrived:
    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def cursors(self) -> list[str]:
        return [event["cursor"] for event in self.events]


@dataclass
class Inbox(Receiver):
    """A partner's server: takes whole batches, notes them, and then answers."""

    batches: list[Arrived] = field(default_factory=list)

    def serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, IndexError):
            data = b""
            while b"\r\n\r\n" not in data:
                if not (more := connection.recv(65536)):
                    return
                data += more
            head, _, body = data.partition(b"\r\n\r\n")
            request, *lines = head.decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            while len(body) < int(headers.get("content-length", "0")):
                if not (more := connection.recv(65536)):
                    return
                body += more
            self.paths.append(request.split(" ")[1])
            self.heads.append(head.decode())
            self.batches.append(Arrived(headers, body))
            self.reply(connection, self.paths[-1])

    @property
    def cursors(self) -> list[str]:
        return [cursor for batch in self.batches for cursor in batch.cursors]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with receiving(Inbox) as inbox:
        assert isinstance(inbox, Inbox)
        inbox.reply = answering(200, "")
        yield inbox


@pytest.fixture
def inside(settings: Any) -> None:
    settings.POSTBACKS_ALLOW_PRIVATE = True


@pytest.fixture
def offer(network: object) -> Offer:
    return launched()


@pytest.fixture
def firehose(acme: Partner) -> Firehose:
    return Firehose.enable(acme, by=SETUP)


@pytest.fixture
def added(inside: None, firehose: Firehose, acme: Partner, inbox: Inbox) -> tuple[Push, str]:
    return Push.add(partner=acme, url=inbox.url("/events"), by=SETUP)


@pytest.fixture
def push(added: tuple[Push, str]) -> Push:
    return added[0]


@pytest.fixture
def click(offer: Offer, acme: Partner) -> Click:
    """``click(3)``: so many clicks of Acme's, or of another's."""

    def clicked(times: int = 1, partner: Partner = acme) -> None:
        for _ in range(times):
            assert arriving.click(partner, offer).status_code == 302

    return clicked
