from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from portal.web.streams import AT_ONCE_EACH, FLOWS_AT_ONCE_EACH
from tests.faults.conftest import ANSWER_SECONDS, READ, START_SECONDS, Site, Web

# More than any test reads.
ENDLESS = "/v1/faults/stream?rows=100000000"
FIREHOSE = "/v1/affiliates/firehose?cursor=beginning"
MEGABYTE = 1_048_576
# More than the buffers between two sockets hold, several times.
EVENTS = 25_000
MAKE_FIREHOSE = """
from keys.models import Key
from partners.firehose.models import Firehose
from partners.models import Partner
from portal.accounts.actors import Actor
by = Actor.system("tests")
partner = Partner.create(by=by, name="Stalling Media", status="active")
Firehose.enable(partner, by=by)
print(partner.pk, Key.issue(partner=partner, label="Firehose", by=by)[1])
"""
HAPPEN = """
INSERT INTO traffic_outbox (partner_id, kind, id, data)
SELECT %s, 4, uuidv7(), '{"order_id":"' || number || repeat('x', 1000) || '"}' FROM generate_series(1, %s) number
RETURNING 1
"""


@pytest.fixture(autouse=True)
def a_budget(site: Site) -> None:
    site.set_budget(1_000)


@pytest.fixture
def headers(site: Site) -> dict[str, str]:
    return {"X-Eflow-API-Key": site.secret}


@pytest.fixture
def wire(site: Site) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", site.web.port, timeout=ANSWER_SECONDS)
    yield connection
    connection.close()


def copies_under_way(site: Site) -> int:
    (row,) = site.query("SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND query LIKE 'COPY (%%'")
    return int(row[0])


def until(condition: Callable[[], bool], what: str) -> None:
    # Ample: what is waited for takes moments, and only a failure takes so long.
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def wait_until(site: Site, copies: int) -> None:
    until(lambda: copies_under_way(site) == copies, "Streams are still read from the database.")


def test_a_stream_comes_whole_and_leaves_the_connection_in_order(
    site: Site, wire: http.client.HTTPConnection, headers: dict[str, str]
) -> None:
    wire.request("GET", "/v1/faults/stream?rows=100000", headers=headers)
    answer = wire.getresponse()
    content = answer.read()
    wire.request("HEAD", "/v1/faults/stream?rows=100000", headers=headers)
    head = wire.getresponse()
    head.read()
    wire.request("GET", READ, headers=headers)
    after = wire.getresponse()

    assert (answer.status, content.count(b"\n")) == (200, 100_001)
    assert (head.status, head.getheader("Content-Length"), after.status) == (200, None, 200)
    (row,) = site.query("SELECT response_size FROM apilog_call WHERE id = %s", answer.getheader("X-Request-ID"))
    assert row[0] == len(content)


def test_a_stream_of_any_length_takes_the_same_memory(
    site: Site, wire: http.client.HTTPConnection, headers: dict[str, str]
) -> None:
    wire.request("GET", ENDLESS, headers=headers)
    answer = wire.getresponse()
    answer.read(10 * MEGABYTE)
    before = [worker.memory_info().rss for worker in site.web.workers()]

    for _ in range(300):
        answer.read(MEGABYTE)
    after = [worker.memory_info().rss for worker in site.web.workers()]

    assert all(late - early < 8 * MEGABYTE for early, late in zip(before, after, strict=True))


def test_a_client_that_stops_reading_stops_the_query_and_one_that_leaves_ends_it(
    site: Site, wire: http.client.HTTPConnection, headers: dict[str, str]
) -> None:
    before = [worker.memory_info().rss for worker in site.web.workers()]
    wire.request("GET", ENDLESS, headers=headers)
    answer = wire.getresponse()
    number = answer.getheader("X-Request-ID")
    time.sleep(1)
    after = [worker.memory_info().rss for worker in site.web.workers()]
    assert copies_under_way(site) == 1

    answer.close()
    wire.close()
    wait_until(site, 0)

    assert all(late - early < 16 * MEGABYTE for early, late in zip(before, after, strict=True))
    # Its end is written into the row that its beginning made.
    query = "SELECT outcome, response_size FROM apilog_call WHERE id = %s AND duration_us > 900000"
    until(lambda: bool(site.query(query, number)), "Its end is not in the log.")
    [(outcome, size)] = site.query(query, number)
    assert outcome == "ok"
    assert 0 < size < 50 * MEGABYTE


