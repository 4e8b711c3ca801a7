from __future__ import annotations

import csv
import io

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from portal.web.csv_rows import CsvRow
from portal.web.exports import STARTS_FORMULA, cell
from portal.web.json_rows import Bare
from portal.web.streams import csv_out

pytestmark = pytest.mark.django_db

ROW = CsvRow({"first": "given[1]", "number": Bare("-number"), "second": "given[2]", "last": "given[3]"})
QUERY = f"""SELECT {ROW.columns} FROM unnest(%s::int[]) AS n(number), (SELECT %s::text[]) AS t(given)"""
# What CSV and spreadsheets mind, and anything else that PostgreSQL has a place for.
TEXTS = st.text(st.sampled_from([*STARTS_FORMULA, '"', ",", "'", "\\", "x"])) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"])
)


def lines_of(texts: list[str | None], numbers: list[int]) -> list[list[str]]:
    content = b"".join(csv_out(QUERY, [numbers, texts], ROW)).decode()
    return list(csv.reader(io.StringIO(content, newline="")))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(texts=st.lists(TEXTS | st.none(), min_size=3, max_size=3), numbers=st.lists(st.integers(-9, 9), max_size=3))
@example(texts=["plain", "plain", "plain"], numbers=[1, 2])
@example(texts=["=1", "plain", "plain"], numbers=[-1])
@example(texts=["plain", "-1", "plain"], numbers=[-1, 1])
@example(texts=["plain", '\n"', "\n,"], numbers=[-1, -2])
@example(texts=["plain", "plain", None], numbers=[1])
def test_no_text_starts_a_formula_and_nothing_else_changes(texts: list[str | None], numbers: list[int]) -> None:
    first, second, last = map(cell, texts)

    found = lines_of(texts, numbers)

    assert found == [ROW_NAMES, *([first, str(-number), second, last] for number in numbers)]


ROW_NAMES = ["first", "number", "second", "last"]


@pytest.mark.parametrize("text", ["=1+1", "+49", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "=", '="a",b'])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_formula_is_seen_wherever_it_stands(text: str, place: int) -> None:
    texts: list[str | None] = ["a", "b, c", "d"]
    texts[place] = text

    _, line = lines_of(texts, [-5])

    assert [line[0], line[2], line[3]] == [cell(each) for each in texts]
    assert line[1] == "5"


def test_empty_texts_and_none_stay_apart() -> None:
    content = b"".join(csv_out(QUERY, [[1, 2], ["", None, "=1"]], ROW))

    assert content == b"""first,number,second,last\n"",-1,,'=1\n"",-2,,'=1\n"""


def test_a_block_without_formulas_is_passed_on_as_it_is() -> None:
    block = b'a,1,"b, c",2\n"x ""y"" =z",2,"",3\n'

    assert ROW(block) is block


def test_a_formula_is_seen_at_the_very_start_of_a_block() -> None:
    assert ROW(b"-1,5,b,c\na,5,b,c\n") == b"'-1,5,b,c\na,5,b,c\n"
