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

__all__ = [
    "AboveBudget",
    "AllowlistEntry",
    "AlreadyIssued",
    "AlreadyListed",
    "AlreadyRevoked",
    "AlreadyRotated",
    "Key",
    "KeyQuerySet",
    "NetworkKeyChanged",
    "NotRevealable",
    "NotRotatable",
    "OperationLimit",
    "Window",
]
