from __future__ import annotations

import http.client
import time
from collections.abc import Iterator

import pytest

from portal.web.streams import AT_ONCE_EACH
from tests.faults.conftest import READ, Site

# More than any test reads.
ENDLESS = "/v1/faults/stream?rows=100000000"
MEGABYTE = 1_048_576


@pytest.fixture(autouse=True)
def a_budget(site: Site) -> None:
    site.set_budget(1_000)


@pytest.fixture
def headers(site: Site) -> dict[str, str]:
    return {"X-Eflow-API-Key": site.secret}


@pytest.fixture
def wire(site: Site) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", site.web.port, timeout=20)
    yield connection
    connection.close()


def copies_under_way(site: Site) -> int:
    (row,) = site.query("SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND query LIKE 'COPY (%%'")
    return int(row[0])


def wait_until(site: Site, copies: int) -> None:
    started = time.monotonic()
    while copies_under_way(site) != copies:
        assert time.monotonic() < started + 10, f"{copies_under_way(site)} streams are read from the database"
        time.sleep(0.02)


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
    time.sleep(0.2)
    (row,) = site.query("SELECT outcome, response_size, duration_us FROM apilog_call WHERE id = %s", number)
    assert row[0] == "ok"
    assert 0 < row[1] < 50 * MEGABYTE
    assert row[2] > 900_000


def test_clients_that_stop_reading_take_no_thread_that_others_need(site: Site, headers: dict[str, str]) -> None:
    stalled = [http.client.HTTPConnection("127.0.0.1", site.web.port, timeout=20) for _ in range(20)]
    try:
        statuses = []
        for wire in stalled:
            wire.request("GET", ENDLESS, headers=headers)
            statuses.append(wire.getresponse().status)
        others = [site.web.call(site.secret, "beside", timeout=5)[0] for _ in range(20)]
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
    time.sleep(0.2)
    assert site.query("SELECT status, outcome FROM apilog_call WHERE id = %s", number) == [(200, "error")]
