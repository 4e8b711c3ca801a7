"""Sealing partner keys, each bound to its row."""

from __future__ import annotations

from portal.web import sealing
from portal.web.sealing import (
    BadEncryptionKeys,
    CannotUnseal,
    UnknownEncryptionKey,
    keyring,
    parse,
    writing_number,
)

__all__ = [
    "BadEncryptionKeys",
    "CannotUnseal",
    "UnknownEncryptionKey",
    "keyring",
    "parse",
    "seal",
    "unseal",
    "writing_number",
]


def seal(text: str, *, key_id: int) -> tuple[int, bytes]:
    """The number of the encryption key that writes, and nonce + ciphertext, bound to the row ``key_id``."""
    return sealing.seal(text, bound_to=f"latchkey:key:{key_id}")


def unseal(ciphertext: bytes | memoryview, *, key_id: int, number: int) -> str:
    """:raises UnknownEncryptionKey: when the environment does not have encryption key ``number``
    :raises CannotUnseal: when the ciphertext is not the one sealed for ``key_id``
    """
    return sealing.unseal(ciphertext, bound_to=f"latchkey:key:{key_id}", number=number)
