from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.web import json_rows
from portal.web.json_rows import Bare, Fields, JsonRow
from portal.web.streams import copy_rows, json_array, json_lines

pytestmark = pytest.mark.django_db

FIELDS: Fields = {
    "number": Bare("number"),
    "first": "given[1]",
    "100 % odd": "given[2]",
    "within": {
        "device": {"name": "given[3]", "is_mobile": Bare("number > 1"), "percent": Bare("number % 2")},
        "more": Bare("more"),
        "last": "given[4]",
    },
}
QUERY = "SELECT {} FROM unnest(%s::jsonb[], %s::int[]) AS c(more, number), (SELECT %s::text[]) AS t(given)"
# PostgreSQL has no place for these.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | TEXTS, lambda each: st.dictionaries(TEXTS, each)
)


def object_of(number: int, texts: list[str | None], more: Any) -> dict[str, Any]:
    return {
        "number": number,
        "first": texts[0],
        "100 % odd": texts[1],
        "within": {
            "device": {"name": texts[2], "is_mobile": number > 1, "percent": number % 2},
            "more": more,
            "last": texts[3],
        },
    }


def asked(texts: list[str | None], mores: list[Any]) -> tuple[str, list[Any], JsonRow]:
    row = JsonRow(FIELDS)
    numbers = list(range(1, len(mores) + 1))
    return QUERY.format(row.columns.replace("%", "%%")), [[json.dumps(more) for more in mores], numbers, texts], row


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(texts=st.lists(TEXTS | st.none(), min_size=4, max_size=4), mores=st.lists(VALUES, max_size=3))
def test_what_a_row_has_arrives_whatever_it_is(texts: list[str | None], mores: list[Any]) -> None:
    query, parameters, row = asked(texts, mores)
    expected = [object_of(number, texts, more) for number, more in enumerate(mores, start=1)]

    rows = [json.loads(row(copied)) for copied in copy_rows(query, parameters)]
    objects = list(json_lines(query.replace(row.columns.replace("%", "%%"), row.in_sql.replace("%", "%%")), parameters))
    lines = b"".join(json_lines(query, parameters, row))
    array = b"".join(json_array("rows", query, parameters, row))

    assert rows == expected
    assert [json.loads(line) for line in b"".join(objects).split(b"\n")[:-1]] == expected
    assert [json.loads(line) for line in lines.split(b"\n")[:-1]] == expected
    assert json.loads(array) == {"rows": expected}


@pytest.mark.parametrize(
    "text", ['"', "\\", "\\n", "\n", "\t", "\r", "\x0b", "\x01", "\x7f", "\u2028", "é", "\\N", "", None]
)
def test_odd_texts_are_written_as_json_has_them(text: str | None) -> None:
    query, parameters, row = asked([text, "plain", text, text], [{"a": text}, {}])

    found = [json.loads(row(copied)) for copied in copy_rows(query, parameters)]

    assert found == [
        object_of(1, [text, "plain", text, text], {"a": text}),
        object_of(2, [text, "plain", text, text], {}),
    ]


def test_what_rows_share_is_forgotten_before_there_is_too_much_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "MOST_SHARED", 3)
    row = JsonRow({"shared": {"text": "number::text"}})
    query = f"SELECT {row.columns} FROM generate_series(1, 10) AS number"

    found = [json.loads(row(copied)) for copied in copy_rows(query)]

    assert found == [{"shared": {"text": str(number)}} for number in range(1, 11)]
    assert all(len(shared) <= 3 for _, _, shared in row._runs if shared is not None)
