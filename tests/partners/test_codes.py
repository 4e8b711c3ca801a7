from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from partners.offers.codes import (
    LARGEST_PK,
    LONGEST_CODE,
    code_of_offer,
    code_of_partner,
    offer_pk_of,
    partner_pk_of,
)

numbers = st.integers(min_value=1, max_value=LARGEST_PK)


@given(numbers)
def test_a_code_stands_for_one_number(pk: int) -> None:
    codes = code_of_partner(pk), code_of_offer(pk)

    assert (partner_pk_of(codes[0]), offer_pk_of(codes[1])) == (pk, pk)
    assert all(code.isascii() and code.isalnum() and 6 <= len(code) <= LONGEST_CODE for code in codes)


@given(numbers)
def test_a_partners_code_is_never_an_offers(pk: int) -> None:
    assert offer_pk_of(code_of_partner(pk)) is None
    assert partner_pk_of(code_of_offer(pk)) is None


@given(st.text(alphabet="7KXP2VQ9DTMH4B", min_size=1, max_size=30))
def test_a_number_has_one_code_and_nothing_else_is_taken_for_it(text: str) -> None:
    pk = partner_pk_of(text)

    assert pk is None or code_of_partner(pk) == text


@given(st.text(max_size=40))
def test_other_text_is_nobodys_code(text: str) -> None:
    assert offer_pk_of(text) is None or code_of_offer(offer_pk_of(text) or 0) == text


def test_links_that_were_made_go_on_working() -> None:
    assert [code_of_partner(pk) for pk in (1, 2, 500)] == ["9HMHV4", "BDVDV2", "7K794D"]
    assert [code_of_offer(pk) for pk in (1, 2, 500)] == ["5NLZGC", "SZCCGJ", "LFY6GN"]
