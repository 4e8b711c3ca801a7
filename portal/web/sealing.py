"""Sealing secrets that have to be read again, so that the database alone does not give them away (design.md, 5)."""

from __future__ import annotations

import base64
import binascii
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

NONCE_LENGTH = 12


class UnknownEncryptionKey(Exception):
    """The ciphertext was written under an encryption key that KEY_ENCRYPTION_KEYS no longer names."""


class CannotUnseal(Exception):
    """The ciphertext is not what was sealed for this place: it was damaged, or moved from another row."""


class BadEncryptionKeys(ValueError):
    """KEY_ENCRYPTION_KEYS cannot be read."""


def seal(text: str, *, bound_to: str) -> tuple[int, bytes]:
    """The number of the encryption key that writes, and nonce + ciphertext, which opens for ``bound_to`` alone: the
    kind and the id of the row that it stands in."""
    ring = keyring()
    number = next(iter(ring))
    nonce = os.urandom(NONCE_LENGTH)
    return number, nonce + ring[number].encrypt(nonce, text.encode(), bound_to.encode())


def unseal(ciphertext: bytes | memoryview, *, bound_to: str, number: int) -> str:
    """:raises UnknownEncryptionKey: when the environment does not have encryption key ``number``
    :raises CannotUnseal: when the ciphertext is not the one sealed for ``bound_to``
    """
    try:
        cipher = keyring()[number]
    except KeyError:
        raise UnknownEncryptionKey(number) from None
    nonce, body = bytes(ciphertext[:NONCE_LENGTH]), bytes(ciphertext[NONCE_LENGTH:])
    try:
        return cipher.decrypt(nonce, body, bound_to.encode()).decode()
    except (InvalidTag, ValueError):
        # ValueError: there is not even a nonce left of it.
        raise CannotUnseal(bound_to) from None


def writing_number() -> int:
    return next(iter(keyring()))


def keyring() -> dict[int, AESGCM]:
    """The ciphers by number, the one that writes first."""
    return parse(tuple(settings.KEY_ENCRYPTION_KEYS))


@lru_cache(maxsize=8)
def parse(entries: tuple[str, ...]) -> dict[int, AESGCM]:
    ring: dict[int, AESGCM] = {}
    for entry in entries:
        number, separator, encoded = entry.strip().partition(":")
        if not separator or not number.isdecimal():
            raise BadEncryptionKeys("Each of KEY_ENCRYPTION_KEYS is NUMBER:KEY, for example 1:<32 bytes in base64>.")
        try:
            key = base64.b64decode(encoded.replace("-", "+").replace("_", "/"), validate=True)
        except binascii.Error:
            raise BadEncryptionKeys(f"Encryption key {number} is not base64.") from None
        if len(key) != 32:
            raise BadEncryptionKeys(f"Encryption key {number} has {len(key)} bytes; it needs 32.")
        if int(number) in ring:
            raise BadEncryptionKeys(f"Encryption key {number} is named twice.")
        ring[int(number)] = AESGCM(key)
    if not ring:
        raise BadEncryptionKeys("KEY_ENCRYPTION_KEYS is empty.")
    return ring


@register()
def encryption_keys_can_be_read(app_configs: object, **kwargs: object) -> list[CheckMessage]:
    try:
        keyring()
    except BadEncryptionKeys as error:
        return [
            Error(
                str(error),
                hint="docs/configuration.md says how to make one.",
                id="latchkey.E002",
            )
        ]
    return []
