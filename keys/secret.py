"""The text of a key: how one is checked and recognised, and kept out of all that is written down.

It is made as every secret of ours is (portal.web.secret), after ``lk_aff_`` or ``lk_net_``. Its checksum also lets
leaked keys be found in text with next to no false alarms.
"""

from __future__ import annotations

import logging
import re
from urllib.parse import unquote

from portal.web.secret import ALPHABET, CHECKSUM_LENGTH, RANDOM_LENGTH, checksum, digest_of, hint_of, new_secret

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

PATTERN = re.compile(r"lk_(?:aff|net)_[0-9A-Za-z]{38}")
# What is worth finding in a text: keys, and the tokens of one-time links.
SECRET_BYTES = re.compile(rb"lk_(?:aff|net|one)_[0-9A-Za-z]{38}")
KEY_LENGTH = len(AFFILIATE_PREFIX) + RANDOM_LENGTH + CHECKSUM_LENGTH
# Wider than a key: what someone cut short, or ran together with its neighbour, is still half a secret. An advertiser's
# token, lk_adv_…, and a one-time link's, lk_one_…, open nothing of the API, but are as little to be written down.
LOOKS_LIKE_A_KEY = re.compile(r"lk_(?:aff|net|adv|one)_[0-9A-Za-z]{8,}", re.IGNORECASE)
REDACTED = "[redacted]"
ENCODED_PERCENT = re.compile(r"%(?:25)+")
# A key percent-encoded more often than this fills more than the longest URL.
MOST_LAYERS = 10


def is_well_formed(text: str) -> bool:
    """Whether ``text`` could be one of our keys: its shape is right and its checksum fits."""
    return PATTERN.fullmatch(text) is not None and checksum(text[:-CHECKSUM_LENGTH]) == text[-CHECKSUM_LENGTH:]


def is_secret_of(prefix: str, text: str) -> bool:
    """Whether ``text`` could be one of our secrets that begin with ``prefix``."""
    body, end = text[:-CHECKSUM_LENGTH], text[-CHECKSUM_LENGTH:]
    return text.startswith(prefix) and len(text) == KEY_LENGTH and text.isascii() and checksum(body) == end


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
