"""The text of a key: how it is made, checked, hinted at and recognised (design.md section 5).

``lk_aff_`` or ``lk_net_``, then 32 base62 characters from ``secrets``, then 6 base62 characters of the CRC32 of all
that precedes. The checksum tells a mistyped or invented key from a real one without asking the database, and lets
leaked keys be found in text with next to no false alarms.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import string
import zlib
from urllib.parse import unquote

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
AFFILIATE_PREFIX = "lk_aff_"
NETWORK_PREFIX = "lk_net_"
RANDOM_LENGTH = 32
CHECKSUM_LENGTH = 6

PATTERN = re.compile(r"lk_(?:aff|net)_[0-9A-Za-z]{38}")
# Wider than a key: what someone cut short, or ran together with its neighbour, is still half a secret.
LOOKS_LIKE_A_KEY = re.compile(r"lk_(?:aff|net)_[0-9A-Za-z]{8,}", re.IGNORECASE)
REDACTED = "[redacted]"
ENCODED_PERCENT = re.compile(r"%(?:25)+")
# A key percent-encoded more often than this fills more than the longest URL.
MOST_LAYERS = 10


def new_secret(prefix: str) -> str:
    body = prefix + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return body + checksum(body)


def checksum(body: str) -> str:
    number = zlib.crc32(body.encode("ascii"))
    digits = []
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def is_well_formed(text: str) -> bool:
    """Whether ``text`` could be one of our keys: its shape is right and its checksum fits."""
    return PATTERN.fullmatch(text) is not None and checksum(text[:-CHECKSUM_LENGTH]) == text[-CHECKSUM_LENGTH:]


def digest_of(text: str) -> bytes:
    """The 32 bytes by which a key is found. Its 190 random bits need no salt and no slow hash."""
    return hashlib.sha256(text.encode()).digest()


def hint_of(text: str) -> str:
    """What lists show instead of the key: its prefix and last four characters, e.g. ``lk_aff_…9f2c``."""
    return f"{text[:7]}…{text[-4:]}"


def redact(text: str) -> str:
    """``text`` with everything in it that looks like one of our keys replaced, percent-encoded ones too.

    Text in which one was encoded is answered decoded.
    """
    if "%" in text:
        plain = unquoted(text)
        if plain is None:
            return REDACTED
        if LOOKS_LIKE_A_KEY.search(plain):
            text = plain
    return LOOKS_LIKE_A_KEY.sub(lambda found: f"{found.group()[:7]}{REDACTED}", text)


def mentions_a_key(text: str) -> bool:
    """Whether anything in ``text`` looks like one of our keys, in any case and however often percent-encoded."""
    if "%" in text:
        plain = unquoted(text)
        return plain is None or LOOKS_LIKE_A_KEY.search(plain) is not None
    return "_" in text and LOOKS_LIKE_A_KEY.search(text) is not None


def unquoted(text: str) -> str | None:
    """``text`` with every layer of percent-encoding undone; None when there is no end to them."""
    for _ in range(MOST_LAYERS):
        plain = unquote(ENCODED_PERCENT.sub("%", text))
        if plain == text:
            return text
        text = plain
    return None


class RedactingFormatter(logging.Formatter):
    """Writes log lines without keys: in addresses, in messages of libraries and in tracebacks alike."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(redact, super().format(record).split("\n")))
