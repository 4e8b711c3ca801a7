"""The text of a secret that is issued and shown, such as a key: how it is made, checked, found, hinted at, and kept out
of all that is written down.

A prefix that says what it opens, then 32 base62 characters from ``secrets``, then 6 base62 characters of the CRC32 of
all that precedes (design.md section 5). The checksum tells a mistyped or invented one without asking the database.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from urllib.parse import unquote

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_LENGTH = 32
CHECKSUM_LENGTH = 6
# Wider than a key: what someone cut short, or ran together with its neighbour, is still half a secret. An advertiser's
# token, lk_adv_…, and a one-time link's, lk_one_…, open nothing of the API, but are as little to be written down.
LOOKS_LIKE_A_KEY = re.compile(r"lk_(?:aff|net|adv|one)_[0-9A-Za-z]{8,}", re.IGNORECASE)
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


def is_secret_of(prefix: str, text: str) -> bool:
    """Whether ``text`` could be a secret that begins with ``prefix``: its shape is right and its checksum fits."""
    if not text.startswith(prefix) or len(text) != len(prefix) + RANDOM_LENGTH + CHECKSUM_LENGTH:
        return False
    rest = text[len(prefix) :]
    return rest.isascii() and rest.isalnum() and checksum(text[:-CHECKSUM_LENGTH]) == text[-CHECKSUM_LENGTH:]


def digest_of(text: str) -> bytes:
    """The 32 bytes by which a secret is found. Its 190 random bits need no salt and no slow hash."""
    return hashlib.sha256(text.encode()).digest()


def hint_of(text: str) -> str:
    """What lists show instead of the secret: its prefix and last four characters, e.g. ``lk_aff_…9f2c``."""
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
