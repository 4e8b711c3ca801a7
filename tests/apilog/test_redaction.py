from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from apilog.models import AGENT_LENGTH, PATH_LENGTH, LoggedCall, loggable, redacted_query
from keys.models import Key
from keys.secret import AFFILIATE_PREFIX, NETWORK_PREFIX, mentions_a_key, new_secret, redact, unquoted

Call = Callable[..., Client]


def every_character(text: str) -> str:
    return "".join(f"%{ord(character):02x}" for character in text)


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper case": str.upper,
    "swapped case": str.swapcase,
    "percent-encoded": every_character,
    "percent-encoded twice": lambda text: quote(every_character(text), safe=""),
    "every character of every layer": lambda text: every_character(every_character(text)),
    "percent-encoded five times": lambda text: quote(quote(quote(quote(every_character(text))))),
    "underscores alone": lambda text: text.replace("_", "%5F"),
    "underscores alone, twice": lambda text: text.replace("_", "%255f"),
    "the first letter alone": lambda text: f"%6C{text[1:]}",
    "its middle alone": lambda text: f"{text[:20]}%{ord(text[20]):02X}{text[21:]}",
}

keys = st.sampled_from([AFFILIATE_PREFIX, NETWORK_PREFIX]).map(new_secret)
encodings = st.sampled_from(sorted(ENCODINGS))


@given(key=keys, encoding=encodings, before=st.text(max_size=30), after=st.text(max_size=30))
def test_no_key_is_stored_however_it_is_encoded(key: str, encoding: str, before: str, after: str) -> None:
    text = before + ENCODINGS[encoding](key) + after

    for stored in (loggable(text, PATH_LENGTH), loggable(redacted_query(text), PATH_LENGTH)):
        plain = unquoted(stored)
        assert plain is not None
        assert key[7:].lower() not in plain.lower()
        assert not mentions_a_key(stored)
    assert mentions_a_key(text)


@given(text=st.text(max_size=600))
def test_what_is_stored_is_short_and_stays_what_it_was(text: str) -> None:
    stored = loggable(text, AGENT_LENGTH)

    assert redact(stored) == stored
    assert not set("\x00\t\n\r") & set(stored)


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("", ""),
        ("page=2&page_size=50", "page=2&page_size=50"),
        ("api_key=abc&page=2", "api_key=…&page=2"),
        ("token", "token"),
        ("sub1=a=b", "sub1=…"),
        ("relationship=offers&relationship=urls", "relationship=offers&relationship=urls"),
        ("&&", "&&"),
    ],
)
def test_values_of_unknown_parameters_are_left_out(query: str, kept: str) -> None:
    assert redacted_query(query) == kept


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("place", ["path", "name", "value", "kept value", "user agent"])
def test_no_row_holds_the_key_of_a_call(acme_key: tuple[Key, str], call: Call, place: str, encoding: str) -> None:
    _, secret = acme_key
    hidden = ENCODINGS[encoding](secret)
    path = {
        "path": f"/v1/affiliates/{quote(hidden)}",
        "name": f"/v1/affiliates/affiliate?{hidden}",
        "value": f"/v1/affiliates/affiliate?key={hidden}",
        "kept value": f"/v1/affiliates/affiliate?page={hidden}",
        "user agent": "/v1/affiliates/affiliate",
    }[place]

    answer = call(secret, **({"User-Agent": hidden} if place == "user agent" else {})).get(path)

    assert answer.status_code == (200 if place == "user agent" else 400)
    row = LoggedCall.objects.filter(pk=answer["X-Request-ID"]).values().get()
    for value in row.values():
        plain = unquoted(str(value))
        assert plain is not None
        assert secret[7:].lower() not in plain.lower()
    assert secret.lower() not in answer.content.decode().lower()
