"""Lists as files: CSV and JSON, streamed row by row, so that their length costs no memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import islice

from django.core.serializers.json import DjangoJSONEncoder
from django.http import StreamingHttpResponse

Row = Mapping[str, object]

# A spreadsheet runs a cell that starts with one of these as a formula, and texts here come from strangers.
STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
ROWS_PER_CHUNK = 200


def stream_csv(filename: str, columns: Sequence[str], rows: Iterable[Row]) -> StreamingHttpResponse:
    """The rows as a CSV file with ``columns`` as its first line; ``rows`` is asked for no more than is sent.

    Times are ISO 8601, None is empty, lists and mappings are JSON, and no text can start a formula.
    """
    return download(filename, "text/csv; charset=utf-8", csv_chunks(columns, rows))


def stream_json(filename: str, name: str, rows: Iterable[Row]) -> StreamingHttpResponse:
    """The rows as one JSON object, ``{name: [row, …]}``, a row a line; ``rows`` is asked for no more than is sent."""
    return download(filename, "application/json", json_chunks(name, rows))


def download(filename: str, content_type: str, chunks: Iterable[str]) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        chunks,
        content_type=content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{filename}"',
            "Cache-Control": "no-store",
        },
    )


def csv_chunks(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    remaining = iter(rows)
    while chunk := list(islice(remaining, ROWS_PER_CHUNK)):
        writer.writerows([cell(row[column]) for column in columns] for row in chunk)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    # What is left is the first line alone, when there was no row.
    yield buffer.getvalue()


def json_chunks(name: str, rows: Iterable[Row]) -> Iterator[str]:
    yield f"{{{json.dumps(name)}: ["
    separator = "\n"
    remaining = iter(rows)
    while chunk := list(islice(remaining, ROWS_PER_CHUNK)):
        yield separator + ",\n".join(json.dumps(row, cls=DjangoJSONEncoder) for row in chunk)
        separator = ",\n"
    yield "\n]}\n"


def cell(value: object) -> str | int | float:
    """A value as a CSV cell; numbers stay numbers, every text is made safe."""
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = as_text(value)
    return f"'{text}" if text.startswith(STARTS_FORMULA) else text


def as_text(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, cls=DjangoJSONEncoder)
    return str(value)
