"""URLs with macros, such as ``https://example.com/?click={transaction_id}``: parsed once, filled for every click or
conversion. The scheme, the host and the port are the template's own; no value that is filled in can change them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import quote

SCHEMES = ("http", "https")
# RFC 3986 appendix B, with a scheme and an authority required.
PARTS = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.IGNORECASE | re.DOTALL)
MACRO = re.compile(r"\{([^{}]*)\}")
WITH_MACROS = re.compile(r"(\{[^{}]*\})")
NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
# A backslash is a slash to browsers, white space and control characters vanish or end a header. None is legal in a URL.
UNFIT = re.compile(r"[\s\\\x00-\x20\x7f]")
# What a URL may hold as it is, "%" included, because the text around the macros is encoded already.
AS_IT_IS = "!#$%&'()*+,/:;=?@[]~"
LONGEST_HOST = 253


class BadTemplate(ValueError):
    """The text is no URL that could be called; the message is a sentence for whoever wrote it."""


class UnknownMacro(BadTemplate):
    """The URL has a macro that nothing fills."""


@dataclass(frozen=True, slots=True)
class Macro:
    name: str
    meaning: str
    # What a preview shows in its place.
    sample: str

    @property
    def text(self) -> str:
        return f"{{{self.name}}}"


class Vocabulary:
    """The macros that one use of templates knows; ``others`` when any further name may be filled, too."""

    def __init__(self, *macros: Macro, others: bool = False) -> None:
        self._by_name = {macro.name: macro for macro in macros}
        self.others = others

    def __iter__(self) -> Iterator[Macro]:
        return iter(self._by_name.values())

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    @property
    def samples(self) -> dict[str, str]:
        return {macro.name: macro.sample for macro in self}

    def marked(self, text: str) -> list[tuple[str, bool]]:
        """The text in pieces, each with whether it is one of the macros; for pages that highlight them."""
        pieces = [
            (piece, piece[1:-1] in self and MACRO.fullmatch(piece) is not None) for piece in WITH_MACROS.split(text)
        ]
        return [(piece, is_macro) for piece, is_macro in pieces if piece]

    def unknown_in(self, template: Template) -> list[str]:
        """The names of the template's macros that are not in the vocabulary, in the order they stand in."""
        if self.others:
            return []
        return [name for name in template.macros if name not in self]

    def demand(self, template: Template) -> None:
        """:raises UnknownMacro: naming what the vocabulary does not have, and what may have been meant"""
        unknown = self.unknown_in(template)
        if not unknown:
            return
        close = get_close_matches(unknown[0].lower(), self._by_name, n=1)
        hint = f"; did you mean {{{close[0]}}}?" if close else "."
        names = ", ".join(f"{{{name}}}" for name in unknown)
        raise UnknownMacro(f"{names} {'is not a macro' if len(unknown) == 1 else 'are not macros'}{hint}")