def test_clients_that_stop_reading_take_no_thread_that_others_need(site: Site, headers: dict[str, str]) -> None:
    stalled = [http.client.HTTPConnection("127.0.0.1", site.web.port, timeout=ANSWER_SECONDS) for _ in range(20)]
    try:
        statuses = []
        for wire in stalled:
            wire.request("GET", ENDLESS, headers=headers)
            statuses.append(wire.getresponse().status)
        others = [site.web.call(site.secret, "beside")[0] for _ in range(20)]
    finally:
        for wire in stalled:
            wire.close()
    wait_until(site, 0)

    assert set(statuses) == {200, 429}
    assert 0 < statuses.count(200) <= AT_ONCE_EACH * 2
    assert others == [200] * 20


def test_a_stream_whose_query_is_killed_says_that_it_is_not_whole(
    site: Site, wire: http.client.HTTPConnection, headers: dict[str, str]
) -> None:
    wire.request("GET", ENDLESS, headers=headers)
    answer = wire.getresponse()
    answer.read(MEGABYTE)
    site.query("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE state <> 'idle' AND query LIKE 'COPY (%%'")

    rest = answer.read()

    assert rest.splitlines()[-1].startswith(b'"INCOMPLETE: ')
    number = answer.getheader("X-Request-ID")
    query = "SELECT status FROM apilog_call WHERE id = %s AND outcome = 'error'"
    until(lambda: site.query(query, number) == [(200,)], "Its failure is not in the log.")


@pytest.fixture(scope="module")
def impatient(site: Site) -> Iterator[Web]:
    """A web server that waits for two seconds for who takes nothing."""
    web = Web(site.folder, site.environment, FAULTS_TAKES_WITHIN="2")
    try:
        web.wait_until_it_answers(site.secret, 200, seconds=START_SECONDS)
        yield web
    finally:
        web.stop()


@pytest.fixture(scope="module")
def full_firehose(site: Site) -> str:
    """The key of a partner with much to read."""
    partner_id, secret = site.manage("shell", "--no-imports", "-c", MAKE_FIREHOSE).split()[-2:]
    site.query(HAPPEN, int(partner_id), EVENTS)
    return secret


class Stalled:
    """A client that reads how it is answered, and then neither reads nor leaves."""

    def __init__(self, web: Web, path: str, secret: str) -> None:
        self._socket = socket.socket()
        self._socket.settimeout(ANSWER_SECONDS)
        # It has little room for what it does not read.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.connect(("127.0.0.1", web.port))
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Eflow-API-Key: {secret}\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._socket.recv(256)
        lines = head.decode(errors="replace").split("\r\n")
        self.status = int(lines[0].split(" ")[1])
        self.call = next(line.split(": ")[1] for line in lines if line.lower().startswith("x-request-id: "))

    def close(self) -> None:
        self._socket.close()


@pytest.mark.parametrize(("path", "each"), [(ENDLESS, AT_ONCE_EACH), (FIREHOSE, FLOWS_AT_ONCE_EACH)])
def test_who_neither_reads_nor_leaves_loses_the_place(
    site: Site, impatient: Web, full_firehose: str, path: str, each: int
) -> None:
    def ended(clients: list[Stalled]) -> int:
        # What was sent stands in the log when the thread has come back and has closed the stream.
        query = "SELECT count(*) FROM apilog_call WHERE id = ANY (%s::uuid[]) AND response_size > 200000"
        return int(site.query(query, [client.call for client in clients])[0][0])

    with ExitStack() as open_until_the_end:

        def stalled(clients: int) -> list[Stalled]:
            return [
                open_until_the_end.enter_context(closing(Stalled(impatient, path, full_firehose)))
                for _ in range(clients)
            ]

        # So many that in each process somebody finds no place.
        first = stalled(20)
        listening = [client for client in first if client.status == 200]
        until(lambda: ended(listening) == len(listening), "They keep their places.")
        second = stalled(each)

        assert {client.status for client in first} <= {200, 429}
        assert listening
        assert [client.status for client in second] == [200] * each
        until(lambda: ended(second) == each, "They keep their places.")
        wait_until(site, 0)
