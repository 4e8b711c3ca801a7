from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from partners.macros import DESTINATION, SUBS, BadTemplate, Macro, Template, UnknownMacro, Vocabulary

TEMPLATE = "https://Track.Example:8443/in/{a}/x{b}y?first={a}&second={b}&z=1#{c}"
# Halves of characters aside: they have no encoding.
VALUES = st.text(st.characters(exclude_categories=["Cs"]))
NASTY = ["&x=1", "?x=1", "#x", "/../..", "//evil.example/", "@evil.example", "\r\nX-Evil: 1", "%26", "a b+c", "é\u2028"]


@pytest.mark.parametrize("value", NASTY)
def test_what_is_filled_in_stays_in_its_place(value: str) -> None:
    filled = Template.parse(TEMPLATE).fill({"a": value, "b": value, "c": value})

    parts = urlsplit(filled)
    assert (parts.scheme, parts.netloc) == ("https", "track.example:8443")
    assert parse_qsl(parts.query, strict_parsing=True) == [("first", value), ("second", value), ("z", "1")]
    assert [unquote(segment) for segment in parts.path.split("/")] == ["", "in", value, f"x{value}y"]
    assert unquote(parts.fragment) == value


@given(VALUES, VALUES, VALUES)
@example("..", ".", "")
@example(".", "\r\n", "#")
def test_values_decode_to_what_was_given_and_change_nothing_else(a: str, b: str, c: str) -> None:
    filled = Template.parse(TEMPLATE).fill({"a": a, "b": b, "c": c})

    parts = urlsplit(filled)
    assert (parts.scheme, parts.netloc) == ("https", "track.example:8443")
    query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
    assert query == [("first", a), ("second", b), ("z", "1")]
    path = [unquote(segment) for segment in parts.path.split("/")]
    assert path[:2] + path[3:] == ["", "in", f"x{b}y"]
    assert path[2] == (a if a not in (".", "..") else a.replace(".", "%2E"))
    assert unquote(parts.fragment) == c
    assert re.fullmatch(r"[!-~]+", filled)


@given(st.lists(st.sampled_from([".", "%2e", "{a}", "{b}", "x"]), max_size=3), VALUES, VALUES)
@example(["{a}", "{b}"], ".", ".")
@example([".", "{a}"], "%2e", "")
@example(["%2e", "{a}"], ".", "")
def test_no_value_climbs_in_the_path(segment: list[str], a: str, b: str) -> None:
    text = "{a}" + "".join(segment)

    filled = Template.parse(f"https://example.com/one/{text}/two").fill({"a": a, "b": b})

    # As browsers see it: an encoded dot is a dot.
    assert urlsplit(filled).path.lower().replace("%2e", ".").split("/")[2] not in (".", "..")
    assert urlsplit(filled).path.count("/") == 3


@given(st.text(st.sampled_from("htps:/?#@[]{}\\%.-a1é \n"), max_size=40), VALUES)
def test_any_text_is_a_template_or_refused(text: str, value: str) -> None:
    try:
        template = Template.parse(f"https://{text}")
    except BadTemplate:
        return

    filled = template.fill(dict.fromkeys(template.macros, value))

    host = urlsplit(filled).hostname
    assert host == template.host
    assert host == urlsplit(template.fill({})).hostname
    assert re.fullmatch(r"[!-~]+", filled)


def test_a_macro_without_a_value_is_replaced_by_nothing() -> None:
    template = Template.parse("https://example.com/?a={sub1}&b={sub2}&c={sub3}")

    assert template.fill({"sub1": None, "sub2": 0}) == "https://example.com/?a=&b=0&c="


def test_the_text_around_macros_stays_as_it_is_but_in_ascii() -> None:
    template = Template.parse("http://bücher.example/straße/%20a?q=a|b&r=ü&s=x%26y+z")

    assert template.fill({}) == "http://xn--bcher-kva.example/stra%C3%9Fe/%20a?q=a%7Cb&r=%C3%BC&s=x%26y+z"
    assert template.host == "xn--bcher-kva.example"


def test_macros_are_listed_once() -> None:
    assert Template.parse("https://example.com/{b}?x={a}&y={b}").macros == ("b", "a")


def test_a_vocabularys_macros_are_marked_where_they_stand() -> None:
    assert Vocabulary(*SUBS).marked("{sub1} if (x) {y} {sub1}{sub2}") == [
        ("{sub1}", True),
        (" if (x) ", False),
        ("{y}", False),
        (" ", False),
        ("{sub1}", True),
        ("{sub2}", True),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "must begin with http"),
        ("example.com/{a}", "must begin with http"),
        ("ftp://example.com/", "must begin with http"),
        ("javascript://example.com/%0aalert(1)", "must begin with http"),
        ("https:///path", "names no host"),
        ("https://:443/", "names no host"),
        ("https://user:secret@example.com/", "user name or a password"),
        ("https://{sub1}.example.com/", "cannot stand in the host"),
        ("https://example.com:{sub1}/", "cannot stand in the host"),
        ("https://exa{mple.com/", "is not a host"),
        ("https://exa%6Dple.com/", "is not a host"),
        ("https://a..example/", "is not a host"),
        (f"https://{'a' * 64}.example/", "is not a host"),
        (f"https://{'é' * 300}/", "is not a host"),
        ("https://[1:2]/", "is not a host"),
        ("https://[fe80::1%eth0]/", "is not a host"),
        ("https://[::1", "is not a host"),
        ("https://example.com:0/", "is not a port"),
        ("https://example.com:65536/", "is not a port"),
        ("https://example.com/{a", "not part of a macro"),
        ("https://example.com/a}", "not part of a macro"),
        ("https://example.com/{{a}}", "not part of a macro"),
        ("https://example.com\\@evil.example/", "no spaces, line breaks or backslashes"),
        ("https://example.com/a b", "no spaces, line breaks or backslashes"),
        ("https://example.com/\r\nX: 1", "no spaces, line breaks or backslashes"),
    ],
)
def test_what_could_not_be_called_safely_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadTemplate, match=why):
        Template.parse(text)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("HTTPS://EXAMPLE.com", "example.com", None),
        ("http://example.com:8080/", "example.com", 8080),
        ("http://[2001:DB8::1]:8080/", "2001:db8::1", 8080),
        ("http://192.0.2.1/", "192.0.2.1", None),
    ],
)
def test_host_and_port_are_known(text: str, host: str, port: int | None) -> None:
    template = Template.parse(text)

    assert (template.host, template.port) == (host, port)
    assert urlsplit(template.fill({})).hostname == host


def test_an_unknown_macro_is_named_with_what_may_have_been_meant() -> None:
    vocabulary = Vocabulary(Macro("transaction_id", "", "1"), *SUBS)

    with pytest.raises(UnknownMacro, match=re.escape("{trans_id} is not a macro; did you mean {transaction_id}?")):
        vocabulary.demand(Template.parse("https://example.com/?a={trans_id}&b={sub1}"))
    with pytest.raises(UnknownMacro, match=re.escape("{}, {ZZZ} are not macros.")):
        vocabulary.demand(Template.parse("https://example.com/?a={}&b={ZZZ}&c={ZZZ}"))
    vocabulary.demand(Template.parse("https://example.com/?a={sub10}"))


def test_a_destination_passes_on_whatever_the_link_carries() -> None:
    template = Template.parse("https://shop.example/{offer_id}?cid={transaction_id}&gclid={gclid}")

    assert DESTINATION.unknown_in(template) == []
    assert template.fill({**DESTINATION.samples, "gclid": "a/b"}).endswith("&gclid=a%2Fb")
