"""The text of a key: how one is checked and recognised, and kept out of all that is written down.

It is made as every secret of ours is (portal.web.secret), after ``lk_aff_`` or ``lk_net_``. Its checksum also lets
leaked keys be found in text with next to no false alarms.
"""

from __future__ import annotations

import logging
import re

from portal.web.secret import (
    ALPHABET,
    CHECKSUM_LENGTH,
    LOOKS_LIKE_A_KEY,
    RANDOM_LENGTH,
    REDACTED,
    checksum,
    digest_of,
    hint_of,
    is_secret_of,
    mentions_a_key,
    new_secret,
    redact,
    unquoted,
)

__all__ = [
    "AFFILIATE_PREFIX",
    "ALPHABET",
    "CHECKSUM_LENGTH",
    "KEY_LENGTH",
    "LOOKS_LIKE_A_KEY",
    "NETWORK_PREFIX",
    "RANDOM_LENGTH",
    "REDACTED",
    "SECRET_BYTES",
    "SHARE_PREFIX",
    "RedactingFormatter",
    "checksum",
    "digest_of",
    "hint_of",
    "is_secret_of",
    "is_well_formed",
    "mentions_a_key",
    "new_secret",
    "redact",
    "unquoted",
]

AFFILIATE_PREFIX = "lk_aff_"
NETWORK_PREFIX = "lk_net_"
# The token of a one-time link; it opens one page, once.
SHARE_PREFIX = "lk_one_"

# What is worth finding in a text: keys, and the tokens of one-time links.
SECRET_BYTES = re.compile(rb"lk_(?:aff|net|one)_[0-9A-Za-z]{38}")
KEY_LENGTH = len(AFFILIATE_PREFIX) + RANDOM_LENGTH + CHECKSUM_LENGTH


def is_well_formed(text: str) -> bool:
    """Whether ``text`` could be one of our keys: its shape is right and its checksum fits."""
    return is_secret_of(AFFILIATE_PREFIX, text) or is_secret_of(NETWORK_PREFIX, text)


class RedactingFormatter(logging.Formatter):
    """Writes log lines without keys: in addresses, in messages of libraries and in tracebacks alike."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(redact, super().format(record).split("\n")))
