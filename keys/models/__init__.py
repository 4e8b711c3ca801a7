from __future__ import annotations

from keys.models.allowlist import AllowlistEntry
from keys.models.key import (
    AlreadyIssued,
    AlreadyListed,
    AlreadyRevoked,
    Key,
    KeyQuerySet,
    NetworkKeyChanged,
    NotRevealable,
)
from keys.models.limits import AboveBudget, OperationLimit, Window

__all__ = [
    "AboveBudget",
    "AllowlistEntry",
    "AlreadyIssued",
    "AlreadyListed",
    "AlreadyRevoked",
    "Key",
    "KeyQuerySet",
    "NetworkKeyChanged",
    "NotRevealable",
    "OperationLimit",
    "Window",
]
