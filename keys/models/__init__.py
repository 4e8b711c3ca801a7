from __future__ import annotations

from keys.models.allowlist import AllowlistEntry
from keys.models.key import (
    AlreadyIssued,
    AlreadyListed,
    AlreadyRevoked,
    AlreadyRotated,
    Key,
    KeyQuerySet,
    NetworkKeyChanged,
    NotRevealable,
    NotRotatable,
)
from keys.models.limits import AboveBudget, OperationLimit, Window
from keys.models.share import LinkExpired, LinkUsed, ShareLink

__all__ = [
    "AboveBudget",
    "AllowlistEntry",
    "AlreadyIssued",
    "AlreadyListed",
    "AlreadyRevoked",
    "AlreadyRotated",
    "Key",
    "KeyQuerySet",
    "LinkExpired",
    "LinkUsed",
    "NetworkKeyChanged",
    "NotRevealable",
    "NotRotatable",
    "OperationLimit",
    "ShareLink",
    "Window",
]