@dataclass(frozen=True, slots=True)
class Blank:
    """A macro in the query or the fragment."""

    name: str

    def filled(self, values: Mapping[str, object]) -> str:
        return encoded(values.get(self.name))


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the path, between two slashes, with macros in it."""

    parts: tuple[str | Blank, ...]

    def filled(self, values: Mapping[str, object]) -> str:
        text = "".join(part if isinstance(part, str) else part.filled(values) for part in self.parts)
        if text.lower().replace("%2e", ".") in (".", ".."):
            # It would climb in the path, percent-encoded or not (WHATWG URL, "double-dot path segment"). Encoded
            # twice it is an ordinary segment; the receiver sees the dots with one encoding left.
            return re.sub(r"\.|%2e", "%252E", text, flags=re.IGNORECASE)
        return text


@dataclass(frozen=True, slots=True)
class Template:
    """A URL with macros; ``Template.parse`` makes it."""

    text: str
    scheme: str
    # In ASCII and lower case; an IPv6 address without its brackets.
    host: str
    port: int | None
    # The macros' names, each once, in the order they stand in.
    macros: tuple[str, ...]
    pieces: tuple[str | Blank | Segment, ...]

    @staticmethod
    def parse(text: str) -> Template:
        """The template that ``text`` says.

        :raises BadTemplate: when it is not an http or https URL with a host, holds a name or password, has a macro
            or anything else unfit where the host stands, or a brace that is not part of a macro
        """
        return parse(text)

    def fill(self, values: Mapping[str, object]) -> str:
        """The URL with each macro replaced by its value, in ASCII.

        Every value is percent-encoded as a whole, so it stays in its place: it decodes to what was given, and adds no
        parameter, segment or line. A macro without a value (or with None) is replaced by nothing.
        """
        return "".join(piece if isinstance(piece, str) else piece.filled(values) for piece in self.pieces)


# Templates are few and filled often: each is parsed once by a process.
@lru_cache(maxsize=4096)
def parse(text: str) -> Template:
    if UNFIT.search(text):
        raise BadTemplate("A URL has no spaces, line breaks or backslashes in it.")
    found = PARTS.fullmatch(text)
    if found is None or found[1].lower() not in SCHEMES:
        raise BadTemplate("It must begin with http:// or https://.")
    scheme, authority = found[1].lower(), found[2]
    if MACRO.search(authority):
        raise BadTemplate("A macro cannot stand in the host: whoever fills it would choose who is called.")
    host, port = host_and_port(authority)
    path, query, fragment = (found[number] or "" for number in (3, 4, 5))
    if re.search(r"[{}]", MACRO.sub("", path + query + fragment)):
        raise BadTemplate("It has a { or } that is not part of a macro.")
    written = f"[{host}]" if ":" in host else host
    start = f"{scheme}://{written}{f':{port}' if port else ''}"
    pieces = (start, *path_pieces(path), *blanks(query), *blanks(fragment))
    macros = tuple(dict.fromkeys(MACRO.findall(path + query + fragment)))
    return Template(text=text, scheme=scheme, host=host, port=port, macros=macros, pieces=joined(pieces))


def host_and_port(authority: str) -> tuple[str, int | None]:
    if "@" in authority:
        raise BadTemplate("It must not hold a user name or a password: whoever sees the URL would see them.")
    host, port = authority, ""
    if found := re.fullmatch(r"(.*):([0-9]*)", authority):
        host, port = found[1], found[2]
    if not host:
        raise BadTemplate("It names no host.")
    ascii_host = in_ascii(host)
    if not (is_ipv6(ascii_host) if host.startswith("[") else NAME.fullmatch(ascii_host)):
        raise BadTemplate(f"{host[:80]} is not a host.")
    if port and not (len(port) <= 5 and 0 < int(port) < 65536):
        raise BadTemplate(f"{port[:20]} is not a port.")
    return ascii_host.strip("[]"), int(port) if port else None


def in_ascii(host: str) -> str:
    """The host as name servers know it; "" when it cannot be one."""
    if len(host) > LONGEST_HOST:
        return ""
    try:
        return host.lower() if host.isascii() else host.encode("idna").decode().lower()
    except UnicodeError:
        return ""


def is_ipv6(bracketed: str) -> bool:
    try:
        IPv6Address(bracketed[1:-1])
    except AddressValueError:
        return False
    # A zone, as in fe80::1%eth0, means something on one machine alone.
    return bracketed.endswith("]") and "%" not in bracketed


def path_pieces(path: str) -> Iterator[str | Segment]:
    for segment in re.split(r"(/)", path):
        if MACRO.search(segment):
            yield Segment(tuple(blanks(segment)))
        else:
            yield literal(segment)


def blanks(text: str) -> Iterator[str | Blank]:
    """The text, its macros as blanks."""
    for number, piece in enumerate(MACRO.split(text)):
        if number % 2:
            yield Blank(piece)
        elif piece:
            yield literal(piece)


def joined(pieces: tuple[str | Blank | Segment, ...]) -> tuple[str | Blank | Segment, ...]:
    """The pieces with texts that follow each other made one."""
    result: list[str | Blank | Segment] = []
    for piece in pieces:
        if isinstance(piece, str) and result and isinstance(result[-1], str):
            result[-1] += piece
        else:
            result.append(piece)
    return tuple(result)


def literal(text: str) -> str:
    return quote(text, safe=AS_IT_IS)


def encoded(value: object) -> str:
    # A half of a character cannot be encoded; a redirect must not fail for it.
    return "" if value is None else quote(str(value), safe="", errors="replace")


SUBS = tuple(Macro(f"sub{number}", f"Sub id {number} of the click", f"sub{number}-value") for number in range(1, 11))

# What an offer's destination URL may hold, filled when somebody clicks. ``others``: any further parameter of the
# tracking URL can be passed on under its own name.
DESTINATION = Vocabulary(
    Macro(
        "transaction_id",
        "Number of the click; the advertiser reports the conversion with it",
        "0198c1d2e3f4" + "0" * 20,
    ),
    Macro("offer_id", "Number of the offer", "42"),
    Macro("offer_name", "Name of the offer", "Candle Club"),
    Macro("affiliate_id", "Number of the partner", "7"),
    Macro("partner_id", "The same as affiliate_id", "7"),
    Macro("source_id", "Where at the partner's the click came from", "newsletter"),
    *SUBS,
    Macro("creative_id", "Number of the creative; 0 without one", "3"),
    Macro("coupon_code", "Coupon code of the link", "SAVE10"),
    Macro("country", "ISO code of the country the click came from", "DE"),
    Macro("device_type", "Kind of device, such as mobile", "mobile"),
    Macro("timestamp", "When it was clicked, in unix seconds", "1777593600"),
    others=True,
)
