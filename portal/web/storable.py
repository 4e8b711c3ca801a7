"""Text from anywhere as the database can keep it."""

from __future__ import annotations


def storable(text: str, length: int) -> str:
    """At most so many characters, none of them NUL or half of one, which PostgreSQL cannot store."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text[:length].replace("\x00", "\ufffd")


def from_wire(text: str) -> str:
    """A header or a query string as it was meant: WSGI hands on each byte as a character of its own."""
    return text if text.isascii() else text.encode("latin-1", "replace").decode("utf-8", "replace")


# PostgreSQL's text format of COPY: what would end a field or a line, or begin an escape.
ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def in_copy(text: str) -> str:
    """Storable text as a field of COPY's text format."""
    return text.translate(ESCAPED) if text else text
