from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from apilog.models import LoggedCall
from keys.models import Key
from portal import api as portal_api
from portal.network.models import Network
from portal.web import streams
from tests.conftest import SETUP

Call = Callable[..., Client]

STREAM = "/v1/networks/stream"
# So many of these rows are many blocks, and so few are less than one.
LONG, SHORT = 200_000, 10

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("changing_urls")]


@pytest.fixture
def changing_urls(settings: Any) -> Iterator[None]:
    settings.ROOT_URLCONF = "tests.changing_api"
    portal_api.find.cache_clear()
    yield
    portal_api.find.cache_clear()
    assert streams.places.taken == 0


@pytest.fixture
def client(network: Network, call: Call) -> Client:
    return call(Key.generate_network_key(by=SETUP, replacing=None)[1])


def row_of(answer: Any) -> LoggedCall:
    return LoggedCall.objects.get(pk=answer["X-Request-ID"])


def copies_under_way() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND state <> 'idle' AND query LIKE 'COPY%%'"
        )
        (count,) = cursor.fetchone()
    return int(count)


def test_a_short_stream_is_answered_like_anything_else(client: Client) -> None:
    answer = client.get(f"{STREAM}?rows={SHORT}")

    assert (answer.status_code, answer.streaming) == (200, False)
    assert answer["Content-Length"] == str(len(answer.content))
    assert answer["Content-Disposition"] == 'attachment; filename="numbers.csv"'
    assert (row_of(answer).outcome, row_of(answer).response_size) == ("ok", len(answer.content))


def test_the_row_of_a_stream_is_there_before_its_first_byte_and_whole_after_its_last(client: Client) -> None:
    answer = client.get(f"{STREAM}?rows={LONG}")
    before = row_of(answer)
    time.sleep(0.05)
    content = answer.getvalue()
    answer.close()
    after = row_of(answer)

    assert answer.streaming
    assert "Content-Length" not in answer
    assert {"X-Request-ID", "X-RateLimit-Remaining", "Cache-Control"} <= set(answer.headers)
    assert content.count(b"\n") == LONG + 1
    assert (before.status, before.outcome, before.action, before.response_size) == (200, "ok", "stream_numbers", 0)
    assert (after.status, after.outcome, after.response_size) == (200, "ok", len(content))
    assert after.duration_us > before.duration_us + 50_000


def test_a_client_that_goes_away_ends_the_query_at_once(client: Client) -> None:
    answer = client.get(f"{STREAM}?rows=50000000")
    first = next(iter(answer))
    assert copies_under_way() == 1

    answer.close()

    assert copies_under_way() == 0
    assert (row_of(answer).outcome, row_of(answer).response_size) == ("ok", len(first))


def test_what_a_stream_fails_of_before_its_first_block_is_an_ordinary_error(client: Client) -> None:
    failed = client.get(f"{STREAM}?rows={LONG}&divide_by_zero_at=5")
    refused = client.post(f"{STREAM}-objects?form=text/csv&refuse=1")

    assert (failed.status_code, row_of(failed).outcome) == (500, "error")
    assert (refused.status_code, refused.json()["error"]) == (400, "from: it is after to.")
    assert row_of(refused).outcome == "bad_request"


def test_csv_that_breaks_off_halfway_cannot_be_taken_for_whole(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.get(f"{STREAM}?rows={LONG}&divide_by_zero_at={LONG - 1}")
    lines = answer.getvalue().decode().splitlines()

    assert lines[-1].startswith('"INCOMPLETE: Something went wrong on our side')
    assert answer["X-Request-ID"] in lines[-1]
    with pytest.raises(csv.Error):
        list(csv.reader(lines, strict=True))
    row = row_of(answer)
    assert (row.status, row.outcome, row.response_size) == (200, "error", len("\n".join(lines)) + 1)
    assert f"The stream of call {row.pk} broke off" in caplog.text
    assert "division by zero" in caplog.text


def test_lines_of_json_that_break_off_halfway_end_in_an_error(client: Client) -> None:
    answer = client.post(f"{STREAM}-objects?form=application/x-ndjson")
    lines = [json.loads(line) for line in answer.getvalue().splitlines()]

    assert len(lines) == 30_001
    assert lines[-1]["code"] == "500"
    assert answer["X-Request-ID"] in lines[-1]["error"]
    assert row_of(answer).outcome == "error"


def test_json_that_breaks_off_halfway_is_left_open(client: Client) -> None:
    answer = client.post(f"{STREAM}-objects?form=application/json")

    assert answer.getvalue() == b'{"a": 1}\n' * 30_000
    assert row_of(answer).outcome == "error"


@pytest.mark.parametrize(("rows", "length"), [(SHORT, True), (LONG, False)])
def test_head_of_a_stream_has_its_headers_alone(client: Client, rows: int, length: bool) -> None:
    got = client.get(f"{STREAM}?rows={rows}")
    got.close()

    answer = client.head(f"{STREAM}?rows={rows}")

    assert answer.getvalue() == b""
    assert answer["Content-Type"] == got["Content-Type"]
    assert answer.get("Content-Length") == got.get("Content-Length")
    assert ("Content-Length" in answer) is length
    assert copies_under_way() == 0
    assert row_of(answer).method == "HEAD"


def test_one_stream_too_many_is_told_when_to_come_again(client: Client) -> None:
    open_ones = [client.get(f"{STREAM}?rows={LONG}") for _ in range(streams.AT_ONCE_EACH)]

    refused = client.get(f"{STREAM}?rows={LONG}")
    other = client.get("/v1/networks/reading")
    for answer in open_ones:
        answer.close()
    again = client.get(f"{STREAM}?rows={LONG}")
    again.close()

    assert (refused.status_code, refused["Retry-After"]) == (429, "5")
    assert refused.json()["error"] == (
        "2 of your exports or streams are still being read; let one end first. Try again in 5 s."
    )
    assert (row_of(refused).outcome, row_of(refused).limited_by) == ("rate_limited", "streams")
    assert (other.status_code, again.status_code) == (200, 200)


def test_a_stream_whose_call_cannot_be_logged_is_not_sent(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE apilog_call RENAME TO apilog_call_elsewhere")
    try:
        answer = client.get(f"{STREAM}?rows={LONG}")
        under_way = copies_under_way()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE apilog_call_elsewhere RENAME TO apilog_call")

    assert (answer.status_code, answer.streaming, under_way) == (503, False, 0)


def test_a_stream_is_sent_even_if_its_end_cannot_be_logged(
    client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(call: Any) -> None:
        raise OSError("the database is away")

    monkeypatch.setattr("portal.api_streams.amend", away)
    answer = client.get(f"{STREAM}?rows={LONG}")

    assert answer.getvalue().count(b"\n") == LONG + 1
    assert "could not be logged" in caplog.text
