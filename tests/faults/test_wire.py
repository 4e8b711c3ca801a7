from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.faults.conftest import ANSWER_SECONDS, CHANGE, READ, Site

MEGABYTE = 1_048_576


@pytest.fixture
def headers(site: Site) -> dict[str, str]:
    site.set_budget(1_000)
    return {"X-Eflow-API-Key": site.secret}


@pytest.fixture
def wire(site: Site) -> Iterator[http.client.HTTPConnection]:
    """One connection: an answer with the wrong length would spoil the next one on it."""
    connection = http.client.HTTPConnection("127.0.0.1", site.web.port, timeout=ANSWER_SECONDS)
    yield connection
    connection.close()


def test_answers_without_a_body_leave_the_connection_in_order(
    wire: http.client.HTTPConnection, headers: dict[str, str]
) -> None:
    seen = []
    for method, path in [("HEAD", READ), ("OPTIONS", READ), ("HEAD", "/v1/x"), ("HEAD", CHANGE), ("GET", READ)]:
        wire.request(method, path, headers=headers)
        answer = wire.getresponse()
        seen.append((answer.status, len(answer.read()), answer.getheader("Content-Length")))

    length = str(seen[-1][1])
    assert [status for status, _, _ in seen] == [200, 204, 404, 405, 200]
    assert [size for _, size, _ in seen[:-1]] == [0, 0, 0, 0]
    assert seen[0][2] == seen[-1][2] == length
    assert seen[1][2] is None


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_a_body_that_is_too_large_is_413_and_the_next_call_is_answered(
    site: Site, headers: dict[str, str], announced: bool
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.web.port, timeout=ANSWER_SECONDS)
    body = b" " * (2 * MEGABYTE)
    if announced:
        connection.request("POST", CHANGE, body, headers)
    else:
        pieces = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
        # The answer does not wait for the rest, and neither does the end of the connection.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", CHANGE, pieces, headers, encode_chunked=True)
    answer = connection.getresponse()

    assert (answer.status, json.loads(answer.read())["code"]) == (413, "413")
    connection.close()
    assert site.web.call(site.secret, "after a large body")[0] == 200


def test_a_chunked_body_is_taken(site: Site, wire: http.client.HTTPConnection, headers: dict[str, str]) -> None:
    wire.request("POST", CHANGE, iter([b"some", b"thing"]), {**headers, "User-Agent": "chunked"}, encode_chunked=True)
    answer = wire.getresponse()

    assert (answer.status, json.loads(answer.read())) == (200, {"changed": "something"})
    assert site.query("SELECT count(*) FROM faults_change WHERE name = 'chunked'") == [(1,)]
