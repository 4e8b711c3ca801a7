"""The short codes that stand for a partner and an offer in tracking links.

They are numbers written differently, not secrets: whoever has one may use it, and it opens nothing. Their alphabets
have no character in common, so that the two cannot be mistaken for each other in a link that was put together by
hand, and no vowels, so that they spell nothing.
"""

from __future__ import annotations

from functools import lru_cache

from sqids import Sqids

# Whoever changes an alphabet breaks every link that was ever made.
PARTNERS = Sqids(alphabet="7KXP2VQ9DTMH4B", min_length=6)
OFFERS = Sqids(alphabet="W3LZ8GNR5CJ6YFS", min_length=6)
# The largest that a column of the database takes.
LARGEST_PK = 2**63 - 1
# 63 bits in an alphabet of 14 characters, with what sqids adds.
LONGEST_CODE = 24


def code_of_partner(pk: int) -> str:
    return PARTNERS.encode([pk])


def code_of_offer(pk: int) -> str:
    return OFFERS.encode([pk])


@lru_cache(maxsize=4096)
def partner_pk_of(code: str) -> int | None:
    """Whose code this is; None when ``code_of_partner`` gives it to nobody."""
    return number_in(code, PARTNERS)


@lru_cache(maxsize=4096)
def offer_pk_of(code: str) -> int | None:
    """Which offer's code this is; None when ``code_of_offer`` gives it to none."""
    return number_in(code, OFFERS)


def number_in(code: str, sqids: Sqids) -> int | None:
    if len(code) > LONGEST_CODE:
        return None
    numbers = sqids.decode(code)
    # Several texts decode to the same number; one of them is its code.
    if len(numbers) != 1 or numbers[0] > LARGEST_PK or sqids.encode(numbers) != code:
        return None
    return numbers[0]
