"""The text of a secret that is issued and shown, such as a key: how it is made, checked, found and hinted at.

A prefix that says what it opens, then 32 base62 characters from ``secrets``, then 6 base62 characters of the CRC32 of
all that precedes (design.md section 5). The checksum tells a mistyped or invented one without asking the database.
"""

from __future__ import annotations

import hashlib
import secrets
import string
import zlib

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_LENGTH = 32
CHECKSUM_LENGTH = 6


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


def digest_of(text: str) -> bytes:
    """The 32 bytes by which a secret is found. Its 190 random bits need no salt and no slow hash."""
    return hashlib.sha256(text.encode()).digest()


def hint_of(text: str) -> str:
    """What lists show instead of the secret: its prefix and last four characters, e.g. ``lk_aff_…9f2c``."""
    return f"{text[:7]}…{text[-4:]}"
