"""What a push says of itself, so that its receiver can tell that it is ours, whole, and of this moment."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable

PREFIX = "fhs_"


def new_secret() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def signature(body: bytes, *, at: int, by: Iterable[str]) -> str:
    """The header Latchkey-Signature: the time in unix seconds, and for each secret the HMAC-SHA-256 of "time.body"."""
    signed = f"{at}.".encode() + body
    return ",".join([f"t={at}", *(f"v1={hmac.digest(secret.encode(), signed, 'sha256').hex()}" for secret in by)])
