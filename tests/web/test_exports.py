from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from portal.web.exports import ROWS_PER_CHUNK, Row, stream_csv, stream_json


def read(response) -> str:
    return b"".join(response.streaming_content).decode()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_text_in_a_csv_can_start_a_formula(start: str) -> None:
    rows = [{"label": f"{start}HYPERLINK(1)"}]

    text = read(stream_csv("x.csv", ["label"], rows))

    assert list(csv.reader(io.StringIO(text, newline="")))[1] == [f"'{start}HYPERLINK(1)"]


def test_numbers_times_and_nothing_read_well_in_a_csv() -> None:
    moment = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    rows = [{"a": -5, "b": moment, "c": None, "d": ["x", "y"], "e": True}]

    text = read(stream_csv("x.csv", ["a", "b", "c", "d", "e"], rows))

    assert text.splitlines()[1] == '-5,2026-03-01T09:30:00+00:00,,"[""x"", ""y""]",yes'


def test_a_csv_without_rows_has_its_first_line() -> None:
    assert read(stream_csv("x.csv", ["a", "b"], [])) == "a,b\r\n"


@pytest.mark.parametrize("count", [0, 1, ROWS_PER_CHUNK, ROWS_PER_CHUNK + 1])
def test_both_formats_hold_every_row_once(count: int) -> None:
    rows = [{"number": number} for number in range(count)]

    as_csv = read(stream_csv("x.csv", ["number"], rows)).splitlines()
    as_json = json.loads(read(stream_json("x.json", "numbers", rows)))

    assert as_csv == ["number", *map(str, range(count))]
    assert as_json == {"numbers": rows}


def test_rows_are_fetched_only_as_they_are_sent() -> None:
    fetched = 0

    def endless() -> Iterator[Row]:
        nonlocal fetched
        while True:
            fetched += 1
            yield {"number": fetched}

    next(iter(stream_csv("x.csv", ["number"], endless())))

    assert fetched == ROWS_PER_CHUNK


def test_an_export_is_a_download_that_nobody_keeps() -> None:
    response = stream_json("events-2026.json", "events", [])

    assert response["Content-Disposition"] == 'attachment; filename="events-2026.json"'
    assert response["Cache-Control"] == "no-store"
    assert response["Content-Type"] == "application/json"
